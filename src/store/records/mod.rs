//! How what Keyward keeps is written down: one file for each kind of record.

mod caller;
pub(super) mod group;
pub(super) mod key;
pub(super) mod known;
pub(super) mod member;
pub(super) mod policy;
pub(super) mod scheme;
pub(super) mod workspace;

mod admin;
mod body;
mod grant;
pub(super) mod packed;
