//! Changes of many keys.

use super::{comment, key, owner, time, unless_empty, within, workspace::looked_at};
use crate::{
    changes::keys::{
        bulk::{BulkAct, BulkAnswer, BulkChange},
        select::KeySelection,
    },
    domain::{parse::ParseError, tag::Tag, text::EnvironmentName, workspace::Within},
    error::OperationError,
    ports::RequestMark,
    wire::v1::{self, change_keys_request::Action},
};

/// What is to be done to each key.
pub(in crate::grpc) fn act(asked: Option<&Action>) -> Result<BulkAct, OperationError> {
    match asked {
        Some(Action::Disable(v1::DisableKeys {})) => Ok(BulkAct::Disable),
        Some(Action::Enable(v1::EnableKeys {})) => Ok(BulkAct::Enable),
        Some(Action::Revoke(v1::RevokeKeys { reason })) => {
            let known = key::revoke_reason(*reason);
            let named = |_| {
                OperationError::invalid("revoke.reason", ParseError::new("one of the values of RevokeReason"))
            };
            known.map(BulkAct::Revoke).map_err(named)
        }
        Some(Action::Retire(v1::RetireKeys { expire_time, lifetime })) => {
            let ending = time::ending(("retire.expire_time", *expire_time), ("retire.lifetime", *lifetime))?;
            Ok(BulkAct::Retire(ending))
        }
        None => {
            let why = ParseError::new("one of disable, enable, revoke and retire");
            Err(OperationError::invalid("action", why))
        }
    }
}

/// Which keys, and how sure the caller is of them.
pub(in crate::grpc) fn bulk_change(
    of: Within,
    act: BulkAct,
    asked: &v1::ChangeKeysRequest,
    request: Option<RequestMark>,
) -> Result<BulkChange, OperationError> {
    let instant = |field, time: Option<_>| time.map(|asked| time::timestamp(field, asked)).transpose();
    let selection = KeySelection {
        within: of,
        owner: owner("owner", &asked.owner)?,
        environment: unless_empty(&asked.environment, |name| {
            within("environment", EnvironmentName::parse(name))
        })?,
        tag: unless_empty(&asked.tag, |tag| within("tag", Tag::parse(tag)))?,
        issued_from: instant("issue_start_time", asked.issue_start_time)?,
        issued_before: instant("issue_end_time", asked.issue_end_time)?,
    };
    let expected = (!asked.validate_only).then_some(asked.expected_count);
    Ok(BulkChange { act, selection, comment: comment(&asked.comment)?, expected, request })
}

/// What was changed, or would be.
pub(in crate::grpc) fn response(answer: &BulkAnswer, of: Within) -> v1::ChangeKeysResponse {
    let number = |number: usize| u64::try_from(number).unwrap_or(u64::MAX);
    v1::ChangeKeysResponse {
        group_id: answer.group.map(|group| group.to_string()).unwrap_or_default(),
        count: number(answer.count),
        key_ids: answer.keys.iter().map(ToString::to_string).collect(),
        unchanged_count: number(answer.unchanged),
        revision: answer.revision.0,
        workspace_id: looked_at(of),
        workspace_count: number(answer.workspaces),
    }
}
