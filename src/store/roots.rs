//! The file of the roots: outside the database, for its owner alone, readable by people.
//!
//! A comment line, then a line for each root: its number from 1 without gaps, a space, 64 hexadecimal digits. Until
//! the store holds its first entry the file is called `roots.new`, so that a first start that was cut short is told
//! from a database that was lost.

use std::{
    fs,
    io::{self, Read},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use zeroize::Zeroizing;

use super::data_dir::{DataDirError, failed, ownership::is_shared_secret, rename, replace_file};
use crate::domain::root::{DerivedKeys, Root};

const KEPT: &str = "roots";
const NEW: &str = "roots.new";
const COMMENT: &str = "# Keyward's roots. Who has this file and the database can make keys; who loses it loses every key. Keep it secret, and apart from backups of the database.\n";
const DIGITS: &[u8; 16] = b"0123456789abcdef";

/// The roots of a store, the first and those laid over it.
pub struct Roots {
    first: Root,
    later: Vec<Root>,
}

/// What a data directory holds in the way of roots.
pub enum FoundRoots {
    /// Roots of a store that was initialized.
    Kept(Roots),
    /// Roots of a first start that was not finished.
    New(Roots),
    /// None.
    Missing,
}

/// Why roots cannot be read or kept. Never shows what the file holds.
#[derive(Debug, thiserror::Error)]
pub enum RootsError {
    /// Others than its owner may read or write it.
    #[error("{} may be used by others than its owner (mode {mode:03o}); make it `chmod 600`", .path.display())]
    Exposed {
        /// The file.
        path: PathBuf,
        /// Its permissions.
        mode: u32,
    },
    /// A line is not what it must be.
    #[error("line {line} of {} is malformed: {wanted}", .path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// What belongs there.
        wanted: &'static str,
    },
    /// Both files are there, which no start leaves behind.
    #[error("{} holds both `roots` and `roots.new`; move the one away that is not this store's", .0.display())]
    Ambiguous(PathBuf),
    /// The operating system refuses something.
    #[error(transparent)]
    File(#[from] DataDirError),
}

impl Roots {
    /// The roots of a new store.
    #[must_use]
    pub const fn new(first: Root) -> Self {
        Self { first, later: Vec::new() }
    }

    /// The keys derived from them.
    #[must_use]
    pub fn derive(&self) -> DerivedKeys {
        DerivedKeys::new(&self.first, &self.later)
    }

    /// Looks for roots in a data directory.
    ///
    /// # Errors
    /// The file is malformed, open to others, or cannot be read.
    pub fn find(directory: &Path) -> Result<FoundRoots, RootsError> {
        match (read(&directory.join(KEPT))?, read(&directory.join(NEW))?) {
            (Some(_), Some(_)) => Err(RootsError::Ambiguous(directory.to_owned())),
            (Some(roots), None) => Ok(FoundRoots::Kept(roots)),
            (None, Some(roots)) => Ok(FoundRoots::New(roots)),
            (None, None) => Ok(FoundRoots::Missing),
        }
    }

    /// Writes the roots of a store that is about to be initialized.
    ///
    /// # Errors
    /// The operating system refuses.
    pub fn write_new(&self, directory: &Path) -> Result<(), RootsError> {
        let mut text = Zeroizing::new(String::with_capacity(4096));
        text.push_str(COMMENT);
        for root in std::iter::once(&self.first).chain(&self.later) {
            text.push_str(&root.number().to_string());
            text.push(' ');
            for byte in root.bytes() {
                for half in [byte >> 4, byte & 15] {
                    text.push(DIGITS.get(usize::from(half)).copied().map_or('0', char::from));
                }
            }
            text.push('\n');
        }
        Ok(replace_file(&directory.join(NEW), &[text.as_bytes()])?)
    }

    /// Gives the file its lasting name, now that the store holds its first entry. Does nothing if it has it.
    ///
    /// # Errors
    /// The operating system refuses.
    pub fn keep(directory: &Path) -> Result<(), RootsError> {
        let new = directory.join(NEW);
        if new.exists() { Ok(rename(&new, &directory.join(KEPT))?) } else { Ok(()) }
    }
}

fn read(path: &Path) -> Result<Option<Roots>, RootsError> {
    let mut file = match fs::File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed("open", path)(error).into()),
    };
    let found = file.metadata().map_err(failed("examine", path))?;
    let mode = found.permissions().mode() & 0o777;
    if mode & 0o077 != 0 && !is_shared_secret(path, &found) {
        return Err(RootsError::Exposed { path: path.to_owned(), mode });
    }
    // Room for all, so that no copy is left behind when it grows.
    let mut text = Zeroizing::new(String::with_capacity(65_536));
    file.by_ref().take(65_536).read_to_string(&mut text).map_err(failed("read", path))?;
    parse(&text).map(Some).map_err(|(line, wanted)| RootsError::Malformed {
        path: path.to_owned(),
        line,
        wanted,
    })
}

fn parse(text: &str) -> Result<Roots, (usize, &'static str)> {
    let mut roots = Vec::new();
    let mut last = 0;
    for (line, text) in text.lines().enumerate().map(|(place, text)| (place.saturating_add(1), text)) {
        last = line;
        if text.starts_with('#') {
            continue;
        }
        let (number, digits) = text.split_once(' ').ok_or((line, "a number, a space and 64 digits"))?;
        let expected = u32::try_from(roots.len()).ok().and_then(|count| count.checked_add(1));
        let expected = expected.filter(|expected| expected.to_string() == number);
        let number = expected.ok_or((line, "roots are numbered from 1 without gaps"))?;
        let bytes = parse_digits(digits).ok_or((line, "a root is 64 digits of 0-9 a-f"))?;
        roots.push(Root::kept(number, bytes));
    }
    let mut roots = roots.into_iter();
    let first = roots.next().ok_or((last, "at least one root"))?;
    Ok(Roots { first, later: roots.collect() })
}

fn parse_digits(text: &str) -> Option<Zeroizing<[u8; 32]>> {
    let mut bytes = Zeroizing::new([0; 32]);
    let value =
        |digit: u8| DIGITS.iter().position(|known| *known == digit).and_then(|at| u8::try_from(at).ok());
    if text.len() != 64 {
        return None;
    }
    for (byte, pair) in bytes.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
        let [high, low] = <[u8; 2]>::try_from(pair).ok()?;
        *byte = value(high)? << 4 | value(low)?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(number: &str) -> String {
        format!("{number} {}", "a1".repeat(32))
    }

    #[test]
    fn roots_read_back_as_they_were_written() {
        let directory = tempfile::tempdir().unwrap();
        assert!(matches!(Roots::find(directory.path()), Ok(FoundRoots::Missing)));
        let roots =
            Roots::new(Root::kept(1, Zeroizing::new(std::array::from_fn(|at| at.try_into().unwrap()))));
        roots.write_new(directory.path()).unwrap();
        let Ok(FoundRoots::New(found)) = Roots::find(directory.path()) else { panic!("no new roots") };
        assert_eq!(found.derive().check, roots.derive().check);
        Roots::keep(directory.path()).unwrap();
        Roots::keep(directory.path()).unwrap();
        let Ok(FoundRoots::Kept(found)) = Roots::find(directory.path()) else { panic!("no kept roots") };
        assert_eq!(found.derive().check, roots.derive().check);
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1, "nothing is left behind");
    }

    #[test]
    fn malformed_roots_are_refused_without_showing_them() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join(KEPT);
        let two_and_four = format!("{}\n{}", line("1"), line("3"));
        for bad in [
            "",
            "# nothing",
            "1",
            &line("2"),
            &line("0"),
            &line("01"),
            &line("+1"),
            &line("1").to_uppercase(),
            &format!("{}0", line("1")),
            &format!("{} ", line("1")),
            &format!("{}\n\n", line("1")),
            &two_and_four,
            &line("1").replace("a1", "ä"),
        ] {
            fs::write(&path, bad).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
            let refused = Roots::find(directory.path()).err().unwrap().to_string();
            assert!(!refused.contains("a1a1"), "{refused}");
        }
    }

    #[test]
    fn roots_that_others_can_read_are_refused() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join(KEPT);
        fs::write(&path, line("1")).unwrap();
        for mode in [0o640, 0o604, 0o660] {
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            assert!(matches!(Roots::find(directory.path()), Err(RootsError::Exposed { .. })));
        }
    }
}
