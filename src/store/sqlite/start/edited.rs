//! Rows of keys that were edited where they stand, their codes untouched: then the codes alone tell that nothing else differs, and
//! no log is read.
//!
//! The sum that is kept is over the codes of the newest rows. Where the codes that stand there come to the same sum, they are those
//! codes: each row that agrees with its code is the newest, and the others were edited. Whose rows these are is what their ids
//! say, as long as the log names each of those: every key that it names has one row, so that ids which it names, and which no
//! sound row has, are those of the edited ones.

use rusqlite::Connection;

use super::{by_rows::ByRows, repair::Repair};
use crate::{
    domain::{id::KeyId, root::DerivedKeys},
    store::{
        chain::LogHead,
        key_row::TABLE,
        sqlite::{distrusted::BadRow, log},
        sum::RowSum,
    },
};

/// How many rows are looked at so; where there are more, something else has happened.
const MOST: usize = 100;

/// What is to be written down where nothing but such rows differs from what is kept.
pub(super) fn edited_alone(
    connection: &Connection,
    keys: &DerivedKeys,
    head: LogHead,
    kept: &RowSum,
    found: &ByRows,
) -> rusqlite::Result<Option<Repair>> {
    if !found.is_genuine || found.damaged_keys.len() > MOST {
        return Ok(None);
    }
    let (mut sum, mut bad) = (found.sum.clone(), Vec::new());
    for (id, damaged) in found.damaged_keys.iter().filter(|(_, damaged)| !damaged.is_genuine) {
        sum.add(damaged.summand(), keys);
        bad.push(BadRow { table: TABLE, id: id.clone().into(), why: damaged.why });
        let is_named = KeyId::parse(id).map_or(Ok(false), |id| log::names_key(connection, keys, id))?;
        if !is_named {
            return Ok(None);
        }
    }
    Ok((sum == *kept).then(|| Repair::of_edited(head, bad, found.sum.clone())))
}
