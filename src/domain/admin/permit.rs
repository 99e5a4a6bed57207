//! Permits: the proof that a caller may do one kind of thing, and how far.

use std::marker::PhantomData;

use super::{AdminCaller, AdminIdentity, AdminRefusal, AdminRights, AdminScope, Caller, Sight};
use crate::domain::{
    audit::Actor,
    caller_id::CallerId,
    ceiling::CeilingPart,
    id::{KeyId, WorkspaceId},
    key::{Creator, KeyView},
    policy::{Policy, Role},
    revision::Revision,
};

/// A kind of permission, known when the code is compiled: an operation takes the permit for its own kind only.
pub trait Permission {
    /// The admin scope that it needs.
    const SCOPE: AdminScope;
}

macro_rules! permissions {
    ($($(#[$doc:meta])* $name:ident => $scope:ident;)*) => {
        $(
            $(#[$doc])*
            #[derive(Debug)]
            pub struct $name;

            impl Permission for $name {
                const SCOPE: AdminScope = AdminScope::$scope;
            }
        )*
    };
}

permissions! {
    /// To check, where a caller is required.
    CheckKeys => KeysCheck;
    /// To explain, and to check by id.
    ExplainKeys => KeysExplain;
    /// To show and list keys.
    ReadKeys => KeysRead;
    /// To issue holders' keys.
    IssueKeys => KeysIssue;
    /// To take over keys of other systems.
    ImportKeys => KeysImport;
    /// To change, disable and enable keys.
    UpdateKeys => KeysUpdate;
    /// To give keys new secrets.
    RotateKeys => KeysRotate;
    /// To revoke keys by id.
    RevokeKeys => KeysRevoke;
    /// To show workspaces.
    ReadWorkspaces => WorkspacesRead;
    /// To register and change workspaces.
    ManageWorkspaces => WorkspacesManage;
    /// To show the policy and look at documents.
    ReadPolicy => PolicyRead;
    /// To change the policy.
    ApplyPolicy => PolicyApply;
    /// To read and verify the log.
    ReadAudit => AuditRead;
    /// To make and change administration keys.
    GrantAdmin => AdminGrant;
}

/// Proof that a caller holds a permission. Changes that change anything take one by value.
#[derive(Debug)]
pub struct AdminPermit<P> {
    caller: AdminCaller,
    permission: PhantomData<P>,
}

impl Caller {
    /// The proof that this caller may, or why not.
    ///
    /// # Errors
    /// The caller sent no credential, or the caller's key lacks the scope.
    pub fn permit<P: Permission>(&self) -> Result<AdminPermit<P>, AdminRefusal> {
        match self {
            Self::Anonymous { .. } => Err(AdminRefusal::CallerMissing),
            Self::Admin(caller) => caller.permit(),
        }
    }

    /// The workspace that the caller is bound to, if any.
    #[must_use]
    pub fn bound_to(&self) -> Option<WorkspaceId> {
        match self {
            Self::Anonymous { .. } => None,
            Self::Admin(caller) => caller.bound_to(),
        }
    }

    /// The caller's own key, or the actor.
    #[must_use]
    pub const fn id(&self) -> Option<CallerId> {
        match self {
            Self::Anonymous { .. } => None,
            Self::Admin(caller) => Some(caller.id()),
        }
    }
}

impl AdminCaller {
    fn permit<P: Permission>(&self) -> Result<AdminPermit<P>, AdminRefusal> {
        if self.rights.scopes.contains(&P::SCOPE) {
            Ok(AdminPermit { caller: self.clone(), permission: PhantomData })
        } else {
            Err(AdminRefusal::ScopeMissing(P::SCOPE))
        }
    }
}

impl<P> AdminPermit<P> {
    /// The proof of another permission of the same caller.
    ///
    /// # Errors
    /// Their key lacks the scope.
    pub fn also<Q: Permission>(&self) -> Result<AdminPermit<Q>, AdminRefusal> {
        self.caller.permit()
    }

    /// The workspace that the caller is bound to, or `None` for a global one.
    #[must_use]
    pub fn bound_to(&self) -> Option<WorkspaceId> {
        self.caller.bound_to()
    }

    /// Only a global caller passes.
    ///
    /// # Errors
    /// The caller is bound to one workspace.
    pub fn require_global(&self) -> Result<(), AdminRefusal> {
        if self.caller.rights.global { Ok(()) } else { Err(AdminRefusal::GlobalRequired) }
    }

    /// How far the caller sees.
    #[must_use]
    pub fn sight(&self) -> Sight {
        Sight::within(self.bound_to())
    }

    /// Whether the caller may know of this key (T1).
    #[must_use]
    pub fn reaches(&self, key: &KeyView<'_>) -> bool {
        self.sight().reaches(key)
    }

    /// Passes if the caller may hand out limits that are `raised`, wider than those that would apply without them, or
    /// if they are not (S6).
    ///
    /// # Errors
    /// They are, and the caller may not.
    pub fn require_raising(&self, raised: bool) -> Result<(), AdminRefusal> {
        let permitted = !raised || self.caller.rights.ceiling.raise_limits;
        if permitted { Ok(()) } else { Err(AdminRefusal::CeilingExceeded(CeilingPart::Limits)) }
    }

    /// Passes if the caller may hand out all that a role has: to a member, or by a key that follows it.
    ///
    /// # Errors
    /// It is more than the caller may.
    pub fn require_role(&self, role: &Role, policy: Option<&Policy>) -> Result<(), AdminRefusal> {
        if self.caller.rights.ceiling.permits_role(role, policy) {
            Ok(())
        } else {
            Err(AdminRefusal::CeilingExceeded(CeilingPart::Role))
        }
    }

    /// Passes if the caller may hand out all that any role can have: by a key that follows one that is not known yet.
    ///
    /// # Errors
    /// It is more than the caller may.
    pub fn require_every_role(&self) -> Result<(), AdminRefusal> {
        if self.caller.rights.ceiling.permits_every_role() {
            Ok(())
        } else {
            Err(AdminRefusal::CeilingExceeded(CeilingPart::Role))
        }
    }

    /// Passes if the caller may hand out a secret of `key` as it is: its grants, environment, lifetime and limits, which
    /// are `raised` where they are wider than those that would apply without them; or for an administration key its
    /// admin scopes, reach and ceiling, from where it may be used and until when: the caller's own bounds cannot be taken
    /// off, neither from the caller's key nor by another (X9).
    ///
    /// # Errors
    /// The part that goes beyond the caller's own.
    pub fn require_ceiling(
        &self,
        key: &KeyView<'_>,
        raised: bool,
        policy: Option<&Policy>,
    ) -> Result<(), AdminRefusal> {
        let mine = &self.caller.rights;
        let lifetime = key.expires.map(|expires| expires.saturating_since(key.created));
        let beyond = if !mine.ceiling.permits_lifetime(lifetime) {
            Some(CeilingPart::Lifetime)
        } else if let Some(theirs) = key.admin {
            beyond_admin(mine, theirs, policy).or_else(|| self.beyond_bounds(key))
        } else if !mine.ceiling.permits_environment(key.environment) {
            Some(CeilingPart::Environment)
        } else if !mine.ceiling.permits_grants(key.grants, policy) {
            Some(CeilingPart::Grants)
        } else {
            None
        };
        beyond.map_or_else(|| self.require_raising(raised), |part| Err(AdminRefusal::CeilingExceeded(part)))
    }

    /// What of an administration key goes beyond the bounds of the caller's own.
    fn beyond_bounds(&self, key: &KeyView<'_>) -> Option<CeilingPart> {
        let AdminCaller { networks, expires, .. } = &self.caller;
        if !networks.cover(key.networks) {
            return Some(CeilingPart::Networks);
        }
        let outlives = expires.is_some_and(|mine| key.expires.is_none_or(|theirs| theirs > mine));
        outlives.then_some(CeilingPart::Expiry)
    }

    /// Passes for holders' keys, and for administration keys if the caller may also grant administration and has all
    /// that the key has.
    ///
    /// # Errors
    /// It is an administration key, and the caller lacks `admin:grant` or is beneath it.
    pub fn require_grant_over(&self, key: &KeyView<'_>, policy: Option<&Policy>) -> Result<(), AdminRefusal> {
        let Some(theirs) = key.admin else { return Ok(()) };
        let _granter: AdminPermit<GrantAdmin> = self.also()?;
        beyond_admin(&self.caller.rights, theirs, policy)
            .map_or(Ok(()), |part| Err(AdminRefusal::CeilingExceeded(part)))
    }

    /// The caller's own key, or the actor.
    #[must_use]
    pub const fn caller_id(&self) -> CallerId {
        self.caller.id()
    }

    /// What a change stands on: the caller's key as it was when it was let in. Where that key has changed since, by a
    /// revocation for one, the change does not happen. An actor is in no store: it stands until the next call.
    #[must_use]
    pub const fn stands_on(&self) -> Option<(KeyId, Revision)> {
        match self.caller.identity {
            AdminIdentity::Key { id, revision, .. } => Some((id, revision)),
            AdminIdentity::Actor { .. } => None,
        }
    }

    /// Who the log says it was.
    #[must_use]
    pub fn actor(&self) -> Actor {
        let (owner, _) = self.caller.home();
        Actor::Admin { by: self.caller.id(), owner: owner.cloned(), address: self.caller.address }
    }

    /// Who the keys that are made say it was.
    #[must_use]
    pub fn creator(&self) -> Creator {
        let (owner, workspace) = self.caller.home();
        Creator::Admin { by: self.caller.id(), owner: owner.cloned(), workspace, on_behalf_of: None }
    }
}

fn beyond_admin(mine: &AdminRights, theirs: &AdminRights, policy: Option<&Policy>) -> Option<CeilingPart> {
    if theirs.global && !mine.global {
        Some(CeilingPart::Global)
    } else if !theirs.scopes.is_subset(&mine.scopes) {
        Some(CeilingPart::AdminScopes)
    } else if !mine.ceiling.covers(&theirs.ceiling, policy) {
        Some(CeilingPart::Ceiling)
    } else {
        None
    }
}
