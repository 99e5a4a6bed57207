//! The names of people, each under the reference by which entries name that person. Nothing that is decided follows from a name here,
//! but whose row an entry about a member vouches for.

use std::collections::HashMap;

use foldhash::quality::RandomState;
use rusqlite::{Connection, OptionalExtension, Row as SqliteRow, params};

use super::{
    columns::{bytes, integer_of, lying},
    counted::CountedRows,
    distrusted::BadRow,
    refusal::WriteRefusal,
};
use crate::{
    domain::{
        audit::{PersonName, PersonRef},
        revision::Revision,
        root::DerivedKeys,
    },
    ports::LogRecord,
    store::{
        draws::Draws,
        rows::{EDITED, NOT_NEWEST, ROW_MISSING, ROW_UNKNOWN, Row},
        sum::Summand,
    },
};

/// Their table.
pub(super) const TABLE: &str = "people";

const COLUMNS: &str = "SELECT reference, name, revision, root, code FROM people";

const OLDER: &str = "SELECT reference, name, revision, NULL, code FROM people WHERE reference = ?1";

/// Gives references to the names of one entry.
pub(super) struct Referring<'r, 'c> {
    pub(super) counted: &'r mut CountedRows<'c>,
    pub(super) draws: &'r Draws,
    /// Where the entry will stand.
    pub(super) revision: Revision,
    /// How many people are new in it.
    pub(super) new: u64,
}

impl Referring<'_, '_> {
    /// The reference of a name: the one that it has, or a new one.
    pub(super) fn reference(&mut self, name: &str) -> Result<PersonRef, WriteRefusal> {
        let (connection, keys) = (self.counted.connection, self.counted.keys);
        let select = format!("{COLUMNS} WHERE name = ?1");
        let found = connection.prepare_cached(&select)?.query_row([name], person).optional()?;
        if let Some(row) = found {
            if let Some(known) = reference_of(&row).filter(|_| row.is_genuine(TABLE, keys)) {
                return Ok(known);
            }
            // Revoking a key must not wait for the row of a name. The next start misses it, and names it in the log.
            tracing::error!(
                person = %String::from_utf8_lossy(&row.id),
                "the row of a person's name was edited: the person gets another reference"
            );
            connection.prepare_cached("DELETE FROM people WHERE name = ?1")?.execute([name])?;
        }
        self.put(name)
    }

    fn put(&mut self, name: &str) -> Result<PersonRef, WriteRefusal> {
        let reference = PersonRef::new(self.draws.next(), self.revision, self.new);
        self.new = self.new.saturating_add(1);
        let CountedRows { connection, keys, sum } = &mut *self.counted;
        let row = Row::new(TABLE, reference.to_string(), name, self.revision, keys);
        let mut insert = connection.prepare_cached(
            "INSERT INTO people (reference, name, revision, root, code) VALUES (?1, ?2, ?3, ?4, ?5)",
        )?;
        insert.execute(params![reference.to_bytes(), name, row.revision, row.root, row.code])?;
        sum.add(row.summand(), keys);
        Ok(reference)
    }
}

/// A record with the names of those that it refers to.
pub(super) fn with_names(
    connection: &Connection,
    keys: &DerivedKeys,
    record: LogRecord,
) -> rusqlite::Result<LogRecord> {
    let mut people: Vec<(PersonRef, PersonName)> = Vec::new();
    for reference in PersonRef::all_in(&record.bytes) {
        if !people.iter().any(|(known, _)| *known == reference) {
            people.push((reference, name(connection, keys, reference)?));
        }
    }
    Ok(LogRecord { people, ..record })
}

/// Whom a reference means.
pub(super) fn name(
    connection: &Connection,
    keys: &DerivedKeys,
    reference: PersonRef,
) -> rusqlite::Result<PersonName> {
    let select = connection.prepare_cached(&format!("{COLUMNS} WHERE reference = ?1"));
    let (mut select, is_older) = match select {
        // In schema 12 no row said its root.
        Err(rusqlite::Error::SqlInputError { .. }) => (connection.prepare_cached(OLDER)?, true),
        select => (select?, false),
    };
    let found = select.query_row([reference.to_bytes()], person).optional()?;
    Ok(match found {
        None => PersonName::Unknown,
        Some(row) if is_older && !is_genuine_older(&row, keys) => PersonName::Edited,
        Some(row) if !is_older && !row.is_genuine(TABLE, keys) => PersonName::Edited,
        Some(row) => PersonName::Known(String::from_utf8_lossy(&row.body).into_owned()),
    })
}

/// Whether a row of schema 12 is as it was written.
fn is_genuine_older(row: &Row, keys: &DerivedKeys) -> bool {
    let parts = [TABLE.as_bytes(), &row.id, &row.body, &row.revision.to_be_bytes()];
    keys.rows.agrees(&parts, &row.code)
}

/// Shows every row to `put`.
pub(super) fn each(connection: &Connection, put: impl FnMut(&Row)) -> rusqlite::Result<()> {
    each_from(connection, &[], None, put)
}

/// Shows the rows to `put` whose references begin with `from` or later, and before `end`, where there is one.
pub(super) fn each_from(
    connection: &Connection,
    from: &[u8],
    end: Option<&[u8]>,
    mut put: impl FnMut(&Row),
) -> rusqlite::Result<()> {
    let bound = if end.is_some() { "reference < ?2" } else { "?2 IS NULL" };
    let select = format!("{COLUMNS} WHERE reference >= ?1 AND {bound} ORDER BY reference");
    let mut select = connection.prepare_cached(&select)?;
    let mut rows = select.query((from, end))?;
    while let Some(row) = rows.next()? {
        put(&person(row)?);
    }
    Ok(())
}

/// The rows that cannot be trusted, where the log has the references `missing`: each has a row, which the entry wrote that has it
/// first, and there are no other rows.
pub(super) fn bad(
    connection: &Connection,
    keys: &DerivedKeys,
    mut missing: HashMap<PersonRef, i64, RandomState>,
) -> rusqlite::Result<Vec<BadRow>> {
    let mut bad = Vec::new();
    each(connection, |row| {
        let why = why_bad(row, keys, reference_of(row).and_then(|reference| missing.remove(&reference)));
        bad.extend(why.map(|why| BadRow { table: TABLE, id: row.id.clone(), why }));
    })?;
    let missing = missing.into_keys();
    bad.extend(missing.map(|person| BadRow {
        table: TABLE,
        id: person.to_string().into(),
        why: ROW_MISSING,
    }));
    tell_all(&bad);
    Ok(bad)
}

/// The same of a few of them, each of which is there and has been `written`; what counts of the others is shown to `count`.
pub(super) fn again(
    connection: &Connection,
    keys: &DerivedKeys,
    people: impl Iterator<Item = PersonRef>,
    written: &HashMap<PersonRef, i64, RandomState>,
    mut count: impl FnMut(Summand<'_>),
) -> rusqlite::Result<Vec<BadRow>> {
    let mut bad = Vec::new();
    let mut select = connection.prepare_cached(&format!("{COLUMNS} WHERE reference = ?1"))?;
    for reference in people {
        let row = select.query_row([reference.to_bytes()], person)?;
        match why_bad(&row, keys, written.get(&reference).copied()) {
            Some(why) => bad.push(BadRow { table: TABLE, id: row.id, why }),
            None => count(row.summand()),
        }
    }
    Ok(bad)
}

/// Why a row cannot be trusted that the log says was `written` so, if it cannot.
fn why_bad(row: &Row, keys: &DerivedKeys, written: Option<i64>) -> Option<&'static str> {
    match written {
        None => Some(ROW_UNKNOWN),
        Some(_) if !row.is_genuine(TABLE, keys) => Some(EDITED),
        Some(written) if written != row.revision => Some(NOT_NEWEST),
        Some(_) => None,
    }
}

/// Says of each that it cannot be trusted.
pub(super) fn tell_all(bad: &[BadRow]) {
    for bad in bad {
        tell(&bad.id, bad.why);
    }
}

/// Says that a row cannot be trusted.
pub(super) fn tell(id: &[u8], why: &str) {
    let person = String::from_utf8_lossy(id);
    tracing::error!(%person, why, "the row of a person's name cannot be trusted; the log shows no name there");
}

/// A row as it is coded: it is called by its reference as entries spell it.
pub(super) fn person(row: &SqliteRow<'_>) -> rusqlite::Result<Row> {
    Ok(Row {
        id: spelled(lying(row, 0)?.unwrap_or_default()),
        body: bytes(row, 1)?,
        revision: integer_of(row, 2)?,
        root: integer_of(row, 3)?,
        code: bytes(row, 4)?,
    })
}

/// A reference as entries spell it. One that was edited finds nothing.
fn spelled(stored: &[u8]) -> Vec<u8> {
    let reference = stored.try_into().map(|bytes| PersonRef::from_bytes(bytes).to_string());
    reference.map_or_else(|_other| stored.to_vec(), String::into_bytes)
}

/// The same, to be shown.
pub(super) fn shown(stored: &[u8]) -> String {
    String::from_utf8_lossy(&spelled(stored)).into_owned()
}

fn reference_of(row: &Row) -> Option<PersonRef> {
    row.parse_id(|text| PersonRef::parse(text).ok_or(()))
}
