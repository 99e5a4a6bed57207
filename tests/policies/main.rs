//! The policies of `examples/policies/`, each applied to a real server, and what its platform promises with it.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

#[path = "../support/mod.rs"]
mod support;

mod deployment_platform;
mod every_platform;
mod link_shortener;
mod messaging_platform;
mod platform;
mod site_builder;
