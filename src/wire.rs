//! The generated messages and services of `proto/`, and the descriptor set that reflection serves.
//!
//! Only `grpc` and `cli` know these types; everything inside speaks `domain`.

mod wipe;

/// Package `keyward.v1`. What each element means stands in `proto/keyward/v1/`.
#[allow(
    clippy::all,
    clippy::pedantic,
    clippy::allow_attributes_without_reason,
    clippy::as_conversions,
    missing_docs,
    unreachable_pub,
    reason = "generated code"
)]
pub mod v1 {
    tonic::include_proto!("keyward.v1");
}

/// Every file of `proto/` with its imports and comments, as an encoded `FileDescriptorSet`.
pub const DESCRIPTOR_SET: &[u8] = tonic::include_file_descriptor_set!("descriptors");
