//! A key: the lasting resource with its policy and state, and what can happen to it.
//!
//! Every change is a method that consumes the key and gives the changed one, or says why that cannot be. Revoked and
//! expired are final (K9).

mod kept;
mod view;

use std::{sync::Arc, time::Duration};

pub use self::{
    kept::{KeptKey, KeptSecret, OwnParts, SharedParts},
    view::{KeyView, SecretView, SecretViews, StateKind},
};
use super::{
    admin::AdminRights,
    caller_id::CallerId,
    credentials::{Credentials, RetiringSecret, Secret},
    grant::Grants,
    id::{KeyId, WorkspaceId},
    network::AllowedNetworks,
    policy::LimitOverrides,
    revision::Revision,
    text::{Comment, Description, EnvironmentName, Metadata, Name, Owner},
    time::Timestamp,
};

/// The grace of a rotation unless another is asked for (R2).
pub const DEFAULT_GRACE: Duration = Duration::from_secs(24 * 60 * 60);
/// The longest grace of a rotation.
pub const MAX_GRACE: Duration = Duration::from_secs(366 * 24 * 60 * 60);
/// How many replaced secrets may be in their grace at once, and are known after it; an imported one is known for good.
const MAX_RETIRING: usize = 2;

/// A key. Holds hashes, never a secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key {
    /// Its id.
    pub id: KeyId,
    /// The workspace that it belongs to, for good.
    pub workspace: WorkspaceId,
    /// What people call it.
    pub name: Name,
    /// What people say about it.
    pub description: Description,
    /// The user or service that it belongs to, for good.
    pub owner: Option<Owner>,
    /// Whether its rights are those of its owner's role, narrowed by its grants where it has any; for good (S5).
    pub follows_owner_role: bool,
    /// Who made it.
    pub creator: Arc<Creator>,
    /// Its environment, for good.
    pub environment: EnvironmentName,
    /// What it may do.
    pub grants: Arc<Grants>,
    /// Where it may be used from.
    pub networks: Arc<AllowedNetworks>,
    /// Labels of the user's own.
    pub metadata: Arc<Metadata>,
    /// Limits of its own, in place of those of its plan; `None` follows the plan.
    pub limits: Option<Arc<LimitOverrides>>,
    /// What was done to it.
    pub state: KeyState,
    /// When it was issued.
    pub created: Timestamp,
    /// The millisecond from which on it is denied (K8).
    pub expires: Option<Timestamp>,
    /// When it was last changed.
    pub updated: Timestamp,
    /// The strings that prove it.
    pub credentials: Credentials,
    /// What it may administer; `None` for a holder's key.
    pub admin: Option<Arc<AdminRights>>,
    /// The log revision that last changed it; zero before it is stored.
    pub revision: Revision,
    /// The log revision that took its imported secret in: of two imports of one token the older counts. Zero where it has none,
    /// before it is stored, and for keys that were imported before this was noted.
    pub taken_in: Revision,
}

/// Who made a key (T3).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Creator {
    /// Keyward itself, at its initialization or recovery.
    System,
    /// An administration key, or an actor of the configuration.
    Admin {
        /// That key, or that actor.
        by: CallerId,
        /// The owner of the key.
        owner: Option<Owner>,
        /// The workspace of the key, or that an actor is bound to; `None` for a global actor.
        workspace: Option<WorkspaceId>,
        /// The member on whose behalf it asked.
        on_behalf_of: Option<Owner>,
    },
}

impl Creator {
    /// The same on behalf of a member; Keyward itself makes keys on its own behalf.
    #[must_use]
    pub fn on_behalf_of(self, member: Option<Owner>) -> Self {
        match self {
            Self::System => Self::System,
            Self::Admin { by, owner, workspace, .. } => {
                Self::Admin { by, owner, workspace, on_behalf_of: member }
            }
        }
    }

    /// The member on whose behalf it asked.
    #[must_use]
    pub const fn behalf(&self) -> Option<&Owner> {
        match self {
            Self::System => None,
            Self::Admin { on_behalf_of, .. } => on_behalf_of.as_ref(),
        }
    }
}

/// What was done to a key. Expiry is not a state: it is computed from the time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeyState {
    /// Nothing.
    Active,
    /// It was switched off.
    Disabled,
    /// It was revoked, for good.
    Revoked(Box<Revocation>),
}

/// A revocation, as it happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Revocation {
    /// When it was accepted.
    pub at: Timestamp,
    /// The administration key or actor that asked; `None` when the key itself was presented.
    pub by: Option<CallerId>,
    /// Why.
    pub reason: RevokeReason,
    /// The operator's own words.
    pub comment: Comment,
}

/// Why a key is revoked; after RFC 5280, section 5.3.1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RevokeReason {
    /// No reason was given.
    Unspecified,
    /// Others know the secret, or may.
    Compromised,
    /// The owner has left.
    OwnerLeft,
    /// Another key took its place.
    Superseded,
    /// It was not used.
    Unused,
    /// What it was for has ended.
    CessationOfOperation,
    /// The owner may no longer do what it allows.
    PrivilegeWithdrawn,
}

impl RevokeReason {
    /// Every reason.
    pub const ALL: [Self; 7] = [
        Self::Unspecified,
        Self::Compromised,
        Self::OwnerLeft,
        Self::Superseded,
        Self::Unused,
        Self::CessationOfOperation,
        Self::PrivilegeWithdrawn,
    ];

    /// The reason as the log spells it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unspecified => "unspecified",
            Self::Compromised => "compromised",
            Self::OwnerLeft => "owner_left",
            Self::Superseded => "superseded",
            Self::Unused => "unused",
            Self::CessationOfOperation => "cessation_of_operation",
            Self::PrivilegeWithdrawn => "privilege_withdrawn",
        }
    }
}

/// Where a key stands at some time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// Usable.
    Active,
    /// Switched off.
    Disabled,
    /// Revoked, for good.
    Revoked,
    /// Past its expiry, for good.
    Expired,
}

/// Why a key cannot be changed so.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TransitionError {
    /// It is revoked, for good.
    #[error("the key is revoked, and nothing restores it; issue another")]
    Revoked,
    /// It is expired, for good.
    #[error("the key expired at {0}, and nothing restores it; issue another")]
    Expired(Timestamp),
    /// Two replaced secrets are in their grace already.
    #[error("three secrets are live already; rotate with a grace of 0, or wait until {0}")]
    TooManyLiveSecrets(Timestamp),
    /// The secret of this generation has ended.
    #[error("secret {0} has ended, and nothing revives it; rotate the key for a new one")]
    SecretEnded(u32),
    /// No replaced secret is in its grace.
    #[error("no secret of the key is retiring")]
    NoRetiringSecret,
}

impl Key {
    /// Where the key stands at `now`. Revoked before expired before disabled.
    #[must_use]
    pub fn standing(&self, now: Timestamp) -> Standing {
        self.view().standing(now)
    }

    /// The key itself, if it can still be changed at `now`.
    ///
    /// # Errors
    /// It is revoked or expired (K9).
    pub fn changeable(self, now: Timestamp) -> Result<Self, TransitionError> {
        match (&self.state, self.expires) {
            (KeyState::Revoked(_), _) => Err(TransitionError::Revoked),
            (KeyState::Active | KeyState::Disabled, Some(expires)) if now >= expires => {
                Err(TransitionError::Expired(expires))
            }
            (KeyState::Active | KeyState::Disabled, _) => Ok(Self { updated: now, ..self }),
        }
    }

    /// Gives the key a new secret. The replaced one keeps working for `grace`, never past the key's expiry; those
    /// replaced before keep their ends; a grace of zero ends them all.
    ///
    /// # Errors
    /// It is revoked or expired, or two replaced secrets are in their grace and `grace` is not zero.
    pub fn rotate(self, new: Secret, grace: Duration, now: Timestamp) -> Result<Self, TransitionError> {
        let mut key = self.changeable(now)?;
        let mut retiring = key.credentials.retiring;
        if grace.is_zero() {
            for earlier in &mut retiring {
                earlier.end = earlier.end.min(now);
            }
        } else {
            retiring.retain(|earlier| earlier.end > now || earlier.secret.is_imported());
            let live = retiring.iter().filter(|earlier| earlier.end > now);
            if let Some(first_end) = live.clone().map(|earlier| earlier.end).min()
                && live.count() >= MAX_RETIRING
            {
                return Err(TransitionError::TooManyLiveSecrets(first_end));
            }
        }
        let end = now.saturating_add(grace).min(key.expires.unwrap_or(now.saturating_add(grace)));
        retiring.insert(0, RetiringSecret { secret: key.credentials.current, end });
        // An imported token that was forgotten could be imported again, or be good by another import of it.
        let mut place = 0;
        retiring.retain(|earlier| {
            place += 1;
            place <= MAX_RETIRING || earlier.secret.is_imported()
        });
        key.credentials = Credentials { current: new, retiring };
        Ok(key)
    }

    /// Lets the replaced secret of this generation, or all of them, end so long from now, never past the key's expiry.
    ///
    /// # Errors
    /// It is revoked or expired; the secret has ended; none is in its grace.
    pub fn regrace(
        self,
        generation: Option<u32>,
        grace: Duration,
        now: Timestamp,
    ) -> Result<Self, TransitionError> {
        let mut key = self.changeable(now)?;
        let end = now.saturating_add(grace);
        let end = key.expires.map_or(end, |expires| end.min(expires));
        let asked = |retiring: &RetiringSecret| generation.is_none_or(|it| it == retiring.secret.generation);
        let mut live = key.credentials.retiring.iter_mut().filter(|it| it.end > now && asked(it)).peekable();
        if live.peek().is_none() {
            return Err(generation.map_or(TransitionError::NoRetiringSecret, TransitionError::SecretEnded));
        }
        live.for_each(|RetiringSecret { secret, end: of_it }| {
            *of_it = secret.scheme.latest_end(secret.created).map_or(end, |latest| end.min(latest));
        });
        Ok(key)
    }

    /// Ends the key for good. A revoked key stays as it was revoked; an expired one can be revoked, so that the
    /// reason is on record.
    #[must_use]
    pub fn revoke(self, revocation: Revocation) -> Self {
        match self.state {
            KeyState::Revoked(_) => self,
            KeyState::Active | KeyState::Disabled => {
                Self { updated: revocation.at, state: KeyState::Revoked(Box::new(revocation)), ..self }
            }
        }
    }

    /// Ends one replaced secret now; those already ended stay as they are.
    #[must_use]
    pub fn end_secret(mut self, generation: u32, now: Timestamp) -> Self {
        for earlier in
            self.credentials.retiring.iter_mut().filter(|earlier| earlier.secret.generation == generation)
        {
            earlier.end = earlier.end.min(now);
        }
        Self { updated: now, ..self }
    }

    /// Switches the key off.
    ///
    /// # Errors
    /// It is revoked or expired.
    pub fn disable(self, now: Timestamp) -> Result<Self, TransitionError> {
        Ok(Self { state: KeyState::Disabled, ..self.changeable(now)? })
    }

    /// Switches the key on.
    ///
    /// # Errors
    /// It is revoked or expired.
    pub fn enable(self, now: Timestamp) -> Result<Self, TransitionError> {
        Ok(Self { state: KeyState::Active, ..self.changeable(now)? })
    }
}

#[cfg(test)]
pub(crate) mod tests;
