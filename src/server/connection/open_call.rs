//! A call that is open, and what it has charged its connection.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use http::uri::PathAndQuery;

use super::Pulse;
use crate::server::budget::{BudgetSpent, Held};

/// A call that has begun and not ended: from its head to the end of its answer.
#[derive(Debug)]
pub(in crate::server) struct OpenCall {
    pub(in crate::server) pulse: Arc<Pulse>,
    path: Option<PathAndQuery>,
    /// `None` when it lasts.
    generation: Option<usize>,
    /// What it has charged its connection.
    charged: u64,
}

impl OpenCall {
    pub(in crate::server) fn begin(pulse: &Arc<Pulse>, path: Option<PathAndQuery>) -> Self {
        let generation = pulse.generation.load(Ordering::Relaxed);
        // A request of HTTP/1 can be shorter than the preface of HTTP/2.
        pulse.preface_arrives();
        pulse.calls_begun.fetch_add(1, Ordering::Relaxed);
        let call = Self { pulse: Arc::clone(pulse), path, generation: Some(generation), charged: 0 };
        call.counter().fetch_add(1, Ordering::Relaxed);
        call
    }

    /// Charges so many bytes more, until the call ends.
    pub(in crate::server) fn charge(&mut self, bytes: u64) -> Result<(), BudgetSpent> {
        let charged = self.pulse.account.charge(bytes);
        match charged {
            Ok(()) => self.charged = self.charged.saturating_add(bytes),
            Err(BudgetSpent) => self.pulse.shared.counts.requests_over_budget.increment(),
        }
        charged
    }

    /// Charges the head of the call.
    pub(in crate::server) fn charge_head(&mut self, bytes: u64) -> Result<(), BudgetSpent> {
        let buffers = self.pulse.take_read();
        self.pulse.pay_for_streams();
        // Apart, so that each is a small charge: the head of a Check may follow a large message.
        self.charge(buffers)?;
        self.charge(bytes)
    }

    /// Lowers what is charged to this.
    pub(in crate::server) fn charge_no_more_than(&mut self, bytes: u64) {
        self.pulse.account.give_back(self.charged.saturating_sub(bytes));
        self.charged = self.charged.min(bytes);
    }

    /// Takes the charge out of the call, for what lasts longer.
    pub(in crate::server) fn take_charge(&mut self) -> Held {
        Held::charged(Arc::clone(&self.pulse.account), std::mem::take(&mut self.charged))
    }

    /// Whether nothing is charged: the answer has taken it, or there was nothing to be had.
    pub(in crate::server) const fn has_no_charge(&self) -> bool {
        self.charged == 0
    }

    /// Takes a charge back.
    pub(in crate::server) fn put_charge(&mut self, held: Held) {
        self.charged = self.charged.saturating_add(held.into_bytes());
    }

    /// Forgets a path that is a part of the buffer that it was read into.
    pub(in crate::server) fn keep_path(&mut self, path: Option<PathAndQuery>) {
        self.path = path;
    }

    /// What was called, as far as there is a path.
    pub(in crate::server) fn path(&self) -> Option<&str> {
        self.path.as_ref().map(PathAndQuery::as_str)
    }

    /// The call is a stream of answers, and may stay open as long as it likes.
    pub(in crate::server) fn lasts(&mut self) {
        self.counter().fetch_sub(1, Ordering::Relaxed);
        self.generation = None;
        self.counter().fetch_add(1, Ordering::Relaxed);
    }

    fn counter(&self) -> &AtomicU64 {
        self.generation
            .and_then(|generation| self.pulse.calls_open.get(generation))
            .unwrap_or(&self.pulse.calls_lasting)
    }
}

impl Drop for OpenCall {
    fn drop(&mut self) {
        self.counter().fetch_sub(1, Ordering::Relaxed);
        if self.charged == 0 {
            return;
        }
        if self.pulse.is_stalled() {
            // The answer waits behind others.
            self.pulse.unwritten.fetch_add(self.charged, Ordering::Relaxed);
        } else {
            self.pulse.account.give_back(self.charged);
        }
    }
}
