//! Windows of the calendar: where the one begins and ends that a time is in.

use jiff::{ToSpan as _, ZonedDateTime, tz::TimeZone};

use crate::domain::{policy::Calendar, time::Timestamp};

const MINUTE_MS: i64 = 60_000;
const HOUR_MS: i64 = 60 * MINUTE_MS;

/// The window that `now` is in: its first millisecond and that of the next, in milliseconds since 1970.
///
/// A day or a month is as long as its time zone makes it: 23 hours where the clock is put forward.
pub(super) fn window(unit: Calendar, zone: &TimeZone, now: Timestamp) -> (i64, i64) {
    let now = now.as_ms();
    let by_the_clock = |length: i64| {
        let start = now.saturating_sub(now.rem_euclid(length));
        (start, start.saturating_add(length))
    };
    let found = match unit {
        Calendar::Minute => return by_the_clock(MINUTE_MS),
        Calendar::Hour => return by_the_clock(HOUR_MS),
        Calendar::Day => day(zone, now),
        Calendar::Month => month(zone, now),
    };
    // Only at the ends of the years that there are, where no window follows.
    found.ok().filter(|(start, end)| (*start..*end).contains(&now)).unwrap_or((now, i64::MAX))
}

fn day(zone: &TimeZone, now: i64) -> Result<(i64, i64), jiff::Error> {
    let start = at(zone, now)?.start_of_day()?;
    let end = start.tomorrow()?.start_of_day()?;
    Ok((ms(&start), ms(&end)))
}

fn month(zone: &TimeZone, now: i64) -> Result<(i64, i64), jiff::Error> {
    let start = at(zone, now)?.first_of_month()?.start_of_day()?;
    let end = start.checked_add(1.month())?.start_of_day()?;
    Ok((ms(&start), ms(&end)))
}

fn at(zone: &TimeZone, now: i64) -> Result<ZonedDateTime, jiff::Error> {
    Ok(jiff::Timestamp::from_millisecond(now)?.to_zoned_datetime(zone.clone()))
}

fn ms(time: &ZonedDateTime) -> i64 {
    time.timestamp().as_millisecond()
}

#[cfg(test)]
mod tests {
    use jiff::tz::TimeZoneDatabase;

    use super::*;

    fn at(text: &str) -> Timestamp {
        let time: jiff::Timestamp = text.parse().unwrap();
        Timestamp::from_ms(time.as_millisecond()).unwrap()
    }

    #[track_caller]
    fn holds(unit: Calendar, zone: &str, now: &str, start: &str, end: &str) {
        let zone = TimeZoneDatabase::bundled().get(zone).unwrap();
        assert_eq!(window(unit, &zone, at(now)), (at(start).as_ms(), at(end).as_ms()), "{now}");
    }

    /// The days around one that is not 24 hours long, from midnight to midnight, as UTC has them.
    #[track_caller]
    fn days(zone: &str, midnights: [&str; 4], minutes: i64) {
        let named = zone;
        let zone = TimeZoneDatabase::bundled().get(zone).unwrap();
        let midnights = midnights.map(|text| at(text).as_ms());
        for pair in midnights.windows(2) {
            for now in [pair[0], pair[0] + 1, i64::midpoint(pair[0], pair[1]), pair[1] - 1] {
                let now = Timestamp::from_ms(now).unwrap();
                assert_eq!(window(Calendar::Day, &zone, now), (pair[0], pair[1]), "{named}: {now}");
            }
        }
        assert_eq!(midnights[2] - midnights[1], minutes * 60_000, "{named}");
    }

    #[test]
    fn a_day_is_as_long_as_its_zone_makes_it_to_the_millisecond() {
        // L3: from the tables of the IANA database, read with another library.
        days(
            "Antarctica/Troll",
            ["2027-03-27T00:00:00Z", "2027-03-28T00:00:00Z", "2027-03-28T22:00:00Z", "2027-03-29T22:00:00Z"],
            22 * 60,
        );
        days(
            "Antarctica/Troll",
            ["2027-10-29T22:00:00Z", "2027-10-30T22:00:00Z", "2027-11-01T00:00:00Z", "2027-11-02T00:00:00Z"],
            26 * 60,
        );
        days(
            "Australia/Lord_Howe",
            ["2027-04-02T13:00:00Z", "2027-04-03T13:00:00Z", "2027-04-04T13:30:00Z", "2027-04-05T13:30:00Z"],
            24 * 60 + 30,
        );
        days(
            "Australia/Lord_Howe",
            ["2027-10-01T13:30:00Z", "2027-10-02T13:30:00Z", "2027-10-03T13:00:00Z", "2027-10-04T13:00:00Z"],
            23 * 60 + 30,
        );
        // Where the hour that is missing, or comes twice, is the one at midnight.
        days(
            "America/Santiago",
            ["2027-04-02T03:00:00Z", "2027-04-03T03:00:00Z", "2027-04-04T04:00:00Z", "2027-04-05T04:00:00Z"],
            25 * 60,
        );
        days(
            "America/Santiago",
            ["2027-09-04T04:00:00Z", "2027-09-05T04:00:00Z", "2027-09-06T03:00:00Z", "2027-09-07T03:00:00Z"],
            23 * 60,
        );
    }

    #[test]
    fn a_midnight_that_comes_twice_begins_the_day_once() {
        // L3: the clock goes from 01:00 back to 00:00, and the day begins at the first of the two.
        days(
            "America/Havana",
            ["2027-11-06T04:00:00Z", "2027-11-07T04:00:00Z", "2027-11-08T05:00:00Z", "2027-11-09T05:00:00Z"],
            25 * 60,
        );
        holds(
            Calendar::Day,
            "America/Havana",
            "2027-11-07T05:30:00Z",
            "2027-11-07T04:00:00Z",
            "2027-11-08T05:00:00Z",
        );
        days(
            "America/Havana",
            ["2028-03-11T05:00:00Z", "2028-03-12T05:00:00Z", "2028-03-13T04:00:00Z", "2028-03-14T04:00:00Z"],
            23 * 60,
        );
    }

    #[test]
    fn a_month_with_such_a_day_is_as_long_as_its_zone_makes_it() {
        // L3
        for (zone, now, start, end, hours) in [
            (
                "Antarctica/Troll",
                "2027-03-28T21:59:59.999Z",
                "2027-03-01T00:00:00Z",
                "2027-03-31T22:00:00Z",
                742.0,
            ),
            (
                "Antarctica/Troll",
                "2027-10-30T23:30:00Z",
                "2027-09-30T22:00:00Z",
                "2027-11-01T00:00:00Z",
                746.0,
            ),
            (
                "Australia/Lord_Howe",
                "2027-04-03T14:45:00Z",
                "2027-03-31T13:00:00Z",
                "2027-04-30T13:30:00Z",
                720.5,
            ),
            (
                "Australia/Lord_Howe",
                "2027-10-02T15:30:00Z",
                "2027-09-30T13:30:00Z",
                "2027-10-31T13:00:00Z",
                743.5,
            ),
        ] {
            holds(Calendar::Month, zone, now, start, end);
            holds(Calendar::Month, zone, start, start, end);
            let length = at(end).saturating_since(at(start)).as_secs_f64() / 3_600.0;
            assert!((length - hours).abs() < 1e-9, "{zone}: {length}");
        }
    }

    #[test]
    fn a_day_that_a_zone_leaves_out_is_no_window() {
        // L3: Samoa went from 29 to 31 December 2011.
        let apia = "Pacific/Apia";
        holds(
            Calendar::Day,
            apia,
            "2011-12-30T09:59:59.999Z",
            "2011-12-29T10:00:00Z",
            "2011-12-30T10:00:00Z",
        );
        holds(Calendar::Day, apia, "2011-12-30T10:00:00Z", "2011-12-30T10:00:00Z", "2011-12-31T10:00:00Z");
    }

    #[test]
    fn windows_begin_and_end_with_the_calendar() {
        // L3
        let utc = "UTC";
        holds(
            Calendar::Minute,
            utc,
            "2026-03-29T01:30:59.999Z",
            "2026-03-29T01:30:00Z",
            "2026-03-29T01:31:00Z",
        );
        holds(Calendar::Hour, utc, "2026-03-29T01:00:00Z", "2026-03-29T01:00:00Z", "2026-03-29T02:00:00Z");
        holds(Calendar::Day, utc, "2026-12-31T23:59:59.999Z", "2026-12-31T00:00:00Z", "2027-01-01T00:00:00Z");
        holds(Calendar::Month, utc, "2028-02-29T12:00:00Z", "2028-02-01T00:00:00Z", "2028-03-01T00:00:00Z");
        holds(Calendar::Day, utc, "1969-12-31T12:00:00Z", "1969-12-31T00:00:00Z", "1970-01-01T00:00:00Z");
    }

    #[test]
    fn days_are_as_long_as_their_zone_makes_them() {
        // L3
        let berlin = "Europe/Berlin";
        holds(Calendar::Day, berlin, "2026-03-29T12:00:00Z", "2026-03-28T23:00:00Z", "2026-03-29T22:00:00Z");
        holds(Calendar::Day, berlin, "2026-10-25T00:30:00Z", "2026-10-24T22:00:00Z", "2026-10-25T23:00:00Z");
        holds(
            Calendar::Month,
            berlin,
            "2026-03-31T21:59:59Z",
            "2026-02-28T23:00:00Z",
            "2026-03-31T22:00:00Z",
        );
        // Here the clock is put forward at midnight: the day begins at one.
        let beirut = "Asia/Beirut";
        holds(Calendar::Day, beirut, "2026-03-29T05:00:00Z", "2026-03-28T22:00:00Z", "2026-03-29T21:00:00Z");
        // Here a whole day was left out.
        let apia = "Pacific/Apia";
        holds(Calendar::Day, apia, "2011-12-30T09:59:59Z", "2011-12-29T10:00:00Z", "2011-12-30T10:00:00Z");
        holds(Calendar::Day, apia, "2011-12-30T10:00:00Z", "2011-12-30T10:00:00Z", "2011-12-31T10:00:00Z");
    }

    #[test]
    fn every_time_is_in_its_window() {
        for zone in ["UTC", "America/Sao_Paulo", "Australia/Lord_Howe", "Africa/Casablanca", "Asia/Kathmandu"]
        {
            let zone = TimeZoneDatabase::bundled().get(zone).unwrap();
            for hour in 0..24 * 366 * 3 {
                let now = Timestamp::from_ms(1_700_000_000_000 + hour * 3_600_000).unwrap();
                for unit in [Calendar::Day, Calendar::Month] {
                    let (start, end) = window(unit, &zone, now);
                    assert!((start..end).contains(&now.as_ms()), "{zone:?} {unit:?} {now}");
                    assert!(end - start <= 32 * 86_400_000, "{zone:?} {unit:?} {now}");
                }
            }
        }
    }

    #[test]
    fn the_last_window_has_no_end() {
        let zone = TimeZone::UTC;
        for ms in [253_402_300_799_999, -62_135_596_800_000] {
            let now = Timestamp::from_ms(ms).unwrap();
            for unit in [Calendar::Minute, Calendar::Hour, Calendar::Day, Calendar::Month] {
                let (start, end) = window(unit, &zone, now);
                assert!(start <= ms && ms < end);
            }
        }
    }
}
