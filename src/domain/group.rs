//! Changes of many keys at once: one entry of the log names them all, and what each comes to is worked out from it.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::{
    admin::AdminScope,
    audit::{Action, Revision},
    id::{GroupId, KeyId},
    key::{Key, KeyState, Revocation, RevokeReason, Standing},
    text::Comment,
    time::Timestamp,
};

/// The most keys that one entry may change.
pub const MAX_GROUP: usize = 250_000;

/// What is done to every key of a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GroupAct {
    /// It is switched off.
    Disable,
    /// It is switched on.
    Enable,
    /// It ends for good, now.
    Revoke(RevokeReason),
    /// It ends at this time, or sooner if it would have.
    Retire(Timestamp),
}

/// What a key was, of all that the group changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Before {
    /// On.
    Active,
    /// Off.
    Disabled,
    /// To end then, or never.
    Ends(Option<Timestamp>),
}

/// The keys that an entry changes, and what it does to them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    /// Names the change.
    pub id: GroupId,
    /// What is done.
    pub act: GroupAct,
    /// The keys by what they were, each list in order.
    pub keys: BTreeMap<Before, Vec<KeyId>>,
}

/// A change of a group as the log holds it.
#[derive(Debug, PartialEq, Eq)]
pub struct GroupChange {
    /// The entry's place.
    pub revision: Revision,
    /// When it was accepted.
    pub time: Timestamp,
    /// The administration key that asked.
    pub by: Option<KeyId>,
    /// What was done.
    pub act: GroupAct,
    /// The operator's own words.
    pub comment: Comment,
    /// Every key that was changed.
    pub keys: Vec<KeyId>,
}

impl GroupAct {
    /// What the log calls it.
    #[must_use]
    pub const fn action(self) -> Action {
        match self {
            Self::Disable => Action::KeyDisable,
            Self::Enable => Action::KeyEnable,
            Self::Revoke(_) => Action::KeyRevoke,
            Self::Retire(_) => Action::KeyUpdate,
        }
    }

    /// Whether nothing is left of an earlier change of the same keys once this came: they are on or off as this says, or end
    /// as soon as this says.
    #[must_use]
    pub fn replaces(self, earlier: Self) -> bool {
        match (self, earlier) {
            (Self::Disable | Self::Enable, Self::Disable | Self::Enable) => true,
            (Self::Retire(end), Self::Retire(before)) => end <= before,
            (Self::Disable | Self::Enable | Self::Retire(_) | Self::Revoke(_), _) => false,
        }
    }

    /// The admin scope that it needs.
    #[must_use]
    pub const fn scope(self) -> AdminScope {
        match self {
            Self::Disable | Self::Enable | Self::Retire(_) => AdminScope::KeysUpdate,
            Self::Revoke(_) => AdminScope::KeysRevoke,
        }
    }

    /// What the key was, if this changes it. A revoked and an expired one stay as they are, and so does one that stands so
    /// already; none is made to live longer.
    #[must_use]
    pub fn changes(self, key: &Key, now: Timestamp) -> Option<Before> {
        let (state, wanted) = match key.standing(now) {
            Standing::Active => (Before::Active, !matches!(self, Self::Enable)),
            Standing::Disabled => (Before::Disabled, !matches!(self, Self::Disable)),
            Standing::Revoked | Standing::Expired => return None,
        };
        match self {
            Self::Disable | Self::Enable | Self::Revoke(_) => wanted.then_some(state),
            Self::Retire(end) => {
                key.expires.is_none_or(|before| end < before).then_some(Before::Ends(key.expires))
            }
        }
    }
}

impl Group {
    /// How many keys it changes.
    #[must_use]
    pub fn len(&self) -> usize {
        self.keys.values().map(Vec::len).sum()
    }

    /// Whether it changes none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// Every key, in order.
    #[must_use]
    pub fn ids(&self) -> Vec<KeyId> {
        let mut ids: Vec<_> = self.keys.values().flatten().copied().collect();
        ids.sort_unstable();
        ids
    }

    /// Adds what the log says of it: `keys` has for each value before the ids without their prefix, one after the other.
    pub(super) fn write(&self, entry: &mut Map<String, Value>) {
        entry.insert("group_id".to_owned(), json!(self.id.to_string()));
        entry.insert("key_count".to_owned(), json!(self.len()));
        if let GroupAct::Retire(end) = self.act {
            entry.insert("expire_ms".to_owned(), json!(end.as_ms()));
        }
        let lists = self.keys.iter().map(|(before, keys)| {
            let mut ids = String::with_capacity(keys.len().saturating_mul(KeyId::DIGITS));
            for key in keys {
                ids.push_str(key.digits().as_str());
            }
            json!({ "before": before.to_json(), "ids": ids })
        });
        entry.insert("keys".to_owned(), lists.collect());
    }
}

impl Before {
    fn to_json(self) -> Value {
        match self {
            Self::Active => json!("active"),
            Self::Disabled => json!("disabled"),
            Self::Ends(end) => json!({ "expire_ms": end.map(Timestamp::as_ms) }),
        }
    }
}

impl Key {
    /// The key as the change leaves it. Revoked stays final, whatever is done later.
    #[must_use]
    pub fn under(mut self, change: &GroupChange) -> Self {
        match (change.act, &self.state) {
            (_, KeyState::Revoked(_)) => {}
            (GroupAct::Disable, KeyState::Active | KeyState::Disabled) => self.state = KeyState::Disabled,
            (GroupAct::Enable, KeyState::Active | KeyState::Disabled) => self.state = KeyState::Active,
            (GroupAct::Revoke(reason), KeyState::Active | KeyState::Disabled) => {
                let (at, by, comment) = (change.time, change.by, change.comment.clone());
                self.state = KeyState::Revoked(Box::new(Revocation { at, by, reason, comment }));
            }
            (GroupAct::Retire(end), KeyState::Active | KeyState::Disabled) => {
                self.expires = Some(self.expires.map_or(end, |before| before.min(end)));
            }
        }
        Self { updated: change.time, revision: change.revision, ..self }
    }
}
