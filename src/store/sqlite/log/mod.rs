//! Reading the log: queries, and the check of the whole chain.

mod newest;
mod query;

use rusqlite::{Connection, OptionalExtension, Row, params};

pub(super) use newest::Newest;
pub(super) use query::query;

use super::{
    damage,
    failure::{is_corruption, is_nonsense, of_reading},
    groups,
    read::bytes,
    rows::Refusal,
    schema::{REVISED, TABLES, present},
};
use crate::{
    domain::{
        audit::{Chain, Revision},
        id::KeyId,
        root::DerivedKeys,
    },
    ports::{LogRecord, StoreError, Verification},
    store::{
        chain::{ChainCheck, Head, StoredRecord},
        records::group::{KeyList, without_keys},
        rows::{from_stored, to_stored},
    },
};

/// How many records are read in one transaction, so that a long check does not keep the WAL from being emptied.
const AT_ONCE: usize = 4096;

/// From how many bytes on an entry of an older schema is shown without its keys.
const LONG: usize = 65_536;

const COLUMNS: &str = "SELECT revision, bytes, digest, chain, code, signature FROM log";

/// A record without the keys that were changed together, where they are many: a page of such could be more than memory.
fn shortened(record: LogRecord) -> LogRecord {
    let short = if record.bytes.len() > LONG { without_keys(&record.bytes) } else { None };
    LogRecord { bytes: short.unwrap_or(record.bytes), ..record }
}

/// Reads the log from its first record to its last as they are now; then whether the indexes agree with their tables,
/// because queries go through them, and an index could leave entries out.
pub(super) fn verify(connection: &mut Connection, keys: &DerivedKeys) -> Result<Verification, StoreError> {
    let mut check = ChainCheck::new(keys);
    let Ends { newest_row, mark_fault } =
        verify_all(connection, keys, &mut check).map_err(|error| of_reading(&error))?;
    let mut found = check.finish(newest_row);
    if found.fault.is_none() {
        found.fault = mark_fault.map(|why| (found.head.next(), why));
    }
    if found.fault.is_none() {
        let why = index_fault(connection).map_err(|error| of_reading(&error))?;
        found.fault = why.map(|why| (found.head.next(), why));
    }
    Ok(found)
}

/// The first thing that SQLite finds wrong with a table or an index.
fn index_fault(connection: &Connection) -> rusqlite::Result<Option<String>> {
    // One table after the other, each in a snapshot of its own, so that the WAL can be emptied in between.
    for table in present(connection, &TABLES)? {
        let check = connection.query_row(&format!("PRAGMA integrity_check({table})"), [], |row| row.get(0));
        let found: String = match check {
            Err(error) if is_corruption(&error) || is_nonsense(&error) => error.to_string(),
            check => check?,
        };
        if found != "ok" {
            return Ok(Some(damage::of_table(table, &found)));
        }
    }
    Ok(None)
}

/// What other rows say of the log's end.
#[derive(Default)]
struct Ends {
    /// The newest revision that one bears.
    newest_row: i64,
    /// What is wrong with the mark of changes of many keys.
    mark_fault: Option<String>,
}

/// Takes every record, and answers what other rows say of their end.
fn verify_all(
    connection: &mut Connection,
    keys: &DerivedKeys,
    check: &mut ChainCheck<'_>,
) -> rusqlite::Result<Ends> {
    let mut after = i64::MIN;
    loop {
        let snapshot = connection.transaction()?;
        let mut statement = snapshot
            .prepare_cached(&format!("{COLUMNS} WHERE revision > ?1 ORDER BY revision LIMIT {AT_ONCE}"))?;
        let mut rows = statement.query([after])?;
        let mut taken = 0;
        while let Some(row) = rows.next()? {
            let record = record(row)?;
            let list = |place| match groups::list(&snapshot, place) {
                // Then its keys are not there as it had them.
                Err(error) if is_corruption(&error) || is_nonsense(&error) => Ok(KeyList::default()),
                list => list,
            };
            let gained = || list(groups::gained_at(record.revision));
            if !check.take(&record, || list(record.revision), gained)? {
                return Ok(Ends::default());
            }
            taken += 1;
        }
        after = to_stored(check.head());
        if taken < AT_ONCE {
            // In the same snapshot as the last records: what is committed between two is in neither or in both.
            let newest_row = newest_row(&snapshot)?;
            let mark_fault = groups::mark_fault(&snapshot, keys, check.newest_group())?;
            return Ok(Ends { newest_row, mark_fault });
        }
    }
}

/// The end of the log, if its record is genuine.
pub(super) fn head(connection: &Connection, keys: &DerivedKeys) -> Result<Head, StoreError> {
    let mut last = connection
        .prepare_cached(&format!("{COLUMNS} ORDER BY revision DESC LIMIT 1"))
        .map_err(|error| of_reading(&error))?;
    let last = last.query_row([], record).optional().map_err(|error| of_reading(&error))?;
    let Some(last) = last else { return Ok(Head::START) };
    let LogRecord { revision, chain, .. } = to_record(&last, keys)?;
    let head = Head { revision, chain };
    let signature = last.signature.unwrap_or_default();
    if keys.heads.verify(&chain.head_message(revision), &signature) {
        Ok(head)
    } else {
        Err(StoreError::Corrupt(damage::of_log(&format!(
            "the log's last record, {revision}, bears no good signature"
        ))))
    }
}

/// The end of the log as it stands, for telling whether it is still the one known.
pub(super) fn position(connection: &Connection) -> rusqlite::Result<Option<(i64, Vec<u8>)>> {
    let mut last =
        connection.prepare_cached("SELECT revision, chain FROM log ORDER BY revision DESC LIMIT 1")?;
    last.query_row([], |row| Ok((row.get(0)?, bytes(row, 1)?))).optional()
}

/// The rows that all records name, up to `head`, see [`named_since`]; changes of many keys are without their keys.
pub(super) fn named(
    connection: &Connection,
    keys: &DerivedKeys,
    head: Revision,
) -> Result<Newest, StoreError> {
    read_names(connection, keys, Revision::ZERO, head, Newest::of_a_whole_log())
}

/// The rows that the records after `after` name, up to `head`: the records must follow one another, each genuine.
///
/// The names come from the bytes whose code was checked, never from the table's generated columns: their values are
/// read from indexes, and what an index holds is covered by no code.
pub(super) fn named_since(
    connection: &Connection,
    keys: &DerivedKeys,
    after: Revision,
    head: Revision,
) -> Result<Newest, StoreError> {
    read_names(connection, keys, after, head, Newest::default())
}

fn read_names(
    connection: &Connection,
    keys: &DerivedKeys,
    after: Revision,
    head: Revision,
    mut newest: Newest,
) -> Result<Newest, StoreError> {
    let mut statement = connection
        .prepare_cached(&format!("{COLUMNS} NOT INDEXED WHERE revision > ?1 ORDER BY revision"))
        .map_err(|error| of_reading(&error))?;
    let rows = statement.query_map(params![to_stored(after)], record).map_err(|error| of_reading(&error))?;
    let mut last = after;
    for row in rows {
        let record = row.map_err(|error| of_reading(&error))?;
        last = last.next();
        if record.revision != to_stored(last) {
            return Err(StoreError::Corrupt(damage::of_log(&format!("log record {last} is missing"))));
        }
        if !record.is_genuine(keys) {
            return Err(altered(record.revision));
        }
        let noted = newest.note(&record, connection).map_err(|error| of_reading(&error))?;
        noted.ok_or_else(|| unreadable(&record))?;
    }
    if last == head {
        Ok(newest)
    } else {
        Err(StoreError::Corrupt(damage::of_log(&format!(
            "the log ends at {head}, and its records at {last}"
        ))))
    }
}

/// The version of the policy that a genuine record says it wrote.
pub(super) fn policy_written_at(
    connection: &Connection,
    keys: &DerivedKeys,
    revision: i64,
) -> rusqlite::Result<Option<u64>> {
    let mut one = connection.prepare_cached(&format!("{COLUMNS} WHERE revision = ?1"))?;
    let found = one.query_row([revision], record).optional()?.filter(|record| record.is_genuine(keys));
    let mut newest = Newest::default();
    let noted = found.map_or(Ok(None), |record| newest.note(&record, connection))?;
    Ok(noted.and(newest.policy).map(|(version, _)| version))
}

/// The keys that the records after `after` name, alone or with others.
pub(super) fn keys_named_since(connection: &Connection, after: Revision) -> Result<Vec<KeyId>, Refusal> {
    let mut statement =
        connection.prepare_cached(&format!("{COLUMNS} NOT INDEXED WHERE revision > ?1 ORDER BY revision"))?;
    let mut newest = Newest::default();
    for record in statement.query_map([to_stored(after)], record)? {
        let record = record?;
        newest.note(&record, connection)?.ok_or_else(|| unreadable(&record))?;
    }
    let together = newest.groups.into_iter().flat_map(|change| change.keys);
    Ok(newest.keys.into_keys().chain(together).collect())
}

fn newest_row(connection: &Connection) -> rusqlite::Result<i64> {
    let each: Vec<_> = present(connection, &REVISED)?
        .into_iter()
        .map(|table| format!("SELECT revision FROM {table}"))
        .collect();
    let all = format!("SELECT max(revision) FROM ({})", each.join(" UNION ALL "));
    connection.query_row(&all, [], |row| row.get::<_, Option<i64>>(0)).map(Option::unwrap_or_default)
}

fn record(row: &Row<'_>) -> rusqlite::Result<StoredRecord> {
    Ok(StoredRecord {
        revision: row.get(0)?,
        bytes: bytes(row, 1)?,
        digest: bytes(row, 2)?,
        chain: bytes(row, 3)?,
        code: bytes(row, 4)?,
        signature: row.get(5)?,
    })
}

fn to_record(record: &StoredRecord, keys: &DerivedKeys) -> Result<LogRecord, StoreError> {
    let chain = record.chain.as_slice().try_into().ok().map(Chain);
    match from_stored(record.revision).zip(chain).filter(|_| record.is_genuine(keys)) {
        Some((revision, chain)) => {
            Ok(LogRecord { revision, bytes: record.bytes.clone(), chain, gained: None })
        }
        None => Err(altered(record.revision)),
    }
}

fn unreadable(record: &StoredRecord) -> StoreError {
    let why = "its bytes are no entry, or the keys that it changed together were altered";
    StoreError::Corrupt(damage::of_log(&format!(
        "log record {} cannot be read, because {why}",
        record.revision
    )))
}

fn altered(revision: i64) -> StoreError {
    StoreError::Corrupt(damage::of_log(&format!("log record {revision} was altered")))
}
