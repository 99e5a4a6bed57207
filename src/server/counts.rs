//! What has happened in the server, counted for metrics and tests.

use std::sync::atomic::{AtomicU64, Ordering};

/// A number that only grows, while the process lives.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// The count until now.
    pub fn value(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    pub(super) fn increment(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// One counter for each thing that the server does about a connection or a call on its own account.
#[derive(Debug, Default)]
pub struct ServerCounts {
    /// Connections that were given to a worker.
    pub connections_admitted: Counter,
    /// Connections that did nothing and were closed, because another one needed their place.
    pub connections_displaced: Counter,
    /// Connections closed at their accept, because there were too many in all.
    pub connections_refused_full: Counter,
    /// Connections closed at their accept, because there were too many from their address.
    pub connections_refused_source: Counter,
    /// Accepts that failed for a lack of descriptors or memory.
    pub accepts_failed: Counter,
    /// Handshakes of TLS that a peer began and could not end.
    pub handshakes_failed: Counter,
    /// Connections closed because the preface did not arrive in time.
    pub connections_without_preface: Counter,
    /// Connections told to go away because no call arrived in time.
    pub connections_without_call: Counter,
    /// Connections told to go away because they were idle.
    pub connections_idle: Counter,
    /// Connections closed because the peer did not read.
    pub connections_stalled: Counter,
    /// Connections closed because the peer let an answer wait for its window.
    pub connections_with_answer_untaken: Counter,
    /// Connections told to go away because a request on them did not arrive whole by its deadline.
    pub connections_half_open: Counter,
    /// Connections closed because they did not end by themselves when told to go away.
    pub connections_overdue: Counter,
    /// Connections closed because they made more work than their calls account for.
    pub connections_without_progress: Counter,
    /// Connections told to go away because they were idle, held much, and the memory for calls in flight was nearly spent.
    pub connections_too_dear: Counter,
    /// Calls answered without their handler: wrong method, content type, path or timeout.
    pub calls_refused: Counter,
    /// Calls ended by a deadline, ours or the client's.
    pub calls_expired: Counter,
    /// Calls refused, and connections closed, because the memory for calls in flight was spent.
    pub requests_over_budget: Counter,
    /// Streams of answers ended because too many were open.
    pub answers_over_cap: Counter,
    /// Panics in handlers, streams of answers, and connections. Each is a defect.
    pub panics: Counter,
}
