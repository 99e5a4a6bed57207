//! The log's chain: how a record is sealed, and what a reading of the whole log finds.

use std::sync::Arc;

use serde::Deserialize;

use super::{
    records::group::{KeyList, are_gains_kept, read_group},
    rows::{from_stored, to_stored},
};
use crate::{
    domain::{
        audit::{Chain, digest},
        revision::Revision,
        root::DerivedKeys,
    },
    ports::Verification,
};

/// A record of the log as it is stored.
pub(super) struct StoredRecord {
    pub(super) revision: i64,
    pub(super) bytes: Vec<u8>,
    /// Nothing where it is that of the bytes: it stands here where those were taken away, and in records of older schemas.
    pub(super) digest: Vec<u8>,
    pub(super) chain: Vec<u8>,
    /// A code over the other columns: names exactly the record that was rewritten without the roots, chain and all.
    pub(super) code: Vec<u8>,
    /// The root under which the code is made; `None` in an older schema, whose codes have 32 bytes.
    pub(super) root: Option<i64>,
    /// Stands on the last record of each transaction.
    pub(super) signature: Option<Vec<u8>>,
}

/// The end of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct LogHead {
    pub(super) revision: Revision,
    pub(super) chain: Chain,
}

impl LogHead {
    /// Before the first record.
    pub(super) const START: Self = Self { revision: Revision::ZERO, chain: Chain::START };

    /// The record after this one, and the head that it makes.
    pub(super) fn append(self, bytes: Vec<u8>, keys: &DerivedKeys) -> (Self, StoredRecord) {
        let revision = self.revision.next();
        let digest = digest(&bytes);
        let chain = self.chain.next(revision, &digest);
        let mut record = StoredRecord {
            revision: to_stored(revision),
            bytes,
            digest: Vec::new(),
            chain: chain.0.to_vec(),
            code: Vec::new(),
            root: Some(keys.newest_rows().root()),
            signature: None,
        };
        record.code = record.with_parts(&digest, |parts| keys.newest_rows().code(parts)).to_vec();
        (Self { revision, chain }, record)
    }

    /// What makes this head provable to others.
    pub(super) fn sign(self, keys: &DerivedKeys) -> Vec<u8> {
        keys.heads.sign(&self.message())
    }

    /// What says which head it is: what is signed of it.
    pub(super) fn message(self) -> Vec<u8> {
        self.chain.head_message(self.revision)
    }
}

impl StoredRecord {
    /// Whether the record is whole by itself: its bytes, digest and code agree.
    pub(super) fn is_genuine(&self, keys: &DerivedKeys) -> bool {
        let digest = digest(&self.bytes);
        self.has_digest(&digest) && self.is_coded(&digest, keys)
    }

    /// Whether the digest is this one.
    fn has_digest(&self, digest: &[u8; 32]) -> bool {
        self.digest.is_empty() || self.digest == digest
    }

    fn is_coded(&self, digest: &[u8; 32], keys: &DerivedKeys) -> bool {
        let Some(root) = self.root else {
            return self.with_parts(digest, |parts| keys.rows.agrees(parts, &self.code));
        };
        let under = keys.of_rows(root);
        under.is_some_and(|keys| self.with_parts(digest, |parts| keys.agrees(parts, &self.code)))
    }

    /// Gives a genuine record its code under the newest root.
    pub(super) fn code_anew(&mut self, keys: &DerivedKeys) {
        let (digest, under) = (digest(&self.bytes), keys.newest_rows());
        self.code = self.with_parts(&digest, |parts| under.code(parts)).to_vec();
        self.root = Some(under.root());
    }

    fn with_parts<T>(&self, digest: &[u8; 32], code: impl FnOnce(&[&[u8]]) -> T) -> T {
        code(&[b"log", &self.revision.to_be_bytes(), digest, &self.chain])
    }
}

/// Reads records one after the other, from the first.
pub(super) struct ChainCheck {
    keys: Arc<DerivedKeys>,
    head: LogHead,
    records: u64,
    signed: bool,
    newest_group: Revision,
    fault: Option<(Revision, String)>,
}

#[derive(Deserialize)]
struct EntryPlace<'a> {
    revision: u64,
    #[serde(borrow)]
    group_id: Option<&'a str>,
}

impl<'a> EntryPlace<'a> {
    fn of(record: &'a StoredRecord) -> Option<Self> {
        serde_json::from_slice(&record.bytes).ok()
    }
}

impl ChainCheck {
    pub(super) const fn new(keys: Arc<DerivedKeys>) -> Self {
        Self {
            keys,
            head: LogHead::START,
            records: 0,
            signed: true,
            newest_group: Revision::ZERO,
            fault: None,
        }
    }

    /// Reads on with these keys, which read what was read before as well.
    pub(super) fn take_keys(&mut self, keys: &Arc<DerivedKeys>) {
        self.keys = Arc::clone(keys);
    }

    /// Takes the next record, with the keys that `list` finds for one that changed many together, and `gained` for one by which
    /// keys gained; `people` says what is wrong with those that it refers to. False when it does not fit, and nothing after it needs to be read.
    pub(super) fn take<E>(
        &mut self,
        record: &StoredRecord,
        list: impl FnOnce() -> Result<KeyList, E>,
        gained: impl FnOnce() -> Result<KeyList, E>,
        people: impl FnOnce() -> Result<Option<String>, E>,
    ) -> Result<bool, E> {
        let revision = self.head.revision.next();
        let place = EntryPlace::of(record);
        let names_keys = place.as_ref().is_some_and(|place| place.group_id.is_some());
        let mut fault = self.fault_of(revision, record, place.as_ref());
        if fault.is_none() && names_keys && read_group(record.revision, &record.bytes, list)?.is_none() {
            fault = Some("the keys that it changed together were altered".to_owned());
        }
        if fault.is_none() && !are_gains_kept(&record.bytes, gained)? {
            fault = Some("the keys that gained by it were altered".to_owned());
        }
        if fault.is_none() {
            fault = people()?;
        }
        if let Some(why) = fault {
            self.fault = Some((revision, why));
            return Ok(false);
        }
        self.head = LogHead { revision, chain: self.head.chain.next(revision, &digest(&record.bytes)) };
        self.records = self.records.saturating_add(1);
        self.signed = record.signature.is_some();
        if names_keys {
            self.newest_group = revision;
        }
        Ok(true)
    }

    /// The newest record that changed many keys at once; zero if none did.
    pub(super) const fn newest_group(&self) -> Revision {
        self.newest_group
    }

    /// The last record taken.
    pub(super) const fn head(&self) -> Revision {
        self.head.revision
    }

    /// Ends the reading; `newest_row` is the newest revision that a row of another table bears.
    pub(super) fn finish(mut self, newest_row: i64) -> Verification {
        let next = self.head.revision.next();
        if self.fault.is_none() && newest_row > to_stored(self.head.revision) {
            let why = format!("the log was cut off: rows as new as {newest_row} have no record");
            self.fault = Some((next, why));
        } else if self.fault.is_none() && !self.signed {
            let why = "the log was cut off: its last record bears no signature".to_owned();
            self.fault = Some((next, why));
        }
        Verification {
            records: self.records,
            head: self.head.revision,
            chain: self.head.chain,
            fault: self.fault,
        }
    }

    fn fault_of(
        &self,
        expected: Revision,
        record: &StoredRecord,
        place: Option<&EntryPlace<'_>>,
    ) -> Option<String> {
        if record.revision != to_stored(expected) {
            return Some(match from_stored(record.revision) {
                Some(next) if next > expected => format!("it was removed: the next record there is {next}"),
                _ => format!("record {} stands where none can be", record.revision),
            });
        }
        let place = place.map(|place| place.revision);
        let digest = digest(&record.bytes);
        let chain = self.head.chain.next(expected, &digest);
        let message = chain.head_message(expected);
        if place.is_some_and(|place| place != expected.0) {
            Some("another record stands in its place".to_owned())
        } else if !record.has_digest(&digest) {
            Some("it was altered: its bytes do not fit their digest".to_owned())
        } else if place.is_none() {
            Some("it was rewritten: its bytes are no entry".to_owned())
        } else if chain.0 != *record.chain {
            Some("it was altered: it does not continue the chain".to_owned())
        } else if !record.is_coded(&digest, &self.keys) {
            Some("it was rewritten: its code is not of this store's roots".to_owned())
        } else if record
            .signature
            .as_ref()
            .is_some_and(|found| !self.keys.heads.verify(expected, &message, found))
        {
            Some("its signature was altered".to_owned())
        } else {
            None
        }
    }
}
