//! One record of the log as it is read.

use rusqlite::{CachedStatement, Connection, Row};

use crate::{
    domain::{audit::Chain, revision::Revision, root::DerivedKeys},
    ports::{LogRecord, StoreError},
    store::{
        chain::StoredRecord,
        records::group::without_keys,
        rows::from_stored,
        sqlite::{columns::bytes, damage},
    },
};

/// What reads records, with `rest` behind the table; in a schema without roots, too, which is looked at offline alone.
pub(super) fn select<'c>(connection: &'c Connection, rest: &str) -> rusqlite::Result<CachedStatement<'c>> {
    let reads = |root: &str| {
        let columns = "SELECT revision, bytes, digest, chain, code, signature";
        connection.prepare_cached(&format!("{columns}, {root} FROM log {rest}"))
    };
    reads("root").or_else(|_no_roots| reads("NULL"))
}

/// From how many bytes on an entry of an older schema is shown without its keys.
const LONG: usize = 65_536;

/// A record without the keys that were changed together, where they are many: a page of such could be more than memory.
pub(super) fn shortened(record: LogRecord) -> LogRecord {
    let short = if record.bytes.len() > LONG { without_keys(&record.bytes) } else { None };
    LogRecord { bytes: short.unwrap_or(record.bytes), ..record }
}

pub(super) fn record(row: &Row<'_>) -> rusqlite::Result<StoredRecord> {
    Ok(StoredRecord {
        revision: row.get(0)?,
        bytes: bytes(row, 1)?,
        digest: bytes(row, 2)?,
        chain: bytes(row, 3)?,
        code: bytes(row, 4)?,
        signature: row.get(5)?,
        root: row.get(6)?,
    })
}

pub(super) fn to_record(record: &StoredRecord, keys: &DerivedKeys) -> Result<LogRecord, StoreError> {
    let chain = record.chain.as_slice().try_into().ok().map(Chain);
    match from_stored(record.revision).zip(chain).filter(|_| record.is_genuine(keys)) {
        Some((revision, chain)) => {
            Ok(LogRecord { revision, bytes: record.bytes.clone(), chain, people: Vec::new(), gained: None })
        }
        None => Err(altered(record.revision)),
    }
}

pub(in crate::store::sqlite) fn unreadable(revision: i64) -> StoreError {
    let why = "its bytes are no entry, or the keys that it changed together were altered";
    StoreError::Corrupt(damage::of_log(&format!("log record {revision} cannot be read, because {why}")))
}

pub(super) fn altered(revision: i64) -> StoreError {
    StoreError::Corrupt(damage::of_log(&format!("log record {revision} was altered")))
}

/// No record stands where the log must have one.
pub(super) fn missing(revision: Revision) -> StoreError {
    StoreError::Corrupt(damage::of_log(&format!("log record {revision} is missing")))
}

/// The last record is another than the one at the head of the log.
pub(super) fn ends_at(last: Revision, head: Revision) -> StoreError {
    StoreError::Corrupt(damage::of_log(&format!("the log ends at {head}, and its records at {last}")))
}
