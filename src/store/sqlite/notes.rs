//! What is kept beside the truth: last uses, counts, usage, the clock's mark. None of it has an entry in the log.

use rusqlite::{Connection, OptionalExtension, params};

use super::usage;
use crate::ports::{Note, StoredCount};

const CLOCK_MARK: &str = "clock_mark";
const COUNTS_COMPLETE: &str = "counts_complete";

/// Writes into the open transaction.
pub(super) fn put(connection: &Connection, notes: &[Note]) -> rusqlite::Result<()> {
    notes.iter().try_for_each(|note| put_one(connection, note))
}

fn put_one(connection: &Connection, note: &Note) -> rusqlite::Result<()> {
    match note {
        Note::LastUse(last) => {
            let newer = "INSERT INTO key_uses (key_id, time_ms) VALUES (?1, ?2)
                 ON CONFLICT (key_id) DO UPDATE SET time_ms = excluded.time_ms WHERE excluded.time_ms > time_ms";
            connection.prepare_cached(newer)?.execute(params![last.key.to_string(), last.time.as_ms()])?;
        }
        Note::Count(StoredCount { subject, limit, state: Some(state) }) => {
            let put = "INSERT INTO counts (subject, limit_id, state) VALUES (?1, ?2, ?3)
                 ON CONFLICT (subject, limit_id) DO UPDATE SET state = excluded.state";
            connection.prepare_cached(put)?.execute(params![subject, limit, state])?;
        }
        Note::Count(StoredCount { subject, limit, state: None }) => {
            let gone = "DELETE FROM counts WHERE subject = ?1 AND limit_id = ?2";
            connection.prepare_cached(gone)?.execute(params![subject, limit])?;
        }
        Note::CountsComplete(complete) => {
            put_meta(connection, COUNTS_COMPLETE, i64::from(*complete), "")?;
        }
        Note::Usage(row) => usage::add(connection, row)?,
        Note::UsageBefore(hour) => usage::forget(connection, *hour)?,
        Note::ClockMark(time) => {
            put_meta(connection, CLOCK_MARK, time.as_ms(), "WHERE excluded.value > value")?;
        }
    }
    Ok(())
}

fn put_meta(connection: &Connection, name: &str, value: i64, only: &str) -> rusqlite::Result<()> {
    let put = format!(
        "INSERT INTO meta (name, value) VALUES (?1, ?2)
         ON CONFLICT (name) DO UPDATE SET value = excluded.value {only}"
    );
    connection.prepare_cached(&put)?.execute(params![name, value])?;
    Ok(())
}

/// Every count, and whether they are complete.
pub(super) fn counts(connection: &Connection) -> rusqlite::Result<(Vec<StoredCount>, bool)> {
    let mut select = connection.prepare_cached("SELECT subject, limit_id, state FROM counts")?;
    let rows = select.query_map([], |row| {
        Ok(StoredCount { subject: row.get(0)?, limit: row.get(1)?, state: Some(row.get(2)?) })
    })?;
    let counts = rows.collect::<rusqlite::Result<_>>()?;
    let complete = "SELECT value FROM meta WHERE name = ?1";
    let complete: Option<i64> =
        connection.query_row(complete, [COUNTS_COMPLETE], |row| row.get(0)).optional()?;
    Ok((counts, complete == Some(1)))
}
