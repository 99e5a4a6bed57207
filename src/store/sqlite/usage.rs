//! What keys did, by the hour: counted in blocks and rows, read side by side with their keys, and forgotten in the end.

use std::{collections::BTreeMap, sync::Arc};

use rusqlite::{Connection, OptionalExtension as _, params, params_from_iter, types::Value};

use super::{
    blocks::{self, BlockNames, BlockReader, BlockSubject, Content, Kind, NoBlock, Payload},
    columns::bytes,
    meta,
};
use crate::{
    domain::{id::KeyId, workspace::Within},
    ports::{Usage, UsageFilter, UsagePosition, UsageRows},
    store::records::key::environment_of,
};

/// Rows that one note forgets at most.
const FORGOTTEN_AT_ONCE: usize = 1_024;

/// Keys that one look takes.
const MOST_KEYS: usize = 2_048;

/// What one key did, by hour, tier and outcome.
#[derive(Debug, Default)]
pub(super) struct UsageOf(Vec<(Line, UsageCount)>);

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Line {
    hour: u32,
    tier: Arc<str>,
    outcome: Arc<str>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct UsageCount {
    checks: u64,
    cost: u64,
}

/// The most that SQLite can hold.
const MOST: u64 = i64::MAX.cast_unsigned();

impl UsageCount {
    /// A sum that SQLite cannot hold stays at the most that it can.
    fn and(self, other: Self) -> Self {
        let add = |one: u64, other: u64| one.saturating_add(other).min(MOST);
        Self { checks: add(self.checks, other.checks), cost: add(self.cost, other.cost) }
    }
}

impl UsageOf {
    /// Adds to what is known.
    pub(super) fn add(&mut self, of: &Usage) {
        let line = Line { hour: of.hour, tier: Arc::clone(&of.tier), outcome: Arc::from(&*of.outcome) };
        self.add_one(line, UsageCount { checks: of.checks, cost: of.cost });
    }

    fn add_one(&mut self, line: Line, sum: UsageCount) {
        match self.0.iter_mut().find(|(known, _)| *known == line) {
            Some((_, known)) => *known = known.and(sum),
            None => self.0.push((line, UsageCount::default().and(sum))),
        }
    }
}

impl Content for UsageOf {
    const KIND: Kind = Kind::Usage;

    fn take(&mut self, mut payload: BlockReader<'_>, names: &BlockNames) -> Result<(), NoBlock> {
        while !payload.is_empty() {
            let hour = payload.small()?;
            let (tier, outcome) = (names.read(&mut payload)?, names.read(&mut payload)?);
            let sum = UsageCount { checks: payload.number()?, cost: payload.number()? };
            self.add_one(Line { hour, tier, outcome }, sum);
        }
        Ok(())
    }

    fn put(&self, payload: &mut Payload<'_>) {
        for (Line { hour, tier, outcome }, UsageCount { checks, cost }) in &self.0 {
            payload.number((*hour).into());
            payload.name(tier);
            payload.name(outcome);
            payload.number(*checks);
            payload.number(*cost);
        }
    }

    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn put_rows(&self, connection: &Connection, key: KeyId) -> rusqlite::Result<()> {
        let add =
            "INSERT INTO usage (key_id, hour, tier, outcome, checks, cost) VALUES (?1, ?2, ?3, ?4, ?5, ?6)
             ON CONFLICT (key_id, hour, tier, outcome) DO UPDATE SET
                 checks = iif(checks > ?7 - excluded.checks, ?7, checks + excluded.checks),
                 cost = iif(cost > ?7 - excluded.cost, ?7, cost + excluded.cost)";
        let number = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
        let mut add = connection.prepare_cached(add)?;
        for (Line { hour, tier, outcome }, UsageCount { checks, cost }) in &self.0 {
            let (checks, cost) = (number(*checks), number(*cost));
            add.execute(params![key.text().as_str(), hour, tier, outcome, checks, cost, i64::MAX])?;
        }
        Ok(())
    }
}

/// Before which hour usage is forgotten, in the table `meta`.
const BEFORE: &str = "usage_before";

/// What was before `hour` is read no more; removes the oldest rows of it, and no more than are soon removed.
pub(super) fn forget(connection: &Connection, hour: u32) -> rusqlite::Result<()> {
    if usage_before(connection)? != hour {
        meta::put(connection, BEFORE, &hour)?;
    }
    let forget = "DELETE FROM usage WHERE (key_id, hour, tier, outcome) IN
         (SELECT key_id, hour, tier, outcome FROM usage WHERE hour < ?1 ORDER BY hour LIMIT ?2)";
    let most = i64::try_from(FORGOTTEN_AT_ONCE).unwrap_or(i64::MAX);
    connection.prepare_cached(forget)?.execute(params![hour, most])?;
    Ok(())
}

/// The hour before which usage is read no more.
fn usage_before(connection: &Connection) -> rusqlite::Result<u32> {
    let stored: Option<i64> = meta::value(connection, BEFORE)?;
    Ok(stored.and_then(|hour| u32::try_from(hour).ok()).unwrap_or_default())
}

/// What rows and blocks say together, in the order of the keys: by workspace, in each the newest key first.
pub(super) fn read(
    connection: &Connection,
    filter: &UsageFilter,
    after: Option<&UsagePosition>,
    limit: usize,
) -> rusqlite::Result<UsageRows> {
    let from = filter.from.max(usage_before(connection)?);
    let filter = &UsageFilter { from, ..filter.clone() };
    // Each of the two is one range of the index that has keys in this order; both in one condition would not be.
    let mut look = UsageLook { found: Vec::new(), limit, keys_left: MOST_KEYS, looked_at: 0, last: None };
    let begun = match (filter.within.one(), after) {
        (Some(workspace), _) => Some(workspace.to_bytes().to_vec()),
        (None, Some(after)) => workspace_of(connection, after.key)?,
        (None, None) => None,
    };
    let mut all_read = true;
    if let Some(workspace) = &begun {
        all_read = look.read(connection, ("workspace_id = ?", workspace), (filter, after))?;
    }
    if filter.within == Within::All && all_read {
        let begun = begun.unwrap_or_default();
        all_read = look.read(connection, ("workspace_id > ?", &begun), (filter, None))?;
    }
    Ok(look.end(all_read))
}

fn workspace_of(connection: &Connection, key: KeyId) -> rusqlite::Result<Option<Vec<u8>>> {
    let mut select = connection.prepare_cached("SELECT workspace_id FROM keys WHERE id = ?1")?;
    select.query_row([key.to_bytes()], |row| bytes(row, 0)).optional()
}

/// One look at keys and what they did.
struct UsageLook {
    found: Vec<Usage>,
    /// How many lines are enough.
    limit: usize,
    /// How many keys may still be looked at.
    keys_left: usize,
    /// How many keys and lines were looked at.
    looked_at: usize,
    /// The last key that was looked at, and all of it.
    last: Option<KeyId>,
}

impl UsageLook {
    /// Adds what keys of the workspaces did that `which` picks, until there is enough; whether all of them were looked at. Keys come
    /// first, because an index has them in this order; then what each of them did.
    fn read(
        &mut self,
        connection: &Connection,
        which: (&str, &[u8]),
        (filter, after): (&UsageFilter, Option<&UsagePosition>),
    ) -> rusqlite::Result<bool> {
        let sql = keys_where(which.0, filter, after.is_some());
        let id = |key: KeyId| Value::Blob(key.to_bytes().to_vec());
        let mut values = vec![Value::Blob(which.1.to_vec())];
        values.extend(filter.key.map(id));
        values.extend(filter.owner.as_ref().map(|owner| Value::Text(owner.to_string())));
        values.extend(after.map(|after| id(after.key)));
        let mut statement = connection.prepare_cached(&sql)?;
        let mut rows = statement.query(params_from_iter(values))?;
        let (mut keys, mut all_read) = (Vec::new(), false);
        while self.keys_left > 0 {
            let Some(row) = rows.next()? else {
                all_read = true;
                break;
            };
            self.keys_left = self.keys_left.saturating_sub(1);
            // One that cannot be read is no key's, and has done nothing.
            let id = bytes(row, 0)?.try_into().ok().map(KeyId::from_bytes);
            let is_asked = is_of(filter, &bytes(row, 1)?);
            keys.extend(id.map(|id| (id, is_asked)));
        }
        let of_keys: Vec<_> = keys.iter().filter(|(_, is_asked)| *is_asked).map(|(key, _)| *key).collect();
        let mut pending = blocks::all_of::<UsageOf>(connection, &of_keys)?;
        for (key, is_asked) in keys {
            if self.found.len() >= self.limit {
                return Ok(false);
            }
            if is_asked {
                let of_key = pending.remove(&BlockSubject::Key(key)).unwrap_or_default();
                let before = self.found.len();
                of_one_key(connection, key, of_key, (filter, after), &mut self.found)?;
                self.looked_at = self.looked_at.saturating_add(self.found.len().saturating_sub(before));
            }
            self.looked_at = self.looked_at.saturating_add(1);
            self.last = Some(key);
        }
        Ok(all_read)
    }

    fn end(mut self, all_read: bool) -> UsageRows {
        let is_cut = self.found.len() > self.limit;
        self.found.truncate(self.limit);
        let more = if is_cut {
            self.found.last().map(UsagePosition::from)
        } else {
            self.last.filter(|_| !all_read).map(UsagePosition::behind)
        };
        UsageRows { rows: self.found, more, looked_at: self.looked_at }
    }
}

/// Whether a key's body is of the environment that is asked for.
fn is_of(filter: &UsageFilter, body: &[u8]) -> bool {
    let asked = filter.environment.as_ref();
    asked.is_none_or(|asked| environment_of(body).is_some_and(|environment| environment == asked.as_str()))
}

/// What finds keys in their order.
fn keys_where(which: &str, filter: &UsageFilter, goes_on: bool) -> String {
    // The body is asked for where something of it is: without it, an index alone answers.
    let body = if filter.environment.is_some() { "body" } else { "NULL" };
    let mut sql = format!("SELECT id, {body} FROM keys WHERE {which}");
    for (condition, asked) in [
        (" AND id = ?", filter.key.is_some()),
        (" AND owner = ?", filter.owner.is_some()),
        (" AND (created_ms, id) <= (SELECT created_ms, id FROM keys WHERE id = ?)", goes_on),
    ] {
        if asked {
            sql.push_str(condition);
        }
    }
    sql + " ORDER BY workspace_id, created_ms DESC, id DESC"
}

/// Adds what one key did: `pending` is what blocks have of it.
fn of_one_key(
    connection: &Connection,
    key: KeyId,
    pending: UsageOf,
    (filter, after): (&UsageFilter, Option<&UsagePosition>),
    found: &mut Vec<Usage>,
) -> rusqlite::Result<()> {
    let after = after.filter(|after| after.key == key).map(|after| Line {
        hour: after.hour,
        tier: after.tier.as_str().into(),
        outcome: after.outcome.as_str().into(),
    });
    let is_asked = |line: &Line| {
        (filter.from..filter.before).contains(&line.hour) && after.as_ref().is_none_or(|after| line > after)
    };
    let mut lines: BTreeMap<Line, UsageCount> = BTreeMap::new();
    let mut add = |line: Line, sum: UsageCount| {
        if is_asked(&line) {
            let known = lines.entry(line).or_default();
            *known = known.and(sum);
        }
    };
    let select =
        "SELECT hour, tier, outcome, checks, cost FROM usage WHERE key_id = ?1 AND hour >= ?2 AND hour < ?3";
    let mut select = connection.prepare_cached(select)?;
    let mut rows = select.query(params![key.text().as_str(), filter.from, filter.before])?;
    while let Some(row) = rows.next()? {
        let number = |column| row.get(column).map(|number: i64| u64::try_from(number).unwrap_or(0));
        let sum = UsageCount { checks: number(3)?, cost: number(4)? };
        add(Line { hour: row.get(0)?, tier: row.get(1)?, outcome: row.get(2)? }, sum);
    }
    pending.0.into_iter().for_each(|(line, sum)| add(line, sum));
    found.extend(lines.into_iter().map(|(Line { hour, tier, outcome }, UsageCount { checks, cost })| {
        Usage { key, hour, tier, outcome: outcome.to_string().into(), checks, cost }
    }));
    Ok(())
}
