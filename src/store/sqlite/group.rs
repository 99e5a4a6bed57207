//! What waits for the writing thread, and how it is answered.

use tokio::sync::oneshot;

use crate::{
    domain::audit::Revision,
    ports::{Mutation, Note, StoreError},
};

pub(super) type Answer<T> = oneshot::Sender<Result<T, StoreError>>;

/// What the thread is asked for.
pub(super) enum Work {
    /// All of these changes, or none.
    Commit(Vec<Mutation>, Answer<Revision>),
    Notes(Vec<Note>, Answer<()>),
    /// Take nothing new, write what waits, empty the WAL.
    Close(Answer<()>),
}

/// What is written in one transaction.
#[derive(Default)]
pub(super) struct Group {
    pub(super) commits: Vec<(Vec<Mutation>, Answer<Revision>)>,
    pub(super) notes: Vec<(Vec<Note>, Answer<()>)>,
    pub(super) closers: Vec<Answer<()>>,
}

impl Group {
    pub(super) fn add(&mut self, work: Work) {
        match work {
            Work::Commit(mutations, answer) => self.commits.push((mutations, answer)),
            Work::Notes(notes, answer) => self.notes.push((notes, answer)),
            Work::Close(answer) => self.closers.push(answer),
        }
    }

    pub(super) fn answer(self, commits: Vec<Result<Revision, StoreError>>, notes: &Result<(), StoreError>) {
        // Who waits no more has gone; the change stands all the same.
        for ((_, answer), result) in self.commits.into_iter().zip(commits) {
            let _gone = answer.send(result);
        }
        for (_, answer) in self.notes {
            let _gone = answer.send(notes.clone());
        }
    }

    pub(super) fn refuse(self, error: &StoreError) {
        let answers = vec![Err(error.clone()); self.commits.len()];
        self.answer(answers, &Err(error.clone()));
    }

    pub(super) const fn len(&self) -> usize {
        self.commits.len().saturating_add(self.notes.len())
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.len() == 0
    }
}
