//! `keyward audit verify --data-dir`.

use std::path::Path;

use super::{begin::roots_of, error::AppError};
use crate::{
    config::args::RootsArgs,
    ports::Verification,
    store::{anchor::AnchorSettings, settings::StoreSettings, sqlite},
};

/// Reads the whole log of a data directory, whether a server runs in it or not.
///
/// # Errors
/// There is no store, or it cannot be read. A log that does not hold is an answer, not an error.
pub fn verify_offline(
    data_dir: &Path,
    anchor: Option<&Path>,
    roots: &RootsArgs,
) -> Result<Verification, AppError> {
    let anchor = AnchorSettings { place: anchor.map(Path::to_owned), accepted: None };
    Ok(sqlite::verify_offline(
        data_dir,
        &StoreSettings { anchor, roots: roots_of(roots), ..StoreSettings::default() },
    )?)
}
