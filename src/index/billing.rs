//! What is counted of a key that was found: who pays for its requests, and who used it.

use std::sync::Arc;

use super::{Index, found::Found, used::Used, uses::User};
use crate::{
    domain::{
        policy::{Subject, TierSet},
        time::Timestamp,
    },
    ports::{Account, Bill, Payer},
};

impl Index {
    /// What a request of these tiers is to be charged to.
    #[must_use]
    pub fn bill<'a>(&self, found: &'a Found, tiers: TierSet, cost: u64) -> Bill<'a> {
        let used = self.used_by(found);
        let of_owner = || used.owner(|| self.account_of_owner(&found.key()));
        let by_owner = found.class.limits.has(Subject::Owner);
        Bill {
            key: Account { payer: Payer::Key(used.id), slot: used },
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
        self.used_by(found).uses.note(user, is_current, now, found.own.secrets());
    }

    fn used_by<'a>(&self, found: &'a Found) -> &'a Arc<Used> {
        found.used.get_or_init(|| self.used(found.place, &found.own))
    }
}
