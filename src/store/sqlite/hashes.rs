//! Which hashes there are, so that no two keys get the same: the first half of each, with the key that has it.
//!
//! No right hangs on it. A row that was edited or taken away can make a change be refused, or let a hash be written twice, which
//! memory refuses on its own.

use rusqlite::{Connection, params};

use super::refusal::WriteRefusal;
use crate::{ports::StoreError, store::records::key::StoredSecret};

/// How much of a hash stands there.
const KEPT: usize = 16;

/// Notes the hashes of the secrets that a key has in place of those before. Refused where another key has one of them: who draws
/// again gets another.
pub(super) fn replace(
    connection: &Connection,
    key_id: &[u8],
    before: &[StoredSecret],
    now: &[StoredSecret],
) -> Result<(), WriteRefusal> {
    let has = |all: &[StoredSecret], one: &StoredSecret| all.iter().any(|secret| secret.hash == one.hash);
    if now
        .iter()
        .enumerate()
        .any(|(place, secret)| secret.hash.is_some() && has(now.get(..place).unwrap_or_default(), secret))
    {
        return Err(StoreError::Conflict.into());
    }
    for gone in before.iter().filter(|secret| !has(now, secret)).filter_map(kept) {
        connection
            .prepare_cached("DELETE FROM hashes WHERE hash = ?1 AND key_id = ?2")?
            .execute(params![gone, key_id])?;
    }
    for new in now.iter().filter(|secret| !has(before, secret)).filter_map(kept) {
        let put = "INSERT INTO hashes (hash, key_id) VALUES (?1, ?2) ON CONFLICT (hash) DO NOTHING";
        if connection.prepare_cached(put)?.execute(params![new, key_id])? == 0 {
            return Err(StoreError::Conflict.into());
        }
    }
    Ok(())
}

/// Drops all hashes of a key of which nobody knows what its secrets were: that takes a look at every row.
pub(super) fn forget_key(connection: &Connection, key_id: &[u8]) -> rusqlite::Result<()> {
    connection.prepare_cached("DELETE FROM hashes WHERE key_id = ?1")?.execute([key_id]).map(drop)
}

/// What stands of the hash of a secret; nothing of a later import.
pub(super) fn kept(secret: &StoredSecret) -> Option<[u8; KEPT]> {
    secret.hash.as_ref().and_then(|hash| hash.first_chunk()).copied()
}
