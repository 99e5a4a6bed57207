//! What room there is on the disk, as the writing thread finds it, and what is said of that.

use std::{
    io,
    path::{Path, PathBuf},
};

use rusqlite::Connection;

use super::{
    Writer,
    telling::{Telling, Told},
};
use crate::{
    ports::{StoreError, Taking},
    store::{
        data_dir::DataDir,
        sqlite::{
            OpenError,
            open::{database, page_size},
            reserve::{self, OPERATORS, Reserve},
        },
    },
};

/// What the writing thread knows of the room on the disk.
pub(in crate::store::sqlite) struct Room {
    reserve: Reserve,
    directory: PathBuf,
    /// Whether the disk is full, and what was said of that.
    fullness: Telling,
    /// Whether none was to be had when it was asked for last.
    has_no_more: bool,
    /// Whether SQLite has found it full where there seemed to be room, and has written nothing ordinary since.
    was_refused: bool,
    /// The WAL's pages when it was last tried to start it from its beginning, while the disk was full.
    tried_at: Option<i64>,
}

impl Room {
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
    fn heard(&mut self, is_full: bool) {
        let told = self.fullness.tell(is_full);
        let directory = self.directory.display();
        match told {
            Some(Told { is_bad: true, changes }) => tracing::error!(
                %directory, changes,
                "the disk is full: what takes rights away is taken as long as the room that is kept for it lasts, and no other \
                 change is: make room there, nothing else is needed"
            ),
            Some(Told { is_bad: false, changes }) => {
                tracing::info!(%directory, changes, "there is room on the disk again: every change is taken");
            }
            None => {}
        }
    }
}

impl Writer {
    /// Looks before anything is written, so that it is known from the first whether there is room.
    pub(in crate::store::sqlite) fn look_for_room(&mut self) {
        self.count_wal();
        self.has_room();
    }

    /// Whether there is room for a group whose size is not known, and behind it all that is kept. Notes where that has changed.
    pub(in crate::store::sqlite) fn has_room(&mut self) -> bool {
        let mut asked = self.room.reserve.has_room(self.wal_pages);
        self.room.has_no_more = asked.as_ref().err().is_some_and(is_full);
        if asked.is_err() && self.room.tried_at != Some(self.wal_pages) {
            // With what was written since, it may begin anew, where the room of its first pages is.
            self.room.tried_at = Some(self.wal_pages);
            if self.begin_wal_anew() {
                asked = self.room.reserve.has_room(self.wal_pages);
            }
        }
        self.room.has_no_more = asked.as_ref().err().is_some_and(is_full);
        let has_room = match asked {
            Ok(()) => true,
            Err(error) if is_full(&error) => false,
            Err(error) => {
                // Without the room nothing is promised, but nothing is wrong either.
                tracing::debug!(%error, "no room can be kept for revocations");
                true
            }
        };
        self.heard(!has_room || self.room.was_refused);
        has_room
    }

    /// Notes that something ordinary was written.
    pub(in crate::store::sqlite) fn is_proven(&mut self) {
        self.room.was_refused = false;
        self.heard(false);
    }

    /// Notes that the disk is full, though it had room when it was asked.
    pub(in crate::store::sqlite) fn fill_up(&mut self) {
        self.room.was_refused = true;
        self.heard(true);
    }

    fn heard(&mut self, is_full: bool) {
        let before = self.room.taking();
        self.room.heard(is_full);
        let taking = self.room.taking();
        if taking != before {
            self.taking.send_replace(taking);
        }
    }

    /// Whether what is kept has a place for changes that end so many keys; not for what tenants end, if operators would have too
    /// little then.
    pub(in crate::store::sqlite) fn has_place_for(
        &mut self,
        changes: usize,
        keys: usize,
        is_operators: bool,
    ) -> bool {
        let needed = reserve::frames_of(changes, keys);
        let needed = if is_operators { needed } else { needed.saturating_add(OPERATORS) };
        if self.room.reserve.left(self.wal_pages) >= needed {
            return true;
        }
        if self.room.tried_at != Some(self.wal_pages) {
            self.room.tried_at = Some(self.wal_pages);
            self.begin_wal_anew();
        }
        self.room.reserve.left(self.wal_pages) >= needed
    }

    pub(in crate::store::sqlite) fn full(&self) -> StoreError {
        StoreError::Unavailable(full(&self.room.directory))
    }

    /// Leaves the room of a WAL where it is, for the next start, and takes away what it holds.
    pub(in crate::store::sqlite) fn blank_wal(&self) -> io::Result<()> {
        self.room.reserve.blank()
    }
}

/// What there is to say of the full disk of a data directory.
pub(in crate::store::sqlite) fn full(directory: &Path) -> String {
    format!(
        "the disk of {} is full: make room there; until then only what takes rights away is taken",
        directory.display()
    )
}

/// Whether there is no room, whoever says so: the disk, a quota, or a limit of files.
fn is_full(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge
    )
}
