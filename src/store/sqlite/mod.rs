//! The embedded back end: one SQLite database, one thread that writes, a few connections that read.

mod blocks;
mod columns;
mod connection;
mod counted;
mod damage;
mod denials;
mod distrusted;
mod entrance;
mod failure;
#[cfg(test)]
mod fairness;
#[cfg(test)]
mod faults;
mod follower;
mod groups;
mod hashes;
mod keys_by_id;
mod log;
mod meta;
mod notes;
mod open;
mod parts;
mod people;
mod permit_rows;
mod permits;
mod policies;
mod port;
mod read;
mod readers;
mod reading;
mod refusal;
mod removed;
mod reserve;
mod rewriting;
mod root_note;
mod rooting;
mod rows;
mod schema;
mod schemes;
mod scope_uses;
mod snapshot;
mod start;
mod store;
mod sums;
mod usage;
mod uses;
mod writer;

pub use self::{
    open::{
        AnchorReport, Doubt, Examination, OpenError, RootState, RootStatus, RootsReport, examine_offline,
        roots_offline, verify_offline,
    },
    reserve::KeptRoom,
    rooting::RootsAtHand,
    store::SqliteStore,
    writer::{AddedRoot, WRITTEN_BY_OTHERS},
};
