//! What usage is counted by: minutes and hours since 1970, and periods made of them. Always UTC.

use super::time::Timestamp;

const MINUTE_MS: i64 = 60_000;
const HOUR_MS: i64 = 3_600_000;
const HOURS_A_DAY: u32 = 24;

/// How many minutes an hour has.
pub const MINUTES_AN_HOUR: u32 = 60;

/// How many minutes a day has.
pub const MINUTES_A_DAY: u32 = HOURS_A_DAY * MINUTES_AN_HOUR;

/// For how many hours usage is kept, and the most that can be asked for at once: 400 days.
pub const MAX_HOURS: u32 = 400 * HOURS_A_DAY;

/// The outcome of a Check that was allowed; that of another is its [`reason`](super::decision::Denial::reason).
pub const ALLOWED: &str = "ALLOWED";

/// How many hours are over since 1970; none before.
#[must_use]
pub fn hour_of(time: Timestamp) -> u32 {
    u32::try_from(time.as_ms().div_euclid(HOUR_MS)).unwrap_or(0)
}

/// When an hour begins.
#[must_use]
pub fn start_of(hour: u32) -> Timestamp {
    Timestamp::from_ms(i64::from(hour).saturating_mul(HOUR_MS)).unwrap_or(Timestamp::EPOCH)
}

/// How many minutes are over since 1970; none before.
#[must_use]
pub fn minute_of(time: Timestamp) -> u32 {
    u32::try_from(time.as_ms().div_euclid(MINUTE_MS)).unwrap_or(0)
}

/// When a minute begins.
#[must_use]
pub fn start_of_minute(minute: u32) -> Timestamp {
    Timestamp::from_ms(i64::from(minute).saturating_mul(MINUTE_MS)).unwrap_or(Timestamp::EPOCH)
}

/// What usage is summed up by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Period {
    /// All that is asked for, in one.
    Total,
    /// Each hour.
    Hour,
    /// Each day.
    Day,
    /// Each month of the calendar.
    Month,
}

impl Period {
    /// The first hour of the period that `hour` is in, of what is asked for from the hour `from` on.
    #[must_use]
    pub fn first_hour(self, hour: u32, from: u32) -> u32 {
        match self {
            Self::Total => from,
            Self::Hour => hour,
            Self::Day => hour.saturating_sub(hour % HOURS_A_DAY),
            Self::Month => month_of(hour).unwrap_or(hour),
        }
    }
}

fn month_of(hour: u32) -> Option<u32> {
    let utc = jiff::tz::TimeZone::UTC;
    let time = jiff::Timestamp::from_millisecond(start_of(hour).as_ms()).ok()?;
    let first = time.to_zoned_datetime(utc.clone()).date().first_of_month().to_zoned_datetime(utc).ok()?;
    Timestamp::from_ms(first.timestamp().as_millisecond()).ok().map(hour_of)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hour(text: &str) -> u32 {
        let time: jiff::Timestamp = text.parse().unwrap();
        hour_of(Timestamp::from_ms(time.as_millisecond()).unwrap())
    }

    #[test]
    fn periods_begin_where_the_calendar_says() {
        let now = hour("2028-02-29T23:59:59.999Z");
        let from = hour("2027-05-05T05:00:00Z");
        assert_eq!(Period::Total.first_hour(now, from), from);
        assert_eq!(Period::Hour.first_hour(now, from), hour("2028-02-29T23:00:00Z"));
        assert_eq!(Period::Day.first_hour(now, from), hour("2028-02-29T00:00:00Z"));
        assert_eq!(Period::Month.first_hour(now, from), hour("2028-02-01T00:00:00Z"));
        assert_eq!(Period::Month.first_hour(hour("2028-03-01T00:00:00Z"), from), now + 1);
        assert_eq!(Period::Month.first_hour(0, 0), 0);
        assert_eq!(hour_of(Timestamp::from_ms(-1).unwrap()), 0);
        assert_eq!(start_of(now).as_ms(), i64::from(now) * HOUR_MS);
    }
}
