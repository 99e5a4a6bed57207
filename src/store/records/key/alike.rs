//! What many keys have alike: read once, and shared.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::{
    domain::{
        caller_id::{ActorId, CallerId},
        footprint::shared_bytes,
        id::{KeyId, WorkspaceId},
        key::{Creator, Key, SharedParts},
        network::{AllowedNetworks, parse_network},
        text::{EnvironmentName, Owner},
    },
    store::{
        records::{admin::AdminBody, body::read_limits, grant::GrantBody, packed::Unpackable},
        rows::zone_missing,
    },
};

/// What a key has that many others have, too, and what that takes, for quotas.
pub(in crate::store) struct AlikeParts {
    pub(super) parts: Arc<SharedParts>,
    pub(super) bytes: u64,
}

/// The same as it is packed.
#[derive(Serialize, Deserialize)]
pub(super) struct AlikeBody {
    pub(super) follows_owner_role: bool,
    pub(super) creator: CreatorBody,
    pub(super) environment: String,
    pub(super) grants: Vec<GrantBody>,
    pub(super) networks: Vec<String>,
    /// As JSON: fields of limits can be absent.
    pub(super) limits: Option<String>,
    pub(super) admin: Option<AdminBody>,
}

#[derive(Serialize, Deserialize)]
pub(super) enum CreatorBody {
    System,
    Admin {
        key: [u8; KeyId::BYTES],
        owner: Option<String>,
        workspace: [u8; WorkspaceId::BYTES],
        on_behalf_of: Option<String>,
    },
    Actor {
        actor: [u8; ActorId::BYTES],
        workspace: Option<[u8; WorkspaceId::BYTES]>,
        on_behalf_of: Option<String>,
    },
}

impl AlikeBody {
    pub(super) fn of(key: &Key) -> Result<Self, Unpackable> {
        let limits = key.limits.as_ref().map(|own| serde_json::to_string(own.entry())).transpose();
        Ok(Self {
            follows_owner_role: key.follows_owner_role,
            creator: CreatorBody::of(&key.creator).ok_or(Unpackable)?,
            environment: key.environment.to_string(),
            grants: GrantBody::all(&key.grants),
            networks: key.networks.as_slice().iter().map(ToString::to_string).collect(),
            limits: limits.map_err(|_error| Unpackable)?,
            admin: key.admin.as_deref().map(AdminBody::of),
        })
    }

    /// `None` if something in it is not what it must be.
    pub(super) fn into_alike(self) -> Option<AlikeParts> {
        let networks = self.networks.iter().map(|text| parse_network(text).ok()).collect::<Option<_>>()?;
        let limits = self.limits.map(|text| serde_json::from_str(&text)).transpose().ok()?;
        let admin = self.admin.map(|admin| admin.into_rights().map(Arc::new));
        let parts = SharedParts {
            follows_owner_role: self.follows_owner_role,
            creator: Arc::new(self.creator.into_creator()?),
            environment: EnvironmentName::parse(&self.environment).ok()?,
            grants: GrantBody::into_grants(self.grants).map(Arc::new)?,
            networks: AllowedNetworks::new(networks).ok().map(Arc::new)?,
            limits: read_limits(limits).ok()?,
            admin: admin.map_or(Some(None), |admin| admin.map(Some))?,
        };
        let (limits, admin) = (parts.limits.as_deref(), parts.admin.as_deref());
        let bytes = shared_bytes(&parts.grants, &parts.networks, limits, admin);
        Some(AlikeParts { parts: Arc::new(parts), bytes })
    }

    /// The first time zone of its limits that is not known here.
    pub(super) fn zone_missing(&self) -> Option<String> {
        self.limits.as_deref().and_then(zone_missing)
    }
}

impl CreatorBody {
    fn of(creator: &Creator) -> Option<Self> {
        Some(match creator {
            Creator::System => Self::System,
            Creator::Admin { by, owner, workspace, on_behalf_of } => {
                let on_behalf_of = on_behalf_of.as_ref().map(ToString::to_string);
                match (by, workspace) {
                    (CallerId::Key(key), Some(workspace)) => Self::Admin {
                        key: key.to_bytes(),
                        owner: owner.as_ref().map(ToString::to_string),
                        workspace: workspace.to_bytes(),
                        on_behalf_of,
                    },
                    // Every key has a workspace.
                    (CallerId::Key(_), None) => return None,
                    (CallerId::Actor(actor), workspace) => Self::Actor {
                        actor: actor.to_bytes(),
                        workspace: workspace.map(WorkspaceId::to_bytes),
                        on_behalf_of,
                    },
                }
            }
        })
    }

    fn into_creator(self) -> Option<Creator> {
        Some(match self {
            Self::System => Creator::System,
            Self::Admin { key, owner, workspace, on_behalf_of } => Creator::Admin {
                by: KeyId::from_bytes(key).into(),
                owner: owner.as_deref().map(Owner::parse).transpose().ok()?,
                workspace: Some(WorkspaceId::from_bytes(workspace)),
                on_behalf_of: on_behalf_of.as_deref().map(Owner::parse).transpose().ok()?,
            },
            Self::Actor { actor, workspace, on_behalf_of } => Creator::Admin {
                by: CallerId::Actor(ActorId::from_bytes(actor)?),
                owner: None,
                workspace: workspace.map(WorkspaceId::from_bytes),
                on_behalf_of: on_behalf_of.as_deref().map(Owner::parse).transpose().ok()?,
            },
        })
    }
}
