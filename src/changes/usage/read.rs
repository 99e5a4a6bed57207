//! Reading usage: rows of hours, summed up by key, period and tier, page by page.

use std::collections::BTreeMap;

use crate::{
    changes::{
        Changes,
        support::{cursor, look::PageLook},
    },
    domain::{
        admin::{AdminPermit, ReadKeys},
        id::{KeyId, WorkspaceId},
        parse::ParseError,
        policy::Policy,
        text::{EnvironmentName, Owner},
        time::Timestamp,
        usage::{ALLOWED, MAX_HOURS, Period, hour_of, start_of},
        workspace::Within,
    },
    error::{NotFound, OperationError},
    ports::{Usage, UsageFilter, UsagePosition, UsageRows},
};

/// Rows that are read from the store at once.
const ROWS_AT_ONCE: usize = 1_024;

/// What is asked for where nothing is said: a day.
const HOURS: u32 = 24;

/// A question about usage.
#[derive(Debug)]
pub struct UsageQuery {
    /// Of keys of these workspaces.
    pub within: Within,
    /// Of this key.
    pub key: Option<KeyId>,
    /// Of keys of this owner.
    pub owner: Option<Owner>,
    /// Of keys of this environment.
    pub environment: Option<EnvironmentName>,
    /// From the hour on that this is in; `None` is 24 hours before the end.
    pub start: Option<Timestamp>,
    /// Up to the end of the hour that this is in, or up to this if it begins an hour; `None` is the end of this hour.
    pub end: Option<Timestamp>,
    /// What to sum up by.
    pub period: Period,
}

/// What one key did in one period, in one tier.
#[derive(Debug, PartialEq, Eq)]
pub struct UsageSum {
    /// The key.
    pub key: KeyId,
    /// Its workspace; `None` if its row cannot be trusted.
    pub workspace: Option<WorkspaceId>,
    /// Its environment; empty if its row cannot be trusted.
    pub environment: String,
    /// The tier; empty for Checks that were denied before they came to one.
    pub tier: String,
    /// When the period begins.
    pub start: Timestamp,
    /// Checks that were allowed.
    pub allowed: u64,
    /// What they cost.
    pub cost: u64,
    /// Checks that were denied, by reason.
    pub denied: BTreeMap<String, u64>,
    /// Whether it is to be billed, as the policy in force says.
    pub billable: bool,
}

/// A page of usage.
#[derive(Debug)]
pub struct UsagePage {
    /// By workspace, in each the newest key first, each key's by period and tier.
    pub usage: Vec<UsageSum>,
    /// The token that asks for the next page; empty after the last.
    pub next_page_token: String,
}

/// Hours, from one on and before another.
#[derive(Debug, Clone, Copy)]
struct HourRange {
    from: u32,
    before: u32,
}

/// The last sum of the page before, and the hours that the first page was about.
struct UsageCursor {
    hours: HourRange,
    key: KeyId,
    hour: u32,
    tier: String,
}

impl Changes {
    /// The workspaces that a question about usage means: that of the key which it names, else as [`Changes::within`].
    ///
    /// # Errors
    /// As there. The key does not exist, or is out of the caller's reach: both look the same (T1).
    pub fn usage_within(
        &self,
        permit: &AdminPermit<ReadKeys>,
        named: Option<WorkspaceId>,
        all: bool,
        key: Option<KeyId>,
    ) -> Result<Within, OperationError> {
        let Some(id) = key else { return self.within(permit, named, all) };
        let of_key = self.key(permit, id)?.key().workspace;
        let meant =
            if all || named.is_some() { self.within(permit, named, all)? } else { Within::One(of_key) };
        if meant.has(of_key) { Ok(Within::One(of_key)) } else { Err(NotFound::Key(id).into()) }
    }

    /// A page of usage, with all that was counted until now.
    ///
    /// # Errors
    /// The times make no period, or one over 400 days; the page token is not one of this question. The store: what is
    /// counted can be read only when it can be written.
    pub async fn usage(
        &self,
        permit: AdminPermit<ReadKeys>,
        query: UsageQuery,
        page_token: &str,
        page_size: usize,
    ) -> Result<UsagePage, OperationError> {
        let list = format!("usage {:?} {query:?}", permit.bound_to());
        let now = hour_of(self.clock.now());
        let hours = query.hours(now)?;
        let place = self.usage_place(&list, page_token)?;
        let hours = place.as_ref().map_or(hours, |place| place.hours);
        let policy = self.policy()?;
        self.flush_usage().await?;
        let _turn = match query.within {
            Within::All => self.locks.to_look_within(Within::All).await,
            Within::One(_) => None,
        };

        let UsageQuery { within, key, owner, environment, period, .. } = query;
        let HourRange { from, before } = hours;
        let filter = UsageFilter { within, key, owner, environment, from, before };
        let mut after = place.as_ref().map(UsageCursor::position);
        let mut sums = Sums { period, from, place, open: BTreeMap::new(), complete: Vec::new() };
        let mut look = PageLook::begin(&self.clock);
        let more = loop {
            let UsageRows { rows, more, looked_at } =
                self.store.usage(filter.clone(), after, ROWS_AT_ONCE).await?;
            let is_enough = look.is_enough_with(looked_at);
            for row in rows {
                sums.add(row);
            }
            let is_whole = more.as_ref().is_none_or(UsagePosition::is_behind_key);
            if is_whole {
                sums.complete_open();
            }
            // A sum that is not complete would begin anew on the next page: where there is one, a page has one sum at least.
            let is_enough = is_enough && (is_whole || !sums.complete.is_empty());
            if more.is_none() || is_enough || sums.complete.len() > page_size {
                break more;
            }
            after = more;
        };
        let mut found = sums.complete;
        let is_cut = found.len() > page_size;
        found.truncate(page_size);
        let behind = more.filter(|_| !is_cut).map(|more| {
            let newest = found.last().filter(|_| !more.is_behind_key());
            newest.map_or((more.key, more.hour, String::new()), |((key, hour, tier), _)| {
                (*key, *hour, tier.clone())
            })
        });
        let behind = behind.or_else(|| found.last().filter(|_| is_cut).map(|(place, _)| place.clone()));
        let place = behind.map(|(key, hour, tier)| format!("{from},{before},{key},{hour},{tier}"));
        let next_page_token =
            place.map(|place| cursor::seal(&self.keys.now().cursors, &list, &place)).unwrap_or_default();
        let usage = found.into_iter().map(|(group, sum)| self.shown(&policy.policy, group, sum)).collect();
        Ok(UsagePage { usage, next_page_token })
    }

    fn shown(&self, policy: &Policy, (key, hour, tier): SumKey, sum: Sum) -> UsageSum {
        let found = self.index.by_id(key);
        let workspace = found.as_ref().map(|found| found.key().workspace);
        let environment = found.map(|found| found.key().environment.to_string()).unwrap_or_default();
        let declared = policy.environments().holder(&environment);
        let billable = declared.is_ok_and(|declared| policy.is_billable(declared));
        let Sum { allowed, cost, denied } = sum;
        UsageSum { key, workspace, environment, tier, start: start_of(hour), allowed, cost, denied, billable }
    }

    fn usage_place(&self, list: &str, token: &str) -> Result<Option<UsageCursor>, OperationError> {
        cursor::begin(&self.keys.now().cursors, list, token, |text| {
            let mut parts = text.splitn(5, ',');
            let mut number = || parts.next()?.parse().ok();
            let hours = HourRange { from: number()?, before: number()? };
            let key = KeyId::parse(parts.next()?).ok()?;
            let hour = parts.next()?.parse().ok()?;
            Some(UsageCursor { hours, key, hour, tier: parts.next()?.to_owned() })
        })
    }
}

impl UsageQuery {
    /// The hours that are asked for: whole ones.
    fn hours(&self, now: u32) -> Result<HourRange, OperationError> {
        let before = match self.end {
            None => now.saturating_add(1),
            Some(end) => hour_of(end).saturating_add(u32::from(start_of(hour_of(end)) < end)),
        };
        let from = match self.start {
            None => before.saturating_sub(HOURS),
            Some(start) => hour_of(start),
        };
        if from >= before || self.start.zip(self.end).is_some_and(|(start, end)| start >= end) {
            let (field, why) = match self.end {
                None => ("start_time", "before now, or come with an end_time"),
                Some(_) => ("end_time", "after start_time and after 1970"),
            };
            return Err(OperationError::invalid(field, ParseError::new(why)));
        }
        if before.saturating_sub(from) > MAX_HOURS {
            let why = ParseError::new("at most 400 days before end_time, which is now if it is left out");
            return Err(OperationError::invalid("start_time", why));
        }
        Ok(HourRange { from, before })
    }
}

impl UsageCursor {
    /// Before the first row of the period that this place is in: it is summed up again, without the tiers that were shown.
    fn position(&self) -> UsagePosition {
        let hour = self.hour.max(self.hours.from);
        UsagePosition { key: self.key, hour, tier: String::new(), outcome: String::new() }
    }
}

/// A key, the first hour of a period, and a tier.
type SumKey = (KeyId, u32, String);

#[derive(Default)]
struct Sum {
    allowed: u64,
    cost: u64,
    denied: BTreeMap<String, u64>,
}

/// Sums in the making: rows come key by key and hour by hour, so that one period is open at a time.
struct Sums {
    period: Period,
    from: u32,
    place: Option<UsageCursor>,
    open: BTreeMap<SumKey, Sum>,
    complete: Vec<(SumKey, Sum)>,
}

impl Sums {
    fn add(&mut self, row: Usage) {
        let Usage { key, hour, tier, outcome, checks, cost } = row;
        let tier = tier.to_string();
        let hour = self.period.first_hour(hour, self.from);
        if self.open.keys().next().is_some_and(|(open, since, _)| (*open, *since) != (key, hour)) {
            self.complete_open();
        }
        let shown = |place: &UsageCursor| (place.key, place.hour) == (key, hour) && tier <= place.tier;
        if self.place.as_ref().is_some_and(shown) {
            return;
        }
        let sum = self.open.entry((key, hour, tier)).or_default();
        sum.cost = sum.cost.saturating_add(cost);
        let count = if outcome == ALLOWED {
            &mut sum.allowed
        } else {
            sum.denied.entry(outcome.into_owned()).or_default()
        };
        *count = count.saturating_add(checks);
    }

    fn complete_open(&mut self) {
        self.complete.extend(std::mem::take(&mut self.open));
    }
}
