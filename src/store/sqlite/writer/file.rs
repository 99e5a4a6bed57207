//! Whether the database is still the file that was opened.

use std::{os::unix::fs::MetadataExt, path::PathBuf};

/// Which file the database is, so that another one put in its place shows.
pub(in crate::store::sqlite) struct FileIdentity {
    path: PathBuf,
    device: u64,
    inode: u64,
}

impl FileIdentity {
    pub(in crate::store::sqlite) fn of(path: PathBuf) -> std::io::Result<Self> {
        let metadata = std::fs::metadata(&path)?;
        Ok(Self { path, device: metadata.dev(), inode: metadata.ino() })
    }

    /// Whether it stands where it was opened.
    pub(super) fn is_in_place(&self) -> bool {
        std::fs::metadata(&self.path)
            .is_ok_and(|metadata| (metadata.dev(), metadata.ino()) == (self.device, self.inode))
    }
}
