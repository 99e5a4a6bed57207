//! `keyward roots`: the roots of stores, apart from any store.

use std::{
    io::{self, IsTerminal as _, Write as _},
    path::Path,
};

use super::error::AppError;
use crate::{
    config::args::NewRootsArgs,
    domain::root::Root,
    store::{data_dir::write_secret_file, roots::Roots, sqlite::OpenError},
    system::SystemEntropy,
};

/// Makes the roots of a new store that are to be kept outside its data directory.
///
/// # Errors
/// There is no randomness; the file is there already, or cannot be written; standard output is a terminal.
pub fn make_roots(args: &NewRootsArgs) -> Result<(), AppError> {
    let roots = Roots::new(Root::generate(&SystemEntropy::default()).map_err(OpenError::from)?);
    let text = roots.text();
    if args.file != Path::new("-") {
        return Ok(write_secret_file(&args.file, text.trim_end())?);
    }
    let mut out = io::stdout();
    if out.is_terminal() {
        return Err(AppError::RootsOnTerminal);
    }
    out.write_all(text.as_bytes()).and_then(|()| out.flush()).map_err(AppError::RootsUnwritten)
}
