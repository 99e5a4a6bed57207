//! Reading import schemes back: each is checked against its code and the log, and its seal opened, before it counts.

use rusqlite::{Connection, OptionalExtension};

use super::{
    columns::{coded_row, each_row, select_from},
    log::Newest,
};
use crate::{
    domain::{root::DerivedKeys, text::Label},
    ports::{Damaged, View},
    store::rows::{ROW_MISSING, ROW_UNKNOWN},
};

/// Takes the schemes that the log names into `view`; answers those that cannot be trusted, and those that it does not know.
pub(super) fn read(
    connection: &Connection,
    keys: &DerivedKeys,
    newest: &Newest,
    view: &mut View,
) -> rusqlite::Result<Vec<Damaged>> {
    let mut damaged = Vec::new();
    let mut select = connection.prepare_cached(&format!("{} WHERE id = ?1", select_from("schemes")))?;
    for (name, newest) in &newest.schemes {
        let row = select.query_row([name.as_str()], coded_row).optional()?;
        let missing = || Damaged { id: name.to_string(), why: ROW_MISSING, zone: None };
        match row.ok_or_else(missing).and_then(|row| row.to_scheme(*newest, keys)) {
            Ok(scheme) => view.schemes.push(scheme),
            Err(bad) => damaged.push(bad),
        }
    }
    Ok(damaged)
}

/// The schemes that the log does not know, of a whole log.
pub(super) fn unknown(connection: &Connection, newest: &Newest) -> rusqlite::Result<Vec<Damaged>> {
    let mut unknown = Vec::new();
    each_row(connection, &select_from("schemes"), [], |row| {
        let name = row.parse_id(Label::parse);
        if name.is_none_or(|name| !newest.schemes.contains_key(&name)) {
            unknown.push(row.damaged(ROW_UNKNOWN));
        }
    })?;
    Ok(unknown)
}
