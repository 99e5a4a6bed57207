//! What the thread does for itself, a step at a time: blocks are brought together, and rows under older roots written anew. While
//! something is asked for it makes few such steps, and while nothing is, one after the other.

use tokio::sync::mpsc::error::TryRecvError;

use super::{
    Writer,
    group::{Batch, WriterWork},
    outcome::BatchOutcome,
    state,
};
use crate::ports::Until;

impl Writer {
    /// What is asked for next. `None` where nothing will be.
    pub(super) fn next_work(&mut self) -> Option<WriterWork> {
        loop {
            match self.works.try_recv() {
                Ok(work) => return Some(work),
                Err(TryRecvError::Disconnected) => return None,
                Err(TryRecvError::Empty) => {}
            }
            let swept = self.pile.is_due() && self.sweep();
            let rewritten = !swept && self.rewriting.is_due() && self.rewrite();
            if !swept && !rewritten {
                return self.works.blocking_recv();
            }
            self.tend_wal();
        }
    }

    /// Makes a step of bringing blocks together, where anything can be written; whether it was made.
    pub(super) fn sweep(&mut self) -> bool {
        self.step(&Batch::sweep(), "blocks are not brought together now")
    }

    /// Writes some rows under older roots anew, where anything can be written; whether that was done.
    pub(super) fn rewrite(&mut self) -> bool {
        let made = self.step(&Batch::rewriting(), "rows under an older root are not written anew now");
        if made && !self.rewriting.is_due() {
            tracing::info!(
                root = self.keys.newest,
                "every row stands under the newest root: `keyward roots destroy` takes an older one away"
            );
        }
        made
    }

    fn step(&mut self, step: &Batch, not_now: &'static str) -> bool {
        if self.sealed().is_some() || !self.has_room() || self.sealed().is_some() {
            return false;
        }
        match self.write(step) {
            BatchOutcome::Committed(_) => return true,
            // Tried again with the next group.
            BatchOutcome::Refused(error) => tracing::debug!(%error, "{not_now}"),
            BatchOutcome::Full => self.fill_up(),
            BatchOutcome::Broken(error) => self.seal(&error.to_string(), state::until_of(&error)),
            BatchOutcome::Unknown(why, _) => self.seal(&why, Until::Written),
        }
        false
    }
}
