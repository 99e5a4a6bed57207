//! What is kept beside the truth: last uses, usage, denials, the clock's mark. None of it has an entry in the log.

use std::collections::BTreeMap;

use rusqlite::{Connection, types::Value};

use super::{
    blocks::{self, Content, Kind},
    denials, meta,
    scope_uses::ScopesOf,
    usage::{self, UsageOf},
    uses::UsesOf,
};
use crate::{
    domain::{id::KeyId, root::DerivedKeys, time::Timestamp},
    ports::{Note, Payer, ReplicaId, StoredMark},
};

const CLOCK_MARK: &str = "clock_mark";
const COUNTS_COMPLETE: &str = "counts_complete";
/// When it was last written that there was nothing to write.
const NOTHING: &str = "nothing_ms";
/// How often it was tried whether anything can be written.
const TRIALS: &str = "trials";

/// What is written of notes in blocks, each kind by itself.
pub(super) fn to_blocks<'n>(notes: impl Iterator<Item = &'n Note>) -> Vec<(Kind, Vec<u8>)> {
    let (mut usage, mut scopes, mut uses) = (Gathered::<UsageOf>::new(), Gathered::new(), Gathered::new());
    for note in notes {
        match note {
            Note::LastUse(last) => uses.entry(last.key).or_insert_with(UsesOf::default).add(last),
            Note::Usage(rows) => {
                for of in rows {
                    usage.entry(of.key).or_default().add(of);
                }
            }
            Note::ScopeUses(rows) => {
                for of in rows {
                    scopes.entry(of.key).or_insert_with(ScopesOf::default).add(of);
                }
            }
            Note::UsageBefore(_)
            | Note::Denials(_)
            | Note::DenialsGone(_)
            | Note::DenialsBefore(..)
            | Note::Nothing(_)
            | Note::ClockMark(_) => {}
        }
    }
    written(&usage).chain(written(&scopes)).chain(written(&uses)).collect()
}

/// What is noted of each key, in their order.
type Gathered<C> = BTreeMap<KeyId, C>;

fn written<C: Content>(gathered: &Gathered<C>) -> impl Iterator<Item = (Kind, Vec<u8>)> + use<C> {
    let blocks = blocks::to_blocks(gathered.iter().map(|(key, content)| (Payer::Key(*key), content)));
    blocks.into_iter().map(|block| (C::KIND, block))
}

/// Writes into the open transaction what is not written in blocks.
pub(super) fn put(connection: &Connection, keys: &DerivedKeys, notes: &[Note]) -> rusqlite::Result<()> {
    notes.iter().try_for_each(|note| put_one(connection, keys, note))
}

fn put_one(connection: &Connection, keys: &DerivedKeys, note: &Note) -> rusqlite::Result<()> {
    match note {
        // In blocks: see `to_blocks`.
        Note::LastUse(_) | Note::Usage(_) | Note::ScopeUses(_) => {}
        Note::UsageBefore(hour) => usage::forget(connection, *hour)?,
        Note::Denials(sheets) => denials::put(connection, keys, sheets)?,
        Note::DenialsGone(places) => denials::remove(connection, places)?,
        Note::DenialsBefore(kind, minute) => denials::forget(connection, *kind, *minute)?,
        Note::Nothing(time) => meta::put(connection, NOTHING, &time.as_ms())?,
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

/// Writes the clock's mark, in place of any that was there: 8 bytes of milliseconds, big end first, and their code.
pub(super) fn put_clock_mark(
    connection: &Connection,
    keys: &DerivedKeys,
    time: Timestamp,
) -> rusqlite::Result<()> {
    let ms = time.as_ms().to_be_bytes();
    let value = [ms.as_slice(), &keys.rows.code(&clock_mark_parts(&ms))].concat();
    meta::put(connection, CLOCK_MARK, &value)
}

/// The clock's mark.
pub(super) fn clock_mark(connection: &Connection, keys: &DerivedKeys) -> rusqlite::Result<StoredMark> {
    let stored: Option<Value> = meta::value(connection, CLOCK_MARK)?;
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

/// Writes whether a replica wrote every count when its counting ended.
pub(super) fn put_counts_complete(
    connection: &Connection,
    replica: ReplicaId,
    complete: bool,
) -> rusqlite::Result<()> {
    meta::put(connection, &meta::of_replica(COUNTS_COMPLETE, replica), &i64::from(complete))
}

/// Whether the last process that counted as this replica ended in order, and with it wrote its last mark of the clock.
pub(super) fn ended_in_order(connection: &Connection, replica: ReplicaId) -> rusqlite::Result<bool> {
    let complete: Option<i64> = meta::value(connection, &meta::of_replica(COUNTS_COMPLETE, replica))?;
    // Before a process has written this, nothing is counted.
    Ok(complete != Some(0))
}
