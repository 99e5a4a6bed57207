//! What calls may hold in memory, over all connections of both listeners: one budget of bytes, counted by what things cost
//! and not by what was sent.
//!
//! A call [charges](ConnectionBudget) its connection when its head arrives, again before its message is decoded, and for its answer;
//! each charge is given back when the thing it stands for is dropped ([`Held`]), also after a panic and when the call is
//! cancelled. A connection has [`FREE_BYTES`] of its own that are never refused: a few small calls, so that an honest client
//! is answered however much others hold, and that a usual Check touches no number but its own connection's. What is beyond
//! is taken from the budget in portions, which a busy connection keeps until the next sweep: no Check waits for a line of
//! memory that another core writes.
//!
//! The last quarter of the budget is for small charges only: large batches cannot keep single Checks out. And an address
//! beyond loopback has a quarter of it at most, as of the places for connections, so that one client cannot spend what is
//! there for all. Behind a loopback address are all clients of a proxy on this machine: it has no such bound.

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{
        Arc, Mutex, PoisonError, Weak,
        atomic::{AtomicU64, Ordering},
    },
};

use bytes::Bytes;

/// What each connection's calls hold uncounted: part of the 64 KiB that a connection may cost (X5).
pub(super) const FREE_BYTES: u64 = 16 << 10;
/// By how much more than it needs a connection takes from the budget.
const PORTION_BYTES: u64 = 16 << 10;
/// What a connection keeps beyond its need until the next sweep.
const KEPT_BYTES: u64 = 4 * PORTION_BYTES;
/// What charges up to this may use the last quarter of the budget.
const SMALL_BYTES: u64 = 32 << 10;

/// The budget is spent, or this address's share of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the memory for calls in flight is spent")]
pub struct BudgetSpent;

/// The budget of all connections.
#[derive(Debug)]
pub struct Budget {
    limit: u64,
    /// Written for each portion that a connection takes or gives back.
    taken: AtomicU64,
    /// What addresses have taken, those beyond loopback. Locked when a connection begins.
    sources: Mutex<HashMap<IpAddr, Weak<AtomicU64>>>,
}

impl Budget {
    /// A budget of so many bytes.
    #[must_use]
    pub fn new(limit: u64) -> Arc<Self> {
        Arc::new(Self { limit, taken: AtomicU64::new(0), sources: Mutex::default() })
    }

    /// Bytes that connections have taken now.
    #[must_use]
    pub fn taken(&self) -> u64 {
        self.taken.load(Ordering::Relaxed)
    }

    /// Bytes that they may take in all.
    #[must_use]
    pub const fn limit(&self) -> u64 {
        self.limit
    }

    /// Whether so little is left that connections which only rest give back what they hold.
    pub(super) fn is_short(&self) -> bool {
        self.taken() > self.limit / 4 * 3
    }

    fn source(&self, source: IpAddr) -> Option<Arc<AtomicU64>> {
        if source.is_loopback() {
            return None;
        }
        let mut sources = self.sources.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = sources.get(&source).and_then(Weak::upgrade) {
            return Some(known);
        }
        if sources.len() == sources.capacity() {
            sources.retain(|_, taken| taken.strong_count() > 0);
        }
        let taken = Arc::default();
        sources.insert(source, Arc::downgrade(&taken));
        Some(taken)
    }

    fn take(&self, bytes: u64, small: bool, source: Option<&AtomicU64>) -> Result<(), BudgetSpent> {
        let most = if small { self.limit } else { self.limit / 4 * 3 };
        take(&self.taken, bytes, most)?;
        if source.is_some_and(|source| take(source, bytes, self.limit / 4).is_err()) {
            self.taken.fetch_sub(bytes, Ordering::Relaxed);
            return Err(BudgetSpent);
        }
        Ok(())
    }
}

fn take(from: &AtomicU64, bytes: u64, most: u64) -> Result<(), BudgetSpent> {
    let more = |taken: u64| taken.checked_add(bytes).filter(|taken| *taken <= most);
    from.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more).map(drop).map_err(|_spent| BudgetSpent)
}

/// What one connection's calls hold.
///
/// All of it is written on the thread of the connection's worker; the atomics are there because the types must be `Send`,
/// and keep the numbers exact if a charge is dropped elsewhere.
#[derive(Debug)]
pub(super) struct ConnectionBudget {
    budget: Arc<Budget>,
    source: Option<Arc<AtomicU64>>,
    used: AtomicU64,
    /// What was taken from the budget for it.
    taken: AtomicU64,
}

impl ConnectionBudget {
    pub(super) fn new(budget: Arc<Budget>, source: IpAddr) -> Self {
        let source = budget.source(source);
        Self { budget, source, used: AtomicU64::new(0), taken: AtomicU64::new(0) }
    }

    /// Bytes that the connection's calls hold now.
    pub(super) fn used(&self) -> u64 {
        self.used.load(Ordering::Relaxed)
    }

    /// Charges so many bytes, which [`Self::give_back`] must give back.
    pub(super) fn charge(&self, bytes: u64) -> Result<(), BudgetSpent> {
        let used = self.used.fetch_add(bytes, Ordering::Relaxed).saturating_add(bytes);
        let covered = self.taken.load(Ordering::Relaxed).saturating_add(FREE_BYTES);
        if used <= covered {
            return Ok(());
        }
        self.cover(used.saturating_sub(covered), bytes).inspect_err(|_spent| {
            self.used.fetch_sub(bytes, Ordering::Relaxed);
        })
    }

    #[cold]
    fn cover(&self, missing: u64, bytes: u64) -> Result<(), BudgetSpent> {
        let (small, source) = (bytes <= SMALL_BYTES, self.source.as_deref());
        let ample = missing.saturating_add(PORTION_BYTES);
        let taken = match self.budget.take(ample, small, source) {
            Ok(()) => ample,
            // There may be enough for this one.
            Err(BudgetSpent) => self.budget.take(missing, small, source).map(|()| missing)?,
        };
        self.taken.fetch_add(taken, Ordering::Relaxed);
        Ok(())
    }

    /// Charges what is there already and cannot be refused: a short answer that says no.
    pub(super) fn charge_anyhow(&self, bytes: u64) {
        if self.charge(bytes).is_err() {
            self.used.fetch_add(bytes, Ordering::Relaxed);
        }
    }

    /// Gives back what was charged.
    pub(super) fn give_back(&self, bytes: u64) {
        let used = self.used.fetch_sub(bytes, Ordering::Relaxed).saturating_sub(bytes);
        // A small charge comes again in a moment.
        if bytes > SMALL_BYTES {
            self.return_beyond(used.saturating_add(KEPT_BYTES));
        }
    }

    /// Returns what is not needed now; called by the sweep.
    pub(super) fn settle(&self) {
        self.return_beyond(self.used());
    }

    fn return_beyond(&self, kept: u64) {
        let needed = kept.saturating_sub(FREE_BYTES);
        let less = |taken: u64| (taken > needed).then_some(needed);
        if let Ok(taken) = self.taken.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less) {
            self.release(taken.saturating_sub(needed));
        }
    }

    fn release(&self, bytes: u64) {
        self.budget.taken.fetch_sub(bytes, Ordering::Relaxed);
        if let Some(source) = &self.source {
            source.fetch_sub(bytes, Ordering::Relaxed);
        }
    }
}

impl Drop for ConnectionBudget {
    fn drop(&mut self) {
        let taken = *self.taken.get_mut();
        self.release(taken);
    }
}

/// A charge; given back on drop.
#[derive(Debug)]
pub struct Held {
    account: Arc<ConnectionBudget>,
    bytes: u64,
}

impl Held {
    /// Holds what has been charged already.
    pub(super) const fn charged(account: Arc<ConnectionBudget>, bytes: u64) -> Self {
        Self { account, bytes }
    }

    /// Lets go of the charge, which is then its taker's to give back.
    pub(super) fn into_bytes(mut self) -> u64 {
        std::mem::take(&mut self.bytes)
    }

    /// Holds so many bytes at least.
    ///
    /// # Errors
    /// As [`Self::resize`].
    pub fn grow_to(&mut self, bytes: u64) -> Result<(), BudgetSpent> {
        if bytes <= self.bytes { Ok(()) } else { self.resize(bytes) }
    }

    /// Holds so many bytes in all.
    ///
    /// # Errors
    /// They are more than before, and more than there are; as many are held as before.
    pub fn resize(&mut self, bytes: u64) -> Result<(), BudgetSpent> {
        if let Some(more) = bytes.checked_sub(self.bytes) {
            self.account.charge(more)?;
        } else {
            self.account.give_back(self.bytes.saturating_sub(bytes));
        }
        self.bytes = bytes;
        Ok(())
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        if self.bytes > 0 {
            self.account.give_back(self.bytes);
        }
    }
}

impl Held {
    /// Bytes that hold this charge until the last copy of them is dropped: so an answer is paid for until it is written.
    #[must_use]
    pub fn around(self, bytes: impl AsRef<[u8]> + Send + 'static) -> Bytes {
        Bytes::from_owner(PaidBytes { bytes, _held: self })
    }
}

/// Bytes and their charge.
struct PaidBytes<B> {
    bytes: B,
    _held: Held,
}

impl<B: AsRef<[u8]>> AsRef<[u8]> for PaidBytes<B> {
    fn as_ref(&self) -> &[u8] {
        self.bytes.as_ref()
    }
}

/// The purse of a call: what its handler pays from. It is in the extensions of each request that is not answered at once.
#[derive(Debug, Clone)]
pub struct Purse(Arc<ConnectionBudget>);

impl Purse {
    pub(super) const fn new(account: Arc<ConnectionBudget>) -> Self {
        Self(account)
    }

    /// A purse for what is called without a connection, as tests do; it never runs out.
    #[must_use]
    pub fn endless() -> Self {
        let nobody = IpAddr::from([127, 0, 0, 1]);
        Self(Arc::new(ConnectionBudget::new(Budget::new(u64::MAX), nobody)))
    }

    /// Holds so many bytes.
    ///
    /// # Errors
    /// The budget is spent.
    pub fn hold(&self, bytes: u64) -> Result<Held, BudgetSpent> {
        self.0.charge(bytes)?;
        Ok(Held::charged(Arc::clone(&self.0), bytes))
    }

    /// Holds what is there already and cannot be refused.
    pub(super) fn hold_anyhow(&self, bytes: u64) -> Held {
        self.0.charge_anyhow(bytes);
        Held::charged(Arc::clone(&self.0), bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: u64 = 1 << 20;

    fn account(budget: &Arc<Budget>, source: &str) -> Arc<ConnectionBudget> {
        Arc::new(ConnectionBudget::new(Arc::clone(budget), source.parse().unwrap()))
    }

    fn hold(account: &Arc<ConnectionBudget>, bytes: u64) -> Result<Held, BudgetSpent> {
        Purse::new(Arc::clone(account)).hold(bytes)
    }

    #[test]
    fn a_few_small_calls_are_free_and_the_rest_is_counted_exactly() {
        // X5
        let budget = Budget::new(LIMIT);
        let one = account(&budget, "127.0.0.1");
        let small: Vec<_> = (0..4).map(|_| hold(&one, 4 << 10).unwrap()).collect();
        assert_eq!(budget.taken(), 0, "what each connection has for itself");
        let more = hold(&one, 100 << 10).unwrap();
        assert!(budget.taken() >= 100 << 10);
        drop(more);
        one.settle();
        assert_eq!((budget.taken(), one.used()), (0, 16 << 10));
        drop((small, hold(&one, 200 << 10).unwrap(), one));
        assert_eq!(budget.taken(), 0, "an account takes nothing with it");
    }

    #[test]
    fn large_charges_leave_a_quarter_to_small_ones_and_everybody_his_own() {
        // X5
        let budget = Budget::new(LIMIT);
        let (large, small) = (account(&budget, "127.0.0.1"), account(&budget, "127.0.0.1"));
        let mut kept: Vec<_> = std::iter::from_fn(|| hold(&large, 64 << 10).ok()).take(100).collect();
        assert!((10..=13).contains(&kept.len()), "{}", kept.len());
        kept.extend(std::iter::from_fn(|| hold(&small, 4 << 10).ok()).take(1_000));
        assert!(budget.taken() <= LIMIT && budget.taken() > LIMIT - PORTION_BYTES);
        let newcomer = account(&budget, "127.0.0.1");
        let own: Vec<_> = std::iter::from_fn(|| hold(&newcomer, 4 << 10).ok()).take(100).collect();
        assert_eq!(own.len(), 4);
        assert_eq!(newcomer.used(), 16 << 10, "what was refused is not counted");
        drop((kept, own));
        for account in [large, small, newcomer] {
            account.settle();
        }
        assert_eq!(budget.taken(), 0);
    }

    #[test]
    fn an_address_has_a_quarter_over_all_its_connections() {
        // X5
        let budget = Budget::new(LIMIT);
        let (one, two) = (account(&budget, "192.0.2.1"), account(&budget, "192.0.2.1"));
        let kept: Vec<_> = [&one, &two].iter().cycle().map_while(|one| hold(one, 30 << 10).ok()).collect();
        assert!((8..=10).contains(&kept.len()), "{}", kept.len());
        assert!(hold(&account(&budget, "192.0.2.2"), 200 << 10).is_ok());
        drop((kept, one, two));
        assert_eq!(budget.taken(), 0);
        assert!(hold(&account(&budget, "192.0.2.1"), 200 << 10).is_ok());
    }

    #[test]
    fn a_loopback_address_has_no_share() {
        // X5: behind it are all clients of a proxy on this machine.
        let budget = Budget::new(LIMIT);
        for loopback in ["127.0.0.1", "::ffff:127.0.0.1", "::1"] {
            let source = crate::domain::network::source_of(loopback.parse().unwrap());
            let account = Arc::new(ConnectionBudget::new(Arc::clone(&budget), source));
            assert!(hold(&account, LIMIT / 2).is_ok(), "{loopback}");
        }
    }

    #[test]
    fn addresses_that_are_gone_are_forgotten() {
        // X6
        let budget = Budget::new(LIMIT);
        for number in 0..10_000_u32 {
            drop(ConnectionBudget::new(Arc::clone(&budget), IpAddr::from(number.to_be_bytes())));
        }
        assert!(budget.sources.lock().unwrap().capacity() < 100);
    }

    #[test]
    fn what_is_resized_holds_what_it_says() {
        let budget = Budget::new(LIMIT);
        let one = account(&budget, "127.0.0.1");
        let mut held = hold(&one, 10).unwrap();
        held.resize(500 << 10).unwrap();
        assert_eq!(held.resize(LIMIT), Err(BudgetSpent));
        assert_eq!(one.used(), 500 << 10);
        held.resize(0).unwrap();
        assert_eq!(one.used(), 0);
        assert!(budget.taken() <= KEPT_BYTES);
    }
}
