//! Accepts connections, and hands each to the worker with the fewest.

use std::{io, net::TcpStream as StdTcpStream, sync::Arc, time::Duration};

use tokio::{net::TcpListener, sync::watch, time::sleep};

use super::{
    admission::{Admission, NotAdmitted},
    connection::{ConnectionsShared, Peer, Pulse},
    part::told_to_drain,
    worker::{Arrival, WorkerGone, WorkerHandle},
};
use crate::domain::network::source_of;

/// Connections that may wait to be accepted.
pub(super) const BACKLOG: u32 = 1024;

/// How long the acceptor rests when the system has no descriptor or memory for a connection.
const BACK_OFF: Duration = Duration::from_millis(50);

#[derive(Debug)]
pub(super) struct Acceptor {
    pub(super) socket: TcpListener,
    pub(super) hand: Hand,
    pub(super) draining: watch::Receiver<bool>,
}

/// Gives connections to workers.
#[derive(Debug)]
pub(super) struct Hand {
    pub(super) workers: Vec<WorkerHandle>,
    pub(super) admission: Arc<Admission>,
    pub(super) shared: Arc<ConnectionsShared>,
}

impl Acceptor {
    /// Accepts until told to drain, and then what had connected before. Nothing that a client or the system does ends it; the end of a worker does.
    pub(super) async fn run(mut self) -> Result<(), WorkerGone> {
        let mut failing = false;
        loop {
            let accepted = tokio::select! {
                biased;
                () = told_to_drain(&mut self.draining) => return self.hand.over_what_waits(self.socket),
                accepted = self.socket.accept() => accepted,
            };
            match accepted {
                Ok((socket, address)) => {
                    failing = false;
                    self.hand.over(socket.into_std(), Peer { address, proof: None })?;
                }
                Err(error) if is_the_peers(&error) => {}
                Err(error) => {
                    self.hand.shared.counts.accepts_failed.increment();
                    if !failing {
                        tracing::error!(error = %error, "no connection can be accepted; trying again");
                    }
                    failing = true;
                    sleep(BACK_OFF).await;
                }
            }
        }
    }
}

impl Hand {
    /// Gives away the connections that the system has made already: to close the port would reset them, with the requests that
    /// they have sent.
    fn over_what_waits(&self, socket: TcpListener) -> Result<(), WorkerGone> {
        let Ok(socket) = socket.into_std() else { return Ok(()) };
        for _ in 0..BACKLOG {
            match socket.accept() {
                Ok((socket, address)) => {
                    self.over(socket.set_nonblocking(true).map(|()| socket), Peer { address, proof: None })?;
                }
                Err(error) if is_the_peers(&error) => {}
                Err(_nobody_waits) => break,
            }
        }
        Ok(())
    }

    fn over(&self, socket: io::Result<StdTcpStream>, peer: Peer) -> Result<(), WorkerGone> {
        let counts = &self.shared.counts;
        let pulse = Pulse::new(Arc::clone(&self.shared), source_of(peer.address.ip()));
        let permit = match self.admission.admit(peer.address.ip(), &pulse) {
            Ok(permit) => permit,
            Err(refused) => {
                match refused {
                    NotAdmitted::Full => counts.connections_refused_full.increment(),
                    NotAdmitted::SourceFull => counts.connections_refused_source.increment(),
                }
                return Ok(());
            }
        };
        // An error here is that of a connection which has ended already.
        let Ok(socket) = socket.and_then(|socket| socket.set_nodelay(true).map(|()| socket)) else {
            return Ok(());
        };
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
