//! Work over very many keys is done in small pieces, and after each it yields the core to the threads that want it, Checks
//! first of all. A priority alone does not do that, because a thread that wakes up may have to wait for the system's next
//! tick, which is milliseconds away.
#![expect(
    clippy::disallowed_methods,
    reason = "no decision depends on this time, and a pause waits for nothing"
)]

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
pub(crate) struct Yielding {
    begun: Instant,
    steps: u32,
    give_way: fn(),
}

impl Yielding {
    /// Begins with the first, in work that nothing waits for but who asked for it: a pause after each leaves the core idle,
    /// so that the system puts there who wakes up.
    pub(crate) fn with_pauses() -> Self {
        Self::begin(|| thread::sleep(PAUSE))
    }

    /// The same in work that others wait for: after each whoever is waiting for the core has it, and if nobody is, the work
    /// goes on at once.
    pub(crate) fn without_pauses() -> Self {
        Self::begin(thread::yield_now)
    }

    fn begin(give_way: fn()) -> Self {
        Self { begun: Instant::now(), steps: 0, give_way }
    }

    /// Ends a step of the work, of some microseconds at most, and with it the piece where that took long enough.
    pub(crate) fn step(&mut self) {
        self.steps = self.steps.wrapping_add(1);
        if self.steps.is_multiple_of(UNLOOKED) && self.begun.elapsed() >= PIECE {
            (self.give_way)();
            self.begun = Instant::now();
        }
    }
}
