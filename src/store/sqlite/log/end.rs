//! Where the log ends.

use rusqlite::{Connection, OptionalExtension};

use super::record::{record, select, to_record};
use crate::{
    domain::root::DerivedKeys,
    ports::{LogRecord, StoreError},
    store::{
        chain::LogHead,
        sqlite::{columns::bytes, damage, failure::of_reading},
    },
};

/// The end of the log, if its record is genuine.
pub(in crate::store::sqlite) fn head(
    connection: &Connection,
    keys: &DerivedKeys,
) -> Result<LogHead, StoreError> {
    let last = select(connection, "ORDER BY revision DESC LIMIT 1");
    let mut last = last.map_err(|error| of_reading(&error))?;
    let last = last.query_row([], record).optional().map_err(|error| of_reading(&error))?;
    let Some(last) = last else { return Ok(LogHead::START) };
    let LogRecord { revision, chain, .. } = to_record(&last, keys)?;
    let head = LogHead { revision, chain };
    let signature = last.signature.unwrap_or_default();
    if keys.heads.verify(revision, &chain.head_message(revision), &signature) {
        Ok(head)
    } else {
        Err(StoreError::Corrupt(damage::of_log(&format!(
            "the log's last record, {revision}, bears no good signature"
        ))))
    }
}

/// The end of the log as it stands, for telling whether it is still the one known.
pub(in crate::store::sqlite) fn position(
    connection: &Connection,
) -> rusqlite::Result<Option<(i64, Vec<u8>)>> {
    let mut last =
        connection.prepare_cached("SELECT revision, chain FROM log ORDER BY revision DESC LIMIT 1")?;
    last.query_row([], |row| Ok((row.get(0)?, bytes(row, 1)?))).optional()
}
