//! Keyward.

pub mod app;
pub mod cli;
pub mod config;
pub mod domain;
pub mod follower;
pub mod grpc;
pub mod index;
pub mod operations;
pub mod ports;
pub mod shutdown;
pub mod store;
pub mod system;
pub mod telemetry;
pub mod wire;
