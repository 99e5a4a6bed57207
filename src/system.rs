//! The operating system's clock and randomness; no other module asks for them.

use std::time::Duration;

use ring::rand::{SecureRandom as _, SystemRandom};

use crate::domain::time::{Clock, Entropy, EntropyUnavailable, Timestamp};

/// The wall clock and the boot clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "this is the place")]
    fn wall(&self) -> Timestamp {
        let since_1970 =
            std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        Timestamp::EPOCH.saturating_add(since_1970)
    }

    fn boot(&self) -> Duration {
        // CLOCK_MONOTONIC stands while a machine sleeps; then every night would be a leap of the wall clock.
        let time = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
        let nanos = u32::try_from(time.tv_nsec).unwrap_or(0);
        Duration::new(u64::try_from(time.tv_sec).unwrap_or(0), nanos)
    }
}

/// The operating system's randomness.
#[derive(Debug, Clone)]
pub struct SystemEntropy(SystemRandom);

impl Default for SystemEntropy {
    fn default() -> Self {
        Self(SystemRandom::new())
    }
}

impl Entropy for SystemEntropy {
    fn fill(&self, bytes: &mut [u8]) -> Result<(), EntropyUnavailable> {
        self.0.fill(bytes).ok().ok_or(EntropyUnavailable)
    }
}

/// Whether bytes wait on standard input: of a file behind where it is read, or in a pipe. Nothing is read, and nothing waits.
#[must_use]
pub fn input_waits() -> bool {
    rustix::io::ioctl_fionread(std::io::stdin()).is_ok_and(|bytes| bytes > 0)
}
