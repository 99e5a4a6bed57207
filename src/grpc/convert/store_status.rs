//! How the store is, for the wire.

use std::net::IpAddr;

use super::{audit, time};
use crate::{
    changes::{
        keys::show::Moment,
        support::denied_here::{Denied, StoreStatus},
    },
    judge::wrong_callers::WrongCallersSeen,
    ports::Taking,
    wire::v1::{self, ChangesTaken},
};

/// The most ends, and the most keys of each, that an answer names.
const NAMED: usize = 1_000;

/// The answer.
pub(in crate::grpc) fn response(status: &StoreStatus, moment: &Moment) -> v1::GetStatusResponse {
    let keys: usize = status.denied.iter().map(|denied| denied.keys().len()).sum();
    let taken = match status.taking {
        Taking::Everything => ChangesTaken::All,
        Taking::Ends => ChangesTaken::Ends,
        Taking::Nothing => ChangesTaken::None,
    };
    v1::GetStatusResponse {
        changes_taken: taken.into(),
        why: status.why.clone().unwrap_or_default(),
        revision: status.revision.0,
        denied: status.denied.iter().take(NAMED).map(|denied| denied_to_wire(denied, moment)).collect(),
        denied_key_count: count(keys),
        wrong_callers: status.wrong_callers.as_ref().map(wrong_callers),
    }
}

fn wrong_callers(seen: &WrongCallersSeen) -> v1::WrongCallers {
    let source = |(source, count): &(Option<IpAddr>, u64)| v1::WrongCallerSource {
        source: source.map(|source| source.to_string()).unwrap_or_default(),
        count: *count,
    };
    v1::WrongCallers {
        count: seen.count,
        limited_count: seen.limited,
        last_time: seen.last.map(time::to_wire),
        sources: seen.sources.iter().map(source).collect(),
    }
}

fn denied_to_wire(denied: &Denied, moment: &Moment) -> v1::DeniedInMemory {
    v1::DeniedInMemory {
        key_ids: denied.keys().iter().take(NAMED).map(ToString::to_string).collect(),
        key_count: count(denied.keys().len()),
        workspace_id: denied.workspace.map(|workspace| workspace.to_string()).unwrap_or_default(),
        becomes: denied.becomes().to_owned(),
        actor: Some(audit::actor_to_wire(&denied.actor, moment)),
        asked_time: Some(time::to_wire(denied.asked)),
    }
}

fn count(number: usize) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}
