//! The limits that a policy declares: so many units in a window, and who shares the count.

use std::{str::FromStr, time::Duration};

use jiff::{Span, SpanRelativeTo, tz::TimeZone};

use super::LimitEntry;
use crate::domain::{parse::ParseError, text::Label, zones};

const MAX_UNITS: u64 = 1_000_000_000_000;
const MAX_WINDOW: Duration = Duration::from_secs(366 * 24 * 60 * 60);
const UNITS: ParseError = ParseError::new(
    "1 to 1,000,000,000,000; to deny all, grant no scope of the tier, or declare a route as denied",
);
/// What a time zone must be.
pub(super) const ZONE: ParseError = ParseError::new(
    "a zone of the time zone database in force (`keyward doctor` says which), for example Europe/Berlin, and none that stands for an \
     unknown place, such as Etc/Unknown",
);
const DURATION: ParseError =
    ParseError::new("a duration in whole seconds from 1s to 366d, for example 90d, 24h or 1h30m");

/// What limits over all tiers are shown under in the place of a tier; no tier has this name.
pub const ALL_TIERS: &str = "all";

/// A limit.
#[derive(Debug, Clone)]
pub struct Limit {
    /// Its name.
    pub name: Label,
    /// Units that are admitted; never zero. For a bucket, its size.
    pub limit: u64,
    /// How the units come back.
    pub window: Window,
    /// Who shares the count.
    pub per: Subject,
}

/// How units come back.
#[derive(Debug, Clone)]
pub enum Window {
    /// At the start of each of these.
    Calendar(Calendar, TimeZone),
    /// So long after they were used.
    Rolling(Duration),
    /// So many in so long, steadily.
    Bucket {
        /// Units that come back; never zero.
        refill: u64,
        /// In this time; never zero.
        every: Duration,
    },
}

/// A window of the calendar.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Calendar {
    /// A minute of the UTC clock.
    Minute,
    /// An hour of the UTC clock.
    Hour,
    /// A day of a time zone.
    Day,
    /// A month of a time zone.
    Month,
}

/// Who shares a count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Subject {
    /// Each key by itself.
    Key,
    /// All keys of one owner in one workspace.
    Owner,
    /// All keys of one workspace.
    Workspace,
}

impl Limit {
    /// Reads one; `fault` hears of each field that does not fit. Durations are put into their shortest form.
    pub(super) fn read(entry: &mut LimitEntry, fault: &mut dyn FnMut(&str, ParseError)) -> Option<Self> {
        let name = Label::parse(&entry.name).map_err(|why| fault("name", why)).ok();
        if !(1..=MAX_UNITS).contains(&entry.limit) {
            fault("limit", UNITS);
            return None;
        }
        let window = window(entry, fault);
        let per = match entry.per.as_str() {
            "" | "key" => Some(Subject::Key),
            "owner" => Some(Subject::Owner),
            "workspace" => Some(Subject::Workspace),
            _ => None,
        };
        if per.is_none() {
            fault("per", ParseError::new("`key`, `owner` or `workspace`"));
        }
        Some(Self { name: name?, limit: entry.limit, window: window?, per: per? })
    }
}

fn window(entry: &mut LimitEntry, fault: &mut dyn FnMut(&str, ParseError)) -> Option<Window> {
    let zone = zone(entry, fault);
    match (&entry.calendar, &mut entry.rolling, &mut entry.bucket) {
        (Some(unit), None, None) => {
            let unit = calendar(unit).map_err(|why| fault("calendar", why)).ok()?;
            let by_the_clock = matches!(unit, Calendar::Minute | Calendar::Hour);
            if by_the_clock && !entry.time_zone.is_empty() {
                fault(
                    "time_zone",
                    ParseError::new("empty for minutes and hours, which are those of the UTC clock"),
                );
                return None;
            }
            Some(Window::Calendar(unit, zone?))
        }
        (None, Some(length), None) => {
            duration_of(length).map_err(|why| fault("rolling", why)).ok().map(Window::Rolling)
        }
        (None, None, Some(bucket)) => {
            if !(1..=MAX_UNITS).contains(&bucket.refill) {
                fault("bucket.refill", ParseError::new("1 to 1,000,000,000,000"));
                return None;
            }
            let every = duration_of(&mut bucket.every).map_err(|why| fault("bucket.every", why)).ok()?;
            Some(Window::Bucket { refill: bucket.refill, every })
        }
        (_, _, _) => {
            fault("calendar", ParseError::new("given, or `rolling`, or `bucket`: exactly one of the three"));
            None
        }
    }
}

fn zone(entry: &LimitEntry, fault: &mut dyn FnMut(&str, ParseError)) -> Option<TimeZone> {
    if entry.time_zone.is_empty() {
        return Some(TimeZone::UTC);
    }
    if entry.calendar.is_none() {
        fault("time_zone", ParseError::new("empty, unless the window is a calendar day or month"));
        return None;
    }
    // What a new document must keep beyond this, `unusable_zones` says.
    zones::kept(&entry.time_zone).or_else(|| {
        fault("time_zone", ZONE);
        None
    })
}

fn calendar(text: &str) -> Result<Calendar, ParseError> {
    match text {
        "minute" => Ok(Calendar::Minute),
        "hour" => Ok(Calendar::Hour),
        "day" => Ok(Calendar::Day),
        "month" => Ok(Calendar::Month),
        _ => Err(ParseError::new("`minute`, `hour`, `day` or `month`")),
    }
}

fn duration_of(text: &mut String) -> Result<Duration, ParseError> {
    let length = duration(text)?;
    *text = show_duration(length);
    Ok(length)
}

/// Reads a duration such as `90d`, `24h` or `1h30m`; a day has 24 hours.
///
/// # Errors
/// Another form, a part of a second, less than a second or more than 366 days.
pub fn duration(text: &str) -> Result<Duration, ParseError> {
    let span = if text.len() <= 64 { Span::from_str(text).ok() } else { None };
    let span = span.filter(|span| span.get_years() == 0 && span.get_months() == 0);
    let length = span.and_then(|span| span.to_duration(SpanRelativeTo::days_are_24_hours()).ok());
    let length = length.and_then(|length| Duration::try_from(length).ok());
    let fits = |length: &Duration| {
        (Duration::from_secs(1)..=MAX_WINDOW).contains(length) && length.subsec_nanos() == 0
    };
    length.filter(fits).ok_or(DURATION)
}

/// A duration of whole seconds in its shortest form: one number and the largest unit that it is a multiple of.
#[must_use]
pub fn show_duration(length: Duration) -> String {
    let seconds = length.as_secs();
    let units = [(86_400, 'd'), (3_600, 'h'), (60, 'm')];
    let whole = units.into_iter().find(|(unit, _)| seconds >= *unit && seconds.is_multiple_of(*unit));
    let (unit, letter) = whole.unwrap_or((1, 's'));
    format!("{}{letter}", seconds / unit)
}
