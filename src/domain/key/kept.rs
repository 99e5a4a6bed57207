//! As much of a key as memory keeps: nothing of what only administration shows. Who reads millions of keys reads no more than
//! this of each.

use std::sync::Arc;

use super::{Creator, Key, StateKind};
use crate::domain::{
    admin::AdminRights,
    credentials::RetiringSecret,
    footprint::key_bytes,
    grant::Grants,
    id::{KeyId, WorkspaceId},
    network::AllowedNetworks,
    policy::LimitOverrides,
    revision::Revision,
    scheme::Scheme,
    secret::KeyHash,
    text::{EnvironmentName, Metadata, Owner},
    time::Timestamp,
};

/// What a key has that many others have, too.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SharedParts {
    /// Whether its rights are those of its owner's role.
    pub follows_owner_role: bool,
    /// Who made it.
    pub creator: Arc<Creator>,
    /// Its environment.
    pub environment: EnvironmentName,
    /// What it may do.
    pub grants: Arc<Grants>,
    /// Where it may be used from.
    pub networks: Arc<AllowedNetworks>,
    /// Limits of its own.
    pub limits: Option<Arc<LimitOverrides>>,
    /// What it may administer.
    pub admin: Option<Arc<AdminRights>>,
}

/// What a key has by itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnParts {
    /// Its id.
    pub id: KeyId,
    /// Whom it belongs to.
    pub owner: Option<Owner>,
    /// Labels of the user's own; `None` stands for none.
    pub metadata: Option<Arc<Metadata>>,
    /// What was done to it.
    pub state: StateKind,
    /// When it was issued.
    pub created: Timestamp,
    /// The millisecond from which on it is denied.
    pub expires: Option<Timestamp>,
    /// When it was last changed.
    pub updated: Timestamp,
    /// The current secret.
    pub current: KeptSecret,
    /// Replaced secrets, newest first, without what people recognize them by.
    pub retiring: Vec<RetiringSecret>,
    /// The log revision that last changed it.
    pub revision: Revision,
    /// The log revision that took its imported secret in.
    pub taken_in: Revision,
    /// What it takes, for quotas, with what it shares.
    pub bytes: u64,
}

/// A current secret, without what people recognize it by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptSecret {
    /// 1 for the first, one more for each rotation.
    pub generation: u32,
    /// How it was hashed before that was keyed.
    pub scheme: Scheme,
    /// Its keyed hash.
    pub hash: KeyHash,
    /// When it was made.
    pub created: Timestamp,
}

/// As much of a key as memory keeps.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptKey {
    /// What it has by itself.
    pub own: OwnParts,
    /// Its workspace.
    pub workspace: WorkspaceId,
    /// What it has that others have, too.
    pub shared: Arc<SharedParts>,
}

impl SharedParts {
    /// Those of a key.
    #[must_use]
    pub fn of(key: &Key) -> Self {
        Self {
            follows_owner_role: key.follows_owner_role,
            creator: Arc::clone(&key.creator),
            environment: key.environment.clone(),
            grants: Arc::clone(&key.grants),
            networks: Arc::clone(&key.networks),
            limits: key.limits.clone(),
            admin: key.admin.clone(),
        }
    }
}

impl OwnParts {
    /// Those of a key.
    #[must_use]
    pub fn of(key: &Key) -> Self {
        let secret = &key.credentials.current;
        Self {
            id: key.id,
            owner: key.owner.clone(),
            metadata: Some(&key.metadata).filter(|labels| !labels.pairs().is_empty()).cloned(),
            state: key.state.kind(),
            created: key.created,
            expires: key.expires,
            updated: key.updated,
            current: KeptSecret {
                generation: secret.generation,
                scheme: secret.scheme.clone(),
                hash: secret.hash,
                created: secret.created,
            },
            retiring: key.credentials.retiring.iter().map(RetiringSecret::without_hint).collect(),
            revision: key.revision,
            taken_in: key.taken_in,
            bytes: key_bytes(key),
        }
    }
}

impl KeptKey {
    /// That of a key.
    #[must_use]
    pub fn of(key: &Key) -> Self {
        Self { own: OwnParts::of(key), workspace: key.workspace, shared: Arc::new(SharedParts::of(key)) }
    }
}
