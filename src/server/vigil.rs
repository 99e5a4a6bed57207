//! Judges whether a connection may stay: pure, from the signs of its pulse, the time and the limits.

use std::time::Duration;

use tokio::time::Instant;

use super::limits::ListenerLimits;

/// What a connection's pulse shows at one moment.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Signs {
    pub(super) preface_arrived: bool,
    pub(super) calls_begun: u64,
    pub(super) calls_open: u64,
    /// The number of the present stall of writes, if there is one; another stall has another number.
    pub(super) write_stall: Option<u64>,
    /// The connection was told to go away.
    pub(super) leaving: bool,
}

/// What is to happen to a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ConnectionStep {
    Keep,
    /// Told to go away: calls in flight finish.
    GoAway(Lateness),
    /// Closed at once.
    Close(Lateness),
}

/// What a connection did not do in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Lateness {
    NoPreface,
    NoCall,
    Idle,
    WriteStalled,
    Overdue,
}

/// What is remembered of a connection from one look to the next.
#[derive(Debug)]
pub(super) struct Vigil {
    accepted: Instant,
    calls_begun: u64,
    last_busy: Instant,
    stall: Option<(u64, Instant)>,
    leaving_since: Option<Instant>,
}

impl Vigil {
    pub(super) fn begin(now: Instant) -> Self {
        Self { accepted: now, calls_begun: 0, last_busy: now, stall: None, leaving_since: None }
    }

    /// When there was last an open call, or the connection was accepted.
    pub(super) const fn last_busy(&self) -> Instant {
        self.last_busy
    }

    /// Looks once. Times that are not limits of the peer but begin with an event are known to the accuracy of two looks.
    pub(super) fn judge(&mut self, signs: Signs, now: Instant, limits: &ListenerLimits) -> ConnectionStep {
        self.remember(signs, now);
        let passed = |since: Instant, limit: Duration| now.duration_since(since) >= limit;

        if !signs.preface_arrived && passed(self.accepted, limits.preface_deadline) {
            return ConnectionStep::Close(Lateness::NoPreface);
        }
        if self.stall.is_some_and(|(_, since)| passed(since, limits.write_stall_deadline)) {
            return ConnectionStep::Close(Lateness::WriteStalled);
        }
        if let Some(since) = self.leaving_since {
            let at_rest =
                signs.calls_open == 0 && passed(since.max(self.last_busy), limits.farewell_deadline);
            let overdue = at_rest || passed(since, limits.drain_deadline);
            return if overdue { ConnectionStep::Close(Lateness::Overdue) } else { ConnectionStep::Keep };
        }
        if signs.calls_begun == 0 && passed(self.accepted, limits.first_call_deadline) {
            return ConnectionStep::GoAway(Lateness::NoCall);
        }
        if passed(self.last_busy, limits.idle_time) {
            return ConnectionStep::GoAway(Lateness::Idle);
        }
        ConnectionStep::Keep
    }

    fn remember(&mut self, signs: Signs, now: Instant) {
        if signs.calls_open > 0 || signs.calls_begun != self.calls_begun {
            self.calls_begun = signs.calls_begun;
            self.last_busy = now;
        }
        self.stall = signs.write_stall.map(|number| match self.stall {
            Some((same, since)) if same == number => (number, since),
            _ => (number, now),
        });
        if signs.leaving {
            self.leaving_since.get_or_insert(now);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CALLED: Signs =
        Signs { preface_arrived: true, calls_begun: 1, calls_open: 0, write_stall: None, leaving: false };

    fn limits() -> ListenerLimits {
        ListenerLimits::default()
    }

    /// Looks at a connection that shows the same signs all the time, once a second, until something happens to it.
    fn until_verdict(signs: Signs) -> (u64, ConnectionStep) {
        let start = Instant::now();
        let mut vigil = Vigil::begin(start);
        (0..10_000)
            .map(|second| (second, vigil.judge(signs, start + Duration::from_secs(second), &limits())))
            .find(|(_, verdict)| *verdict != ConnectionStep::Keep)
            .unwrap_or((u64::MAX, ConnectionStep::Keep))
    }

    #[test]
    fn each_silence_has_its_end() {
        let silent = Signs::default();
        let greeted = Signs { preface_arrived: true, ..silent };
        for (signs, expected) in [
            (silent, (5, ConnectionStep::Close(Lateness::NoPreface))),
            (greeted, (10, ConnectionStep::GoAway(Lateness::NoCall))),
            (CALLED, (300, ConnectionStep::GoAway(Lateness::Idle))),
            (Signs { calls_open: 1, ..CALLED }, (u64::MAX, ConnectionStep::Keep)),
            (
                Signs { calls_open: 1, write_stall: Some(7), ..CALLED },
                (10, ConnectionStep::Close(Lateness::WriteStalled)),
            ),
            (Signs { leaving: true, ..CALLED }, (2, ConnectionStep::Close(Lateness::Overdue))),
            (
                Signs { leaving: true, calls_open: 1, ..CALLED },
                (15, ConnectionStep::Close(Lateness::Overdue)),
            ),
        ] {
            assert_eq!(until_verdict(signs), expected, "{signs:?}");
        }
    }

    #[test]
    fn a_call_now_and_then_keeps_a_connection() {
        let start = Instant::now();
        let mut vigil = Vigil::begin(start);
        for calls in 1..100 {
            let now = start + Duration::from_secs(290 * calls);
            assert_eq!(
                vigil.judge(Signs { calls_begun: calls, ..CALLED }, now, &limits()),
                ConnectionStep::Keep
            );
        }
    }

    #[test]
    fn writes_that_stall_again_and_again_but_move_are_let_be() {
        let start = Instant::now();
        let mut vigil = Vigil::begin(start);
        for second in 0..100 {
            let signs = Signs { calls_open: 1, write_stall: Some(second), ..CALLED };
            assert_eq!(
                vigil.judge(signs, start + Duration::from_secs(second), &limits()),
                ConnectionStep::Keep
            );
        }
    }

    #[test]
    fn a_leaving_connection_has_the_farewell_time_after_its_last_call() {
        let start = Instant::now();
        let at = |second| start + Duration::from_secs(second);
        let mut vigil = Vigil::begin(start);
        let leaving = Signs { leaving: true, ..CALLED };

        assert_eq!(vigil.judge(Signs { calls_open: 1, ..leaving }, at(5), &limits()), ConnectionStep::Keep);
        assert_eq!(vigil.judge(leaving, at(6), &limits()), ConnectionStep::Keep);
        assert_eq!(vigil.judge(leaving, at(7), &limits()), ConnectionStep::Close(Lateness::Overdue));
    }
}
