//! What a configuration of nginx does to a request on its way to a service, judged by the files that are shipped.
//!
//! Invariant: what cannot be read is an error, and no finding is lost: each place that passes requests on is judged, but for
//! those that say in the file itself that they are not Keyward's.

mod finding;
mod headers;
mod levels;
mod logs;
mod names;
mod question;
mod rules;
mod shipped;
mod tokens;
mod tree;

use std::path::Path;

pub(super) use self::finding::NginxFinding;

/// What was looked at, and what is wrong with it.
pub(super) struct Inspection {
    /// Every file that was read, in the order of its reading.
    pub(super) files: Vec<String>,
    /// How many places pass requests on.
    pub(super) passes: usize,
    pub(super) findings: Vec<NginxFinding>,
}

/// Judges the configuration whose main file this is.
///
/// # Errors
/// In words, where a file cannot be read or nginx would not take it.
pub(super) fn check(main: &Path) -> Result<Inspection, String> {
    let read = tree::read(main)?;
    let (passes, mut findings) = rules::judge(&read.directives);
    findings.sort();
    findings.dedup();
    Ok(Inspection { files: read.files, passes, findings })
}
