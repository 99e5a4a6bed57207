//! Everything that is logged in a process, on every thread.

use std::{
    io, mem,
    sync::{Arc, Mutex, OnceLock},
};

use tracing::Level;

/// What was logged.
#[derive(Clone, Default)]
pub struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Log {
    /// Everything that every crate says from this level up. The tests of a process have one log, of the level of the first.
    pub fn start(level: Level) -> Self {
        static LOG: OnceLock<Log> = OnceLock::new();
        let log = LOG.get_or_init(|| {
            let log = Self::default();
            let lines = log.clone();
            tracing_subscriber::fmt()
                .with_max_level(level)
                .with_ansi(false)
                .with_writer(move || lines.clone())
                .init();
            log
        });
        log.clone()
    }

    /// What was logged so far, by every test of the process.
    pub fn all(&self) -> Vec<u8> {
        self.0.lock().unwrap().clone()
    }

    /// What was logged since the last time.
    pub fn take(&self) -> Vec<u8> {
        mem::take(&mut *self.0.lock().unwrap())
    }

    /// The same as lines of text.
    pub fn lines(&self) -> Vec<String> {
        String::from_utf8(self.take()).unwrap().lines().map(ToOwned::to_owned).collect()
    }
}
