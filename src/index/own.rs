//! What memory keeps of each key by itself: what differs from key to key, in as few bytes as it takes.
//!
//! What many keys have alike is in their [class](super::class); what only administration shows stays in the store.

use std::sync::{Arc, LazyLock};

use super::{class::ClassParts, used::CellNumber};
use crate::domain::{
    credentials::RetiringSecret,
    group::{GroupAct, GroupChange},
    id::KeyId,
    key::{KeyView, OwnParts, SecretView, SecretViews, StateKind},
    narrow::Narrow,
    revision::Revision,
    scheme::Scheme,
    secret::KeyHash,
    text::{Metadata, Owner},
    time::Timestamp,
};

/// A key by itself. Its record takes 128 bytes with it, two lines of cache: numbers are as narrow as they can be.
#[derive(Clone)]
pub(super) struct Own {
    id: [u8; KeyId::BYTES],
    pub(super) owner: Option<Owner>,
    /// Labels of the user's own; `None` stands for none.
    pub(super) metadata: Option<Arc<Metadata>>,
    /// What most keys do not have.
    more: Option<Arc<More>>,
    /// A million millions: as many changes as fill a thousand disks.
    revision: Narrow<5>,
    created: PackedTime,
    /// Never, where it does not.
    expires: PackedTime,
    /// What it takes, for quotas; what takes 16 MiB or more counts for that.
    bytes: Narrow<3>,
    /// Of the current secret.
    generation: u32,
    /// Where is counted what is counted of it; taken with its first use.
    pub(super) used: CellNumber,
    hash: KeyHash,
    pub(super) state: StateKind,
}

/// A point in time, or none, in seven bytes.
#[derive(Clone, Copy, PartialEq, Eq)]
struct PackedTime(Narrow<7>);

impl PackedTime {
    const NONE: Self = Self(Narrow::ZERO);
    /// What is added to milliseconds, which may be before 1970, so that they are more than zero.
    const LIFT: i64 = 1 << 54;

    fn of(time: Option<Timestamp>) -> Self {
        let lifted = |time: Timestamp| u64::try_from(time.as_ms().saturating_add(Self::LIFT)).unwrap_or(0);
        Self(time.map_or(Narrow::ZERO, |time| Narrow::new(lifted(time))))
    }

    #[inline]
    fn get(self) -> Option<Timestamp> {
        let ms = || self.0.get().cast_signed().saturating_sub(Self::LIFT);
        if self == Self::NONE { None } else { Timestamp::from_ms(ms()).ok() }
    }
}

/// What a key has that was rotated, imported or switched off, or over which an end is laid.
#[derive(Clone)]
struct More {
    /// How the current secret was hashed before that was keyed.
    scheme: Scheme,
    /// When the current secret was made.
    made: Timestamp,
    /// Replaced secrets, newest first; what people recognize them by is left out.
    retiring: Box<[RetiringSecret]>,
    /// When the key was last changed, where that is known.
    updated: Option<Timestamp>,
    taken_in: Revision,
    /// As it is stored, where something is laid over it.
    stored: Option<Box<Own>>,
}

static NATIVE: Scheme = Scheme::Native;
static NO_METADATA: LazyLock<Metadata> = LazyLock::new(Metadata::default);

impl Own {
    /// What is kept of a key by itself.
    pub(super) fn new(key: OwnParts) -> Self {
        let secret = key.current;
        let is_plain = secret.scheme == Scheme::Native
            && secret.created == key.created
            && key.retiring.is_empty()
            && key.state != StateKind::Disabled
            && key.taken_in == Revision::ZERO;
        let more = || More {
            scheme: secret.scheme,
            made: secret.created,
            retiring: key.retiring.into(),
            updated: Some(key.updated),
            taken_in: key.taken_in,
            stored: None,
        };
        Self {
            id: key.id.to_bytes(),
            owner: key.owner,
            metadata: key.metadata,
            more: (!is_plain).then(|| Arc::new(more())),
            revision: Narrow::new(key.revision.0),
            created: PackedTime::of(Some(key.created)),
            expires: PackedTime::of(key.expires),
            bytes: Narrow::new(key.bytes),
            generation: secret.generation,
            used: CellNumber::NONE,
            hash: secret.hash,
            state: key.state,
        }
    }

    #[inline]
    pub(super) fn id(&self) -> KeyId {
        KeyId::from_bytes(self.id)
    }

    /// The same, counted in this cell.
    pub(super) fn counted_in(self, used: CellNumber) -> Self {
        Self { used, ..self }
    }

    #[inline]
    pub(super) fn revision(&self) -> Revision {
        Revision(self.revision.get())
    }

    #[inline]
    pub(super) fn created(&self) -> Timestamp {
        self.created.get().unwrap_or(Timestamp::EPOCH)
    }

    #[inline]
    pub(super) fn expires(&self) -> Option<Timestamp> {
        self.expires.get()
    }

    pub(super) fn bytes(&self) -> u64 {
        self.bytes.get()
    }

    /// The key, with what it has of its class. In line, so that who asks for one field works out no other.
    #[inline]
    pub(super) fn view<'a>(&'a self, parts: &'a ClassParts) -> KeyView<'a> {
        KeyView {
            id: self.id(),
            workspace: parts.workspace,
            owner: self.owner.as_ref(),
            follows_owner_role: parts.follows_owner_role,
            creator: &parts.creator,
            environment: &parts.environment,
            grants: &parts.grants,
            networks: &parts.networks,
            metadata: self.metadata.as_deref().unwrap_or_else(|| &NO_METADATA),
            limits: parts.limits.as_ref(),
            state: self.state,
            created: self.created(),
            expires: self.expires(),
            updated: self.more.as_ref().and_then(|more| more.updated),
            secrets: self.secrets(),
            admin: parts.admin.as_ref(),
            revision: self.revision(),
            taken_in: self.more.as_ref().map_or(Revision::ZERO, |more| more.taken_in),
        }
    }

    #[inline]
    pub(super) fn secrets(&self) -> SecretViews<'_> {
        let (scheme, created, retiring) = match &self.more {
            None => (&NATIVE, self.created(), [].as_slice()),
            Some(more) => (&more.scheme, more.made, &*more.retiring),
        };
        let current = SecretView { generation: self.generation, scheme, hash: &self.hash, created };
        SecretViews { current, retiring }
    }

    /// The same with other hashes, which `lay` makes of those that are here.
    pub(super) fn with_hashes(mut self, lay: &dyn Fn(KeyHash) -> KeyHash) -> Self {
        self.hash = lay(self.hash);
        if self.more.as_ref().is_some_and(|more| !more.retiring.is_empty() || more.stored.is_some()) {
            self.with_more(|more| {
                more.retiring.iter_mut().for_each(|it| it.secret.hash = lay(it.secret.hash));
                more.stored = more.stored.take().map(|stored| Box::new(stored.with_hashes(lay)));
            });
        }
        self
    }

    /// As it is stored.
    pub(super) fn stored(&self) -> &Self {
        self.more.as_ref().and_then(|more| more.stored.as_deref()).unwrap_or(self)
    }

    /// The same with what is laid over it, and as it was beside that.
    pub(super) fn laid(stored: Self, lay: impl FnOnce(&mut Self)) -> Self {
        let mut seen = stored.clone();
        lay(&mut seen);
        seen.with_more(|more| more.stored = Some(Box::new(stored)));
        seen
    }

    /// Switches it off or on, or ends it; a revoked one stays so.
    pub(super) fn turn(&mut self, state: StateKind, at: Timestamp) {
        if self.state == StateKind::Revoked {
            return;
        }
        self.state = state;
        if state == StateKind::Disabled || self.more.is_some() {
            self.with_more(|more| more.updated = Some(at));
        }
    }

    /// Ends a replaced secret then, if it would have lasted longer.
    pub(super) fn end_secret(&mut self, generation: u32, end: Timestamp) {
        self.with_more(|more| {
            for retiring in more.retiring.iter_mut().filter(|it| it.secret.generation == generation) {
                retiring.end = retiring.end.min(end);
            }
            more.updated = Some(end);
        });
    }

    /// As a change of many leaves it. It is what [`Key::under`](crate::domain::key::Key::under) says of whole keys.
    pub(super) fn under(mut self, change: &GroupChange) -> Self {
        match change.act {
            GroupAct::Disable => self.turn(StateKind::Disabled, change.time),
            GroupAct::Enable => self.turn(StateKind::Active, change.time),
            GroupAct::Revoke(_) => self.turn(StateKind::Revoked, change.time),
            GroupAct::Retire(end) => {
                if self.state != StateKind::Revoked {
                    self.expires = PackedTime::of(Some(self.expires().map_or(end, |before| before.min(end))));
                }
                if self.state == StateKind::Disabled {
                    self.with_more(|more| more.updated = Some(change.time));
                }
            }
        }
        Self { revision: Narrow::new(change.revision.0), ..self }
    }

    fn with_more(&mut self, change: impl FnOnce(&mut More)) {
        let made = self.created();
        let more = self.more.get_or_insert_with(|| {
            let (scheme, retiring) = (Scheme::Native, Box::default());
            Arc::new(More { scheme, made, retiring, updated: None, taken_in: Revision::ZERO, stored: None })
        });
        change(Arc::make_mut(more));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::key::tests::{at, key};

    #[test]
    fn a_key_takes_no_more_of_memory_than_was_promised() {
        assert!(size_of::<Own>() <= 120, "{}", size_of::<Own>());
    }

    #[test]
    fn times_are_what_they_were() {
        let ends = [-62_135_596_800_000, -1, 0, 1, 253_402_300_799_999];
        for ms in ends {
            assert_eq!(PackedTime::of(Some(at(ms))).get(), Some(at(ms)));
        }
        assert_eq!(PackedTime::of(None).get(), None);
    }

    #[test]
    fn an_end_laid_over_a_replaced_secret_makes_it_end_sooner_and_never_later() {
        // R2
        let retiring = RetiringSecret { secret: key().unwrap().credentials.current, end: at(5_000) };
        let mut rotated = key().unwrap();
        rotated.credentials.retiring = vec![retiring];
        let generation = rotated.credentials.retiring[0].secret.generation;
        for (laid, expected) in [(9_000, 5_000), (3_000, 3_000)] {
            let mut own = Own::new(OwnParts::of(&rotated));
            own.end_secret(generation, at(laid));
            let ends: Vec<_> = own.secrets().iter().filter_map(|(_, end)| end).collect();
            assert_eq!(ends, [at(expected)]);
        }
    }
}
