//! What one attempt at a change comes to, and how often it is made anew.

use crate::ports::Mutation;

/// How often a change is judged anew when others change the same at the same time.
pub(in crate::changes) const ATTEMPTS: usize = 16;

/// What one attempt at a change comes to.
pub(in crate::changes) enum Attempt<T> {
    /// Nothing needs to change.
    Done(T),
    /// This is to be committed.
    Commit(Box<Mutation>, T),
    /// All of these are, or none.
    CommitAll(Vec<Mutation>, T),
}
