//! The `grpc-timeout` header: at most eight digits and a unit (gRPC over HTTP/2, "Timeout").

use std::time::Duration;

use http::{HeaderMap, HeaderName};

const GRPC_TIMEOUT: HeaderName = HeaderName::from_static("grpc-timeout");

/// The header is there, and is no timeout.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct TimeoutParseError;

/// How long the client will wait. Zero is allowed, because clients send it for a deadline that has passed.
pub(super) fn grpc_timeout(headers: &HeaderMap) -> Result<Option<Duration>, TimeoutParseError> {
    headers.get(GRPC_TIMEOUT).map(|value| parse(value.as_bytes()).ok_or(TimeoutParseError)).transpose()
}

fn parse(value: &[u8]) -> Option<Duration> {
    let (unit, digits) = value.split_last()?;
    if !(1..=8).contains(&digits.len()) {
        return None;
    }
    let amount = digits.iter().try_fold(0_u64, |amount, digit| {
        digit.is_ascii_digit().then(|| amount * 10 + u64::from(digit - b'0'))
    })?;
    match unit {
        b'H' => Some(Duration::from_secs(amount * 3600)),
        b'M' => Some(Duration::from_secs(amount * 60)),
        b'S' => Some(Duration::from_secs(amount)),
        b'm' => Some(Duration::from_millis(amount)),
        b'u' => Some(Duration::from_micros(amount)),
        b'n' => Some(Duration::from_nanos(amount)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_unit_is_read() {
        for (text, expected) in [
            ("1H", Duration::from_secs(3600)),
            ("2M", Duration::from_secs(120)),
            ("3S", Duration::from_secs(3)),
            ("4m", Duration::from_millis(4)),
            ("5u", Duration::from_micros(5)),
            ("6n", Duration::from_nanos(6)),
            ("0n", Duration::ZERO),
            ("99999999H", Duration::from_secs(359_999_996_400)),
        ] {
            assert_eq!(parse(text.as_bytes()), Some(expected), "{text}");
        }
    }

    #[test]
    fn what_is_no_timeout_is_refused() {
        for text in ["", "1", "S", "1s", "+1S", "-1S", "1.5S", " 1S", "1S ", "1 S", "100000000S", "\u{661}S"]
        {
            assert_eq!(parse(text.as_bytes()), None, "{text:?}");
        }
    }
}
