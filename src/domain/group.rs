//! Changes of many keys at once: one entry of the log is about them all, and what becomes of each is worked out from it.

use std::collections::BTreeMap;

use base64::{Engine as _, prelude::BASE64_STANDARD_NO_PAD};
use ring::digest::{Context, SHA256};
use serde_json::{Map, Value, json};

use super::{
    audit::{Action, array},
    caller_id::CallerId,
    id::{GroupId, KeyId},
    key::{Key, KeyState, KeyView, Revocation, RevokeReason, Standing},
    revision::Revision,
    text::Comment,
    time::Timestamp,
};

/// The most keys that one entry may change.
pub const MAX_GROUP: usize = 250_000;

/// In how many workspaces one change may be: each gets an entry of its own, and others wait meanwhile.
pub const MAX_WORKSPACES: usize = 1_000;

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
    id: GroupId,
    act: GroupAct,
    keys: Vec<(KeyId, Before)>,
    digest: [u8; 32],
}

/// Sums up which keys an entry changes, so that the entry need not name them: SHA-256 over each key's id and what it was,
/// in the order of the ids.
pub struct KeysDigest(Context);

/// A change of a group as the log holds it.
#[derive(Debug, PartialEq, Eq)]
pub struct GroupChange {
    /// The entry's place.
    pub revision: Revision,
    /// When it was accepted.
    pub time: Timestamp,
    /// The administration key or actor that asked.
    pub by: Option<CallerId>,
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

    /// What the key was, if this changes it. A revoked and an expired one stay as they are, and so does one that stands so
    /// already; none is made to live longer.
    #[must_use]
    pub fn changes(self, key: &KeyView<'_>, now: Timestamp) -> Option<Before> {
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
    /// A change of these keys, each of which comes once; as they may be very many, `step` is called after each some
    /// microseconds of work.
    #[must_use]
    pub fn new(id: GroupId, act: GroupAct, keys: Vec<(KeyId, Before)>, mut step: impl FnMut()) -> Self {
        // Ids are random, so that each first byte has about as many.
        let mut by_first_byte = BTreeMap::<u8, Vec<(KeyId, Before)>>::new();
        for (key, before) in keys {
            let [first, ..] = key.to_bytes();
            by_first_byte.entry(first).or_default().push((key, before));
            step();
        }
        let (mut sorted, mut digest) = (Vec::new(), KeysDigest::default());
        for mut keys in by_first_byte.into_values() {
            keys.sort_unstable();
            for (key, before) in &keys {
                digest.add(key.to_bytes(), before.to_bytes());
                step();
            }
            sorted.append(&mut keys);
        }
        Self { id, act, keys: sorted, digest: digest.finish() }
    }

    /// What is done.
    #[must_use]
    pub const fn act(&self) -> GroupAct {
        self.act
    }

    /// Names the change.
    #[must_use]
    pub const fn id(&self) -> GroupId {
        self.id
    }

    /// Every key and what it was, in the order of the ids.
    #[must_use]
    pub fn keys(&self) -> &[(KeyId, Before)] {
        &self.keys
    }

    /// Whether the key is one of them.
    #[must_use]
    pub fn has(&self, key: KeyId) -> bool {
        self.keys.binary_search_by_key(&key, |(key, _)| *key).is_ok()
    }

    /// Adds what the log says of it: not the keys, which may be very many, but their digest.
    pub(super) fn write(&self, entry: &mut Map<String, Value>) {
        entry.insert("group_id".to_owned(), json!(self.id.to_string()));
        entry.insert("key_count".to_owned(), json!(self.keys.len()));
        entry.insert("keys_digest".to_owned(), json!(BASE64_STANDARD_NO_PAD.encode(self.digest)));
        if let GroupAct::Retire(end) = self.act {
            entry.insert("expire_ms".to_owned(), json!(end.as_ms()));
        }
    }
}

impl Default for KeysDigest {
    fn default() -> Self {
        Self(Context::new(&SHA256))
    }
}

impl KeysDigest {
    /// Adds the next key, and what it was.
    pub fn add(&mut self, key: [u8; KeyId::BYTES], before: [u8; Before::BYTES]) {
        self.0.update(&key);
        self.0.update(&before);
    }

    /// The digest of all that were added.
    #[must_use]
    pub fn finish(self) -> [u8; 32] {
        array(self.0.finish().as_ref())
    }
}

impl Before {
    /// What all of these were, if they were alike.
    #[must_use]
    pub fn of_all(keys: &[(KeyId, Self)]) -> Option<Self> {
        let mut each = keys.iter().map(|(_, before)| *before);
        each.next().filter(|first| each.all(|next| next == *first))
    }

    /// How many bytes it takes where the log's keys are stored.
    pub const BYTES: usize = 8;

    /// A whole number, big end first: 1 for on and 0 for off; or when it was to end, in ms since 1970, and the greatest
    /// number for never.
    #[must_use]
    pub fn to_bytes(self) -> [u8; Self::BYTES] {
        match self {
            Self::Disabled => 0_i64,
            Self::Active => 1,
            Self::Ends(end) => end.map_or(i64::MAX, Timestamp::as_ms),
        }
        .to_be_bytes()
    }
}

impl Key {
    /// The key as the change leaves it. A revoked key stays revoked: no later change makes it good.
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
