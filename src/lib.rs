//! Keyward.

pub mod cli;
pub mod domain;
pub mod ports;
pub mod wire;
