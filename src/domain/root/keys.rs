//! The keys that are derived from roots, one for each purpose.

use super::{
    HeadKeys, LookupKey, MacKey, Root, RowKeys,
    facts::{RootFacts, RootHistory},
};
use crate::domain::{
    revision::Revision,
    seal::{PurposeSeals, SealKeys},
    time::Timestamp,
};

/// The keys derived from the roots, one for each purpose. The newest root's make; those of the older ones that are still at hand read
/// what they have made.
pub struct DerivedKeys {
    /// Hashes what holders present.
    pub lookup: LookupKey,
    /// Codes what the store notes of itself, and coded rows up to schema 12.
    pub rows: MacKey,
    /// Codes and counts stored rows, so that an edited one shows, and an old one.
    row_keys: RowKeys,
    /// Those of the older roots that are at hand.
    older_row_keys: Vec<RowKeys>,
    /// Codes the anchor: where the log ended, outside the database.
    pub anchor: MacKey,
    /// Codes page tokens, so that none can be forged.
    pub cursors: MacKey,
    /// Seals other systems' secrets, which are kept to know the keys that come from there.
    pub schemes: SealKeys,
    /// Seals the sum over all stored rows, and what is kept of older roots.
    pub sum_seals: PurposeSeals,
    /// Signs heads of the log.
    pub heads: HeadKeys,
    /// What the store keeps to tell a wrong root: says nothing about the others.
    pub check: [u8; 32],
    /// The number of the newest root.
    pub newest: u32,
    /// What is known of all roots that the store has had.
    pub history: RootHistory,
}

impl DerivedKeys {
    /// Derives every key of roots that were laid over each other at once, for a store without an entry.
    #[must_use]
    pub fn new(first: &Root, later: &[Root]) -> Self {
        let all: Vec<_> = std::iter::once(first).chain(later).collect();
        let facts = all.iter().map(|root| RootFacts::of(root, Revision::ZERO, Timestamp::EPOCH));
        Self::with(&all, RootHistory::new(facts.collect()))
    }

    /// Derives every key of these roots, the newest last; `history` says what is known of them and of those that are gone.
    ///
    /// # Panics
    /// Without a root.
    #[must_use]
    pub fn with(roots: &[&Root], history: RootHistory) -> Self {
        #[expect(clippy::expect_used, reason = "a store without a root is no store")]
        let (newest, older) = roots.split_last().expect("a root");
        let codes = |purpose: &[u8]| {
            let older = older.iter().rev().map(|root| root.mac_key(purpose));
            MacKey::new(newest.mac_key(purpose), older.collect())
        };
        Self {
            lookup: LookupKey::of(newest, &history),
            rows: codes(b"rows"),
            row_keys: RowKeys::of(newest),
            older_row_keys: older.iter().map(|root| RowKeys::of(root)).collect(),
            anchor: codes(b"anchor"),
            cursors: codes(b"cursors"),
            schemes: SealKeys::new(roots.iter().rev().map(|root| root.derive(b"schemes"))),
            sum_seals: PurposeSeals::new(roots.iter().rev().map(|root| root.mac_key(b"sum seals")).collect()),
            heads: HeadKeys::new(newest, &history),
            check: newest.check(),
            newest: newest.number,
            history,
        }
    }

    /// The same while some hashes in memory are still as those keys make them.
    #[must_use]
    pub fn beside(self, before: &Self) -> Self {
        Self { lookup: self.lookup.beside(&before.lookup), ..self }
    }

    /// What rows are written with now.
    #[must_use]
    pub const fn newest_rows(&self) -> &RowKeys {
        &self.row_keys
    }

    /// What rows under the root of this number are coded and counted with; `None` where that is not at hand.
    #[must_use]
    pub fn of_rows(&self, root: i64) -> Option<&RowKeys> {
        std::iter::once(&self.row_keys).chain(&self.older_row_keys).find(|keys| keys.root() == root)
    }
}
