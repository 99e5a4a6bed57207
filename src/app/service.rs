//! A whole Keyward: store, view, changes and the way in, started in order and ended in order.

use std::{
    net::SocketAddr,
    num::NonZeroUsize,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use tokio::{sync::watch, task::JoinHandle};

use super::{
    error::AppError,
    listeners::{bind, serve},
    readiness::Readiness,
    root_key::Destination,
    threads::Threads,
};
use crate::{
    changes::{
        Changes, Parts,
        support::{
            clock_mark::{self, ClockWatch},
            initialize::Maker,
            last_use::UseWriter,
        },
    },
    counters::memory::{MemoryCounters, MemorySlot},
    domain::{
        gateway::Gateway,
        policy::Policy,
        root::DerivedKeys,
        time::{Clock, Entropy, TrustedClock},
    },
    follower::Follower,
    gateway::Desk,
    grpc::{
        api::Api,
        health::{HealthReporter, Serving, health},
        lanes::Lanes,
        routes::{HEALTH_NAMES, routes},
    },
    http::Site,
    index::Index,
    judge::{Judge, JudgeParts},
    ports::{KeyStore, Permits, ReplicaId, StoreError, StoredMark},
    server::{limits::ListenerLimits, listener::Running},
    store::{
        anchor::AnchorSettings,
        data_dir::DataDir,
        roots::Roots,
        sqlite::{OpenError, SqliteStore, WriterState},
    },
};

/// What a Keyward is started with.
pub struct Settings {
    /// Where its files are.
    pub data_dir: PathBuf,
    /// Where its anchor is, and what is taken in without it.
    pub anchor: AnchorSettings,
    /// Where gRPC is served.
    pub listen: SocketAddr,
    /// Where plain HTTP is served.
    pub http_listen: SocketAddr,
    /// Whether Check and BatchCheck need no caller.
    pub check_is_open: bool,
    /// The same over plain HTTP.
    pub http_check_is_open: bool,
    /// The policy that a new store begins with.
    pub policy: Policy,
    /// Where holders carry their keys when they come through a gateway.
    pub gateway: Gateway,
    /// What a client may take.
    pub limits: ListenerLimits,
    /// How many threads serve connections.
    pub workers: NonZeroUsize,
    /// How long a Check waits until what it would use of a limit is written.
    pub count_wait: Duration,
    /// What the machine says of time.
    pub clock: Arc<dyn Clock>,
    /// Randomness.
    pub entropy: Arc<dyn Entropy>,
}

/// A Keyward at work.
pub struct Service {
    store: Arc<SqliteStore>,
    counters: Arc<MemoryCounters>,
    threads: Threads,
    grpc: Running,
    http: Running,
    health: HealthReporter,
    readiness: Readiness,
    follower: JoinHandle<Result<(), StoreError>>,
    /// Writes last uses and the clock's mark.
    notes: (watch::Sender<bool>, JoinHandle<()>),
    usage_writer: (watch::Sender<bool>, JoinHandle<()>),
    /// Writes the ends of keys that could not be written.
    denied_writer: (watch::Sender<bool>, JoinHandle<()>),
    is_new: bool,
    check_is_open: bool,
}

/// Why a service stopped serving.
#[derive(Debug)]
pub enum Stopped {
    /// It was asked to.
    Asked,
    /// A part died.
    Died(String),
}

impl Service {
    /// Starts a Keyward on the runtime that this is called on; makes its store if there is none.
    ///
    /// # Errors
    /// The store cannot be opened, or the address not be bound.
    pub async fn start(settings: Settings, root_key: &Destination) -> Result<Self, AppError> {
        let Settings {
            data_dir,
            anchor,
            listen,
            http_listen,
            check_is_open,
            http_check_is_open,
            policy,
            gateway,
            limits,
            workers,
            count_wait,
            clock,
            entropy,
        } = settings;
        // Before a file is made, and without listening: who probes a port is answered when Checks are.
        let (grpc, http) = (bind(listen)?, bind(http_listen)?);
        tracing::info!(
            grpc.bound = %grpc.local_addr(),
            http.bound = %http.local_addr(),
            "starting: connections are refused until the store is loaded"
        );
        let store = Store::open(&data_dir, &anchor, &*entropy, clock)?;
        let is_new = !store.sqlite.is_initialized();
        let first_policy = if is_new {
            store.initialize(policy, &*entropy, root_key).await?;
            None
        } else {
            root_key.finish()?;
            Some(policy)
        };
        let Store { sqlite, keys, clock, .. } = store;
        let sqlite = Arc::new(sqlite);
        let port: Arc<dyn KeyStore> = Arc::<SqliteStore>::clone(&sqlite);

        let index = Arc::new(Index::with_slots::<MemorySlot>());
        let threads = Threads::start().map_err(AppError::Runtime)?;
        let follower = Follower::new(Arc::clone(&port), Arc::clone(&index), threads.following().clone());
        follower.load().await?;
        if let Some(policy) = first_policy.filter(|_| index.newest_policy_version() == 0) {
            // Made before there were policies.
            let maker = Maker { entropy: &*entropy, lookup: &keys.lookup, now: clock.now() };
            port.commit(maker.adopt(policy)?).await?;
            follower.load().await?;
        }
        let permits: (Arc<dyn Permits>, _) = (Arc::<SqliteStore>::clone(&sqlite), ReplicaId::ONLY);
        let counters = MemoryCounters::open(permits, Arc::clone(&index), Arc::clone(&clock));
        let counters = Arc::new(counters.await?);
        let follower = tokio::spawn(follower.run());
        let use_writer = UseWriter::new(Arc::clone(&port), Arc::clone(&index));
        let clock_watch = ClockWatch::new(Arc::clone(&port), Arc::clone(&clock));
        let (stop_notes, told_to_stop) = watch::channel(false);
        let notes = tokio::spawn(async move {
            tokio::join!(use_writer.run(told_to_stop.clone()), clock_watch.run(told_to_stop));
        });
        let notes = (stop_notes, notes);

        let readable = Arc::clone(&index);
        let time = Arc::clone(&clock);
        let parts =
            JudgeParts { index, counters: Arc::<MemoryCounters>::clone(&counters), clock, keys, count_wait };
        let (judge, changes) = verbs(parts, port, entropy);
        let lanes = Lanes::new(&threads.runtimes());
        let usage_writer = until_told(|stop| changes.usage_ledger().run(stop));
        let denied_writer = until_told(|stop| Arc::clone(&changes).tend_store(stop));
        let desk = Arc::new(Desk::new(Arc::clone(&judge), gateway));
        let api = |is_open| {
            let (judge, changes) = (Arc::clone(&judge), Arc::clone(&changes));
            Arc::new(Api::new(judge, changes, Arc::clone(&lanes), is_open, Arc::clone(&desk)))
        };
        let site = Site::new(api(http_check_is_open));
        let api = api(check_is_open);
        let (health, health_service) = health(HEALTH_NAMES);
        let message_bytes = limits.message_bytes;
        let routes = routes(
            Arc::clone(&api),
            Arc::clone(&api),
            Arc::clone(&api),
            Arc::clone(&api),
            api,
            health_service.with_clock(time),
            message_bytes,
        )?;
        let readiness = Readiness::begin(health.clone(), readable, sqlite.taking());
        let (grpc, http) = serve((grpc, listen), (http, http_listen), workers, limits, (routes, site))?;
        Ok(Self {
            store: sqlite,
            counters,
            threads,
            grpc,
            http,
            health,
            readiness,
            follower,
            notes,
            usage_writer,
            denied_writer,
            is_new,
            check_is_open,
        })
    }
}

impl Service {
    /// Where gRPC is served.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.grpc.local_addr()
    }

    /// Where plain HTTP is served.
    #[must_use]
    pub fn http_address(&self) -> SocketAddr {
        self.http.local_addr()
    }

    /// Says that it serves, and what to try first.
    pub fn announce(&self) {
        let address = self.address();
        let caller = if self.check_is_open { "" } else { " -H 'authorization: Bearer kw_admin_…'" };
        tracing::info!(listen = %self.http_address(), "serving /verify for gateways, and /v1/check in JSON; see /openapi.json");
        tracing::info!(listen = %address, "serving gRPC; a first Check, with whatever key:");
        tracing::info!(
            "grpcurl -plaintext{caller} -d '{{\"api_key\": \"kw_live_…\", \"scopes\": [\"messaging:send\"]}}' {address} \
             keyward.v1.KeyService/Check"
        );
        if self.is_new {
            tracing::info!(
                "make a key: keyward issue 'first key' --scope messaging:send --admin-key-file FILE"
            );
        }
    }

    /// Waits until a part dies; while all is well, for ever.
    pub async fn died(&mut self) -> Stopped {
        let mut writer = self.store.writer_state();
        let why = tokio::select! {
            part = self.grpc.died() => part.to_string(),
            part = self.http.died() => format!("of plain HTTP, {part}"),
            ended = &mut self.follower => match ended {
                Ok(Ok(())) => "the follower of the log ended".to_owned(),
                Ok(Err(error)) => format!("the log cannot be followed: {error}"),
                Err(error) => format!("the follower of the log died: {error}"),
            },
            () = self.notes.0.closed() => "the writer of last uses and the clock's mark died".to_owned(),
            () = self.usage_writer.0.closed() => "the writer of usage died".to_owned(),
            () = self.denied_writer.0.closed() => "what writes the ends that could not be written died".to_owned(),
            _ended = writer.wait_for(|state| *state == WriterState::Ended) => "the store's writer died".to_owned(),
        };
        Stopped::Died(why)
    }

    /// Stops accepting, lets calls in flight finish, writes what is to be written, and closes the store.
    ///
    /// # Errors
    /// Something died before or does not end in order.
    pub async fn shutdown(self, stopped: Stopped) -> Result<(), AppError> {
        let Self {
            store,
            counters,
            threads,
            grpc,
            http,
            health,
            readiness,
            follower,
            notes,
            usage_writer,
            denied_writer,
            ..
        } = self;
        health.report(Serving::Draining);
        drop((health, readiness));
        let (grpc_drained, http_drained) = tokio::join!(grpc.shutdown(), http.shutdown());
        let (stop_denied, denied_writer) = denied_writer;
        stop_denied.send_replace(true);
        let denied_written = denied_writer.await;
        let (stop_notes, notes) = notes;
        stop_notes.send_replace(true);
        let written = notes.await;
        let counted = counters.close().await;
        let (stop_usage, usage_writer) = usage_writer;
        stop_usage.send_replace(true);
        let usage_written = usage_writer.await;
        follower.abort();
        drop(threads);
        let closed = store.close().await;
        grpc_drained?;
        http_drained?;
        counted?;
        closed?;
        written.map_err(|died| {
            AppError::Died(format!("what writes last uses and the clock's mark died: {died}"))
        })?;
        denied_written.map_err(|died| {
            AppError::Died(format!("what writes the ends that could not be written died: {died}"))
        })?;
        usage_written.map_err(|died| AppError::Died(format!("the writer of usage died: {died}")))?;
        match stopped {
            Stopped::Asked => Ok(()),
            Stopped::Died(why) => Err(AppError::Died(why)),
        }
    }
}

/// What decides, and what changes.
fn verbs(
    parts: JudgeParts,
    store: Arc<dyn KeyStore>,
    entropy: Arc<dyn Entropy>,
) -> (Arc<Judge>, Arc<Changes>) {
    let JudgeParts { index, counters, clock, keys, .. } = parts.clone();
    let judge = Arc::new(Judge::new(parts));
    let parts = Parts { judge: Arc::clone(&judge), store, counters, index, clock, entropy, keys };
    (judge, Arc::new(Changes::new(parts)))
}

/// Does work of its own until it is told to stop.
fn until_told<F: Future<Output = ()> + Send + 'static>(
    work: impl FnOnce(watch::Receiver<bool>) -> F,
) -> (watch::Sender<bool>, JoinHandle<()>) {
    let (stop, told_to_stop) = watch::channel(false);
    (stop, tokio::spawn(work(told_to_stop)))
}

/// An open store and the keys that belong to it.
pub(super) struct Store {
    pub(super) sqlite: SqliteStore,
    pub(super) keys: Arc<DerivedKeys>,
    pub(super) clock: Arc<TrustedClock>,
    dir: DataDir,
}

impl Store {
    pub(super) fn open(
        path: &Path,
        anchor: &AnchorSettings,
        entropy: &dyn Entropy,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, AppError> {
        let dir = DataDir::open(path)?;
        let (sqlite, keys) = SqliteStore::open_with(&dir, anchor, entropy, clock.wall())?;
        if sqlite.is_initialized() {
            // A first start that was cut off behind its commit.
            Roots::keep(dir.path()).map_err(OpenError::from)?;
        }
        let clock = match sqlite.clock_mark() {
            StoredMark::Missing => TrustedClock::new(clock, None),
            StoredMark::At(time) if sqlite.ended_in_order() => TrustedClock::new(clock, Some(time)),
            StoredMark::At(time) => TrustedClock::after_a_crash(clock, time, clock_mark::GREATEST_AGE),
            StoredMark::Edited => return Err(OpenError::EditedMark(dir.database()).into()),
        };
        let clock = Arc::new(clock);
        Ok(Self { sqlite, keys, clock, dir })
    }

    /// The first change of a new store: the policy, the default workspace and the first administration key.
    pub(super) async fn initialize(
        &self,
        policy: Policy,
        entropy: &dyn Entropy,
        root_key: &Destination,
    ) -> Result<(), AppError> {
        let maker = Maker { entropy, lookup: &self.keys.lookup, now: self.clock.now() };
        let (mutation, secret) = maker.initialize(policy)?;
        let parcel = root_key.prepare(secret)?;
        parcel.settle(self.sqlite.commit(mutation).await)?;
        Ok(Roots::keep(self.dir.path()).map_err(OpenError::from)?)
    }
}
