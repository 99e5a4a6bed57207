//! What the store notes of itself: values under names.

use std::borrow::Cow;

use rusqlite::{Connection, OptionalExtension as _, ToSql, params, types::FromSql};

use crate::ports::ReplicaId;

/// Writes the value under a name, in place of any that was there.
pub(super) fn put(connection: &Connection, name: &str, value: &dyn ToSql) -> rusqlite::Result<()> {
    let put = "INSERT INTO meta (name, value) VALUES (?1, ?2)
         ON CONFLICT (name) DO UPDATE SET value = excluded.value";
    connection.prepare_cached(put)?.execute(params![name, value])?;
    Ok(())
}

/// The name under which a value of one replica stands; the only one's stands under the name alone.
pub(super) fn of_replica(name: &str, replica: ReplicaId) -> Cow<'_, str> {
    if replica == ReplicaId::ONLY { name.into() } else { format!("{name}/{}", replica.number()).into() }
}

/// The value under a name.
pub(super) fn value<T: FromSql>(connection: &Connection, name: &str) -> rusqlite::Result<Option<T>> {
    let select = "SELECT value FROM meta WHERE name = ?1";
    connection.prepare_cached(select)?.query_row([name], |row| row.get(0)).optional()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_replica_notes_of_itself_is_no_others() {
        // D2: what is there is the only one's
        let names = [0, 1, 17].map(|number| of_replica("counts_complete", ReplicaId::numbered(number)));
        assert_eq!(names, ["counts_complete", "counts_complete/1", "counts_complete/17"]);
    }
}
