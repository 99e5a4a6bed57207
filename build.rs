//! Compiles `proto/` into message types, services and the descriptor set that reflection serves.
//!
//! protox parses the files in pure Rust, so that a fresh machine needs no `protoc`.

use std::{env, error::Error, fs, path::PathBuf};

use prost::Message as _;

const FILES: [&str; 11] = [
    "envoy/service/auth/v3/external_auth.proto",
    "keyward/v1/audit_service.proto",
    "keyward/v1/error_reason.proto",
    "keyward/v1/key.proto",
    "keyward/v1/key_import.proto",
    "keyward/v1/key_review.proto",
    "keyward/v1/key_service.proto",
    "keyward/v1/policy.proto",
    "keyward/v1/policy_service.proto",
    "keyward/v1/rights.proto",
    "keyward/v1/workspace_service.proto",
];

/// Messages that carry an `api_key`, another system's secret or a hash of one, or a whole request with its headers: they get no derived `Debug`, so that none can
/// be logged by accident.
const SECRET_BEARING: [&str; 13] = [
    ".envoy",
    ".keyward.v1.AddImportSchemeRequest",
    ".keyward.v1.BatchCheckRequest",
    ".keyward.v1.CheckRequest",
    ".keyward.v1.CheckRequest.subject",
    ".keyward.v1.HmacSha256Hash",
    ".keyward.v1.ImportKeysRequest",
    ".keyward.v1.ImportRow",
    ".keyward.v1.ImportRow.hash",
    ".keyward.v1.IssueResponse",
    ".keyward.v1.RegisterWorkspaceResponse",
    ".keyward.v1.RevokeRequest",
    ".keyward.v1.RotateResponse",
];

#[expect(clippy::disallowed_methods, reason = "cargo tells a build script where to write in its environment")]
fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-changed=proto");
    let mut compiler = protox::Compiler::new(["proto", "proto/third_party"])?;
    compiler.include_source_info(true).include_imports(true);
    compiler.open_files(FILES)?;

    let set = compiler.encode_file_descriptor_set();
    let out = PathBuf::from(env::var("OUT_DIR")?).join("descriptors.bin");
    fs::write(out, &set)?;

    tonic_prost_build::configure()
        .btree_map(".")
        .skip_debug(SECRET_BEARING)
        .compile_fds(tonic_prost_build::FileDescriptorSet::decode(set.as_slice())?)?;
    Ok(())
}
