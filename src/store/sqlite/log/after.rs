//! The log read forward, for its follower: a page at a time, each at one revision.
//!
//! What is read backward is for people to look at, and may leave entries out. What is read forward is acted upon: nothing may
//! be missing between two entries, and what was committed together is never torn apart.

use rusqlite::Connection;

use super::{
    end,
    record::{ends_at, missing, record, select, shortened, to_record},
};
use crate::{
    domain::{
        audit::{Chain, digest},
        revision::Revision,
        root::DerivedKeys,
    },
    ports::{LogPage, LogRecord, StoreError},
    store::{
        chain::{LogHead, StoredRecord},
        rows::to_stored,
        sqlite::{damage, failure::of_reading, people},
    },
};

/// How many bytes of entries are on one page, but for its last transaction.
const MOST_BYTES: usize = 1 << 20;

/// The entries after `after`, oldest first: at most `limit`, but all that was committed with the first of them.
pub(in crate::store::sqlite) fn after(
    snapshot: &Connection,
    keys: &DerivedKeys,
    after: Revision,
    limit: usize,
) -> Result<LogPage, StoreError> {
    let head = end::head(snapshot, keys)?.revision;
    if head < after {
        return Err(StoreError::Corrupt(format!("the log ends at {head}, and {after} was committed before")));
    }
    let mut page = Page::new(chained_at(snapshot, keys, after)?, limit);
    let mut statement = select(snapshot, "NOT INDEXED WHERE revision > ?1 ORDER BY revision")
        .map_err(|error| of_reading(&error))?;
    let rows = statement.query_map([to_stored(after)], record).map_err(|error| of_reading(&error))?;
    for row in rows {
        page.take(&row.map_err(|error| of_reading(&error))?, snapshot, keys)?;
        if page.is_full() {
            break;
        }
    }
    page.end(head)
}

/// The log as far as `revision`, the record of which must be genuine: the next one goes on from there.
fn chained_at(
    connection: &Connection,
    keys: &DerivedKeys,
    revision: Revision,
) -> Result<LogHead, StoreError> {
    if revision == Revision::ZERO {
        return Ok(LogHead::START);
    }
    let one = select(connection, "WHERE revision = ?1");
    let found = one.and_then(|mut one| one.query_row([to_stored(revision)], record));
    let chain = match found {
        Err(rusqlite::Error::QueryReturnedNoRows) => return Err(missing(revision)),
        found => to_record(&found.map_err(|error| of_reading(&error))?, keys)?.chain,
    };
    Ok(LogHead { revision, chain })
}

/// A page on its way.
struct Page {
    /// The last record taken.
    last: LogHead,
    limit: usize,
    bytes: usize,
    records: Vec<LogRecord>,
    /// How many of them are up to the end of a transaction.
    whole: usize,
}

impl Page {
    const fn new(last: LogHead, limit: usize) -> Self {
        Self { last, limit, bytes: 0, records: Vec::new(), whole: 0 }
    }

    /// Takes the next record, which must continue the chain.
    fn take(
        &mut self,
        stored: &StoredRecord,
        connection: &Connection,
        keys: &DerivedKeys,
    ) -> Result<(), StoreError> {
        let revision = self.last.revision.next();
        if stored.revision != to_stored(revision) {
            return Err(missing(revision));
        }
        let found = to_record(stored, keys)?;
        if found.chain != self.next_chain(revision, &found) {
            return Err(StoreError::Corrupt(damage::of_log(&format!(
                "log record {revision} does not continue the chain"
            ))));
        }
        self.last = LogHead { revision, chain: found.chain };
        let found = people::with_names(connection, keys, shortened(found));
        let found = found.map_err(|error| of_reading(&error))?;
        self.bytes = self.bytes.saturating_add(found.bytes.len());
        self.records.push(found);
        // The last record of each transaction is signed.
        if stored.signature.is_some() {
            self.whole = self.records.len();
        }
        Ok(())
    }

    fn next_chain(&self, revision: Revision, found: &LogRecord) -> Chain {
        self.last.chain.next(revision, &digest(&found.bytes))
    }

    /// Whether nothing more is to be read.
    fn is_full(&self) -> bool {
        self.whole > 0 && (self.records.len() >= self.limit || self.bytes >= MOST_BYTES)
    }

    fn end(mut self, head: Revision) -> Result<LogPage, StoreError> {
        if !self.is_full() && self.last.revision != head {
            return Err(ends_at(self.last.revision, head));
        }
        self.records.truncate(self.whole);
        Ok(LogPage { records: self.records, head })
    }
}
