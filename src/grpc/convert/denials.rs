//! Questions about denials, and their answers, for the wire.

use super::{time, unless_empty};
use crate::{
    changes::denials::{DenialAnswer, DenialGrouping, DenialQuery, DenialRow, DenialWho},
    domain::{
        denial_sums::{ADMINISTRATION, DenialLabel, DeniedCredential},
        id::WorkspaceId,
        parse::ParseError,
    },
    error::OperationError,
    judge::{denials::OUT_OF_REACH, question::Door},
    wire::v1::{self, DenialReason, ErrorReason},
};

const SECONDS_A_MINUTE: i64 = 60;

/// Which denials to tell of, once the workspace is known.
pub(in crate::grpc) fn query(
    workspace: Option<WorkspaceId>,
    asked: &v1::QueryDenialsRequest,
) -> Result<DenialQuery, OperationError> {
    Ok(DenialQuery {
        workspace,
        start: asked.start_time.map(|asked| time::timestamp("start_time", asked)).transpose()?,
        end: asked.end_time.map(|asked| time::timestamp("end_time", asked)).transpose()?,
        reason: unless_empty(&asked.reason, reason)?,
        door: unless_empty(&asked.door, door)?,
        grouping: grouping(asked.group_by)?,
    })
}

fn reason(asked: &str) -> Result<String, OperationError> {
    let of_check = DenialReason::from_str_name(&format!("DENIAL_REASON_{asked}")).is_some();
    let of_call = ErrorReason::from_str_name(&format!("ERROR_REASON_{asked}")).is_some();
    if of_check || of_call || asked == OUT_OF_REACH {
        return Ok(asked.to_owned());
    }
    let why = ParseError::new("the name of a DenialReason or an ErrorReason, or OUT_OF_REACH");
    Err(OperationError::invalid("reason", why))
}

fn door(asked: &str) -> Result<String, OperationError> {
    if asked == ADMINISTRATION || Door::ALL.iter().any(|door| door.name() == asked) {
        return Ok(asked.to_owned());
    }
    Err(OperationError::invalid("door", ParseError::new("`grpc`, `envoy`, `verify`, `json` or `admin`")))
}

fn grouping(asked: i32) -> Result<DenialGrouping, OperationError> {
    let unknown = |_unknown| {
        OperationError::invalid("group_by", ParseError::new("one of the values of DenialGrouping"))
    };
    Ok(match v1::DenialGrouping::try_from(asked).map_err(unknown)? {
        v1::DenialGrouping::Unspecified | v1::DenialGrouping::Time => DenialGrouping::Time,
        v1::DenialGrouping::Source => DenialGrouping::Source,
        v1::DenialGrouping::Credential => DenialGrouping::Credential,
        v1::DenialGrouping::Workspace => DenialGrouping::Workspace,
    })
}

/// A page of denials.
pub(in crate::grpc) fn response(page: DenialAnswer) -> v1::QueryDenialsResponse {
    let denials = page.rows.into_iter().map(to_wire).collect();
    v1::QueryDenialsResponse { denials, next_page_token: page.next_page_token }
}

fn to_wire(row: DenialRow) -> v1::DenialSum {
    let DenialRow { span: (start, minutes), label, workspace, who, seen } = row;
    let mut sum = v1::DenialSum {
        start_time: Some(time::to_wire(start)),
        duration: Some(prost_types::Duration { seconds: i64::from(minutes) * SECONDS_A_MINUTE, nanos: 0 }),
        workspace_id: workspace.map(|workspace| workspace.to_string()).unwrap_or_default(),
        count: seen.count,
        max_count: seen.at_most(),
        ..v1::DenialSum::default()
    };
    if let Some(DenialLabel { door, call, reason }) = label {
        (sum.door, sum.call, sum.reason) = (door.into_owned(), call.into_owned(), reason.into_owned());
    }
    match who {
        DenialWho::Anybody | DenialWho::Credential(DeniedCredential::Unnamed) => {}
        DenialWho::Source(source) => {
            sum.source = source.map(|source| source.to_string()).unwrap_or_default();
        }
        DenialWho::Credential(DeniedCredential::Key(id)) => sum.key_id = id.to_text(),
        DenialWho::Credential(DeniedCredential::Hint(hint)) => sum.hint = hint.into(),
        DenialWho::Others => sum.others = true,
    }
    sum
}
