//! The signals that the process takes: two ask it to end, and one asks it to read its settings anew.

use std::{io, time::Duration};

use futures_util::FutureExt as _;

use tokio::signal::unix::{Signal, SignalKind, signal};

/// Signals within this time are one order.
const ONE_ORDER: Duration = Duration::from_secs(1);

/// SIGTERM, SIGINT and SIGHUP.
pub struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hang_up: Signal,
}

/// SIGHUP alone, for one more who reads settings anew.
pub struct HangUps(Signal);

impl HangUps {
    /// Takes the signal from now on.
    ///
    /// # Errors
    /// What the system says.
    pub fn take() -> io::Result<Self> {
        Ok(Self(signal(SignalKind::hangup())?))
    }

    /// Waits for the next one.
    pub async fn next(&mut self) {
        // There is no end of signals.
        let _one = self.0.recv().await;
    }
}

impl Signals {
    /// Takes these signals from now on.
    ///
    /// # Errors
    /// What the system says.
    pub fn take() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hang_up: signal(SignalKind::hangup())?,
        })
    }

    /// Waits for an order to end that comes at least a second after the last: what stops a process often signals it and its
    /// group, which is one order, not two.
    pub async fn again(&mut self) {
        tokio::time::sleep(ONE_ORDER).await;
        while self.next(|| ()).now_or_never().is_some() {}
        self.next(|| ()).await;
    }

    /// Waits for the next order to end. Whenever one comes to read settings anew, `read_anew` is called: by SIGHUP, which a
    /// terminal that closes sends too.
    pub async fn next(&mut self, mut read_anew: impl FnMut()) {
        loop {
            tokio::select! {
                _ = self.terminate.recv() => return,
                _ = self.interrupt.recv() => return,
                _ = self.hang_up.recv() => read_anew(),
            }
        }
    }
}
