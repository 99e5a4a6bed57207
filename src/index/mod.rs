//! The complete in-memory view of all keys. Reads never wait; a miss is an answer.
//!
//! Only the follower writes here. A reader takes a copy of a key's record, which no change touches any more. What keys have
//! alike is kept once, in their class, with what the policy makes of it; what only administration shows is not kept at all.

mod accounts;
mod actors;
mod apply;
mod billing;
mod class;
mod coming;
mod ends;
mod found;
mod hashes;
mod imports;
mod journal;
mod keys;
mod laid;
mod laying;
mod leads;
mod lease;
mod lists;
mod members;
mod own;
mod place;
mod residents;
mod roots;
mod schemes;
mod sharing;
mod sight;
mod slab;
mod state;
mod tally;
mod tokens;
mod used;
mod uses;

#[cfg(test)]
pub(crate) use self::state::LOOK_UPS;
pub use self::{
    found::Found,
    laid::End,
    laying::LayingRoot,
    state::{FollowingStopped, Index},
    tally::Kept,
    uses::User,
};

#[cfg(test)]
pub(crate) mod tests;
