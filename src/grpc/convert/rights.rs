//! Grants, admin rights and ceilings, both ways.

use std::collections::BTreeSet;

use super::{time, within};
use crate::{
    domain::{
        admin::{AdminRights, AdminScope},
        ceiling::{Ceiling, EnvironmentCeiling, GrantCeiling, LifetimeCeiling},
        grant::{Grant, Grants, MAX_GRANTS},
        parse::ParseError,
        resource::ResourcePattern,
        scope::ScopePattern,
        text::EnvironmentName,
    },
    error::{OperationError, path},
    wire::v1,
};

/// Scopes for every resource.
pub(super) fn unbound(field: &str, texts: &[String]) -> Result<Vec<Grant>, OperationError> {
    at_most(field, texts.len())?;
    let each =
        |(place, text): (usize, &String)| within(&format!("{field}[{place}]"), ScopePattern::parse(text));
    texts.iter().enumerate().map(|item| each(item).map(Grant::unbound)).collect()
}

/// Scopes for certain resources.
pub(super) fn bound(field: &str, grants: &[v1::Grant]) -> Result<Vec<Grant>, OperationError> {
    at_most(field, grants.len())?;
    grants.iter().enumerate().map(|(place, grant)| bound_one(&format!("{field}[{place}]"), grant)).collect()
}

fn bound_one(field: &str, grant: &v1::Grant) -> Result<Grant, OperationError> {
    let scope = within(&format!("{field}.scope"), ScopePattern::parse(&grant.scope))?;
    let resources = format!("{field}.resources");
    let each = |(place, text): (usize, &String)| {
        within(&format!("{resources}[{place}]"), ResourcePattern::parse(text))
    };
    let patterns = grant.resources.iter().enumerate().map(each).collect::<Result<_, _>>()?;
    within(&resources, Grant::bound(scope, patterns))
}

/// Both together, within the bound of one key.
pub(super) fn together(
    field: &str,
    mut unbound: Vec<Grant>,
    bound: Vec<Grant>,
) -> Result<Grants, OperationError> {
    unbound.extend(bound);
    within(field, Grants::new(unbound))
}

fn at_most(field: &str, count: usize) -> Result<(), OperationError> {
    if count <= MAX_GRANTS {
        Ok(())
    } else {
        Err(OperationError::invalid(field, ParseError::new("at most 256 items")))
    }
}

/// What an administration key may do.
pub(super) fn admin(field: &str, rights: &v1::AdminRights) -> Result<AdminRights, OperationError> {
    let scopes_field = path(field, "scopes");
    at_most(&scopes_field, rights.scopes.len())?;
    let each = |(place, text): (usize, &String)| {
        within(&format!("{scopes_field}[{place}]"), AdminScope::parse(text))
    };
    let scopes: BTreeSet<_> = rights.scopes.iter().enumerate().map(each).collect::<Result<_, _>>()?;
    if scopes.is_empty() {
        return Err(OperationError::invalid(scopes_field, ParseError::new("at least one admin scope")));
    }
    let ceiling = rights.ceiling.as_ref().map(|asked| ceiling(&path(field, "ceiling"), asked));
    Ok(AdminRights {
        scopes,
        global: rights.global,
        ceiling: ceiling.unwrap_or_else(|| Ok(Ceiling::nothing()))?,
    })
}

fn ceiling(field: &str, asked: &v1::Ceiling) -> Result<Ceiling, OperationError> {
    Ok(Ceiling {
        grants: grant_ceiling(field, asked)?,
        environments: environment_ceiling(field, asked)?,
        lifetime: lifetime_ceiling(field, asked)?,
        raise_limits: asked.raise_limits,
    })
}

fn grant_ceiling(field: &str, asked: &v1::Ceiling) -> Result<GrantCeiling, OperationError> {
    let unbound = unbound(&path(field, "scopes"), &asked.scopes)?;
    let bound = bound(&path(field, "grants"), &asked.grants)?;
    if !asked.any_grant {
        return Ok(GrantCeiling::Within(together(&path(field, "grants"), unbound, bound)?));
    }
    if unbound.is_empty() && bound.is_empty() {
        return Ok(GrantCeiling::Any);
    }
    Err(OperationError::invalid(
        path(field, "any_grant"),
        ParseError::new("false where scopes or grants are listed"),
    ))
}

fn environment_ceiling(field: &str, asked: &v1::Ceiling) -> Result<EnvironmentCeiling, OperationError> {
    let listed = path(field, "environments");
    at_most(&listed, asked.environments.len())?;
    let each =
        |(place, name): (usize, &String)| within(&format!("{listed}[{place}]"), EnvironmentName::parse(name));
    let names: BTreeSet<_> = asked.environments.iter().enumerate().map(each).collect::<Result<_, _>>()?;
    match (asked.any_environment, names.is_empty()) {
        (true, true) => Ok(EnvironmentCeiling::Any),
        (false, _) => Ok(EnvironmentCeiling::Within(names)),
        (true, false) => {
            let why = ParseError::new("false where environments are listed");
            Err(OperationError::invalid(path(field, "any_environment"), why))
        }
    }
}

fn lifetime_ceiling(field: &str, asked: &v1::Ceiling) -> Result<LifetimeCeiling, OperationError> {
    match (asked.any_lifetime, asked.max_lifetime) {
        (true, None) => Ok(LifetimeCeiling::Any),
        (false, None) => Ok(LifetimeCeiling::AtMost(std::time::Duration::ZERO)),
        (false, Some(longest)) => {
            time::duration(&path(field, "max_lifetime"), longest).map(LifetimeCeiling::AtMost)
        }
        (true, Some(_)) => {
            let why = ParseError::new("false where max_lifetime is set");
            Err(OperationError::invalid(path(field, "any_lifetime"), why))
        }
    }
}

/// Scopes and bound grants for the wire.
pub(super) fn grants_to_wire(grants: &Grants) -> (Vec<String>, Vec<v1::Grant>) {
    let unbound = grants.iter().filter(|grant| grant.resources().is_none());
    let scopes = unbound.map(|grant| grant.scope().as_str().to_owned()).collect();
    (scopes, grants.iter().filter_map(bound_to_wire).collect())
}

/// A grant that is bound to resources, for the wire.
pub(super) fn bound_to_wire(grant: &Grant) -> Option<v1::Grant> {
    let resources = grant.resources()?.iter().map(|pattern| pattern.as_str().to_owned()).collect();
    Some(v1::Grant { scope: grant.scope().as_str().to_owned(), resources })
}

/// What an administration key may do, for the wire.
pub(super) fn admin_to_wire(rights: &AdminRights) -> v1::AdminRights {
    v1::AdminRights {
        scopes: rights.scopes.iter().map(|scope| scope.as_str().to_owned()).collect(),
        global: rights.global,
        ceiling: Some(ceiling_to_wire(&rights.ceiling)),
    }
}

fn ceiling_to_wire(ceiling: &Ceiling) -> v1::Ceiling {
    let (scopes, grants) = match &ceiling.grants {
        GrantCeiling::Any => (Vec::new(), Vec::new()),
        GrantCeiling::Within(grants) => grants_to_wire(grants),
    };
    let environments = match &ceiling.environments {
        EnvironmentCeiling::Any => Vec::new(),
        EnvironmentCeiling::Within(names) => names.iter().map(ToString::to_string).collect(),
    };
    let max_lifetime = match ceiling.lifetime {
        LifetimeCeiling::Any => None,
        LifetimeCeiling::AtMost(longest) => Some(time::duration_to_wire(longest)),
    };
    v1::Ceiling {
        any_grant: ceiling.grants == GrantCeiling::Any,
        scopes,
        grants,
        any_environment: ceiling.environments == EnvironmentCeiling::Any,
        environments,
        any_lifetime: ceiling.lifetime == LifetimeCeiling::Any,
        max_lifetime,
        raise_limits: ceiling.raise_limits,
    }
}
