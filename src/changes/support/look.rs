//! How much one page of a list looks at. A page that few rows fit on ends all the same, short and with a token, so that no call
//! takes long because there is much that it does not show.

use std::time::Duration;

use crate::domain::time::{Steady, TrustedClock};

/// How many rows one page looks at.
const MOST_ROWS: usize = 20_000;
/// How long it looks. Time is read between the pieces that rows are read in.
const MOST_TIME: Duration = Duration::from_millis(30);

/// How much a page has looked at.
pub(in crate::changes) struct PageLook<'a> {
    clock: &'a TrustedClock,
    begun: Steady,
    rows: usize,
}

impl<'a> PageLook<'a> {
    /// Begins a page.
    pub(in crate::changes) fn begin(clock: &'a TrustedClock) -> Self {
        Self { clock, begun: clock.read().steady, rows: 0 }
    }

    /// Takes rows that were looked at, and says whether this page has looked at enough.
    pub(in crate::changes) fn is_enough_with(&mut self, rows: usize) -> bool {
        self.rows = self.rows.saturating_add(rows);
        self.rows >= MOST_ROWS || self.clock.read().steady.saturating_since(self.begun) >= MOST_TIME
    }
}
