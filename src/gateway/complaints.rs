//! What an operator must hear of, but no client may fill a log with: one line of each kind every ten seconds.

use std::{
    sync::atomic::{AtomicI64, Ordering},
    time::Duration,
};

use super::address::OriginUnknown;
use crate::{
    domain::{environment::BrowserRule, id::KeyId, time::Timestamp},
    error::{Invalid, NotFound, OperationError},
    judge::leak::Leaked,
};

const PAUSE: Duration = Duration::from_secs(10);

/// When a complaint of each kind was last made.
#[derive(Debug, Default)]
pub(super) struct Complaints {
    caller: Throttle,
    route: Throttle,
    leak: Throttle,
    browser: Throttle,
    origin: Throttle,
    undecided: Throttle,
}

impl Complaints {
    /// The gateway may not ask.
    pub(super) fn of_caller(&self, now: Timestamp, error: &OperationError) {
        if self.caller.passes(now) {
            tracing::warn!(%error, "a gateway may not ask: it is answered 503");
        }
    }

    /// A key was sent in a URL.
    pub(super) fn of_leak(&self, now: Timestamp, leaked: Leaked) {
        if !self.leak.passes(now) {
            return;
        }
        let key = leaked.key.map_or_else(|| "none that is known".to_owned(), KeyId::to_text);
        tracing::warn!(key.id = key, "a secret was sent in a URL, where logs keep it: rotate it");
    }

    /// A browser sent a key.
    pub(super) fn of_browser(&self, now: Timestamp, key: KeyId, rule: BrowserRule) {
        let what = match rule {
            BrowserRule::Allow => return,
            BrowserRule::Log => "a browser sent a secret key: whoever has the page has the key",
            BrowserRule::Deny => {
                "a browser sent a secret key, and was denied: whoever has the page has the key"
            }
        };
        if self.browser.passes(now) {
            tracing::warn!(key.id = %key, "{what}");
        }
    }

    /// The address that a request came from is not known.
    pub(super) fn of_origin(&self, now: Timestamp, unknown: &OriginUnknown) {
        if self.origin.passes(now) {
            tracing::warn!(
                error = %unknown,
                "where a request came from cannot be read: keys that are bound to networks are denied"
            );
        }
    }

    /// A question cannot be answered: the gateway is set up wrongly, or Keyward itself cannot decide.
    pub(super) fn of_question(&self, now: Timestamp, error: &OperationError) {
        let of_settings = matches!(
            error,
            OperationError::Invalid(Invalid::Field { .. }) | OperationError::NotFound(NotFound::Workspace)
        );
        if of_settings && self.route.passes(now) {
            tracing::warn!(%error, "a gateway is set up wrongly: its requests are answered 503");
        }
        if !of_settings && self.undecided.passes(now) {
            tracing::error!(%error, "requests cannot be decided: gateways are answered 503");
        }
    }
}

/// Lets one through in a while.
#[derive(Debug)]
struct Throttle {
    /// In milliseconds since 1970; written by the thread that gets through; a thread that loses the race writes no line.
    last: AtomicI64,
}

impl Default for Throttle {
    fn default() -> Self {
        Self { last: AtomicI64::new(i64::MIN) }
    }
}

impl Throttle {
    fn passes(&self, now: Timestamp) -> bool {
        let now = now.as_ms();
        let last = self.last.load(Ordering::Relaxed);
        let pause = i64::try_from(PAUSE.as_millis()).unwrap_or(i64::MAX);
        // A clock that went back is no reason for silence.
        let due = now < last || now.saturating_sub(last) >= pause;
        due && self.last.compare_exchange(last, now, Ordering::Relaxed, Ordering::Relaxed).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_in_ten_seconds_is_let_through() {
        let throttle = Throttle::default();
        let at = |ms| throttle.passes(Timestamp::from_ms(ms).unwrap());
        assert!(at(50_000));
        assert!(!at(50_000));
        assert!(!at(59_999));
        assert!(at(60_000));
        assert!(!at(60_001));
        assert!(at(40_000), "the clock went back");
        assert!(!at(40_001));
    }
}
