//! Changes within the open transaction: where they go on, and that they stand or fall together.

use super::Writer;
use crate::{
    domain::revision::Revision,
    ports::{Mutation, StoreError},
    store::{
        chain::LogHead,
        rows::to_stored,
        sqlite::{failure, log, refusal::WriteRefusal, rows, sums::RunningSum},
    },
};

impl Writer {
    /// The head of the log that the open transaction finds, on which everything in it stands. No other process writes here:
    /// so it is the one that this process has left there, and `None` where it is another.
    pub(super) fn head_found(&self) -> rusqlite::Result<Option<LogHead>> {
        let left = (self.head != LogHead::START)
            .then(|| (to_stored(self.head.revision), self.head.chain.0.to_vec()));
        Ok((log::position(&self.connection)? == left).then_some(self.head))
    }

    /// Writes changes that stand or fall together, or leaves no trace of any.
    pub(super) fn write_together(
        &self,
        mutations: &[Mutation],
        head: &mut LogHead,
        sum: &mut RunningSum,
    ) -> rusqlite::Result<Result<Revision, StoreError>> {
        self.connection.prepare_cached("SAVEPOINT one")?.execute([])?;
        let mut with_these = sum.clone();
        let apply = |head, mutation| {
            rows::apply(&self.connection, (&self.keys, &self.draws), &mut with_these, head, mutation)
        };
        let refused = match mutations.iter().try_fold(*head, apply) {
            Ok(new) => {
                self.connection.prepare_cached("RELEASE one")?.execute([])?;
                (*head, *sum) = (new, with_these);
                return Ok(Ok(new.revision));
            }
            Err(WriteRefusal::Driver(error)) if failure::is_constraint(&error) => {
                StoreError::Unavailable(error.to_string())
            }
            Err(WriteRefusal::Driver(error)) => return Err(error),
            Err(WriteRefusal::Store(error)) => error,
        };
        self.connection.prepare_cached("ROLLBACK TO one")?.execute([])?;
        self.connection.prepare_cached("RELEASE one")?.execute([])?;
        Ok(Err(refused))
    }

    /// Undoes the open transaction; whether none is open any more.
    pub(super) fn roll_back(&self) -> bool {
        // SQLite has done so itself after some errors.
        self.connection.is_autocommit() || self.connection.execute_batch("ROLLBACK").is_ok()
    }
}
