//! Bringing blocks together in the background, a bounded step at a time, while nobody waits for the thread that writes.
//!
//! A sweep takes what was noted up to some number, and goes from part to part: each step puts the parts that it has worked on
//! in the place of what held them, in one transaction, with the number that they cover from then on. So an entry counts once at
//! any moment, wherever a sweep is cut off: the next one goes by those numbers. What was noted goes when every part covers it.

use std::time::Duration;

use rusqlite::Connection;
use tokio::time::Instant;

use super::{
    content::{Content, Kind, to_blocks},
    counts::CountsOf,
    frame::BlockSubject,
    noted::Noted,
    table::{self, Known},
};
use crate::{
    ports::{Payer, PayerPart},
    store::sqlite::{scope_uses::ScopesOf, usage::UsageOf, uses::UsesOf},
};

/// When there is something to do, and how much at once.
#[derive(Debug, Clone, Copy)]
pub(in crate::store::sqlite) struct Bounds {
    /// From so many bytes on, what was noted is brought together.
    pub(in crate::store::sqlite) merge_at: u64,
    /// The same at the latest, however much it is brought together with.
    pub(in crate::store::sqlite) merge_at_latest: u64,
    /// The same from so many blocks on, where keys are looked for in each of them.
    pub(in crate::store::sqlite) most_blocks: u64,
    /// From so many bytes on, what was brought together becomes rows.
    pub(in crate::store::sqlite) rows_at: u64,
    /// And after this time, however much it is.
    pub(in crate::store::sqlite) rows_every: Duration,
    /// From so many bytes on, a step is made after each group, though others wait.
    pub(in crate::store::sqlite) late_at: u64,
    /// Subjects in one step, but for the last part of it.
    pub(in crate::store::sqlite) subjects_in_step: usize,
    /// Bytes that one sweep takes in, or half of what there is: it holds them in memory.
    pub(in crate::store::sqlite) bytes_in_sweep: usize,
    /// The same at the most.
    pub(in crate::store::sqlite) most_in_sweep: usize,
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            merge_at: 256 << 10,
            merge_at_latest: 4 << 20,
            most_blocks: 256,
            rows_at: 32 << 20,
            rows_every: Duration::from_secs(3_600),
            late_at: 16 << 20,
            subjects_in_step: 1_024,
            bytes_in_sweep: 4 << 20,
            most_in_sweep: 64 << 20,
        }
    }
}

/// What was noted may be so large a share of what it is brought together with.
const SHARE: u64 = 8;

/// Blocks that are removed in one step, and their bytes.
const REMOVED_AT_ONCE: usize = 512;
const REMOVED_BYTES: usize = 1 << 20;

/// What the writing thread knows of the blocks.
pub(in crate::store::sqlite) struct Pile {
    bounds: Bounds,
    sizes: [Size; Kind::ALL.len()],
    sweep: Option<Sweep>,
    /// What the open transaction has done of it.
    done: Option<Done>,
}

struct Size {
    kind: Kind,
    noted: u64,
    blocks: u64,
    merged: u64,
    /// When it last became rows, or the process began.
    rows_made: Instant,
}

struct Sweep {
    kind: Kind,
    to_rows: bool,
    /// What it takes in.
    noted: Noted,
    /// The part that comes next; `None` where only the blocks are to be removed.
    next: Option<PayerPart>,
    removed: usize,
}

/// What one step has done.
enum Done {
    /// It has passed so many parts: this one comes next.
    Parts(Option<PayerPart>),
    /// It has removed so many blocks.
    Removed(usize),
    /// It was the last: so much there is of the kind.
    All([u64; 3]),
}

impl Pile {
    /// What a database has.
    pub(in crate::store::sqlite) fn of(connection: &Connection, bounds: Bounds) -> rusqlite::Result<Self> {
        let now = Instant::now();
        let mut sizes = Kind::ALL.map(|kind| Size { kind, noted: 0, blocks: 0, merged: 0, rows_made: now });
        for size in &mut sizes {
            size.set(table::sizes(connection, size.kind)?);
        }
        Ok(Self { bounds, sizes, sweep: None, done: None })
    }

    /// Takes note of a block that was written.
    pub(in crate::store::sqlite) fn noted(&mut self, kind: Kind, bytes: usize) {
        if let Some(size) = self.sizes.iter_mut().find(|size| size.kind == kind) {
            size.noted = size.noted.saturating_add(u64::try_from(bytes).unwrap_or(u64::MAX));
            size.blocks = size.blocks.saturating_add(1);
        }
    }

    /// Whether there is something to do.
    pub(in crate::store::sqlite) fn is_due(&self) -> bool {
        self.sweep.is_some() || self.due().is_some()
    }

    /// Whether there is so much to do that it waits for nobody.
    pub(in crate::store::sqlite) fn is_late(&self) -> bool {
        self.sizes.iter().any(|size| size.noted >= self.bounds.late_at)
    }

    /// What is to be swept, and whether it becomes rows.
    fn due(&self) -> Option<(Kind, bool)> {
        self.sizes.iter().find_map(|size| Some((size.kind, size.due(&self.bounds)?)))
    }

    /// Makes one step in the open transaction.
    pub(in crate::store::sqlite) fn step(&mut self, connection: &Connection) -> rusqlite::Result<()> {
        if self.sweep.is_none() {
            let Some((kind, to_rows)) = self.due() else { return Ok(()) };
            // The more there is, the more each step must bring together, so that it keeps up.
            let noted = self.sizes.iter().find(|size| size.kind == kind).map_or(0, |size| size.noted);
            let half = usize::try_from(noted / 2).unwrap_or(usize::MAX);
            let most = half.max(self.bounds.bytes_in_sweep).min(self.bounds.most_in_sweep);
            self.sweep = Some(Sweep::begin(connection, kind, to_rows, most)?);
        }
        let Some(sweep) = &self.sweep else { return Ok(()) };
        let most = self.bounds.subjects_in_step;
        self.done = Some(match sweep.kind {
            Kind::Usage => sweep.step::<UsageOf>(connection, most),
            Kind::ScopeUses => sweep.step::<ScopesOf>(connection, most),
            Kind::LastUses => sweep.step::<UsesOf>(connection, most),
            Kind::Counts => sweep.step::<CountsOf>(connection, most),
        }?);
        Ok(())
    }

    /// Takes note that the step is durable.
    pub(in crate::store::sqlite) fn committed(&mut self) {
        let (Some(done), Some(sweep)) = (self.done.take(), &mut self.sweep) else { return };
        match done {
            Done::Parts(next) => sweep.next = next,
            Done::Removed(count) => sweep.removed = sweep.removed.saturating_add(count),
            Done::All(sizes) => {
                let (kind, to_rows) = (sweep.kind, sweep.to_rows);
                self.sweep = None;
                if let Some(size) = self.sizes.iter_mut().find(|size| size.kind == kind) {
                    size.set(sizes);
                    if to_rows {
                        size.rows_made = Instant::now();
                    }
                }
            }
        }
    }

    /// Begins the sweep anew: it is not known what of it is there.
    pub(in crate::store::sqlite) fn failed(&mut self) {
        (self.sweep, self.done) = (None, None);
    }

    /// The same after others have written: how much there is now.
    pub(in crate::store::sqlite) fn look_again(&mut self, connection: &Connection) -> rusqlite::Result<()> {
        let sizes = std::mem::replace(&mut self.sizes, Self::of(connection, self.bounds)?.sizes);
        for (size, before) in self.sizes.iter_mut().zip(sizes) {
            size.rows_made = before.rows_made;
        }
        self.failed();
        Ok(())
    }
}

impl Size {
    fn set(&mut self, [noted, blocks, merged]: [u64; 3]) {
        (self.noted, self.blocks, self.merged) = (noted, blocks, merged);
    }

    /// Whether a sweep is due, and if so, whether it makes rows.
    fn due(&self, bounds: &Bounds) -> Option<bool> {
        let is_old =
            self.noted.saturating_add(self.merged) > 0 && self.rows_made.elapsed() >= bounds.rows_every;
        if self.kind.has_rows() && (self.merged >= bounds.rows_at || is_old) {
            return Some(true);
        }
        let share = (self.merged / SHARE).clamp(bounds.merge_at, bounds.merge_at_latest.max(bounds.merge_at));
        let is_much = self.noted >= share || self.kind.has_rows() && self.blocks >= bounds.most_blocks;
        is_much.then_some(false)
    }
}

impl Sweep {
    fn begin(connection: &Connection, kind: Kind, to_rows: bool, most: usize) -> rusqlite::Result<Self> {
        let noted = Noted::read(connection, kind, most)?;
        Ok(Self { kind, to_rows, noted, next: PayerPart::all().next(), removed: 0 })
    }

    fn step<C: Content>(&self, connection: &Connection, most: usize) -> rusqlite::Result<Done> {
        let (mut next, mut subjects) = (self.next, 0_usize);
        if next.is_none() {
            return self.remove(connection);
        }
        while subjects < most
            && let Some(part) = self.at_or_behind(connection, next)?
        {
            subjects = subjects.saturating_add(self.sweep_part::<C>(connection, part)?);
            next = part.next();
        }
        Ok(Done::Parts(if subjects < most { None } else { next }))
    }

    /// The first part from this one on in which there is something to do.
    fn at_or_behind(
        &self,
        connection: &Connection,
        from: Option<PayerPart>,
    ) -> rusqlite::Result<Option<PayerPart>> {
        let Some(from) = from else { return Ok(None) };
        let noted = self.noted.part_from(from);
        if !self.to_rows {
            return Ok(noted);
        }
        let held = table::next_part(connection, self.kind, from)?.and_then(PayerPart::numbered);
        Ok(noted.into_iter().chain(held).min())
    }

    /// Brings one part together; how many subjects it has.
    fn sweep_part<C: Content>(&self, connection: &Connection, part: PayerPart) -> rusqlite::Result<usize> {
        let is_noted = self.noted.part_from(part) == Some(part);
        if !is_noted && !self.to_rows {
            return Ok(0);
        }
        let mut known: Known<C> = Known::new();
        let covers = table::of_part(connection, part.number().into(), |_: &Payer<'_>| true, &mut known)?;
        if !is_noted && known.is_empty() {
            return Ok(0);
        }
        self.noted.add_to(&mut known, part, covers)?;
        let subjects = known.len();
        let mut sorted: Vec<_> = known.into_iter().collect();
        sorted.sort_unstable_by(|(one, _), (other, _)| one.cmp(other));
        let mut kept = Vec::with_capacity(sorted.len());
        for (subject, mut content) in sorted {
            content.settle();
            match &subject {
                BlockSubject::Key(key) if self.to_rows => content.put_rows(connection, *key)?,
                BlockSubject::Key(_) | BlockSubject::Shared(_) if content.is_empty() => {}
                BlockSubject::Key(_) | BlockSubject::Shared(_) => kept.push((subject, content)),
            }
        }
        let blocks = to_blocks(kept.iter().map(|(subject, content)| (subject.payer(), content)));
        table::replace(connection, (self.kind, part), self.noted.upto().max(covers), &blocks)?;
        Ok(subjects.max(1))
    }

    /// Removes some of what was noted: every part covers it.
    fn remove(&self, connection: &Connection) -> rusqlite::Result<Done> {
        let (mut count, mut bytes) = (0, 0_usize);
        for length in self.noted.lengths().skip(self.removed).take(REMOVED_AT_ONCE) {
            if bytes >= REMOVED_BYTES {
                break;
            }
            bytes = bytes.saturating_add(length);
            count += 1;
        }
        table::forget_noted(connection, self.kind, self.noted.upto(), count)?;
        if self.removed.saturating_add(count) < self.noted.lengths().len() {
            return Ok(Done::Removed(count));
        }
        Ok(Done::All(table::sizes(connection, self.kind)?))
    }
}

#[cfg(test)]
mod tests;
