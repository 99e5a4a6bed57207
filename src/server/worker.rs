//! One core's share of the server: a thread with a single-threaded runtime that serves the connections it is given,
//! and sweeps over them to find those that must go.

use std::{
    io,
    net::TcpStream as StdTcpStream,
    sync::{
        Arc, Weak,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};

use tokio::{
    net::TcpStream,
    runtime::{Builder, Runtime},
    sync::{mpsc, watch},
    task::{JoinError, JoinSet},
    time::{Instant, Interval, MissedTickBehavior, interval, sleep_until},
};

use super::{
    admission::ConnectionPlace,
    calls::Calls,
    connection::{Builder as ConnectionBuilder, ConnectionsShared, Peer, Pulse, serve, shake_hands},
    part::{EndNotice, Part, told_to_drain},
    tls,
    vigil::{ConnectionStep, Lateness, Vigil},
};

/// A connection on its way to a worker.
#[derive(Debug)]
pub(super) struct Arrival {
    pub(super) socket: StdTcpStream,
    pub(super) peer: Peer,
    pub(super) permit: ConnectionPlace,
    pub(super) pulse: Arc<Pulse>,
}

/// The acceptor's end of a worker.
#[derive(Debug)]
pub(super) struct WorkerHandle {
    arrivals: mpsc::Sender<(Arrival, Seat)>,
    /// Written by the acceptor for each arrival and by the worker for each connection that ends.
    connections: Arc<AtomicUsize>,
}

/// One connection's part of a worker's load.
#[derive(Debug)]
struct Seat(Arc<AtomicUsize>);

impl Drop for Seat {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The worker has ended.
#[derive(Debug)]
pub(super) struct WorkerGone;

impl WorkerHandle {
    pub(super) fn connections(&self) -> usize {
        self.connections.load(Ordering::Relaxed)
    }

    /// Hands a connection over; `false` where so many wait that this one is closed.
    pub(super) fn take(&self, arrival: Arrival) -> Result<bool, WorkerGone> {
        self.connections.fetch_add(1, Ordering::Relaxed);
        let seat = Seat(Arc::clone(&self.connections));
        match self.arrivals.try_send((arrival, seat)) {
            Ok(()) => Ok(true),
            // Connections that gave up their places before the worker took them up are still in there.
            Err(mpsc::error::TrySendError::Full(_)) => Ok(false),
            Err(mpsc::error::TrySendError::Closed(_)) => Err(WorkerGone),
        }
    }
}

/// Starts a worker. Its end is reported through `notice`, however it comes about.
pub(super) fn start<M, S>(
    number: usize,
    make: Arc<M>,
    shared: Arc<ConnectionsShared>,
    draining: watch::Receiver<bool>,
    ends: mpsc::Sender<(Part, bool)>,
) -> io::Result<WorkerHandle>
where
    M: Fn(&Peer) -> S + Send + Sync + 'static,
    S: Calls,
{
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let (sender, arrivals) = mpsc::channel(shared.limits.max_connections.max(1));
    let protocol = shared.protocol;
    let worker = Worker::new(make, shared, arrivals, draining);
    // Made here, so that a thread that could not be started is also reported.
    let notice = EndNotice::new(Part::Worker(number), ends);
    thread::Builder::new()
        .name(format!("keyward-{protocol}-{number}"))
        .spawn(move || run(&runtime, worker, notice))?;
    Ok(WorkerHandle { arrivals: sender, connections: Arc::default() })
}

fn run<M, S>(runtime: &Runtime, worker: Worker<M>, notice: EndNotice)
where
    M: Fn(&Peer) -> S + Send + Sync + 'static,
    S: Calls,
{
    // The service may be built when the connection's task first runs, so `S` appears only there.
    runtime.block_on(worker.run::<S>());
    notice.clean();
}

#[derive(Debug)]
struct Worker<M> {
    make: Arc<M>,
    shared: Arc<ConnectionsShared>,
    arrivals: mpsc::Receiver<(Arrival, Seat)>,
    draining: watch::Receiver<bool>,
    builder: ConnectionBuilder,
    connections: JoinSet<()>,
    watched: Vec<(Vigil, Weak<Pulse>)>,
    generation_began: Instant,
    /// Until when connections have had back what time gives back of their allowances.
    repaid: Instant,
}

impl<M> Worker<M> {
    fn new(
        make: Arc<M>,
        shared: Arc<ConnectionsShared>,
        arrivals: mpsc::Receiver<(Arrival, Seat)>,
        draining: watch::Receiver<bool>,
    ) -> Self {
        let builder = ConnectionBuilder::new(shared.protocol, &shared.limits);
        Self {
            make,
            shared,
            arrivals,
            draining,
            builder,
            connections: JoinSet::new(),
            watched: Vec::new(),
            generation_began: Instant::now(),
            repaid: Instant::now(),
        }
    }

    async fn run<S>(mut self)
    where
        M: Fn(&Peer) -> S + Send + Sync + 'static,
        S: Calls,
    {
        let mut sweeps = interval(self.shared.limits.sweep_interval());
        sweeps.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                biased;
                () = told_to_drain(&mut self.draining) => break,
                _ = sweeps.tick() => self.sweep(),
                Some(ended) = self.connections.join_next() => self.note_end(&ended),
                Some((arrival, seat)) = self.arrivals.recv() => self.admit(arrival, seat),
            }
        }
        self.drain(sweeps).await;
    }

    fn admit<S>(&mut self, arrival: Arrival, seat: Seat)
    where
        M: Fn(&Peer) -> S + Send + Sync + 'static,
        S: Calls,
    {
        let Arrival { socket, peer, permit, pulse } = arrival;
        let socket = match TcpStream::from_std(socket) {
            Ok(socket) => socket,
            Err(error) => {
                tracing::warn!(peer.address = %peer.address, error = %error, "a connection could not be taken up");
                return;
            }
        };
        self.watched.push((Vigil::begin(Instant::now()), Arc::downgrade(&pulse)));
        let (make, builder) = (Arc::clone(&self.make), self.builder.clone());
        let tls = self.shared.tls.as_ref().map(|tls| tls.config(self.shared.protocol));
        self.connections.spawn(async move {
            let _held_until_the_end = (permit, seat);
            let Some(tls) = tls else {
                let service = make(&peer);
                return serve(builder, socket, peer, service, pulse).await;
            };
            if let Some(socket) = shake_hands(tls, socket, &peer, &pulse).await {
                let proof = tls::proven(socket.get_ref().1.peer_certificates());
                let peer = Peer { proof: proof.map(Arc::new), ..peer };
                let service = make(&peer);
                serve(builder, socket, peer, service, pulse).await;
            }
        });
    }

    fn note_end(&self, ended: &Result<(), JoinError>) {
        if ended.as_ref().is_err_and(JoinError::is_panic) {
            self.shared.counts.panics.increment();
            tracing::error!("a connection's task panicked; the connection is closed");
        }
    }

    fn sweep(&mut self) {
        let now = Instant::now();
        let shared = &self.shared;
        shared.tell_of_refusals(now);
        let is_short = shared.budget.is_short();
        let new_generation = now.duration_since(self.generation_began) >= shared.limits.call_deadline;
        if new_generation {
            self.generation_began = now;
        }
        let units = self.repay(now);
        let shared = &self.shared;
        self.watched.retain_mut(|(vigil, pulse)| {
            let Some(pulse) = pulse.upgrade() else { return false };
            pulse.account.settle();
            if is_short && pulse.rests_on_much() {
                shared.counts.connections_too_dear.increment();
                pulse.order_away();
            }
            if new_generation && pulse.next_generation() {
                shared.counts.connections_with_answer_untaken.increment();
                pulse.order_closed();
                return false;
            }
            pulse.allowance.earn(units);
            let verdict = vigil.judge(pulse.signs(), now, &shared.limits);
            pulse.rests_from(shared.age_ms(vigil.last_busy()));
            match verdict {
                ConnectionStep::Keep => {}
                ConnectionStep::GoAway(fault) => {
                    count(shared, fault);
                    pulse.order_away();
                }
                ConnectionStep::Close(fault) => {
                    count(shared, fault);
                    pulse.order_closed();
                    return false;
                }
            }
            true
        });
    }

    /// What each connection gets back for the time since it last did.
    fn repay(&mut self, now: Instant) -> u64 {
        let per_second = self.shared.limits.work_per_second.max(1);
        let passed = u64::try_from(now.duration_since(self.repaid).as_millis()).unwrap_or(u64::MAX);
        let units = passed.saturating_mul(per_second) / 1_000;
        self.repaid += Duration::from_millis(units.saturating_mul(1_000) / per_second);
        units
    }

    /// Tells every connection to go away, and waits until all have ended or the deadline has passed. What is left then
    /// is dropped with the runtime.
    async fn drain<S>(mut self, mut sweeps: Interval)
    where
        M: Fn(&Peer) -> S + Send + Sync + 'static,
        S: Calls,
    {
        let deadline = Instant::now() + self.shared.limits.drain_deadline;
        for pulse in self.watched.iter().filter_map(|(_, pulse)| pulse.upgrade()) {
            pulse.order_away();
        }
        // The acceptor hands over what had connected before it stopped listening, and goes.
        let mut more_may_come = true;
        while more_may_come || !self.connections.is_empty() {
            tokio::select! {
                biased;
                arrived = self.arrivals.recv(), if more_may_come => match arrived {
                    Some((arrival, seat)) => {
                        arrival.pulse.order_away();
                        self.admit(arrival, seat);
                    }
                    None => more_may_come = false,
                },
                Some(ended) = self.connections.join_next() => self.note_end(&ended),
                () = sleep_until(deadline) => return,
                _ = sweeps.tick() => self.sweep(),
            }
        }
    }
}

fn count(shared: &ConnectionsShared, fault: Lateness) {
    let counts = &shared.counts;
    match fault {
        Lateness::NoPreface => counts.connections_without_preface.increment(),
        Lateness::NoCall => counts.connections_without_call.increment(),
        Lateness::Idle => counts.connections_idle.increment(),
        Lateness::WriteStalled => counts.connections_stalled.increment(),
        Lateness::Overdue => counts.connections_overdue.increment(),
    }
}
