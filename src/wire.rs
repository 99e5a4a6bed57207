//! The generated messages and services of `proto/`, and the descriptor set that reflection serves.
//!
//! Only `grpc` and `cli` know these types; everything inside speaks `domain`.
#![allow(clippy::all, clippy::pedantic, reason = "generated code")]
#![allow(clippy::as_conversions, clippy::allow_attributes_without_reason, reason = "generated code")]
#![allow(missing_docs, unreachable_pub, reason = "generated code")]

pub mod v1 {
    tonic::include_proto!("keyward.v1");
}

/// Every file of `proto/` with its imports and comments, as an encoded `FileDescriptorSet`.
pub const DESCRIPTOR_SET: &[u8] = tonic::include_file_descriptor_set!("descriptors");
