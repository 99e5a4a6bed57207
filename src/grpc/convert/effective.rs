//! What a key may do in the end, for the wire.

use super::{key, policy, time};
use crate::{
    changes::keys::rights::{EffectiveRights, EffectiveScope, InertGrant},
    domain::{id::KeyId, workspace::WorkspaceState},
    wire::v1::{self, InertReason, OwnerState},
};

/// The answer.
pub(in crate::grpc) fn response(found: &EffectiveRights) -> v1::GetEffectiveRightsResponse {
    let key = &found.key;
    let state = found.surroundings.workspace;
    v1::GetEffectiveRightsResponse {
        key_id: key.id.to_string(),
        workspace_id: key.workspace.to_string(),
        owner: key::owner_to_wire(key.owner.as_ref()),
        follows_owner_role: key.follows_owner_role,
        owner_role: found.owner_role.as_ref().map(ToString::to_string).unwrap_or_default(),
        owner_state: owner_state(found).into(),
        key_state: key::state_to_wire(key.standing(found.moment.time)).into(),
        workspace_suspended: state == WorkspaceState::Suspended,
        workspace_closed: state == WorkspaceState::Closed,
        plan_denies_keys: found.surroundings.plan_denies,
        usable: found.usable(),
        scopes: found.scopes.iter().map(scope).collect(),
        inert: found.inert.iter().map(inert).collect(),
        limits: found.moment.limits(key, policy::effective_to_wire),
        policy_version: found.policy.version,
        time: Some(time::to_wire(found.moment.time)),
        earlier_import_key_id: found.earlier_import.map(KeyId::to_text).unwrap_or_default(),
    }
}

const fn owner_state(found: &EffectiveRights) -> OwnerState {
    match (&found.key.owner, &found.owner_role) {
        (None, _) => OwnerState::None,
        (Some(_), Some(_)) => OwnerState::Member,
        (Some(_), None) => OwnerState::NoMember,
    }
}

fn scope(scope: &EffectiveScope) -> v1::EffectiveScope {
    v1::EffectiveScope {
        scope: scope.scope.clone(),
        tier: scope.tier.clone(),
        every_resource: scope.resources.is_none(),
        resources: scope.resources.clone().unwrap_or_default(),
        granted_by: scope.granted_by.clone(),
        role: scope.role.as_ref().map(ToString::to_string).unwrap_or_default(),
    }
}

fn inert(inert: &InertGrant) -> v1::InertGrant {
    let (scope, reason) = match inert {
        InertGrant::Undeclared(scope) => (scope, InertReason::Undeclared),
        InertGrant::WithheldByRole(scope) => (scope, InertReason::WithheldByRole),
    };
    v1::InertGrant { scope: scope.clone(), reason: reason.into() }
}
