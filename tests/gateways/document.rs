//! The tables of docs/gateways.md that are made here, each between two comments.

use std::{
    fs,
    path::Path,
    sync::{Mutex, PoisonError},
};

/// With this variable the tables are written, without it compared.
const WRITE: &str = "KEYWARD_WRITE_DOCS";
/// Held while the document is read and written.
static ALONE: Mutex<()> = Mutex::new(());

/// Passes if the document has this table; its first row is the heading.
#[track_caller]
pub(crate) fn assert_table(name: &str, rows: &[Vec<String>]) {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/gateways.md");
    let document = fs::read_to_string(&path).unwrap();
    let (begin, end) = (format!("<!-- {name}: begin -->\n"), format!("<!-- {name}: end -->\n"));
    let (before, rest) = document.split_once(&begin).unwrap();
    let (found, after) = rest.split_once(&end).unwrap();
    let made = table(rows);
    #[allow(clippy::disallowed_methods, reason = "whoever runs the test says what it is to do")]
    if std::env::var_os(WRITE).is_some() {
        fs::write(&path, format!("{before}{begin}{made}{end}{after}")).unwrap();
        return;
    }
    assert!(found == made, "docs/gateways.md differs; {WRITE}=1 writes what is so:\n{made}");
}

fn table(rows: &[Vec<String>]) -> String {
    let mut lines: Vec<_> = rows.iter().map(|cells| format!("| {} |\n", cells.join(" | "))).collect();
    lines.insert(1, format!("|{}\n", " --- |".repeat(rows[0].len())));
    lines.concat()
}
