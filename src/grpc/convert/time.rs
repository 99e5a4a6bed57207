//! Times and durations.

use std::time::Duration;

use crate::{
    domain::{
        ending::{Ending, Lifetime},
        key::{DEFAULT_GRACE, MAX_GRACE},
        parse::ParseError,
        time::Timestamp,
    },
    error::OperationError,
};

const TIME: &str = "a time within the years 1 to 9999, with 0 to 999,999,999 nanos";
const DURATION: &str = "a duration of 0 or more, at most 3,660 days, with 0 to 999,999,999 nanos";
const GRACE: &str = "0 to 366 days, or absent for 24 hours";
const MAX_SECONDS: i64 = 3_660 * 24 * 60 * 60;

/// A point in time, to the millisecond; what is finer is cut off, so that an expiry comes no later than asked.
pub(super) fn timestamp(field: &str, time: prost_types::Timestamp) -> Result<Timestamp, OperationError> {
    let invalid = || OperationError::invalid(field, ParseError::new(TIME));
    let nanos = u32::try_from(time.nanos).ok().filter(|nanos| *nanos < 1_000_000_000).ok_or_else(invalid)?;
    let ms = time.seconds.checked_mul(1_000).and_then(|ms| ms.checked_add(i64::from(nanos / 1_000_000)));
    ms.and_then(|ms| Timestamp::from_ms(ms).ok()).ok_or_else(invalid)
}

/// A duration that is not negative.
pub(super) fn duration(field: &str, duration: prost_types::Duration) -> Result<Duration, OperationError> {
    let invalid = || OperationError::invalid(field, ParseError::new(DURATION));
    let nanos =
        u32::try_from(duration.nanos).ok().filter(|nanos| *nanos < 1_000_000_000).ok_or_else(invalid)?;
    let seconds = u64::try_from(duration.seconds).ok().filter(|_| duration.seconds <= MAX_SECONDS);
    seconds.map(|seconds| Duration::new(seconds, nanos)).ok_or_else(invalid)
}

/// When a key is to end: at the one, or so long from the change on as the other says (K11). Each comes with its field's path.
pub(super) fn ending(
    (at, expire_time): (&str, Option<prost_types::Timestamp>),
    (after, lifetime): (&str, Option<prost_types::Duration>),
) -> Result<Ending, OperationError> {
    match (expire_time, lifetime) {
        (None, None) => Ok(Ending::Never),
        (Some(asked), None) => Ok(Ending::At(timestamp(at, asked)?)),
        (None, Some(asked)) => Ok(Ending::After(self::lifetime(after, asked)?)),
        (Some(_), Some(_)) => {
            let why = format!("absent where `{at}` is given: both say when the key ends, and one may");
            Err(OperationError::invalid(after, ParseError::owned(why)))
        }
    }
}

/// A lifetime. Every refusal says all that it must be.
fn lifetime(field: &str, asked: prost_types::Duration) -> Result<Lifetime, OperationError> {
    let seconds = u64::try_from(asked.seconds).ok();
    let nanos = u32::try_from(asked.nanos).ok().filter(|nanos| *nanos < 1_000_000_000);
    let length = seconds.zip(nanos).map(|(seconds, nanos)| Duration::new(seconds, nanos));
    let lifetime = length.map_or_else(|| Err(Lifetime::refusal()), Lifetime::new);
    lifetime.map_err(|why| OperationError::invalid(field, why))
}

/// The grace of a rotation.
pub(in crate::grpc) fn grace(asked: Option<prost_types::Duration>) -> Result<Duration, OperationError> {
    let Some(asked) = asked else { return Ok(DEFAULT_GRACE) };
    let invalid = || OperationError::invalid("grace_period", ParseError::new(GRACE));
    let grace = duration("grace_period", asked).ok().filter(|grace| *grace <= MAX_GRACE);
    // A grace is kept in milliseconds; the shortest one is not none, which would end all earlier secrets.
    let whole = |grace: Duration| {
        Duration::from_millis(u64::try_from(grace.as_nanos().div_ceil(1_000_000)).unwrap_or(0))
    };
    grace.map(whole).ok_or_else(invalid)
}

/// The grace of a secret that is retiring already.
pub(in crate::grpc) fn required_grace(
    asked: Option<prost_types::Duration>,
) -> Result<Duration, OperationError> {
    let why = ParseError::new("0 to 366 days from now on; 0 ends it now");
    let missing = || OperationError::invalid("grace", why.clone());
    grace(Some(asked.ok_or_else(missing)?)).map_err(|_too_long| missing())
}

/// A point in time for the wire.
pub(super) fn to_wire(time: Timestamp) -> prost_types::Timestamp {
    let ms = time.as_ms();
    let nanos = i32::try_from(ms.rem_euclid(1_000) * 1_000_000).unwrap_or(0);
    prost_types::Timestamp { seconds: ms.div_euclid(1_000), nanos }
}

/// A duration for the wire.
pub(super) fn duration_to_wire(duration: Duration) -> prost_types::Duration {
    let seconds = i64::try_from(duration.as_secs()).unwrap_or(i64::MAX);
    prost_types::Duration { seconds, nanos: i32::try_from(duration.subsec_nanos()).unwrap_or(0) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn absurd_times_are_refused() {
        let read =
            |seconds, nanos| timestamp("t", prost_types::Timestamp { seconds, nanos }).map(Timestamp::as_ms);
        assert_eq!(read(0, 999_999_999), Ok(999));
        assert_eq!(read(-1, 0), Ok(-1_000));
        assert_eq!(read(253_402_300_799, 999_999_999), Ok(253_402_300_799_999));
        for (seconds, nanos) in
            [(0, -1), (0, 1_000_000_000), (0, i32::MIN), (253_402_300_800, 0), (i64::MAX, 0), (i64::MIN, 0)]
        {
            assert!(read(seconds, nanos).is_err(), "{seconds} {nanos}");
        }
    }

    #[test]
    fn an_absurd_lifetime_is_refused_and_says_what_one_is() {
        // K11
        let read = |seconds, nanos| {
            let asked = Some(prost_types::Duration { seconds, nanos });
            ending(("expire_time", None), ("lifetime", asked))
        };
        assert!(
            read(90 * 86_400, 0).is_ok() && read(0, 1_000_000).is_ok() && read(36_525 * 86_400, 0).is_ok()
        );
        for (seconds, nanos) in [
            (0, 0),
            (-1, 0),
            (0, -1),
            (1, -1),
            (0, 1),
            (1, 1_000_000_000),
            (36_525 * 86_400, 1_000_000),
            (i64::MAX, 0),
            (i64::MIN, i32::MIN),
        ] {
            let refused = OperationError::invalid("lifetime", Lifetime::refusal());
            assert_eq!(read(seconds, nanos), Err(refused), "{seconds} {nanos}");
        }
    }

    #[test]
    fn a_grace_is_never_negative() {
        // R2
        let read = |seconds, nanos| grace(Some(prost_types::Duration { seconds, nanos }));
        assert_eq!(grace(None), Ok(Duration::from_hours(24)));
        assert_eq!(read(0, 0), Ok(Duration::ZERO));
        assert_eq!(read(0, 1), Ok(Duration::from_millis(1)), "the shortest grace is not none");
        for (seconds, nanos) in [(-1, 0), (0, -1), (1, -1), (366 * 86_400, 1), (i64::MAX, 0), (0, i32::MAX)] {
            assert!(read(seconds, nanos).is_err(), "{seconds} {nanos}");
        }
    }

    #[test]
    fn times_before_1970_keep_their_nanos_positive() {
        let time = to_wire(Timestamp::from_ms(-1).unwrap());
        assert_eq!((time.seconds, time.nanos), (-1, 999_000_000));
    }
}
