//! A start: rows alone, where their sum is the one at the head of the log. Where it is not, the log is read, and names which row is
//! old, missing or too many; that is then written down, so that the next start is quick again.

mod by_rows;
mod keys;
mod repair;
mod scan;

use rusqlite::Connection;

use self::by_rows::by_rows;
pub(super) use self::repair::{Repair, repair};
use super::{
    failure::{of_reading, zone_missing},
    groups, log,
    read::ViewRows,
    readers::ReadingConnection,
    sums::{self, KeptSum},
};
use crate::{
    domain::{revision::Revision, root::DerivedKeys},
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
    let was_missing = match kept {
        KeptSum::Kept(kept) => {
            let found = by_rows(&snapshot, keys, head, others, sink).map_err(|error| of_reading(&error))?;
            if found.is_genuine && found.sum == *kept {
                let loaded = Loaded { revision: head.revision, repair: None };
                return found.zone_missing.map_or(Ok(loaded), |(whose, zone)| Err(zone_missing(whose, zone)));
            }
            sink.begin_anew();
            tracing::warn!(
                "what is stored is not what it was when it was written last: the whole log is read to name what differs"
            );
            false
        }
        KeptSum::Unreadable => {
            tracing::warn!(
                "the sum over what is stored was edited, or is another store's: the whole log is read"
            );
            false
        }
        KeptSum::Missing => true,
    };
    by_log(&snapshot, keys, head, was_missing, sink)
}

/// Every record of the log is looked at first: one that was removed or altered could have told that a row is old.
fn by_log(
    connection: &Connection,
    keys: &DerivedKeys,
    head: LogHead,
    was_missing: bool,
    sink: &dyn ViewSink,
) -> Result<Loaded, StoreError> {
    let newest = log::named(connection, keys, head.revision)?;
    let fault =
        groups::mark_fault(connection, keys, newest.newest_group()).map_err(|error| of_reading(&error))?;
    fault.map_or(Ok(()), |why| Err(StoreError::Corrupt(why)))?;
    let mut repair = Repair::new(head, was_missing, &newest);
    let mut reading = ViewRows::new(keys);
    reading.schemes(connection, keys, &newest).map_err(|error| of_reading(&error))?;
    reading.unknown_schemes(connection, &newest).map_err(|error| of_reading(&error))?;
    reading.policies(connection, &newest).map_err(|error| of_reading(&error))?;
    reading.people(connection, keys, &newest).map_err(|error| of_reading(&error))?;
    reading.all(connection, newest, sink).map_err(|error| of_reading(&error))?;
    let (bad, missing) = reading.end();
    repair.bad = bad;
    // A store that holds nothing has nothing to sum up.
    let repair = Some(repair).filter(|_| head != LogHead::START);
    let loaded = Loaded { revision: head.revision, repair };
    missing.map_or(Ok(loaded), |(whose, zone)| Err(zone_missing(whose, zone)))
}
