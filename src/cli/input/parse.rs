//! What a person writes behind a flag, turned into what the wire wants. No I/O, no clock.

use std::{collections::BTreeMap, ffi::OsStr, str::FromStr, time::Duration};

use clap::{
    Arg, Command,
    builder::TypedValueParser,
    error::{Error, ErrorKind},
};
use jiff::{SignedDuration, Span, SpanRelativeTo, Timestamp};

use crate::{
    cli::{failure::Failure, output::time},
    domain::caller_id::CallerId,
    wire::v1::{Grant, ScopeGroup},
};

/// When a key is to end: one of the two that the wire has for it. A duration goes out as one, so that the server counts it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::cli) enum Expiry {
    At(prost_types::Timestamp),
    In(prost_types::Duration),
}

impl Expiry {
    /// The end, if it was written as a time: to the millisecond.
    pub(in crate::cli) fn expire_time(self) -> Option<prost_types::Timestamp> {
        match self {
            Self::At(end) => {
                let nanos = end.nanos - end.nanos.rem_euclid(1_000_000);
                Some(prost_types::Timestamp { nanos, ..end })
            }
            Self::In(_) => None,
        }
    }

    /// How long the key is good, if it was written as a duration.
    pub(in crate::cli) const fn lifetime(self) -> Option<prost_types::Duration> {
        match self {
            Self::At(_) => None,
            Self::In(length) => Some(length),
        }
    }
}

/// A moment that a flag looks back to: a time, a date, or how long ago it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::cli) enum LookBack {
    At(prost_types::Timestamp),
    Ago(SignedDuration),
}

impl LookBack {
    /// Whether the same words mean another moment later.
    pub(in crate::cli) const fn moves(self) -> bool {
        matches!(self, Self::Ago(_))
    }

    /// The moment as the wire has it; a duration goes back from `now`, the time when the command began.
    pub(in crate::cli) fn resolve(self, now: Timestamp) -> Result<prost_types::Timestamp, Failure> {
        match self {
            Self::At(time) => Ok(time),
            Self::Ago(length) => {
                let moment = now.checked_sub(length);
                let beyond = |_error| Failure::input("a duration goes back beyond the calendar");
                moment.map(time::to_wire).map_err(beyond)
            }
        }
    }
}

/// A time, a date, or a duration that the server counts from the time of the change.
pub(in crate::cli) fn expiry(text: &str) -> Result<Expiry, String> {
    if let Some(time) = time::read_or_date(text) {
        return Ok(Expiry::At(time));
    }
    match duration(text) {
        Ok(length) if length.is_zero() => Err("the end must lie in the future".to_owned()),
        Ok(length) => Ok(Expiry::In(time::duration_to_wire(length))),
        Err(reason) => Err(no_moment(&reason)),
    }
}

/// A time, a date, or a duration that goes back from now.
pub(in crate::cli) fn moment(text: &str) -> Result<LookBack, String> {
    match time::read_or_date(text) {
        Some(time) => Ok(LookBack::At(time)),
        None => duration(text).map(LookBack::Ago).map_err(|reason| no_moment(&reason)),
    }
}

fn no_moment(reason: &str) -> String {
    format!(
        "neither a time such as 2027-01-31T00:00:00Z, nor a date such as 2027-01-31, nor a duration: {reason}"
    )
}

/// A time or a date, where no clock is at hand that a duration could be counted from.
pub(in crate::cli) fn instant(text: &str) -> Result<prost_types::Timestamp, String> {
    time::read_or_date(text).ok_or_else(|| {
        let what = if duration(text).is_ok() { "a lifetime is no time" } else { "not a time" };
        format!("{what}: write for example 2027-01-31T00:00:00Z, or 2027-01-31")
    })
}

/// A duration such as `90d`, `24h`, `1h30m` or `0`. A day has 24 hours; months and years have no fixed length and are refused.
pub(in crate::cli) fn duration(text: &str) -> Result<SignedDuration, String> {
    if text == "0" {
        return Ok(SignedDuration::ZERO);
    }
    let span = Span::from_str(text).map_err(|_error| no_duration(text))?;
    if span.get_years() != 0 || span.get_months() != 0 {
        return Err("months and years differ in length; write days, for example 90d".to_owned());
    }
    let length = span.to_duration(SpanRelativeTo::days_are_24_hours()).map_err(|error| error.to_string())?;
    if length.is_negative() { Err("a duration cannot be negative".to_owned()) } else { Ok(length) }
}

/// Why a text is no duration.
fn no_duration(text: &str) -> String {
    const EXAMPLE: &str = "write for example 90d, 24h, 15m or 0";
    let digits = |text: &str| text.bytes().any(|byte| byte.is_ascii_digit());
    let why = if text.is_empty() {
        "it is empty"
    } else if time::read_or_date(text).is_some() {
        "it is a time, and a length is wanted"
    } else if !digits(text) {
        "it has no number in digits"
    } else if text.bytes().all(|byte| byte.is_ascii_digit()) {
        "it has no unit: w, d, h, m or s"
    } else {
        "it is no number with a unit: w, d, h, m or s"
    };
    format!("{why}; {EXAMPLE}")
}

/// A duration longer than nothing.
pub(in crate::cli) fn timeout(text: &str) -> Result<Duration, String> {
    let length = duration(text)?;
    let unsigned = Duration::try_from(length).map_err(|error| error.to_string())?;
    if unsigned.is_zero() { Err("must be longer than 0".to_owned()) } else { Ok(unsigned) }
}

/// `scope@resource[,resource…]`.
pub(in crate::cli) fn grant(text: &str) -> Result<Grant, String> {
    const FORM: &str = "write scope@resource[,resource…], for example storage:upload@space/cdn-eu";
    let (scope, resources) = text.split_once('@').ok_or(FORM)?;
    let resources: Vec<String> = resources.split(',').map(str::to_owned).collect();
    if scope.is_empty() || resources.iter().any(String::is_empty) {
        return Err(FORM.to_owned());
    }
    Ok(Grant { scope: scope.to_owned(), resources })
}

/// `scope[,scope…]`, of which one is needed.
pub(in crate::cli) fn scope_group(text: &str) -> Result<ScopeGroup, String> {
    let scopes: Vec<String> = text.split(',').map(str::to_owned).collect();
    if scopes.iter().any(String::is_empty) {
        return Err("write scope[,scope…], for example storage:read,storage:upload".to_owned());
    }
    Ok(ScopeGroup { scopes })
}

/// `name=value`; the value may be empty and may hold more `=`.
pub(in crate::cli) fn pair(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("write name=value".to_owned()),
    }
}

/// Labels by name; a name given twice is refused, because one of the values would be lost.
pub(in crate::cli) fn metadata(pairs: Vec<(String, String)>) -> Result<BTreeMap<String, String>, Failure> {
    let mut map = BTreeMap::new();
    for (name, value) in pairs {
        if map.insert(name.clone(), value).is_some() {
            return Err(Failure::input(format!("--metadata {name} is given twice")));
        }
    }
    Ok(map)
}

/// Takes a key's public id, and refuses anything else without repeating it: it might be an API key.
#[derive(Clone, Copy)]
pub(in crate::cli) struct KeyId;

impl TypedValueParser for KeyId {
    type Value = String;

    fn parse_ref(&self, command: &Command, _: Option<&Arg>, value: &OsStr) -> Result<String, Error> {
        let is_id = |text: &&str| {
            text.starts_with("key_") && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
        };
        value.to_str().filter(is_id).map(str::to_owned).ok_or_else(|| {
            refusal(command, "a key is named here by its public id, key_…; `keyward list` shows the ids")
        })
    }
}

/// Takes a key's public id, or `actor:` and the id of an actor; anything else as [`KeyId`] does.
#[derive(Clone, Copy)]
pub(in crate::cli) struct KeyOrActor;

impl TypedValueParser for KeyOrActor {
    type Value = String;

    fn parse_ref(&self, command: &Command, arg: Option<&Arg>, value: &OsStr) -> Result<String, Error> {
        let caller = value.to_str().and_then(|text| CallerId::parse(text).ok());
        match caller.filter(|caller| caller.key().is_none()) {
            Some(actor) => Ok(actor.to_text()),
            None => KeyId.parse_ref(command, arg, value),
        }
    }
}

/// Takes `-` for standard input, and refuses anything else without repeating it: it might be an API key.
#[derive(Clone, Copy)]
pub(in crate::cli) struct Dash;

impl TypedValueParser for Dash {
    type Value = ();

    fn parse_ref(&self, command: &Command, _: Option<&Arg>, value: &OsStr) -> Result<(), Error> {
        if value == "-" {
            return Ok(());
        }
        Err(refusal(
            command,
            "an API key is never an argument, where every process can read it: \
             pipe it into standard input, or name its file with --key-file",
        ))
    }
}

fn refusal(command: &Command, message: &str) -> Error {
    Error::raw(ErrorKind::ValueValidation, format!("{message}\n")).with_cmd(command)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: i64 = 3_600;

    #[test]
    fn durations_are_written_as_people_write_them() {
        for (text, seconds) in [
            ("0", Some(0)),
            ("0s", Some(0)),
            ("15m", Some(900)),
            ("24h", Some(24 * HOUR)),
            ("90d", Some(90 * 24 * HOUR)),
            ("2w", Some(14 * 24 * HOUR)),
            ("1h30m", Some(5_400)),
            ("1 day 2 hours", Some(26 * HOUR)),
            ("PT36H", Some(36 * HOUR)),
            ("", None),
            ("90", None),
            ("-1h", None),
            ("1h ago", None),
            ("1mo", None),
            ("1y", None),
            ("soon", None),
        ] {
            assert_eq!(duration(text).ok().map(|d| d.as_secs()), seconds, "{text:?}");
        }
    }

    #[test]
    fn an_expiry_is_a_time_or_a_duration_and_goes_out_as_it_was_written() {
        // K11
        let at = |seconds| Some(Expiry::At(prost_types::Timestamp { seconds, nanos: 0 }));
        let after = |seconds, nanos| Some(Expiry::In(prost_types::Duration { seconds, nanos }));
        for (text, end) in [
            ("1970-01-12T13:46:41Z", at(1_000_001)),
            ("1970-01-12T14:46:41+01:00", at(1_000_001)),
            ("9999-12-31T23:59:59Z", at(253_402_300_799)),
            ("12h", after(12 * HOUR, 0)),
            ("90d", after(90 * 24 * HOUR, 0)),
            ("1500ms", after(1, 500_000_000)),
            ("2027-01-31", at(1_801_353_600)),
            ("2027-02-29", None),
            ("2027-01-31T00:00", None),
            ("2027-1-31", None),
            ("0", None),
            ("tomorrow", None),
        ] {
            assert_eq!(expiry(text).ok(), end, "{text:?}");
        }
        let sharp = prost_types::Timestamp { seconds: 5, nanos: 123_456_789 };
        assert_eq!(Expiry::At(sharp).expire_time().unwrap().nanos, 123_000_000);
    }

    #[test]
    fn a_moment_is_a_time_a_date_or_how_long_ago_it_was() {
        // M4
        let now = Timestamp::from_second(1_801_353_600).unwrap();
        for (text, second) in [
            ("2027-01-31T00:00:01Z", Some(1_801_353_601)),
            ("2027-01-31T01:00:00+01:00", Some(1_801_353_600)),
            ("2026-11-23", Some(1_795_392_000)),
            ("9999-12-31", Some(253_402_214_400)),
            ("7d", Some(1_801_353_600 - 7 * 24 * HOUR)),
            ("1h30m", Some(1_801_353_600 - 5_400)),
            ("0", Some(1_801_353_600)),
            ("2026-11-31", None),
            ("2026-11", None),
            ("23.11.2026", None),
            ("1mo", None),
            ("last week", None),
            ("", None),
        ] {
            let found = moment(text).ok().and_then(|moment| moment.resolve(now).ok());
            assert_eq!(found.map(|time| time.seconds), second, "{text:?}");
        }
        assert!(moment("90").unwrap_err().contains("2027-01-31T00:00:00Z, nor a date such as 2027-01-31"));
        assert!(duration("2026-11-23").unwrap_err().contains("it is a time, and a length is wanted"));
        assert!(moment("99999999w").map_or(true, |moment| moment.resolve(now).is_err()));
        assert!(moment("7d").unwrap().moves() && !moment("2026-11-23").unwrap().moves());
    }

    #[test]
    fn a_lifetime_in_words_is_told_what_is_wrong_with_it() {
        for (text, words) in [
            ("ninety days", "it has no number in digits"),
            ("soon", "it has no number in digits"),
            ("", "it is empty"),
            ("90", "it has no unit"),
            ("90 fortnights", "it is no number with a unit"),
            ("in 90 days", "it is no number with a unit"),
            ("3 months", "months and years differ in length"),
            ("1 year", "months and years differ in length"),
        ] {
            let why = expiry(text).unwrap_err();
            assert!(why.contains(words), "{text:?}: {why}");
        }
        for (text, words) in
            [("90d", "a lifetime is no time"), ("90 days", "a lifetime is no time"), ("never", "not a time")]
        {
            let why = instant(text).unwrap_err();
            assert!(why.contains(words) && why.contains("2027-01-31T00:00:00Z"), "{text:?}: {why}");
        }
    }

    #[test]
    fn grants_name_a_scope_and_its_resources() {
        for (text, parts) in [
            ("storage:upload@space/cdn-eu", Some(("storage:upload", vec!["space/cdn-eu"]))),
            ("a:b@x/1,y/*", Some(("a:b", vec!["x/1", "y/*"]))),
            ("a:b@mail/me@home", Some(("a:b", vec!["mail/me@home"]))),
            ("a:b", None),
            ("a:b@", None),
            ("@x", None),
            ("a:b@x,,y", None),
        ] {
            let found = grant(text).ok();
            let wanted = parts.map(|(scope, resources)| Grant {
                scope: scope.to_owned(),
                resources: resources.into_iter().map(str::to_owned).collect(),
            });
            assert_eq!(found, wanted, "{text:?}");
        }
    }

    #[test]
    fn labels_are_name_and_value() {
        for (text, parts) in [
            ("team=payments", Some(("team", "payments"))),
            ("note=a=b", Some(("note", "a=b"))),
            ("empty=", Some(("empty", ""))),
            ("=x", None),
            ("x", None),
        ] {
            let found = pair(text).ok();
            assert_eq!(found, parts.map(|(name, value)| (name.to_owned(), value.to_owned())), "{text:?}");
        }
        assert!(metadata(vec![("a".into(), "1".into()), ("a".into(), "2".into())]).is_err());
    }

    #[test]
    fn groups_and_timeouts_are_not_empty() {
        assert_eq!(scope_group("a:b,c:d").unwrap().scopes, ["a:b", "c:d"]);
        assert!(scope_group("a:b,").is_err());
        assert_eq!(timeout("10s").unwrap(), Duration::from_secs(10));
        assert!(timeout("0").is_err());
    }

    #[test]
    fn a_secret_in_the_wrong_place_is_not_repeated() {
        let command = Command::new("test");
        let secret = OsStr::new("kw_live_0123456789");
        let id = KeyId.parse_ref(&command, None, secret).unwrap_err().to_string();
        let dash = Dash.parse_ref(&command, None, secret).unwrap_err().to_string();
        assert!(!id.contains("0123") && !dash.contains("0123"), "{id}{dash}");
        assert_eq!(KeyId.parse_ref(&command, None, OsStr::new("key_0abc")).unwrap(), "key_0abc");
        assert!(Dash.parse_ref(&command, None, OsStr::new("-")).is_ok());
    }
}
