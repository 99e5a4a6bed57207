//! What a new key is to be.

use super::{metadata, networks, owner, rights, time, within};
use crate::{
    domain::{
        environment::{ADMIN, Environments},
        parse::ParseError,
        text::{Description, EnvironmentName, Name},
    },
    operations::{
        error::{OperationError, path},
        issue::NewKey,
    },
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
    if grants.is_empty() && admin.is_none() {
        return Err(OperationError::invalid(at("scopes"), ParseError::new("non-empty, unless `grants` is")));
    }
    if !grants.is_empty() && admin.is_some() {
        let why = ParseError::new("empty for an administration key, whose scopes stand in `admin.scopes`");
        return Err(OperationError::invalid(at("scopes"), why));
    }
    let expires = asked.expire_time.map(|asked| time::timestamp(&at("expire_time"), asked)).transpose()?;
    Ok(NewKey {
        name: within(&at("name"), Name::parse(&asked.name))?,
        description: within(&at("description"), Description::parse(&asked.description))?,
        owner: owner(&at("owner"), &asked.owner)?,
        environment: environment(&at("environment"), &asked.environment, admin.is_some(), environments)?,
        grants,
        networks: networks(&at("allowed_cidrs"), &asked.allowed_cidrs)?,
        metadata: metadata(&at("metadata"), asked.metadata)?,
        expires,
        admin,
        request,
    })
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
