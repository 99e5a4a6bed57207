//! Points in time, and where time and randomness come from.
//!
//! [`Clock`] is what a machine says; [`TrustedClock`] is what Keyward believes of it, and what every decision goes by.

#[cfg(test)]
mod leaps;
mod trusted;

use std::time::Duration;

use super::parse::ParseError;

pub use self::trusted::{ClockCondition, TrustedClock};

/// A point in time: milliseconds since 1970-01-01T00:00:00Z, within the years 1 to 9999.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

const MIN_MS: i64 = -62_135_596_800_000;
const MAX_MS: i64 = 253_402_300_799_999;

impl Timestamp {
    /// The start of 1970.
    pub const EPOCH: Self = Self(0);

    /// A point in time by its milliseconds since 1970.
    ///
    /// # Errors
    /// Outside the years 1 to 9999, the range of `google.protobuf.Timestamp`.
    pub fn from_ms(ms: i64) -> Result<Self, ParseError> {
        if (MIN_MS..=MAX_MS).contains(&ms) {
            Ok(Self(ms))
        } else {
            Err(ParseError::new("a time within the years 1 to 9999"))
        }
    }

    /// The same; what lies outside is the nearest point inside.
    fn clamped(ms: i64) -> Self {
        Self(ms.clamp(MIN_MS, MAX_MS))
    }

    /// Milliseconds since 1970.
    #[must_use]
    pub const fn as_ms(self) -> i64 {
        self.0
    }

    /// This time and `duration`, whole milliseconds, at most the end of the year 9999.
    #[must_use]
    pub fn saturating_add(self, duration: Duration) -> Self {
        let ms = i64::try_from(duration.as_millis()).unwrap_or(i64::MAX);
        Self(self.0.saturating_add(ms).min(MAX_MS))
    }

    /// The time from `earlier` to this; zero if that lies ahead.
    #[must_use]
    pub fn saturating_since(self, earlier: Self) -> Duration {
        Duration::from_millis(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }
}

/// The start of 1970 in the calendar.
const EPOCH: jiff::civil::DateTime = jiff::civil::date(1970, 1, 1).at(0, 0, 0, 0);

impl std::fmt::Display for Timestamp {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match jiff::Timestamp::from_millisecond(self.0) {
            Ok(time) => write!(formatter, "{time:.3}"),
            // On the last day of the year 9999 the library has no times, but a calendar.
            Err(_) => match EPOCH.checked_add(jiff::SignedDuration::from_millis(self.0)) {
                Ok(time) => write!(formatter, "{time:.3}Z"),
                Err(_) => write!(formatter, "{} ms", self.0),
            },
        }
    }
}

/// What a machine says of time: the operating system in service, a hand in tests. Nothing decides by it alone; see
/// [`TrustedClock`].
pub trait Clock: Send + Sync {
    /// The time of day. It may be wrong, and be set to any other at any moment.
    fn wall(&self) -> Timestamp;

    /// The time that the machine has been up, asleep or not. It never goes back.
    fn boot(&self) -> Duration;
}

/// One reading of a [`TrustedClock`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Now {
    /// For expiry and calendars.
    pub time: Timestamp,
    /// For rates.
    pub steady: Steady,
}

/// A count of milliseconds that follows the boot clock, also when the wall clock is set. In each process it begins
/// at the time that was believed then, so that it means something to the next one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Steady(i64);

impl Steady {
    /// A count that was kept.
    #[must_use]
    pub const fn from_ms(ms: i64) -> Self {
        Self(ms)
    }

    /// The count.
    #[must_use]
    pub const fn as_ms(self) -> i64 {
        self.0
    }

    /// The time from `earlier` to this; zero if that lies ahead.
    #[must_use]
    pub fn saturating_since(self, earlier: Self) -> Duration {
        Duration::from_millis(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }
}

/// Where randomness comes from: the operating system in service, a seed in tests.
pub trait Entropy: Send + Sync {
    /// Fills `bytes` with random ones.
    ///
    /// # Errors
    /// The operating system gives no random bytes: the caller must not make what it wanted them for.
    fn fill(&self, bytes: &mut [u8]) -> Result<(), EntropyUnavailable>;
}

/// The operating system gives no randomness.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the operating system gives no randomness")]
pub struct EntropyUnavailable;
