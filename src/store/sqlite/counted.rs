//! Writing rows that count: what a change replaces leaves the sum, and what it writes joins it.

use rusqlite::{Connection, OptionalExtension, params, types::Value};

use super::{
    columns::{key_row, secret_row_at},
    distrusted, failure,
    refusal::WriteRefusal,
    sums::RunningSum,
};
use crate::{
    domain::root::DerivedKeys,
    ports::StoreError,
    store::rows::{Row, SecretRow},
};

/// Tables whose bodies are no text.
const PACKED: [&str; 2] = ["group_changes", "removed_members"];

/// The rows of the open transaction, with the sum that they have.
pub(super) struct CountedRows<'c> {
    pub(super) connection: &'c Connection,
    pub(super) keys: &'c DerivedKeys,
    pub(super) sum: &'c mut RunningSum,
}

impl CountedRows<'_> {
    /// Writes a row in place of the one of its id.
    pub(super) fn replace(&mut self, table: &'static str, row: &Row) -> Result<(), WriteRefusal> {
        self.take_out(table, &String::from_utf8_lossy(&row.id))?;
        let put = format!(
            "INSERT INTO {table} (id, body, revision, code) VALUES (?1, ?2, ?3, ?4) ON CONFLICT (id)
             DO UPDATE SET body = excluded.body, revision = excluded.revision, code = excluded.code"
        );
        put_row(self.connection, &put, table, row)?;
        self.sum.add_row(table, row, self.keys);
        Ok(())
    }

    /// Writes a row that is new.
    pub(super) fn insert(&mut self, table: &'static str, row: &Row, insert: &str) -> rusqlite::Result<()> {
        put_row(self.connection, insert, table, row)?;
        self.sum.add_row(table, row, self.keys);
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
        let select = format!("SELECT id, body, revision, code FROM {table} WHERE id = ?1");
        let found = self.connection.prepare_cached(&select)?.query_row([id], key_row).optional()?;
        let Some(row) = found else { return Ok(()) };
        if !row.is_genuine(table, &self.keys.rows) {
            return Err(damaged(id).into());
        }
        self.sum.subtract(row.summand(table), self.keys);
        Ok(())
    }

    /// Writes the rows of a key in place of those that it had.
    pub(super) fn replace_key(&mut self, row: &Row, secrets: &[SecretRow]) -> Result<(), WriteRefusal> {
        let id = String::from_utf8_lossy(&row.id).into_owned();
        self.take_out_secrets(&id)?;
        self.replace("keys", row)?;
        self.connection.prepare_cached("DELETE FROM secrets WHERE key_id = ?1")?.execute([&id])?;
        for secret in secrets {
            put_secret(self.connection, &id, secret)?;
            self.sum.add(secret.summand(&secret.id(id.as_bytes())), self.keys);
        }
        Ok(())
    }

    fn take_out_secrets(&mut self, key_id: &str) -> Result<(), WriteRefusal> {
        if !self.sum.is_known() || distrusted::is_named(self.connection, "keys", key_id)? {
            return Ok(());
        }
        let mut select = self.connection.prepare_cached(
            "SELECT generation, scheme, root, hash, hint, created_ms, end_ms, revision, code
             FROM secrets WHERE key_id = ?1",
        )?;
        let mut rows = select.query([key_id])?;
        while let Some(row) = rows.next()? {
            let secret = secret_row_at(row, 0)?;
            if !secret.is_genuine(key_id.as_bytes(), &self.keys.rows) {
                return Err(damaged(key_id).into());
            }
            self.sum.subtract(secret.summand(&secret.id(key_id.as_bytes())), self.keys);
        }
        Ok(())
    }
}

/// A row that a change would replace is not as it was written: nobody knows what it was.
fn damaged(id: &str) -> StoreError {
    StoreError::Corrupt(format!("{id}: its row was edited; the next start names it in the log"))
}

fn put_row(connection: &Connection, insert: &str, table: &str, row: &Row) -> rusqlite::Result<()> {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let body = match table {
        table if PACKED.contains(&table) => Value::Blob(row.body.clone()),
        _ => Value::Text(text(&row.body)),
    };
    let values = params![text(&row.id), body, row.revision, row.code];
    connection.prepare_cached(insert)?.execute(values).map(drop)
}

fn put_secret(connection: &Connection, key_id: &str, row: &SecretRow) -> Result<(), WriteRefusal> {
    let mut insert = connection.prepare_cached(
        "INSERT INTO secrets (key_id, generation, scheme, root, hash, hint, created_ms, end_ms, revision, code)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
    )?;
    let text = |bytes| String::from_utf8_lossy(bytes);
    let inserted = insert.execute(params![
        key_id,
        row.generation,
        text(&row.scheme),
        row.root,
        row.hash,
        text(&row.hint),
        row.created_ms,
        row.end_ms,
        row.revision,
        row.code
    ]);
    match inserted {
        Ok(_) => Ok(()),
        // Another key has this secret: the one who draws again gets another.
        Err(error) if failure::is_duplicate(&error) => Err(StoreError::Conflict.into()),
        Err(error) => Err(error.into()),
    }
}
