//! Limits of a key's or a workspace's own, as flags take them and as eyes see them: `default/hour=500/hour`.

use crate::{
    cli::output::{names, time},
    wire::v1::{
        EffectiveLimit, LimitOrigin, LimitOverrides, PolicyBucket, PolicyCalendar, PolicyLimit,
        PolicyLimitSubject, PolicyPlanTier, policy_limit::Window,
    },
};

use super::parse;

/// How a limit is written, for the end of a command's help.
pub(in crate::cli) const SYNTAX: &str = "\
A limit is TIER/NAME=UNITS/WINDOW; the tier `all` stands for all tiers together:
  default/hour=500/hour          500 in each hour of the clock; so minute, day and month
  all/day=10000/day@Asia/Tokyo   days of a time zone; without one, of UTC
  default/recent=100/30m         rolling: 100 in any 30 minutes
  default/burst=20+5/1s          a bucket of 20, into which 5 come back each second
  all/month=1000000/month:workspace   shared by all keys of the workspace; so :owner. For workspaces only
The limits of a tier replace all of that tier, so name each that is to hold.";

const FORM: &str = "write TIER/NAME=UNITS/WINDOW, for example default/hour=500/hour, all/day=10000/day, \
                    default/recent=100/30m or default/burst=20+5/1s";

/// One limit and its tier.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::cli) struct OwnLimit {
    tier: String,
    limit: PolicyLimit,
}

/// Reads what stands behind `--limit`.
pub(in crate::cli) fn limit(text: &str) -> Result<OwnLimit, String> {
    let (name, rest) = text.split_once('=').ok_or(FORM)?;
    let (tier, name) = name.split_once('/').ok_or(FORM)?;
    let (units, window) = rest.split_once('/').ok_or(FORM)?;
    let (window, per) = match window.rsplit_once(':') {
        None => (window, PolicyLimitSubject::Unspecified),
        Some((window, "key")) => (window, PolicyLimitSubject::Key),
        Some((window, "owner")) => (window, PolicyLimitSubject::Owner),
        Some((window, "workspace")) => (window, PolicyLimitSubject::Workspace),
        Some(_) => return Err(format!("behind `:` stands key, owner or workspace; {FORM}")),
    };
    let number = |text: &str| text.parse::<u64>().map_err(|_not_a_number| FORM.to_owned());
    let length = |text: &str| {
        let length = parse::duration(text).map_err(|why| format!("{why}; {FORM}"));
        length.map(time::duration_to_wire)
    };
    let (unit, zone) = window.split_once('@').unwrap_or((window, ""));
    let (limit, window) = match units.split_once('+') {
        Some((size, refill)) => {
            let bucket = PolicyBucket { refill: number(refill)?, every: Some(length(window)?) };
            (number(size)?, Window::Bucket(bucket))
        }
        None => match calendar(unit) {
            Some(calendar) => (number(units)?, Window::Calendar(calendar.into())),
            None => (number(units)?, Window::Rolling(length(window)?)),
        },
    };
    let limit = PolicyLimit {
        name: name.to_owned(),
        limit,
        window: Some(window),
        time_zone: zone.to_owned(),
        per: per.into(),
    };
    if tier.is_empty() || name.is_empty() {
        return Err(FORM.to_owned());
    }
    Ok(OwnLimit { tier: tier.to_owned(), limit })
}

fn calendar(unit: &str) -> Option<PolicyCalendar> {
    match unit {
        "minute" => Some(PolicyCalendar::Minute),
        "hour" => Some(PolicyCalendar::Hour),
        "day" => Some(PolicyCalendar::Day),
        "month" => Some(PolicyCalendar::Month),
        _ => None,
    }
}

/// All of them together; `None` for none.
pub(in crate::cli) fn together(limits: Vec<OwnLimit>) -> Option<LimitOverrides> {
    if limits.is_empty() {
        return None;
    }
    let mut own = LimitOverrides::default();
    for OwnLimit { tier, limit } in limits {
        if tier == "all" {
            own.limits.push(limit);
        } else if let Some(known) = own.tiers.iter_mut().find(|known| known.tier == tier) {
            known.limits.push(limit);
        } else {
            own.tiers.push(PolicyPlanTier { tier, limits: vec![limit] });
        }
    }
    Some(own)
}

/// Own limits for eyes, as flags take them.
pub(in crate::cli) fn shown(own: &LimitOverrides) -> Vec<String> {
    let over_all = own.limits.iter().map(|limit| format!("all/{}={}", limit.name, one(limit)));
    let of_tier = |tier: &PolicyPlanTier| {
        let each = |limit: &PolicyLimit| format!("{}/{}={}", tier.tier, limit.name, one(limit));
        tier.limits.iter().map(each).collect::<Vec<_>>()
    };
    over_all.chain(own.tiers.iter().flat_map(of_tier)).collect()
}

/// A limit that a key is under, and where it comes from.
pub(in crate::cli) fn effective(limit: &EffectiveLimit) -> String {
    let EffectiveLimit { name, limit, origin } = limit;
    let from = match LimitOrigin::try_from(*origin) {
        Ok(LimitOrigin::Workspace) => "the workspace's own".to_owned(),
        Ok(LimitOrigin::Key) => "the key's own".to_owned(),
        Ok(LimitOrigin::Tier | LimitOrigin::Plan | LimitOrigin::Unspecified) | Err(_) => {
            format!("of the {}", names::for_eyes(&names::limit_origin(*origin)))
        }
    };
    format!("{name}={} ({from})", limit.as_ref().map(one).unwrap_or_default())
}

fn one(limit: &PolicyLimit) -> String {
    let length = |length: Option<&prost_types::Duration>| time::duration_shown(length).replace(' ', "");
    let counted = match &limit.window {
        None => limit.limit.to_string(),
        Some(Window::Calendar(unit)) => {
            let zone = if limit.time_zone.is_empty() { "" } else { "@" };
            let unit = names::for_eyes(&names::policy_calendar(*unit));
            format!("{}/{unit}{zone}{}", limit.limit, limit.time_zone)
        }
        Some(Window::Rolling(window)) => format!("{}/{}", limit.limit, length(Some(window))),
        Some(Window::Bucket(bucket)) => {
            format!("{}+{}/{}", limit.limit, bucket.refill, length(bucket.every.as_ref()))
        }
    };
    match PolicyLimitSubject::try_from(limit.per) {
        Ok(PolicyLimitSubject::Owner) => format!("{counted}:owner"),
        Ok(PolicyLimitSubject::Workspace) => format!("{counted}:workspace"),
        Ok(PolicyLimitSubject::Unspecified | PolicyLimitSubject::Key) | Err(_) => counted,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_shown_as_they_are_written() {
        // L5
        let texts = [
            "all/day=10000/day@Asia/Tokyo",
            "all/month=1000000/month:workspace",
            "default/hour=500/hour",
            "default/recent=100/30m",
            "default/long=100/90m",
            "default/burst=20+5/1s",
            "permissions-check/minute=7/minute:owner",
        ];
        let own = together(texts.iter().map(|text| limit(text).unwrap()).collect()).unwrap();
        assert_eq!((own.limits.len(), own.tiers.len(), own.tiers[0].limits.len()), (2, 2, 4));
        let again = shown(&own).iter().map(|text| text.replace("1h30m", "90m")).collect::<Vec<_>>();
        assert_eq!(again, texts);
        assert_eq!(together(Vec::new()), None);
    }

    #[test]
    fn what_is_no_limit_is_refused() {
        for text in [
            "",
            "default",
            "default/hour",
            "default/hour=5",
            "default/hour=/hour",
            "default/hour=many/hour",
            "default/hour=-5/hour",
            "default/hour=5/week",
            "default/hour=5/hour:team",
            "default/burst=5+/1s",
            "default/burst=5+1/hour",
            "/hour=5/hour",
            "default/=5/hour",
            "hour=5/hour",
        ] {
            assert!(limit(text).is_err(), "{text}");
        }
    }
}
