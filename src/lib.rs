//! Keyward.

pub mod cli;
pub mod domain;
pub mod follower;
pub mod grpc;
pub mod index;
pub mod operations;
pub mod ports;
pub mod wire;
