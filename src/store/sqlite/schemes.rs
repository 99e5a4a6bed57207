//! Reading import schemes back: each is checked against its code and the log, and its seal opened, before it counts.

use rusqlite::{Connection, OptionalExtension};

use super::{columns::key_row, damage::ROW_MISSING, log::Newest};
use crate::{
    domain::root::DerivedKeys,
    ports::{Damaged, View},
};

/// Takes the schemes that the log names into `view`.
pub(super) fn read(
    connection: &Connection,
    keys: &DerivedKeys,
    newest: &Newest,
    view: &mut View,
) -> rusqlite::Result<()> {
    let mut select =
        connection.prepare_cached("SELECT id, body, revision, code FROM schemes WHERE id = ?1")?;
    for (name, newest) in &newest.schemes {
        let row = select.query_row([name.as_str()], key_row).optional()?;
        let missing = || Damaged { id: name.to_string(), why: ROW_MISSING, zone: None };
        match row.ok_or_else(missing).and_then(|row| row.to_scheme(*newest, keys)) {
            Ok(scheme) => view.schemes.push(scheme),
            Err(damaged) => view.damaged.push(damaged),
        }
    }
    Ok(())
}
