//! The data directory: one process at a time, files that only their owner reads, renames that a crash cannot halve.

pub(super) mod ownership;

mod error;

use std::{
    fs::{self, DirBuilder, File, OpenOptions, TryLockError},
    io::{self, Write},
    os::unix::fs::{DirBuilderExt, MetadataExt as _, OpenOptionsExt, chown},
    path::{Path, PathBuf},
    sync::Arc,
};

pub use self::error::DataDirError;
pub(super) use self::error::failed;

const LOCK: &str = "keyward.lock";
const DATABASE: &str = "keyward.db";

/// A data directory that this process holds alone, until this value and every store opened in it are gone.
#[derive(Debug)]
pub struct DataDir {
    path: PathBuf,
    lock: Arc<File>,
}

impl DataDir {
    /// Opens the directory and locks it; makes it, for its owner alone, if it is not there.
    ///
    /// # Errors
    /// Another process holds it, others can write it or what is in it, or the operating system refuses.
    pub fn open(path: &Path) -> Result<Self, DataDirError> {
        if !path.is_dir() {
            let new: Vec<_> = path.ancestors().take_while(|path| !path.exists()).collect();
            let made = DirBuilder::new().recursive(true).mode(0o700).create(path);
            made.map_err(failed("make the directory", path))?;
            new.into_iter().filter(|path| !path.as_os_str().is_empty()).try_for_each(sync_parent)?;
        }
        ownership::require(path)?;
        let lock_path = path.join(LOCK);
        let lock = OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).open(&lock_path);
        let lock = lock.map_err(failed("open", &lock_path))?;
        match lock.try_lock() {
            Ok(()) => Ok(Self { path: path.to_owned(), lock: Arc::new(lock) }),
            Err(TryLockError::WouldBlock) => Err(DataDirError::Locked(path.to_owned())),
            Err(TryLockError::Error(source)) => {
                Err(DataDirError::Io { doing: "lock", path: lock_path, source })
            }
        }
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The database's file.
    #[must_use]
    pub fn database(&self) -> PathBuf {
        database_in(&self.path)
    }

    /// A share of the lock, for a thread that may still write when this value is gone.
    pub(super) fn lock(&self) -> Arc<File> {
        Arc::clone(&self.lock)
    }
}

/// Whether there is a database in a directory; looks, and makes nothing.
#[must_use]
pub fn holds_database(path: &Path) -> bool {
    database_in(path).exists()
}

/// The database's file in a data directory.
#[must_use]
pub fn database_in(path: &Path) -> PathBuf {
    path.join(DATABASE)
}

/// Writes a secret and a line end to a new file that only its owner can read. The file is there whole, or not at all.
///
/// # Errors
/// There is a file of this name already, which stays as it is, or the operating system refuses.
pub fn write_secret_file(path: &Path, secret: &str) -> Result<(), DataDirError> {
    let partial = write_partial(path, &[secret.as_bytes(), b"\n"])?;
    // Unlike a rename, a link never replaces.
    let linked = fs::hard_link(&partial, path).map_err(failed("make the new file", path));
    fs::remove_file(&partial).map_err(failed("remove", &partial))?;
    linked?;
    sync_parent(path)
}

/// Writes a file that only its owner can read, in place of any file of this name, durably.
pub(super) fn replace_file(path: &Path, parts: &[&[u8]]) -> Result<(), DataDirError> {
    let partial = write_partial(path, parts)?;
    rename(&partial, path)
}

/// The same where there is such a file: the new one belongs to whom the old one did, whoever writes it.
pub(super) fn replace_kept_file(path: &Path, parts: &[&[u8]]) -> Result<(), DataDirError> {
    let kept = fs::metadata(path).map_err(failed("examine", path))?;
    let partial = write_partial(path, parts)?;
    let made = fs::metadata(&partial).map_err(failed("examine", &partial))?;
    if (kept.uid(), kept.gid()) != (made.uid(), made.gid()) {
        chown(&partial, Some(kept.uid()), Some(kept.gid())).map_err(failed("give away", &partial))?;
    }
    rename(&partial, path)
}

/// Renames a file within its directory, durably.
pub(super) fn rename(from: &Path, to: &Path) -> Result<(), DataDirError> {
    fs::rename(from, to).map_err(failed("rename", from))?;
    sync_parent(to)
}

/// Makes an empty file that only its owner can read, if there is none.
pub(super) fn make_empty(path: &Path) -> Result<(), DataDirError> {
    match OpenOptions::new().write(true).create_new(true).mode(0o600).open(path) {
        Ok(_) => sync_parent(path),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(failed("make", path)(error)),
    }
}

/// Removes a file, durably, if it is there.
pub(super) fn remove(path: &Path) -> Result<(), DataDirError> {
    match fs::remove_file(path) {
        Ok(()) => sync_parent(path),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(failed("remove", path)(error)),
    }
}

fn write_partial(path: &Path, parts: &[&[u8]]) -> Result<PathBuf, DataDirError> {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".partial");
    let partial = path.with_file_name(name);
    // What a crash left behind. `create_new` follows no link that another user put in its place.
    match fs::remove_file(&partial) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            return Err(failed("remove", &partial)(error));
        }
        Ok(()) | Err(_) => {}
    }
    let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&partial);
    let mut file = file.map_err(failed("make", &partial))?;
    parts.iter().try_for_each(|part| file.write_all(part)).map_err(failed("write", &partial))?;
    file.sync_all().map_err(failed("sync", &partial))?;
    Ok(partial)
}

fn sync_parent(path: &Path) -> Result<(), DataDirError> {
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(parent).and_then(|directory| directory.sync_all()).map_err(failed("sync", parent))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn one_process_holds_a_data_directory() {
        let parent = tempfile::tempdir().unwrap();
        let path = parent.path().join("data");
        let held = DataDir::open(&path).unwrap();
        assert_eq!(mode(&path), 0o700);
        let refused = DataDir::open(&path).unwrap_err();
        assert!(matches!(refused, DataDirError::Locked(_)));
        assert!(refused.to_string().contains(path.to_str().unwrap()), "{refused}");
        drop(held);
        DataDir::open(&path).unwrap();
    }

    #[test]
    fn what_others_can_write_is_refused() {
        // D5: another user could have planted roots of their own
        let parent = tempfile::tempdir().unwrap();
        let path = parent.path().join("new").join("data");
        drop(DataDir::open(&path).unwrap());
        for (name, harmless) in [("", 0o755), ("roots", 0o600), (DATABASE, 0o644)] {
            let place = if name.is_empty() { path.clone() } else { path.join(name) };
            if !name.is_empty() {
                fs::write(&place, "").unwrap();
            }
            fs::set_permissions(&place, fs::Permissions::from_mode(harmless | 0o002)).unwrap();
            let refused = DataDir::open(&path).unwrap_err();
            assert!(matches!(&refused, DataDirError::Writable { path, .. } if *path == place), "{refused}");
            assert!(refused.to_string().contains(&format!("chmod go-w {}", place.display())), "{refused}");
            fs::set_permissions(&place, fs::Permissions::from_mode(harmless)).unwrap();
            DataDir::open(&path).unwrap();
        }
    }

    #[test]
    fn a_secret_file_is_for_its_owner_and_never_replaces() {
        // K2
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("root-key");
        write_secret_file(&path, "first").unwrap();
        assert_eq!(mode(&path), 0o600);
        let refused = write_secret_file(&path, "second").unwrap_err().to_string();
        assert!(!refused.contains("second"), "{refused}");
        assert_eq!(fs::read_to_string(&path).unwrap(), "first\n");
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1, "nothing is left behind");
    }
}
