//! A key for eyes, as `show`, `issue`, `rotate` and the other verbs print it.

use super::{names, table::Table, time};
use crate::{
    cli::input::limits,
    wire::v1::{AdminRights, Ceiling, Grant, Key, Revocation},
};

/// Everything about a key, one fact a line, then its secrets.
pub(in crate::cli) fn key(key: &Key) -> String {
    let mut facts = Table::of_facts();
    facts.fact("id", &key.id);
    facts.fact("name", &key.name);
    facts.fact("description", &key.description);
    facts.fact("state", names::for_eyes(&names::key_state(key.state)));
    facts.fact("workspace", &key.workspace_id);
    facts.fact("environment", &key.environment);
    facts.fact("owner", &key.owner);
    facts.fact("owner's role", &key.owner_role);
    facts.fact("follows", if key.follows_owner_role { "the role of its owner" } else { "" });
    facts.fact("hint", &key.hint);
    facts.fact("scopes", key.scopes.join(" "));
    facts.fact("grants", grants(&key.grants));
    effective(&mut facts, key);
    for limit in &key.effective_limits {
        facts.fact("limit", limits::effective(limit));
    }
    facts.fact("networks", key.allowed_cidrs.join(" "));
    for (name, value) in &key.metadata {
        facts.fact("metadata", format!("{name}={value}"));
    }
    if let Some(rights) = &key.admin {
        admin(&mut facts, rights);
    }
    facts.fact("expires", key.expire_time.as_ref().map_or_else(|| "never".to_owned(), time::rfc3339));
    facts.fact("last used", key.last_use_time.as_ref().map_or_else(|| "never".to_owned(), time::rfc3339));
    facts.fact("created", created(key));
    facts.fact("changed", time::shown(key.update_time.as_ref()));
    if let Some(revoked) = &key.revocation {
        revocation(&mut facts, revoked);
    }
    facts.fact("imported first", &key.earlier_import_key_id);
    facts.fact("revision", key.revision.to_string());
    format!("{}{}", facts.render(), secrets(key))
}

/// What the policy in force makes of the scopes of a holder's key.
fn effective(facts: &mut Table, key: &Key) {
    if key.admin.is_none() {
        let scopes = key.effective_scopes.join(" ");
        facts.fact("effective", if scopes.is_empty() { "none".to_owned() } else { scopes });
    }
    facts.fact("inert", key.inert_scopes.join(" "));
}

/// `scope@resource,resource`, as `--grant` takes them, one space apart.
pub(in crate::cli) fn grants(grants: &[Grant]) -> String {
    let one = |grant: &Grant| format!("{}@{}", grant.scope, grant.resources.join(","));
    grants.iter().map(one).collect::<Vec<_>>().join(" ")
}

fn created(key: &Key) -> String {
    let by = key.creator.as_ref().map(|creator| match (creator.key_id.as_str(), creator.owner.as_str()) {
        // To a caller who is bound to a workspace, of what is out of reach.
        ("", _) => " by an operator, or Keyward itself".to_owned(),
        (id, "") => format!(" by {id}"),
        (id, owner) => format!(" by {id} ({owner})"),
    });
    time::shown(key.create_time.as_ref()) + &by.unwrap_or_default()
}

fn admin(facts: &mut Table, rights: &AdminRights) {
    facts.fact("administers", rights.scopes.join(" "));
    facts.fact("reach", if rights.global { "every workspace" } else { "its own workspace" });
    match &rights.ceiling {
        Some(limits) => ceiling(facts, limits),
        None => facts.fact("may hand out", "nothing"),
    }
}

fn ceiling(facts: &mut Table, ceiling: &Ceiling) {
    let granted = [ceiling.scopes.join(" "), grants(&ceiling.grants)].join(" ");
    let lifetime = time::duration_shown(ceiling.max_lifetime.as_ref());
    let or_none = |any: bool, listed: &str| match (any, listed.trim()) {
        (true, _) => "any".to_owned(),
        (false, "") => "none".to_owned(),
        (false, some) => some.to_owned(),
    };
    facts.fact("may hand out", or_none(ceiling.any_grant, &granted));
    facts.fact("  in", or_none(ceiling.any_environment, &ceiling.environments.join(" ")));
    facts.fact("  for at most", or_none(ceiling.any_lifetime, &lifetime));
    facts.fact("  limits", if ceiling.raise_limits { "any" } else { "no wider than the plan's" });
}

fn revocation(facts: &mut Table, revocation: &Revocation) {
    let by = match revocation.revoked_by.as_str() {
        "" if revocation.by_operator => "an operator",
        "" => "whoever presented it",
        id => id,
    };
    facts.fact("revoked", format!("{} by {by}", time::shown(revocation.revoke_time.as_ref())));
    facts.fact("reason", names::for_eyes(&names::revoke_reason(revocation.reason)));
    facts.fact("comment", &revocation.comment);
}

fn secrets(key: &Key) -> String {
    if key.secrets.is_empty() {
        return String::new();
    }
    let mut table = Table::with_header(&["GENERATION", "SECRET", "STATE", "CREATED", "ENDS", "LAST USED"]);
    for secret in &key.secrets {
        table.row([
            secret.generation.to_string(),
            secret.hint.clone(),
            names::for_eyes(&names::secret_state(secret.state)),
            time::shown(secret.create_time.as_ref()),
            time::shown(secret.end_time.as_ref()),
            time::shown(secret.last_use_time.as_ref()),
        ]);
    }
    format!("\n{}", table.render())
}

#[cfg(test)]
mod tests {
    use prost_types::Timestamp;

    use super::*;
    use crate::wire::v1::{Creator, EffectiveLimit, PolicyLimit, Secret, policy_limit::Window};

    #[test]
    fn a_key_is_shown_fact_by_fact() {
        let at = |seconds| Some(Timestamp { seconds, nanos: 0 });
        let shown = key(&Key {
            id: "key_1".into(),
            name: "build \u{202e}bot".into(),
            state: 3,
            scopes: vec!["a:b".into(), "c:d".into()],
            grants: vec![Grant { scope: "e:f".into(), resources: vec!["x/1".into(), "y/*".into()] }],
            metadata: [("team".to_owned(), "blue".to_owned())].into(),
            create_time: at(0),
            creator: Some(Creator {
                key_id: "key_0".into(),
                owner: "ann".into(),
                workspace_id: String::new(),
                on_behalf_of: String::new(),
            }),
            revocation: Some(Revocation { revoke_time: at(60), reason: 1, ..Default::default() }),
            secrets: vec![Secret {
                generation: 2,
                hint: "kw_live_…AbCd".into(),
                state: 1,
                create_time: at(5),
                end_time: None,
                scheme: "keyward-1".into(),
                last_use_time: at(60),
            }],
            revision: 7,
            effective_scopes: vec!["a:b".into(), "e:f".into()],
            inert_scopes: vec!["c:d".into()],
            effective_limits: vec![EffectiveLimit {
                name: "default/day".into(),
                limit: Some(PolicyLimit {
                    limit: 500,
                    window: Some(Window::Calendar(3)),
                    ..Default::default()
                }),
                origin: 4,
            }],
            ..Default::default()
        });
        let expected = "\
id         key_1
name       build \\u{202e}bot
state      revoked
scopes     a:b c:d
grants     e:f@x/1,y/*
effective  a:b e:f
inert      c:d
limit      default/day=500/day (the key's own)
metadata   team=blue
expires    never
last used  never
created    1970-01-01T00:00:00Z by key_0 (ann)
revoked    1970-01-01T00:01:00Z by whoever presented it
reason     compromised
revision   7

GENERATION  SECRET         STATE    CREATED               ENDS  LAST USED
2           kw_live_…AbCd  current  1970-01-01T00:00:05Z  -     1970-01-01T00:01:00Z
";
        assert_eq!(shown, expected);
    }

    #[test]
    fn what_an_administration_key_may_hand_out_is_never_left_open() {
        let with = |ceiling| {
            key(&Key { admin: Some(AdminRights { ceiling, ..Default::default() }), ..Default::default() })
        };
        assert!(with(None).contains("may hand out  nothing\n"));
        let narrow = with(Some(Ceiling { scopes: vec!["a:b".into()], ..Default::default() }));
        assert!(
            narrow.contains("may hand out   a:b\n  in           none\n  for at most  none\n  limits       no wider than the plan's\n"),
            "{narrow}"
        );
        let wide = with(Some(Ceiling {
            any_grant: true,
            any_environment: true,
            any_lifetime: true,
            raise_limits: true,
            ..Default::default()
        }));
        let expected = "may hand out   any\n  in           any\n  for at most  any\n  limits       any\n";
        assert!(wide.contains(expected), "{wide}");
    }
}
