//! Keyward.

pub mod domain;
pub mod ports;
pub mod wire;
