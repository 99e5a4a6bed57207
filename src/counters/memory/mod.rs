//! Counting in memory, beside the keys, with blocks of units taken ahead ([`Permits`]). With SQLite
//! behind them one process is the only one that counts.
//!
//! A bill locks the accounts that it names, judges all limits, and charges all or none before it lets go: no charge is
//! ever taken back, so no neighbour is denied for one that was. What may be used is on disk before it is used, but for
//! the first block of a window of a large limit; see [`crate::domain::limit`].

mod giving;
mod ledger;
mod news;
mod parts;
mod replicas;
mod restorer;
mod sheets;
mod slot;

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use tokio::{
    sync::{mpsc, oneshot, watch},
    task::JoinHandle,
};

pub use self::slot::MemorySlot;
use self::{
    ledger::{Ask, Hearers, Job, Ledger},
    news::News,
    parts::KeptParts,
    replicas::KnownReplicas,
    restorer::Restorer,
    sheets::{LockedSheets, OnCharge},
};
use crate::{
    domain::{
        limit::{Bound, Reading},
        time::{Now, TrustedClock},
    },
    index::Index,
    ports::{
        Account, Bill, Charge, ChargeAll, Charged, Counters, Pending, Permits, PermitsFound, Refusal,
        ReplicaId, StoreError, Taking, Weighed, costs,
    },
};

/// How many writes may be asked for and not begun (D7). A Check whose ask finds no place waits and asks again.
const MAX_ASKS: usize = 65_536;

/// By how much the time may go back over a restart, where the wall clock was set back before: the age of the clock's mark.
const MARK_AGE: Duration = Duration::from_secs(10);

/// How long a start waits for what was counted before, so that the answers of a small store have their limits from the first.
const FIRST_LOOK: Duration = Duration::from_millis(50);

/// How long it waits for the first part of many: what was noted last, and is not brought together by part, is read before that.
const FIRST_PART: Duration = Duration::from_secs(1);

/// Counts in memory.
pub struct MemoryCounters {
    jobs: mpsc::Sender<Job>,
    written: watch::Receiver<u64>,
    degraded: Arc<AtomicBool>,
    /// Set before the last counts are written: what came after would be forgotten.
    closed: AtomicBool,
    /// When the last process started that followed one that did not stop in order: this one, or one before.
    unclean: Option<Now>,
    /// How many processes count by the same permits.
    replicas: Arc<KnownReplicas>,
    /// What the process before has counted, as far as it is in memory.
    parts: Arc<KeptParts>,
    /// Who was charged and is not written as they are.
    news: Arc<News>,
    /// Reads the rest of it.
    restoring: JoinHandle<()>,
    /// Taken by the first call that closes this.
    ledger: Mutex<Option<JoinHandle<Result<(), StoreError>>>>,
}

impl MemoryCounters {
    /// Takes over what the processes before this one have taken of `permits` for everyone in `index`, which keeps a
    /// [`MemorySlot`] beside each payer, and counts from there. Must be called on a runtime, before anything is charged, and when
    /// `index` has everyone.
    ///
    /// What was counted is read in the background, and nothing is charged to a payer whose counts are not read yet.
    ///
    /// # Errors
    /// The permits cannot be read or taken.
    pub async fn open(
        (permits, replica): (Arc<dyn Permits>, ReplicaId),
        index: Arc<Index>,
        clock: Arc<TrustedClock>,
    ) -> Result<Self, StoreError> {
        let now = clock.read();
        let PermitsFound { in_order, crash } = permits.taken(replica).await?;
        // A process that stops in order writes what it has counted. Of what the one before it had used in a window that
        // neither has written anything of, it knew no more than the next.
        let unclean =
            if in_order { crash } else { Some(Now { time: now.time.saturating_add(MARK_AGE), ..now }) };
        // From here on what is not written may have been charged. Where it cannot be written now, because the disk is full, it
        // is tried again.
        let begun = permits.begin(replica).await;
        let is_full = matches!(&begun, Err(StoreError::Unavailable(_)))
            && *permits.accepting().borrow() == Taking::Ends;
        if let Err(error) = begun {
            if !is_full {
                return Err(error);
            }
            tracing::error!(%error, "{}", ledger::IN_MEMORY_ONLY);
        }
        if !in_order {
            tracing::warn!(
                "Keyward did not stop in order: of each window that is open, what may have been used counts as used"
            );
        }
        let (jobs, receiver) = mpsc::channel(MAX_ASKS);
        let (written_sender, written) = watch::channel(0);
        let degraded = Arc::new(AtomicBool::new(is_full));
        let replicas = Arc::new(KnownReplicas::new(permits.replicas()));
        let written_sender = Arc::new(written_sender);
        let parts = Arc::new(KeptParts::unread());
        let news = Arc::<News>::default();
        let restorer = Arc::new(Restorer::new(Arc::clone(&index), in_order, now, Arc::clone(&news)));
        let restoring = Arc::clone(&restorer).run(
            (Arc::clone(&permits), replica),
            Arc::clone(&parts),
            Arc::clone(&written_sender),
        );
        let restoring = tokio::spawn(restoring);
        // Few counts are there at once, so that the first answers have their limits; for many nobody waits.
        let _later = tokio::time::timeout(FIRST_LOOK, parts.complete()).await;
        let _later = tokio::time::timeout(FIRST_PART, parts.begun()).await;
        let (degraded_too, replicas_too) = (Arc::clone(&degraded), Arc::clone(&replicas));
        let told = Hearers { written: written_sender, degraded: degraded_too, replicas: replicas_too };
        let kept = (Arc::clone(&parts), restorer, Arc::clone(&news));
        let ledger = Ledger::new((permits, replica), index, clock, unclean, told, kept);
        let ledger = Mutex::new(Some(tokio::spawn(ledger.run(receiver))));
        let closed = AtomicBool::new(false);
        Ok(Self { jobs, written, degraded, closed, unclean, replicas, parts, news, restoring, ledger })
    }

    /// Writes every count, so that nothing is wasted. Nothing is charged any more: a call that outlives its server is
    /// answered as if its write never came.
    ///
    /// # Errors
    /// The store cannot be written: the next start takes this for a crash.
    pub async fn close(&self) -> Result<(), StoreError> {
        self.closed.store(true, Ordering::Release);
        let (answer, closed) = oneshot::channel();
        let _gone = self.jobs.send(Job::Close(answer)).await;
        let closed = closed.await.unwrap_or_else(|_| Err(ended()));
        let ledger = self.ledger.lock().unwrap_or_else(PoisonError::into_inner).take();
        match ledger {
            Some(ledger) => ledger.await.unwrap_or_else(|_| Err(ended())).and(closed),
            None => closed,
        }
    }

    /// Charges all bills, one after the other, or none of them; `charged` hears how the limits of each stand then.
    fn charge_each(&self, bills: &[Bill<'_>], now: &Now, mut charged: impl FnMut(Charged)) -> Settlement {
        // What was used before the start must be known before anything is used.
        if !self.parts.cover(bills) {
            return Settlement::Unwritten;
        }
        let Some(mut sheets) = LockedSheets::lock(&self.reading(now), bills) else {
            return Settlement::Unwritten;
        };
        // Read under the locks: the call that closes this sets it, and looks at each account after that.
        let closed = self.closed.load(Ordering::Acquire);
        let degraded = self.is_degraded();
        let (mut asks, mut news) = (Vec::new(), Vec::new());
        let mut all_covered = true;
        for (place, bill) in bills.iter().enumerate() {
            let (mut passes, mut covered, mut limited) = (true, true, false);
            for bound in bill.limits.of(bill.tiers) {
                let measure = sheets.of(bill, bound).map(|open| open.measure(bound, bill.cost));
                passes &= measure.is_some_and(|measure| measure.passes);
                covered &= degraded || measure.is_some_and(|measure| measure.covered);
                limited = true;
            }
            // A bill without any limit never passes (L1): its policy cannot be trusted.
            if closed || !limited {
                sheets.roll_back();
                return Settlement::Unwritten;
            }
            if !passes {
                let weighed = weighed(&mut sheets, bill, bill.cost);
                sheets.roll_back();
                return match weighed {
                    Some(Weighed::Refused(refusal)) => Settlement::Refused(place, refusal),
                    // What refused it is not among them: which of the two is right is unknown.
                    Some(Weighed::Passes(_)) | None => Settlement::Unwritten,
                };
            }
            all_covered &= covered;
            if !all_covered && bills.len() == 1 {
                break;
            }
            for bound in bill.limits.of(bill.tiers) {
                let Some(mut open) = sheets.of(bill, bound) else { continue };
                let OnCharge { low, is_news } = open.charge(bound, bill.cost);
                if is_news {
                    news.push(bill.account(bound.per).payer);
                }
                if low {
                    asks.push(Needed { account: bill.account(bound.per), bound, units: 0 });
                }
            }
            let Some(Weighed::Passes(passing)) = weighed(&mut sheets, bill, 0) else {
                sheets.roll_back();
                return Settlement::Unwritten;
            };
            charged(Charged::by_counters(passing));
        }
        // Only now: for bills that are refused in the end nothing is written ahead.
        if all_covered {
            for payer in &news {
                self.news.add(payer.keep());
            }
        } else {
            sheets.roll_back();
            asks = needed(&mut sheets, bills);
        }
        drop(sheets);
        self.ask_all(&asks);
        if all_covered { Settlement::Charged } else { Settlement::Unwritten }
    }

    fn reading(&self, now: &Now) -> Reading {
        Reading { now: *now, unclean: self.unclean, replicas: self.replicas.now() }
    }

    fn ask_all(&self, needed: &[Needed<'_>]) {
        for needed in needed {
            self.ask(needed);
        }
    }

    /// Asks for a write. While the store takes no writes this asks for none: the ledger tries again by itself.
    fn ask(&self, needed: &Needed<'_>) {
        let Needed { account, bound, units } = needed;
        let (payer, limit, text) = (account.payer.keep(), bound.id, bound.text());
        let ask = Ask { payer, limit, text, more: bound.reach(*units, self.replicas.now()) };
        let sent = if self.is_degraded() { Err(ask) } else { self.send(ask) };
        if let Err(ask) = sent
            && let Some(slot) = MemorySlot::within(account.slot)
        {
            slot.lock().forget_ask(ask.limit);
        }
    }

    fn send(&self, ask: Ask) -> Result<(), Ask> {
        self.jobs.try_send(Job::Ask(ask)).map_err(|error| match error.into_inner() {
            Job::Ask(ask) => ask,
            // What was sent was an ask.
            Job::Settle(_) | Job::Close(_) => unreachable!("an ask comes back as an ask"),
        })
    }
}

/// What became of some bills.
enum Settlement {
    Charged,
    Refused(usize, Refusal),
    Unwritten,
}

/// A write that is to be asked for, so that so many units may be used.
struct Needed<'a> {
    account: Account<'a>,
    bound: &'a Bound,
    units: u64,
}

/// How the limits of a bill stand for a request of so many units, if that is known of each of them.
fn weighed<'a>(sheets: &mut LockedSheets<'a>, bill: &Bill<'a>, cost: u64) -> Option<Weighed> {
    let bounds = bill.limits.of(bill.tiers);
    let mut states = Vec::with_capacity(2);
    states.extend(bounds.filter_map(|bound| Some(sheets.of(bill, bound)?.state(bound, cost))));
    Weighed::new(bill, states)
}

/// The writes that are needed for all of these bills together, and that were not asked for yet.
fn needed<'a>(sheets: &mut LockedSheets<'a>, bills: &[Bill<'a>]) -> Vec<Needed<'a>> {
    let costs = costs(bills);
    let mut needed = Vec::new();
    for bill in bills {
        for (count, bound) in bill.counts() {
            let units = costs.get(&count).copied().unwrap_or_default();
            if let Some(mut open) = sheets.of(bill, bound)
                && !open.measure(bound, units).covered
                && open.ask_for(bound)
            {
                needed.push(Needed { account: bill.account(bound.per), bound, units });
            }
        }
    }
    needed
}

fn ended() -> StoreError {
    StoreError::OutcomeUnknown("the counting has ended".to_owned())
}

impl Counters for MemoryCounters {
    fn charge(&self, bill: &Bill<'_>, now: &Now) -> Charge {
        let mut charged = None;
        match self.charge_each(std::slice::from_ref(bill), now, |proof| charged = Some(proof)) {
            // Each bill that is charged says so.
            Settlement::Charged => charged.map_or(Charge::Unwritten, Charge::Charged),
            Settlement::Refused(_, refusal) => Charge::Refused(refusal),
            Settlement::Unwritten => Charge::Unwritten,
        }
    }

    fn charge_all(&self, bills: &[Bill<'_>], now: &Now) -> ChargeAll {
        let mut charged = Vec::with_capacity(bills.len());
        match self.charge_each(bills, now, |proof| charged.push(proof)) {
            Settlement::Charged => ChargeAll::Charged(charged),
            Settlement::Refused(place, refusal) => ChargeAll::Refused(place, refusal),
            Settlement::Unwritten => ChargeAll::Unwritten,
        }
    }

    fn peek(&self, bill: &Bill<'_>, now: &Now) -> Option<Weighed> {
        let mut sheets = self
            .parts
            .cover(std::slice::from_ref(bill))
            .then(|| LockedSheets::lock(&self.reading(now), std::slice::from_ref(bill)))??;
        weighed(&mut sheets, bill, bill.cost)
    }

    fn written(&self) -> watch::Receiver<u64> {
        let mut written = self.written.clone();
        // What was written before is no news to who asks now.
        written.mark_unchanged();
        written
    }

    fn is_degraded(&self) -> bool {
        self.degraded.load(Ordering::Acquire)
    }

    fn settle(&self) -> Pending<'_, ()> {
        Box::pin(async move {
            let (answer, settled) = oneshot::channel();
            self.jobs.send(Job::Settle(answer)).await.map_err(|_gone| ended())?;
            settled.await.unwrap_or_else(|_gone| Err(ended()))
        })
    }
}

impl Drop for MemoryCounters {
    fn drop(&mut self) {
        self.restoring.abort();
    }
}

#[cfg(test)]
mod tests;
