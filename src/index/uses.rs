//! Who used which secret last: exact to the minute, and in memory until it is written.
//!
//! A Check with the current secret looks at one number, and goes on where it says that the minute is known. So of the
//! current secret one user of each minute is noted; of a retiring one each, up to eight, because each of
//! its users must be told that it ends (R5).

use std::{
    hash::{BuildHasher as _, RandomState},
    net::IpAddr,
    sync::{
        Arc, Mutex, MutexGuard, OnceLock, PoisonError,
        atomic::{AtomicU32, AtomicU64, Ordering},
    },
};

use super::journal::Journal;
use crate::{
    domain::{
        caller_id::CallerId,
        id::KeyId,
        key::SecretViews,
        time::Timestamp,
        usage::{minute_of, start_of_minute},
    },
    ports::{LastUse, MAX_USERS},
};

/// Marks of a key: as many as its two retiring secrets have users.
const MARKS: usize = 2 * MAX_USERS;

/// Who used a secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct User {
    /// Which secret.
    pub generation: u32,
    /// The administration key or actor that asked; `None` for a caller without one.
    pub caller: Option<CallerId>,
    /// Where the holder is, if that is known.
    pub address: Option<IpAddr>,
}

/// The last uses of all keys, until they are written.
#[derive(Default)]
pub(super) struct UseNotes {
    /// What is not written.
    journal: Journal,
    /// Who used the retiring secrets of a key, for as long as it has such.
    retiring: papaya::HashMap<KeyId, Arc<RetiringUsers>>,
}

/// The users of a key's retiring secrets.
#[derive(Default)]
struct RetiringUsers {
    /// Taken where a user has no mark.
    users: Mutex<Vec<NotedUser>>,
    /// Of users and minutes that are noted already.
    marks: [AtomicU64; MARKS],
}

struct NotedUser {
    user: User,
    minute: u32,
}

/// The newest use that is noted of a current secret: its minute, and of the secret's generation the lowest bits, in one number so that
/// they are read together; zero before the first. Of another generation with the same bits it is [forgotten](NewestUse::forget).
#[derive(Default)]
pub(super) struct NewestUse(AtomicU32);

/// Bits of the generation.
const OF_GENERATION: u32 = 6;

impl NewestUse {
    /// The current secret is another.
    pub(super) fn forget(&self) {
        self.0.store(0, Ordering::Relaxed);
    }

    /// Whether it is not noted that this generation was used in this minute, or later.
    fn is_news(&self, generation: u32, minute: u32) -> bool {
        let known = self.0.load(Ordering::Relaxed);
        packed(generation, minute)
            .is_none_or(|this| known < this || !(known ^ this).is_multiple_of(1 << OF_GENERATION))
    }

    /// Takes it for noted. Of those who come at once with what is news one does.
    fn takes(&self, generation: u32, minute: u32) -> bool {
        // A minute of a later century is noted with each use.
        let Some(this) = packed(generation, minute) else { return true };
        self.0.swap(this, Ordering::Relaxed) != this
    }
}

/// None where the minute is too large a number: from the year 2097 on.
fn packed(generation: u32, minute: u32) -> Option<u32> {
    let minute = minute.checked_mul(1 << OF_GENERATION)?;
    Some(minute | (generation % (1 << OF_GENERATION)))
}

impl UseNotes {
    /// What is not written.
    pub(super) const fn journal(&self) -> &Journal {
        &self.journal
    }

    /// Notes an allowed Check with the current secret of a key; `newest` is what is known of it.
    pub(super) fn note_current(&self, newest: &NewestUse, key: KeyId, user: User, now: Timestamp) {
        let minute = minute_of(now);
        // While there is no room, the minute stays unknown: a later Check of it is noted, if there is room then.
        if newest.is_news(user.generation, minute)
            && !self.journal.is_full()
            && newest.takes(user.generation, minute)
        {
            self.journal.note(to_use(key, user, minute));
        }
    }

    /// Notes an allowed Check with a retiring secret.
    pub(super) fn note_retiring(&self, key: KeyId, user: User, now: Timestamp, secrets: SecretViews<'_>) {
        let minute = minute_of(now);
        // One address is one user, however it is spelled.
        let user = User { address: user.address.map(|address| address.to_canonical()), ..user };
        let of_all = self.retiring.pin();
        let known = of_all.get_or_insert_with(key, Arc::default);
        let mark = mark_of(&user, minute);
        if known.marks.iter().any(|known| known.load(Ordering::Relaxed) == mark) || self.journal.is_full() {
            return;
        }
        if put_among(&mut known.lock(), secrets, user, minute) {
            self.journal.note(to_use(key, user, minute));
        }
        // Any place will do: a mark that is lost costs a lock, and one that stands is true.
        let place = usize::try_from(mark >> 32).unwrap_or(0) % MARKS;
        let free = known.marks.iter().find(|known| known.load(Ordering::Relaxed) == 0);
        if let Some(place) = free.or_else(|| known.marks.get(place)) {
            place.store(mark, Ordering::Relaxed);
        }
    }

    /// Forgets who used the retiring secrets of a key: it has none any more.
    pub(super) fn forget_users(&self, key: KeyId) {
        if !self.retiring.is_empty() {
            self.retiring.pin().remove(&key);
        }
    }
}

impl RetiringUsers {
    fn lock(&self) -> MutexGuard<'_, Vec<NotedUser>> {
        self.users.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn to_use(key: KeyId, user: User, minute: u32) -> LastUse {
    let User { generation, caller, address } = user;
    // One address is one user, however it is spelled.
    let address = address.map(|address| address.to_canonical());
    LastUse { key, generation, caller, address, time: start_of_minute(minute) }
}

/// Notes one of the users of a retiring secret; where there are eight, in place of the one who used it longest ago. Whether
/// that is news. Users of secrets that the key no longer has are dropped.
fn put_among(users: &mut Vec<NotedUser>, secrets: SecretViews<'_>, user: User, minute: u32) -> bool {
    users.retain(|known| secrets.iter().any(|(secret, _)| secret.generation == known.user.generation));
    if let Some(known) = users.iter_mut().find(|known| known.user == user) {
        let is_news = known.minute < minute;
        known.minute = known.minute.max(minute);
        return is_news;
    }
    let same = |known: &&mut NotedUser| known.user.generation == user.generation;
    if users.iter_mut().filter(same).count() < MAX_USERS {
        users.push(NotedUser { user, minute });
        return true;
    }
    let oldest = users.iter_mut().filter(same).min_by_key(|known| known.minute);
    let Some(oldest) = oldest.filter(|oldest| oldest.minute < minute) else { return false };
    *oldest = NotedUser { user, minute };
    true
}

/// Stands for a user and a minute; no caller can find another pair that has the same mark.
fn mark_of(user: &User, minute: u32) -> u64 {
    static SEED: OnceLock<RandomState> = OnceLock::new();
    SEED.get_or_init(RandomState::new).hash_one((user, minute)) | 1
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::key::tests::{at, key};

    const MINUTE: i64 = 60_000;

    fn user(generation: u32, last: u8) -> User {
        User { generation, caller: None, address: Some(IpAddr::from([10, 0, 0, last])) }
    }

    fn taken(uses: &UseNotes) -> Vec<(u32, String, i64)> {
        let shown = |used: LastUse| {
            let address = used.address.map(|address| address.to_string()).unwrap_or_default();
            (used.generation, address, used.time.as_ms() / MINUTE)
        };
        let taken = uses.journal.first(100);
        uses.journal.wrote(taken.len());
        taken.into_iter().map(shown).collect()
    }

    #[test]
    fn a_current_secret_has_one_user_a_minute() {
        let (uses, newest, key) = (UseNotes::default(), NewestUse::default(), key().unwrap());
        let note = |last, ms| uses.note_current(&newest, key.id, user(1, last), at(ms));
        assert_eq!(taken(&uses), []);
        note(1, 5 * MINUTE);
        note(2, 5 * MINUTE + 59_999);
        note(3, 4 * MINUTE);
        assert_eq!(taken(&uses), [(1, "10.0.0.1".to_owned(), 5)]);
        assert_eq!(taken(&uses), [], "what was written is no news");
        note(2, 6 * MINUTE);
        assert_eq!(taken(&uses), [(1, "10.0.0.2".to_owned(), 6)]);
        uses.note_current(&newest, key.id, user(2, 2), at(6 * MINUTE));
        assert_eq!(taken(&uses), [(2, "10.0.0.2".to_owned(), 6)], "another secret is another's use");
        // R5: one that was rotated 64 times since has the same number.
        newest.forget();
        uses.note_current(&newest, key.id, user(66, 2), at(6 * MINUTE));
        assert_eq!(taken(&uses), [(66, "10.0.0.2".to_owned(), 6)]);
    }

    #[test]
    fn a_retiring_secret_names_everybody_who_uses_it_up_to_eight() {
        // R5
        let (uses, key) = (UseNotes::default(), key().unwrap());
        let note = |last, ms| uses.note_retiring(key.id, user(1, last), at(ms), key.view().secrets);
        for last in 1..=9 {
            note(last, 5 * MINUTE);
            note(last, 5 * MINUTE + 1);
        }
        assert_eq!(taken(&uses).len(), 8, "the ninth of a minute has no place");
        note(9, 6 * MINUTE);
        note(9, 6 * MINUTE);
        assert_eq!(taken(&uses), [(1, "10.0.0.9".to_owned(), 6)], "but in the next it has");
        note(9, 7 * MINUTE);
        let another = User { caller: Some(key.id.into()), ..user(1, 9) };
        uses.note_retiring(key.id, another, at(7 * MINUTE), key.view().secrets);
        assert_eq!(taken(&uses).len(), 2, "another caller is another user");
    }

    #[test]
    fn what_is_known_of_a_secret_that_is_gone_is_forgotten() {
        let (uses, key) = (UseNotes::default(), key().unwrap());
        let note =
            |generation| uses.note_retiring(key.id, user(generation, 1), at(MINUTE), key.view().secrets);
        note(7);
        note(1);
        let known = uses.retiring.pin().get(&key.id).map(Arc::clone).unwrap();
        assert_eq!(known.lock().len(), 1, "the key has no secret of generation 7");
        uses.forget_users(key.id);
        assert!(uses.retiring.is_empty());
        assert_eq!(taken(&uses).len(), 2, "what is not written yet stays until it is");
    }
}
