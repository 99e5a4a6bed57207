//! Brings what is counted to the store: each second, when a caller asks, and all of it at the end.
//!
//! What is written is taken out of memory before, and put back only where the store says that nothing of it is there: so
//! nothing is counted twice. A crash loses what was counted since the last write: while the store keeps up, a second's at most.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use tokio::{
    sync::{Mutex, watch},
    time::{Instant, MissedTickBehavior},
};

use crate::{
    domain::{
        time::TrustedClock,
        usage::{MAX_HOURS, hour_of},
    },
    judge::usage::{
        UsageBook,
        lines::{FirstAndLast, ScopeLine, UsageLine, UsageLines, UsageTally},
    },
    ports::{KeyStore, Note, ScopeUse, StoreError, Usage},
};

const LOOK_EVERY: Duration = Duration::from_secs(1);

/// How many seconds apart old usage is looked for, where none is written meanwhile.
const FORGET_EVERY: u32 = 60;

/// Rows in one write: a change that comes meanwhile waits for no more than these.
const BATCH: usize = 4_096;

/// The most rows that wait to be written, some 150 MiB; from here on shards are not emptied, and fill up themselves.
const MOST_UNWRITTEN: usize = 1 << 20;

/// Keeps what is counted of Checks.
pub struct UsageLedger {
    /// Where Checks are counted.
    book: Arc<UsageBook>,
    store: Arc<dyn KeyStore>,
    clock: Arc<TrustedClock>,
    /// What was taken out of the book and is not written; held while it is written, so that a reading that comes after
    /// sees all of it.
    unwritten: Mutex<UsageLines>,
}

impl UsageLedger {
    /// Keeps in `store` what is counted in `book`.
    pub(in crate::changes) fn new(
        book: Arc<UsageBook>,
        store: Arc<dyn KeyStore>,
        clock: Arc<TrustedClock>,
    ) -> Self {
        Self { book, store, clock, unwritten: Mutex::default() }
    }

    /// Writes what was counted, each second, until `stop` says true or is gone; then all that is left.
    pub async fn run(self: Arc<Self>, mut stop: watch::Receiver<bool>) {
        let mut seconds = tokio::time::interval_at(Instant::now() + LOOK_EVERY, LOOK_EVERY);
        seconds.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut failing = false;
        for second in (1..=FORGET_EVERY).cycle() {
            let stopped = tokio::select! {
                _stop = stop.wait_for(|stop| *stop) => true,
                () = self.book.filling() => false,
                _tick = seconds.tick() => false,
            };
            let written = if stopped { self.flush_all().await } else { self.flush().await };
            if let Err(error) = &written
                && !failing
            {
                tracing::warn!(%error, "usage could not be written; it is kept, and tried again each second");
            }
            failing = written.is_err();
            if stopped {
                return self.end().await;
            }
            if second == FORGET_EVERY && !failing {
                self.forget().await;
            }
        }
    }

    /// Writes what has been counted so far.
    ///
    /// # Errors
    /// The store: what could not be written is kept and tried again, unless it is unknown whether it was written.
    pub async fn flush(&self) -> Result<(), StoreError> {
        let mut unwritten = self.unwritten.lock().await;
        let lost = self.book.drain(&mut unwritten, MOST_UNWRITTEN);
        if lost > 0 {
            tracing::error!(
                checks = lost,
                "usage of these Checks is not counted: the store does not keep up"
            );
        }
        while !unwritten.usage.is_empty() {
            let batch = first(&mut unwritten.usage, BATCH);
            let Err(error) = self.store.note(self.notes(&batch)).await else { continue };
            if matches!(error, StoreError::OutcomeUnknown(_)) {
                let checks = checks(&batch);
                tracing::error!(checks, %error, "usage of these Checks may be lost; it is not written twice");
            } else {
                for (line, tally) in batch {
                    unwritten.usage.entry(line).or_default().add(tally);
                }
            }
            return Err(error);
        }
        self.flush_scopes(&mut unwritten).await
    }

    /// Writes which scopes were used. To write one twice does no harm.
    async fn flush_scopes(&self, unwritten: &mut UsageLines) -> Result<(), StoreError> {
        while !unwritten.scopes.is_empty() {
            let batch = first(&mut unwritten.scopes, BATCH);
            match self.store.note(vec![Note::ScopeUses(batch.iter().map(scope_use).collect())]).await {
                Ok(()) => unwritten.remember(&batch),
                Err(error) => {
                    for (line, hours) in batch {
                        unwritten.put_scope(line, hours);
                    }
                    return Err(error);
                }
            }
        }
        Ok(())
    }

    /// Writes everything; no Check is counted any more.
    async fn flush_all(&self) -> Result<(), StoreError> {
        self.flush().await?;
        while !self.book.is_empty() {
            self.flush().await?;
        }
        Ok(())
    }

    async fn end(&self) {
        let checks = checks(&self.unwritten.lock().await.usage);
        if checks > 0 {
            tracing::error!(checks, "usage of these Checks is lost: it could not be written");
        }
    }

    async fn forget(&self) {
        if let Err(error) = self.store.note(self.notes(&BTreeMap::new())).await {
            tracing::warn!(%error, "old usage could not be removed; it is tried again a minute later");
        }
    }

    /// These lines to write, and what is too old to forget: each write removes as many rows as it may add.
    fn notes(&self, lines: &BTreeMap<UsageLine, UsageTally>) -> Vec<Note> {
        let row = |(line, tally): (&UsageLine, &UsageTally)| {
            let UsageTally { checks, cost } = *tally;
            Usage {
                key: line.key,
                hour: line.hour,
                tier: Arc::clone(&line.tier),
                outcome: line.outcome.into(),
                checks,
                cost,
            }
        };
        let oldest = hour_of(self.clock.now()).saturating_sub(MAX_HOURS);
        vec![Note::Usage(lines.iter().map(row).collect()), Note::UsageBefore(oldest)]
    }
}

/// Takes out the first lines, at most so many.
fn first<L: Ord, N>(lines: &mut BTreeMap<L, N>, count: usize) -> BTreeMap<L, N> {
    std::iter::from_fn(|| lines.pop_first()).take(count).collect()
}

fn checks(lines: &BTreeMap<UsageLine, UsageTally>) -> u64 {
    lines.values().fold(0, |sum, tally| sum.saturating_add(tally.checks))
}

fn scope_use((line, hours): (&ScopeLine, &FirstAndLast)) -> ScopeUse {
    let ScopeLine { key, scope, used } = line;
    ScopeUse {
        key: *key,
        scope: Arc::clone(scope),
        used: *used,
        first_hour: hours.first,
        last_hour: hours.last,
    }
}

#[cfg(test)]
mod tests;
