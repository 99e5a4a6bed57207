//! What the writing thread does about a full disk: asks for room, and says how it stands.

use std::io;

use super::{Writer, room::full};
use crate::{
    ports::StoreError,
    store::sqlite::reserve::{self, OPERATORS},
};

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

/// Whether the system says that there is no room, by the disk, a quota, or a limit of files.
fn is_full(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge
    )
}
