//! Checks: questions in, answers out.

use std::net::IpAddr;

use super::{key, key_id, rights, time, within, workspace_id};
use crate::{
    domain::{
        admin::Caller,
        decision::{Decision, Denial, MAX_COST, MAX_SCOPES, Requirement, Spent},
        id::{KeyId, WorkspaceId},
        limit::Bound,
        parse::ParseError,
        resource::Resource,
        scope::Scope,
        text::EnvironmentName,
    },
    error::{OperationError, path},
    judge::{
        answer::{Answer, CheckedKey},
        check_all::Together,
        question::{Door, InQuestion, Mode, Query},
    },
    ports::LimitState,
    wire::v1::{self, check_request},
};

const MAX_GROUPS: usize = 16;
const MAX_GROUPED_SCOPES: usize = 128;

/// The mode that is asked for.
pub(in crate::grpc) fn mode(prefix: &str, asked: &v1::CheckRequest) -> Result<Mode, OperationError> {
    match v1::CheckMode::try_from(asked.mode) {
        Ok(v1::CheckMode::Unspecified | v1::CheckMode::Enforce) => Ok(Mode::Enforce),
        Ok(v1::CheckMode::Peek) => Ok(Mode::Peek),
        Ok(v1::CheckMode::Explain) => Ok(Mode::Explain),
        Err(_) => Err(OperationError::invalid(
            path(prefix, "mode"),
            ParseError::new("one of the values of CheckMode"),
        )),
    }
}

/// The key that is named, where one is.
pub(in crate::grpc) fn named_key(
    prefix: &str,
    asked: &v1::CheckRequest,
) -> Option<Result<KeyId, OperationError>> {
    match &asked.subject {
        Some(check_request::Subject::KeyId(text)) => Some(key_id(&path(prefix, "key_id"), text)),
        Some(check_request::Subject::ApiKey(_)) | None => None,
    }
}

/// The workspace that is named.
pub(in crate::grpc) fn workspace(
    prefix: &str,
    asked: &v1::CheckRequest,
) -> Result<Option<WorkspaceId>, OperationError> {
    workspace_id(&path(prefix, "workspace_id"), &asked.workspace_id)
}

/// The rest of a question, once it is known that the caller may ask it.
pub(in crate::grpc) fn query<'a>(
    prefix: &str,
    asked: &'a v1::CheckRequest,
    mode: Mode,
    workspace: Option<WorkspaceId>,
    (caller, door): (&Caller, Door),
) -> Result<Query<'a>, OperationError> {
    let subject = match &asked.subject {
        None => InQuestion::Nothing,
        Some(check_request::Subject::ApiKey(text)) => InQuestion::Presented(text),
        Some(check_request::Subject::KeyId(text)) => InQuestion::Key(key_id(&path(prefix, "key_id"), text)?),
    };
    if matches!(subject, InQuestion::Key(_)) && mode == Mode::Enforce {
        let why = ParseError::new("used in the modes PEEK and EXPLAIN only; to enforce, present the api_key");
        return Err(OperationError::invalid(path(prefix, "key_id"), why));
    }
    if let Some(cost) = asked.cost {
        within(&path(prefix, "cost"), bounded(cost))?;
    }
    let requirement = Requirement {
        cost: asked.cost,
        scopes: scopes(prefix, "scopes", &asked.scopes)?,
        any_scopes: groups(prefix, &asked.any_scopes)?,
        resource: resource(prefix, &asked.resource)?,
        workspace,
        environment: environment(prefix, &asked.environment)?,
        address: asked.context.as_ref().map(|context| address(prefix, context)).transpose()?.flatten(),
        from_browser: false,
    };
    let (bound_to, caller) = (caller.bound_to(), caller.id());
    Ok(Query { subject, requirement, mode, bound_to, caller, door })
}

/// What a request costs, if that is little enough.
pub(super) fn bounded(cost: u64) -> Result<u64, ParseError> {
    if cost > MAX_COST { Err(ParseError::new("at most 1,000,000,000,000")) } else { Ok(cost) }
}

fn scopes<'a>(prefix: &str, name: &str, texts: &'a [String]) -> Result<Vec<Scope<'a>>, OperationError> {
    if texts.len() > MAX_SCOPES {
        return Err(OperationError::invalid(path(prefix, name), ParseError::new("at most 64 scopes")));
    }
    let invalid = |place, why| OperationError::invalid(path(prefix, &format!("{name}[{place}]")), why);
    texts
        .iter()
        .enumerate()
        .map(|(place, text)| Scope::parse(text).map_err(|why| invalid(place, why)))
        .collect()
}

fn groups<'a>(prefix: &str, groups: &'a [v1::ScopeGroup]) -> Result<Vec<Vec<Scope<'a>>>, OperationError> {
    if groups.len() > MAX_GROUPS {
        return Err(OperationError::invalid(
            path(prefix, "any_scopes"),
            ParseError::new("at most 16 groups"),
        ));
    }
    let each = |(place, group): (usize, &'a v1::ScopeGroup)| {
        let name = format!("any_scopes[{place}].scopes");
        if group.scopes.is_empty() {
            return Err(OperationError::invalid(path(prefix, &name), ParseError::new("at least one scope")));
        }
        scopes(prefix, &name, &group.scopes)
    };
    let read: Vec<_> = groups.iter().enumerate().map(each).collect::<Result<_, _>>()?;
    if read.iter().map(Vec::len).sum::<usize>() > MAX_GROUPED_SCOPES {
        let why = ParseError::new("at most 128 scopes over all groups");
        return Err(OperationError::invalid(path(prefix, "any_scopes"), why));
    }
    Ok(read)
}

pub(super) fn resource<'a>(prefix: &str, text: &'a str) -> Result<Option<Resource<'a>>, OperationError> {
    if text.is_empty() {
        return Ok(None);
    }
    Resource::parse(text).map(Some).map_err(|why| OperationError::invalid(path(prefix, "resource"), why))
}

/// An environment need not be one that is configured: keys of those that are not any more can be asked about.
pub(super) fn environment<'a>(prefix: &str, text: &'a str) -> Result<Option<&'a str>, OperationError> {
    if text.is_empty() {
        return Ok(None);
    }
    match EnvironmentName::parse(text) {
        Ok(_) => Ok(Some(text)),
        Err(why) => Err(OperationError::invalid(path(prefix, "environment"), why)),
    }
}

fn address(prefix: &str, context: &v1::CheckContext) -> Result<Option<IpAddr>, OperationError> {
    let bounds = [
        ("method", &context.method, 64, "at most 64 characters"),
        ("path", &context.path, 8_192, "at most 8,192 characters"),
        ("user_agent", &context.user_agent, 8_192, "at most 8,192 characters"),
        ("request_id", &context.request_id, 128, "at most 128 characters"),
        ("host", &context.host, 512, "at most 512 characters"),
    ];
    // No text has more characters than bytes: only one with too many bytes is counted.
    let too_long = |text: &str, most| text.len() > most && text.chars().count() > most;
    if let Some((name, .., allowed)) = bounds.into_iter().find(|(_, text, most, _)| too_long(text, *most)) {
        return Err(OperationError::invalid(
            path(prefix, &format!("context.{name}")),
            ParseError::new(allowed),
        ));
    }
    if context.source_address.is_empty() {
        return Ok(None);
    }
    let invalid = ParseError::new("an IPv4 or IPv6 address, without a port");
    within(&path(prefix, "context.source_address"), context.source_address.parse().ok().ok_or(invalid))
        .map(Some)
}

/// An answer for the wire.
pub(in crate::grpc) fn response(answer: &Answer) -> v1::CheckResponse {
    let (allowed, denial) = match &answer.decision {
        Decision::Allow(_) => (true, None),
        Decision::Deny(denial) => (false, Some(denial_to_wire(denial, answer))),
    };
    v1::CheckResponse {
        allowed,
        denial,
        key: answer.subject.as_ref().map(key_to_wire),
        limits: answer.limits().map(|(bound, state)| limit_to_wire(bound, state)).collect(),
        degraded: answer.degraded,
        revision: answer.revision.0,
        route: None,
    }
}

/// The answer to a question among those that are charged together or not at all. One that was held back by the question at another
/// place says so.
pub(in crate::grpc) fn response_of(Together { answer, held_by }: &Together) -> v1::CheckResponse {
    let mut response = response(answer);
    if let (Some(place), Some(denial)) = (held_by, &mut response.denial) {
        denial.message = format!("requests[{place}]: {}", denial.message);
        // It is another key, or another question, that lacks them.
        denial.missing_scopes.clear();
    }
    response
}

fn limit_to_wire(bound: &Bound, state: &LimitState) -> v1::LimitState {
    v1::LimitState {
        name: bound.name.to_string(),
        limit: bound.limit,
        remaining: state.remaining,
        reset_time: Some(time::to_wire(state.reset)),
        window: Some(seconds(bound.length.as_secs())),
    }
}

fn seconds(seconds: u64) -> prost_types::Duration {
    prost_types::Duration { seconds: i64::try_from(seconds).unwrap_or(i64::MAX), nanos: 0 }
}

/// A denial, with every failure where the question was to explain.
pub(super) fn denial_to_wire(denial: &Denial, answer: &Answer) -> v1::Denial {
    let failures = answer.failures.as_slice();
    let message = |denial: &Denial| match &answer.undeclared {
        Some(undeclared) if denial.missing_scopes().contains(&undeclared.scope) => {
            format!("{}; {undeclared}", denial.message())
        }
        Some(_) | None => denial.message().into_owned(),
    };
    let failure = |denial: &Denial| v1::DenialFailure {
        reason: denial.facts().reason.number,
        message: message(denial),
    };
    let missing = if failures.is_empty() { std::slice::from_ref(denial) } else { failures };
    v1::Denial {
        reason: denial.facts().reason.number,
        message: message(denial),
        missing_scopes: missing.iter().flat_map(Denial::missing_scopes).cloned().collect(),
        retry_after: denial.spent().and_then(Spent::retry_after).map(seconds),
        failures: failures.iter().map(failure).collect(),
    }
}

fn key_to_wire(checked: &CheckedKey) -> v1::CheckedKey {
    let key = checked.found.key();
    let effective = checked.found.rights();
    let secret = checked
        .secret
        .map(|(generation, end)| v1::CheckedSecret { generation, retiring_at: end.map(time::to_wire) });
    v1::CheckedKey {
        id: key.id.to_text(),
        workspace_id: key.workspace.to_text(),
        owner: key::owner_to_wire(key.owner),
        creator: Some(key::creator_to_wire(key.creator, checked.creator_known)),
        environment: key.environment.as_str().to_owned(),
        scopes: effective.unbound().map(ToOwned::to_owned).collect(),
        grants: effective.bound().iter().filter_map(rights::bound_to_wire).collect(),
        plan: checked
            .found
            .workspace()
            .as_ref()
            .map_or_else(String::new, |workspace| workspace.plan.as_str().to_owned()),
        metadata: key.metadata.pairs().clone(),
        secret,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::{domain::decision::DenialDetails, wire::v1::DenialReason};

    #[test]
    fn a_reason_has_one_name_and_number_everywhere() {
        let at = crate::domain::time::Timestamp::from_ms(0).unwrap();
        let spent = Spent { limit: "".into(), admits: 0, wait: None };
        let details =
            DenialDetails { at, missing: &[], bound: &[], named: true, address: None, spent: &spent };
        let mut known = BTreeSet::new();
        for denial in Denial::every(&details) {
            let reason = denial.facts().reason;
            let on_the_wire = DenialReason::try_from(reason.number).unwrap();
            assert_eq!(on_the_wire.as_str_name(), format!("DENIAL_REASON_{}", reason.name));
            known.insert(reason.number);
        }
        let all = (1..1_000).filter(|number| DenialReason::try_from(*number).is_ok());
        assert_eq!(known, all.collect(), "each reason of the wire is that of a denial");
    }
}
