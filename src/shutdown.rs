//! The signals that ask the process to end.

use std::{io, time::Duration};

use futures_util::FutureExt as _;

use tokio::signal::unix::{Signal, SignalKind, signal};

/// Signals within this time are one order.
const ONE_ORDER: Duration = Duration::from_secs(1);

/// SIGTERM and SIGINT.
pub struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    /// Takes both signals from now on.
    ///
    /// # Errors
    /// What the system says.
    pub fn take() -> io::Result<Self> {
        Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    /// Waits for one that comes at least a second after the last: what stops a process often signals it and its group,
    /// which is one order, not two.
    pub async fn again(&mut self) {
        tokio::time::sleep(ONE_ORDER).await;
        while self.next().now_or_never().is_some() {}
        self.next().await;
    }

    /// Waits for the next one.
    pub async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}
