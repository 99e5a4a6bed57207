//! The outcome of one attempt at a change, and how often an attempt is made anew.

use crate::ports::Mutation;

/// How often a change is judged anew when others change the same at the same time.
pub(in crate::changes) const ATTEMPTS: usize = 16;

/// The outcome of one attempt at a change.
pub(in crate::changes) enum Attempt<T> {
    /// Nothing needs to change.
    Done(T),
    /// This is to be committed.
    Commit(Box<Mutation>, T),
    /// All of these are, or none.
    CommitAll(Vec<Mutation>, T),
}
