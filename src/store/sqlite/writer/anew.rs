//! A sealed store, opened anew in the process that sealed it.
//!
//! What seals a store for a time is a write that failed. Whether its group is on the disk is unknown only as long as nothing
//! is written over it: SQLite has taken it back for every connection of this process, and puts the next group in its place, in
//! bytes that are written and synchronized anew, also where an earlier try has left some. So one small group of our own,
//! behind the very record that this process knows as the last, settles it: the group that failed is in no store any more,
//! and memory is right as it is. Nothing need be read. The database itself is written by a checkpoint; one that failed has
//! taken no page out of the WAL, and is done again from there.
//!
//! It is the same connection, because that alone tells whether another process has written meanwhile.

use super::{Writer, group::Batch, outcome::BatchOutcome, state::until_of, telling::ToTell};
use crate::{
    ports::{StoreError, Taking, Until, WriterState},
    store::sqlite::failure,
};

impl Writer {
    /// Why no change is taken, while it is sealed.
    pub(in crate::store::sqlite) fn sealed(&self) -> Option<String> {
        match &*self.state.borrow() {
            WriterState::Sealed { why, until } => Some(until.because(why)),
            WriterState::Working | WriterState::Ended => None,
        }
    }

    /// Takes no change any more.
    pub(in crate::store::sqlite) fn seal(&mut self, why: &str, until: Until) {
        let until = if self.foreign.can_tell(&self.connection) { until } else { Until::Restart };
        match until {
            Until::Restart => {
                tracing::error!(error = why, "the store is sealed: no change is taken until a restart");
            }
            Until::Written => self.tell_sealed(true, why),
        }
        self.state.send_replace(WriterState::Sealed { why: why.to_owned(), until });
        self.taking.send_replace(Taking::Nothing);
    }

    /// Tries to write again, where that can help; changes are taken once it has.
    pub(in crate::store::sqlite) fn open_anew(&mut self) -> Result<(), StoreError> {
        let why = match &*self.state.borrow() {
            WriterState::Sealed { why, until: Until::Written } => why.clone(),
            WriterState::Sealed { why, until: Until::Restart } => {
                return Err(StoreError::Sealed(why.clone()));
            }
            WriterState::Working | WriterState::Ended => return Ok(()),
        };
        if let Err(error) = self.try_to_write() {
            match until_of(&error) {
                Until::Restart => self.seal(&error.to_string(), Until::Restart),
                Until::Written => self.tell_sealed(true, &why),
            }
            return Err(error);
        }
        self.state.send_replace(WriterState::Working);
        self.taking.send_replace(self.room.taking());
        self.look_for_room();
        self.tell_sealed(false, &why);
        Ok(())
    }

    /// Writes a group of its own, and copies it into the database: both files take what is written.
    fn try_to_write(&mut self) -> Result<(), StoreError> {
        if !self.roll_back() {
            return Err(StoreError::Unavailable("what failed cannot be taken back".to_owned()));
        }
        match self.write(&Batch::trial()) {
            BatchOutcome::Committed(_) => {}
            BatchOutcome::Refused(error) | BatchOutcome::Broken(error) => return Err(error),
            BatchOutcome::Full => return Err(self.full()),
            BatchOutcome::Unknown(why, _) => return Err(StoreError::Unavailable(why)),
        }
        self.copy_wal("PASSIVE").map(drop).or_else(|error| {
            // A disk that is full is no reason to take nothing.
            if failure::is_passing(&error) { Ok(()) } else { Err(failure::of_reading(&error)) }
        })
    }

    fn tell_sealed(&mut self, is_sealed: bool, why: &str) {
        match self.sealing.tell(is_sealed) {
            Some(ToTell { is_bad: true, changes }) => tracing::error!(
                error = why,
                changes,
                "the store is sealed: no change is taken until a write succeeds, which is tried again, at least once a minute"
            ),
            Some(ToTell { is_bad: false, changes }) => tracing::info!(
                changes,
                "the store is open again: every change is taken, and none is there whose outcome was answered as unknown"
            ),
            None => {}
        }
    }
}
