//! What the database notes of its roots: the check value of the newest, and under seal what is known of all.

use rusqlite::{Connection, types::Value};

use super::meta;
use crate::{
    domain::{root::DerivedKeys, seal::Sealed},
    store::roots::seal_history,
};

const CHECK: &str = "root_check";
const HISTORY: &str = "roots";

/// What is known of all roots, under seal: 12 bytes of a nonce, and what is sealed. The outer `None` where nothing is noted, the
/// inner where it was edited.
pub(super) fn read(connection: &Connection) -> rusqlite::Result<Option<Option<Sealed>>> {
    let stored = meta::value(connection, HISTORY)?;
    Ok(stored.map(|stored: Value| {
        let Value::Blob(stored) = stored else { return None };
        let (nonce, bytes) = stored.split_first_chunk()?;
        Some(Sealed { nonce: *nonce, bytes: bytes.to_vec() })
    }))
}

/// Notes them as they are by these keys.
pub(super) fn put(connection: &Connection, keys: &DerivedKeys) -> rusqlite::Result<()> {
    // Only a note of many gigabytes cannot be sealed.
    let sealed = seal_history(keys).ok_or(rusqlite::Error::InvalidQuery)?;
    meta::put(connection, CHECK, &keys.check)?;
    meta::put(connection, HISTORY, &[sealed.nonce.as_slice(), &sealed.bytes].concat())
}
