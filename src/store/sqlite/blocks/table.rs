//! The table of blocks. Some lie there as they were noted, one after the other. Others hold all of one part, and say up to
//! which number what was noted is in them: a noted block counts for a part from behind that number on.

use std::collections::{HashMap, HashSet};

use rusqlite::{Connection, OptionalExtension as _, Params, Row, ffi, params};

use super::{
    bytes::NoBlock,
    content::{Content, Kind},
    frame::{Block, BlockEntry, BlockSubject, empty},
};
use crate::{
    domain::id::KeyId,
    ports::{Payer, PayerPart},
};

/// In the place of a part, for what lies there as it was noted.
const NOTED: i64 = -1;

/// So many parts are looked for one by one; for more, all are read.
const FEW: usize = 64;

/// The first part from this one on that blocks hold.
pub(super) fn next_part(
    connection: &Connection,
    kind: Kind,
    from: PayerPart,
) -> rusqlite::Result<Option<i64>> {
    let next = "SELECT min(part) FROM blocks WHERE kind = ?1 AND part >= ?2";
    connection.prepare_cached(next)?.query_row(params![kind.number(), from.number()], |row| row.get(0))
}

/// What is known of each subject.
pub(in crate::store::sqlite) type Known<C> = HashMap<BlockSubject, C>;

/// Adds a block behind all others.
pub(in crate::store::sqlite) fn note(
    connection: &Connection,
    kind: Kind,
    bytes: &[u8],
) -> rusqlite::Result<()> {
    insert(connection, kind, NOTED, 0, bytes)
}

fn insert(connection: &Connection, kind: Kind, part: i64, covers: i64, bytes: &[u8]) -> rusqlite::Result<()> {
    let insert = "INSERT INTO blocks (kind, part, covers, bytes) VALUES (?1, ?2, ?3, ?4)";
    connection.prepare_cached(insert)?.execute(params![kind.number(), part, covers, bytes]).map(drop)
}

/// Puts `blocks` in the place of all that holds a part; what was noted up to `covers` is in them.
pub(in crate::store::sqlite) fn replace(
    connection: &Connection,
    (kind, part): (Kind, PayerPart),
    covers: i64,
    blocks: &[Vec<u8>],
) -> rusqlite::Result<()> {
    let gone = "DELETE FROM blocks WHERE kind = ?1 AND part = ?2";
    connection.prepare_cached(gone)?.execute(params![kind.number(), part.number()])?;
    if blocks.is_empty() {
        // The number must be known all the same.
        return insert(connection, kind, part.number().into(), covers, &empty());
    }
    blocks.iter().try_for_each(|block| insert(connection, kind, part.number().into(), covers, block))
}

/// Blocks as they were noted, the oldest first, until they have `most` bytes together.
pub(super) fn oldest_noted(
    connection: &Connection,
    kind: Kind,
    most: usize,
) -> rusqlite::Result<Vec<(i64, Vec<u8>)>> {
    let (mut found, mut bytes) = (Vec::new(), 0_usize);
    let select = "SELECT number, bytes FROM blocks WHERE kind = ?1 AND part = ?2 ORDER BY number";
    let mut select = connection.prepare_cached(select)?;
    let mut rows = select.query(params![kind.number(), NOTED])?;
    while bytes < most
        && let Some(row) = rows.next()?
    {
        let block: Vec<u8> = row.get(1)?;
        bytes = bytes.saturating_add(block.len());
        found.push((row.get(0)?, block));
    }
    Ok(found)
}

/// Removes the oldest of what was noted up to `upto`, at most `most` blocks; how many there were.
pub(super) fn forget_noted(
    connection: &Connection,
    kind: Kind,
    upto: i64,
    most: usize,
) -> rusqlite::Result<usize> {
    let forget = "DELETE FROM blocks WHERE number IN
         (SELECT number FROM blocks WHERE kind = ?1 AND part = ?2 AND number <= ?3 ORDER BY number LIMIT ?4)";
    let most = i64::try_from(most).unwrap_or(i64::MAX);
    connection.prepare_cached(forget)?.execute(params![kind.number(), NOTED, upto, most])
}

/// How much there is of a kind: bytes and blocks as they were noted, and bytes by part.
pub(super) fn sizes(connection: &Connection, kind: Kind) -> rusqlite::Result<[u64; 3]> {
    let sizes =
        "SELECT ifnull(sum(length(bytes)) FILTER (WHERE part = ?2), 0), count(*) FILTER (WHERE part = ?2),
         ifnull(sum(length(bytes)) FILTER (WHERE part <> ?2), 0) FROM blocks WHERE kind = ?1";
    let unsigned = |number: i64| u64::try_from(number).unwrap_or_default();
    connection.prepare_cached(sizes)?.query_row(params![kind.number(), NOTED], |row| {
        Ok([unsigned(row.get(0)?), unsigned(row.get(1)?), unsigned(row.get(2)?)])
    })
}

/// Whether there is any block of a kind.
fn any(connection: &Connection, kind: Kind) -> rusqlite::Result<bool> {
    let any = "SELECT 1 FROM blocks WHERE kind = ?1 LIMIT 1";
    Ok(connection.prepare_cached(any)?.query_row([kind.number()], |_| Ok(())).optional()?.is_some())
}

/// What the blocks of one part say, and the number that they cover.
pub(in crate::store::sqlite) fn of_part<C: Content>(
    connection: &Connection,
    part: i64,
    is_wanted: impl Fn(&Payer<'_>) -> bool,
    known: &mut Known<C>,
) -> rusqlite::Result<i64> {
    let select = "SELECT number, bytes, covers FROM blocks WHERE kind = ?1 AND part = ?2 ORDER BY number";
    let mut covers = 0;
    each_block::<C>(connection, select, params![C::KIND.number(), part], |row, block| {
        covers = covers.max(row.get(2)?);
        Ok(take(block, |entry| is_wanted(&entry.payer()), known))
    })?;
    Ok(covers)
}

/// What all blocks of these parts say, by part and as it was noted, of those who are wanted. What else is read beside it is of
/// the same moment only in one transaction.
fn all<C: Content>(
    connection: &Connection,
    parts: impl IntoIterator<Item = PayerPart>,
    is_wanted: impl Fn(&Payer<'_>) -> bool,
) -> rusqlite::Result<Known<C>> {
    let mut known = Known::new();
    let mut covered: HashMap<i64, i64> = parts.into_iter().map(|part| (part.number().into(), 0)).collect();
    if covered.len() > FEW {
        let select = "SELECT number, bytes, part, covers FROM blocks WHERE kind = ?1 AND part >= 0";
        each_block::<C>(connection, select, [C::KIND.number()], |row, block| {
            let Some(covered) = covered.get_mut(&row.get(2)?) else { return Ok(Ok(())) };
            *covered = row.get(3)?;
            Ok(take(block, |entry| is_wanted(&entry.payer()), &mut known))
        })?;
    } else {
        for (part, covered) in &mut covered {
            *covered = of_part(connection, *part, &is_wanted, &mut known)?;
        }
    }
    let select = "SELECT number, bytes FROM blocks WHERE kind = ?1 AND part = ?2 ORDER BY number";
    each_block::<C>(connection, select, params![C::KIND.number(), NOTED], |row, block| {
        let number: i64 = row.get(0)?;
        let counts = |entry: &BlockEntry<'_>| {
            covered.get(&entry.part().number().into()).is_some_and(|covered| number > *covered)
                && is_wanted(&entry.payer())
        };
        Ok(take(block, counts, &mut known))
    })?;
    known.values_mut().for_each(C::settle);
    known.retain(|_, content| !content.is_empty());
    Ok(known)
}

/// The same of these keys.
pub(in crate::store::sqlite) fn all_of<C: Content>(
    connection: &Connection,
    keys: &[KeyId],
) -> rusqlite::Result<Known<C>> {
    if !any(connection, C::KIND)? {
        return Ok(Known::new());
    }
    let wanted: HashSet<_> = keys.iter().copied().collect();
    let is_wanted = |payer: &Payer<'_>| matches!(payer, Payer::Key(key) if wanted.contains(key));
    all(connection, keys.iter().copied().map(PayerPart::of_key), is_wanted)
}

fn each_block<C: Content>(
    connection: &Connection,
    select: &str,
    values: impl Params,
    mut see: impl FnMut(&Row<'_>, &mut Block<'_>) -> rusqlite::Result<Result<(), NoBlock>>,
) -> rusqlite::Result<()> {
    let mut select = connection.prepare_cached(select)?;
    let mut rows = select.query(values)?;
    while let Some(row) = rows.next()? {
        let number: i64 = row.get(0)?;
        let bytes = row.get_ref(1)?.as_blob()?;
        let seen = match Block::read(bytes) {
            Ok(mut block) => see(row, &mut block)?,
            Err(malformed) => Err(malformed),
        };
        if seen.is_err() {
            spoilt(C::KIND, number)?;
        }
    }
    Ok(())
}

fn take<C: Content>(
    block: &mut Block<'_>,
    counts: impl Fn(&BlockEntry<'_>) -> bool,
    known: &mut Known<C>,
) -> Result<(), NoBlock> {
    while let Some(entry) = block.next()? {
        if counts(&entry) {
            known.entry(entry.subject()).or_default().take(entry.payload, &block.names)?;
        }
    }
    Ok(())
}

/// What to do about a block that is none of ours: a count must be known whole, everything else is a hint to people, of which
/// what cannot be read is left out.
pub(super) fn spoilt(kind: Kind, number: i64) -> rusqlite::Result<()> {
    let why = format!("block {number} in the table `blocks` was edited, or written by another version");
    if kind == Kind::Counts {
        return Err(rusqlite::Error::SqliteFailure(ffi::Error::new(ffi::SQLITE_CORRUPT), Some(why)));
    }
    tracing::error!(block = number, "{why}: it is left out");
    Ok(())
}
