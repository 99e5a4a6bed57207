//! The generated messages and services of `proto/`, and the descriptor set that reflection serves.
//!
//! Only `grpc`, `guard` and `cli` know these types; everything inside speaks `domain`.

mod generated;
pub(crate) mod json;
mod wipe;

pub use self::generated::{envoy, google, v1, xds};

/// Every file of `proto/` with its imports and comments, as an encoded `FileDescriptorSet`.
pub const DESCRIPTOR_SET: &[u8] = tonic::include_file_descriptor_set!("descriptors");
