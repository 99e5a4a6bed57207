//! Where limits are counted.

pub mod memory;
