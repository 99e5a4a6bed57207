//! The one thread that writes. It takes what waits, writes it as one group, and answers when that is durable.
//!
//! After a failure whose outcome cannot be known the thread seals itself: it refuses every later change and touches
//! the files no more, so that memory and disk cannot part. What was a failed write is tried again ([`anew`]); for
//! the rest, a restart reads what is really there.

mod anew;
mod counts;
mod file;
mod foreign;
mod full_disk;
mod group;
mod idle;
mod outcome;
mod room;
mod roots;
mod state;
mod telling;
mod together;
mod wal;

use std::{fs::File, ops::ControlFlow, sync::Arc, thread};

use rusqlite::Connection;
use tokio::{
    sync::{mpsc, watch},
    time::Instant,
};

pub(super) use self::{
    counts::WriterCounts,
    file::FileIdentity,
    foreign::ForeignWrites,
    group::{ReplyTo, WriterWork},
    room::{DiskRoom, full},
    telling::Telling,
};
pub use self::{foreign::WRITTEN_BY_OTHERS, group::AddedRoot};
use self::{
    group::{Batch, OwnStep},
    outcome::{BatchOutcome, before_commit, broken},
};
use super::{
    blocks::{self, Kind, Pile},
    counted::CountedRows,
    failure, notes,
    open::TakenKeys,
    permit_rows,
    refusal::WriteRefusal,
    reserve::{HeldIndex, WAL_MAX},
    rewriting::Rewriting,
    rows, start,
    sums::RunningSum,
};
use crate::{
    domain::{
        revision::Revision,
        root::{DerivedKeys, KeysInForce},
    },
    ports::{StoreError, Taking, Until, WriterState},
    store::{anchor::Keeper, chain::LogHead, draws::Draws},
};

/// The most that one transaction takes.
const MAX_GROUP: usize = 256;

/// What the open transaction holds.
struct Filled {
    head: LogHead,
    sum: RunningSum,
    /// One for each change.
    answers: Vec<Result<Revision, StoreError>>,
    /// What is left to be written anew.
    rewriting: Rewriting,
    /// Where the roots change, the keys from then on.
    taken: Option<TakenKeys>,
}

/// What the thread owns.
pub(super) struct Writer {
    pub(super) connection: Connection,
    pub(super) foreign: ForeignWrites,
    pub(super) keys: Arc<DerivedKeys>,
    /// Where all others have them.
    pub(super) in_force: Arc<KeysInForce>,
    pub(super) draws: Draws,
    pub(super) head: LogHead,
    /// The sum of the rows at that head.
    pub(super) sum: RunningSum,
    pub(super) file: FileIdentity,
    /// Filled after each commit, and before it is answered.
    pub(super) anchor: Keeper,
    pub(super) works: mpsc::Receiver<WriterWork>,
    pub(super) revisions: watch::Sender<Revision>,
    pub(super) state: watch::Sender<WriterState>,
    pub(super) taking: watch::Sender<Taking>,
    /// Pages in the WAL when it was last looked at.
    pub(super) wal_pages: i64,
    /// What room there is on the disk.
    pub(super) room: DiskRoom,
    /// What is noted beside the truth, and to be brought together.
    pub(super) pile: Pile,
    /// What is still to be written anew of rows under older roots.
    pub(super) rewriting: Rewriting,
    /// What it counts of its transactions.
    pub(super) counts: Arc<WriterCounts>,
    /// What was said of its seals.
    pub(super) sealing: Telling,
    #[expect(dead_code, reason = "held, never read")]
    pub(super) held_index: Option<HeldIndex>,
    /// Held until nothing is written any more; the last field, so that it goes when the connection is closed.
    #[expect(dead_code, reason = "held, never read")]
    pub(super) lock: Arc<File>,
}

impl Writer {
    /// Starts the thread.
    pub(super) fn spawn(mut self) -> std::io::Result<thread::JoinHandle<()>> {
        thread::Builder::new().name("store-writer".to_owned()).spawn(move || self.run())
    }

    fn run(&mut self) {
        let mut closers = Vec::new();
        while let Some(first) = self.next_work() {
            let mut group = Batch::default();
            group.add(first);
            while group.len() < MAX_GROUP
                && let Ok(next) = self.works.try_recv()
            {
                group.add(next);
            }
            if !group.closers.is_empty() {
                self.works.close();
                closers.append(&mut group.closers);
            }
            for trial in std::mem::take(&mut group.trials) {
                let _gone = trial.send(self.open_anew());
            }
            if group.begins_rewriting {
                self.rewriting = Rewriting::begin(&self.keys);
            }
            let roots = std::mem::take(&mut group.roots);
            for repair in group.take_repairs() {
                self.serve(repair);
            }
            if !group.is_empty() {
                self.serve(group);
            }
            for (new, answer) in roots {
                let _gone = answer.send(self.take_roots(&new));
            }
            if self.pile.is_late() {
                let _made = self.sweep() && self.sweep();
            }
            if self.rewriting.is_due() {
                let _made = self.rewrite();
            }
            self.tend_wal();
        }
        let emptied = self.empty_wal();
        self.anchor.close();
        for closer in closers {
            let _gone = closer.send(emptied.clone());
        }
    }

    /// Writes a group, or what of it a full disk lets be written, and answers everyone in it.
    fn serve(&mut self, mut group: Batch) {
        let has_room = self.sealed().is_none() && self.has_room();
        // Looking for room may have sealed it.
        if let Some(why) = self.sealed() {
            return group.refuse(&StoreError::Unavailable(why));
        }
        if has_room {
            let outcome = self.write(&group);
            if !matches!(outcome, BatchOutcome::Full) {
                if matches!(outcome, BatchOutcome::Committed(_)) {
                    self.is_proven();
                }
                return self.settle(group, outcome);
            }
            // There was less than it seemed: what ends something is tried again, alone.
            self.fill_up();
        }
        let ends = group.take_ends();
        let is_one_taken = self.has_place_for(1, 0, false);
        group.refuse_for_room(&self.full(), is_one_taken);
        for (is_operators, ends) in ends {
            let (changes, keys) = ends.size();
            let has_place = self.has_place_for(changes, keys, is_operators);
            let outcome = match self.sealed() {
                Some(why) => BatchOutcome::Refused(StoreError::Unavailable(why)),
                None if has_place => self.write(&ends),
                None => BatchOutcome::Full,
            };
            self.settle(ends, outcome);
            self.count_wal();
        }
    }

    /// Answers everyone in a group.
    fn settle(&mut self, group: Batch, outcome: BatchOutcome) {
        match outcome {
            BatchOutcome::Committed(answers) => {
                self.anchor.follow(self.head);
                self.revisions.send_if_modified(|known| {
                    std::mem::replace(known, self.head.revision) != self.head.revision
                });
                group.answer(answers, &Ok(()));
            }
            BatchOutcome::Refused(error) => group.refuse(&error),
            BatchOutcome::Full => group.refuse(&self.full()),
            BatchOutcome::Broken(error) => {
                self.seal(&error.to_string(), state::until_of(&error));
                group.refuse(&error);
            }
            BatchOutcome::Unknown(why, answers) => {
                self.seal(&why, Until::Written);
                let unknown = StoreError::OutcomeUnknown(why.clone());
                // What was refused may have been so for a change whose own fate is unknown.
                let answers = answers.into_iter().map(|answer| match answer {
                    Ok(_) => Err(unknown.clone()),
                    Err(_) => Err(StoreError::Unavailable(why.clone())),
                });
                let answers = answers.collect();
                group.answer(answers, &Err(unknown));
            }
        }
    }

    fn write(&mut self, group: &Batch) -> BatchOutcome {
        let (blocks, began) = (group.to_blocks(), Instant::now());
        let outcome = self.write_with(group, &blocks);
        match &outcome {
            BatchOutcome::Committed(_) if !group.is_empty() => {
                self.counts.committed(group.len(), began.elapsed());
            }
            BatchOutcome::Committed(_) => {}
            BatchOutcome::Refused(_)
            | BatchOutcome::Full
            | BatchOutcome::Broken(_)
            | BatchOutcome::Unknown(..) => {
                self.counts.failed();
            }
        }
        if !matches!(outcome, BatchOutcome::Committed(_)) {
            self.pile.failed();
            return outcome;
        }
        for (kind, block) in &blocks {
            self.pile.noted(*kind, block.len());
        }
        self.pile.committed();
        if group.ends_counting()
            && let Err(error) = self.pile.look_again(&self.connection)
        {
            tracing::debug!(%error, "how much there is in blocks is not known");
        }
        outcome
    }

    fn write_with(&mut self, group: &Batch, blocks: &[(Kind, Vec<u8>)]) -> BatchOutcome {
        if !self.file.is_in_place() {
            return broken("the database file was replaced");
        }
        if self.wal_pages > WAL_MAX {
            let why = "the WAL has reached its bound: something has been reading the database for too long";
            return BatchOutcome::Refused(StoreError::Unavailable(why.to_owned()));
        }
        if let Err(error) = self.connection.execute_batch("BEGIN IMMEDIATE") {
            return before_commit(&error);
        }
        match self.foreign.happened(&self.connection) {
            Ok(false) => {}
            Ok(true) => {
                self.roll_back();
                return BatchOutcome::Broken(WRITTEN_BY_OTHERS);
            }
            Err(error) => {
                self.roll_back();
                return before_commit(&error);
            }
        }
        let swept = if group.own == Some(OwnStep::Sweep) { self.pile.step(&self.connection) } else { Ok(()) };
        let Filled { head, sum, answers, rewriting, taken } =
            match swept.and_then(|()| self.fill(group, blocks)) {
                Ok(ControlFlow::Continue(written)) => written,
                Ok(ControlFlow::Break(outcome)) => {
                    self.roll_back();
                    return outcome;
                }
                Err(error) => {
                    self.roll_back();
                    return before_commit(&error);
                }
            };
        // Before anybody can see what needs them.
        if let Some(taken) = &taken {
            self.in_force.put(Arc::clone(&taken.at_first));
        }
        if let Err(error) = self.connection.execute_batch("COMMIT") {
            if taken.is_some() {
                self.in_force.put(Arc::clone(&self.keys));
            }
            let undone = self.roll_back();
            return if undone && failure::is_passing(&error) {
                before_commit(&error)
            } else {
                BatchOutcome::Unknown(format!("the commit failed: {error}"), answers)
            };
        }
        self.head = head;
        self.sum = sum;
        self.rewriting = rewriting;
        if let Some(taken) = taken {
            self.write_under(taken.settled);
        }
        BatchOutcome::Committed(answers)
    }

    /// Writes every change of the group that can be written into the open transaction.
    fn fill(
        &self,
        group: &Batch,
        blocks: &[(Kind, Vec<u8>)],
    ) -> rusqlite::Result<ControlFlow<BatchOutcome, Filled>> {
        let Some(found) = self.head_found()? else {
            let error = "the log does not end where this process left it: somebody else has written";
            return Ok(ControlFlow::Break(BatchOutcome::Broken(StoreError::Corrupt(error.to_owned()))));
        };
        let (mut head, mut sum) = (found, self.sum.clone());
        for (repair, _) in &group.repairs {
            match start::repair(&self.connection, (&self.keys, &self.draws), head, repair) {
                Ok((repaired, known)) => (head, sum) = (repaired, known),
                Err(WriteRefusal::Store(error)) => {
                    return Ok(ControlFlow::Break(BatchOutcome::Refused(error)));
                }
                Err(WriteRefusal::Driver(error)) => return Err(error),
            }
        }
        let mut answers = Vec::with_capacity(group.commits.len());
        for (mutations, _) in &group.commits {
            answers.push(self.write_together(mutations, &mut head, &mut sum)?);
        }
        for (kind, block) in blocks {
            blocks::note(&self.connection, *kind, block)?;
        }
        for (notes, _) in &group.notes {
            notes::put(&self.connection, &self.keys, notes)?;
        }
        for (rows, _) in &group.permits {
            permit_rows::put(&self.connection, rows)?;
        }
        let mut rewriting = self.rewriting.clone();
        if group.own == Some(OwnStep::Rewriting) {
            rewriting.step(&mut CountedRows {
                connection: &self.connection,
                keys: &self.keys,
                sum: &mut sum,
            })?;
        }
        if group.own == Some(OwnStep::Trial) {
            notes::put_trial(&self.connection)?;
        }
        if let Some((new, step)) = &group.root_step {
            let keys = (&*self.keys, &self.draws);
            match new.take(&self.connection, keys, *step, (head, &mut sum)) {
                Ok((taken_head, keys)) => {
                    let answers = Vec::new();
                    return Ok(ControlFlow::Continue(Filled {
                        head: taken_head,
                        sum,
                        answers,
                        rewriting,
                        taken: Some(keys),
                    }));
                }
                Err(WriteRefusal::Store(error)) => {
                    return Ok(ControlFlow::Break(BatchOutcome::Refused(error)));
                }
                Err(WriteRefusal::Driver(error)) => return Err(error),
            }
        }
        if head != found || !group.repairs.is_empty() || group.own == Some(OwnStep::Rewriting) {
            sum.put(&self.connection, &self.keys, head)?;
        }
        if head != found {
            rows::sign(&self.connection, &self.keys, head)?;
        }
        Ok(ControlFlow::Continue(Filled { head, sum, answers, rewriting, taken: None }))
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        // However the thread ends, by a panic too.
        self.state.send_replace(WriterState::Ended);
        self.taking.send_replace(Taking::Nothing);
    }
}
