//! The actors of the configuration file: who may call without a key, and what they may.

use std::{collections::HashSet, sync::Arc, time::Duration};

use serde::Deserialize;

use crate::domain::{
    admin::{Actors, AdminRights, AdminScope, NamedActor, ProvenName},
    caller_id::ActorId,
    ceiling::{Ceiling, EnvironmentCeiling, GrantCeiling, LifetimeCeiling},
    grant::{Grant, Grants},
    id::WorkspaceId,
    network::{AllowedNetworks, parse_network},
    parse::ParseError,
    policy::duration,
    resource::ResourcePattern,
    scope::ScopePattern,
    text::EnvironmentName,
};

/// More than any installation has services.
const MOST_ACTORS: usize = 1_024;
const MOST_NAMES: usize = 16;

/// An actor as the file has it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct FileActor {
    id: String,
    #[serde(default)]
    uris: Vec<String>,
    #[serde(default)]
    dns_names: Vec<String>,
    reach: String,
    scopes: Vec<String>,
    #[serde(default)]
    allowed_cidrs: Vec<String>,
    #[serde(default)]
    ceiling: FileCeiling,
}

/// What an actor may hand out; what is absent is nothing.
#[derive(Deserialize, Default)]
#[expect(clippy::struct_excessive_bools, reason = "as the file has them, and the wire")]
#[serde(deny_unknown_fields)]
struct FileCeiling {
    #[serde(default)]
    any_grant: bool,
    #[serde(default)]
    grants: Vec<FileGrant>,
    #[serde(default)]
    any_environment: bool,
    #[serde(default)]
    environments: Vec<String>,
    #[serde(default)]
    any_lifetime: bool,
    max_lifetime: Option<String>,
    #[serde(default)]
    raise_limits: bool,
}

/// A scope, for every resource or for some.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FileGrant {
    scope: String,
    resources: Option<Vec<String>>,
}

/// The field that is wrong, and what it takes.
type Wrong = (String, ParseError);

/// The actors that the file names.
///
/// # Errors
/// The first field that is not what it takes.
pub(super) fn actors(file: &[FileActor]) -> Result<Actors, Wrong> {
    if file.len() > MOST_ACTORS {
        return Err(("actors".to_owned(), ParseError::new("at most 1,024 actors")));
    }
    let (mut ids, mut names, mut places) = (HashSet::new(), Vec::new(), Vec::new());
    for (place, of_file) in file.iter().enumerate() {
        let at = |field: &str| format!("actors[{place}].{field}");
        let actor = Arc::new(actor(&at, of_file)?);
        if !ids.insert(actor.id) {
            return Err((at("id"), ParseError::new("another than that of an actor before it")));
        }
        let uris = each(&at("uris"), &of_file.uris, ProvenName::uri)?;
        let dns = each(&at("dns_names"), &of_file.dns_names, ProvenName::dns)?;
        let count = uris.len().saturating_add(dns.len());
        if count == 0 || count > MOST_NAMES {
            let why = "1 to 16 names, together with `dns_names`: those by which its certificate is known";
            return Err((at("uris"), ParseError::new(why)));
        }
        for (field, all) in [("uris", uris), ("dns_names", dns)] {
            for (number, name) in all.into_iter().enumerate() {
                places.push(at(&format!("{field}[{number}]")));
                names.push((name, Arc::clone(&actor)));
            }
        }
    }
    Actors::new(names).map_err(|place| {
        let field = places.into_iter().nth(place).unwrap_or_default();
        (field, ParseError::new("a name that stands nowhere else: a certificate is one actor's"))
    })
}

fn actor(at: &impl Fn(&str) -> String, file: &FileActor) -> Result<NamedActor, Wrong> {
    let id = ActorId::parse(&file.id).map_err(|why| (at("id"), why))?;
    let workspace = match file.reach.as_str() {
        "global" => None,
        text => Some(WorkspaceId::parse(text).map_err(|_no_id| {
            let why = "`global`, or the id of one workspace (`ws_` and 26 characters of 0-9 a-z)";
            (at("reach"), ParseError::new(why))
        })?),
    };
    let scopes = each(&at("scopes"), &file.scopes, AdminScope::parse)?;
    if scopes.is_empty() {
        return Err((at("scopes"), ParseError::new("at least one admin scope")));
    }
    let networks = each(&at("allowed_cidrs"), &file.allowed_cidrs, parse_network)?;
    let networks = AllowedNetworks::new(networks).map_err(|why| (at("allowed_cidrs"), why))?;
    let ceiling = ceiling(&|field| at(&format!("ceiling.{field}")), &file.ceiling)?;
    let rights = AdminRights { scopes: scopes.into_iter().collect(), global: workspace.is_none(), ceiling };
    Ok(NamedActor { id, workspace, rights: Arc::new(rights), networks: Arc::new(networks) })
}

fn ceiling(at: &impl Fn(&str) -> String, file: &FileCeiling) -> Result<Ceiling, Wrong> {
    let only =
        |any: &str, listed: &str| (at(any), ParseError::owned(format!("false where `{listed}` is given")));
    let grants = if file.any_grant {
        if !file.grants.is_empty() {
            return Err(only("any_grant", "grants"));
        }
        GrantCeiling::Any
    } else {
        let all = file.grants.iter().enumerate();
        let all = all.map(|(place, file)| grant(&at(&format!("grants[{place}]")), file));
        let all = all.collect::<Result<_, _>>()?;
        GrantCeiling::Within(Grants::new(all).map_err(|why| (at("grants"), why))?)
    };
    let environments = each(&at("environments"), &file.environments, EnvironmentName::parse)?;
    let environments = match (file.any_environment, environments.is_empty()) {
        (true, true) => EnvironmentCeiling::Any,
        (true, false) => return Err(only("any_environment", "environments")),
        (false, _) => EnvironmentCeiling::Within(environments.into_iter().collect()),
    };
    let lifetime = match (file.any_lifetime, &file.max_lifetime) {
        (true, None) => LifetimeCeiling::Any,
        (true, Some(_)) => return Err(only("any_lifetime", "max_lifetime")),
        (false, None) => LifetimeCeiling::AtMost(Duration::ZERO),
        (false, Some(text)) => {
            LifetimeCeiling::AtMost(duration(text).map_err(|why| (at("max_lifetime"), why))?)
        }
    };
    Ok(Ceiling { grants, environments, lifetime, raise_limits: file.raise_limits })
}

fn grant(field: &str, file: &FileGrant) -> Result<Grant, Wrong> {
    let scope = ScopePattern::parse(&file.scope).map_err(|why| (format!("{field}.scope"), why))?;
    let Some(resources) = &file.resources else { return Ok(Grant::unbound(scope)) };
    let resources_field = format!("{field}.resources");
    let patterns = each(&resources_field, resources, ResourcePattern::parse)?;
    Grant::bound(scope, patterns).map_err(|why| (resources_field, why))
}

/// Reads every text of a list.
fn each<T>(
    field: &str,
    texts: &[String],
    parse: impl Fn(&str) -> Result<T, ParseError>,
) -> Result<Vec<T>, Wrong> {
    let one = |(place, text): (usize, &String)| parse(text).map_err(|why| (format!("{field}[{place}]"), why));
    texts.iter().enumerate().map(one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Deserialize)]
    struct Whole {
        actors: Vec<FileActor>,
    }

    const GOOD: &str = "[[actors]]\nid = 'billing'\nuris = ['spiffe://example.org/billing']\nreach = 'global'\n\
                        scopes = ['keys:issue']\n";

    fn read(text: &str) -> Result<Actors, String> {
        let whole: Whole = toml::from_str(text).unwrap();
        actors(&whole.actors).map_err(|(field, why)| format!("`{field}` {why}"))
    }

    #[test]
    fn an_actor_has_what_the_file_says_and_nothing_else() {
        // O2, X9
        let bare = read(GOOD).unwrap();
        let actor = bare.by_id(ActorId::parse("billing").unwrap()).unwrap();
        assert_eq!(actor.rights.ceiling, Ceiling::nothing());
        assert_eq!(actor.rights.scopes, [AdminScope::KeysIssue].into());
        assert!(actor.rights.global && actor.workspace.is_none());

        let workspace = format!("ws_{:026}", 1);
        let text = format!(
            "{}allowed_cidrs = ['10.0.0.0/8']\ndns_names = ['a.example']\n[actors.ceiling]\n\
             grants = [{{ scope = 'storage:read', resources = ['space/a'] }}]\nenvironments = ['test']\n\
             max_lifetime = '30d'\nraise_limits = true\n",
            GOOD.replace("global", &workspace)
        );
        let read = read(&text).unwrap();
        let actor = read.by_id(ActorId::parse("billing").unwrap()).unwrap();
        assert_eq!(actor.workspace, WorkspaceId::parse(&workspace).ok());
        assert!(!actor.rights.global, "one workspace is not all");
        assert!(!actor.networks.permit("11.0.0.1".parse().ok()));
        let Ceiling { grants, environments, lifetime, raise_limits } = &actor.rights.ceiling;
        assert!(matches!(grants, GrantCeiling::Within(grants) if grants.iter().count() == 1));
        assert!(matches!(environments, EnvironmentCeiling::Within(names) if names.len() == 1));
        assert_eq!(*lifetime, LifetimeCeiling::AtMost(Duration::from_secs(30 * 24 * 60 * 60)));
        assert!(raise_limits);
    }

    #[test]
    fn what_is_wrong_with_an_actor_is_told_by_its_field() {
        // O2
        let with = |line: &str| format!("{GOOD}{line}\n");
        let instead = |old: &str, new: &str| GOOD.replace(old, new);
        let twice = |old: &str, new: &str| format!("{GOOD}{}", GOOD.replace(old, new));
        for (text, said) in [
            (instead("'billing'", "''"), "`actors[0].id` must be 1 to 24"),
            (instead("'billing'", "'Billing'"), "`actors[0].id` must be"),
            (instead("'global'", "'ws_1'"), "`actors[0].reach` must be `global`, or the id"),
            (instead("'global'", "''"), "`actors[0].reach`"),
            (instead("keys:issue", "keys:everything"), "`actors[0].scopes[0]` must be one of keys:check"),
            (instead("['keys:issue']", "[]"), "`actors[0].scopes` must be at least one"),
            (instead("['spiffe://example.org/billing']", "[]"), "`actors[0].uris` must be 1 to 16"),
            (instead("spiffe://example.org/billing", "billing"), "`actors[0].uris[0]` must be a URI"),
            (with("dns_names = ['*.example']"), "`actors[0].dns_names[0]` must be the name of one host"),
            (with("allowed_cidrs = ['10.0.0.1/8']"), "`actors[0].allowed_cidrs[0]`"),
            (twice("spiffe://example.org/billing", "a:b"), "`actors[1].id` must be another"),
            (twice("'billing'", "'other'"), "`actors[1].uris[0]` must be a name that stands nowhere else"),
            (
                with("ceiling = { any_grant = true, grants = [{ scope = 'a:b' }] }"),
                "`actors[0].ceiling.any_grant`",
            ),
            (with("ceiling = { grants = [{ scope = 'a' }] }"), "`actors[0].ceiling.grants[0].scope`"),
            (
                with("ceiling = { grants = [{ scope = 'a:b', resources = [] }] }"),
                "`actors[0].ceiling.grants[0].resources`",
            ),
            (
                with("ceiling = { any_environment = true, environments = ['a'] }"),
                "`actors[0].ceiling.any_environment`",
            ),
            (
                with("ceiling = { any_lifetime = true, max_lifetime = '1d' }"),
                "`actors[0].ceiling.any_lifetime`",
            ),
            (with("ceiling = { max_lifetime = 'long' }"), "`actors[0].ceiling.max_lifetime`"),
        ] {
            let why = read(&text).unwrap_err();
            assert!(why.starts_with(said), "{text}: {why}");
        }
    }
}
