//! Memory that was freed goes back to the system.
//!
//! The allocator keeps freed pages for a second, for who wants them again, and after that gives them back when the next large
//! block is freed. A service that has started, or is done with work over many keys, frees none for hours: so one is taken and
//! freed from time to time. Measured with mimalloc 3: of 246 MiB that were freed 246 stayed without this, and 8 with it.

use std::{convert::Infallible, hint::black_box, time::Duration};

use tokio::time::{MissedTickBehavior, interval};

/// Longer than freed pages are kept.
const EVERY: Duration = Duration::from_secs(2);

/// A block that is no part of a page of smaller ones; half as much did not help. Nothing is written to it, so that it costs no
/// memory.
const BLOCK: usize = 1 << 20;

/// Lets the allocator give back what it keeps, for ever.
pub(super) async fn give_back() -> Infallible {
    let mut ticks = interval(EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        drop(black_box(Vec::<u8>::with_capacity(BLOCK)));
    }
}
