//! What is counted of Checks in memory until it is written.
//!
//! Each thread counts in a shard of its own: cores that check one key share no line of cache, and a shard's lock is waited
//! for only while the shard is being emptied, which is a swap. A tier is known by its place, and named when the shard
//! is emptied, by the policy whose place it is. What is counted is bounded; what is over the bound is told, not lost
//! in silence.

use std::{
    collections::{HashMap, hash_map::Entry},
    hash::{BuildHasherDefault, Hash, Hasher},
    mem,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
};

use tokio::sync::Notify;

use super::lines::{UsageLine, UsageLines, UsageTally};
use crate::{
    domain::{
        id::KeyId,
        policy::{ScopeSet, TierSet},
        time::Timestamp,
        usage::{ALLOWED, hour_of},
    },
    ports::PolicyVersion,
};

const SHARDS: usize = 64;

/// The most that one shard counts apart: what a hash table of 262,144 places takes, 20 MiB.
const MOST_IN_SHARD: usize = 229_376;

/// From here on a shard does not wait until its time comes.
const FULL_SOON: usize = MOST_IN_SHARD / 2;

static THREADS: AtomicUsize = AtomicUsize::new(0);

thread_local! {
    /// Which shard is this thread's; more threads than shards share.
    static SHARD: usize = THREADS.fetch_add(1, Ordering::Relaxed) % SHARDS;
}

/// What is counted and not yet taken out.
pub struct UsageBook {
    shards: Box<[Shard]>,
    /// Told when a shard fills up before its time.
    filling: Notify,
}

/// One thread's counts, on lines of cache of their own.
#[derive(Default)]
#[repr(align(128))]
struct Shard(Mutex<ShardUsage>);

/// Written by the thread whose shard it is, emptied by the ledger that writes usage.
#[derive(Default)]
struct ShardUsage {
    /// One for each policy that was in force; there is hardly ever more than one.
    by_policy: Vec<PolicyUsage>,
    /// Slots in all of them.
    slots: usize,
    /// Checks that found the shard full.
    lost: u64,
}

/// What was counted under one policy.
struct PolicyUsage {
    policy: Arc<PolicyVersion>,
    slots: Slots,
}

type Slots = HashMap<UsageKey, Counted, BuildHasherDefault<Mixed>>;

/// What is counted apart.
#[derive(PartialEq, Eq)]
struct UsageKey {
    key: KeyId,
    tiers: TierSet,
    hour: u32,
    outcome: &'static str,
}

impl Hash for UsageKey {
    fn hash<H: Hasher>(&self, state: &mut H) {
        // The rest is nearly always the same for the same key.
        self.key.hash(state);
        self.tiers.hash(state);
    }
}

/// What is counted of a slot.
struct Counted {
    tally: UsageTally,
    /// The scopes that were used, or denied.
    scopes: ScopeSet,
}

/// What came of one Check.
pub(crate) struct CheckOutcome {
    /// The tiers, by their places in the policy.
    pub(crate) tiers: TierSet,
    /// [`ALLOWED`] or the reason of the denial.
    pub(crate) word: &'static str,
    /// What it cost.
    pub(crate) cost: u64,
}

impl Default for UsageBook {
    fn default() -> Self {
        Self { shards: (0..SHARDS).map(|_| Shard::default()).collect(), filling: Notify::new() }
    }
}

impl UsageBook {
    /// Counts one Check of a key: once in each of its tiers, whose places are those of `policy`, and apart where there is
    /// none. `put` adds the scopes that were used, or asked for and denied, to those of the same kind.
    pub(crate) fn count(
        &self,
        policy: &Arc<PolicyVersion>,
        key: KeyId,
        now: Timestamp,
        of: &CheckOutcome,
        put: impl FnOnce(&mut ScopeSet),
    ) {
        let CheckOutcome { tiers, word, cost } = of;
        let slot = UsageKey { key, tiers: *tiers, hour: hour_of(now), outcome: word };
        let Some(shard) = self.shards.get(SHARD.with(|shard| *shard)) else { return };
        let fills = shard.lock().count(policy, slot, UsageTally { checks: 1, cost: *cost }, put);
        if fills {
            self.filling.notify_one();
        }
    }

    /// Waits until a shard fills up before its time.
    pub(crate) async fn filling(&self) {
        self.filling.notified().await;
    }

    /// Whether nothing is counted that was not taken out.
    pub(crate) fn is_empty(&self) -> bool {
        self.shards.iter().all(|shard| shard.lock().is_empty())
    }

    /// Takes out what is counted and adds it to `lines`, shard by shard as long as these are fewer than `most`. Answers
    /// how many Checks could not be counted since the last time.
    pub(crate) fn drain(&self, lines: &mut UsageLines, most: usize) -> u64 {
        let mut lost = 0_u64;
        for shard in &self.shards {
            if lines.len() >= most {
                break;
            }
            // As large as it was needed the last time, and made before the lock is taken.
            let room = shard.lock().slots;
            let empty = Slots::with_capacity_and_hasher(room, BuildHasherDefault::default());
            let (sheets, lost_here) = shard.lock().empty(empty);
            lost = lost.saturating_add(lost_here);
            for sheet in sheets {
                sheet.add_to(lines);
            }
        }
        lost
    }
}

impl Shard {
    fn lock(&self) -> MutexGuard<'_, ShardUsage> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ShardUsage {
    fn is_empty(&self) -> bool {
        self.slots == 0 && self.lost == 0
    }

    /// Counts, and says whether the shard should be emptied soon.
    fn count(
        &mut self,
        policy: &Arc<PolicyVersion>,
        slot: UsageKey,
        tally: UsageTally,
        put: impl FnOnce(&mut ScopeSet),
    ) -> bool {
        let Some(slots) = slots_of(&mut self.by_policy, policy) else { return false };
        let (counted, is_new) = match slots.entry(slot) {
            Entry::Occupied(known) => (known.into_mut(), false),
            Entry::Vacant(new) if self.slots < MOST_IN_SHARD => {
                (new.insert(Counted { tally: UsageTally::default(), scopes: ScopeSet::default() }), true)
            }
            Entry::Vacant(_) => {
                self.lost = self.lost.saturating_add(1);
                return false;
            }
        };
        counted.tally.add(tally);
        put(&mut counted.scopes);
        if !is_new {
            return false;
        }
        self.slots = self.slots.saturating_add(1);
        self.slots == FULL_SOON
    }

    /// Takes everything out, and goes on with what is `empty` under the newest policy; where nothing was counted since the last time,
    /// with nothing, so that what was needed once is not kept for ever.
    fn empty(&mut self, empty: Slots) -> (Vec<PolicyUsage>, u64) {
        let newest = self.by_policy.last().filter(|_| self.slots > 0);
        let newest = newest.map(|newest| Arc::clone(&newest.policy));
        self.slots = 0;
        let next = newest.map(|policy| PolicyUsage { policy, slots: empty });
        (mem::replace(&mut self.by_policy, next.into_iter().collect()), mem::take(&mut self.lost))
    }
}

/// Where Checks under this policy are counted. What is behind in the list is looked at first: it is newer.
fn slots_of<'s>(sheets: &'s mut Vec<PolicyUsage>, policy: &Arc<PolicyVersion>) -> Option<&'s mut Slots> {
    let known = sheets.iter().rposition(|sheet| Arc::ptr_eq(&sheet.policy, policy));
    if known.is_none() {
        sheets.push(PolicyUsage { policy: Arc::clone(policy), slots: Slots::default() });
    }
    let sheet = match known {
        Some(place) => sheets.get_mut(place),
        None => sheets.last_mut(),
    };
    sheet.map(|sheet| &mut sheet.slots)
}

impl PolicyUsage {
    /// Adds what is here to `lines`, by the names of tiers and scopes.
    fn add_to(self, lines: &mut UsageLines) {
        let policy = &self.policy.policy;
        let names: Vec<Arc<str>> = policy.tiers().iter().map(|tier| Arc::from(tier.name.as_str())).collect();
        let none: Arc<str> = Arc::from("");
        for (UsageKey { key, tiers, hour, outcome }, Counted { tally, scopes }) in self.slots {
            let mut add = |tier: &Arc<str>| {
                let line = UsageLine { key, hour, tier: Arc::clone(tier), outcome };
                lines.usage.entry(line).or_default().add(tally);
            };
            if tiers.is_empty() {
                add(&none);
            }
            tiers.iter().for_each(|place| add(names.get(place).unwrap_or(&none)));
            let used = outcome == ALLOWED;
            for scope in scopes.iter().filter_map(|place| policy.scope_at(place)) {
                lines.add_scope(key, scope, used, hour);
            }
        }
    }
}

/// Mixes words that are random already: key ids, which no caller can choose.
#[derive(Default)]
struct Mixed(u64);

const ODD: u64 = 0x9E37_79B9_7F4A_7C15;

impl Hasher for Mixed {
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u64(u64::from(*byte));
        }
    }

    fn write_u64(&mut self, word: u64) {
        self.0 = (self.0.rotate_left(5) ^ word).wrapping_mul(ODD);
    }

    fn write_u128(&mut self, word: u128) {
        self.write_u64(u64::try_from(word & u128::from(u64::MAX)).unwrap_or_default());
    }

    fn finish(&self) -> u64 {
        self.0 ^ (self.0 >> 32)
    }
}

#[cfg(test)]
pub(crate) mod tests;
