//! Tests that need a program that is not part of Keyward say loudly when they are left out.

use std::{
    io::{self, Write as _},
    path::{Path, PathBuf},
};

/// The program, from `.tools/bin` or the path; without it the test is skipped, unless `KEYWARD_REQUIRE_PEERS` says that
/// it must not be.
pub fn tool(name: &str) -> Option<PathBuf> {
    required(name, program(name))
}

/// The same for what `scripts/tools` puts elsewhere below `.tools`.
pub fn installed(name: &str) -> Option<PathBuf> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(".tools").join(name);
    required(name, Some(path).filter(|path| path.exists()))
}

/// The program, which a test may be left out for want of in any case: nothing that the project knows brings it.
pub fn rare_tool(name: &str) -> Option<PathBuf> {
    let found = program(name);
    if found.is_none() {
        say(&format!("SKIPPED: {name} is not there, and scripts/tools does not bring it"));
    }
    found
}

/// Chromium, which `scripts/browser` installs as root; without it the test is skipped, unless `KEYWARD_REQUIRE_BROWSER` says
/// that it must not be.
pub fn browser() -> Option<PathBuf> {
    let found = program("chromium");
    #[allow(clippy::disallowed_methods, reason = "a test looks for its peers")]
    let required = std::env::var_os("KEYWARD_REQUIRE_BROWSER").is_some();
    assert!(found.is_some() || !required, "chromium is required and not there: run scripts/browser");
    if found.is_none() {
        say("SKIPPED: chromium is not there; run scripts/browser, which installs it and runs its tests");
    }
    found
}

/// Past the test runner, which would hide it where a test passes.
pub fn say(message: &str) {
    io::stderr().write_all(format!("{message}\n").as_bytes()).unwrap();
}

fn program(name: &str) -> Option<PathBuf> {
    let own = Path::new(env!("CARGO_MANIFEST_DIR")).join(".tools/bin").join(name);
    #[allow(clippy::disallowed_methods, reason = "a test looks for its peers")]
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::iter::once(own).chain(std::env::split_paths(&path).map(|folder| folder.join(name)));
    found.into_iter().find(|program| program.is_file())
}

fn required(name: &str, found: Option<PathBuf>) -> Option<PathBuf> {
    #[allow(clippy::disallowed_methods, reason = "a test looks for its peers")]
    let required = std::env::var_os("KEYWARD_REQUIRE_PEERS").is_some();
    assert!(found.is_some() || !required, "{name} is required and not there: run scripts/tools");
    if found.is_none() {
        say(&format!("SKIPPED: {name} is not there; run scripts/tools, or scripts/test, which does"));
    }
    found
}
