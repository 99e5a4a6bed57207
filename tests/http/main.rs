//! Plain HTTP from outside: real sockets, HTTP/1.1 and HTTP/2, honest clients and hostile ones. Every answer is held
//! against the description that is served with it (`openapi/keyward.json`).
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

#[path = "../support/exchange.rs"]
mod exchange;
#[path = "../support/process.rs"]
mod process;
#[path = "../support/mod.rs"]
mod support;

mod bounds;
mod callers;
mod check;
mod check_same;
mod client;
mod described;
mod description;
mod farewell;
mod hostile;
mod imported;
mod metrics;
mod probes;
mod twins;
mod verify;
mod verify_same;
