//! Which keys are meant.

use super::{owner, time, unless_empty, within};
use crate::{
    changes::keys::select::{KeySelection, KeyTraits},
    domain::{
        key::Standing, parse::ParseError, scope::Scope, tag::Tag, text::EnvironmentName, time::Timestamp,
        workspace::Within,
    },
    error::OperationError,
    wire::v1,
};

/// Which keys to list.
pub(in crate::grpc) fn listed(
    of: Within,
    asked: &v1::ListKeysRequest,
) -> Result<(KeySelection, KeyTraits), OperationError> {
    // It need not be one that is configured: keys can be older than the configuration.
    let environment =
        unless_empty(&asked.environment, |name| within("environment", EnvironmentName::parse(name)))?;
    let selection = KeySelection {
        within: of,
        owner: owner("owner", &asked.owner)?,
        environment,
        tag: unless_empty(&asked.tag, |text| within("tag", Tag::parse(text)))?,
        issued_from: instant("issue_start_time", asked.issue_start_time)?,
        issued_before: instant("issue_end_time", asked.issue_end_time)?,
    };
    let traits = KeyTraits {
        standings: standings(&asked.states)?,
        scope: unless_empty(&asked.scope, |text| {
            within("scope", Scope::parse(text)).map(|scope| scope.as_str().into())
        })?,
        min_scopes: usize::try_from(asked.min_scopes).unwrap_or(usize::MAX),
        wildcard: asked.wildcard,
        expire_before: instant("expire_before_time", asked.expire_before_time)?,
        without_expiry: asked.without_expiry,
        unused_since: instant("unused_since_time", asked.unused_since_time)?,
        never_used: asked.never_used,
    };
    if traits.without_expiry && traits.expire_before.is_some() {
        let why = ParseError::new("absent where `without_expiry` is set");
        return Err(OperationError::invalid("expire_before_time", why));
    }
    Ok((selection, traits))
}

fn instant(field: &str, asked: Option<prost_types::Timestamp>) -> Result<Option<Timestamp>, OperationError> {
    asked.map(|asked| time::timestamp(field, asked)).transpose()
}

fn standings(asked: &[i32]) -> Result<Vec<Standing>, OperationError> {
    let mut standings = Vec::new();
    for (place, asked) in asked.iter().enumerate() {
        let standing = match v1::KeyState::try_from(*asked) {
            Ok(v1::KeyState::Active) => Standing::Active,
            Ok(v1::KeyState::Disabled) => Standing::Disabled,
            Ok(v1::KeyState::Revoked) => Standing::Revoked,
            Ok(v1::KeyState::Expired) => Standing::Expired,
            Ok(v1::KeyState::Unspecified) | Err(_) => {
                let why = ParseError::new("ACTIVE, DISABLED, REVOKED or EXPIRED");
                return Err(OperationError::invalid(format!("states[{place}]"), why));
            }
        };
        if !standings.contains(&standing) {
            standings.push(standing);
        }
    }
    Ok(standings)
}
