//! What new and changed keys must be like: under the policy in force, and by the rules of their workspace.

use std::collections::BTreeSet;

use crate::{
    domain::{
        grant::Grant,
        key::Key,
        parse::ParseError,
        policy::{Policy, RuleBroken, show_duration},
        workspace::Workspace,
    },
    error::{Blocked, OperationError, path},
};

/// Passes a new key that is as the policy wants it: its scopes are declared, it keeps the rules, and its workspace's plan
/// may issue. An administration key holds no scopes and has a ceiling instead of rules.
pub(in crate::changes) fn require_fit(
    policy: &Policy,
    workspace: &Workspace,
    prefix: &str,
    key: &Key,
) -> Result<(), OperationError> {
    if key.admin.is_some() {
        return Ok(());
    }
    if !policy.may_issue_on(&workspace.plan) {
        return Err(Blocked::PlanMayNotIssue(workspace.plan.clone()).into());
    }
    require_declared(policy, prefix, key.grants.iter())?;
    let broken = broken(policy, Some(workspace), key).into_iter().next();
    broken.map_or(Ok(()), |(whose, broken)| Err(unkept(prefix, whose, broken)))
}

/// Every rule that a key does not keep, and whose it is.
fn broken(policy: &Policy, workspace: Option<&Workspace>, key: &Key) -> Vec<(&'static str, RuleBroken)> {
    let own = workspace.and_then(|workspace| workspace.key_rules.as_ref());
    let own = own.map(|own| ("workspace", own.rules()));
    let all = [("policy", policy.key_rules())].into_iter().chain(own);
    all.flat_map(|(whose, rules)| {
        rules.broken_by(&key.view(), Some(&key.name)).into_iter().map(move |broken| (whose, broken))
    })
    .collect()
}

/// Passes a changed key whose new grants are declared, and which keeps the rules about what was changed.
pub(in crate::changes) fn require_kept(
    policy: &Policy,
    workspace: Option<&Workspace>,
    before: &Key,
    after: &Key,
) -> Result<(), OperationError> {
    let known: BTreeSet<&Grant> = before.grants.iter().collect();
    require_declared(policy, "key", after.grants.iter().filter(|grant| !known.contains(grant)))?;
    for (whose, broken) in broken(policy, workspace, after) {
        let touched = match broken {
            RuleBroken::ExpiryMissing | RuleBroken::LifetimeTooLong(_) => before.expires != after.expires,
            RuleBroken::NameUnfit(_) => before.name != after.name,
        };
        if touched {
            return Err(unkept("key", whose, broken));
        }
    }
    Ok(())
}

fn require_declared<'a>(
    policy: &Policy,
    prefix: &str,
    mut grants: impl Iterator<Item = &'a Grant>,
) -> Result<(), OperationError> {
    let Some(inert) = grants.find(|grant| policy.reached(grant.scope()).next().is_none()) else {
        return Ok(());
    };
    let field = path(prefix, if inert.resources().is_some() { "grants" } else { "scopes" });
    let what = if inert.scope().wildcard().is_some() { "reaches none" } else { "is none" };
    let near = policy.nearest_pattern(inert.scope());
    let near = near.map(|near| format!("; the nearest is `{near}`")).unwrap_or_default();
    let why = format!("scopes that the policy declares, and `{}` {what}{near}", inert.scope());
    Err(OperationError::invalid(field, ParseError::owned(why)))
}

fn unkept(prefix: &str, whose: &str, broken: RuleBroken) -> OperationError {
    let (field, why) = match broken {
        RuleBroken::ExpiryMissing => {
            ("expire_time", ParseError::owned(format!("given: the {whose} wants every key to expire")))
        }
        RuleBroken::LifetimeTooLong(longest) => {
            let why =
                format!("at most {} after the key is issued: the {whose} says so", show_duration(longest));
            ("expire_time", ParseError::owned(why))
        }
        RuleBroken::NameUnfit(pattern) => {
            ("name", ParseError::owned(format!("such that the {whose}'s name pattern matches it: {pattern}")))
        }
    };
    OperationError::invalid(path(prefix, field), why)
}
