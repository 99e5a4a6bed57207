//! The signals that the process takes: two ask it to end, and one asks it to read its settings anew.

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

/// SIGHUP, which a terminal that closes sends too, for one who reads settings anew: each takes it for itself.
pub struct HangUps(Signal);

impl HangUps {
    /// Takes the signal from now on.
    ///
    /// # Errors
    /// What the system says.
    pub fn take() -> io::Result<Self> {
        Ok(Self(signal(SignalKind::hangup())?))
    }

    /// Waits for the next one; one that came since the last is not lost.
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
        Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    /// Waits for an order to end that comes at least a second after the last: what stops a process often signals it and its
    /// group, which is one order, not two.
    pub async fn again(&mut self) {
        tokio::time::sleep(ONE_ORDER).await;
        while self.next().now_or_never().is_some() {}
        self.next().await;
    }

    /// Waits for the next order to end.
    pub async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}
