//! `keyward audit verify --data-dir`.

use std::path::Path;

use super::{begin::store_of, error::AppError};
use crate::{config::args::RootsArgs, ports::Verification, store::sqlite};

/// Reads the whole log of a data directory, whether a server runs in it or not.
///
/// # Errors
/// There is no store, or it cannot be read. A log that does not hold is an answer, not an error.
pub fn verify_offline(
    data_dir: &Path,
    anchor: Option<&Path>,
    roots: &RootsArgs,
) -> Result<Verification, AppError> {
    Ok(sqlite::verify_offline(data_dir, &store_of(anchor, roots, None))?)
}
