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

/// What the operating system says of this process, where it does.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct ProcessFigures {
    /// Processor time, in seconds.
    pub cpu_seconds: Option<f64>,
    /// Resident memory, in bytes.
    pub resident_bytes: Option<u64>,
    /// Address space, in bytes.
    pub virtual_bytes: Option<u64>,
    /// Open descriptors.
    pub open_fds: Option<u64>,
    /// How many may be open.
    pub max_fds: Option<u64>,
    /// When it began, in seconds since 1970.
    pub start_seconds: Option<f64>,
}

impl ProcessFigures {
    /// Reads them as Linux shows them; elsewhere there are fewer.
    #[must_use]
    pub fn read() -> Self {
        let ticks = as_f64(rustix::param::clock_ticks_per_second());
        let page = u64::try_from(rustix::param::page_size()).unwrap_or(0);
        let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
        // The name of the program stands in brackets, and may hold anything.
        let fields: Vec<f64> = stat
            .rsplit_once(')')
            .map(|(_, rest)| rest.split_whitespace().skip(1).filter_map(|field| field.parse().ok()).collect())
            .unwrap_or_default();
        // The first of these is the fourth of the manual (proc(5)).
        let field = |number: usize| fields.get(number.checked_sub(4)?).copied();
        let machine = std::fs::read_to_string("/proc/stat").unwrap_or_default();
        let booted: Option<f64> =
            machine.lines().find_map(|line| line.strip_prefix("btime ")?.trim().parse().ok());
        let memory = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
        let mut pages = memory.split_whitespace().map_while(|pages| pages.parse::<u64>().ok());
        let mut bytes = || pages.next().map(|pages| pages.saturating_mul(page));
        Self {
            cpu_seconds: field(14).zip(field(15)).map(|(user, system)| (user + system) / ticks),
            virtual_bytes: bytes(),
            resident_bytes: bytes(),
            open_fds: std::fs::read_dir("/proc/self/fd").ok().and_then(|open| open.count().try_into().ok()),
            max_fds: rustix::process::getrlimit(rustix::process::Resource::Nofile).current,
            start_seconds: field(22).zip(booted).map(|(start, booted)| booted + start / ticks),
        }
    }
}

fn as_f64(number: u64) -> f64 {
    f64::from(u32::try_from(number).unwrap_or(u32::MAX))
}

/// How many columns the terminal has that standard output is: 80 where it does not tell; none where there is no terminal.
#[must_use]
pub fn terminal_columns() -> Option<usize> {
    let size = rustix::termios::tcgetwinsize(std::io::stdout()).ok()?;
    Some(if size.ws_col == 0 { 80 } else { usize::from(size.ws_col) })
}

/// Whether bytes wait on standard input: of a file behind where it is read, or in a pipe. Nothing is read, and nothing waits.
#[must_use]
pub fn input_waits() -> bool {
    rustix::io::ioctl_fionread(std::io::stdin()).is_ok_and(|bytes| bytes > 0)
}
