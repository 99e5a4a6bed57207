//! The whole log, read on all cores: records are checked and taken apart a range at a time, and noted in their order.

use std::{
    collections::BTreeMap,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use rusqlite::Connection;

use super::beside::on_all_cores;
use crate::{
    domain::{revision::Revision, root::DerivedKeys},
    ports::StoreError,
    store::{
        chain::LogHead,
        sqlite::{
            failure::of_reading,
            log::{self, Newest, RecordNames},
            readers::ReadingConnection,
        },
    },
};

/// How many records are in a range.
const AT_ONCE: u64 = 4_096;

/// The rows that all records name, up to `head`; changes of many keys are without their keys.
pub(super) fn named(
    connection: &Connection,
    keys: &DerivedKeys,
    head: LogHead,
    others: &mut [ReadingConnection],
) -> Result<Newest, StoreError> {
    let reading = WholeLook { keys, head: head.revision, next: AtomicU64::new(0), noted: Mutex::default() };
    on_all_cores(connection, head, others, |connection| {
        reading.read_ranges(connection);
        Ok::<_, rusqlite::Error>(())
    })
    .map_err(|error| of_reading(&error))?;
    let InOrder { newest, failed, .. } = reading.noted.into_inner().unwrap_or_else(PoisonError::into_inner);
    failed.map_or(Ok(newest), Err)
}

struct WholeLook<'k> {
    keys: &'k DerivedKeys,
    head: Revision,
    /// The range that nobody has begun.
    next: AtomicU64,
    noted: Mutex<InOrder>,
}

/// What was noted of the ranges, one after the other.
struct InOrder {
    newest: Newest,
    /// The range that comes next.
    next: u64,
    /// Ranges that were read before it.
    waiting: BTreeMap<u64, Result<Vec<RecordNames>, StoreError>>,
    /// The first thing that is wrong with the log.
    failed: Option<StoreError>,
}

impl Default for InOrder {
    fn default() -> Self {
        Self { newest: Newest::of_a_whole_log(), next: 0, waiting: BTreeMap::new(), failed: None }
    }
}

impl WholeLook<'_> {
    fn read_ranges(&self, connection: &Connection) {
        loop {
            let range = self.next.fetch_add(1, Ordering::Relaxed);
            let after = Revision(range.saturating_mul(AT_ONCE));
            if range > 0 && after >= self.head {
                break;
            }
            let last = Revision(after.0.saturating_add(AT_ONCE)).min(self.head);
            let found = log::named_between(connection, self.keys, (after, last), self.head);
            let mut noted = self.noted.lock().unwrap_or_else(PoisonError::into_inner);
            noted.waiting.insert(range, found);
            noted.note_waiting(connection, self.keys);
            if noted.failed.is_some() {
                break;
            }
        }
    }
}

impl InOrder {
    fn note_waiting(&mut self, connection: &Connection, keys: &DerivedKeys) {
        while self.failed.is_none()
            && let Some(found) = self.waiting.remove(&self.next)
        {
            self.next = self.next.saturating_add(1);
            self.failed = found.and_then(|named| self.note(named, connection, keys)).err();
        }
    }

    fn note(
        &mut self,
        named: Vec<RecordNames>,
        connection: &Connection,
        keys: &DerivedKeys,
    ) -> Result<(), StoreError> {
        for named in named {
            let revision = named.revision();
            let noted = self.newest.take(named, connection, keys).map_err(|error| of_reading(&error))?;
            noted.ok_or_else(|| log::unreadable(revision))?;
        }
        Ok(())
    }
}
