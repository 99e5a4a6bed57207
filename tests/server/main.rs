//! The server, from outside: real sockets, honest clients and hostile ones, and a minimal `KeyService` behind.
//!
//! Where a deadline is awaited it is a short one that the test set, and what is awaited is the event that it causes.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a helper that fails fails its test"
)]

#[path = "../support/absent.rs"]
mod absent;
#[path = "../support/http2.rs"]
mod http2;

mod bounds;
mod calls;
mod client;
mod doors;
mod exact;
mod handler;
mod hpack;
mod paths;
mod secured;
mod shutdown;
mod toil;
