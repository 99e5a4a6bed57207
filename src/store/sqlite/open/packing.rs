//! Rows of schemas up to 12, as they are written since: keys packed, with their secrets in them; codes of 16 bytes; each row with
//! the root under which it stands.
//!
//! A short code is the first half of the long one, so that a row whose code was wrong has a wrong one after it as before. Keys are
//! another matter: each is read, verified and packed anew. What was damaged before stays so, and the first start, which has no sum
//! to go by and reads the log, names it.

use rusqlite::{Connection, Row, params};

use crate::{
    domain::{audit::digest, id::KeyId, root::DerivedKeys},
    store::{
        records::key::{OlderKeyRow, OlderSecretRow},
        sqlite::{
            columns::{bytes, integer_of},
            counted::put_key_row,
        },
    },
};

/// Tables whose rows have codes, but for keys and the log.
const CODED: [&str; 9] = [
    "workspaces",
    "members",
    "schemes",
    "policies",
    "grouped_keys",
    "group_changes",
    "removed_members",
    "distrusted",
    "people",
];

/// How much of the file is kept in memory meanwhile, in KiB: what is read and written lies in another order than it did.
const CACHE: i64 = -64 * 1024;

/// Takes everything over.
pub(super) fn take_over(connection: &Connection, keys: &DerivedKeys) -> rusqlite::Result<()> {
    connection.pragma_update(None, "cache_size", CACHE)?;
    for table in CODED {
        let short = format!("UPDATE {table} SET root = ?1, code = substr(code, 1, 16)");
        connection.execute(&short, [keys.newest_rows().root()])?;
    }
    shorten_log(connection, keys)?;
    pack_keys(connection, keys)?;
    connection.execute("DELETE FROM sum", [])?;
    note_hashes(connection)
}

/// A digest that is the one of its bytes need not be stored.
fn shorten_log(connection: &Connection, keys: &DerivedKeys) -> rusqlite::Result<()> {
    let mut select = connection.prepare("SELECT revision, bytes, digest FROM log ORDER BY revision")?;
    let mut update = connection
        .prepare("UPDATE log SET digest = ?1, code = substr(code, 1, 16), root = ?2 WHERE revision = ?3")?;
    let mut rows = select.query([])?;
    while let Some(row) = rows.next()? {
        let (revision, entry, stored): (i64, _, _) = (row.get(0)?, bytes(row, 1)?, bytes(row, 2)?);
        let kept = if stored == digest(&entry) { Vec::new() } else { stored };
        update.execute(params![kept, keys.newest_rows().root(), revision])?;
    }
    Ok(())
}

fn pack_keys(connection: &Connection, keys: &DerivedKeys) -> rusqlite::Result<()> {
    let mut select = connection.prepare(
        "SELECT keys.id, keys.body, keys.revision, keys.code,
                secrets.generation, secrets.scheme, secrets.root, secrets.hash, secrets.hint,
                secrets.created_ms, secrets.end_ms, secrets.revision, secrets.code
         FROM keys_before AS keys LEFT JOIN secrets ON secrets.key_id = keys.id ORDER BY keys.id",
    )?;
    let mut rows = select.query([])?;
    let (mut current, mut secrets) = (None::<OlderKeyRow>, Vec::new());
    while let Some(row) = rows.next()? {
        let next = OlderKeyRow {
            id: bytes(row, 0)?,
            body: bytes(row, 1)?,
            revision: integer_of(row, 2)?,
            code: bytes(row, 3)?,
        };
        if current.as_ref().is_none_or(|current| current.id != next.id)
            && let Some(complete) = current.replace(next)
        {
            put_key_row(connection, &complete.packed_anew(&std::mem::take(&mut secrets), keys))?;
        }
        // Nothing where the join found no secret.
        if row.get::<_, Option<i64>>(4)?.is_some() {
            secrets.push(secret(row)?);
        }
    }
    current.map_or(Ok(()), |complete| put_key_row(connection, &complete.packed_anew(&secrets, keys)))
}

fn secret(row: &Row<'_>) -> rusqlite::Result<OlderSecretRow> {
    Ok(OlderSecretRow {
        generation: row.get(4)?,
        scheme: bytes(row, 5)?,
        root: integer_of(row, 6)?,
        hash: bytes(row, 7)?,
        hint: bytes(row, 8)?,
        created_ms: integer_of(row, 9)?,
        end_ms: row.get(10)?,
        revision: integer_of(row, 11)?,
        code: bytes(row, 12)?,
    })
}

/// Notes the hashes that the rows of secrets had, in their order, and of which no two were the same. That of a later import has
/// its key's id behind it, and is another key's.
fn note_hashes(connection: &Connection) -> rusqlite::Result<()> {
    let mut select =
        connection.prepare("SELECT hash, key_id FROM secrets WHERE length(hash) = 32 ORDER BY hash")?;
    let mut insert = connection
        .prepare("INSERT INTO hashes (hash, key_id) VALUES (?1, ?2) ON CONFLICT (hash) DO NOTHING")?;
    let mut rows = select.query([])?;
    while let Some(row) = rows.next()? {
        let (hash, key) = (bytes(row, 0)?, bytes(row, 1)?);
        let key = std::str::from_utf8(&key).ok().and_then(|text| KeyId::parse(text).ok());
        if let Some((half, key)) = hash.get(..16).zip(key) {
            insert.execute(params![half, key.to_bytes()])?;
        }
    }
    Ok(())
}
