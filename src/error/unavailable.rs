//! Errors of what does not work for now.

/// It does not work for now: the caller asks again later.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unavailable {
    /// The view does not have the wanted revision yet.
    #[error("this Keyward has not seen that revision yet; try again")]
    RevisionAhead,
    /// What the request would use of a limit could not be written in time.
    #[error("what the request would use of its limits could not be written in time; try again")]
    CountsUnwritten,
    /// What was to end is denied in memory, and not for longer than this process lasts.
    #[error(
        "the store takes no changes now: what was to end is denied here from now on, but a restart of this Keyward forgets that; it is \
         written as soon as changes are taken: keep the process running, and see `keyward status`"
    )]
    DeniedNotDurable,
    /// There is no place among what is denied in memory only.
    #[error(
        "the store takes no changes now, and as much is denied in memory only as there is place for: nothing was changed, and nothing is \
         denied by this"
    )]
    DenialsFull,
    /// An end of the key is not written yet.
    #[error(
        "the key is denied in memory only, until its end is written; nothing else of it can be changed before"
    )]
    EndWaits,
}
