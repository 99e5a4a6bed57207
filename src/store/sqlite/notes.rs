//! What is kept beside the truth: last uses, usage, the clock's mark. None of it has an entry in the log.

use rusqlite::{Connection, OptionalExtension, ToSql, params, types::Value};

use super::{scope_uses, usage, uses};
use crate::{
    domain::{root::DerivedKeys, time::Timestamp},
    ports::{Note, StoredMark},
};

const CLOCK_MARK: &str = "clock_mark";
const COUNTS_COMPLETE: &str = "counts_complete";
/// When it was last written that there was nothing to write.
const NOTHING: &str = "nothing_ms";
/// How often it was tried whether anything can be written.
const TRIALS: &str = "trials";

/// Writes into the open transaction.
pub(super) fn put(connection: &Connection, keys: &DerivedKeys, notes: &[Note]) -> rusqlite::Result<()> {
    notes.iter().try_for_each(|note| put_one(connection, keys, note))
}

fn put_one(connection: &Connection, keys: &DerivedKeys, note: &Note) -> rusqlite::Result<()> {
    match note {
        Note::LastUse(last) => uses::put(connection, last)?,
        Note::Usage(rows) => usage::add(connection, rows)?,
        Note::ScopeUses(rows) => scope_uses::put(connection, rows)?,
        Note::UsageBefore(hour) => usage::forget(connection, *hour)?,
        Note::Nothing(time) => put_meta(connection, NOTHING, &time.as_ms())?,
        Note::ClockMark(time) => {
            // A mark that was edited meanwhile does not count: this process knows better.
            let known = clock_mark(connection, keys)?;
            if !matches!(known, StoredMark::At(known) if known >= *time) {
                put_clock_mark(connection, keys, *time)?;
            }
        }
    }
    Ok(())
}

/// Writes a value that was not there before, at any time: pages that stay the same are not written.
pub(super) fn put_trial(connection: &Connection) -> rusqlite::Result<()> {
    let put =
        "INSERT INTO meta (name, value) VALUES (?1, 1) ON CONFLICT (name) DO UPDATE SET value = value + 1";
    connection.execute(put, [TRIALS])?;
    Ok(())
}

/// Writes the value under a name, in place of any that was there.
pub(super) fn put_meta(connection: &Connection, name: &str, value: &dyn ToSql) -> rusqlite::Result<()> {
    let put = "INSERT INTO meta (name, value) VALUES (?1, ?2)
         ON CONFLICT (name) DO UPDATE SET value = excluded.value";
    connection.prepare_cached(put)?.execute(params![name, value])?;
    Ok(())
}

/// Writes the clock's mark, in place of any that was there: 8 bytes of milliseconds, big end first, and their code.
pub(super) fn put_clock_mark(
    connection: &Connection,
    keys: &DerivedKeys,
    time: Timestamp,
) -> rusqlite::Result<()> {
    let ms = time.as_ms().to_be_bytes();
    let value = [ms.as_slice(), &keys.rows.code(&clock_mark_parts(&ms))].concat();
    put_meta(connection, CLOCK_MARK, &value)
}

/// The clock's mark.
pub(super) fn clock_mark(connection: &Connection, keys: &DerivedKeys) -> rusqlite::Result<StoredMark> {
    let select = "SELECT value FROM meta WHERE name = ?1";
    let stored: Option<Value> =
        connection.prepare_cached(select)?.query_row([CLOCK_MARK], |row| row.get(0)).optional()?;
    let Some(stored) = stored else { return Ok(StoredMark::Missing) };
    let Value::Blob(stored) = stored else { return Ok(StoredMark::Edited) };
    let genuine =
        stored.split_first_chunk().filter(|(ms, code)| keys.rows.agrees(&clock_mark_parts(ms), code));
    let time = genuine.and_then(|(ms, _)| Timestamp::from_ms(i64::from_be_bytes(*ms)).ok());
    Ok(time.map_or(StoredMark::Edited, StoredMark::At))
}

fn clock_mark_parts(ms: &[u8; 8]) -> [&[u8]; 3] {
    [b"meta", CLOCK_MARK.as_bytes(), ms]
}

/// Writes whether every count was written when the counting ended.
pub(super) fn put_counts_complete(connection: &Connection, complete: bool) -> rusqlite::Result<()> {
    put_meta(connection, COUNTS_COMPLETE, &i64::from(complete))
}

/// Whether the last process that counted ended in order, and with it wrote its last mark of the clock.
pub(super) fn ended_in_order(connection: &Connection) -> rusqlite::Result<bool> {
    let complete = "SELECT value FROM meta WHERE name = ?1";
    let complete: Option<i64> =
        connection.query_row(complete, [COUNTS_COMPLETE], |row| row.get(0)).optional()?;
    // Before a process has written this, nothing is counted.
    Ok(complete != Some(0))
}
