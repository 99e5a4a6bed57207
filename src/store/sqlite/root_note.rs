//! What the database notes of its roots: the check value of the newest, and under seal what is known of all.

use rusqlite::{Connection, types::Value};

use super::meta;
use crate::{
    domain::{root::DerivedKeys, seal::Sealed},
    store::roots::seal_history,
};

const CHECK: &str = "root_check";
const HISTORY: &str = "roots";

/// What stands there of all roots.
pub(super) enum RootNote {
    /// Nothing: the store has had one root alone.
    Nothing,
    /// It was edited.
    Edited,
    /// What is known of them, under seal.
    Sealed(Sealed),
}

/// Reads it: 12 bytes of a nonce, and what is sealed.
pub(super) fn read(connection: &Connection) -> rusqlite::Result<RootNote> {
    let Some(stored) = meta::value(connection, HISTORY)? else { return Ok(RootNote::Nothing) };
    let Value::Blob(stored) = stored else { return Ok(RootNote::Edited) };
    Ok(stored.split_first_chunk().map_or(RootNote::Edited, |(nonce, bytes)| {
        RootNote::Sealed(Sealed { nonce: *nonce, bytes: bytes.to_vec() })
    }))
}

/// Notes them as they are by these keys.
pub(super) fn put(connection: &Connection, keys: &DerivedKeys) -> rusqlite::Result<()> {
    // Only a note of many gigabytes cannot be sealed.
    let sealed = seal_history(keys).ok_or(rusqlite::Error::InvalidQuery)?;
    meta::put(connection, CHECK, &keys.check)?;
    meta::put(connection, HISTORY, &[sealed.nonce.as_slice(), &sealed.bytes].concat())
}
