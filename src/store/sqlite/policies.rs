//! Reading versions of the policy back: each is checked against its code and the log before it counts.

use rusqlite::{Connection, OptionalExtension, Row as SqliteRow, params};

use super::{
    columns::bytes,
    failure::{of_reading, zone_missing},
    log,
};
use crate::{
    domain::root::DerivedKeys,
    ports::{Damaged, PolicyVersion, PolicyView, StoreError},
    store::rows::{ROW_MISSING, ROW_UNKNOWN, Row},
};

const POLICIES: &str = "SELECT version, body, revision, root, code FROM policies";

/// The newest version as the log names it, with the revision that wrote it; nothing where the log names none.
pub(super) fn newest(
    connection: &Connection,
    keys: &DerivedKeys,
    named: Option<(u64, i64)>,
) -> rusqlite::Result<Option<PolicyView>> {
    let Some((version, revision)) = named else { return Ok(None) };
    let mut select = connection.prepare_cached(&format!("{POLICIES} WHERE version = ?1"))?;
    let row = select.query_row([i64::try_from(version).unwrap_or(i64::MAX)], policy_row).optional()?;
    let missing = Damaged { id: version.to_string(), why: ROW_MISSING, zone: None };
    let found = row.map_or(Err(missing), |row| row.to_policy(revision, keys));
    Ok(Some(PolicyView::of(version, found)))
}

/// Shows the row of every version to `see`.
pub(super) fn each(connection: &Connection, mut see: impl FnMut(Row)) -> rusqlite::Result<()> {
    let mut select = connection.prepare_cached(POLICIES)?;
    let mut rows = select.query([])?;
    while let Some(row) = rows.next()? {
        see(policy_row(row)?);
    }
    Ok(())
}

/// At most `limit` versions, newest first, before `before`.
pub(super) fn versions(
    connection: &Connection,
    keys: &DerivedKeys,
    before: Option<u64>,
    limit: usize,
) -> Result<Vec<PolicyVersion>, StoreError> {
    let number = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
    let (before, limit) = (before.map_or(i64::MAX, number), i64::try_from(limit).unwrap_or(i64::MAX));
    let read = || -> rusqlite::Result<Vec<(Row, Option<u64>)>> {
        let by_version = format!("{POLICIES} WHERE version < ?1 ORDER BY version DESC LIMIT ?2");
        let mut select = connection.prepare_cached(&by_version)?;
        let rows =
            select.query_map(params![before, limit], policy_row)?.collect::<rusqlite::Result<Vec<_>>>()?;
        let written = |row: Row| {
            let written = log::policy_written_at(connection, keys, row.revision)?;
            Ok((row, written))
        };
        rows.into_iter().map(written).collect()
    };
    let checked = read().map_err(|error| of_reading(&error))?.into_iter().map(|(row, written)| {
        let policy = row.to_policy(row.revision, keys);
        let vouched = policy.and_then(|policy| {
            if written == Some(policy.version) { Ok(policy) } else { Err(row.damaged(ROW_UNKNOWN)) }
        });
        vouched.map_err(unread)
    });
    checked.collect()
}

fn unread(Damaged { id, why, zone }: Damaged) -> StoreError {
    match zone {
        Some(zone) => zone_missing(format!("version {id} of the policy"), zone),
        None => StoreError::Corrupt(format!("policy version {id}: {why}")),
    }
}

pub(super) fn policy_row(row: &SqliteRow<'_>) -> rusqlite::Result<Row> {
    Ok(Row {
        id: row.get::<_, i64>(0)?.to_string().into(),
        body: bytes(row, 1)?,
        revision: row.get(2)?,
        root: row.get(3)?,
        code: bytes(row, 4)?,
    })
}
