//! Lists of keys, made to agree with the log by a start that had to read it.

use rusqlite::{Connection, params};

use super::list::{ListRow, TABLE, put_list};
use crate::{
    domain::{
        group::{Before, GroupChange},
        root::DerivedKeys,
    },
    store::{
        rows::{EDITED, to_stored},
        sqlite::{counted::CountedRows, distrusted::BadRow, log},
    },
};

/// Sees that the lists of keys are those that entries have, each row under a code, and that there are no others. Answers those by
/// which keys gained, and that an entry has with other keys: nobody knows any more which.
pub(in crate::store::sqlite) fn put_lists(
    counted: &mut CountedRows<'_>,
    changes: &[GroupChange],
) -> rusqlite::Result<Vec<BadRow>> {
    let (connection, keys) = (counted.connection, counted.keys);
    for change in changes {
        see_list(counted, to_stored(change.revision))?;
    }
    let mut next = connection.prepare_cached("SELECT min(revision) FROM grouped_keys WHERE revision > ?1")?;
    let (mut altered, mut after) = (Vec::new(), i64::MIN);
    while let Some(place) = next.query_row([after], |row| row.get::<_, Option<i64>>(0))? {
        if place > 0 && !changes.iter().any(|change| to_stored(change.revision) == place) {
            delete_list(connection, place)?;
        }
        if place <= 0 {
            match log::has_gains(connection, keys, place)? {
                Some(true) => code_list(connection, keys, place)?,
                Some(false) => {
                    altered.push(BadRow { table: TABLE, id: place.to_string().into(), why: EDITED });
                }
                None => delete_list(connection, place)?,
            }
        }
        after = place;
    }
    Ok(altered)
}

/// Gives the rows of a list their codes. One that stands in its entry, as in older schemas, is written from there if it differs.
fn see_list(counted: &mut CountedRows<'_>, place: i64) -> rusqlite::Result<()> {
    let (connection, keys) = (counted.connection, counted.keys);
    let rows = list_rows(connection, place)?;
    if let Some(told) = log::keys_within(connection, keys, place)?
        && !rows.iter().flat_map(ListRow::keys).eq(told.iter().copied())
    {
        delete_list(connection, place)?;
        return put_list(counted, place, told.into_iter().map(|key| (key, [0; Before::BYTES])));
    }
    code_list(connection, keys, place)
}

fn delete_list(connection: &Connection, place: i64) -> rusqlite::Result<()> {
    connection.prepare_cached("DELETE FROM grouped_keys WHERE revision = ?1")?.execute([place]).map(drop)
}

fn list_rows(connection: &Connection, place: i64) -> rusqlite::Result<Vec<ListRow>> {
    let mut select = connection.prepare_cached(
        "SELECT revision, first_id, ids, states_before, code, root FROM grouped_keys
         WHERE revision = ?1 ORDER BY first_id",
    )?;
    select.query_map([place], ListRow::read)?.collect()
}

fn code_list(connection: &Connection, keys: &DerivedKeys, place: i64) -> rusqlite::Result<()> {
    let mut update = connection.prepare_cached(
        "UPDATE grouped_keys SET code = ?1, root = ?2 WHERE revision = ?3 AND first_id = ?4",
    )?;
    for mut row in list_rows(connection, place)?.into_iter().filter(|row| !row.is_genuine(keys)) {
        row.code_anew(keys);
        update.execute(params![row.code, row.root, place, row.found_by])?;
    }
    Ok(())
}
