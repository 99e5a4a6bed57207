//! Who may administer what. Only this module makes an [`AdminPermit`], the proof that every change demands.

mod actors;
mod party;
mod permit;
mod rights;

use std::{net::IpAddr, sync::Arc};

pub use self::actors::{Actors, NamedActor, ProvenClient, ProvenName, Unproven};
pub use self::party::Party;
pub use self::permit::{
    AdminPermit, ApplyPolicy, CheckKeys, ExplainKeys, GrantAdmin, ImportKeys, IssueKeys, ManageWorkspaces,
    Permission, ReadAudit, ReadKeys, ReadPolicy, ReadWorkspaces, RevokeKeys, RotateKeys, UpdateKeys,
};

pub use self::rights::{AdminRights, AdminScope};

use super::{
    caller_id::{ActorId, CallerId},
    ceiling::CeilingPart,
    id::{KeyId, WorkspaceId},
    key::{KeyView, Standing},
    network::AllowedNetworks,
    revision::Revision,
    text::Owner,
    time::Timestamp,
};

/// Who sent a request.
#[derive(Debug, Clone)]
pub enum Caller {
    /// A caller who sent no credential.
    Anonymous {
        /// Where the request came from; `None` on a Unix socket.
        address: Option<IpAddr>,
    },
    /// The bearer of an administration key, or an actor.
    Admin(AdminCaller),
}

/// The bearer of a usable administration key, or an actor of the configuration.
#[derive(Debug, Clone)]
pub struct AdminCaller {
    identity: AdminIdentity,
    rights: Arc<AdminRights>,
    /// From where the caller may call, and until when: it hands out no administration key that may more.
    networks: Arc<AllowedNetworks>,
    expires: Option<Timestamp>,
    address: Option<IpAddr>,
}

/// Who it is.
#[derive(Debug, Clone)]
enum AdminIdentity {
    Key {
        id: KeyId,
        owner: Option<Owner>,
        workspace: WorkspaceId,
        revision: Revision,
    },
    Actor {
        id: ActorId,
        /// `None` for a global one.
        workspace: Option<WorkspaceId>,
    },
}

impl AdminCaller {
    /// Takes a key if it may administer at `now`, and no other key (X9).
    #[must_use]
    pub fn new(key: &KeyView<'_>, address: Option<IpAddr>, now: Timestamp) -> Option<Self> {
        let rights = key.admin.cloned()?;
        let usable = key.standing(now) == Standing::Active && key.networks.permit(address);
        usable.then(|| Self {
            identity: AdminIdentity::Key {
                id: key.id,
                owner: key.owner.cloned(),
                workspace: key.workspace,
                revision: key.revision,
            },
            rights,
            networks: Arc::clone(key.networks),
            expires: key.expires,
            address,
        })
    }

    /// The caller's own key, or the actor.
    #[must_use]
    pub const fn id(&self) -> CallerId {
        match self.identity {
            AdminIdentity::Key { id, .. } => CallerId::Key(id),
            AdminIdentity::Actor { id, .. } => CallerId::Actor(id),
        }
    }

    /// The workspace that the caller is bound to, or `None` for a global one.
    #[must_use]
    pub fn bound_to(&self) -> Option<WorkspaceId> {
        match &self.identity {
            AdminIdentity::Key { workspace, .. } => (!self.rights.global).then_some(*workspace),
            AdminIdentity::Actor { workspace, .. } => *workspace,
        }
    }

    /// Whose the caller's key is, and where it lives.
    fn home(&self) -> (Option<&Owner>, Option<WorkspaceId>) {
        match &self.identity {
            AdminIdentity::Key { owner, workspace, .. } => (owner.as_ref(), Some(*workspace)),
            AdminIdentity::Actor { workspace, .. } => (None, *workspace),
        }
    }
}

/// How far a caller sees. A key that lies beyond is shown without a name (T1).
#[derive(Debug, Clone, Copy)]
pub struct Sight {
    bound_to: Option<WorkspaceId>,
}

impl Sight {
    /// That of a caller who is bound to a workspace, or to none.
    #[must_use]
    pub const fn within(bound_to: Option<WorkspaceId>) -> Self {
        Self { bound_to }
    }

    /// Whether nothing lies beyond.
    #[must_use]
    pub const fn is_unbound(self) -> bool {
        self.bound_to.is_none()
    }

    /// Whether the caller may know of this key: it is in reach, and no global administration key is shown to a caller who
    /// is bound to one workspace.
    #[must_use]
    pub fn reaches(self, key: &KeyView<'_>) -> bool {
        let above = key.admin.as_ref().is_some_and(|admin| admin.global);
        self.bound_to.is_none_or(|workspace| workspace == key.workspace && !above)
    }
}

/// Why a caller may not.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AdminRefusal {
    /// No credential was sent.
    #[error("this call needs an administration key: send `authorization: Bearer <key>`")]
    CallerMissing,
    /// The caller lacks a scope.
    #[error("the caller lacks `{}`", .0.as_str())]
    ScopeMissing(AdminScope),
    /// The call reaches every workspace.
    #[error("the caller is bound to one workspace, and this call reaches all")]
    GlobalRequired,
    /// More than the caller may hand out.
    #[error("{}", ceiling_message(*.0))]
    CeilingExceeded(CeilingPart),
}

const fn ceiling_message(part: CeilingPart) -> &'static str {
    match part {
        CeilingPart::Grants => "the key's grants go beyond the caller's ceiling",
        CeilingPart::Role => "the role has rights that go beyond the caller's ceiling",
        CeilingPart::Environment => "the key's environment is not within the caller's ceiling",
        CeilingPart::Lifetime => "the key's expiry is absent or goes beyond the caller's ceiling",
        CeilingPart::Limits => {
            "the limits would be wider than those that apply without them, and the caller may not raise any"
        }
        CeilingPart::AdminScopes => "the key would have admin scopes that the caller lacks",
        CeilingPart::Global => "the key would reach every workspace, and the caller is bound to one",
        CeilingPart::Ceiling => "the key's ceiling goes beyond the caller's",
        CeilingPart::Networks => {
            "the administration key could be used from networks from which the caller's own cannot"
        }
        CeilingPart::Expiry => "the administration key would outlive the caller's own",
    }
}
