//! A workspace for eyes.

use crate::{
    cli::{
        input::limits,
        output::{names, table::Table, time},
    },
    wire::v1::Workspace,
};

pub(in crate::cli) fn facts(workspace: &Workspace) -> String {
    let mut facts = Table::of_facts();
    facts.fact("workspace", &workspace.id);
    facts.fact("name", &workspace.name);
    facts.fact("owner", &workspace.owner);
    facts.fact("plan", &workspace.plan);
    facts.fact("state", names::for_eyes(&names::workspace_state(workspace.state)));
    if let Some(rules) = &workspace.key_rules {
        facts.fact("expiry", if rules.require_expiry { "required" } else { "" });
        facts.fact("lifetime", time::duration_shown(rules.max_lifetime.as_ref()));
        facts.fact("key names", &rules.name_pattern);
    }
    for limit in workspace.limits.iter().flat_map(limits::shown) {
        facts.fact("own limit", limit);
    }
    facts.fact("created", time::shown(workspace.create_time.as_ref()));
    facts.fact("revision", workspace.revision.to_string());
    facts.render()
}
