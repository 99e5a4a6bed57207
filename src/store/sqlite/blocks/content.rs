//! What stands in blocks of each kind, of one subject: how it is read, brought together with what is known, and written.

use rusqlite::Connection;

use super::{
    bytes::{BlockReader, NoBlock},
    frame::{BlockNames, BlockWriter, Payload},
};
use crate::{domain::id::KeyId, ports::Payer};

/// What blocks are about, as it is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::store::sqlite) enum Kind {
    /// What keys did, by the hour.
    Usage,
    /// Which scopes they used, or were denied.
    ScopeUses,
    /// Who used which secret last.
    LastUses,
    /// What is counted of limits.
    Counts,
}

impl Kind {
    /// All of them.
    pub(in crate::store::sqlite) const ALL: [Self; 4] =
        [Self::Usage, Self::ScopeUses, Self::LastUses, Self::Counts];

    /// Its number in the table.
    pub(in crate::store::sqlite) const fn number(self) -> i64 {
        match self {
            Self::Usage => 1,
            Self::ScopeUses => 2,
            Self::LastUses => 3,
            Self::Counts => 4,
        }
    }

    /// Whether it becomes rows in the end.
    pub(super) const fn has_rows(self) -> bool {
        !matches!(self, Self::Counts)
    }
}

/// What is known of one subject.
pub(in crate::store::sqlite) trait Content: Default {
    /// Of which kind it is.
    const KIND: Kind;

    /// Takes in an entry, which is newer than what is known.
    fn take(&mut self, payload: BlockReader<'_>, names: &BlockNames) -> Result<(), NoBlock>;

    /// Writes it as an entry.
    fn put(&self, payload: &mut Payload<'_>);

    /// Drops what need not be kept where nothing older is.
    fn settle(&mut self) {}

    /// Whether there is nothing to keep.
    fn is_empty(&self) -> bool;

    /// Writes it to rows, beside what stands there.
    fn put_rows(&self, connection: &Connection, key: KeyId) -> rusqlite::Result<()>;
}

/// The blocks that hold what is known of these subjects.
pub(in crate::store::sqlite) fn to_blocks<'c, C: Content + 'c>(
    known: impl IntoIterator<Item = (Payer<'c>, &'c C)>,
) -> Vec<Vec<u8>> {
    let mut writer = BlockWriter::default();
    for (payer, content) in known {
        writer.entry(&payer, |payload| content.put(payload));
    }
    writer.finish()
}
