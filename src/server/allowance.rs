//! What a connection may make us do beyond its calls: work that brings no call forward costs a client nothing, and is all
//! that some clients send.
//!
//! Its unit is the work of a frame that says nothing, less than a microsecond. Reads and frames cost, calls and what they
//! carry give back, and so does time. Who keeps to that never sees it; whose allowance is spent is closed.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use super::{
    frames::{FrameHead, FrameKind},
    limits::ListenerLimits,
};

/// Bytes that cost as much as a frame, and give as much back where they belong to a call.
const UNIT_BYTES: u64 = 256;

/// Bytes of answers for each frame by which their reader makes room for more: a careful one sends two for each frame of ours.
const ANSWER_BYTES: u64 = 128;

/// What settings cost beyond a frame: each open stream has its window changed, and they are acknowledged.
const SETTINGS: u64 = 16;

/// What a frame costs. Bytes of a body are bounded by windows and by what is done with them.
pub(super) fn cost(head: FrameHead) -> u64 {
    let bytes = u64::from(head.payload_bytes) / UNIT_BYTES;
    match head.kind {
        FrameKind::Data => 1,
        FrameKind::Headers | FrameKind::PushPromise | FrameKind::Continuation | FrameKind::Other => 1 + bytes,
        FrameKind::Settings => 1 + SETTINGS + bytes,
    }
}

/// What is left of it. All of this is written by what runs on the connection's worker, one after the other.
#[derive(Debug)]
pub(super) struct Allowance {
    most: u64,
    left: AtomicU64,
    overdrawn: AtomicBool,
}

impl Allowance {
    pub(super) const fn new(limits: &ListenerLimits) -> Self {
        let most = limits.work_beside_calls;
        Self { most, left: AtomicU64::new(most), overdrawn: AtomicBool::new(false) }
    }

    /// Whether there was enough of it, and has been until now.
    pub(super) fn spend(&self, cost: u64) -> bool {
        let left = self.left.load(Ordering::Relaxed);
        self.left.store(left.saturating_sub(cost), Ordering::Relaxed);
        if left < cost {
            self.overdrawn.store(true, Ordering::Relaxed);
        }
        !self.is_overdrawn()
    }

    /// Whether more was asked for than there was: the connection ends.
    pub(super) fn is_overdrawn(&self) -> bool {
        self.overdrawn.load(Ordering::Relaxed)
    }

    /// For a call that has begun, by the bytes of its head when it is unpacked: it may have been sent so.
    pub(super) fn earn_by_call(&self, head_bytes: usize, limits: &ListenerLimits) {
        self.earn(limits.work_per_call.saturating_add(units(head_bytes, UNIT_BYTES)));
    }

    /// For a piece of a request's body that was taken.
    pub(super) fn earn_by_body(&self, bytes: usize) {
        self.earn(units(bytes, UNIT_BYTES));
    }

    /// For bytes that were written.
    pub(super) fn earn_by_answer(&self, bytes: usize) {
        self.earn(units(bytes, ANSWER_BYTES));
    }

    pub(super) fn earn(&self, units: u64) {
        let left = self.left.load(Ordering::Relaxed);
        self.left.store(left.saturating_add(units).min(self.most), Ordering::Relaxed);
    }
}

fn units(bytes: usize, each: u64) -> u64 {
    u64::try_from(bytes).unwrap_or(u64::MAX) / each
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(most: u64) -> Allowance {
        Allowance::new(&ListenerLimits { work_beside_calls: most, ..ListenerLimits::default() })
    }

    #[test]
    fn it_is_not_saved_up_and_its_end_is_final() {
        let allowance = of(10);
        allowance.earn(100);
        assert!(allowance.spend(10));
        allowance.earn(1);
        assert!(allowance.spend(1));
        assert!(!allowance.is_overdrawn());
        assert!(!allowance.spend(1));
        allowance.earn(100);
        assert!(!allowance.spend(1) && allowance.is_overdrawn(), "an end is an end");
    }

    #[test]
    fn a_call_gives_back_what_it_took() {
        let limits = ListenerLimits::default();
        let allowance = of(1_000);
        let head_bytes = "x-long".len() + 16_000;
        for _ in 0..100 {
            let frames = [
                (FrameKind::Headers, 16_100),
                (FrameKind::Data, 300),
                (FrameKind::Data, 0),
                (FrameKind::Other, 4),
            ];
            for (kind, payload_bytes) in frames {
                assert!(
                    allowance.spend(1)
                        && allowance.spend(cost(FrameHead { kind, flags: 0, stream: 1, payload_bytes }))
                );
            }
            allowance.earn_by_call(head_bytes, &limits);
        }
        assert!(allowance.spend(900));
    }
}
