//! What room there is on the disk, as the writing thread knows it, and what is said of that.

use std::path::{Path, PathBuf};

use rusqlite::Connection;

use super::telling::{Telling, ToTell};
use crate::{
    ports::Taking,
    store::{
        data_dir::DataDir,
        sqlite::{
            connection::page_size,
            open::{OpenError, database},
            reserve::Reserve,
        },
    },
};

/// What the writing thread knows of the room on the disk.
pub(in crate::store::sqlite) struct DiskRoom {
    pub(super) reserve: Reserve,
    pub(super) directory: PathBuf,
    /// Whether the disk is full, and what was said of that.
    fullness: Telling,
    /// Whether none was to be had when it was asked for last.
    pub(super) has_no_more: bool,
    /// Whether SQLite has found it full where there seemed to be room, and has written nothing ordinary since.
    pub(super) was_refused: bool,
    /// The WAL's pages when it was last tried to start it from its beginning, while the disk was full.
    pub(super) tried_at: Option<i64>,
}

impl DiskRoom {
    /// What the directory has of it.
    pub(in crate::store::sqlite) fn of(connection: &Connection, dir: &DataDir) -> Result<Self, OpenError> {
        let path = dir.database();
        let page_size = page_size(connection).map_err(database(&path))?;
        let reserve = Reserve::open(&path, page_size).map_err(database(&path))?;
        let directory = dir.path().to_owned();
        let fullness = Telling::default();
        Ok(Self { reserve, directory, fullness, has_no_more: false, was_refused: false, tried_at: None })
    }

    /// Whether the system refuses what needs room.
    pub(in crate::store::sqlite) const fn has_no_more(&self) -> bool {
        self.has_no_more
    }

    /// What is taken with so much room.
    pub(in crate::store::sqlite) const fn taking(&self) -> Taking {
        if self.fullness.is_bad() { Taking::Ends } else { Taking::Everything }
    }

    /// Takes note of whether the disk is full, and says so where that is due.
    pub(super) fn heard(&mut self, is_full: bool) {
        let told = self.fullness.tell(is_full);
        let directory = self.directory.display();
        match told {
            Some(ToTell { is_bad: true, changes }) => tracing::error!(
                %directory, changes,
                "the disk is full: what takes rights away is taken as long as the room that is kept for it lasts, and no other \
                 change is: make room there, nothing else is needed"
            ),
            Some(ToTell { is_bad: false, changes }) => {
                tracing::info!(%directory, changes, "there is room on the disk again: every change is taken");
            }
            None => {}
        }
    }
}

/// What there is to say of the full disk of a data directory.
pub(in crate::store::sqlite) fn full(directory: &Path) -> String {
    format!(
        "the disk of {} is full: make room there; until then only what takes rights away is taken",
        directory.display()
    )
}
