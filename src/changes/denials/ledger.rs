//! Brings denials to the store: each second, and all of them at the end.
//!
//! A sheet is written whole, in the place of the one that was there: to write it twice does no harm, and nothing is counted twice. A
//! crash loses what was counted since the last write: while the store keeps up, a second's at most.

use std::{sync::Arc, time::Duration};

use tokio::{
    sync::{Mutex, watch},
    time::{Instant, MissedTickBehavior},
};

use super::{
    keeping,
    sheets::{OpenSheets, WholeSheet},
};
use crate::{
    domain::{time::TrustedClock, usage::minute_of},
    judge::denials::DenialBook,
    ports::{DenialFilter, DenialPlace, DenialSums, KeyStore, Note, StoreError},
};

const LOOK_EVERY: Duration = Duration::from_secs(1);

/// How many seconds apart it is looked for what is to be put together, or is too old.
const TEND_EVERY: u32 = 60;

/// Keeps what is noted of denials.
pub struct DenialLedger {
    book: Arc<DenialBook>,
    pub(super) store: Arc<dyn KeyStore>,
    clock: Arc<TrustedClock>,
    /// Held while it is written.
    open: Mutex<OpenSheets>,
}

impl DenialLedger {
    /// Keeps in `store` what is noted in `book`.
    pub(in crate::changes) fn new(
        book: Arc<DenialBook>,
        store: Arc<dyn KeyStore>,
        clock: Arc<TrustedClock>,
    ) -> Self {
        Self { book, store, clock, open: Mutex::default() }
    }

    /// Writes what was denied, each second, until `stop` says true or is gone; then all that is left.
    pub async fn run(self: Arc<Self>, mut stop: watch::Receiver<bool>) {
        let mut seconds = tokio::time::interval_at(Instant::now() + LOOK_EVERY, LOOK_EVERY);
        seconds.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut failing = false;
        for second in (1..=TEND_EVERY).cycle() {
            let stopped = tokio::select! {
                _stop = stop.wait_for(|stop| *stop) => true,
                _tick = seconds.tick() => false,
            };
            let written = self.flush().await;
            if let Err(error) = &written
                && !failing
            {
                tracing::warn!(%error, "denials could not be written; they are kept, and tried again each second");
            }
            failing = written.is_err();
            if stopped {
                return self.end().await;
            }
            if second == TEND_EVERY
                && !failing
                && let Err(error) = self.tend().await
            {
                tracing::warn!(%error, "old denials could not be put together; it is tried again a minute later");
            }
        }
    }

    /// Writes what was denied so far.
    ///
    /// # Errors
    /// The store: what could not be written is kept and tried again.
    pub async fn flush(&self) -> Result<(), StoreError> {
        let mut open = self.open.lock().await;
        self.book.drain(|taken| open.take(taken));
        let written = self.write(&mut open).await;
        let lost = open.give_up();
        if lost > 0 {
            tracing::error!(
                denials = lost,
                "these denials are not counted: the store has taken none for too long"
            );
        }
        written
    }

    async fn write(&self, open: &mut OpenSheets) -> Result<(), StoreError> {
        for place in open.enter() {
            let sums = self.stored(place).await?.unwrap_or_else(|| DenialSums::of(place.kind));
            open.whole.insert(place, WholeSheet { sums, is_unwritten: false });
        }
        let _none_is_missing = open.enter();
        let sheets = open.unwritten();
        let places: Vec<_> = sheets.iter().map(|sheet| sheet.place).collect();
        if !sheets.is_empty() {
            self.store.note(vec![Note::Denials(sheets)]).await?;
        }
        open.written(places, minute_of(self.clock.now()));
        Ok(())
    }

    /// What a sheet says in the store.
    async fn stored(&self, place: DenialPlace) -> Result<Option<DenialSums>, StoreError> {
        let DenialPlace { kind, start } = place;
        let only = DenialFilter { kind, from: start, before: start.saturating_add(1), newest_first: false };
        Ok(self.store.denials(only, 1).await?.pop().map(|sheet| sheet.sums))
    }

    /// Puts together what is old enough, and removes what is too old or too much.
    async fn tend(&self) -> Result<(), StoreError> {
        // What is open is of the present: it is not touched here.
        keeping::tend(&*self.store, self.clock.now()).await
    }

    /// The sheets of the store that match, with what is not written yet of them, at most `limit` of them and these.
    pub(super) async fn sheets(
        &self,
        filter: DenialFilter,
        limit: usize,
    ) -> Result<Vec<(DenialPlace, DenialSums)>, StoreError> {
        let mut open = self.open.lock().await;
        self.book.drain(|taken| open.take(taken));
        let stored = self.store.denials(filter, limit).await?;
        let is_whole = stored.len() < limit;
        let last = stored.last().map(|sheet| sheet.place.start);
        let mut sheets: Vec<_> = stored.into_iter().map(|sheet| (sheet.place, sheet.sums)).collect();
        let matches = |place: &DenialPlace| {
            let reached = is_whole
                || last.is_none_or(|last| {
                    if filter.newest_first { place.start >= last } else { place.start <= last }
                });
            place.kind == filter.kind && (filter.from..filter.before).contains(&place.start) && reached
        };
        for (place, whole) in open.whole.iter().filter(|(place, _)| matches(place)) {
            sheets.retain(|(known, _)| known != place);
            sheets.push((*place, whole.sums.clone()));
        }
        for (place, news) in open.news.iter().filter(|(place, _)| matches(place)) {
            match sheets.iter_mut().find(|(known, _)| known == place) {
                Some((_, sums)) => sums.add(news.clone()),
                None => sheets.push((*place, news.clone())),
            }
        }
        drop(open);
        sheets.sort_unstable_by_key(|(place, _)| place.start);
        if filter.newest_first {
            sheets.reverse();
        }
        Ok(sheets)
    }

    async fn end(&self) {
        let open = self.open.lock().await;
        let unwritten = open.whole.iter().filter(|(_, whole)| whole.is_unwritten);
        let whole = unwritten.map(|(place, whole)| (place, &whole.sums)).chain(&open.news);
        let minutes = whole.filter(|(place, _)| place.kind.minutes() == 1).map(|(_, sums)| sums.count());
        let denials: u64 = minutes.sum();
        if denials > 0 {
            tracing::error!(denials, "the totals of minutes with these denials could not be written");
        }
    }
}

#[cfg(test)]
mod tests;
