//! How a service is started, step by step.

use std::sync::{Arc, OnceLock};

use super::{
    error::AppError,
    listeners::Listeners,
    metrics::MetricSources,
    reach::Exposure,
    readiness::{LookedAt, ReadinessProbe, ViewAge},
    root_key::Destination,
    service::Service,
    services::Services,
    settings::Settings,
    store::Store,
    tasks::{Task, Tasks},
    threads::Threads,
};
use crate::{
    changes::support::{clock_mark::ClockWatch, initialize::Maker, last_use::UseWriter},
    counters::memory::{MemoryCounters, MemorySlot},
    domain::{policy::Policy, time::Entropy},
    follower::Follower,
    grpc::{health::HealthService, routes::HEALTH_NAMES},
    health::health,
    http::Site,
    index::Index,
    judge::JudgeParts,
    metrics::Metrics,
    ports::ReplicaId,
    server::tls::Tls,
};

impl Service {
    /// Starts a Keyward on the runtime that this is called on; makes its store if there is none.
    ///
    /// # Errors
    /// The store cannot be opened, or the address not be bound.
    pub async fn start(settings: Settings, root_key: &Destination) -> Result<Self, AppError> {
        // Before a file is made, and without listening: who probes a port is answered when Checks are.
        let tls = settings
            .tls
            .clone()
            .map(|files| Tls::load(files, settings.clock.wall()))
            .transpose()?
            .map(Arc::new);
        let (listeners, reach) = (Listeners::bind(&settings, tls.as_ref())?, Exposure::of(&settings));
        let Settings { entropy, limits, check_is_open, .. } = settings;
        let store = Store::open(&settings.data_dir, &settings.store, &*entropy, settings.clock)?;
        let first_policy = store.begin(settings.policy, &*entropy, root_key).await?;
        let is_new = first_policy.is_none();
        let index = Arc::new(Index::with_slots::<MemorySlot>());
        index.put_actors(Arc::new(settings.actors));
        let threads = Threads::start().map_err(AppError::Runtime)?;
        let follower = load(&store, &index, &threads, first_policy, &*entropy).await?;
        let counters = count(&store, &index).await?;
        let follower = tokio::spawn(follower.run());
        let mut tasks = Tasks::default();
        write_notes(&mut tasks, &store, &index);
        write_counts(&mut tasks, &counters);
        let (port, life, clock) =
            (Arc::clone(&store.port), Arc::clone(&store.life), Arc::clone(&store.clock));
        let looked_at = LookedAt {
            index: Arc::clone(&index),
            taking: port.taking(),
            revisions: port.revisions(),
            clock: Arc::clone(&clock),
            age: ViewAge::new(),
            tls: tls.clone(),
        };
        let (health, watch) = health();
        let health_service = HealthService::new(watch.clone(), HEALTH_NAMES).with_clock(Arc::clone(&clock));
        let keys = Arc::clone(&store.keys);
        let parts = JudgeParts { index, counters, clock, keys, count_wait: settings.count_wait };
        let services = Services::new(parts, port, entropy, &threads, settings.gateway, watch.clone());
        services.start_tasks(&mut tasks);
        let roots = Arc::new(store.tender(services.changes(), Arc::clone(&looked_at.index)));
        let gathered = Arc::new(MetricSources {
            judge: Arc::clone(services.judge()),
            lanes: Arc::clone(services.lanes()),
            life: Arc::clone(&life),
            health: watch.clone(),
            index: Arc::clone(&looked_at.index),
            revisions: looked_at.revisions.clone(),
            age: Arc::clone(&looked_at.age),
            tls: tls.clone(),
            log_lines: settings.log_lines,
            listeners: OnceLock::new(),
        });
        let shown: Arc<dyn Metrics> = Arc::<MetricSources>::clone(&gathered);
        let api = services.api(settings.http_check_is_open);
        let site = Site::new(api, watch, shown, settings.http_surfaces);
        let routes = services.routes(check_is_open, health_service, limits.message_bytes)?;
        let readiness = ReadinessProbe::begin(health.clone(), looked_at);
        let serving = listeners.serve(settings.workers, limits, (routes, site))?;
        gathered.show(serving.figures());
        Ok(Self {
            life,
            roots,
            tasks,
            threads,
            serving,
            health,
            readiness,
            follower,
            is_new,
            check_is_open,
            reach,
            tls,
        })
    }
}

/// Takes everything that is stored into memory, and a first policy into a store that was made before there were any.
async fn load(
    store: &Store,
    index: &Arc<Index>,
    threads: &Threads,
    first_policy: Option<Policy>,
    entropy: &dyn Entropy,
) -> Result<Follower, AppError> {
    let follower = Follower::new(Arc::clone(&store.port), Arc::clone(index), threads.following().clone());
    follower.load().await?;
    if let Some(policy) = first_policy.filter(|_| index.newest_policy_version() == 0) {
        let keys = store.keys.shared();
        let maker = Maker { entropy, lookup: &keys.lookup, now: store.clock.now() };
        store.port.commit(maker.adopt(policy)?).await?;
        follower.load().await?;
    }
    Ok(follower)
}

/// Goes on counting from what was written.
async fn count(store: &Store, index: &Arc<Index>) -> Result<Arc<MemoryCounters>, AppError> {
    let permits = (Arc::clone(&store.permits), ReplicaId::ONLY);
    Ok(Arc::new(MemoryCounters::open(permits, Arc::clone(index), Arc::clone(&store.clock)).await?))
}

/// Writes last uses and the clock's mark from now on.
fn write_notes(tasks: &mut Tasks, store: &Store, index: &Arc<Index>) {
    let uses = UseWriter::new(Arc::clone(&store.port), Arc::clone(index));
    let clock = ClockWatch::new(Arc::clone(&store.port), Arc::clone(&store.clock));
    tasks.start(Task::Notes, |stop| async move {
        tokio::join!(uses.run(stop.clone()), clock.run(stop));
        Ok(())
    });
}

/// Writes what was counted when the service is stopped, and only then: who is cut off must not say that the counts are whole.
fn write_counts(tasks: &mut Tasks, counters: &Arc<MemoryCounters>) {
    let counters = Arc::clone(counters);
    tasks.start(Task::Counts, |mut stop| async move {
        if stop.wait_for(|stop| *stop).await.is_ok() {
            counters.close().await?;
        }
        Ok(())
    });
}
