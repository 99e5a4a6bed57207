//! Reading the log: queries, and the check of the whole chain.

use rusqlite::{Connection, OptionalExtension, Row, params, params_from_iter, types::Value};

use super::{failure::of_reading, read::bytes};
use crate::{
    domain::{
        audit::{Chain, Revision},
        root::DerivedKeys,
    },
    ports::{LogFilter, LogRecord, StoreError, Verification},
    store::{
        chain::{ChainCheck, Head, StoredRecord},
        rows::{from_stored, to_stored},
    },
};

/// How many records are read in one transaction, so that a long check does not keep the WAL from being emptied.
const AT_ONCE: usize = 4096;

const COLUMNS: &str = "SELECT revision, bytes, digest, chain, code, signature FROM log";

/// At most `limit` records that match, newest first, before `before`.
pub(super) fn query(
    connection: &Connection,
    keys: &DerivedKeys,
    filter: &LogFilter,
    before: Option<Revision>,
    limit: usize,
) -> Result<Vec<LogRecord>, StoreError> {
    let mut sql = format!("{COLUMNS} WHERE TRUE");
    let mut values = Vec::new();
    let mut require = |condition: &str, value: Option<Value>| {
        if let Some(value) = value {
            values.push(value);
            sql.push_str(condition);
        }
    };
    let text = |text: Option<String>| text.map(Value::Text);
    require(" AND workspace_id = ?", text(filter.workspace.map(|id| id.to_string())));
    require(" AND key_id = ?", text(filter.key.map(|id| id.to_string())));
    require(" AND actor_key_id = ?", text(filter.actor_key.map(|id| id.to_string())));
    require(" AND action = ?", text(filter.action.map(ToOwned::to_owned)));
    require(" AND time_ms >= ?", filter.start.map(|time| Value::Integer(time.as_ms())));
    require(" AND time_ms < ?", filter.end.map(|time| Value::Integer(time.as_ms())));
    require(" AND revision < ?", before.map(|before| Value::Integer(to_stored(before))));
    require(" ORDER BY revision DESC LIMIT ?", Some(Value::Integer(limit.try_into().unwrap_or(i64::MAX))));

    let mut statement = connection.prepare_cached(&sql).map_err(|error| of_reading(&error))?;
    let rows = statement.query_map(params_from_iter(values), record).map_err(|error| of_reading(&error))?;
    rows.map(|record| to_record(&record.map_err(|error| of_reading(&error))?, keys)).collect()
}

/// Reads the log from its first record to its last as they are now.
pub(super) fn verify(connection: &mut Connection, keys: &DerivedKeys) -> Result<Verification, StoreError> {
    let mut check = ChainCheck::new(keys);
    verify_all(connection, &mut check)
        .map(|newest_row| check.finish(newest_row))
        .map_err(|error| of_reading(&error))
}

/// Takes every record, and answers the newest revision that another row bears.
fn verify_all(connection: &mut Connection, check: &mut ChainCheck<'_>) -> rusqlite::Result<i64> {
    let mut after = i64::MIN;
    loop {
        let snapshot = connection.transaction()?;
        let mut statement = snapshot
            .prepare_cached(&format!("{COLUMNS} WHERE revision > ?1 ORDER BY revision LIMIT {AT_ONCE}"))?;
        let mut rows = statement.query([after])?;
        let mut taken = 0;
        while let Some(row) = rows.next()? {
            if !check.take(&record(row)?) {
                return Ok(0);
            }
            taken += 1;
        }
        after = to_stored(check.head());
        if taken < AT_ONCE {
            // In the same snapshot as the last records: what is committed between two is in neither or in both.
            return newest_row(&snapshot);
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
        Err(StoreError::Corrupt(format!("the log's last record, {revision}, bears no good signature")))
    }
}

/// The end of the log as it stands, for telling whether it is still the one known.
pub(super) fn position(connection: &Connection) -> rusqlite::Result<Option<(i64, Vec<u8>)>> {
    let mut last =
        connection.prepare_cached("SELECT revision, chain FROM log ORDER BY revision DESC LIMIT 1")?;
    last.query_row([], |row| Ok((row.get(0)?, bytes(row, 1)?))).optional()
}

/// Whether the records after `after` follow one another, each genuine; answers the last one's revision.
pub(super) fn check_since(
    connection: &Connection,
    keys: &DerivedKeys,
    after: Revision,
) -> Result<Revision, StoreError> {
    let mut statement = connection
        .prepare_cached(&format!("{COLUMNS} WHERE revision > ?1 ORDER BY revision"))
        .map_err(|error| of_reading(&error))?;
    let rows = statement.query_map(params![to_stored(after)], record).map_err(|error| of_reading(&error))?;
    let mut last = after;
    for row in rows {
        let record = row.map_err(|error| of_reading(&error))?;
        last = last.next();
        if record.revision != to_stored(last) {
            return Err(StoreError::Corrupt(format!("log record {last} is missing")));
        }
        if !record.is_genuine(keys) {
            return Err(altered(record.revision));
        }
    }
    Ok(last)
}

fn newest_row(connection: &Connection) -> rusqlite::Result<i64> {
    let all = "SELECT max(revision) FROM (SELECT revision FROM keys UNION ALL SELECT revision FROM workspaces
               UNION ALL SELECT revision FROM secrets UNION ALL SELECT revision FROM requests)";
    connection.query_row(all, [], |row| row.get::<_, Option<i64>>(0)).map(Option::unwrap_or_default)
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
        Some((revision, chain)) => Ok(LogRecord { revision, bytes: record.bytes.clone(), chain }),
        None => Err(altered(record.revision)),
    }
}

fn altered(revision: i64) -> StoreError {
    StoreError::Corrupt(format!("log record {revision} was altered"))
}
