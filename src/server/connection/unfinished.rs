//! Heads that have begun and not ended: they are charged as they are read, before a service can see them.

use std::sync::atomic::Ordering;

use super::Pulse;

/// Bytes that may be read between two calls uncharged: heads are shorter.
const UNCHARGED_READ_BYTES: u64 = 8 << 10;
/// What is charged at most for a head that is not whole: twice the longest.
const MAX_READ_BYTES: u64 = 128 << 10;
/// What is charged beside that for a header block of HTTP/2 that has not ended: its fields are unpacked as they come, and the
/// 480 that a head may have are a map of 84 KiB, though each was sent in a byte.
pub(super) const MOST_HEAD_BYTES: u64 = 96 << 10;
/// The longest buffer that a head is a part of.
pub(super) const MAX_HEAD_BUFFER_BYTES: u64 = 32 << 10;

/// What has arrived of a head that is not whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::server) enum Unfinished {
    /// Nothing, or a part of a frame.
    Nothing,
    /// Lines of HTTP/1.1, where no call is open.
    Lines,
    /// A header block of HTTP/2 that goes on in another frame.
    Block,
}

impl Pulse {
    /// Notes that so much was read. A head is charged before it is whole, where it can be long; where nothing can be charged,
    /// the connection ends.
    pub(in crate::server) fn reads(&self, bytes: usize, unfinished: Unfinished) {
        let bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
        let read = self.read.load(Ordering::Relaxed).saturating_add(bytes);
        self.read.store(read, Ordering::Relaxed);
        // A buffer grows by doubling.
        let buffer = read.saturating_mul(2).min(MAX_READ_BYTES);
        match unfinished {
            Unfinished::Nothing => self.give_back_read(),
            Unfinished::Lines if read <= UNCHARGED_READ_BYTES || self.calls_open() > 0 => {}
            Unfinished::Lines => self.charge_read(buffer),
            Unfinished::Block => self.charge_read(buffer.saturating_add(MOST_HEAD_BYTES)),
        }
    }

    /// Charges so much in all for a head that is not whole.
    fn charge_read(&self, held: u64) {
        let more = held.saturating_sub(self.read_charged.load(Ordering::Relaxed));
        if self.account.charge(more).is_ok() {
            self.read_charged.fetch_add(more, Ordering::Relaxed);
        } else {
            self.shared.counts.requests_over_budget.increment();
            self.order_closed();
        }
    }

    fn give_back_read(&self) {
        if self.read_charged.load(Ordering::Relaxed) > 0 {
            self.account.give_back(self.read_charged.swap(0, Ordering::Relaxed));
        }
    }

    /// What was read since the last call began: the head of the next one keeps its buffers.
    pub(super) fn take_read(&self) -> u64 {
        let read = self.read.load(Ordering::Relaxed);
        self.read.store(0, Ordering::Relaxed);
        // Over HTTP/2 another block may have begun behind this head.
        if !self.speaks_http2() {
            self.give_back_read();
        }
        read.min(MAX_HEAD_BUFFER_BYTES)
    }
}
