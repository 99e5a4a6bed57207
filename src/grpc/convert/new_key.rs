//! What a new key is to be.

use super::{metadata, networks, owner, policy, rights, time, within};
use crate::{
    changes::{keys::issue::NewKey, support::limits::NewLimits},
    domain::{
        environment::{ADMIN, Environments},
        parse::ParseError,
        policy::LimitOverridesEntry,
        text::{Description, EnvironmentName, Name},
    },
    error::{OperationError, path},
    ports::RequestMark,
    wire::v1,
};

/// Reads a request for a new key; `prefix` is where it stands in the whole request.
pub(in crate::grpc) fn new_key(
    prefix: &str,
    asked: v1::IssueRequest,
    environments: &Environments,
    request: Option<RequestMark>,
) -> Result<NewKey, OperationError> {
    let at = |name: &str| path(prefix, name);
    let admin = asked.admin.as_ref().map(|asked| rights::admin(&at("admin"), asked)).transpose()?;
    let unbound = rights::unbound(&at("scopes"), &asked.scopes)?;
    let bound = rights::bound(&at("grants"), &asked.grants)?;
    let grants = rights::together(&at("grants"), unbound, bound)?;
    let on_behalf_of = owner(&at("on_behalf_of"), &asked.on_behalf_of)?;
    if admin.is_some() && on_behalf_of.is_some() {
        let why = ParseError::new("empty for an administration key");
        return Err(OperationError::invalid(at("on_behalf_of"), why));
    }
    if admin.is_some() && asked.follows_owner_role {
        let why = ParseError::new("false for an administration key");
        return Err(OperationError::invalid(at("follows_owner_role"), why));
    }
    if grants.is_empty() && admin.is_none() && !asked.follows_owner_role {
        let why = ParseError::new("non-empty, unless `grants` is, or the key follows its owner's role");
        return Err(OperationError::invalid(at("scopes"), why));
    }
    if !grants.is_empty() && admin.is_some() {
        let why = ParseError::new("empty for an administration key, whose scopes stand in `admin.scopes`");
        return Err(OperationError::invalid(at("scopes"), why));
    }
    let (expire_time, lifetime) = (at("expire_time"), at("lifetime"));
    let ending = time::ending((&expire_time, asked.expire_time), (&lifetime, asked.lifetime))?;
    let limits = limits(prefix, asked.limits, asked.stamp_limits, admin.is_some())?;
    Ok(NewKey {
        name: within(&at("name"), Name::parse(&asked.name))?,
        description: within(&at("description"), Description::parse(&asked.description))?,
        owner: owner(&at("owner"), &asked.owner)?,
        on_behalf_of,
        follows_owner_role: asked.follows_owner_role,
        environment: environment(&at("environment"), &asked.environment, admin.is_some(), environments)?,
        grants,
        networks: networks(&at("allowed_cidrs"), &asked.allowed_cidrs)?,
        metadata: metadata(&at("metadata"), asked.metadata)?,
        ending,
        limits,
        admin,
        request,
    })
}

/// Empty limits are none: the key follows its plan.
fn limits(
    prefix: &str,
    own: Option<v1::LimitOverrides>,
    stamp: bool,
    admin: bool,
) -> Result<NewLimits, OperationError> {
    let own = own.map(policy::overrides).filter(|own| *own != LimitOverridesEntry::default());
    let refuse = |name, why| Err(OperationError::invalid(path(prefix, name), ParseError::new(why)));
    match (own, stamp) {
        (None, false) => Ok(NewLimits::Follow),
        (Some(_), _) if admin => {
            refuse("limits", "absent for an administration key, which is under no limits")
        }
        (Some(own), false) => Ok(NewLimits::Own(own)),
        (None, true) if admin => {
            refuse("stamp_limits", "false for an administration key, which is under no limits")
        }
        (None, true) => Ok(NewLimits::Stamp),
        (Some(_), true) => refuse("stamp_limits", "false where limits are given"),
    }
}

fn environment(
    field: &str,
    asked: &str,
    admin: bool,
    environments: &Environments,
) -> Result<EnvironmentName, OperationError> {
    let found = match (asked, admin) {
        ("" | ADMIN, true) => environments.admin(),
        (_, true) => {
            return Err(OperationError::invalid(field, ParseError::new("`admin` for an administration key")));
        }
        ("", false) => environments.first(),
        (name, false) => within(field, environments.holder(name))?,
    };
    Ok(found.name.clone())
}
