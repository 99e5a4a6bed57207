//! `keyward rights`: what a key may do in the end, and why.

use clap::Args;
use serde_json::{Value, json};

use crate::{
    cli::{
        exit::Exit,
        failure::Failure,
        input::{limits, parse::KeyId},
        output::{json, names, table::Table, time},
        session::Session,
    },
    wire::v1::{
        EffectiveScope, GetEffectiveRightsRequest, GetEffectiveRightsResponse, InertGrant, InertReason,
        OwnerState,
    },
};

/// Show what a key may do now, and why
#[derive(Args, Debug)]
pub struct RightsArgs {
    /// The key
    #[arg(value_name = "KEY_ID", value_parser = KeyId)]
    key_id: String,
}

pub(in crate::cli) async fn run(args: RightsArgs, session: &mut Session<'_, '_>) -> Result<Exit, Failure> {
    let request = GetEffectiveRightsRequest { key_id: args.key_id };
    let mut keys = session.keys().await?;
    let answer = keys.get_effective_rights(request).await.map_err(session.rpc())?.into_inner();
    session.answer(|| in_json(&answer), || text(&answer))?;
    Ok(Exit::Done)
}

fn text(rights: &GetEffectiveRightsResponse) -> String {
    let mut facts = Table::of_facts();
    facts.fact("key", &rights.key_id);
    facts.fact("state", names::for_eyes(&names::key_state(rights.key_state)));
    facts.fact("workspace", format!("{}{}", rights.workspace_id, workspace_state(rights)));
    facts.fact("owner", owner(rights));
    facts.fact("follows", if rights.follows_owner_role { "the role of its owner" } else { "" });
    facts.fact("usable", if rights.usable { "yes" } else { "no: every Check is denied" });
    facts.fact("imported first", &rights.earlier_import_key_id);
    for limit in &rights.limits {
        facts.fact("limit", limits::effective(limit));
    }
    facts.fact("policy", rights.policy_version.to_string());
    format!("{}{}{}", facts.render(), scopes(&rights.scopes), inert(&rights.inert))
}

const fn workspace_state(rights: &GetEffectiveRightsResponse) -> &'static str {
    match (rights.workspace_closed, rights.workspace_suspended) {
        (true, _) => " (closed)",
        (false, true) => " (suspended)",
        (false, false) => "",
    }
}

fn owner(rights: &GetEffectiveRightsResponse) -> String {
    match (rights.owner.as_str(), rights.owner_role.as_str()) {
        ("", _) => String::new(),
        (owner, "") => format!("{owner} (no member)"),
        (owner, role) => format!("{owner} ({role})"),
    }
}

fn scopes(scopes: &[EffectiveScope]) -> String {
    if scopes.is_empty() {
        return "\nIt has no scope.\n".to_owned();
    }
    let mut table = Table::with_header(&["SCOPE", "RESOURCES", "TIER", "BY"]);
    for scope in scopes {
        let resources = if scope.every_resource { "every one".to_owned() } else { scope.resources.join(" ") };
        table.row([scope.scope.clone(), resources, scope.tier.clone(), by(scope)]);
    }
    format!("\n{}", table.render())
}

fn by(scope: &EffectiveScope) -> String {
    let role = || format!("role {}", scope.role);
    match (scope.granted_by.as_slice(), scope.role.as_str()) {
        ([], _) => role(),
        (grants, "") => grants.join(" "),
        (grants, _) => format!("{} within {}", grants.join(" "), role()),
    }
}

fn inert(inert: &[InertGrant]) -> String {
    if inert.is_empty() {
        return String::new();
    }
    let mut table = Table::with_header(&["PERMITS NOTHING", "WHY"]);
    for grant in inert {
        let why = match InertReason::try_from(grant.reason) {
            Ok(InertReason::Undeclared) => "the policy does not declare it",
            Ok(InertReason::WithheldByRole) => "the role does not have it",
            Ok(InertReason::Unspecified) | Err(_) => "",
        };
        table.row([grant.scope.clone(), why.to_owned()]);
    }
    format!("\n{}", table.render())
}

fn in_json(rights: &GetEffectiveRightsResponse) -> Value {
    json!({
        "key_id": rights.key_id,
        "workspace_id": rights.workspace_id,
        "owner": rights.owner,
        "follows_owner_role": rights.follows_owner_role,
        "owner_role": rights.owner_role,
        "owner_state": owner_state(rights.owner_state),
        "key_state": names::key_state(rights.key_state),
        "workspace_suspended": rights.workspace_suspended,
        "workspace_closed": rights.workspace_closed,
        "plan_denies_keys": rights.plan_denies_keys,
        "usable": rights.usable,
        "scopes": json::list(&rights.scopes, scope_in_json),
        "inert": json::list(&rights.inert, inert_in_json),
        "limits": json::list(&rights.limits, json::effective_limit),
        "policy_version": rights.policy_version,
        "time": rights.time.as_ref().map(time::rfc3339),
        "earlier_import_key_id": rights.earlier_import_key_id,
    })
}

fn scope_in_json(scope: &EffectiveScope) -> Value {
    json!({
        "scope": scope.scope,
        "tier": scope.tier,
        "every_resource": scope.every_resource,
        "resources": scope.resources,
        "granted_by": scope.granted_by,
        "role": scope.role,
    })
}

fn inert_in_json(grant: &InertGrant) -> Value {
    json!({ "scope": grant.scope, "reason": inert_reason(grant.reason) })
}

fn owner_state(value: i32) -> String {
    names::bare(OwnerState::try_from(value).ok().map(|v| v.as_str_name()), "OWNER_STATE_", value)
}

fn inert_reason(value: i32) -> String {
    names::bare(InertReason::try_from(value).ok().map(|v| v.as_str_name()), "INERT_REASON_", value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_field_of_the_wire_is_shown() {
        for (message, value) in [
            ("GetEffectiveRightsResponse", in_json(&GetEffectiveRightsResponse::default())),
            ("EffectiveScope", scope_in_json(&EffectiveScope::default())),
            ("InertGrant", inert_in_json(&InertGrant::default())),
        ] {
            json::assert_shows_every_field(message, &value);
        }
    }

    #[test]
    fn each_scope_says_what_gives_it() {
        let scope = |scope: &str, granted_by: &[&str], resources: &[&str]| EffectiveScope {
            scope: scope.into(),
            tier: "default".into(),
            every_resource: resources.is_empty(),
            resources: resources.iter().map(|one| (*one).to_owned()).collect(),
            granted_by: granted_by.iter().map(|one| (*one).to_owned()).collect(),
            role: "editor".into(),
        };
        let shown = text(&GetEffectiveRightsResponse {
            key_id: "key_1".into(),
            workspace_id: "ws_1".into(),
            owner: "ann".into(),
            owner_role: "editor".into(),
            follows_owner_role: true,
            key_state: 1,
            usable: true,
            workspace_suspended: true,
            scopes: vec![scope("a:b", &[], &[]), scope("c:d", &["c:*"], &["site/1", "site/2"])],
            inert: vec![InertGrant { scope: "x:y".into(), reason: 2 }],
            policy_version: 7,
            ..GetEffectiveRightsResponse::default()
        });
        let expected = "\
key        key_1
state      active
workspace  ws_1 (suspended)
owner      ann (editor)
follows    the role of its owner
usable     yes
policy     7

SCOPE  RESOURCES      TIER     BY
a:b    every one      default  role editor
c:d    site/1 site/2  default  c:* within role editor

PERMITS NOTHING  WHY
x:y              the role does not have it
";
        assert_eq!(shown, expected);
    }
}
