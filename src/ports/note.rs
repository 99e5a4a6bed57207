//! What is kept beside the truth, without an entry in the log: last uses, counts, usage, the clock's mark.

use super::Usage;
use crate::domain::{id::KeyId, time::Timestamp};

/// What is kept beside the truth: no change, so it has no entry in the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Note {
    /// The last use of a key.
    LastUse(LastUse),
    /// What is counted of a limit.
    Count(StoredCount),
    /// Whether every count was written when the counting ended: what is not written was not charged.
    CountsComplete(bool),
    /// What keys did, to be added to what is known.
    Usage(Vec<Usage>),
    /// Usage of hours before this one is forgotten: the oldest rows first, at most 1,024 of them, so that no change waits
    /// for long.
    UsageBefore(u32),
    /// The latest time that was believed; an earlier one than is known changes nothing.
    ClockMark(Timestamp),
}

/// What is counted of one limit for one subject, as whoever counts writes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredCount {
    /// Whose count it is.
    pub subject: String,
    /// Of which limit.
    pub limit: String,
    /// What is counted; `None` where that is nothing any more.
    pub state: Option<Vec<u8>>,
}

/// The last use of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LastUse {
    /// The key.
    pub key: KeyId,
    /// When it was last allowed something, exact to the minute.
    pub time: Timestamp,
}

/// The latest time that was believed, as it is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StoredMark {
    /// None was written yet.
    Missing,
    /// This one.
    At(Timestamp),
    /// Somebody else has written it.
    Edited,
}
