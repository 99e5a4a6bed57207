//! Every RPC through the wire: one file each.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

#[path = "../support/mod.rs"]
mod support;

mod bad_input;
mod batch_check;
mod check;
mod ext_authz;
mod get_key;
mod issue;
mod list_keys;
mod query_log;
mod register_workspace;
mod revoke;
mod rotate;
mod switch;
mod update_key;
mod usage;
mod verify_log;
