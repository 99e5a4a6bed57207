//! Binds a port, starts what serves it, notices when a part dies, and ends it all in order.

use std::{io, net::SocketAddr, num::NonZeroUsize, sync::Arc, thread, time::Duration};

use tokio::{
    net::{TcpListener, TcpSocket},
    sync::{mpsc, watch},
    time::timeout,
};

use super::{
    acceptor::{Acceptor, BACKLOG, Hand},
    admission::Admission,
    budget::Budget,
    calls::Calls,
    connection::{ConnectionsShared, Peer},
    counts::ServerCounts,
    figures::ListenerFigures,
    limits::ListenerLimits,
    part::{EndNotice, Part},
    protocol::Protocol,
    tls::Tls,
    worker,
};

/// How long after the drain deadline the workers may take to end; one that does not is stuck in a handler.
const END_MARGIN: Duration = Duration::from_secs(5);

/// A port that is ours, and refuses connections until it [serves](Listener::serve): who probes it is not answered before
/// there is an answer.
#[derive(Debug)]
pub struct Listener {
    socket: TcpSocket,
    address: SocketAddr,
    tls: Option<Arc<Tls>>,
}

/// The server of one port, at work. Dropping it ends it in the background, as [`Running::shutdown`] does.
#[derive(Debug)]
pub struct Running {
    address: SocketAddr,
    shared: Arc<ConnectionsShared>,
    admission: Arc<Admission>,
    draining: watch::Sender<bool>,
    ends: mpsc::Receiver<(Part, bool)>,
    dead: Option<Part>,
}

/// Why the server has not ended as it should.
#[derive(Debug, thiserror::Error)]
pub enum ListenerError {
    /// A part ended by itself: a defect; the process should end too.
    #[error("the {0} died")]
    Died(Part),
    /// A part did not end within the drain deadline: a handler blocks its thread.
    #[error("a part of the way in did not end in time")]
    Stuck,
}

/// As many workers as there are cores to use.
#[must_use]
pub fn cores() -> NonZeroUsize {
    thread::available_parallelism().unwrap_or(NonZeroUsize::MIN)
}

impl Listener {
    /// Binds a port; with port 0 the system chooses one.
    ///
    /// # Errors
    /// What the system says about the address; one that has a listener already is in use.
    pub fn bind(address: SocketAddr) -> io::Result<Self> {
        let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
        // Connections of a process that has just ended do not keep the port.
        socket.set_reuseaddr(true)?;
        socket.bind(address)?;
        let address = socket.local_addr()?;
        Ok(Self { socket, address, tls: None })
    }

    /// Serves under TLS, or in clear text where this is `None`.
    #[must_use]
    pub fn under(self, tls: Option<Arc<Tls>>) -> Self {
        Self { tls, ..self }
    }

    /// The address that is bound.
    #[must_use]
    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// Listens, starts the workers and accepts what speaks `protocol`; what its calls hold is paid from `budget`. `make` is called for each connection, on its worker's thread.
    ///
    /// Accepting runs on the runtime that this is called on, which must be tokio's.
    ///
    /// # Errors
    /// When a thread or its runtime cannot be had, or another process has begun to listen on this port since it was bound.
    pub fn serve<M, S>(
        self,
        budget: Arc<Budget>,
        protocol: Protocol,
        workers: NonZeroUsize,
        limits: ListenerLimits,
        make: M,
    ) -> io::Result<Running>
    where
        M: Fn(&Peer) -> S + Send + Sync + 'static,
        S: Calls,
    {
        let socket: TcpListener = self.socket.listen(BACKLOG)?;
        let admission = Admission::new(limits.max_connections, limits.max_connections_per_address);
        let mut shared = ConnectionsShared::new(protocol, limits, budget);
        shared.tls = self.tls;
        let shared = Arc::new(shared);
        let (draining, drain_seen) = watch::channel(false);
        // Each part reports once.
        let (ends, ends_seen) = mpsc::channel(workers.get().saturating_add(1));

        let make = Arc::new(make);
        let workers = (0..workers.get())
            .map(|number| {
                worker::start(
                    number,
                    Arc::clone(&make),
                    Arc::clone(&shared),
                    drain_seen.clone(),
                    ends.clone(),
                )
            })
            .collect::<io::Result<Vec<_>>>()?;

        let hand = Hand { workers, admission: Arc::clone(&admission), shared: Arc::clone(&shared) };
        let acceptor = Acceptor { socket, hand, draining: drain_seen };
        let notice = EndNotice::new(Part::Acceptor, ends);
        tokio::spawn(async move {
            if acceptor.run().await.is_ok() {
                notice.clean();
            }
        });
        Ok(Running { address: self.address, shared, admission, draining, ends: ends_seen, dead: None })
    }
}

impl Running {
    /// The address that is bound.
    #[must_use]
    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// What there is to show of it, also while it is waited for.
    #[must_use]
    pub fn figures(&self) -> ListenerFigures {
        ListenerFigures { shared: Arc::clone(&self.shared), admission: Arc::clone(&self.admission) }
    }

    /// What has happened so far.
    #[must_use]
    pub fn counts(&self) -> &ServerCounts {
        &self.shared.counts
    }

    /// What calls hold now, of all listeners that share the budget.
    #[must_use]
    pub fn budget(&self) -> &Budget {
        &self.shared.budget
    }

    /// Connections that are open now.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.admission.open()
    }

    /// Waits for a part to die; while all is well, for ever.
    pub async fn died(&mut self) -> ListenerError {
        let part = match self.dead {
            Some(part) => part,
            None => self.ends.recv().await.map_or(Part::Acceptor, |(part, _clean)| part),
        };
        self.dead = Some(part);
        ListenerError::Died(part)
    }

    /// Stops accepting, tells every connection to go away, and waits until calls in flight have finished, at most for
    /// the drain deadline.
    ///
    /// # Errors
    /// When a part died before or during this, or does not end.
    pub async fn shutdown(mut self) -> Result<(), ListenerError> {
        self.draining.send_replace(true);
        let patience = self.shared.limits.drain_deadline.saturating_add(END_MARGIN);
        let all_ended = async {
            while let Some((part, clean)) = self.ends.recv().await {
                if !clean {
                    self.dead.get_or_insert(part);
                }
            }
        };
        if timeout(patience, all_ended).await.is_err() {
            return Err(ListenerError::Stuck);
        }
        self.dead.map_or(Ok(()), |part| Err(ListenerError::Died(part)))
    }
}
