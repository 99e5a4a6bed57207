//! Questions about usage, and what keys did, for the wire.

use super::{owner, time, unless_empty, within, workspace::looked_at};
use crate::{
    changes::usage::{UsagePage, UsageQuery, UsageSum},
    domain::{id::KeyId, parse::ParseError, text::EnvironmentName, usage::Period, workspace::Within},
    error::OperationError,
    wire::v1::{self, DenialReason, UsagePeriod},
};

/// Which usage to read, once it is known within which workspaces.
pub(in crate::grpc) fn query(
    of: Within,
    key: Option<KeyId>,
    asked: &v1::GetUsageRequest,
) -> Result<UsageQuery, OperationError> {
    Ok(UsageQuery {
        within: of,
        key,
        owner: owner("owner", &asked.owner)?,
        environment: unless_empty(&asked.environment, |name| {
            within("environment", EnvironmentName::parse(name))
        })?,
        start: asked.start_time.map(|asked| time::timestamp("start_time", asked)).transpose()?,
        end: asked.end_time.map(|asked| time::timestamp("end_time", asked)).transpose()?,
        period: period(asked.period)?,
    })
}

fn period(asked: i32) -> Result<Period, OperationError> {
    let unknown =
        |_unknown| OperationError::invalid("period", ParseError::new("one of the values of UsagePeriod"));
    Ok(match UsagePeriod::try_from(asked).map_err(unknown)? {
        UsagePeriod::Unspecified | UsagePeriod::Total => Period::Total,
        UsagePeriod::Hour => Period::Hour,
        UsagePeriod::Day => Period::Day,
        UsagePeriod::Month => Period::Month,
    })
}

/// A page of usage.
pub(in crate::grpc) fn response(page: UsagePage, of: Within) -> v1::GetUsageResponse {
    let usage = page.usage.into_iter().map(to_wire).collect();
    v1::GetUsageResponse { usage, next_page_token: page.next_page_token, workspace_id: looked_at(of) }
}

fn to_wire(sum: UsageSum) -> v1::Usage {
    let denied =
        |(reason, count): (String, u64)| v1::DeniedUsage { reason: reason_of(&reason).into(), count };
    v1::Usage {
        key_id: sum.key.to_text(),
        workspace_id: sum.workspace.map(|workspace| workspace.to_string()).unwrap_or_default(),
        environment: sum.environment,
        tier: sum.tier,
        start_time: Some(time::to_wire(sum.start)),
        allowed: sum.allowed,
        cost: sum.cost,
        denied: sum.denied.into_iter().map(denied).collect(),
        billable: sum.billable,
    }
}

/// The reason of this name; a later Keyward's is not known here.
fn reason_of(name: &str) -> DenialReason {
    DenialReason::from_str_name(&format!("DENIAL_REASON_{name}")).unwrap_or_default()
}
