//! When a key is to end, as a caller says it: at a time, or so long after the change that says so (K11).

use std::time::Duration;

use super::{parse::ParseError, time::Timestamp};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);
const LIFETIME: &str =
    "longer than 0 and at most 36,525 days (of 24 hours), in whole milliseconds; its nanos 0 to 999,000,000";

/// How long a key is good: longer than nothing, at most a hundred years, in whole milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lifetime(Duration);

/// When a key is to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// It does not.
    Never,
    /// Then.
    At(Timestamp),
    /// So long after the change that says so, by the time that Keyward goes by.
    After(Lifetime),
}

impl Lifetime {
    /// The longest: a hundred years of 365.25 days.
    pub const LONGEST: Duration = DAY.saturating_mul(36_525);

    /// A lifetime by its length.
    ///
    /// # Errors
    /// It is zero, too long, or no whole milliseconds.
    pub fn new(length: Duration) -> Result<Self, ParseError> {
        let whole = length.subsec_nanos().is_multiple_of(1_000_000);
        if length.is_zero() || length > Self::LONGEST || !whole {
            Err(Self::refusal())
        } else {
            Ok(Self(length))
        }
    }

    /// What a lifetime must be.
    #[must_use]
    pub const fn refusal() -> ParseError {
        ParseError::new(LIFETIME)
    }
}

impl Ending {
    /// The end of a key for which this is requested at `now`. An end after the year 9999 becomes that year's end.
    #[must_use]
    pub fn from(self, now: Timestamp) -> Option<Timestamp> {
        match self {
            Self::Never => None,
            Self::At(end) => Some(end),
            Self::After(Lifetime(length)) => Some(now.saturating_add(length)),
        }
    }

    /// The field of a request that says it.
    #[must_use]
    pub const fn field(self) -> &'static str {
        match self {
            Self::Never | Self::At(_) => "expire_time",
            Self::After(_) => "lifetime",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lifetime_is_longer_than_nothing_and_shorter_than_for_ever() {
        // K11
        let ms = Duration::from_millis(1);
        for (length, good) in [
            (Duration::ZERO, false),
            (Duration::from_nanos(1), false),
            (Duration::from_nanos(1_000_001), false),
            (ms, true),
            (Duration::from_millis(1_500), true),
            (Lifetime::LONGEST, true),
            (Lifetime::LONGEST + ms, false),
            (Duration::MAX, false),
        ] {
            assert_eq!(Lifetime::new(length).is_ok(), good, "{length:?}");
        }
    }

    #[test]
    fn a_lifetime_counts_from_now_and_a_time_does_not() {
        // K11
        let now = Timestamp::from_ms(5_000).unwrap();
        let after = |length| Ending::After(Lifetime::new(length).unwrap());
        assert_eq!(Ending::Never.from(now), None);
        assert_eq!(Ending::At(now).from(Timestamp::EPOCH), Some(now));
        assert_eq!(after(DAY).from(now), Timestamp::from_ms(86_405_000).ok(), "a day has 24 hours");
        let last = Timestamp::from_ms(253_402_300_799_999).unwrap();
        assert_eq!(after(DAY).from(last), Some(last));
    }
}
