//! What all blocks have in common: a version, whose process has written it, the names that its entries refer to by their places,
//! and the entries. Each entry is of one subject, and has its length before it, so that others are passed over.

use std::{collections::HashMap, sync::Arc};

use super::bytes::{BlockReader, NoBlock, put_length, put_number, put_text};
use crate::{
    domain::id::KeyId,
    ports::{Payer, PayerPart, ReplicaId},
};

/// The version that is written, in the first byte.
const VERSION: u8 = 2;

/// The one before said no replica, and no window of a count.
const WITHOUT_REPLICA: u8 = 1;

/// From so many bytes on a block is full: a row stays under a mebibyte.
const FULL: usize = 768 * 1024;

/// Whose an entry is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(in crate::store::sqlite) enum BlockSubject {
    /// A key's.
    Key(KeyId),
    /// Of all who share a count.
    Shared(Arc<str>),
}

impl BlockSubject {
    pub(in crate::store::sqlite) fn of(payer: &Payer<'_>) -> Self {
        match payer {
            Payer::Key(key) => Self::Key(*key),
            Payer::Owner(text) | Payer::Workspace(text) => Self::Shared(Arc::from(*text)),
        }
    }

    pub(in crate::store::sqlite) fn payer(&self) -> Payer<'_> {
        match self {
            Self::Key(key) => Payer::Key(*key),
            Self::Shared(text) => Payer::stored_under(text),
        }
    }

    pub(in crate::store::sqlite) fn part(&self) -> PayerPart {
        PayerPart::of(&self.payer())
    }
}

/// An entry as it lies in a block.
pub(in crate::store::sqlite) struct BlockEntry<'b> {
    subject: RawSubject<'b>,
    pub(in crate::store::sqlite) payload: BlockReader<'b>,
}

#[derive(Clone, Copy)]
enum RawSubject<'b> {
    Key(KeyId),
    Shared(&'b str),
}

impl BlockEntry<'_> {
    pub(in crate::store::sqlite) fn part(&self) -> PayerPart {
        PayerPart::of(&self.payer())
    }

    pub(in crate::store::sqlite) fn payer(&self) -> Payer<'_> {
        match self.subject {
            RawSubject::Key(key) => Payer::Key(key),
            RawSubject::Shared(text) => Payer::stored_under(text),
        }
    }

    pub(in crate::store::sqlite) fn subject(&self) -> BlockSubject {
        BlockSubject::of(&self.payer())
    }
}

/// The names that a block's entries refer to, and what else is read of an entry by.
pub(in crate::store::sqlite) struct BlockNames {
    names: Vec<Arc<str>>,
    has_windows: bool,
}

impl BlockNames {
    /// The next number of an entry, as the name that it stands for.
    pub(in crate::store::sqlite) fn read(&self, reader: &mut BlockReader<'_>) -> Result<Arc<str>, NoBlock> {
        let place = usize::try_from(reader.number()?).ok().ok_or(NoBlock)?;
        self.names.get(place).map(Arc::clone).ok_or(NoBlock)
    }

    /// Whether counts say whether they belong to a window.
    pub(super) const fn has_windows(&self) -> bool {
        self.has_windows
    }
}

/// A block to read.
pub(in crate::store::sqlite) struct Block<'b> {
    /// The process that has written it.
    replica: ReplicaId,
    pub(in crate::store::sqlite) names: BlockNames,
    whole: BlockReader<'b>,
    rest: BlockReader<'b>,
}

impl<'b> Block<'b> {
    /// Reads one of the only process that notes anything in this store.
    pub(in crate::store::sqlite) fn read(bytes: &'b [u8]) -> Result<Self, NoBlock> {
        Self::of_any(bytes)
            .and_then(|block| if block.replica == ReplicaId::ONLY { Ok(block) } else { Err(NoBlock) })
    }

    /// Reads one of any process.
    fn of_any(bytes: &'b [u8]) -> Result<Self, NoBlock> {
        let mut reader = BlockReader::new(bytes);
        let (replica, has_windows) = match reader.byte()? {
            VERSION => (ReplicaId::numbered(reader.small()?), true),
            WITHOUT_REPLICA => (ReplicaId::ONLY, false),
            _ => return Err(NoBlock),
        };
        let count = reader.number()?;
        let names = (0..count).map(|_| reader.text().map(Arc::from)).collect::<Result<_, _>>()?;
        let names = BlockNames { names, has_windows };
        Ok(Self { replica, names, whole: BlockReader::new(bytes), rest: reader })
    }

    /// Where the next entry begins.
    pub(in crate::store::sqlite) const fn place(&self) -> usize {
        self.whole.left().saturating_sub(self.rest.left())
    }

    /// Goes on with the entry that begins there.
    pub(in crate::store::sqlite) fn go_to(&mut self, place: usize) -> Result<(), NoBlock> {
        self.rest = self.whole;
        self.rest.bytes(u64::try_from(place).ok().ok_or(NoBlock)?).map(drop)
    }

    /// The next entry; `None` behind the last.
    pub(in crate::store::sqlite) fn next(&mut self) -> Result<Option<BlockEntry<'b>>, NoBlock> {
        let rest = &mut self.rest;
        if rest.is_empty() {
            return Ok(None);
        }
        let subject = match rest.number()? {
            0 => RawSubject::Key(KeyId::from_bytes(rest.array()?)),
            length => RawSubject::Shared(str::from_utf8(rest.bytes(length)?).ok().ok_or(NoBlock)?),
        };
        let length = rest.number()?;
        Ok(Some(BlockEntry { subject, payload: BlockReader::new(rest.bytes(length)?) }))
    }
}

/// Blocks in the making: as many as what is put in fills.
#[derive(Default)]
pub(in crate::store::sqlite) struct BlockWriter {
    replica: ReplicaId,
    complete: Vec<Vec<u8>>,
    names: NameTable,
    entries: Vec<u8>,
    payload: Vec<u8>,
}

/// The names of the block that is being made.
#[derive(Default)]
struct NameTable {
    places: HashMap<Arc<str>, u64>,
    bytes: Vec<u8>,
}

/// An entry in the making.
pub(in crate::store::sqlite) struct Payload<'w> {
    names: &'w mut NameTable,
    pub(in crate::store::sqlite) out: &'w mut Vec<u8>,
}

impl Payload<'_> {
    pub(in crate::store::sqlite) fn number(&mut self, number: u64) {
        put_number(self.out, number);
    }

    /// Refers to a name.
    pub(in crate::store::sqlite) fn name(&mut self, name: &str) {
        let place = if let Some(place) = self.names.places.get(name) {
            *place
        } else {
            let place = u64::try_from(self.names.places.len()).unwrap_or(u64::MAX);
            put_text(&mut self.names.bytes, name);
            self.names.places.insert(name.into(), place);
            place
        };
        put_number(self.out, place);
    }
}

impl BlockWriter {
    /// Puts in what `write` makes of a subject.
    pub(in crate::store::sqlite) fn entry(
        &mut self,
        payer: &Payer<'_>,
        write: impl FnOnce(&mut Payload<'_>),
    ) {
        match payer {
            Payer::Key(key) => {
                self.entries.push(0);
                self.entries.extend_from_slice(&key.to_bytes());
            }
            // A name has a length, and nobody has none.
            Payer::Owner(text) | Payer::Workspace(text) => put_text(&mut self.entries, text),
        }
        self.payload.clear();
        write(&mut Payload { names: &mut self.names, out: &mut self.payload });
        put_length(&mut self.entries, self.payload.len());
        self.entries.extend_from_slice(&self.payload);
        if self.entries.len().saturating_add(self.names.bytes.len()) >= FULL {
            self.complete_one();
        }
    }

    fn complete_one(&mut self) {
        let names = std::mem::take(&mut self.names);
        let mut block =
            Vec::with_capacity(names.bytes.len().saturating_add(self.entries.len()).saturating_add(16));
        block.push(VERSION);
        put_number(&mut block, self.replica.number().into());
        put_length(&mut block, names.places.len());
        block.extend_from_slice(&names.bytes);
        block.append(&mut self.entries);
        self.complete.push(block);
    }

    /// The blocks; none where nothing was put in.
    pub(in crate::store::sqlite) fn finish(mut self) -> Vec<Vec<u8>> {
        if !self.entries.is_empty() {
            self.complete_one();
        }
        self.complete
    }
}

/// A block that holds nothing.
pub(in crate::store::sqlite) fn empty() -> Vec<u8> {
    vec![VERSION, 0, 0]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(bytes: &[u8]) -> Result<Vec<(BlockSubject, String, u64)>, NoBlock> {
        let mut block = Block::read(bytes)?;
        let mut entries = Vec::new();
        while let Some(mut entry) = block.next()? {
            let name = block.names.read(&mut entry.payload)?.to_string();
            entries.push((entry.subject(), name, entry.payload.number()?));
        }
        Ok(entries)
    }

    #[test]
    fn entries_read_back_as_they_were_put_in_and_what_is_cut_off_or_newer_is_no_block() {
        let key = KeyId::from_bytes([7; 16]);
        let payers = [Payer::Key(key), Payer::Workspace("ws_1/live"), Payer::Owner("ws_1/live/ann/of")];
        let mut writer = BlockWriter::default();
        for (payer, number) in payers.iter().zip(0..) {
            writer.entry(payer, |payload| {
                payload.name(["day", "hour", "day"].get(number).unwrap());
                payload.number(300 * u64::try_from(number).unwrap());
            });
        }
        let blocks = writer.finish();
        let [block] = &blocks[..] else { panic!("{}", blocks.len()) };
        let entries = read(block).unwrap();
        let numbers: Vec<_> = entries.iter().map(|(_, name, number)| (name.as_str(), *number)).collect();
        assert_eq!(numbers, [("day", 0), ("hour", 300), ("day", 600)]);
        assert!(entries.iter().zip(&payers).all(|((subject, ..), payer)| subject.payer() == *payer));
        let whole = entries.len();
        for end in 0..block.len() {
            assert!(
                read(&block[..end]).is_ok_and(|entries| entries.len() < whole)
                    || read(&block[..end]).is_err()
            );
        }
        assert_eq!(read(&[&[3], &block[1..]].concat()), Err(NoBlock));
        assert_eq!(read(&empty()), Ok(Vec::new()));
        assert!(BlockWriter::default().finish().is_empty());
    }

    #[test]
    fn a_block_says_whose_process_has_written_it_and_older_ones_are_of_the_only_one() {
        // D2, D8: a key with the name `day` and the number 5, as version 1 had it
        let key = KeyId::from_bytes([7; 16]);
        let older = [&[1, 1, 3][..], b"day", &[0], &[7; 16], &[2, 0, 5]].concat();
        assert_eq!(Block::read(&older).unwrap().replica, ReplicaId::ONLY);
        assert_eq!(read(&older).unwrap(), [(BlockSubject::Key(key), "day".to_owned(), 5)]);
        for replica in [ReplicaId::ONLY, ReplicaId::numbered(1), ReplicaId::numbered(u32::MAX)] {
            let mut writer = BlockWriter { replica, ..BlockWriter::default() };
            writer.entry(&Payer::Key(key), |payload| {
                payload.name("day");
                payload.number(5);
            });
            let block = writer.finish().remove(0);
            let mut found = Block::of_any(&block).unwrap();
            assert_eq!(found.replica, replica);
            assert!(found.next().unwrap().is_some_and(|entry| entry.payer() == Payer::Key(key)));
            assert_eq!(Block::read(&block).is_ok(), replica == ReplicaId::ONLY);
        }
    }

    #[test]
    fn no_block_is_longer_than_a_mebibyte() {
        let mut writer = BlockWriter::default();
        for number in 0..120_000_u128 {
            let key = KeyId::from_bytes((number << 100).to_be_bytes());
            writer.entry(&Payer::Key(key), |payload| payload.name(&format!("name {}", number % 7)));
        }
        let blocks = writer.finish();
        assert!(blocks.len() > 2 && blocks.iter().all(|block| block.len() < 1 << 20));
        assert_eq!(blocks.iter().map(|block| Block::read(block).unwrap()).map(count).sum::<usize>(), 120_000);
    }

    fn count(mut block: Block<'_>) -> usize {
        std::iter::from_fn(|| block.next().unwrap()).count()
    }
}
