//! Keyward.

pub mod domain;
pub mod ports;
pub mod store;
pub mod wire;
