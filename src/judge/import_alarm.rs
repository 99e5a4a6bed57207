//! The alarm of a token that was imported twice: an error in the log for each, but not more than ten a minute.

use std::sync::{Mutex, PoisonError};

use crate::domain::{id::KeyId, time::Timestamp, usage::minute_of};

const A_MINUTE: u32 = 10;

/// How many were told in which minute, and how many were not told since.
#[derive(Default)]
pub(super) struct ImportAlarms(Mutex<Told>);

#[derive(Default)]
pub(super) struct Told {
    minute: u32,
    count: u32,
    untold: u64,
}

impl ImportAlarms {
    /// Tells of two keys that were imported for one token.
    pub(super) fn tell(&self, earlier: KeyId, later: KeyId, now: Timestamp) {
        let Some(untold) = self.0.lock().unwrap_or_else(PoisonError::into_inner).next(minute_of(now)) else {
            return;
        };
        tracing::error!(
            key.id = %later,
            earlier.key.id = %earlier,
            untold,
            "a token was imported twice: the earlier key has it, the later one is denied; ask both who holds it, and rotate"
        );
    }
}

impl Told {
    /// How many were not told before this one; `None` if this one is not told either.
    pub(super) fn next(&mut self, minute: u32) -> Option<u64> {
        if self.minute != minute {
            (self.minute, self.count) = (minute, 0);
        }
        if self.count >= A_MINUTE {
            self.untold = self.untold.saturating_add(1);
            return None;
        }
        self.count = self.count.saturating_add(1);
        Some(std::mem::take(&mut self.untold))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ten_are_told_in_a_minute_and_the_next_one_says_how_many_were_not() {
        // D7
        let mut told = Told::default();
        let first: Vec<_> = (0..13).map(|_| told.next(7)).collect();
        assert!(first[..10].iter().all(|untold| *untold == Some(0)) && first[10..] == [None; 3]);
        assert_eq!(told.next(8), Some(3));
        assert_eq!(told.next(8), Some(0));
    }
}
