//! What waits for the writing thread, and how it is answered.

use std::sync::Arc;

use tokio::sync::oneshot;

use super::super::{
    blocks::Kind,
    notes,
    open::{NewRoots, RootStep},
    permit_rows::{self, PermitRow},
    start::Repair,
};
use crate::{
    domain::{revision::Revision, root::DerivedKeys},
    ports::{DrawsOn, Mutation, Note, StoreError},
};

pub(in crate::store::sqlite) type ReplyTo<T> = oneshot::Sender<Result<T, StoreError>>;

/// How many changes are written together into room that is kept.
const ENDS_TOGETHER: usize = 16;

/// What the thread is asked for.
pub(in crate::store::sqlite) enum WriterWork {
    /// All of these changes, or none.
    Commit(Vec<Mutation>, ReplyTo<Revision>),
    Notes(Vec<Note>, ReplyTo<()>),
    Permits(Vec<PermitRow>, ReplyTo<()>),
    /// What a start that read the log found.
    Repair(Box<Repair>, ReplyTo<()>),
    /// Write rows under older roots anew, from now on, a step at a time.
    Rewrite,
    /// Take new roots, or do without old ones, behind all that was asked for before.
    Roots(Arc<NewRoots>, ReplyTo<Option<AddedRoot>>),
    /// Try to write, where the store is sealed.
    OpenAnew(ReplyTo<()>),
    /// Take nothing new, write what waits, empty the WAL.
    Close(ReplyTo<()>),
}

/// A root that was laid over the store while it is served.
pub struct AddedRoot {
    /// The root that lay outermost before.
    pub under: u32,
    /// The revision that noted it.
    pub since: Revision,
    /// The keys in force once memory is laid under it, too. Those until then know it as it was before as well.
    pub settled: Arc<DerivedKeys>,
}

/// What is written in one transaction.
#[derive(Default)]
pub(in crate::store::sqlite) struct Batch {
    pub(in crate::store::sqlite) commits: Vec<(Vec<Mutation>, ReplyTo<Revision>)>,
    pub(in crate::store::sqlite) notes: Vec<(Vec<Note>, ReplyTo<()>)>,
    pub(in crate::store::sqlite) permits: Vec<(Vec<PermitRow>, ReplyTo<()>)>,
    pub(in crate::store::sqlite) repairs: Vec<(Box<Repair>, ReplyTo<()>)>,
    pub(in crate::store::sqlite) trials: Vec<ReplyTo<()>>,
    pub(in crate::store::sqlite) closers: Vec<ReplyTo<()>>,
    pub(in crate::store::sqlite) roots: Vec<(Arc<NewRoots>, ReplyTo<Option<AddedRoot>>)>,
    /// A change of roots, which is written alone.
    pub(in crate::store::sqlite) root_step: Option<(Arc<NewRoots>, RootStep)>,
    /// What the thread does in it for itself.
    pub(in crate::store::sqlite) own: Option<OwnStep>,
    /// Whether rows under older roots are to be written anew from now on.
    pub(in crate::store::sqlite) begins_rewriting: bool,
}

/// What the thread does for itself, in a group of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::store::sqlite) enum OwnStep {
    /// It writes, to see that it can.
    Trial,
    /// It brings blocks together.
    Sweep,
    /// It writes some rows anew that stand under older roots.
    Rewriting,
}

impl Batch {
    /// A group that changes nothing but its own trace.
    pub(in crate::store::sqlite) fn trial() -> Self {
        Self { own: Some(OwnStep::Trial), ..Self::default() }
    }

    /// A group that brings blocks together.
    pub(in crate::store::sqlite) fn sweep() -> Self {
        Self { own: Some(OwnStep::Sweep), ..Self::default() }
    }

    /// A group that writes some rows anew that stand under older roots.
    pub(in crate::store::sqlite) fn rewriting() -> Self {
        Self { own: Some(OwnStep::Rewriting), ..Self::default() }
    }

    /// A group that makes one change of the roots.
    pub(in crate::store::sqlite) fn of_root(new: &Arc<NewRoots>, step: RootStep) -> Self {
        Self { root_step: Some((Arc::clone(new), step)), ..Self::default() }
    }

    /// What of it is written in blocks, each with its kind.
    pub(in crate::store::sqlite) fn to_blocks(&self) -> Vec<(Kind, Vec<u8>)> {
        let mut blocks = notes::to_blocks(self.notes.iter().flat_map(|(notes, _)| notes));
        blocks.extend(permit_rows::to_blocks(self.permits.iter().flat_map(|(rows, _)| rows)));
        blocks
    }

    /// Whether somebody says in it that the counting has ended.
    pub(in crate::store::sqlite) fn ends_counting(&self) -> bool {
        self.permits.iter().flat_map(|(rows, _)| rows).any(|row| matches!(row, PermitRow::End(..)))
    }

    pub(in crate::store::sqlite) fn add(&mut self, work: WriterWork) {
        match work {
            WriterWork::Commit(mutations, answer) => self.commits.push((mutations, answer)),
            WriterWork::Notes(notes, answer) => self.notes.push((notes, answer)),
            WriterWork::Permits(rows, answer) => self.permits.push((rows, answer)),
            WriterWork::Repair(repair, answer) => self.repairs.push((repair, answer)),
            WriterWork::Rewrite => self.begins_rewriting = true,
            WriterWork::Roots(new, answer) => self.roots.push((new, answer)),
            WriterWork::OpenAnew(answer) => self.trials.push(answer),
            WriterWork::Close(answer) => self.closers.push(answer),
        }
    }

    pub(in crate::store::sqlite) fn answer(
        self,
        commits: Vec<Result<Revision, StoreError>>,
        notes: &Result<(), StoreError>,
    ) {
        // Who waits no more has gone; the change stands all the same.
        for ((_, answer), result) in self.commits.into_iter().zip(commits) {
            let _gone = answer.send(result);
        }
        let notes_and_permits = self.notes.into_iter().map(|(_, answer)| answer);
        let others = notes_and_permits.chain(self.permits.into_iter().map(|(_, answer)| answer));
        for answer in others.chain(self.repairs.into_iter().map(|(_, answer)| answer)) {
            let _gone = answer.send(notes.clone());
        }
    }

    /// Takes out what ends something, a few at a time and operators' first; each with whether it is theirs.
    pub(in crate::store::sqlite) fn take_ends(&mut self) -> Vec<(bool, Self)> {
        let (mut operators, mut tenants) = (Vec::new(), Vec::new());
        for (mutations, answer) in std::mem::take(&mut self.commits) {
            // Those that are written together are of one kind, and one caller's.
            let to = match mutations.first().map(|mutation| mutation.draws_on).unwrap_or_default() {
                DrawsOn::Nothing => &mut self.commits,
                DrawsOn::Kept => &mut tenants,
                DrawsOn::KeptForOperators => &mut operators,
            };
            to.push((mutations, answer));
        }
        let mut ends = Vec::new();
        for (is_operators, commits) in [(true, operators), (false, tenants)] {
            let mut commits = commits.into_iter().peekable();
            while commits.peek().is_some() {
                let commits = commits.by_ref().take(ENDS_TOGETHER).collect();
                ends.push((is_operators, Self { commits, ..Self::default() }));
            }
        }
        ends
    }

    /// Refuses what is ordinary, because the disk is full. That there was nothing to end is no reason to write, and is answered
    /// as an end would be.
    pub(in crate::store::sqlite) fn refuse_for_room(mut self, error: &StoreError, ends_are_taken: bool) {
        if ends_are_taken {
            for (notes, answer) in std::mem::take(&mut self.notes) {
                if matches!(notes.as_slice(), [Note::Nothing(_)]) {
                    let _gone = answer.send(Ok(()));
                } else {
                    self.notes.push((notes, answer));
                }
            }
        }
        self.refuse(error);
    }

    /// How many changes there are, and how many keys they name together with others.
    pub(in crate::store::sqlite) fn size(&self) -> (usize, usize) {
        let changes = self.commits.iter().flat_map(|(mutations, _)| mutations);
        let keys = |mutation: &Mutation| mutation.entry.group.as_ref().map_or(0, |group| group.keys().len());
        changes.fold((0, 0), |(changes, all), mutation| {
            (changes.saturating_add(1), all.saturating_add(keys(mutation)))
        })
    }

    pub(in crate::store::sqlite) fn refuse(self, error: &StoreError) {
        let answers = vec![Err(error.clone()); self.commits.len()];
        self.answer(answers, &Err(error.clone()));
    }

    /// Takes out what a start found: each is written alone.
    pub(in crate::store::sqlite) fn take_repairs(&mut self) -> Vec<Self> {
        let repairs = std::mem::take(&mut self.repairs).into_iter();
        repairs.map(|repair| Self { repairs: vec![repair], ..Self::default() }).collect()
    }

    pub(in crate::store::sqlite) const fn len(&self) -> usize {
        self.commits.len().saturating_add(self.notes.len()).saturating_add(self.permits.len())
    }

    pub(in crate::store::sqlite) const fn is_empty(&self) -> bool {
        self.len() == 0
    }
}
