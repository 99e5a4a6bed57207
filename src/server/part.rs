//! A part of the server that has a life of its own: how it is told to end, and tells that it has.

use std::fmt;

use tokio::sync::{mpsc, watch};

/// A part of the server that has a life of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// What accepts connections.
    Acceptor,
    /// The worker of this number, from 0.
    Worker(usize),
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Acceptor => f.write_str("acceptor"),
            Self::Worker(number) => write!(f, "worker {number}"),
        }
    }
}

/// Waits for the order to drain. If the sender of that order is gone, that counts as the order.
pub(super) async fn told_to_drain(draining: &mut watch::Receiver<bool>) {
    drop(draining.wait_for(|draining| *draining).await);
}

/// Reports the end of a part when dropped, so that a panic is reported too.
#[derive(Debug)]
pub(super) struct EndNotice {
    part: Part,
    clean: bool,
    ends: mpsc::Sender<(Part, bool)>,
}

impl EndNotice {
    pub(super) fn new(part: Part, ends: mpsc::Sender<(Part, bool)>) -> Self {
        Self { part, clean: false, ends }
    }

    /// The part ended because it was told to.
    pub(super) fn clean(mut self) {
        self.clean = true;
    }
}

impl Drop for EndNotice {
    fn drop(&mut self) {
        if self.ends.try_send((self.part, self.clean)).is_err() {
            tracing::debug!(part = %self.part, "a part of the way in ended, and nobody waits for it");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    #[tokio::test]
    async fn a_part_that_panics_is_reported_and_one_that_was_told_to_end_is_clean() {
        let (ends, mut seen) = mpsc::channel(2);
        let notice = EndNotice::new(Part::Worker(3), ends.clone());
        let panicked = thread::spawn(move || {
            let _notice = notice;
            panic!("the end of a worker");
        });
        assert!(panicked.join().is_err());
        assert_eq!(seen.recv().await, Some((Part::Worker(3), false)));

        EndNotice::new(Part::Acceptor, ends).clean();
        assert_eq!(seen.recv().await, Some((Part::Acceptor, true)));
    }
}
