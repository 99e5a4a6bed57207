//! What is kept beside the truth, without an entry in the log: last uses, usage, denials, the clock's mark.

use std::net::IpAddr;

use super::{DenialPlace, DenialSheet, ScopeUse, SheetKind, Usage};
use crate::domain::{caller_id::CallerId, id::KeyId, time::Timestamp};

/// The most users of one secret that are kept: those who used it last.
pub const MAX_USERS: usize = 8;

/// What is kept beside the truth: no change, so it has no entry in the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Note {
    /// The last use of a secret by one of its users.
    LastUse(LastUse),
    /// What keys did, to be added to what is known.
    Usage(Vec<Usage>),
    /// Which scopes keys used or were denied.
    ScopeUses(Vec<ScopeUse>),
    /// Usage of hours before this one is forgotten: the oldest rows first, at most 1,024 of them, so that no change waits
    /// for long.
    UsageBefore(u32),
    /// Sheets of denials, each in the place of the one that was there.
    Denials(Vec<DenialSheet>),
    /// Sheets of denials that are there no more.
    DenialsGone(Vec<DenialPlace>),
    /// Sheets of denials of a kind that begin before this minute are there no more: the oldest first, at most 256 of them.
    DenialsBefore(SheetKind, u32),
    /// That there was nothing to write at this time: the same work for the disk as a change, for who must not see which it
    /// was.
    Nothing(Timestamp),
    /// The latest time that was believed; an earlier one than is known changes nothing.
    ClockMark(Timestamp),
}

/// The last use of a secret by one of its users.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LastUse {
    /// The key.
    pub key: KeyId,
    /// Its secret; 0 where that is not known.
    pub generation: u32,
    /// The administration key or actor that asked; `None` for a caller without one.
    pub caller: Option<CallerId>,
    /// Where the holder was, if that is known.
    pub address: Option<IpAddr>,
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
    /// A writer other than Keyward has written it.
    Edited,
}
