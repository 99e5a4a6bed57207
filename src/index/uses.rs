//! Who used a key's secrets last, beside its record: exact to the minute, in memory, and news until it is taken to be
//! written.
//!
//! A Check with the current secret looks at one number, and goes on where it says that the minute is known. So of the
//! current secret one user of each minute is noted; of a retiring one each, up to eight, because each of
//! its users must be told that it ends (R5).

use std::{
    hash::{BuildHasher as _, RandomState},
    net::IpAddr,
    sync::{
        Mutex, MutexGuard, OnceLock, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use crate::{
    domain::{
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
    /// The administration key that asked; `None` for a caller without one.
    pub caller: Option<KeyId>,
    /// Where the holder is, if that is known.
    pub address: Option<IpAddr>,
}

/// The last uses of one key's secrets.
#[derive(Default)]
pub(super) struct LastUses {
    /// Generation and minute of the newest use of the current secret, in one number so that they are read together; zero
    /// before the first.
    current: AtomicU64,
    /// Made with the first use.
    noted: OnceLock<Box<NotedUse>>,
}

#[derive(Default)]
struct NotedUse {
    /// Taken in the first Check of a minute, and for a retiring secret where its user has no mark.
    users: Mutex<Vec<NotedUser>>,
    /// Whether there is something in `users` that was not taken; written under its lock.
    news: AtomicBool,
    /// Of users and minutes of retiring secrets that are noted already.
    marks: OnceLock<Box<[AtomicU64; MARKS]>>,
}

struct NotedUser {
    user: User,
    minute: u32,
    news: bool,
}

impl LastUses {
    /// Notes an allowed Check.
    pub(super) fn note(&self, user: User, is_current: bool, now: Timestamp, secrets: SecretViews<'_>) {
        let minute = minute_of(now);
        let newest = packed(user.generation, minute);
        if is_current {
            let known = self.current.load(Ordering::Relaxed);
            if known >= newest && known >> 32 == newest >> 32 {
                return;
            }
        }
        // One address is one user, however it is spelled.
        let user = User { address: user.address.map(|address| address.to_canonical()), ..user };
        let noted = self.noted.get_or_init(Box::default);
        if is_current {
            let mut users = noted.lock();
            forget_gone(&mut users, secrets);
            put_only(&mut users, user, minute);
            noted.news.store(true, Ordering::Relaxed);
            self.current.store(newest, Ordering::Relaxed);
            return;
        }
        let mark = mark_of(&user, minute);
        let marks = noted.marks.get_or_init(|| Box::new([const { AtomicU64::new(0) }; MARKS]));
        if marks.iter().any(|known| known.load(Ordering::Relaxed) == mark) {
            return;
        }
        let mut users = noted.lock();
        forget_gone(&mut users, secrets);
        if put_among(&mut users, user, minute) {
            noted.news.store(true, Ordering::Relaxed);
        }
        // Any place will do: a mark that is lost costs a lock, and one that stands is true.
        let place = usize::try_from(mark >> 32).unwrap_or(0) % MARKS;
        let free = marks.iter().find(|known| known.load(Ordering::Relaxed) == 0);
        if let Some(place) = free.or_else(|| marks.get(place)) {
            place.store(mark, Ordering::Relaxed);
        }
    }

    /// Whether something is new since the last time.
    pub(super) fn has_news(&self) -> bool {
        self.noted.get().is_some_and(|noted| noted.news.load(Ordering::Relaxed))
    }

    /// Takes what is new since the last time.
    pub(super) fn take(&self, key: KeyId, taken: &mut Vec<LastUse>) {
        let Some(noted) = self.noted.get().filter(|noted| noted.news.load(Ordering::Relaxed)) else { return };
        let mut users = noted.lock();
        noted.news.store(false, Ordering::Relaxed);
        for known in users.iter_mut().filter(|known| known.news) {
            known.news = false;
            taken.push(known.to_use(key));
        }
    }

    /// All that is known here.
    pub(super) fn all(&self, key: KeyId) -> Vec<LastUse> {
        let noted = self.noted.get();
        noted.map(|noted| noted.lock().iter().map(|known| known.to_use(key)).collect()).unwrap_or_default()
    }
}

impl NotedUse {
    fn lock(&self) -> MutexGuard<'_, Vec<NotedUser>> {
        self.users.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl NotedUser {
    fn to_use(&self, key: KeyId) -> LastUse {
        let User { generation, caller, address } = self.user;
        LastUse { key, generation, caller, address, time: start_of_minute(self.minute) }
    }

    fn renew(&mut self, user: User, minute: u32) {
        *self = Self { user, minute, news: true };
    }
}

const fn packed(generation: u32, minute: u32) -> u64 {
    let (bytes, low) = (generation.to_be_bytes(), minute.to_be_bytes());
    u64::from_be_bytes([bytes[0], bytes[1], bytes[2], bytes[3], low[0], low[1], low[2], low[3]])
}

/// Drops what is written of secrets that the key no longer has.
fn forget_gone(users: &mut Vec<NotedUser>, secrets: SecretViews<'_>) {
    users.retain(|known| {
        known.news || secrets.iter().any(|(secret, _)| secret.generation == known.user.generation)
    });
}

/// Notes the user of a current secret in place of the one before.
fn put_only(users: &mut Vec<NotedUser>, user: User, minute: u32) {
    match users.iter_mut().find(|known| known.user.generation == user.generation) {
        Some(known) if known.minute < minute => known.renew(user, minute),
        Some(_) => {}
        None => {
            users.reserve_exact(1);
            users.push(NotedUser { user, minute, news: true });
        }
    }
}

/// Notes one of the users of a retiring secret; where there are eight, in place of the one who used it longest ago.
fn put_among(users: &mut Vec<NotedUser>, user: User, minute: u32) -> bool {
    if let Some(known) = users.iter_mut().find(|known| known.user == user) {
        let is_news = known.minute < minute;
        if is_news {
            known.renew(user, minute);
        }
        return is_news;
    }
    let same = |known: &&mut NotedUser| known.user.generation == user.generation;
    if users.iter_mut().filter(same).count() < MAX_USERS {
        users.push(NotedUser { user, minute, news: true });
        return true;
    }
    let oldest = users.iter_mut().filter(same).min_by_key(|known| known.minute);
    let Some(oldest) = oldest.filter(|oldest| oldest.minute < minute) else { return false };
    oldest.renew(user, minute);
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

    fn taken(uses: &LastUses, key: KeyId) -> Vec<(u32, String, i64)> {
        let mut taken = Vec::new();
        uses.take(key, &mut taken);
        let shown = |used: LastUse| {
            let address = used.address.map(|address| address.to_string()).unwrap_or_default();
            (used.generation, address, used.time.as_ms() / MINUTE)
        };
        taken.into_iter().map(shown).collect()
    }

    #[test]
    fn a_current_secret_has_one_user_a_minute() {
        let (uses, key) = (LastUses::default(), key().unwrap());
        let note = |last, ms| uses.note(user(1, last), true, at(ms), key.view().secrets);
        assert_eq!(taken(&uses, key.id), []);
        note(1, 5 * MINUTE);
        note(2, 5 * MINUTE + 59_999);
        note(3, 4 * MINUTE);
        assert_eq!(taken(&uses, key.id), [(1, "10.0.0.1".to_owned(), 5)]);
        assert_eq!(taken(&uses, key.id), [], "what was taken is no news");
        note(2, 6 * MINUTE);
        assert_eq!(taken(&uses, key.id), [(1, "10.0.0.2".to_owned(), 6)]);
        assert_eq!(uses.all(key.id).len(), 1);
    }

    #[test]
    fn a_retiring_secret_names_everybody_who_uses_it_up_to_eight() {
        // R5
        let (uses, key) = (LastUses::default(), key().unwrap());
        let note = |last, ms| uses.note(user(1, last), false, at(ms), key.view().secrets);
        for last in 1..=9 {
            note(last, 5 * MINUTE);
            note(last, 5 * MINUTE + 1);
        }
        assert_eq!(taken(&uses, key.id).len(), 8, "the ninth of a minute has no place");
        note(9, 6 * MINUTE);
        note(9, 6 * MINUTE);
        assert_eq!(taken(&uses, key.id), [(1, "10.0.0.9".to_owned(), 6)], "but in the next it has");
        assert_eq!(uses.all(key.id).len(), 8);
        uses.note(user(1, 9), false, at(7 * MINUTE), key.view().secrets);
        uses.note(User { caller: Some(key.id), ..user(1, 9) }, false, at(7 * MINUTE), key.view().secrets);
        assert_eq!(taken(&uses, key.id).len(), 2, "another caller is another user");
    }

    #[test]
    fn what_is_written_of_a_secret_that_is_gone_is_forgotten() {
        let (uses, key) = (LastUses::default(), key().unwrap());
        uses.note(user(7, 1), false, at(MINUTE), key.view().secrets);
        uses.note(user(1, 1), true, at(MINUTE), key.view().secrets);
        assert_eq!(taken(&uses, key.id).len(), 2, "news is kept until it is taken");
        uses.note(user(1, 1), true, at(2 * MINUTE), key.view().secrets);
        assert_eq!(uses.all(key.id).len(), 1);
    }
}
