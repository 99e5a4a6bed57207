//! A line of the log that many can cause: told once a minute at most, by all threads together.

use std::sync::atomic::{AtomicU64, Ordering};

const A_MINUTE_MS: u64 = 60_000;

/// When it was told last: milliseconds since the server began, from 1; 0 is never.
#[derive(Debug, Default)]
pub(super) struct OnceAMinute(AtomicU64);

impl OnceAMinute {
    /// Whether the caller is to write the line now; it counts as written then.
    pub(super) fn is_due(&self, age_ms: u64) -> bool {
        let now = age_ms.saturating_add(1);
        let last = self.0.load(Ordering::Relaxed);
        let is_due = last == 0 || now.saturating_sub(last) >= A_MINUTE_MS;
        is_due && self.0.compare_exchange(last, now, Ordering::Relaxed, Ordering::Relaxed).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_goes_on_is_told_again_each_minute() {
        let line = OnceAMinute::default();
        let told: Vec<_> = (0..=180).filter(|second| line.is_due(second * 1_000)).collect();
        assert_eq!(told, [0, 60, 120, 180]);
    }
}
