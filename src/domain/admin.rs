//! Who may administer what. Only this module makes an [`AdminPermit`], the proof that every change demands.

use std::{collections::BTreeSet, marker::PhantomData, net::IpAddr, sync::Arc};

use super::{
    audit::{Actor, Revision},
    ceiling::{Ceiling, CeilingPart},
    id::{KeyId, WorkspaceId},
    key::{Creator, Key, Standing},
    parse::ParseError,
    text::Owner,
    time::Timestamp,
};

/// One thing that an administration key may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum AdminScope {
    /// Check on behalf of others, where a caller is required.
    KeysCheck,
    /// Explain, and check by id.
    KeysExplain,
    /// Show and list keys.
    KeysRead,
    /// Issue holders' keys.
    KeysIssue,
    /// Change, disable and enable keys.
    KeysUpdate,
    /// Give keys new secrets.
    KeysRotate,
    /// Revoke keys by id.
    KeysRevoke,
    /// Show workspaces.
    WorkspacesRead,
    /// Register and change workspaces.
    WorkspacesManage,
    /// Show the policy.
    PolicyRead,
    /// Change the policy.
    PolicyApply,
    /// Read and verify the log.
    AuditRead,
    /// Make and change administration keys.
    AdminGrant,
}

impl AdminScope {
    /// Every admin scope.
    pub const ALL: [Self; 13] = [
        Self::KeysCheck,
        Self::KeysExplain,
        Self::KeysRead,
        Self::KeysIssue,
        Self::KeysUpdate,
        Self::KeysRotate,
        Self::KeysRevoke,
        Self::WorkspacesRead,
        Self::WorkspacesManage,
        Self::PolicyRead,
        Self::PolicyApply,
        Self::AuditRead,
        Self::AdminGrant,
    ];

    /// The scope as it is written.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::KeysCheck => "keys:check",
            Self::KeysExplain => "keys:explain",
            Self::KeysRead => "keys:read",
            Self::KeysIssue => "keys:issue",
            Self::KeysUpdate => "keys:update",
            Self::KeysRotate => "keys:rotate",
            Self::KeysRevoke => "keys:revoke",
            Self::WorkspacesRead => "workspaces:read",
            Self::WorkspacesManage => "workspaces:manage",
            Self::PolicyRead => "policy:read",
            Self::PolicyApply => "policy:apply",
            Self::AuditRead => "audit:read",
            Self::AdminGrant => "admin:grant",
        }
    }

    /// Reads a scope as it is written.
    ///
    /// # Errors
    /// There is no such admin scope.
    pub fn parse(text: &str) -> Result<Self, ParseError> {
        Self::ALL.into_iter().find(|scope| scope.as_str() == text).ok_or(ParseError::new(
            "one of keys:check, keys:explain, keys:read, keys:issue, keys:update, keys:rotate, keys:revoke, \
             workspaces:read, workspaces:manage, policy:read, policy:apply, audit:read, admin:grant",
        ))
    }
}

/// What an administration key may do and hand out.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct AdminRights {
    /// What it may do.
    pub scopes: BTreeSet<AdminScope>,
    /// Whether it reaches every workspace, or its own alone.
    pub global: bool,
    /// The most that it may hand out.
    pub ceiling: Ceiling,
}

impl AdminRights {
    /// The rights of the first administration key.
    #[must_use]
    pub fn everything() -> Self {
        Self { scopes: AdminScope::ALL.into(), global: true, ceiling: Ceiling::EVERYTHING }
    }

    /// Whether the key can make administration keys for every workspace: there must always be one that can.
    #[must_use]
    pub fn is_root(&self) -> bool {
        self.global && self.scopes.contains(&AdminScope::AdminGrant)
    }
}

/// Who sent a request.
#[derive(Debug, Clone)]
pub enum Caller {
    /// Somebody who sent no credential.
    Anonymous {
        /// Where the request came from; `None` on a Unix socket.
        address: Option<IpAddr>,
    },
    /// The bearer of an administration key.
    Admin(AdminCaller),
}

/// The bearer of a usable administration key.
#[derive(Debug, Clone)]
pub struct AdminCaller {
    key: KeyId,
    owner: Option<Owner>,
    workspace: WorkspaceId,
    revision: Revision,
    rights: Arc<AdminRights>,
    address: Option<IpAddr>,
}

impl AdminCaller {
    /// Takes a key that may administer at `now`, and only such a one (X9).
    #[must_use]
    pub fn new(key: &Key, address: Option<IpAddr>, now: Timestamp) -> Option<Self> {
        let rights = key.admin.clone()?;
        let usable = key.standing(now) == Standing::Active && key.networks.permit(address);
        usable.then(|| Self {
            key: key.id,
            owner: key.owner.clone(),
            workspace: key.workspace,
            revision: key.revision,
            rights,
            address,
        })
    }

    /// The workspace that the caller is bound to, or `None` for a global one.
    #[must_use]
    pub fn bound_to(&self) -> Option<WorkspaceId> {
        (!self.rights.global).then_some(self.workspace)
    }
}

/// Why a caller may not.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AdminRefusal {
    /// No credential was sent.
    #[error("this call needs an administration key: send `authorization: Bearer <key>`")]
    CallerMissing,
    /// The administration key lacks a scope.
    #[error("the administration key lacks `{}`", .0.as_str())]
    ScopeMissing(AdminScope),
    /// The call reaches every workspace.
    #[error("the administration key is bound to one workspace, and this call reaches all")]
    GlobalRequired,
    /// More than the caller may hand out.
    #[error("{}", ceiling_message(*.0))]
    CeilingExceeded(CeilingPart),
}

const fn ceiling_message(part: CeilingPart) -> &'static str {
    match part {
        CeilingPart::Grants => "the key's grants go beyond the caller's ceiling",
        CeilingPart::Environment => "the key's environment is not within the caller's ceiling",
        CeilingPart::Lifetime => "the key's expiry is absent or goes beyond the caller's ceiling",
        CeilingPart::Limits => {
            "the limits would be wider than those that apply without them, and the caller may not raise any"
        }
        CeilingPart::AdminScopes => "the key would have admin scopes that the caller lacks",
        CeilingPart::Global => "the key would reach every workspace, and the caller is bound to one",
        CeilingPart::Ceiling => "the key's ceiling goes beyond the caller's",
    }
}

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

/// Proof that a caller holds a permission. Operations that change anything take one by value.
#[derive(Debug)]
pub struct AdminPermit<P> {
    caller: AdminCaller,
    permission: PhantomData<P>,
}

impl Caller {
    /// The proof that this caller may, or why not.
    ///
    /// # Errors
    /// Nobody identified themselves, or their key lacks the scope.
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

    /// Whether the caller may know of this key: it is in reach, and no global administration key is shown to a
    /// caller who is bound to one workspace (T1).
    #[must_use]
    pub fn reaches(&self, key: &Key) -> bool {
        let above = key.admin.as_ref().is_some_and(|admin| admin.global);
        self.bound_to().is_none_or(|workspace| workspace == key.workspace && !above)
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

    /// Passes if the caller may hand out a secret of `key` as it is: its grants, environment, lifetime and limits, which
    /// are `raised` where they are wider than those that would apply without them; or for an administration key its
    /// admin scopes, reach and ceiling (X9).
    ///
    /// # Errors
    /// The part that goes beyond the caller's own.
    pub fn require_ceiling(&self, key: &Key, raised: bool) -> Result<(), AdminRefusal> {
        let mine = &self.caller.rights;
        let lifetime = key.expires.map(|expires| expires.saturating_since(key.created));
        let beyond = if !mine.ceiling.permits_lifetime(lifetime) {
            Some(CeilingPart::Lifetime)
        } else if let Some(theirs) = &key.admin {
            beyond_admin(mine, theirs)
        } else if !mine.ceiling.permits_environment(&key.environment) {
            Some(CeilingPart::Environment)
        } else if !mine.ceiling.permits_grants(&key.grants) {
            Some(CeilingPart::Grants)
        } else {
            None
        };
        beyond.map_or_else(|| self.require_raising(raised), |part| Err(AdminRefusal::CeilingExceeded(part)))
    }

    /// Passes for holders' keys, and for administration keys if the caller may also grant administration and has all
    /// that the key has.
    ///
    /// # Errors
    /// It is an administration key, and the caller lacks `admin:grant` or is beneath it.
    pub fn require_grant_over(&self, key: &Key) -> Result<(), AdminRefusal> {
        let Some(theirs) = &key.admin else { return Ok(()) };
        let _granter: AdminPermit<GrantAdmin> = self.also()?;
        beyond_admin(&self.caller.rights, theirs)
            .map_or(Ok(()), |part| Err(AdminRefusal::CeilingExceeded(part)))
    }

    /// The caller's own key.
    #[must_use]
    pub fn key_id(&self) -> KeyId {
        self.caller.key
    }

    /// What a change stands on: the caller's key as it was when it was let in. Where that key has changed since, by a
    /// revocation for one, the change does not happen.
    #[must_use]
    pub fn stands_on(&self) -> (KeyId, Revision) {
        (self.caller.key, self.caller.revision)
    }

    /// Who the log says it was.
    #[must_use]
    pub fn actor(&self) -> Actor {
        Actor::Admin { key: self.caller.key, owner: self.caller.owner.clone(), address: self.caller.address }
    }

    /// Who the keys that are made say it was.
    #[must_use]
    pub fn creator(&self) -> Creator {
        let AdminCaller { key, owner, workspace, .. } = &self.caller;
        Creator::Admin { key: *key, owner: owner.clone(), workspace: *workspace }
    }
}

fn beyond_admin(mine: &AdminRights, theirs: &AdminRights) -> Option<CeilingPart> {
    if theirs.global && !mine.global {
        Some(CeilingPart::Global)
    } else if !theirs.scopes.is_subset(&mine.scopes) {
        Some(CeilingPart::AdminScopes)
    } else if !mine.ceiling.covers(&theirs.ceiling) {
        Some(CeilingPart::Ceiling)
    } else {
        None
    }
}
