//! The answer to a Check as it is sent, written straight from the decision and the key's record: no part is copied first.
//!
//! It is the same as [`super::check::response`], byte by byte; `tests/rpc/check_by_hand.rs` holds them together.

use prost::Message as _;

use super::{check::denial_to_wire, fields::ProtoFields};
use crate::{
    domain::{
        caller_id::CallerId, decision::Decision, grant::Grant, id::WorkspaceId, key::Creator, limit::Bound,
        text::Owner, time::Timestamp,
    },
    judge::answer::{Answer, CheckedKey},
    ports::LimitState,
};

/// Appends an answer's message.
pub(in crate::grpc) fn write(answer: &Answer, bytes: &mut Vec<u8>) {
    let mut fields = ProtoFields(bytes);
    match &answer.decision {
        Decision::Allow(_) => fields.number(1, 1),
        // Rarer, and longer than it is often.
        Decision::Deny(denial) => {
            fields.message(2, |fields| denial_to_wire(denial, answer).encode_raw(fields.0));
        }
    }
    if let Some(checked) = &answer.subject {
        fields.message(3, |fields| key(checked, fields));
    }
    for (bound, state) in answer.limits() {
        fields.message(4, |fields| limit(bound, state, fields));
    }
    fields.number(5, answer.degraded.into());
    fields.number(6, answer.revision.0);
}

fn key(checked: &CheckedKey, fields: &mut ProtoFields<'_>) {
    let key = checked.found.key();
    let rights = checked.found.rights();
    fields.text(1, key.id.text().as_str());
    workspace(2, key.workspace, fields);
    owner(3, key.owner, fields);
    fields.message(4, |fields| creator(key.creator, checked.creator_known, fields));
    fields.text(5, key.environment.as_str());
    rights.unbound().for_each(|scope| fields.item(6, scope));
    rights.bound().iter().for_each(|bound| grant(bound, fields));
    fields.text(8, checked.found.workspace().map_or("", |workspace| workspace.plan.as_str()));
    for (name, value) in key.metadata.pairs() {
        fields.message(9, |fields| {
            fields.text(1, name);
            fields.text(2, value);
        });
    }
    if let Some((generation, end)) = checked.secret {
        fields.message(10, |fields| {
            fields.number(1, generation.into());
            if let Some(end) = end {
                fields.message(2, |fields| time(end, fields));
            }
        });
    }
}

fn creator(creator: &Creator, known: bool, fields: &mut ProtoFields<'_>) {
    match creator {
        Creator::System => {}
        Creator::Admin { on_behalf_of, .. } if !known => owner(4, on_behalf_of.as_ref(), fields),
        Creator::Admin { by, owner: of, workspace: its, on_behalf_of } => {
            match by {
                CallerId::Key(key) => fields.text(1, key.text().as_str()),
                CallerId::Actor(_) => fields.text(1, &by.to_text()),
            }
            owner(2, of.as_ref(), fields);
            if let Some(its) = its {
                workspace(3, *its, fields);
            }
            owner(4, on_behalf_of.as_ref(), fields);
        }
    }
}

fn workspace(field: u8, workspace: WorkspaceId, fields: &mut ProtoFields<'_>) {
    fields.text(field, workspace.text().as_str());
}

fn owner(field: u8, owner: Option<&Owner>, fields: &mut ProtoFields<'_>) {
    fields.text(field, owner.map_or("", Owner::as_str));
}

fn grant(grant: &Grant, fields: &mut ProtoFields<'_>) {
    let Some(resources) = grant.resources() else { return };
    fields.message(7, |fields| {
        fields.text(1, grant.scope().as_str());
        for resource in resources {
            fields.item(2, resource.as_str());
        }
    });
}

fn limit(bound: &Bound, state: &LimitState, fields: &mut ProtoFields<'_>) {
    fields.text(1, &bound.name);
    fields.number(2, bound.limit);
    fields.number(3, state.remaining);
    fields.message(4, |fields| time(state.reset, fields));
    fields.message(5, |fields| fields.number(1, bound.length.as_secs()));
}

fn time(time: Timestamp, fields: &mut ProtoFields<'_>) {
    let time = super::time::to_wire(time);
    fields.number(1, time.seconds.cast_unsigned());
    fields.number(2, i64::from(time.nanos).cast_unsigned());
}
