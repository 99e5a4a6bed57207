//! Floods against a real server in a memory group of 256 MiB, each with honest calls beside it that are all answered rightly.
//!
//! What an attacker sends is written frame by frame, and nothing of what is answered is read unless a test says so. Where no
//! group can be made, the peak of the process is looked at, and the test says so loudly. The long form, all floods together
//! and again and again, is run by `scripts/torture`.
#![expect(clippy::unwrap_used, reason = "a helper that fails fails its test")]

#[path = "../support/http2.rs"]
mod http2;
#[path = "../support/memory_group.rs"]
mod memory_group;
#[path = "../support/process.rs"]
mod process;

mod floods;
mod frames;
mod house;
mod together;
