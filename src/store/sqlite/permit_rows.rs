//! Permits as they are stored: in blocks, each count with what was used and how much more may have been.

use std::collections::BTreeMap;

use rusqlite::Connection;

use super::{
    blocks::{self, BlockSubject, BlockWriter, CountsOf, Kind, Known, Noted},
    meta, notes,
};
use crate::{
    domain::time::{Now, Steady, Timestamp},
    ports::{CountName, CountSink, PackedCounts, Payer, PayerPart, PermitsFound, ReplicaId},
};

/// Under which the start is stored of the last process that followed a crash, in the table `meta`.
const UNCLEAN: &str = "unclean_start";

/// Under which schemas up to 8 stored it, beside the counts. No payer is empty.
const UNCLEAN_COUNT: (&str, &str) = ("", "unclean");

/// What is written of permits.
pub(super) enum PermitRow {
    /// A count; without a state it goes.
    Count(CountName, Option<Vec<u8>>),
    /// Counts as they are.
    Kept(PackedCounts),
    /// What is not unspent may have been used from now on.
    Begin(ReplicaId),
    /// Every count was written when the counting ended: what is not written was not charged. With the start of the last process
    /// that followed a crash, if that is news.
    End(ReplicaId, Option<Now>),
}

/// What is noted of counts, in blocks.
pub(super) fn to_blocks<'r>(rows: impl Iterator<Item = &'r PermitRow>) -> Vec<(Kind, Vec<u8>)> {
    let mut counts: BTreeMap<BlockSubject, CountsOf> = BTreeMap::new();
    let mut blocks = Vec::new();
    for row in rows {
        match row {
            PermitRow::Count(CountName { payer, limit }, state) => {
                let of = counts.entry(BlockSubject::of(&Payer::stored_under(payer))).or_default();
                of.put_one(limit.as_str().into(), state.clone());
            }
            PermitRow::Kept(kept) => {
                // What came before them stands before them.
                blocks.append(&mut written(&std::mem::take(&mut counts)));
                blocks.append(&mut packed(kept));
            }
            PermitRow::Begin(_) | PermitRow::End(..) => {}
        }
    }
    blocks.append(&mut written(&counts));
    blocks.into_iter().map(|block| (Kind::Counts, block)).collect()
}

fn written(counts: &BTreeMap<BlockSubject, CountsOf>) -> Vec<Vec<u8>> {
    blocks::to_blocks(counts.iter().map(|(subject, of)| (subject.payer(), of)))
}

/// Writes into the open transaction what is not noted, behind what is.
pub(super) fn put(connection: &Connection, rows: &[PermitRow]) -> rusqlite::Result<()> {
    rows.iter().try_for_each(|row| match row {
        PermitRow::Count(..) | PermitRow::Kept(_) => Ok(()),
        PermitRow::Begin(replica) => notes::put_counts_complete(connection, *replica, false),
        PermitRow::End(replica, crash) => {
            let unclean = |start| put_unclean_start(connection, *replica, &to_bytes(start));
            crash.as_ref().map_or(Ok(()), unclean)?;
            notes::put_counts_complete(connection, *replica, true)
        }
    })
}

fn packed(counts: &PackedCounts) -> Vec<Vec<u8>> {
    let mut writer = BlockWriter::default();
    let all: Vec<_> = counts.iter().collect();
    for of_one in all.chunk_by(|(one, ..), (other, ..)| one == other) {
        let Some((payer, ..)) = of_one.first() else { continue };
        writer.entry(payer, |payload| {
            for (_, limit, state) in of_one {
                blocks::put_count(payload, limit, Some(state));
            }
        });
    }
    writer.finish()
}

/// How the counting of a replica ended.
pub(super) fn taken(connection: &Connection, replica: ReplicaId) -> rusqlite::Result<PermitsFound> {
    let start: Option<Vec<u8>> = meta::value(connection, &meta::of_replica(UNCLEAN, replica))?;
    let crash = start.and_then(|bytes| of_bytes(&bytes));
    Ok(PermitsFound { in_order: notes::ended_in_order(connection, replica)?, crash })
}

/// What was noted of counts when it was read, and is shown part by part with what was brought together.
///
/// No part of what it has is noted anew before that part was shown. What is brought together meanwhile counts once: what holds a
/// part says up to which block.
pub(super) struct NotedCounts(Noted);

impl NotedCounts {
    /// Reads it.
    pub(super) fn read(connection: &Connection) -> rusqlite::Result<Self> {
        Noted::read(connection, Kind::Counts, usize::MAX).map(Self)
    }

    /// Shows every count of some parts; none where one of them cannot be read.
    pub(super) fn show(
        &self,
        snapshot: &Connection,
        parts: &[PayerPart],
        sink: &dyn CountSink,
    ) -> rusqlite::Result<()> {
        let mut known: Known<CountsOf> = Known::new();
        for part in parts {
            let covers = blocks::of_part(snapshot, part.number().into(), |_: &Payer<'_>| true, &mut known)?;
            self.0.add_to(&mut known, *part, covers)?;
        }
        for (subject, of) in &known {
            let payer = subject.payer();
            of.each().for_each(|(limit, state)| sink.take(&payer, limit, state));
        }
        Ok(())
    }
}

/// Takes the counts over that schemas up to 8 have in rows.
pub(super) fn take_over(connection: &Connection) -> rusqlite::Result<()> {
    let mut parts: BTreeMap<PayerPart, BTreeMap<BlockSubject, CountsOf>> = BTreeMap::new();
    let mut select = connection.prepare("SELECT subject, limit_id, state FROM counts")?;
    let mut rows = select.query([])?;
    while let Some(row) = rows.next()? {
        let (payer, limit, state): (String, String, Vec<u8>) = (row.get(0)?, row.get(1)?, row.get(2)?);
        if (payer.as_str(), limit.as_str()) == UNCLEAN_COUNT {
            put_unclean_start(connection, ReplicaId::ONLY, &state)?;
            continue;
        }
        let subject = BlockSubject::of(&Payer::stored_under(&payer));
        let of = parts.entry(subject.part()).or_default().entry(subject).or_default();
        of.put_one(limit.into(), Some(state));
    }
    parts.iter().try_for_each(|(part, counts)| {
        blocks::replace(connection, (Kind::Counts, *part), 0, &written(counts))
    })
}

fn put_unclean_start(connection: &Connection, replica: ReplicaId, bytes: &[u8]) -> rusqlite::Result<()> {
    meta::put(connection, &meta::of_replica(UNCLEAN, replica), &bytes)
}

fn to_bytes(start: &Now) -> Vec<u8> {
    [start.time.as_ms().to_le_bytes(), start.steady.as_ms().to_le_bytes()].concat()
}

fn of_bytes(bytes: &[u8]) -> Option<Now> {
    let (time, rest) = bytes.split_first_chunk()?;
    let time = Timestamp::from_ms(i64::from_le_bytes(*time)).ok()?;
    Some(Now { time, steady: Steady::from_ms(i64::from_le_bytes(rest.try_into().ok()?)) })
}
