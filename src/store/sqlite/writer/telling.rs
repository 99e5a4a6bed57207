//! How often the log is told of what is bad and good in turn: it can be so each second.

use std::time::Duration;

use tokio::time::Instant;

/// How long the log is silent after it was told that something is bad.
const TELL_EVERY: Duration = Duration::from_secs(60);

/// What was told last.
#[derive(Default)]
pub(in crate::store::sqlite) struct Telling {
    /// How it is.
    is_bad: bool,
    /// How it was told to be.
    told: bool,
    /// When it was last told that it is bad.
    told_at: Option<Instant>,
    /// How often it has changed since something was told.
    changes: u64,
}

/// What is to be told.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::store::sqlite) struct ToTell {
    pub(in crate::store::sqlite) is_bad: bool,
    /// How often it has changed since something was told, this time too.
    pub(in crate::store::sqlite) changes: u64,
}

impl Telling {
    /// Takes note of how it is, and says what is to be told of that: that it is bad at most once a minute, and once after each
    /// such time that it is not.
    pub(in crate::store::sqlite) fn tell(&mut self, is_bad: bool) -> Option<ToTell> {
        if std::mem::replace(&mut self.is_bad, is_bad) != is_bad {
            self.changes = self.changes.saturating_add(1);
        }
        let is_due = !is_bad || self.told_at.is_none_or(|told| told.elapsed() >= TELL_EVERY);
        if self.told == is_bad || !is_due {
            return None;
        }
        self.told = is_bad;
        if is_bad {
            self.told_at = Some(Instant::now());
        }
        Some(ToTell { is_bad, changes: std::mem::take(&mut self.changes) })
    }

    /// Whether it is bad.
    pub(in crate::store::sqlite) const fn is_bad(&self) -> bool {
        self.is_bad
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn told(is_bad: bool, changes: u64) -> ToTell {
        ToTell { is_bad, changes }
    }

    // D7: what flaps does not fill the log
    #[tokio::test(start_paused = true)]
    async fn what_is_bad_and_good_in_turn_is_told_once_a_minute_and_how_often() {
        let mut telling = Telling::default();
        assert_eq!(telling.tell(false), None, "good from the first");
        assert_eq!(telling.tell(true), Some(told(true, 1)));
        assert_eq!(telling.tell(true), None);
        assert_eq!(telling.tell(false), Some(told(false, 1)), "the end is told at once");
        for _ in 0..59 {
            tokio::time::advance(Duration::from_secs(1)).await;
            assert_eq!(telling.tell(true), None);
            assert_eq!(telling.tell(false), None);
        }
        tokio::time::advance(Duration::from_secs(1)).await;
        assert_eq!(telling.tell(true), Some(told(true, 119)));
        assert_eq!(telling.tell(false), Some(told(false, 1)));
    }

    #[tokio::test(start_paused = true)]
    async fn what_stays_bad_in_the_silence_is_told_after_it() {
        let mut telling = Telling::default();
        assert_eq!(telling.tell(true), Some(told(true, 1)));
        assert_eq!(telling.tell(false), Some(told(false, 1)));
        assert_eq!(telling.tell(true), None);
        tokio::time::advance(TELL_EVERY).await;
        assert_eq!(telling.tell(true), Some(told(true, 1)), "who asks again hears it");
        assert!(telling.is_bad());
    }
}
