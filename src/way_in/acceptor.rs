//! Accepts connections, and hands each to the worker with the fewest.

use std::{io, sync::Arc, time::Duration};

use tokio::{
    net::{TcpListener, TcpStream},
    sync::watch,
    time::sleep,
};

use super::{
    admission::{Admission, Refused},
    connection::{Peer, Pulse, Shared},
    listener::told_to_drain,
    worker::{Arrival, WorkerGone, WorkerHandle},
};

/// How long the acceptor rests when the system has no descriptor or memory for a connection.
const BACK_OFF: Duration = Duration::from_millis(50);

#[derive(Debug)]
pub(super) struct Acceptor {
    pub(super) socket: TcpListener,
    pub(super) workers: Vec<WorkerHandle>,
    pub(super) admission: Arc<Admission>,
    pub(super) shared: Arc<Shared>,
    pub(super) draining: watch::Receiver<bool>,
}

impl Acceptor {
    /// Accepts until told to drain. Nothing that a client or the system does ends it; the end of a worker does.
    pub(super) async fn run(mut self) -> Result<(), WorkerGone> {
        let mut failing = false;
        loop {
            let accepted = tokio::select! {
                biased;
                () = told_to_drain(&mut self.draining) => return Ok(()),
                accepted = self.socket.accept() => accepted,
            };
            match accepted {
                Ok((socket, address)) => {
                    failing = false;
                    self.hand_over(socket, Peer { address })?;
                }
                Err(error) if is_the_peers(&error) => {}
                Err(error) => {
                    self.shared.counts.accepts_failed.increment();
                    if !failing {
                        tracing::error!(error = %error, "no connection can be accepted; trying again");
                    }
                    failing = true;
                    sleep(BACK_OFF).await;
                }
            }
        }
    }

    fn hand_over(&self, socket: TcpStream, peer: Peer) -> Result<(), WorkerGone> {
        let counts = &self.shared.counts;
        let pulse = Pulse::new(Arc::clone(&self.shared));
        let permit = match self.admission.admit(peer.address.ip(), &pulse) {
            Ok(permit) => permit,
            Err(refused) => {
                match refused {
                    Refused::Full => counts.connections_refused_full.increment(),
                    Refused::SourceFull => counts.connections_refused_source.increment(),
                }
                return Ok(());
            }
        };
        // An error here is that of a connection which has ended already.
        let Ok(socket) = socket.set_nodelay(true).and_then(|()| socket.into_std()) else { return Ok(()) };
        let Some(worker) = self.workers.iter().min_by_key(|worker| worker.connections()) else {
            return Err(WorkerGone);
        };
        if permit.displaced {
            counts.connections_displaced.increment();
        }
        if worker.take(Arrival { socket, peer, permit, pulse })? {
            counts.connections_admitted.increment();
        } else {
            counts.connections_refused_full.increment();
        }
        Ok(())
    }
}

/// Whether an error of accept is about the one connection, so that the next one may well be accepted.
fn is_the_peers(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset | io::ErrorKind::Interrupted
    )
}
