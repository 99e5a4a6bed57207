//! What is counted of a key that was found: who pays for its requests, and who used it.

use std::collections::HashSet;

use super::{Index, found::Found, used::Used, uses::User};
use crate::{
    domain::{
        id::KeyId,
        policy::{Subject, TierSet},
        time::Timestamp,
    },
    ports::{Account, AnySlot, Bill, LastUse, Payer},
};

/// In the place of a cell, where there are more keys than cells: no back end counts in it, and so nothing is let through.
static NOBODYS: () = ();

impl Index {
    /// What a request of these tiers is to be charged to.
    #[must_use]
    pub fn bill<'a>(&'a self, found: &'a Found, tiers: TierSet, cost: u64) -> Bill<'a> {
        let key = &found.own;
        let nobodys: &AnySlot = &NOBODYS;
        let slot = self.used_by(found).map_or(nobodys, Used::slot);
        let of_owner = || self.account_of_owner(&found.key());
        let by_owner = found.class.limits.has(Subject::Owner);
        Bill {
            key: Account { payer: Payer::Key(key.id()), since: key.created(), slot },
            owner: by_owner.then(|| Account::of(found.owner.get_or_init(of_owner))),
            workspace: found.class.account.as_ref().map(|shared| Account::of(shared)),
            limits: &found.class.limits,
            tiers,
            cost,
        }
    }

    /// Notes a use of a secret. Writes only where its minute is news, so that cores that check one key share its line of
    /// cache.
    pub fn note_use(&self, found: &Found, user: User, is_current: bool, now: Timestamp) {
        let (key, secrets) = (found.own.id(), found.own.secrets());
        if !is_current {
            self.uses.note_retiring(key, user, now, secrets);
        } else if let Some(used) = self.used_by(found) {
            self.uses.note_current(&used.newest, key, user, now);
        }
    }

    /// The oldest last uses that are not written, so many at the most. They stay until they are [told](Index::wrote_uses) to be
    /// written.
    #[must_use]
    pub fn unwritten_uses(&self, most: usize) -> Vec<LastUse> {
        self.uses.journal().first(most)
    }

    /// Forgets so many of the oldest: they are written.
    pub fn wrote_uses(&self, count: usize) {
        self.uses.journal().wrote(count);
    }

    /// The last uses of these keys that are not written.
    #[must_use]
    pub fn noted_uses(&self, keys: &HashSet<KeyId>) -> Vec<LastUse> {
        self.uses.journal().of(keys)
    }

    fn used_by(&self, found: &Found) -> Option<&Used> {
        let new = || self.cell_of(found.place);
        self.cell(*found.used.get_or_init(new))
    }
}
