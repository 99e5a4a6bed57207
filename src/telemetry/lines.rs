//! Log lines on their way out: a thread of its own writes them, so that a thread that logs never waits, and a line that
//! cannot be written is lost and counted, and nothing else happens (D11).

use std::{
    convert::Infallible,
    io::{self, Write},
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize, Ordering},
        mpsc::{Receiver, SyncSender, sync_channel},
    },
    thread,
    time::Duration,
};

use tracing_subscriber::fmt::MakeWriter;

/// The most lines, and the most bytes of them, that wait for a reader who is slow or gone.
const MAX_WAITING: usize = 8_192;
const MAX_WAITING_BYTES: usize = 1 << 20;

/// How long the end of the process waits until what was logged is written.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// How often it is looked whether lines were lost.
const LOOK_INTERVAL: Duration = Duration::from_secs(60);

/// Where lines are given to.
#[derive(Clone)]
pub(super) struct LogLines {
    orders: SyncSender<Order>,
    tally: Arc<LineTally>,
}

enum Order {
    Write(Vec<u8>),
    /// Everything before this was written.
    Tell(SyncSender<()>),
}

/// Written by who logs, and by the thread that writes.
#[derive(Default)]
struct LineTally {
    waiting_bytes: AtomicUsize,
    lost: AtomicU64,
}

/// How many lines could not be written, for who shows it.
#[derive(Clone, Default)]
pub struct LostLines(Option<Arc<LineTally>>);

impl LostLines {
    /// How many since the start; none where the process logs elsewhere.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.0.as_ref().map_or(0, |tally| tally.lost.load(Ordering::Relaxed))
    }
}

/// Logging, for as long as this is held: dropping it waits, but not for long, until the last lines are written.
pub struct Logging(Option<LogLines>);

impl LogLines {
    /// Begins to write lines to `out`.
    ///
    /// # Errors
    /// There is no thread to be had.
    pub(super) fn begin(out: impl Write + Send + 'static) -> io::Result<Self> {
        let (orders, taken) = sync_channel(MAX_WAITING);
        let tally = Arc::<LineTally>::default();
        let kept = Arc::clone(&tally);
        thread::Builder::new().name("log".to_owned()).spawn(move || write(&taken, out, &kept))?;
        Ok(Self { orders, tally })
    }

    fn take(&self, line: &[u8]) {
        let before = self.tally.waiting_bytes.fetch_add(line.len(), Ordering::Relaxed);
        let is_room = before.saturating_add(line.len()) <= MAX_WAITING_BYTES;
        if !is_room || self.orders.try_send(Order::Write(line.to_vec())).is_err() {
            self.tally.gone(line.len());
            self.tally.lost.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn lost(&self) -> u64 {
        self.tally.lost.load(Ordering::Relaxed)
    }
}

impl LineTally {
    fn gone(&self, bytes: usize) {
        self.waiting_bytes.fetch_sub(bytes, Ordering::Relaxed);
    }
}

fn write(orders: &Receiver<Order>, mut out: impl Write, tally: &LineTally) {
    for order in orders {
        match order {
            Order::Write(line) => {
                if out.write_all(&line).and_then(|()| out.flush()).is_err() {
                    tally.lost.fetch_add(1, Ordering::Relaxed);
                }
                tally.gone(line.len());
            }
            // The caller may have stopped waiting.
            Order::Tell(done) => drop(done.try_send(())),
        }
    }
}

impl Logging {
    pub(super) const fn to(lines: LogLines) -> Self {
        Self(Some(lines))
    }

    /// Of a process that logs elsewhere.
    pub(super) const fn elsewhere() -> Self {
        Self(None)
    }

    /// Lines that could not be written since the start.
    #[must_use]
    pub fn lost(&self) -> u64 {
        self.0.as_ref().map_or(0, LogLines::lost)
    }

    /// The same for others to read.
    #[must_use]
    pub fn lost_lines(&self) -> LostLines {
        LostLines(self.0.as_ref().map(|lines| Arc::clone(&lines.tally)))
    }

    /// Says once a minute that lines were lost, until that can be read; never ends.
    pub async fn tell_of_lost(&self) -> Infallible {
        let mut looks = tokio::time::interval(LOOK_INTERVAL);
        let (mut told, mut said) = (0, None);
        loop {
            looks.tick().await;
            let lost = self.lost();
            if said.take() == Some(lost) {
                // No line was lost since, and the one that says so was written.
                told = lost;
            }
            if lost > told {
                tracing::warn!(log.lines_lost = lost, "log lines could not be written");
                said = Some(lost);
            }
        }
    }
}

impl Drop for Logging {
    fn drop(&mut self) {
        let Some(lines) = &self.0 else { return };
        let (done, written) = sync_channel(1);
        if lines.orders.try_send(Order::Tell(done)).is_ok() {
            // The last words of a process whose standard error takes nothing are lost.
            let _in_time = written.recv_timeout(LAST_WORDS);
        }
    }
}

impl<'a> MakeWriter<'a> for LogLines {
    type Writer = LineWriter<'a>;

    fn make_writer(&'a self) -> LineWriter<'a> {
        LineWriter(self)
    }
}

/// Takes one line, and never fails: to who logs, a line that is lost is no error.
pub(super) struct LineWriter<'a>(&'a LogLines);

impl Write for LineWriter<'_> {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.0.take(line);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Mutex, mpsc};

    use super::*;

    /// Fails for the first so many lines, then keeps them.
    struct Shaky {
        failing: usize,
        kept: Arc<Mutex<Vec<u8>>>,
    }

    impl Write for Shaky {
        fn write(&mut self, line: &[u8]) -> io::Result<usize> {
            if let Some(left) = self.failing.checked_sub(1) {
                self.failing = left;
                return Err(io::ErrorKind::StorageFull.into());
            }
            self.kept.lock().unwrap().extend_from_slice(line);
            Ok(line.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_line_that_cannot_be_written_is_lost_and_counted_and_the_next_one_is_written() {
        // D11
        let kept = Arc::default();
        let lines = LogLines::begin(Shaky { failing: 2, kept: Arc::clone(&kept) }).unwrap();
        let logging = Logging::to(lines.clone());
        for line in ["one\n", "two\n", "three\n"] {
            lines.make_writer().write_all(line.as_bytes()).unwrap();
        }
        let tally = Arc::clone(&lines.tally);
        drop(logging);
        assert_eq!(*kept.lock().unwrap(), b"three\n");
        assert_eq!(tally.lost.load(Ordering::Relaxed), 2);
        assert_eq!(tally.waiting_bytes.load(Ordering::Relaxed), 0);
    }

    /// Takes nothing before the other end of the channel is dropped.
    struct Stuck(mpsc::Receiver<()>);

    impl Write for Stuck {
        fn write(&mut self, line: &[u8]) -> io::Result<usize> {
            let _until_it_is_dropped = self.0.recv();
            Ok(line.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_reader_who_does_not_read_holds_up_nobody_and_fills_no_memory() {
        // D11
        let (free, stuck) = mpsc::channel();
        let lines = LogLines::begin(Stuck(stuck)).unwrap();
        let line = [b'x'; 1 << 10];
        for _ in 0..10_000 {
            lines.take(&line);
        }
        assert!(lines.tally.waiting_bytes.load(Ordering::Relaxed) <= MAX_WAITING_BYTES);
        assert!(lines.lost() >= 10_000 - 1_024, "{}", lines.lost());
        drop(free);
    }

    #[tokio::test(start_paused = true)]
    async fn that_lines_were_lost_is_said_until_it_can_be_read() {
        // D11
        let lost = LogLines::begin(io::sink()).unwrap();
        lost.tally.lost.fetch_add(3, Ordering::Relaxed);
        let said = Arc::new(Mutex::new(Vec::new()));
        let kept = LogLines::begin(Shaky { failing: 0, kept: Arc::clone(&said) }).unwrap();
        let subscriber = tracing_subscriber::fmt().with_writer(kept.clone()).finish();
        let _here = tracing::subscriber::set_default(subscriber);
        let five_minutes = Duration::from_secs(300);
        drop(tokio::time::timeout(five_minutes, Logging::to(lost).tell_of_lost()).await);
        drop(Logging::to(kept));
        let said = String::from_utf8(said.lock().unwrap().clone()).unwrap();
        assert_eq!(said.matches("log.lines_lost").count(), 1, "{said}");
    }
}
