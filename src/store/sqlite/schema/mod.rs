//! The tables, from the first schema on, and whether a database has exactly these.

mod identity;
mod migrate;
mod steps;
mod tables;

pub(super) use self::{
    identity::{DatabaseIdentity, Ours, identify, version},
    migrate::{Conversions, SCOPES_WATCHED, migrate},
    steps::VERSION,
    tables::{REVISED, TABLES, WITH_MARK, present},
};
