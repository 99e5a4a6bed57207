//! A key as it is judged: what decisions, lists and reviews look at, without the texts that only administration shows.
//!
//! A view borrows from a whole [`Key`], or from what memory keeps of one: who judges does not know which.

use std::sync::Arc;

use super::{Creator, Key, KeyState, Standing};
use crate::domain::{
    admin::AdminRights,
    credentials::{RetiringSecret, Secret},
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

/// A key without its name, its description and the details of a revocation.
#[derive(Debug, Clone, Copy)]
pub struct KeyView<'a> {
    /// Its id.
    pub id: KeyId,
    /// The workspace that it belongs to.
    pub workspace: WorkspaceId,
    /// The user or service that it belongs to.
    pub owner: Option<&'a Owner>,
    /// Whether its rights are those of its owner's role.
    pub follows_owner_role: bool,
    /// Who made it.
    pub creator: &'a Creator,
    /// Its environment.
    pub environment: &'a EnvironmentName,
    /// What it may do.
    pub grants: &'a Arc<Grants>,
    /// Where it may be used from.
    pub networks: &'a Arc<AllowedNetworks>,
    /// Labels of the user's own.
    pub metadata: &'a Metadata,
    /// Limits of its own, in place of those of its plan.
    pub limits: Option<&'a Arc<LimitOverrides>>,
    /// What was done to it.
    pub state: StateKind,
    /// When it was issued.
    pub created: Timestamp,
    /// The millisecond from which on it is denied.
    pub expires: Option<Timestamp>,
    /// When it was last changed, where that is known: of a disabled key it always is.
    pub updated: Option<Timestamp>,
    /// The strings that prove it.
    pub secrets: SecretViews<'a>,
    /// What it may administer; `None` for a holder's key.
    pub admin: Option<&'a Arc<AdminRights>>,
    /// The log revision that last changed it.
    pub revision: Revision,
    /// The log revision that took its imported secret in.
    pub taken_in: Revision,
}

/// What was done to a key, without how it was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StateKind {
    /// Nothing.
    Active,
    /// It was switched off.
    Disabled,
    /// It was revoked, for good.
    Revoked,
}

/// The secrets of a key, without what people recognize them by.
#[derive(Debug, Clone, Copy)]
pub struct SecretViews<'a> {
    /// The newest one.
    pub current: SecretView<'a>,
    /// Replaced ones, newest first.
    pub retiring: &'a [RetiringSecret],
}

/// One secret of a key.
#[derive(Debug, Clone, Copy)]
pub struct SecretView<'a> {
    /// 1 for the first, one more for each rotation.
    pub generation: u32,
    /// How it was hashed before that was keyed.
    pub scheme: &'a Scheme,
    /// Its keyed hash.
    pub hash: &'a KeyHash,
    /// When it was made.
    pub created: Timestamp,
}

impl KeyView<'_> {
    /// Where the key stands at `now`. Revoked before expired before disabled.
    #[must_use]
    pub fn standing(&self, now: Timestamp) -> Standing {
        match (self.state, self.expires) {
            (StateKind::Revoked, _) => Standing::Revoked,
            (StateKind::Active | StateKind::Disabled, Some(expires)) if now >= expires => Standing::Expired,
            (StateKind::Active, _) => Standing::Active,
            (StateKind::Disabled, _) => Standing::Disabled,
        }
    }
}

impl<'a> SecretViews<'a> {
    /// The secret with this hash, and its end if it was replaced. A later import's hash is no other's.
    #[must_use]
    pub fn find(&self, hash: &KeyHash) -> Option<(SecretView<'a>, Option<Timestamp>)> {
        self.iter().find(|(secret, _)| secret.hash.equals(hash))
    }

    /// Every secret, newest first, each with its end if it was replaced.
    pub fn iter(&self) -> impl Iterator<Item = (SecretView<'a>, Option<Timestamp>)> + use<'a> {
        let earlier = self.retiring.iter().map(|retiring| (retiring.secret.view(), Some(retiring.end)));
        std::iter::once((self.current, None)).chain(earlier)
    }
}

impl SecretView<'_> {
    /// Whether another system made it.
    #[must_use]
    pub const fn is_imported(&self) -> bool {
        self.scheme.hashing().is_some()
    }
}

impl Secret {
    /// The secret without what people recognize it by.
    #[must_use]
    pub const fn view(&self) -> SecretView<'_> {
        SecretView {
            generation: self.generation,
            scheme: &self.scheme,
            hash: &self.hash,
            created: self.created,
        }
    }
}

impl KeyState {
    /// What was done, without how.
    #[must_use]
    pub const fn kind(&self) -> StateKind {
        match self {
            Self::Active => StateKind::Active,
            Self::Disabled => StateKind::Disabled,
            Self::Revoked(_) => StateKind::Revoked,
        }
    }
}

impl Key {
    /// The key as it is judged.
    #[must_use]
    pub fn view(&self) -> KeyView<'_> {
        KeyView {
            id: self.id,
            workspace: self.workspace,
            owner: self.owner.as_ref(),
            follows_owner_role: self.follows_owner_role,
            creator: &self.creator,
            environment: &self.environment,
            grants: &self.grants,
            networks: &self.networks,
            metadata: &self.metadata,
            limits: self.limits.as_ref(),
            state: self.state.kind(),
            created: self.created,
            expires: self.expires,
            updated: Some(self.updated),
            secrets: SecretViews {
                current: self.credentials.current.view(),
                retiring: &self.credentials.retiring,
            },
            admin: self.admin.as_ref(),
            revision: self.revision,
            taken_in: self.taken_in,
        }
    }
}
