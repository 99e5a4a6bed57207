//! What to change in a key: a field mask and the new values.

use super::{metadata, networks, policy, rights, time, within};
use crate::{
    changes::keys::update::KeyChanges,
    domain::{
        parse::ParseError,
        text::{Description, Name},
    },
    error::OperationError,
    wire::v1,
};

const FIELDS: &str = "some of name, description, scopes, grants, expire_time or lifetime, allowed_cidrs, metadata, limits; the other fields of a key cannot be changed";

/// Reads the fields that the mask names; those that are absent are cleared.
pub(in crate::grpc) fn key_changes(asked: v1::UpdateKeyRequest) -> Result<KeyChanges, OperationError> {
    let mask = asked.update_mask.unwrap_or_default().paths;
    let key = asked.key.unwrap_or_default();
    if mask.is_empty() || mask.len() > 32 {
        return Err(OperationError::invalid("update_mask", ParseError::new(FIELDS)));
    }
    let named = |field: &str| mask.iter().any(|path| path == field);
    if asked.lifetime.is_some() != named("lifetime") {
        let why = ParseError::new("given where update_mask names it, and absent where it does not");
        return Err(OperationError::invalid("lifetime", why));
    }
    if named("lifetime") && named("expire_time") {
        let why = ParseError::new(
            "without `expire_time` or without `lifetime`: both say when the key ends, and one may",
        );
        return Err(OperationError::invalid("update_mask", why));
    }
    let mut changes = KeyChanges::default();
    for path in &mask {
        match path.as_str() {
            "name" => changes.name = Some(within("key.name", Name::parse(&key.name))?),
            "description" => {
                changes.description = Some(within("key.description", Description::parse(&key.description))?);
            }
            "scopes" => changes.unbound = Some(rights::unbound("key.scopes", &key.scopes)?),
            "grants" => changes.bound = Some(rights::bound("key.grants", &key.grants)?),
            "expire_time" => {
                changes.ending =
                    Some(time::ending(("key.expire_time", key.expire_time), ("lifetime", None))?);
            }
            "lifetime" => {
                changes.ending = Some(time::ending(("key.expire_time", None), ("lifetime", asked.lifetime))?);
            }
            "allowed_cidrs" => changes.networks = Some(networks("key.allowed_cidrs", &key.allowed_cidrs)?),
            "metadata" => changes.metadata = Some(metadata("key.metadata", key.metadata.clone())?),
            "limits" => changes.limits = Some(policy::overrides(key.limits.clone().unwrap_or_default())),
            _ => return Err(OperationError::invalid("update_mask", ParseError::new(FIELDS))),
        }
    }
    Ok(changes)
}
