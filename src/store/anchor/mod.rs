//! The anchor: where the log ended, in a file outside the database, so that an older copy of the database is told from
//! the truth.
//!
//! Two slots of a page each, written in turn and in place: when a write is cut short, at any moment, the other slot
//! counts. A slot is a number that grows with each write, a revision, its chain value, and a code that cannot be made
//! without the roots. The file has its full size from the first, so that no write needs a free byte.

mod keeper;

use std::{
    fs::{self, File},
    io,
    os::unix::fs::FileExt as _,
    path::{Path, PathBuf},
};

pub(super) use keeper::Keeper;

use super::{
    chain::LogHead,
    data_dir::{DataDirError, replace_file},
};
use crate::domain::{audit::Chain, revision::Revision, root::DerivedKeys};

/// Its name where no place is set.
const FILE: &str = "keyward.anchor";

const MAGIC: &[u8; 8] = b"kwanchr1";
const SLOT: usize = 4096;
const SLOTS: u64 = 2;

/// What fills a slot up: no zeros, which some file systems keep as a hole.
const FILLER: u8 = 0xA5;

/// How often slots are read that may just be written.
const TRIES: usize = 3;

/// What an operator says of the anchor.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AnchorSettings {
    /// Where it is; without one, in the data directory.
    pub place: Option<PathBuf>,
    /// A database that is older than its anchor, or without one, is taken in if its log ends here.
    pub accepted: Option<Revision>,
}

impl AnchorSettings {
    /// The anchor's file for a data directory.
    #[must_use]
    pub fn path(&self, directory: &Path) -> PathBuf {
        let place = self.place.clone().unwrap_or_else(|| directory.join(FILE));
        std::path::absolute(&place).unwrap_or(place)
    }
}

/// What an anchor says: the end of the log when it was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Anchor {
    /// One more with each write: the greater one counts.
    pub(super) number: u64,
    pub(super) head: LogHead,
}

/// What is found at the anchor's place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum FoundAnchor {
    /// No file.
    Missing,
    /// A file that says nothing that can be believed, and why.
    Unreadable(String),
    /// The newest slot that is whole.
    Kept(Anchor),
}

/// Looks at the anchor's place, and changes nothing. A running server may be writing there.
pub(super) fn find(path: &Path, keys: &DerivedKeys) -> FoundAnchor {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return FoundAnchor::Missing,
        Err(error) => return FoundAnchor::Unreadable(error.to_string()),
    };
    for _ in 0..TRIES {
        let newest =
            (0..SLOTS).filter_map(|slot| read_slot(&file, slot, keys)).max_by_key(|kept| kept.number);
        if let Some(newest) = newest {
            return FoundAnchor::Kept(newest);
        }
    }
    let why = "it is another store's, made with other roots, or damaged: neither of its two slots is good";
    FoundAnchor::Unreadable(why.to_owned())
}

/// Makes the file, in place of any that is there, durably.
pub(super) fn make(path: &Path, anchor: Anchor, keys: &DerivedKeys) -> Result<(), DataDirError> {
    let slot = slot_bytes(anchor, keys);
    let made = replace_file(path, &[&slot, &slot]);
    if made.is_err() {
        // What a full disk left of it is of no use.
        let mut partial = path.as_os_str().to_owned();
        partial.push(".partial");
        let _nothing_there = fs::remove_file(partial);
    }
    made
}

/// Writes one slot over the older of the two.
fn write_slot(file: &File, anchor: Anchor, keys: &DerivedKeys) -> io::Result<()> {
    file.write_all_at(&slot_bytes(anchor, keys), offset(anchor.number % SLOTS))
}

fn read_slot(file: &File, slot: u64, keys: &DerivedKeys) -> Option<Anchor> {
    let mut bytes = [0; SLOT];
    file.read_exact_at(&mut bytes, offset(slot)).ok()?;
    parse(&bytes, keys)
}

fn offset(slot: u64) -> u64 {
    u64::try_from(SLOT).unwrap_or_default().saturating_mul(slot)
}

fn slot_bytes(anchor: Anchor, keys: &DerivedKeys) -> Vec<u8> {
    let (number, revision) = (anchor.number.to_be_bytes(), anchor.head.revision.0.to_be_bytes());
    let chain = anchor.head.chain.0;
    let code = keys.anchor.code(&parts(&number, &revision, &chain));
    let mut bytes = [MAGIC.as_slice(), &number, &revision, &chain, &code].concat();
    bytes.resize(SLOT, FILLER);
    bytes
}

fn parse(bytes: &[u8], keys: &DerivedKeys) -> Option<Anchor> {
    let rest = bytes.strip_prefix(MAGIC)?;
    let (number, rest) = rest.split_first_chunk::<8>()?;
    let (revision, rest) = rest.split_first_chunk::<8>()?;
    let (chain, rest) = rest.split_first_chunk::<32>()?;
    let (code, _filler) = rest.split_first_chunk::<32>()?;
    let head = LogHead { revision: Revision(u64::from_be_bytes(*revision)), chain: Chain(*chain) };
    let genuine = keys.anchor.agrees(&parts(number, revision, chain), code);
    genuine.then_some(Anchor { number: u64::from_be_bytes(*number), head })
}

fn parts<'a>(number: &'a [u8], revision: &'a [u8], chain: &'a [u8]) -> [&'a [u8]; 4] {
    [b"anchor", number, revision, chain]
}

#[cfg(test)]
mod tests {
    use super::*;
    pub(super) use crate::domain::root::tests::keys;

    pub(super) fn anchor(number: u64) -> Anchor {
        let head = LogHead { revision: Revision(number + 40), chain: Chain([7; 32]) };
        Anchor { number, head }
    }

    #[test]
    fn the_newest_whole_slot_counts_whichever_is_torn() {
        // D5
        let directory = tempfile::tempdir().unwrap();
        let (path, keys) = (directory.path().join(FILE), keys(1));
        assert_eq!(find(&path, &keys), FoundAnchor::Missing);
        make(&path, anchor(1), &keys).unwrap();
        let file = File::options().write(true).open(&path).unwrap();
        let size = fs::metadata(&path).unwrap().len();
        for number in 2..6 {
            write_slot(&file, anchor(number), &keys).unwrap();
            assert_eq!(find(&path, &keys), FoundAnchor::Kept(anchor(number)));
        }
        assert_eq!(fs::metadata(&path).unwrap().len(), size, "it grows by no byte");
        for torn in [4_u64, 5] {
            let whole = fs::read(&path).unwrap();
            for at in [0, 8, 23, 50, 87] {
                file.write_all_at(b"!", offset(torn % SLOTS) + at).unwrap();
                let left = if torn == 5 { 4 } else { 5 };
                assert_eq!(find(&path, &keys), FoundAnchor::Kept(anchor(left)), "{torn} at {at}");
                fs::write(&path, &whole).unwrap();
            }
        }
        file.set_len(offset(1) + 100).unwrap();
        assert_eq!(find(&path, &keys), FoundAnchor::Kept(anchor(4)), "cut off");
    }

    #[test]
    fn what_is_not_of_these_roots_says_nothing() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join(FILE);
        make(&path, anchor(1), &keys(1)).unwrap();
        assert!(matches!(find(&path, &keys(2)), FoundAnchor::Unreadable(_)));
        fs::write(&path, "").unwrap();
        assert!(matches!(find(&path, &keys(1)), FoundAnchor::Unreadable(_)));
        assert!(matches!(find(directory.path(), &keys(1)), FoundAnchor::Unreadable(_)));
    }
}
