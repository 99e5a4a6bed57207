//! Times and durations between the wire, the eye and scripts: always UTC, always RFC 3339.

use std::str::FromStr as _;

use jiff::{SignedDuration, Timestamp, civil};

use crate::wire::json::{EPOCH, signed};
pub(in crate::cli) use crate::wire::json::{duration_seconds, rfc3339};

/// A point in time as the wire has it.
pub(in crate::cli) fn to_wire(time: Timestamp) -> prost_types::Timestamp {
    prost_types::Timestamp { seconds: time.as_second(), nanos: time.subsec_nanosecond() }
}

/// An RFC 3339 time, up to the end of the year 9999; `None` for any other text.
pub(in crate::cli) fn read(text: &str) -> Option<prost_types::Timestamp> {
    if let Ok(time) = Timestamp::from_str(text) {
        return Some(to_wire(time));
    }
    // The library's own times end a day earlier, so that they can be shown in every zone.
    let utc = ["Z", "z", "+00:00", "-00:00"].into_iter().find_map(|end| text.strip_suffix(end))?;
    let since = civil::DateTime::from_str(utc).ok()?.duration_since(EPOCH);
    let (seconds, nanos) = (since.as_secs(), since.subsec_nanos());
    (seconds > 0 && utc.contains(['T', 't', ' '])).then_some(prost_types::Timestamp { seconds, nanos })
}

/// A time as [`read`] takes it, or a date, which is its first moment in UTC.
pub(in crate::cli) fn read_or_date(text: &str) -> Option<prost_types::Timestamp> {
    read(text).or_else(|| {
        let is_date = text.len() == 10 && text.split('-').map(str::len).eq([4, 2, 2]);
        is_date.then(|| read(&format!("{text}T00:00:00Z"))).flatten()
    })
}

/// A duration as the wire has it.
pub(in crate::cli) fn duration_to_wire(duration: SignedDuration) -> prost_types::Duration {
    prost_types::Duration { seconds: duration.as_secs(), nanos: duration.subsec_nanos() }
}

/// RFC 3339, for example `2027-01-31T09:30:00.25Z`. Empty when absent.
pub(in crate::cli) fn shown(time: Option<&prost_types::Timestamp>) -> String {
    time.map(rfc3339).unwrap_or_default()
}

/// For a person whose time is `now`, how far away it is: `3h ago`, `in 12d`; without one, as [`shown`].
pub(in crate::cli) fn seen(time: Option<&prost_types::Timestamp>, now: Option<Timestamp>) -> String {
    let Some((time, now)) = time.zip(now) else { return shown(time) };
    let away = i128::from(time.seconds) - i128::from(now.as_second());
    let length = away.unsigned_abs();
    let (count, unit) = match length {
        0..60 => (length, "s"),
        60..3_600 => (length / 60, "min"),
        3_600..172_800 => (length / 3_600, "h"),
        172_800..63_072_000 => (length / 86_400, "d"),
        _ => (length / 31_556_952, "y"),
    };
    match away {
        0 => "now".to_owned(),
        1.. => format!("in {count}{unit}"),
        _ => format!("{count}{unit} ago"),
    }
}

/// For eyes, for example `90d`, `24h` or `1m 30s`. Empty when absent.
pub(in crate::cli) fn duration_shown(duration: Option<&prost_types::Duration>) -> String {
    duration.map(|d| in_days_if_whole(signed(d))).unwrap_or_default()
}

/// As it can be typed as an argument: the same without blanks.
pub(in crate::cli) fn duration_typed(duration: SignedDuration) -> String {
    in_days_if_whole(duration).replace(' ', "")
}

/// From two days on, whole days are easier to grasp than hours.
fn in_days_if_whole(duration: SignedDuration) -> String {
    match (duration.as_hours() / 24, duration) {
        (days, whole) if days > 1 && whole == SignedDuration::from_hours(days * 24) => format!("{days}d"),
        (_, other) => format!("{other:#}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::input::parse;

    #[test]
    fn times_are_rfc_3339_in_utc() {
        for ((seconds, nanos), text) in [
            ((0, 0), "1970-01-01T00:00:00Z"),
            ((1_801_387_800, 250_000_000), "2027-01-31T09:30:00.25Z"),
            ((253_402_300_799, 0), "9999-12-31T23:59:59Z"),
            ((253_402_300_799, 999_000_000), "9999-12-31T23:59:59.999Z"),
            ((i64::MAX, 0), "9223372036854775807 s 0 ns"),
        ] {
            assert_eq!(rfc3339(&prost_types::Timestamp { seconds, nanos }), text);
        }
        assert_eq!(shown(None), "");
        for text in ["2027-01-31T09:30:00.25Z", "9999-12-31T23:59:59Z", "9999-12-31T23:59:59.999Z"] {
            assert_eq!(shown(read(text).as_ref()), text, "what is shown can be typed");
        }
        assert_eq!(read("9999-12-31T23:59:59+00:00"), read("9999-12-31T23:59:59Z"));
        for none in
            ["9999-12-31", "9999-12-31Z", "9999-12-32T00:00:00Z", "10000-01-01T00:00:00Z", "never", "Z"]
        {
            assert_eq!(read(none), None, "{none}");
        }
    }

    #[test]
    fn a_person_is_told_how_far_away_a_time_is() {
        let now = Timestamp::from_second(1_795_000_000).unwrap();
        for (away, shown) in [
            (0, "now"),
            (-1, "1s ago"),
            (59, "in 59s"),
            (-60, "1min ago"),
            (-3_599, "59min ago"),
            (3_600, "in 1h"),
            (-172_799, "47h ago"),
            (172_800, "in 2d"),
            (90 * 86_400, "in 90d"),
            (-729 * 86_400, "729d ago"),
            (730 * 86_400, "in 1y"),
            (-1_795_000_000, "56y ago"),
        ] {
            let time = prost_types::Timestamp { seconds: now.as_second() + away, nanos: 999 };
            assert_eq!(seen(Some(&time), Some(now)), shown);
        }
        let far = prost_types::Timestamp { seconds: i64::MIN, nanos: 0 };
        assert_eq!(seen(Some(&far), Some(now)), "292277024683y ago");
        assert_eq!(seen(None, Some(now)), "");
        assert_eq!(seen(Some(&prost_types::Timestamp::default()), None), "1970-01-01T00:00:00Z");
    }

    #[test]
    fn durations_read_well_and_script_well() {
        for ((seconds, nanos), eyes, script) in [
            ((0, 0), "0s", "0s"),
            ((42, 0), "42s", "42s"),
            ((90, 0), "1m 30s", "90s"),
            ((86_400, 0), "24h", "86400s"),
            ((90 * 86_400, 0), "90d", "7776000s"),
            ((90 * 86_400 + 1, 0), "2160h 1s", "7776001s"),
            ((3, 500_000_000), "3s 500ms", "3.5s"),
            ((0, -500_000_000), "500ms ago", "-0.5s"),
        ] {
            let duration = prost_types::Duration { seconds, nanos };
            assert_eq!(duration_shown(Some(&duration)), eyes);
            assert_eq!(duration_seconds(&duration), script);
            if seconds >= 0 && nanos >= 0 {
                assert_eq!(parse::duration(&duration_typed(signed(&duration))), Ok(signed(&duration)));
            }
        }
    }
}
