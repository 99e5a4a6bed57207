//! Writing rows that count: what a change replaces leaves the sum, and what it writes joins it.

use rusqlite::{Connection, OptionalExtension, params, types::Value};

use super::{
    columns::{KEYS, coded_row, key_row, select_from},
    distrusted, hashes,
    refusal::WriteRefusal,
    sums::RunningSum,
};
use crate::{
    domain::root::DerivedKeys,
    ports::StoreError,
    store::{
        key_row::{NewKeyRow, TABLE as KEYS_TABLE},
        records::key::{StoredSecret, secrets_of},
        rows::Row,
    },
};

/// Tables whose bodies are no text.
const PACKED: [&str; 2] = ["group_changes", "removed_members"];

/// The rows of the open transaction, with the sum that they have.
pub(super) struct CountedRows<'c> {
    pub(super) connection: &'c Connection,
    pub(super) keys: &'c DerivedKeys,
    pub(super) sum: &'c mut RunningSum,
}

/// What a key's row was before.
enum KeyBefore {
    None,
    /// As it was written: with these secrets.
    Genuine(Vec<StoredSecret>),
    /// Nobody knows what it was.
    Unknown,
}

impl CountedRows<'_> {
    /// Writes a row in place of the one of its id.
    pub(super) fn replace(&mut self, table: &'static str, row: &Row) -> Result<(), WriteRefusal> {
        self.take_out(table, &String::from_utf8_lossy(&row.id))?;
        let put = format!(
            "INSERT INTO {table} (id, body, revision, root, code) VALUES (?1, ?2, ?3, ?4, ?5)
             ON CONFLICT (id) DO UPDATE
             SET body = excluded.body, revision = excluded.revision, root = excluded.root, code = excluded.code"
        );
        put_row(self.connection, &put, table, row)?;
        self.sum.add(row.summand(), self.keys);
        Ok(())
    }

    /// Writes a row that is new.
    pub(super) fn insert(&mut self, table: &'static str, row: &Row, insert: &str) -> rusqlite::Result<()> {
        put_row(self.connection, insert, table, row)?;
        self.sum.add(row.summand(), self.keys);
        Ok(())
    }

    /// Deletes the row of this id, if there is one.
    pub(super) fn delete(&mut self, table: &'static str, id: &str) -> Result<(), WriteRefusal> {
        self.take_out(table, id)?;
        let gone = format!("DELETE FROM {table} WHERE id = ?1");
        self.connection.prepare_cached(&gone)?.execute([id])?;
        Ok(())
    }

    /// Takes a row that stays no longer out of the sum: its term as it was verified now. One that is named as damaged has none.
    fn take_out(&mut self, table: &'static str, id: &str) -> Result<(), WriteRefusal> {
        if distrusted::strike(self.connection, self.keys, self.sum, table, id)? || !self.sum.is_known() {
            return Ok(());
        }
        let select = format!("{} WHERE id = ?1", select_from(table));
        let found = self.connection.prepare_cached(&select)?.query_row([id], coded_row).optional()?;
        let Some(row) = found else { return Ok(()) };
        if !row.is_genuine(table, self.keys) {
            return Err(damaged(id).into());
        }
        self.sum.subtract(row.summand(), self.keys);
        Ok(())
    }

    /// Writes the row of a key in place of the one that it had.
    pub(super) fn replace_key(&mut self, new: &NewKeyRow) -> Result<(), WriteRefusal> {
        let before = self.take_out_key(new)?;
        put_key_row(self.connection, new)?;
        let before = match before {
            KeyBefore::None => Vec::new(),
            KeyBefore::Genuine(secrets) => secrets,
            KeyBefore::Unknown => {
                hashes::forget_key(self.connection, &new.id)?;
                Vec::new()
            }
        };
        hashes::replace(self.connection, &new.id, &before, &secrets_of(&new.body))?;
        self.sum.add(new.as_row().summand(), self.keys);
        Ok(())
    }

    /// The same as [`Self::take_out`], of a key.
    fn take_out_key(&mut self, new: &NewKeyRow) -> Result<KeyBefore, WriteRefusal> {
        let id = new.as_row().shown_id();
        if distrusted::strike(self.connection, self.keys, self.sum, KEYS_TABLE, &id)? {
            return Ok(KeyBefore::Unknown);
        }
        let mut select = self.connection.prepare_cached(&format!("{KEYS} WHERE id = ?1"))?;
        let mut rows = select.query([&new.id])?;
        let Some(row) = rows.next()? else { return Ok(KeyBefore::None) };
        let row = key_row(row)?;
        if !row.is_genuine(self.keys) {
            return if self.sum.is_known() { Err(damaged(&id).into()) } else { Ok(KeyBefore::Unknown) };
        }
        self.sum.subtract(row.summand(), self.keys);
        Ok(KeyBefore::Genuine(secrets_of(row.body)))
    }
}

/// A row that a change would replace is not as it was written: nobody knows what it was.
fn damaged(id: &str) -> StoreError {
    StoreError::Corrupt(format!("{id}: its row was edited; the next start names it in the log"))
}

/// Writes the row of a key in place of the one of its id.
pub(super) fn put_key_row(connection: &Connection, row: &NewKeyRow) -> rusqlite::Result<()> {
    let NewKeyRow { id, workspace, created_ms, owner, body, revision, root, code } = row;
    let put = "INSERT INTO keys (id, workspace_id, created_ms, owner, body, revision, root, code)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)
         ON CONFLICT (id) DO UPDATE
         SET workspace_id = excluded.workspace_id, created_ms = excluded.created_ms, owner = excluded.owner,
             body = excluded.body, revision = excluded.revision, root = excluded.root, code = excluded.code";
    let values = params![id, workspace, created_ms, owner, body, revision, root, code];
    connection.prepare_cached(put)?.execute(values).map(drop)
}

fn put_row(connection: &Connection, insert: &str, table: &str, row: &Row) -> rusqlite::Result<()> {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let body = match table {
        table if PACKED.contains(&table) => Value::Blob(row.body.clone()),
        _ => Value::Text(text(&row.body)),
    };
    let values = params![text(&row.id), body, row.revision, row.root, row.code];
    connection.prepare_cached(insert)?.execute(values).map(drop)
}
