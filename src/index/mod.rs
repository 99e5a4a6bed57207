//! The complete in-memory view of all keys. Reads never wait; a miss is an answer.
//!
//! Only the follower writes here. A change to a key is one swap of its record; what a reader took before stays whole.

mod accounts;
mod apply;
mod cell;
mod ends;
mod hasher;
mod imports;
mod laid;
mod lease;
mod lists;
mod members;
mod residents;
mod schemes;
mod sharing;
mod sight;
mod state;
mod tally;
mod tokens;
mod uses;

pub use self::{
    cell::Found,
    laid::End,
    state::{FollowingStopped, Index},
    tally::Kept,
    uses::User,
};
