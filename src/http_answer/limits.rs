//! How the limits of a request stand, for the client's eyes (H4): the `x-ratelimit-*` headers, and the structured fields
//! `RateLimit-Policy` and `RateLimit` of draft-ietf-httpapi-ratelimit-headers-10.
//!
//! Invariant: names of limits are labels joined with `/`, so that nothing in them needs an escape within quotes.

use std::{cmp::Ordering, time::Duration};

use super::header::Header;
use crate::{
    domain::{limit::Bound, time::Timestamp},
    judge::answer::Answer,
    ports::LimitState,
};

/// The most bytes of a field that lists limits. Clients of gRPC refuse an answer whose metadata is over 8 KiB, and both lists
/// stand in it beside all else.
const MAX_LIST_BYTES: usize = 1_536;
/// The most bytes of all headers that tell of limits, as HTTP/2 counts them: 32 for each beside name and value.
#[cfg(test)]
pub(super) const MOST_BYTES: usize = 2 * MAX_LIST_BYTES + 6 * (32 + 21 + 20);
/// The greatest integer of a structured field (RFC 9651 section 3.3.1).
const MAX_INTEGER: u64 = 999_999_999_999_999;

/// A limit and how it stands.
type LimitStanding<'a> = (&'a Bound, &'a LimitState);

/// The headers that tell how the limits of a request stand; none where that may not be told.
#[must_use]
pub fn limits(answer: &Answer) -> Vec<Header> {
    told(answer.limits().collect(), answer.time)
}

/// The header that tells how long Keyward took.
#[must_use]
pub fn latency(took: Duration) -> Header {
    ("x-ratelimit-latency", took.as_millis().to_string())
}

fn told(mut limits: Vec<LimitStanding<'_>>, now: Timestamp) -> Vec<Header> {
    let Some(shown) = shown(&limits) else { return Vec::new() };
    if let Some(before) = limits.get_mut(..=shown) {
        before.rotate_right(1);
    }
    if let Some(others) = limits.get_mut(1..) {
        others.sort_by(|one, other| more_telling(*one, *other));
    }
    let Some((bound, state)) = limits.first() else { return Vec::new() };
    let (policies, states) = lists(&limits, now);
    vec![
        ("x-ratelimit-limit", bound.limit.to_string()),
        ("x-ratelimit-remaining", state.remaining.to_string()),
        ("x-ratelimit-reset", seconds(state.reset.saturating_since(Timestamp::EPOCH)).to_string()),
        ("ratelimit-policy", policies),
        ("ratelimit", states),
    ]
}

/// The place of the limit that the short headers show: of those that do not allow the request the one that takes longest,
/// which is the one that names a denial; else the one of which the least share is left.
fn shown(limits: &[LimitStanding<'_>]) -> Option<usize> {
    let each = || limits.iter().enumerate();
    let denying = each().filter(|(_, (_, state))| !state.passes);
    let denying = denying.max_by_key(|(_, (_, state))| state.wait.unwrap_or(Duration::MAX));
    let scarcest = || each().min_by(|(_, one), (_, other)| scarcer(**one, **other));
    denying.or_else(scarcest).map(|(place, _)| place)
}

/// What denies comes first, the longest wait before the others; then by the share that is left.
fn more_telling(one: LimitStanding<'_>, other: LimitStanding<'_>) -> Ordering {
    let waits = |(_, state): LimitStanding<'_>| (!state.passes).then(|| state.wait.unwrap_or(Duration::MAX));
    waits(other).cmp(&waits(one)).then_with(|| scarcer(one, other))
}

/// By the share that is left; of two of which the same is left, the one that takes longer to be whole comes first.
fn scarcer((bound, state): LimitStanding<'_>, (other_bound, other): LimitStanding<'_>) -> Ordering {
    let of_one = u128::from(state.remaining).saturating_mul(u128::from(other_bound.limit));
    let of_other = u128::from(other.remaining).saturating_mul(u128::from(bound.limit));
    of_one.cmp(&of_other).then(other.reset.cmp(&state.reset))
}

/// A member of `RateLimit-Policy`: so many units in so many seconds.
fn policy(bound: &Bound) -> String {
    format!("\"{}\";q={};w={}", bound.name, integer(bound.limit), integer(seconds(bound.length)))
}

/// A member of `RateLimit`: so many units are left, and in so many seconds all of them are there again.
fn left(bound: &Bound, state: &LimitState, now: Timestamp) -> String {
    let reset = seconds(state.reset.saturating_since(now));
    format!("\"{}\";r={};t={}", bound.name, integer(state.remaining), integer(reset))
}

/// `RateLimit-Policy` and `RateLimit`: the same limits in both, as many of the first ones as there is room for in each.
fn lists(limits: &[LimitStanding<'_>], now: Timestamp) -> (String, String) {
    let (mut policies, mut states) = (String::new(), String::new());
    for (bound, state) in limits {
        let (policy, state) = (policy(bound), left(bound, state, now));
        if !has_room(&policies, &policy) || !has_room(&states, &state) {
            break;
        }
        append(&mut policies, &policy);
        append(&mut states, &state);
    }
    (policies, states)
}

const GAP: &str = ", ";

fn has_room(list: &str, member: &str) -> bool {
    list.len() + GAP.len() + member.len() <= MAX_LIST_BYTES
}

fn append(list: &mut String, member: &str) {
    if !list.is_empty() {
        list.push_str(GAP);
    }
    list.push_str(member);
}

fn integer(number: u64) -> u64 {
    number.min(MAX_INTEGER)
}

/// Whole seconds, rounded up: who waits for so long does not come too early.
fn seconds(time: Duration) -> u64 {
    time.as_secs().saturating_add(u64::from(time.subsec_nanos() > 0))
}

#[cfg(test)]
mod tests {
    use sfv::{BareItem, List, ListEntry, Parser};

    use super::*;
    use crate::domain::{
        limit::{KeyLimits, LimitIds},
        policy::{BucketEntry, LimitEntry, LimitsOf, PlanEntry, Policy, ScopeEntry, TierEntry, TierSet},
    };

    const NOW: i64 = 1_767_225_600_000;

    /// The limits of the default tier where it has these.
    fn bound(entries: &[LimitEntry]) -> KeyLimits {
        let mut document = Policy::default_document().unwrap().document().clone();
        document.tiers[0].limits = entries.to_vec();
        KeyLimits::resolve(&Policy::new(document).unwrap(), LimitsOf::default(), &LimitIds::default())
    }

    fn calendar(name: &str, limit: u64, unit: &str) -> LimitEntry {
        LimitEntry { name: name.to_owned(), limit, calendar: Some(unit.to_owned()), ..LimitEntry::default() }
    }

    fn at(ms: i64) -> Timestamp {
        Timestamp::from_ms(ms).unwrap()
    }

    /// So many units are left, and all of them after so many milliseconds.
    fn passing(remaining: u64, reset_in: i64) -> LimitState {
        LimitState { remaining, reset: at(NOW + reset_in), passes: true, wait: None }
    }

    fn failing(remaining: u64, wait_ms: Option<u64>) -> LimitState {
        let wait = wait_ms.map(Duration::from_millis);
        LimitState { remaining, reset: at(NOW + 60_000), passes: false, wait }
    }

    fn headers(entries: &[LimitEntry], states: &[LimitState]) -> Vec<Header> {
        let limits = bound(entries);
        told(limits.of(TierSet::only(0)).zip(states).collect(), at(NOW))
    }

    /// The first three headers: limit, remaining, reset.
    fn short(entries: &[LimitEntry], states: &[LimitState]) -> [String; 3] {
        let mut headers = headers(entries, states).into_iter();
        ["limit", "remaining", "reset"].map(|name| {
            let (header, value) = headers.next().unwrap();
            assert_eq!(header, format!("x-ratelimit-{name}"));
            value
        })
    }

    /// A field as another parser reads it: each member's name, and its parameters.
    fn read(field: &str) -> Vec<(String, Vec<(String, i64)>)> {
        let list: List = Parser::new(field).parse().unwrap();
        let each = list.into_iter().map(|entry| {
            let ListEntry::Item(item) = entry else { panic!("no item: {field}") };
            let BareItem::String(name) = item.bare_item else { panic!("no string: {field}") };
            let params = item.params.into_iter().map(|(name, value)| {
                let BareItem::Integer(number) = value else { panic!("no integer: {field}") };
                (name.as_str().to_owned(), i64::from(number))
            });
            (name.as_str().to_owned(), params.collect())
        });
        each.collect()
    }

    fn member(name: &str, params: [(&str, i64); 2]) -> (String, Vec<(String, i64)>) {
        (name.to_owned(), params.map(|(name, value)| (name.to_owned(), value)).to_vec())
    }

    #[test]
    fn one_limit_is_told_in_both_ways() {
        // H4, L11
        let told = headers(&[calendar("hour", 1_000, "hour")], &[passing(998, 1_233_001)]);
        let expected = [
            ("x-ratelimit-limit", "1000"),
            ("x-ratelimit-remaining", "998"),
            ("x-ratelimit-reset", "1767226834"),
            ("ratelimit-policy", "\"default/hour\";q=1000;w=3600"),
            ("ratelimit", "\"default/hour\";r=998;t=1234"),
        ];
        assert_eq!(told, expected.map(|(name, value)| (name, value.to_owned())));
    }

    #[test]
    fn another_parser_reads_every_limit_back() {
        // H4
        let name = "a0123456789-bcdefghijklmnopqrstu";
        let entries = [
            calendar("month", 1_000_000_000_000, "month"),
            LimitEntry { rolling: Some("90s".to_owned()), calendar: None, ..calendar(name, 7, "") },
            LimitEntry {
                bucket: Some(BucketEntry { refill: 2, every: "1s".to_owned() }),
                calendar: None,
                ..calendar("burst", 5, "")
            },
        ];
        let states = [passing(999_999_999_999, 2_678_400_000), passing(7, 0), passing(1, 1_999)];
        let told = headers(&entries, &states);
        let rolling = format!("default/{name}");
        let policies = [
            member("default/burst", [("q", 5), ("w", 3)]),
            member("default/month", [("q", 1_000_000_000_000), ("w", 31 * 86_400)]),
            member(&rolling, [("q", 7), ("w", 90)]),
        ];
        assert_eq!(read(&told[3].1), policies, "a bucket's window is the time in which it fills");
        let states = [
            member("default/burst", [("r", 1), ("t", 2)]),
            member("default/month", [("r", 999_999_999_999), ("t", 2_678_400)]),
            member(&rolling, [("r", 7), ("t", 0)]),
        ];
        assert_eq!(read(&told[4].1), states);
    }

    #[test]
    fn what_never_fills_up_is_still_an_integer() {
        // H4
        let slow = BucketEntry { refill: 1, every: "366d".to_owned() };
        let entry =
            LimitEntry { bucket: Some(slow), calendar: None, ..calendar("slow", 1_000_000_000_000, "") };
        let never = LimitState { reset: at(253_402_300_799_999), ..passing(0, 0) };
        let told = headers(&[entry], &[never]);
        assert_eq!(told[2].1, "253402300800");
        let policy = member("default/slow", [("q", 1_000_000_000_000), ("w", 999_999_999_999_999)]);
        assert_eq!(read(&told[3].1), [policy]);
        assert_eq!(read(&told[4].1), [member("default/slow", [("r", 0), ("t", 251_635_075_200)])]);
    }

    #[test]
    fn the_short_headers_show_the_limit_of_which_the_least_share_is_left() {
        // H4
        let entries = [calendar("minute", 10, "minute"), calendar("day", 1_000, "day")];
        let minute = |remaining| passing(remaining, 60_000);
        let day = |remaining| passing(remaining, 86_400_000);
        assert_eq!(short(&entries, &[minute(9), day(899)]), ["1000", "899", "1767312000"]);
        assert_eq!(short(&entries, &[minute(9), day(901)]), ["10", "9", "1767225660"]);
        assert_eq!(short(&entries, &[minute(9), day(900)])[0], "1000", "of equal ones the longer");
        let told = headers(&entries, &[minute(9), day(1)]);
        assert_eq!(told[4].1, "\"default/day\";r=1;t=86400, \"default/minute\";r=9;t=60");
    }

    #[test]
    fn the_short_headers_show_what_denies_and_takes_longest() {
        // H4, L9
        let entries =
            [calendar("minute", 10, "minute"), calendar("hour", 100, "hour"), calendar("day", 1_000, "day")];
        let none_left = passing(0, 60_000);
        let wait = |ms| failing(3, Some(ms));
        assert_eq!(short(&entries, &[wait(60_000), wait(59_999), none_left])[0], "10");
        assert_eq!(short(&entries, &[wait(1), wait(2), none_left])[0], "100");
        assert_eq!(short(&entries, &[failing(3, None), wait(86_400_000), none_left])[0], "10", "never");
    }

    #[test]
    fn where_nothing_may_be_told_there_is_no_header() {
        // H4
        assert_eq!(told(Vec::new(), at(NOW)), []);
        assert_eq!(latency(Duration::from_micros(1_999)), ("x-ratelimit-latency", "1".to_owned()));
    }

    #[test]
    fn after_the_limit_that_is_shown_come_those_that_deny_and_then_the_scarcest() {
        // H4
        let names = ["a", "b", "c", "d"];
        let entries = names.map(|name| calendar(name, 100, "hour"));
        let states = [passing(50, 1), passing(10, 1), failing(3, Some(5)), failing(3, Some(9))];
        let told = headers(&entries, &states);
        let order = |field: &str| read(field).into_iter().map(|(name, _)| name).collect::<Vec<_>>();
        let expected = ["d", "c", "b", "a"].map(|name| format!("default/{name}"));
        assert_eq!(order(&told[3].1), expected);
        assert_eq!(order(&told[4].1), expected);
    }

    /// A policy of as many tiers as there can be, each with as many limits, all of the longest names and numbers.
    fn largest() -> Policy {
        let mut document = Policy::default_document().unwrap().document().clone();
        (document.roles, document.plans) = (Vec::new(), Vec::new());
        document.plans.push(PlanEntry { name: "starter".to_owned(), ..PlanEntry::default() });
        document.scopes = (0..64)
            .map(|place| ScopeEntry { name: format!("s{place}:read"), ..ScopeEntry::default() })
            .collect();
        let tier = |place: usize| TierEntry {
            name: if place == 0 { "default".to_owned() } else { format!("t{place:0>31}") },
            scopes: (place > 0).then(|| format!("s{place}:read")).into_iter().collect(),
            limits: (0..8)
                .map(|limit| calendar(&format!("l{limit:0>31}"), 1_000_000_000_000, "month"))
                .collect(),
            ..TierEntry::default()
        };
        document.tiers = (0..64).map(tier).collect();
        Policy::new(document).unwrap()
    }

    #[test]
    fn the_most_limits_that_a_policy_can_have_leave_room_in_the_metadata_of_an_answer() {
        // H10, H4
        let limits = KeyLimits::resolve(&largest(), LimitsOf::default(), &LimitIds::default());
        let tiers = (0..64).map(TierSet::only).reduce(TierSet::and).unwrap();
        let bounds: Vec<&Bound> = limits.of(tiers).collect();
        assert_eq!(bounds.len(), 64 * 8);
        let scarcest = passing(1, 2_678_400_000);
        let states = vec![passing(999_999_999_999, 2_678_400_000); bounds.len() - 1];
        let states: Vec<LimitState> = states.into_iter().chain([scarcest]).collect();
        let told = told(bounds.iter().copied().zip(&states).collect(), at(NOW));
        let (policies, states) = (read(&told[3].1), read(&told[4].1));
        let names = |list: &[(String, _)]| list.iter().map(|(name, _)| name.clone()).collect::<Vec<_>>();
        assert_eq!(names(&policies), names(&states));
        assert_eq!(policies[0].0, bounds.last().unwrap().name.as_ref());
        assert!(policies.len() >= 12, "{policies:?}");
        let size: usize = told.iter().map(|(name, value)| name.len() + value.len() + 32).sum();
        assert!(size <= MOST_BYTES, "{size}");
    }
}
