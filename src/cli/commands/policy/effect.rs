//! What a document changes, and what keys lose and gain by it, for eyes.

use crate::{
    cli::output::{table::Table, text::printable},
    wire::v1::{AffectedKey, GainingKey, PolicyChange, PolicyEffect},
};

/// Each change on a line of its own: `+` is new, `-` is gone, `~` is different. Empty if there is none.
pub(super) fn changes(effect: &PolicyEffect) -> String {
    let lines = effect.changes.iter().map(|change| printable(&line(change)) + "\n").collect::<String>();
    lines + &more(effect.change_count, effect.changes.len())
}

/// How much changes, each change, and each key that is touched, after a blank line each.
pub(super) fn whole(effect: &PolicyEffect, facts: &mut Table) -> String {
    facts.fact("changes", effect.change_count.to_string());
    facts.fact("affected keys", effect.affected_key_count.to_string());
    facts.fact("gaining keys", effect.gaining_key_count.to_string());
    let parts = [facts.render(), changes(effect), affected(effect), gaining(effect)];
    parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("\n")
}

fn line(change: &PolicyChange) -> String {
    match (change.from.as_str(), change.to.as_str()) {
        ("", to) => format!("+ {}: {to}", change.field),
        (from, "") => format!("- {}: {from}", change.field),
        (from, to) => format!("~ {}: {from} → {to}", change.field),
    }
}

fn affected(effect: &PolicyEffect) -> String {
    if effect.affected_keys.is_empty() {
        return String::new();
    }
    let mut table = Table::with_header(&["KEY", "WORKSPACE", "NAME", "LOSES", "NO LONGER KEEPS"]);
    for AffectedKey { key_id, workspace_id, name, lost_scopes, broken_rules } in &effect.affected_keys {
        table.row([
            key_id.clone(),
            workspace_id.clone(),
            name.clone(),
            lost_scopes.join(" "),
            broken_rules.join(" "),
        ]);
    }
    table.render() + &more(effect.affected_key_count, effect.affected_keys.len())
}

fn gaining(effect: &PolicyEffect) -> String {
    if effect.gaining_keys.is_empty() {
        return String::new();
    }
    let mut table = Table::with_header(&["KEY", "WORKSPACE", "NAME", "GAINS"]);
    for GainingKey { key_id, workspace_id, name, gained_scopes, gained_scope_count } in &effect.gaining_keys {
        let left = more(*gained_scope_count, gained_scopes.len());
        let gains = [gained_scopes.join(" "), left.trim_end().to_owned()].join(" ");
        table.row([key_id.clone(), workspace_id.clone(), name.clone(), gains.trim_end().to_owned()]);
    }
    table.render() + &more(effect.gaining_key_count, effect.gaining_keys.len())
}

/// What an answer leaves out, because there is too much of it.
fn more(count: u64, shown: usize) -> String {
    match count.saturating_sub(u64::try_from(shown).unwrap_or(count)) {
        0 => String::new(),
        left => format!("and {left} more\n"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(field: &str, from: &str, to: &str) -> PolicyChange {
        PolicyChange { field: field.into(), from: from.into(), to: to.into() }
    }

    #[test]
    fn changes_are_shown_one_a_line() {
        let mut effect = PolicyEffect {
            changes: vec![
                change("scopes[a:b]", "", "{}"),
                change("scopes[c:d]", "{}", ""),
                change("admin_prefix", "\"x_\"", "\"y\u{202e}_\""),
            ],
            change_count: 3,
            ..PolicyEffect::default()
        };
        let lines = "+ scopes[a:b]: {}\n- scopes[c:d]: {}\n~ admin_prefix: \"x_\" → \"y\\u{202e}_\"\n";
        assert_eq!(changes(&effect), lines);
        effect.change_count = 1_002;
        assert!(changes(&effect).ends_with("\nand 999 more\n"));
        assert_eq!(changes(&PolicyEffect::default()), "");
    }

    #[test]
    fn what_keys_gain_stands_last() {
        // S10
        let effect = PolicyEffect {
            gaining_keys: vec![GainingKey {
                key_id: "key_1".into(),
                workspace_id: "ws_1".into(),
                name: "bot".into(),
                gained_scopes: vec!["c:d".into(), "c:e".into()],
                gained_scope_count: 7,
            }],
            gaining_key_count: 2,
            ..PolicyEffect::default()
        };
        let expected = "\
changes        0
affected keys  0
gaining keys   2

KEY    WORKSPACE  NAME  GAINS
key_1  ws_1       bot   c:d c:e and 5 more
and 1 more
";
        assert_eq!(whole(&effect, &mut Table::of_facts()), expected);
    }

    #[test]
    fn what_keys_lose_stands_below_what_changes() {
        let effect = PolicyEffect {
            changes: vec![change("scopes[c:d]", "{}", "")],
            change_count: 1,
            affected_keys: vec![AffectedKey {
                key_id: "key_1".into(),
                workspace_id: "ws_1".into(),
                name: "bot".into(),
                lost_scopes: vec!["c:d".into(), "c:e".into()],
                broken_rules: Vec::new(),
            }],
            affected_key_count: 1,
            ..PolicyEffect::default()
        };
        let expected = "\
changes        1
affected keys  1
gaining keys   0

- scopes[c:d]: {}

KEY    WORKSPACE  NAME  LOSES    NO LONGER KEEPS
key_1  ws_1       bot   c:d c:e  -
";
        assert_eq!(whole(&effect, &mut Table::of_facts()), expected);
        let nothing = whole(&PolicyEffect::default(), &mut Table::of_facts());
        assert_eq!(nothing, "changes        0\naffected keys  0\ngaining keys   0\n");
    }
}
