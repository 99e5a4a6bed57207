//! Keys for the wire: everything but secrets and hashes.

use super::{policy, rights, time};
use crate::{
    changes::keys::show::{Moment, ShownKey},
    domain::{
        admin::AdminScope,
        caller_id::CallerId,
        credentials::Secret,
        id::{KeyId, WorkspaceId},
        key::{Creator, Key, KeyState, RevokeReason, Standing},
        parse::ParseError,
        text::Owner,
        time::Timestamp,
    },
    error::OperationError,
    wire::v1,
};

/// Why a tenant has no use for import.
const IMPORTS_FOR_ONE: &str = "this key is bound to one workspace and may import. Whoever imports says whose key a token is, of \
    any token whose hash they know: where a workspace that comes later has that token, its own import is denied. Give \
    `keys:import` to the platform's own keys, and import for the tenant";

/// A key as it stands.
pub(in crate::grpc) fn to_wire(key: &Key, moment: &Moment) -> v1::Key {
    let (now, effective) = (moment.time, moment.rights(key));
    let (scopes, grants) = rights::grants_to_wire(&key.grants);
    v1::Key {
        id: key.id.to_string(),
        workspace_id: key.workspace.to_string(),
        name: key.name.to_string(),
        description: key.description.to_string(),
        owner: owner_to_wire(key.owner.as_ref()),
        follows_owner_role: key.follows_owner_role,
        owner_role: moment.owner_role(key).map(|role| role.to_string()).unwrap_or_default(),
        creator: Some(creator_to_wire(&key.creator, moment.knows_creator(key))),
        environment: key.environment.to_string(),
        hint: key.credentials.current.hint.as_str().to_owned(),
        scopes,
        grants,
        allowed_cidrs: key.networks.as_slice().iter().map(ToString::to_string).collect(),
        metadata: key.metadata.pairs().clone(),
        state: state_to_wire(key.standing(now)).into(),
        create_time: Some(time::to_wire(key.created)),
        expire_time: key.expires.map(time::to_wire),
        update_time: Some(time::to_wire(key.updated)),
        last_use_time: None,
        revocation: revocation_to_wire(&key.state, moment),
        secrets: key.credentials.iter().map(|(secret, end)| secret_to_wire(secret, end, now)).collect(),
        admin: key.admin.as_deref().map(rights::admin_to_wire),
        revision: key.revision.0,
        effective_scopes: effective.scopes().map(ToOwned::to_owned).collect(),
        inert_scopes: effective.inert().iter().map(ToString::to_string).collect(),
        limits: key.limits.as_deref().map(policy::overrides_to_wire),
        effective_limits: moment.limits(key, policy::effective_to_wire),
        earlier_import_key_id: String::new(),
    }
}

/// What should be known of a key just made.
pub(in crate::grpc) fn warnings(key: &Key) -> Vec<String> {
    let is_tenants = key
        .admin
        .as_ref()
        .is_some_and(|rights| !rights.global && rights.scopes.contains(&AdminScope::KeysImport));
    is_tenants.then(|| IMPORTS_FOR_ONE.to_owned()).into_iter().collect()
}

/// A key with the last uses of its secrets.
pub(in crate::grpc) fn shown_to_wire(shown: &ShownKey, moment: &Moment) -> v1::Key {
    let mut key = to_wire(&shown.key, moment);
    key.last_use_time = shown.last_use.map(time::to_wire);
    key.earlier_import_key_id = shown.earlier_import.map(KeyId::to_text).unwrap_or_default();
    for secret in &mut key.secrets {
        // The newest use is the first.
        let last = shown.uses.iter().find(|last| last.generation == secret.generation);
        secret.last_use_time = last.map(|last| time::to_wire(last.time));
    }
    key
}

/// An owner; empty if there is none.
pub(super) fn owner_to_wire(owner: Option<&Owner>) -> String {
    owner.map_or_else(String::new, |owner| owner.as_str().to_owned())
}

/// Who made a key; where that may not be known, only on whose behalf.
pub(super) fn creator_to_wire(creator: &Creator, known: bool) -> v1::Creator {
    match creator {
        Creator::System => v1::Creator::default(),
        Creator::Admin { on_behalf_of, .. } if !known => {
            v1::Creator { on_behalf_of: owner_to_wire(on_behalf_of.as_ref()), ..v1::Creator::default() }
        }
        Creator::Admin { by, owner, workspace, on_behalf_of } => v1::Creator {
            key_id: by.to_text(),
            owner: owner_to_wire(owner.as_ref()),
            workspace_id: workspace.map(WorkspaceId::to_text).unwrap_or_default(),
            on_behalf_of: owner_to_wire(on_behalf_of.as_ref()),
        },
    }
}

pub(super) const fn state_to_wire(standing: Standing) -> v1::KeyState {
    match standing {
        Standing::Active => v1::KeyState::Active,
        Standing::Disabled => v1::KeyState::Disabled,
        Standing::Revoked => v1::KeyState::Revoked,
        Standing::Expired => v1::KeyState::Expired,
    }
}

fn revocation_to_wire(state: &KeyState, moment: &Moment) -> Option<v1::Revocation> {
    let known = |by: Option<CallerId>| by.filter(|caller| moment.knows_caller(*caller));
    match state {
        KeyState::Active | KeyState::Disabled => None,
        KeyState::Revoked(revocation) => Some(v1::Revocation {
            revoke_time: Some(time::to_wire(revocation.at)),
            reason: reason_to_wire(revocation.reason).into(),
            comment: revocation.comment.to_string(),
            revoked_by: known(revocation.by).map(CallerId::to_text).unwrap_or_default(),
            by_operator: revocation.by.is_some() && known(revocation.by).is_none(),
        }),
    }
}

fn secret_to_wire(secret: &Secret, end: Option<Timestamp>, now: Timestamp) -> v1::Secret {
    v1::Secret {
        generation: secret.generation,
        hint: secret.hint.as_str().to_owned(),
        state: secret_state(end, now).into(),
        create_time: Some(time::to_wire(secret.created)),
        end_time: end.map(time::to_wire),
        last_use_time: None,
        scheme: secret.scheme.to_text(),
    }
}

/// Where a secret stands that ends then.
pub(super) fn secret_state(end: Option<Timestamp>, now: Timestamp) -> v1::SecretState {
    match end {
        None => v1::SecretState::Current,
        Some(end) if now < end => v1::SecretState::Retiring,
        Some(_) => v1::SecretState::Ended,
    }
}

const fn reason_to_wire(reason: RevokeReason) -> v1::RevokeReason {
    match reason {
        RevokeReason::Unspecified => v1::RevokeReason::Unspecified,
        RevokeReason::Compromised => v1::RevokeReason::Compromised,
        RevokeReason::OwnerLeft => v1::RevokeReason::OwnerLeft,
        RevokeReason::Superseded => v1::RevokeReason::Superseded,
        RevokeReason::Unused => v1::RevokeReason::Unused,
        RevokeReason::CessationOfOperation => v1::RevokeReason::CessationOfOperation,
        RevokeReason::PrivilegeWithdrawn => v1::RevokeReason::PrivilegeWithdrawn,
    }
}

/// Why a key is to be revoked.
pub(in crate::grpc) fn revoke_reason(asked: i32) -> Result<RevokeReason, OperationError> {
    let known = RevokeReason::ALL.into_iter().find(|reason| i32::from(reason_to_wire(*reason)) == asked);
    known.ok_or(OperationError::invalid("reason", ParseError::new("one of the values of RevokeReason")))
}
