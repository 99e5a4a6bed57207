//! Which records of the log match, a page at a time, each page at a bounded price.
//!
//! Indexes say where to look, and what there is to see without reading entries: an entry can be long, and to look into one takes
//! as long as to read it. What is shown is read from the bytes that are chained, and must be what the indexes said of it.

use std::collections::HashMap;

use rusqlite::{Connection, OptionalExtension, params, params_from_iter, types::Value};
use serde::Deserialize;

use super::record::{record, select, shortened, to_record};
use crate::{
    domain::{id::KeyId, revision::Revision, root::DerivedKeys, time::Timestamp},
    ports::{LogFilter, LogRecord, LogRows, StoreError},
    store::{
        rows::to_stored,
        sqlite::{columns::bytes, failure::of_reading, groups, people},
    },
};

/// How many places one read looks at, and how many in the order of the log, which costs less. Who asks goes on, as long as a page
/// may take.
const MOST_LOOKED_AT: usize = 2_000;
const MOST_IN_ORDER: usize = 20_000;

/// Up to so many entries of the time asked for are found by their time.
const FEW_IN_TIME: usize = 10_000;

/// How many bytes of entries are on one page, but for its last.
const MOST_BYTES: usize = 1 << 20;

const SEEN: &str = "time_ms, action, workspace_id, actor_key_id, key_id FROM log INDEXED BY log_looks";

/// A page of the records that match: at most `limit`, newest first, before `before`.
pub(in crate::store::sqlite) fn query(
    connection: &Connection,
    keys: &DerivedKeys,
    filter: &LogFilter,
    before: Option<Revision>,
    limit: usize,
) -> Result<LogRows, StoreError> {
    LogQuery::new(connection, filter).and_then(|query| query.page(keys, before, limit))
}

/// What is asked for, with what other tables say of it.
struct LogQuery<'a> {
    connection: &'a Connection,
    filter: &'a LogFilter,
    /// The entries that name the key together with others.
    grouped: Vec<i64>,
    /// Those by which it gained, each with the place of what it was.
    gained: HashMap<i64, u64>,
}

/// What an index has of an entry.
struct IndexedEntry {
    time: Option<i64>,
    action: Vec<u8>,
    workspace: Vec<u8>,
    actor: Vec<u8>,
    key: Vec<u8>,
}

/// The same of its bytes.
#[derive(Deserialize)]
struct Said<'a> {
    time_ms: Option<i64>,
    action: Option<&'a str>,
    workspace_id: Option<&'a str>,
    key_id: Option<&'a str>,
    actor: Option<ActorSaid<'a>>,
}

#[derive(Deserialize)]
struct ActorSaid<'a> {
    key_id: Option<&'a str>,
}

/// Where to look: the places, newest first, and whether there may be more behind them.
struct Places {
    revisions: Vec<i64>,
    more: bool,
    /// How many others were passed over to find them.
    passed_over: usize,
}

impl<'a> LogQuery<'a> {
    fn new(connection: &'a Connection, filter: &'a LogFilter) -> Result<Self, StoreError> {
        let (mut grouped, mut gained) = (Vec::new(), HashMap::new());
        if let Some(key) = filter.key {
            grouped = groups::naming(connection, key, 0).map_err(|error| of_reading(&error))?;
            gained = of_key(connection, key)?;
            grouped.extend(gained.keys());
            grouped.sort_unstable_by(|one, other| other.cmp(one));
        }
        Ok(Self { connection, filter, grouped, gained })
    }

    fn page(
        &self,
        keys: &DerivedKeys,
        before: Option<Revision>,
        limit: usize,
    ) -> Result<LogRows, StoreError> {
        let before = before.map_or(i64::MAX, to_stored);
        let places = self.places(before).map_err(|error| of_reading(&error))?;
        let mut found = LogRows::default();
        let (mut bytes, mut last) = (0_usize, before);
        let count = places.revisions.len();
        found.looked_at = places.passed_over;
        for (looked_at, revision) in (1..).zip(places.revisions) {
            last = revision;
            found.looked_at = places.passed_over.saturating_add(looked_at);
            let seen = self.seen(revision).map_err(|error| of_reading(&error))?;
            if !seen.is_some_and(|seen| self.fits(revision, &seen)) {
                continue;
            }
            let shown = self.show(keys, revision)?;
            bytes = bytes.saturating_add(shown.bytes.len());
            found.records.push(shown);
            if found.records.len() >= limit || bytes >= MOST_BYTES {
                let more = looked_at < count || places.more;
                return self.ended(found, last, more);
            }
        }
        self.ended(found, last, places.more)
    }

    /// Says where to go on, unless nothing can match there.
    fn ended(&self, found: LogRows, last: i64, more: bool) -> Result<LogRows, StoreError> {
        let more = more && self.any_in_time(last).map_err(|error| of_reading(&error))?;
        Ok(LogRows { more: more.then(|| u64::try_from(last).ok().map(Revision)).flatten(), ..found })
    }

    /// Where entries are that can match, by the index that leaves out the most.
    fn places(&self, before: i64) -> rusqlite::Result<Places> {
        let LogFilter { workspace, key, actor_key, action, .. } = self.filter;
        if let Some(key) = key {
            let mut places = self.walk("log_by_key", "key_id", &key.to_string(), before)?;
            places.revisions.extend(self.grouped.iter().filter(|revision| **revision < before));
            places.revisions.sort_unstable_by(|one, other| other.cmp(one));
            places.revisions.dedup();
            return Ok(places.cut(MOST_LOOKED_AT));
        }
        if let Some(actor) = actor_key {
            return self.walk("log_by_actor", "actor_key_id", &actor.to_string(), before);
        }
        if let Some(places) = self.in_time(before)? {
            return Ok(places);
        }
        if let Some(workspace) = workspace {
            return self.walk("log_by_workspace", "workspace_id", &workspace.to_string(), before);
        }
        match action {
            Some(action) => self.walk("log_by_action", "action", action, before),
            None => self.in_order(before),
        }
    }

    fn walk(&self, index: &str, column: &str, value: &str, before: i64) -> rusqlite::Result<Places> {
        let mut statement = self.connection.prepare_cached(&format!(
            "SELECT revision FROM log INDEXED BY {index} WHERE {column} = ?1 AND revision < ?2 ORDER BY revision DESC LIMIT ?3"
        ))?;
        let most = i64::try_from(MOST_LOOKED_AT + 1).unwrap_or(i64::MAX);
        let rows = statement.query_map(params![value, before, most], |row| row.get(0))?;
        Ok(Places::all(rows.collect::<Result<_, _>>()?).cut(MOST_LOOKED_AT))
    }

    /// All places of the time asked for, where they are few.
    fn in_time(&self, before: i64) -> rusqlite::Result<Option<Places>> {
        if self.filter.start.is_none() && self.filter.end.is_none() {
            return Ok(None);
        }
        let [start, end] = self.window();
        let mut statement = self.connection.prepare_cached(
            "SELECT revision FROM log INDEXED BY log_by_time WHERE time_ms >= ?1 AND time_ms < ?2 LIMIT ?3",
        )?;
        let most = i64::try_from(FEW_IN_TIME + 1).unwrap_or(i64::MAX);
        let rows = statement.query_map(params![start, end, most], |row| row.get(0))?;
        let mut revisions = rows.collect::<Result<Vec<i64>, _>>()?;
        if revisions.len() > FEW_IN_TIME {
            return Ok(None);
        }
        revisions.retain(|revision| *revision < before);
        revisions.sort_unstable_by(|one, other| other.cmp(one));
        Ok(Some(Places::all(revisions).cut(MOST_LOOKED_AT)))
    }

    /// The log itself. Where a time is asked for, those of another one are left out here.
    fn in_order(&self, before: i64) -> rusqlite::Result<Places> {
        let [start, end] = self.window();
        let mut statement = self.connection.prepare_cached(
            "SELECT revision, time_ms FROM log INDEXED BY log_looks WHERE revision < ?1 ORDER BY revision DESC",
        )?;
        let mut rows = statement.query([before])?;
        let (mut revisions, mut looked_at, mut last) = (Vec::new(), 0_usize, before);
        while let Some(row) = rows.next()? {
            if looked_at >= MOST_IN_ORDER || revisions.len() >= MOST_LOOKED_AT {
                // Even if it does not match: the next page goes on behind it.
                revisions.push(last);
                revisions.dedup();
                let passed_over = looked_at.saturating_sub(revisions.len());
                return Ok(Places { revisions, more: true, passed_over });
            }
            looked_at += 1;
            last = row.get(0)?;
            let time: Option<i64> = row.get(1)?;
            if time.is_none_or(|time| (start..end).contains(&time)) {
                revisions.push(last);
            }
        }
        let passed_over = looked_at.saturating_sub(revisions.len());
        Ok(Places { revisions, more: false, passed_over })
    }

    /// Whether an entry of the time asked for is left before a place.
    fn any_in_time(&self, before: i64) -> rusqlite::Result<bool> {
        if self.filter.start.is_none() && self.filter.end.is_none() {
            return Ok(true);
        }
        let [start, end] = self.window();
        let any = "SELECT EXISTS (SELECT 1 FROM log INDEXED BY log_by_time
                   WHERE time_ms >= ?1 AND time_ms < ?2 AND revision < ?3)";
        self.connection.prepare_cached(any)?.query_row([start, end, before], |row| row.get(0))
    }

    fn window(&self) -> [i64; 2] {
        let LogFilter { start, end, .. } = self.filter;
        [start.map_or(i64::MIN, Timestamp::as_ms), end.map_or(i64::MAX, Timestamp::as_ms)]
    }

    fn seen(&self, revision: i64) -> rusqlite::Result<Option<IndexedEntry>> {
        let sql = format!("SELECT {SEEN} WHERE revision = ?1");
        let seen = self.connection.prepare_cached(&sql)?.query_row([revision], |row| {
            let [action, workspace, actor, key] =
                [bytes(row, 1)?, bytes(row, 2)?, bytes(row, 3)?, bytes(row, 4)?];
            Ok(IndexedEntry { time: row.get(0)?, action, workspace, actor, key })
        });
        seen.optional()
    }

    fn fits(&self, revision: i64, seen: &IndexedEntry) -> bool {
        let LogFilter { workspace, key, actor_key, action, .. } = self.filter;
        let [start, end] = self.window();
        let is = |wanted: Option<String>, is: &[u8]| wanted.is_none_or(|wanted| wanted.as_bytes() == is);
        let named = || self.grouped.contains(&revision);
        is(workspace.map(|id| id.to_string()), &seen.workspace)
            && (is(key.map(|id| id.to_string()), &seen.key) || named())
            && is(actor_key.map(|id| id.to_string()), &seen.actor)
            && is(action.map(ToOwned::to_owned), &seen.action)
            && (self.filter.start.is_none() && self.filter.end.is_none()
                || seen.time.is_some_and(|time| (start..end).contains(&time)))
    }

    /// The record at a place, if its bytes are genuine and match.
    fn show(&self, keys: &DerivedKeys, revision: i64) -> Result<LogRecord, StoreError> {
        let stored = select(self.connection, "WHERE revision = ?1");
        let stored =
            stored.and_then(|mut one| one.query_row(params_from_iter([Value::Integer(revision)]), record));
        let shown = to_record(&stored.map_err(|error| of_reading(&error))?, keys)?;
        let said: Option<Said<'_>> = serde_json::from_slice(&shown.bytes).ok();
        // Bytes that are no entry at all are reported where they are read as one.
        if said.is_some_and(|said| !self.fits(revision, &IndexedEntry::from(&said))) {
            let why =
                format!("log record {revision} is not what an index says it is; run `keyward audit verify`");
            return Err(StoreError::Corrupt(why));
        }
        let gained = self.gained.get(&revision).copied();
        let shown = people::with_names(self.connection, keys, shortened(shown));
        Ok(LogRecord { gained, ..shown.map_err(|error| of_reading(&error))? })
    }
}

impl Places {
    const fn all(revisions: Vec<i64>) -> Self {
        Self { revisions, more: false, passed_over: 0 }
    }

    fn cut(mut self, most: usize) -> Self {
        self.more |= self.revisions.len() > most;
        self.revisions.truncate(most);
        self
    }
}

impl From<&Said<'_>> for IndexedEntry {
    fn from(said: &Said<'_>) -> Self {
        let bytes = |text: Option<&str>| text.unwrap_or_default().as_bytes().to_vec();
        Self {
            time: said.time_ms,
            action: bytes(said.action),
            workspace: bytes(said.workspace_id),
            actor: bytes(said.actor.as_ref().and_then(|actor| actor.key_id)),
            key: bytes(said.key_id),
        }
    }
}

fn of_key(connection: &Connection, key: KeyId) -> Result<HashMap<i64, u64>, StoreError> {
    let gained = groups::gained_by(connection, key).map_err(|error| of_reading(&error))?;
    Ok(gained.into_iter().collect())
}
