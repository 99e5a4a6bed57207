//! The roots: outside the database, for the eyes of one user, readable by people.
//!
//! A comment line, then a line for each root that is at hand: its number, a space, 64 hexadecimal digits. Numbers follow each other
//! without gaps; those before the first belong to roots that are destroyed. In the data
//! directory the file is called `roots.new` until the store holds its first entry, so that a first start that was cut short is
//! told from a database that was lost. Where the roots are kept elsewhere, the file `roots.elsewhere` says the same.

mod bounded;
mod command;
mod error;
mod history;
mod source;

use std::{
    fmt::Write as _,
    path::{Path, PathBuf},
};

use zeroize::Zeroizing;

pub(super) use self::history::{open_history, seal_history};
use self::{bounded::room, source::read_private};
pub use self::{error::RootsError, source::RootsSource};
use super::data_dir::{make_empty, remove, rename, replace_file, replace_kept_file};
use crate::domain::root::{DerivedKeys, Root};

const KEPT: &str = "roots";
const NEW: &str = "roots.new";
/// An empty file: the store has its first entry, and its roots are kept elsewhere.
const ELSEWHERE: &str = "roots.elsewhere";
const COMMENT: &str = "# Keyward's roots. Who has this file and the database can make keys; who loses it loses every key. Keep it secret, and apart from backups of the database.\n";
const DIGITS: &[u8; 16] = b"0123456789abcdef";

/// The roots of a store that are at hand, in the order in which they were laid over each other.
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

impl Roots {
    /// The roots of a new store.
    #[must_use]
    pub const fn new(first: Root) -> Self {
        Self { first, later: Vec::new() }
    }

    /// The keys derived from the newest of them.
    #[must_use]
    pub fn derive(&self) -> DerivedKeys {
        DerivedKeys::new(self.newest(), &[])
    }

    /// All of them, the newest last.
    pub fn iter(&self) -> impl Iterator<Item = &Root> {
        std::iter::once(&self.first).chain(&self.later)
    }

    /// The newest.
    #[must_use]
    pub fn newest(&self) -> &Root {
        self.later.last().unwrap_or(&self.first)
    }

    /// The same with a further one.
    #[must_use]
    pub fn with(mut self, newest: Root) -> Self {
        self.later.push(newest);
        self
    }

    /// The same without the oldest one; `None` where there is only one.
    #[must_use]
    pub fn without_oldest(self) -> Option<Self> {
        let mut later = self.later.into_iter();
        Some(Self { first: later.next()?, later: later.collect() })
    }

    /// Looks for the roots of a data directory where they are kept.
    ///
    /// # Errors
    /// They are malformed, open to others, or cannot be read; there are some in the data directory and elsewhere.
    pub fn find(directory: &Path, source: &RootsSource) -> Result<FoundRoots, RootsError> {
        let (kept, new) = (directory.join(KEPT), directory.join(NEW));
        let is_elsewhere = directory.join(ELSEWHERE).exists();
        // Before a command is run for them.
        if *source != RootsSource::DataDir
            && let Some(here) = [&kept, &new].into_iter().find(|path| path.exists())
        {
            return Err(RootsError::InBothPlaces(here.clone()));
        }
        if let Some(text) = source.read()? {
            let roots = parse_of(source, &text)?;
            return Ok(if is_elsewhere { FoundRoots::Kept(roots) } else { FoundRoots::New(roots) });
        }
        match (read(&kept)?, read(&new)?) {
            (Some(_), Some(_)) => Err(RootsError::Ambiguous(directory.to_owned())),
            (Some(roots), None) => Ok(FoundRoots::Kept(roots)),
            (None, Some(roots)) => Ok(FoundRoots::New(roots)),
            (None, None) if is_elsewhere => Err(RootsError::Elsewhere(directory.to_owned())),
            (None, None) => Ok(FoundRoots::Missing),
        }
    }

    /// Whether a data directory says of itself that there are roots of its store, wherever they are kept.
    #[must_use]
    pub fn are_known_in(directory: &Path) -> bool {
        [KEPT, NEW, ELSEWHERE].iter().any(|name| directory.join(name).exists())
    }

    /// The file of a data directory that says that a store was there.
    pub(in crate::store) const fn told_by(source: &RootsSource) -> &'static str {
        match source {
            RootsSource::DataDir => KEPT,
            RootsSource::File(_) | RootsSource::Credential { .. } | RootsSource::Command(_) => ELSEWHERE,
        }
    }

    /// The roots as they are written down: for their owner alone.
    #[must_use]
    pub fn text(&self) -> Zeroizing<String> {
        let mut text = room();
        text.push_str(COMMENT);
        self.iter().for_each(|root| push_line(&mut text, root));
        text
    }

    /// The line of one root, to be put behind those that are kept elsewhere.
    #[must_use]
    pub fn line(root: &Root) -> Zeroizing<String> {
        let mut text = room();
        push_line(&mut text, root);
        text
    }

    /// Writes these roots in place of those that a file holds: the one that is named, or that of a data directory.
    ///
    /// # Errors
    /// They are kept where only the operator can change them, or the operating system refuses.
    pub fn replace(&self, directory: &Path, source: &RootsSource) -> Result<PathBuf, RootsError> {
        let path = match source {
            RootsSource::DataDir => directory.join(KEPT),
            RootsSource::File(path) => path.clone(),
            RootsSource::Credential { .. } | RootsSource::Command(_) => {
                return Err(RootsError::KeptByOthers(source.to_string()));
            }
        };
        replace_kept_file(&path, &[self.text().as_bytes()])?;
        Ok(path)
    }

    /// Writes the roots of a store that is about to be initialized into its data directory.
    ///
    /// # Errors
    /// The operating system refuses.
    pub fn write_new(&self, directory: &Path) -> Result<(), RootsError> {
        Ok(replace_file(&directory.join(NEW), &[self.text().as_bytes()])?)
    }

    /// Notes that the store holds its first entry: the file gets its lasting name, or it is said that there is none. Does
    /// nothing the second time.
    ///
    /// # Errors
    /// The operating system refuses.
    pub fn keep(directory: &Path, source: &RootsSource) -> Result<(), RootsError> {
        let elsewhere = directory.join(ELSEWHERE);
        if *source != RootsSource::DataDir {
            return Ok(make_empty(&elsewhere)?);
        }
        let new = directory.join(NEW);
        if new.exists() {
            rename(&new, &directory.join(KEPT))?;
        }
        // They were put back here.
        Ok(remove(&elsewhere)?)
    }
}

fn read(path: &Path) -> Result<Option<Roots>, RootsError> {
    let text = read_private(path)?;
    text.map(|text| parse_of(&path.display(), &text)).transpose()
}

fn parse_of(of: &dyn std::fmt::Display, text: &str) -> Result<Roots, RootsError> {
    parse(text).map_err(|(line, wanted)| RootsError::Malformed { of: of.to_string(), line, wanted })
}

fn push_line(text: &mut Zeroizing<String>, root: &Root) {
    // A String takes every text.
    let _written = write!(text, "{} ", root.number());
    for byte in root.bytes() {
        for half in [byte >> 4, byte & 15] {
            text.push(DIGITS.get(usize::from(half)).copied().map_or('0', char::from));
        }
    }
    text.push('\n');
}

fn parse(text: &str) -> Result<Roots, (usize, &'static str)> {
    let mut roots: Vec<Root> = Vec::new();
    let mut last = 0;
    for (line, text) in text.lines().enumerate().map(|(place, text)| (place.saturating_add(1), text)) {
        last = line;
        if text.starts_with('#') {
            continue;
        }
        let (number, digits) = text.split_once(' ').ok_or((line, "a number, a space and 64 digits"))?;
        let read = number.parse().ok().filter(|read: &u32| *read > 0 && read.to_string() == number);
        let follows =
            |read: &u32| roots.last().is_none_or(|last| last.number().checked_add(1) == Some(*read));
        let number =
            read.filter(follows).ok_or((line, "roots are numbered one after the other, without gaps"))?;
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
    use std::{fs, fs::Permissions, os::unix::fs::PermissionsExt as _};

    use super::*;

    const HERE: RootsSource = RootsSource::DataDir;

    fn line(number: &str) -> String {
        format!("{number} {}", "a1".repeat(32))
    }

    #[test]
    fn roots_read_back_as_they_were_written() {
        let directory = tempfile::tempdir().unwrap();
        assert!(matches!(Roots::find(directory.path(), &HERE), Ok(FoundRoots::Missing)));
        let roots =
            Roots::new(Root::kept(1, Zeroizing::new(std::array::from_fn(|at| at.try_into().unwrap()))));
        roots.write_new(directory.path()).unwrap();
        let Ok(FoundRoots::New(found)) = Roots::find(directory.path(), &HERE) else { panic!("no new roots") };
        assert_eq!(found.derive().check, roots.derive().check);
        Roots::keep(directory.path(), &HERE).unwrap();
        Roots::keep(directory.path(), &HERE).unwrap();
        let Ok(FoundRoots::Kept(found)) = Roots::find(directory.path(), &HERE) else {
            panic!("no kept roots")
        };
        assert_eq!(found.derive().check, roots.derive().check);
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1, "nothing is left behind");
    }

    #[test]
    fn malformed_roots_are_refused_without_showing_them() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join(KEPT);
        let two_and_four = format!("{}\n{}", line("2"), line("4"));
        let backward = format!("{}\n{}", line("2"), line("1"));
        for bad in [
            "",
            "# nothing",
            "1",
            &line("0"),
            &line("01"),
            &line("+1"),
            &line("1").to_uppercase(),
            &format!("{}0", line("1")),
            &format!("{} ", line("1")),
            &format!("{}\n\n", line("1")),
            &two_and_four,
            &backward,
            &line("1").replace("a1", "ä"),
        ] {
            fs::write(&path, bad).unwrap();
            fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
            let refused = Roots::find(directory.path(), &HERE).err().unwrap().to_string();
            assert!(!refused.contains("a1a1"), "{refused}");
        }
    }

    #[test]
    fn roots_that_others_can_read_are_refused() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join(KEPT);
        fs::write(&path, line("1")).unwrap();
        for mode in [0o640, 0o604, 0o660] {
            fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
            assert!(matches!(Roots::find(directory.path(), &HERE), Err(RootsError::Exposed { .. })));
        }
    }

    #[test]
    fn roots_are_kept_elsewhere_or_here_and_never_in_both_places() {
        let (directory, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let file = other.path().join("of-keyward");
        let source = RootsSource::File(file.clone());
        let find = |source| Roots::find(directory.path(), source);
        assert!(matches!(find(&source), Err(RootsError::NoFile(_))));
        fs::write(&file, line("1")).unwrap();
        fs::set_permissions(&file, Permissions::from_mode(0o644)).unwrap();
        assert!(matches!(find(&source), Err(RootsError::Exposed { .. })));
        fs::set_permissions(&file, Permissions::from_mode(0o400)).unwrap();
        assert!(matches!(find(&source), Ok(FoundRoots::New(_))));
        Roots::keep(directory.path(), &source).unwrap();
        assert!(matches!(find(&source), Ok(FoundRoots::Kept(_))));
        assert!(
            matches!(find(&HERE), Err(RootsError::Elsewhere(_))),
            "a store is never made over a lost one"
        );
        let here = directory.path().join(KEPT);
        fs::rename(&file, &here).unwrap();
        assert!(matches!(find(&source), Err(RootsError::InBothPlaces(_))));
        assert!(matches!(find(&HERE), Ok(FoundRoots::Kept(_))));
        Roots::keep(directory.path(), &HERE).unwrap();
        assert!(!directory.path().join(ELSEWHERE).exists());
    }

    #[test]
    fn a_credential_is_read_whatever_its_mode_and_under_its_own_name_alone() {
        let directory = tempfile::tempdir().unwrap();
        let credentials = tempfile::tempdir().unwrap();
        let of = |name: &str, directory: Option<&Path>| RootsSource::Credential {
            name: name.to_owned(),
            directory: directory.map(|directory| directory.as_os_str().to_owned()),
        };
        let find = |source| Roots::find(directory.path(), &source);
        fs::write(credentials.path().join("roots"), line("1")).unwrap();
        fs::set_permissions(credentials.path().join("roots"), Permissions::from_mode(0o440)).unwrap();
        assert!(matches!(find(of("roots", Some(credentials.path()))), Ok(FoundRoots::New(_))));
        for (name, directory, why) in [
            ("roots", None, "CREDENTIALS_DIRECTORY is not set"),
            ("other", Some(credentials.path()), "no credential of this name"),
            ("../roots", Some(credentials.path()), "without a slash"),
            ("..", Some(credentials.path()), "without a slash"),
            ("", Some(credentials.path()), "without a slash"),
        ] {
            let refused = find(of(name, directory)).err().unwrap().to_string();
            assert!(refused.contains(why), "{name}: {refused}");
        }
    }
}
