//! The check of the whole log.

use std::{collections::HashSet, sync::Arc};

use rusqlite::Connection;

use super::record::{record, select};
use crate::{
    domain::{
        audit::{PersonName, PersonRef},
        root::DerivedKeys,
    },
    ports::{StoreError, Verification},
    store::{
        chain::ChainCheck,
        records::group::KeyList,
        rows::to_stored,
        sqlite::{
            damage,
            failure::{is_corruption, is_nonsense, of_reading},
            groups, people,
            schema::{REVISED, TABLES, present},
            snapshot::KeyedSnapshot,
        },
    },
};

/// How many records are read in one transaction, so that a long check does not keep the WAL from being emptied.
const AT_ONCE: usize = 4096;

/// How many people are looked at once only.
const MOST_KNOWN: usize = 65_536;

/// The keys in force.
pub(in crate::store::sqlite) type KeysNow<'k> = &'k dyn Fn() -> Arc<DerivedKeys>;

/// Reads the log from its first record to its last as they are now; then whether the indexes agree with their tables,
/// because queries go through them, and an index could leave entries out.
pub(in crate::store::sqlite) fn verify(
    connection: &mut Connection,
    keys_now: KeysNow<'_>,
    listening: &dyn Fn(u64) -> bool,
) -> Result<Verification, StoreError> {
    let mut check = ChainCheck::new(keys_now());
    let ends = verify_all(connection, keys_now, &mut check, listening).map_err(|error| of_reading(&error))?;
    let Some(Ends { newest_row, mark_fault }) = ends else { return Err(unheard()) };
    let mut found = check.finish(newest_row);
    if found.fault.is_none() {
        found.fault = mark_fault.map(|why| (found.head.next(), why));
    }
    if found.fault.is_none() {
        let heard = || listening(found.records);
        match check_tables(connection, heard).map_err(|error| of_reading(&error))? {
            TablesCheck::Sound => {}
            TablesCheck::Faulty(why) => found.fault = Some((found.head.next(), why)),
            TablesCheck::Unheard => return Err(unheard()),
        }
    }
    Ok(found)
}

fn unheard() -> StoreError {
    StoreError::Unavailable("nobody waits for the log to be verified any more".to_owned())
}

/// What SQLite says of the tables and their indexes.
enum TablesCheck {
    Sound,
    /// The first thing that is wrong.
    Faulty(String),
    /// Nobody waits for it any more.
    Unheard,
}

/// Has SQLite look at every table and its indexes.
fn check_tables(connection: &Connection, heard: impl Fn() -> bool) -> rusqlite::Result<TablesCheck> {
    // One table after the other, each in a snapshot of its own, so that the WAL can be emptied in between.
    for table in present(connection, &TABLES)? {
        if !heard() {
            return Ok(TablesCheck::Unheard);
        }
        let check = connection.query_row(&format!("PRAGMA integrity_check({table})"), [], |row| row.get(0));
        let found: String = match check {
            Err(error) if is_corruption(&error) || is_nonsense(&error) => error.to_string(),
            check => check?,
        };
        if found != "ok" {
            return Ok(TablesCheck::Faulty(damage::of_table(table, &found)));
        }
    }
    Ok(TablesCheck::Sound)
}

/// What other rows say of the log's end.
#[derive(Default)]
struct Ends {
    /// The newest revision that one bears.
    newest_row: i64,
    /// What is wrong with the mark of changes of many keys.
    mark_fault: Option<String>,
}

/// Takes every record, and answers what other rows say of their end; `None` where nobody waits for it any more.
fn verify_all(
    connection: &mut Connection,
    keys_now: KeysNow<'_>,
    check: &mut ChainCheck,
    listening: &dyn Fn(u64) -> bool,
) -> rusqlite::Result<Option<Ends>> {
    let (mut after, mut known) = (i64::MIN, KnownPeople::default());
    loop {
        let KeyedSnapshot { transaction: snapshot, keys } = KeyedSnapshot::fix(connection, keys_now)?;
        let keys = &keys;
        check.take_keys(keys);
        let mut statement =
            select(&snapshot, &format!("WHERE revision > ?1 ORDER BY revision LIMIT {AT_ONCE}"))?;
        let mut rows = statement.query([after])?;
        let mut taken = 0;
        while let Some(row) = rows.next()? {
            let record = record(row)?;
            let list = |place| match groups::list(&snapshot, place) {
                // Then its keys are not there as it had them.
                Err(error) if is_corruption(&error) || is_nonsense(&error) => Ok(KeyList::default()),
                list => list,
            };
            let gained = || list(groups::gained_at(record.revision));
            let people = || known.fault(&snapshot, keys, &record.bytes);
            if !check.take(&record, || list(record.revision), gained, people)? {
                return Ok(Some(Ends::default()));
            }
            taken += 1;
        }
        after = to_stored(check.head());
        if !listening(check.head().0) {
            return Ok(None);
        }
        if taken < AT_ONCE {
            // In the same snapshot as the last records: what is committed between two is in neither or in both.
            let newest_row = newest_row(&snapshot)?;
            let mark_fault = groups::mark_fault(&snapshot, keys, check.newest_group())?;
            return Ok(Some(Ends { newest_row, mark_fault }));
        }
    }
}

/// People whose rows were seen to be whole.
#[derive(Default)]
struct KnownPeople(HashSet<PersonRef>);

impl KnownPeople {
    /// What is wrong with the rows of those that an entry refers to, if anything is.
    fn fault(
        &mut self,
        connection: &Connection,
        keys: &DerivedKeys,
        entry: &[u8],
    ) -> rusqlite::Result<Option<String>> {
        for person in PersonRef::all_in(entry) {
            if self.0.contains(&person) {
                continue;
            }
            match people::name(connection, keys, person)? {
                PersonName::Known(_) if self.0.len() < MOST_KNOWN => drop(self.0.insert(person)),
                PersonName::Known(_) => {}
                PersonName::Unknown => return Ok(Some(format!("the name of person {person} was removed"))),
                PersonName::Edited => return Ok(Some(format!("the name of person {person} was edited"))),
            }
        }
        Ok(None)
    }
}

fn newest_row(connection: &Connection) -> rusqlite::Result<i64> {
    let each: Vec<_> = present(connection, &REVISED)?
        .into_iter()
        .map(|table| format!("SELECT revision FROM {table}"))
        .collect();
    let all = format!("SELECT max(revision) FROM ({})", each.join(" UNION ALL "));
    connection.query_row(&all, [], |row| row.get::<_, Option<i64>>(0)).map(Option::unwrap_or_default)
}
