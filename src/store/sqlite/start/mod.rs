//! A start: rows alone, where their sum is the one at the head of the log. Where it is not, the log is read, and names which row is
//! old, missing or too many; that is then written down, so that the next start is quick again.

mod beside;
mod by_rows;
mod edited;
mod keys;
mod repair;
mod scan;
mod second_look;
mod whole_log;

use rusqlite::Connection;

pub(super) use self::repair::{Repair, repair};
use self::{
    by_rows::{ByRows, by_rows},
    edited::edited_alone,
    second_look::{KnownRows, Many, second_look},
};
use super::{
    failure::{of_reading, zone_missing},
    groups, log, people,
    read::ViewRows,
    readers::ReadingConnection,
    sums::{self, KeptSum},
};
use crate::{
    domain::{audit::PersonRef, id::KeyId, revision::Revision, root::DerivedKeys},
    ports::{StoreError, ViewSink},
    store::chain::LogHead,
};

/// What a start found.
pub(super) struct Loaded {
    /// The revision of what was handed over.
    pub(super) revision: Revision,
    /// What is to be written so that the next start reads no log.
    pub(super) repair: Option<Repair>,
}

/// Hands everything over as it stands at one revision; `others` read keys beside this connection.
pub(super) fn load(
    connection: &mut Connection,
    keys: &DerivedKeys,
    others: &mut [ReadingConnection],
    sink: &dyn ViewSink,
) -> Result<Loaded, StoreError> {
    let snapshot = connection.transaction().map_err(|error| of_reading(&error))?;
    let head = log::head(&snapshot, keys)?;
    let kept = sums::read(&snapshot, keys, head).map_err(|error| of_reading(&error))?;
    let (was_missing, found) = match kept {
        KeptSum::Kept(kept) => {
            let found = by_rows(&snapshot, keys, head, others, sink).map_err(|error| of_reading(&error))?;
            let is_all = found.is_all_there(&kept);
            let edited = if is_all { Ok(None) } else { edited_alone(&snapshot, keys, head, &kept, &found) };
            let edited = edited.map_err(|error| of_reading(&error))?;
            if is_all || edited.is_some() {
                let loaded = Loaded { revision: head.revision, repair: edited };
                return found.zone_missing.map_or(Ok(loaded), |(whose, zone)| Err(zone_missing(whose, zone)));
            }
            tracing::warn!(
                "what is stored is not what it was when it was written last: the whole log is read to name what differs"
            );
            (false, Some(found))
        }
        KeptSum::Unreadable => {
            tracing::warn!(
                "the sum over what is stored was edited, or is another store's: the whole log is read"
            );
            (false, None)
        }
        KeptSum::Missing => (true, None),
    };
    by_log(&snapshot, keys, (head, was_missing), others, found, sink)
}

/// Every record of the log is looked at first: one that was removed or altered could have told that a row is old.
fn by_log(
    connection: &Connection,
    keys: &DerivedKeys,
    (head, was_missing): (LogHead, bool),
    others: &mut [ReadingConnection],
    found: Option<ByRows>,
    sink: &dyn ViewSink,
) -> Result<Loaded, StoreError> {
    let newest = whole_log::named(connection, keys, head, others)?;
    let fault =
        groups::mark_fault(connection, keys, newest.newest_group()).map_err(|error| of_reading(&error))?;
    fault.map_or(Ok(()), |why| Err(StoreError::Corrupt(why)))?;
    let mut repair = Repair::new(head, was_missing, &newest);
    let mut reading = ViewRows::new(keys);
    // Keys that were read under the very changes of many that the log tells of need not be read once more.
    let found = found.filter(|found| found.changes.as_ref() == Some(&newest.groups));
    match &found {
        Some(_) => sink.begin_anew_but_for_keys(),
        None => sink.begin_anew(),
    }
    let read = || -> rusqlite::Result<()> {
        reading.schemes(connection, keys, &newest)?;
        reading.unknown_schemes(connection, &newest)?;
        reading.policies(connection, &newest)?;
        let Some(found) = found else {
            reading.people(connection, keys, &newest)?;
            return reading.all(connection, newest, sink);
        };
        reading.all_but_keys(connection, &newest, sink)?;
        let mut sum = found.sum_of_many;
        let known = KnownRows { keys, distrusted: &found.distrusted, damaged: &found.damaged_people };
        let written = newest.people.iter().map(|(person, written)| (person.to_bytes(), *written));
        let differing = second_look(connection, head, others, (Many::People, &known), written)?;
        differing.leave_out(&mut sum);
        let again = differing.again.iter().map(|id| PersonRef::from_bytes(*id));
        repair.bad = people::again(connection, keys, again, &newest.people, |row| sum.add(row, keys))?;
        repair.bad.extend(differing.bad(Many::People));
        people::tell_all(&repair.bad);
        let known = KnownRows { damaged: &found.damaged_keys, ..known };
        let written = newest.keys.iter().map(|(key, written)| (key.to_bytes(), *written));
        let differing = second_look(connection, head, others, (Many::Keys, &known), written)?;
        differing.leave_out(&mut sum);
        let again = differing.again.iter().map(|id| KeyId::from_bytes(*id));
        reading.again(connection, again, &newest, |row| sum.add(row, keys))?;
        reading.name(differing.damaged, found.zone_missing);
        reading.hand_over(sink);
        repair.sum_of_many = Some(Box::new(sum));
        Ok(())
    };
    read().map_err(|error| of_reading(&error))?;
    let (bad, missing) = reading.end();
    repair.bad.extend(bad);
    // A store that holds nothing has nothing to sum up.
    let repair = Some(repair).filter(|_| head != LogHead::START);
    let loaded = Loaded { revision: head.revision, repair };
    missing.map_or(Ok(loaded), |(whose, zone)| Err(zone_missing(whose, zone)))
}
