//! The rules of the source that a machine can hold: which module may know which, what may be named where, and that no
//! files name each other in a circle, nor two types have one name.
//!
//! The checks read tokens, not types: every path a file names, and its place in `src/`, are enough to see each arrow
//! between modules and between files. They take the places and the texts of files, so that the tests beside them can feed
//! them bad examples; whoever changes a rule changes such an example with it.
#![allow(clippy::indexing_slicing, clippy::panic, clippy::unwrap_used, reason = "tests")]

mod circle_examples;
mod circles;
mod examples;
mod names;
mod paths;
mod rules;
mod tokens;

use std::{fs, path::Path};

/// All of the source.
fn source() -> Vec<(String, String)> {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let files = source_files(&src);
    assert!(files.iter().any(|(file, _)| file == "lib.rs"), "no source found in {}", src.display());
    files
}

/// Every Rust file below `folder`, with its place there and its text.
fn source_files(folder: &Path) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let file = path.strip_prefix(folder).unwrap().to_str().unwrap().to_owned();
                found.push((file, fs::read_to_string(path).unwrap()));
            }
        }
    }
    found.sort();
    found
}
