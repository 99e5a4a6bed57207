//! What becomes of the keys of a workspace when it changes, for eyes and for scripts.

use serde_json::{Value, json};

use crate::{
    cli::{
        input::limits,
        output::{
            json::{effective_limit, list},
            table::Table,
        },
    },
    wire::v1::WorkspaceEffect,
};

pub(in crate::cli) fn json(effect: &WorkspaceEffect) -> Value {
    json!({
        "key_count": effect.key_count,
        "own_limit_key_count": effect.own_limit_key_count,
        "keys_denied_before": effect.keys_denied_before,
        "keys_denied_after": effect.keys_denied_after,
        "may_issue_after": effect.may_issue_after,
        "limits_before": list(&effect.limits_before, effective_limit),
        "limits_after": list(&effect.limits_after, effective_limit),
    })
}

/// Facts, and each limit before and after; those that stay are not shown twice.
pub(in crate::cli) fn text(effect: &WorkspaceEffect) -> String {
    let mut facts = Table::of_facts();
    facts.fact("keys", effect.key_count.to_string());
    facts.fact("with own limits", effect.own_limit_key_count.to_string());
    facts.fact("the keys are", denied(effect));
    facts.fact("new keys", if effect.may_issue_after { "can be issued" } else { "cannot be issued" });
    let shown = |all: &[_]| all.iter().map(limits::effective).collect::<Vec<_>>();
    let (before, after) = (shown(&effect.limits_before), shown(&effect.limits_after));
    for limit in after.iter().filter(|limit| before.contains(limit)) {
        facts.fact("limit stays", limit);
    }
    for limit in before.iter().filter(|limit| !after.contains(limit)) {
        facts.fact("limit goes", limit);
    }
    for limit in after.iter().filter(|limit| !before.contains(limit)) {
        facts.fact("limit comes", limit);
    }
    facts.render()
}

const fn denied(effect: &WorkspaceEffect) -> &'static str {
    match (effect.keys_denied_before, effect.keys_denied_after) {
        (false, false) => "let through, as before",
        (true, true) => "denied, as before",
        (false, true) => "denied from then on",
        (true, false) => "let through again",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::v1::{EffectiveLimit, LimitOrigin, PolicyCalendar, PolicyLimit, policy_limit::Window};

    fn limit(name: &str, limit: u64, origin: LimitOrigin) -> EffectiveLimit {
        let window = Some(Window::Calendar(PolicyCalendar::Month.into()));
        let limit = Some(PolicyLimit { name: "month".into(), limit, window, ..PolicyLimit::default() });
        EffectiveLimit { name: name.into(), limit, origin: origin.into() }
    }

    #[test]
    fn a_plan_change_says_what_becomes_of_keys_and_limits() {
        // L5
        let stays = limit("publish/month", 5, LimitOrigin::Tier);
        let effect = WorkspaceEffect {
            key_count: 12,
            own_limit_key_count: 3,
            keys_denied_after: true,
            limits_before: vec![limit("all/month", 250_000, LimitOrigin::Plan), stays.clone()],
            limits_after: vec![limit("all/month", 10_000, LimitOrigin::Plan), stays],
            ..WorkspaceEffect::default()
        };
        let expected = "\
keys             12
with own limits  3
the keys are     denied from then on
new keys         cannot be issued
limit stays      publish/month=5/month (of the tier)
limit goes       all/month=250000/month (of the plan)
limit comes      all/month=10000/month (of the plan)
";
        assert_eq!(text(&effect), expected);
    }
}
