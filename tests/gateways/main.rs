//! Every gateway of `examples/`, by the example's own files, in front of a real Keyward and a service that says what it
//! saw: what a client gets is compared with what Keyward answers, and what differs is in the tables of docs/gateways.md.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

#[path = "../support/exchange.rs"]
mod exchange;
#[path = "../support/process.rs"]
mod process;
#[path = "../support/service.rs"]
mod service;
#[path = "../support/mod.rs"]
mod support;

mod balanced;
mod balancer;
mod bytes;
mod callers;
mod claims;
mod config;
mod decisions;
mod document;
mod example;
mod gateway;
mod hosts;
mod house;
mod nginx;
mod otherwise;
mod outage;
mod passage;
mod paths;
mod readmes;
mod request_ids;
mod sentences;
mod streams;
