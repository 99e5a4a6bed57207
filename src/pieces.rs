//! Work over very many keys in small pieces, with a pause after each: threads that want the core meanwhile have it, Checks
//! first of all. A priority alone does not do that, because a thread that wakes up may have to wait for the system's next
//! tick, which is milliseconds away.
#![expect(clippy::disallowed_methods, reason = "nothing is decided by this time, and nobody is waited for")]

use std::{
    thread,
    time::{Duration, Instant},
};

/// How long a piece may take: short beside what a Check takes with its way there and back.
const PIECE: Duration = Duration::from_micros(200);

const PAUSE: Duration = Duration::from_micros(100);

/// How many steps are made between two looks at the clock.
const UNLOOKED: u32 = 8;

/// How far the piece is that is being worked on.
pub(crate) struct Pieces {
    begun: Instant,
    steps: u32,
}

impl Pieces {
    /// Begins with the first.
    pub(crate) fn begin() -> Self {
        Self { begun: Instant::now(), steps: 0 }
    }

    /// Ends a step of the work, of a few microseconds at most, and with it the piece where that took long enough: then it
    /// answers true after the pause.
    pub(crate) fn step(&mut self) -> bool {
        self.steps = self.steps.wrapping_add(1);
        let ends = self.steps.is_multiple_of(UNLOOKED) && self.begun.elapsed() >= PIECE;
        if ends {
            thread::sleep(PAUSE);
            self.begun = Instant::now();
        }
        ends
    }
}
