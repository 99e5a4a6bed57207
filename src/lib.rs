//! Keyward.
pub mod wire;
