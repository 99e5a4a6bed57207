//! Keeping the anchor at the end of the log, group by group.
//!
//! A change is never refused for the anchor's sake: its disk may be another one, and a revocation counts for more. What
//! cannot be written is told once, and tried again with each group.

use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    sync::Arc,
};

use super::{Anchor, make, write_slot};
use crate::{domain::root::DerivedKeys, store::chain::LogHead};

/// Writes the anchor; held by the thread that writes the store.
pub(in crate::store) struct Keeper {
    path: PathBuf,
    keys: Arc<DerivedKeys>,
    /// Held open and locked; none while there is no file to write to.
    file: Option<File>,
    /// What was written last.
    written: Anchor,
    failing: bool,
}

/// Another process keeps its anchor in this file.
#[derive(Debug)]
pub(in crate::store) struct InUse;

impl Keeper {
    /// Goes on from `written`, which stands in the file, unless it could not be made.
    pub(in crate::store) fn new(
        path: PathBuf,
        keys: Arc<DerivedKeys>,
        written: Anchor,
    ) -> Result<Self, InUse> {
        let mut keeper = Self { path, keys, file: None, written, failing: false };
        match keeper.open() {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::ResourceBusy => return Err(InUse),
            Err(error) => keeper.tell(&error),
        }
        Ok(keeper)
    }

    /// Writes that the log ends at `head`, which is durable: before the change is acknowledged, so that what was
    /// acknowledged is anchored, unless the machine loses power.
    pub(in crate::store) fn follow(&mut self, head: LogHead) {
        if self.written.head == head && !self.failing {
            return;
        }
        match self.write(head) {
            Ok(()) if self.failing => {
                self.failing = false;
                tracing::info!(path = %self.path.display(), "the anchor is written again");
            }
            Ok(()) => {}
            Err(error) => self.tell(&error),
        }
    }

    /// Makes what was written durable.
    pub(in crate::store) fn close(&mut self) {
        if let Some(Err(error)) = self.file.take().map(|file| file.sync_data()) {
            self.tell(&error);
        }
    }

    /// Writes under these keys from now on.
    pub(in crate::store) fn take_keys(&mut self, keys: Arc<DerivedKeys>) {
        self.keys = keys;
    }

    fn write(&mut self, head: LogHead) -> io::Result<()> {
        // After a failure the same slot is written again: the other one may be the only good one.
        let next = Anchor { number: self.written.number.saturating_add(1), head };
        if !self.is_in_place()? {
            make(&self.path, next, &self.keys).map_err(io::Error::other)?;
            self.open()?;
            self.written = next;
            return Ok(());
        }
        let file = self.file.as_ref().ok_or_else(|| io::Error::other("it is not open"))?;
        write_slot(file, next, &self.keys)?;
        self.written = next;
        Ok(())
    }

    /// Whether the file that is open stands at its place; false if none does. Another one there is left alone.
    fn is_in_place(&mut self) -> io::Result<bool> {
        let there = match fs::metadata(&self.path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
            there => there?,
        };
        if self.file.is_none() {
            self.open()?;
        }
        let own = self.file.as_ref().map(File::metadata).transpose()?;
        if own.is_some_and(|own| (own.dev(), own.ino()) == (there.dev(), there.ino())) {
            Ok(true)
        } else {
            Err(io::Error::other("another file was put in its place"))
        }
    }

    fn open(&mut self) -> io::Result<()> {
        self.file = None;
        let file = OpenOptions::new().write(true).open(&self.path)?;
        lock(&file)?;
        self.file = Some(file);
        Ok(())
    }

    fn tell(&mut self, error: &io::Error) {
        if !self.failing {
            self.failing = true;
            tracing::error!(
                path = %self.path.display(),
                %error,
                "the anchor cannot be written: changes go on, and it is tried again with each; until then an older copy of \
                 the database is noticed only if its log ends before revision {}",
                self.written.head.revision
            );
        }
    }

    /// Where it is.
    pub(in crate::store) fn path(&self) -> &Path {
        &self.path
    }
}

/// One process writes it. A file system without locks has only the data directory's to go by.
fn lock(file: &File) -> io::Result<()> {
    match file.try_lock() {
        Ok(()) => Ok(()),
        Err(TryLockError::WouldBlock) => {
            Err(io::Error::new(io::ErrorKind::ResourceBusy, "another keyward process has it"))
        }
        Err(TryLockError::Error(error)) if error.kind() == io::ErrorKind::Unsupported => Ok(()),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::{
        super::{
            FoundAnchor, find,
            tests::{anchor, keys},
        },
        *,
    };

    #[test]
    fn one_that_is_gone_is_made_again_and_another_file_is_left_alone() {
        // D5
        let directory = tempfile::tempdir().unwrap();
        let (path, keys) = (directory.path().join("anchor"), Arc::new(keys(1)));
        make(&path, anchor(1), &keys).unwrap();
        let mut keeper = Keeper::new(path.clone(), Arc::clone(&keys), anchor(1)).unwrap();
        assert!(Keeper::new(path.clone(), Arc::clone(&keys), anchor(1)).is_err(), "one process");
        keeper.follow(anchor(2).head);
        assert_eq!(find(&path, &keys), FoundAnchor::Kept(anchor(2)));
        fs::remove_file(&path).unwrap();
        keeper.follow(anchor(3).head);
        assert_eq!(find(&path, &keys), FoundAnchor::Kept(anchor(3)));
        fs::remove_file(&path).unwrap();
        fs::write(&path, "mine").unwrap();
        keeper.follow(anchor(4).head);
        assert_eq!(fs::read_to_string(&path).unwrap(), "mine");
        assert!(keeper.failing);
        fs::remove_file(&path).unwrap();
        keeper.follow(anchor(5).head);
        let FoundAnchor::Kept(kept) = find(&path, &keys) else { panic!("it is not there again") };
        assert_eq!((kept.head, keeper.failing), (anchor(5).head, false));
    }

    #[test]
    fn a_folder_that_is_gone_ends_nothing() {
        let directory = tempfile::tempdir().unwrap();
        let folder = directory.path().join("disk");
        fs::create_dir(&folder).unwrap();
        let (path, keys) = (folder.join("anchor"), Arc::new(keys(1)));
        make(&path, anchor(1), &keys).unwrap();
        let mut keeper = Keeper::new(path.clone(), Arc::clone(&keys), anchor(1)).unwrap();
        fs::remove_dir_all(&folder).unwrap();
        keeper.follow(anchor(2).head);
        assert!(keeper.failing);
        fs::create_dir(&folder).unwrap();
        keeper.follow(anchor(3).head);
        let FoundAnchor::Kept(kept) = find(&path, &keys) else { panic!("it is not there again") };
        assert_eq!((kept.head, keeper.failing), (anchor(3).head, false));
    }
}
