//! Blocks as they were noted, in memory, with the place of each entry by part: so that who goes from part to part reads them once,
//! and not for each part.

use rusqlite::Connection;

use super::{
    bytes::NoBlock,
    content::{Content, Kind},
    frame::Block,
    table::{self, Known},
};
use crate::ports::PayerPart;

/// The oldest blocks of a kind, as they were noted.
pub(in crate::store::sqlite) struct Noted {
    kind: Kind,
    blocks: Vec<(i64, Vec<u8>)>,
    /// Part by part, and of each in the order in which they were noted.
    entries: Vec<NotedEntry>,
}

/// Where an entry lies.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct NotedEntry {
    part: PayerPart,
    /// The place of its block among the blocks.
    block: u32,
    /// Where it begins in that.
    begins: u32,
}

impl Noted {
    /// Reads the oldest, until they have `most` bytes together.
    pub(in crate::store::sqlite) fn read(
        connection: &Connection,
        kind: Kind,
        most: usize,
    ) -> rusqlite::Result<Self> {
        let blocks = table::oldest_noted(connection, kind, most)?;
        let mut entries = Vec::new();
        for (place, (number, bytes)) in (0..).zip(&blocks) {
            if index(place, bytes, &mut entries).is_err() {
                table::spoilt(kind, *number)?;
            }
        }
        entries.sort_unstable();
        Ok(Self { kind, blocks, entries })
    }

    /// The number of the last block; zero where there is none.
    pub(super) fn upto(&self) -> i64 {
        self.blocks.last().map_or(0, |(number, _)| *number)
    }

    /// The length of each block, the oldest first.
    pub(super) fn lengths(&self) -> impl ExactSizeIterator<Item = usize> {
        self.blocks.iter().map(|(_, bytes)| bytes.len())
    }

    /// The first part from this one on that has entries.
    pub(super) fn part_from(&self, from: PayerPart) -> Option<PayerPart> {
        let place = self.entries.partition_point(|entry| entry.part < from);
        self.entries.get(place).map(|entry| entry.part)
    }

    /// Adds the entries of a part to what is known from what holds all of it up to the block of the number `covers`.
    pub(in crate::store::sqlite) fn add_to<C: Content>(
        &self,
        known: &mut Known<C>,
        part: PayerPart,
        covers: i64,
    ) -> rusqlite::Result<()> {
        let from = self.entries.partition_point(|entry| entry.part < part);
        let to = self.entries.partition_point(|entry| entry.part <= part);
        let entries = self.entries.get(from..to).unwrap_or_default();
        for of_block in entries.chunk_by(|one, other| one.block == other.block) {
            let place = of_block.first().and_then(|entry| usize::try_from(entry.block).ok());
            let Some((number, bytes)) = place.and_then(|place| self.blocks.get(place)) else { continue };
            if *number > covers && take(bytes, of_block, known).is_none() {
                table::spoilt(self.kind, *number)?;
            }
        }
        Ok(())
    }
}

fn index(place: u32, bytes: &[u8], entries: &mut Vec<NotedEntry>) -> Result<(), NoBlock> {
    let mut block = Block::read(bytes)?;
    loop {
        let begins = u32::try_from(block.place()).ok().ok_or(NoBlock)?;
        let Some(entry) = block.next()? else { return Ok(()) };
        entries.push(NotedEntry { part: entry.part(), block: place, begins });
    }
}

/// Takes entries of one block in; `None` where it is none of ours.
fn take<C: Content>(bytes: &[u8], entries: &[NotedEntry], known: &mut Known<C>) -> Option<()> {
    let mut block = Block::read(bytes).ok()?;
    for place in entries {
        block.go_to(usize::try_from(place.begins).ok()?).ok()?;
        let entry = block.next().ok()??;
        known.entry(entry.subject()).or_default().take(entry.payload, &block.names).ok()?;
    }
    Some(())
}
