//! Wires the adapters together; the one place that names them all.

mod background;
mod doctor;
mod error;
mod listeners;
mod readiness;
mod root_key;
mod service;
mod threads;

use std::{path::Path, sync::Arc, time::Duration};

use self::service::Store;
pub use self::{
    doctor::doctor,
    error::AppError,
    root_key::Destination,
    service::{Service, Settings, Stopped},
};
use crate::{
    changes::support::initialize::Maker,
    config::{
        self, Config, LogFormat,
        args::{DataArgs, InitArgs, RecoverArgs, ServeArgs},
        zoneinfo,
    },
    domain::{audit::Revision, zones},
    ports::{KeyStore as _, PolicyView, Verification},
    server::{limits::ListenerLimits, listener::cores},
    shutdown::Signals,
    store::{
        anchor::AnchorSettings,
        data_dir::holds_database,
        roots::{FoundRoots, Roots},
        sqlite::{self, OpenError},
    },
    system::{SystemClock, SystemEntropy},
    telemetry::{self, Logging},
};

/// Serves until a signal says to stop, or a part dies.
///
/// # Errors
/// It cannot start, a part died, or not everything ended in order: the process must end with a failing code.
pub fn serve(args: &ServeArgs) -> Result<(), AppError> {
    let (config, logging) = load(&args.data)?;
    telemetry::log_panics();
    raise_descriptor_limit();
    let check_is_open = args.listen.ip().is_loopback();
    let http_check_is_open = args.http_listen.ip().is_loopback();
    for (address, is_open) in [(args.listen, check_is_open), (args.http_listen, http_check_is_open)] {
        if is_open {
            continue;
        }
        if !args.insecure_listen_beyond_loopback_without_tls {
            return Err(AppError::BeyondLoopback(address));
        }
        tracing::warn!(listen = %address, "keys and secrets cross the network unencrypted; every call needs a caller");
    }
    let destination = Destination::choose(&args.data);
    let settings = Settings {
        data_dir: args.data.data_dir.clone(),
        anchor: anchor_of(&args.data, args.accept_rollback),
        listen: args.listen,
        http_listen: args.http_listen,
        check_is_open,
        http_check_is_open,
        policy: config::first_policy(args.data.policy.as_deref())?,
        gateway: config.gateway,
        limits: ListenerLimits { in_flight_bytes: args.in_flight_mib << 20, ..ListenerLimits::default() },
        workers: args.workers.unwrap_or_else(cores),
        count_wait: Duration::from_millis(args.count_wait_ms.into()),
        clock: Arc::new(SystemClock),
        entropy: Arc::new(SystemEntropy::default()),
    };
    runtime()?.block_on(async {
        let mut signals = Signals::take().map_err(AppError::Runtime)?;
        let mut service = Service::start(settings, &destination).await?;
        service.announce();
        let stopped = tokio::select! {
            () = signals.next() => Stopped::Asked,
            stopped = service.died() => stopped,
            never = logging.tell_of_lost() => match never {},
        };
        tracing::info!("stopping: calls in flight finish first");
        tokio::select! {
            ended = service.shutdown(stopped) => ended,
            () = signals.again() => Err(AppError::Aborted),
        }
    })
}

/// Makes a store and its first administration key, and serves nothing.
///
/// # Errors
/// There is a store already, or it cannot be made.
pub fn initialize(args: &InitArgs) -> Result<(), AppError> {
    let (_config, _logging) = load(&args.data)?;
    let policy = config::first_policy(args.data.policy.as_deref())?;
    let destination = Destination::choose(&args.data);
    runtime()?.block_on(async {
        let anchor = anchor_of(&args.data, None);
        let store =
            Store::open(&args.data.data_dir, &anchor, &SystemEntropy::default(), Arc::new(SystemClock))?;
        if store.sqlite.is_initialized() {
            return Err(AppError::AlreadyInitialized(args.data.data_dir.clone()));
        }
        store.initialize(policy, &SystemEntropy::default(), &destination).await?;
        Ok(store.sqlite.close().await?)
    })
}

/// Makes a new administration key for a store whose others are lost. Nobody else may have the store open.
///
/// # Errors
/// There is no store, it is in use, or the key cannot be made.
pub fn recover(args: &RecoverArgs) -> Result<(), AppError> {
    let (_config, _logging) = load(&args.data)?;
    let first_policy = config::first_policy(args.data.policy.as_deref())?;
    let destination = Destination::choose(&args.data);
    if !is_begun(&args.data.data_dir)? {
        return Err(AppError::NotInitialized(args.data.data_dir.clone()));
    }
    runtime()?.block_on(async {
        let entropy = SystemEntropy::default();
        let anchor = anchor_of(&args.data, args.accept_rollback);
        let store = Store::open(&args.data.data_dir, &anchor, &entropy, Arc::new(SystemClock))?;
        if !store.sqlite.is_initialized() {
            return Err(AppError::NotInitialized(args.data.data_dir.clone()));
        }
        let view = store.sqlite.load().await?;
        let default = view.workspaces.iter().find(|workspace| workspace.is_default);
        let default = default.ok_or_else(|| AppError::NotInitialized(args.data.data_dir.clone()))?.id;
        let maker = Maker { entropy: &entropy, lookup: &store.keys.lookup, now: store.clock.now() };
        // For the prefix of administration keys; where the stored one is damaged, that of the first one serves.
        let policy = match &view.policy {
            Some(PolicyView::Sound(stored)) => &stored.policy,
            Some(PolicyView::Damaged { .. }) | None => &first_policy,
        };
        let (mutation, secret) = maker.recover(default, policy)?;
        let parcel = destination.prepare(secret)?;
        parcel.settle(store.sqlite.commit(mutation).await)?;
        Ok(store.sqlite.close().await?)
    })
}

/// Reads the whole log of a data directory, whether a server runs in it or not.
///
/// # Errors
/// There is no store, or it cannot be read. A log that does not hold is an answer, not an error.
pub fn verify_offline(data_dir: &Path, anchor: Option<&Path>) -> Result<Verification, AppError> {
    let anchor = AnchorSettings { place: anchor.map(Path::to_owned), accepted: None };
    Ok(sqlite::verify_offline(data_dir, &anchor)?)
}

/// What the flags say of the anchor.
fn anchor_of(args: &DataArgs, accepted: Option<u64>) -> AnchorSettings {
    AnchorSettings { place: args.anchor.clone(), accepted: accepted.map(Revision) }
}

/// Whether a directory holds a store, or what is left of one: opening it would make one where there is nothing.
fn is_begun(data_dir: &Path) -> Result<bool, AppError> {
    let roots = Roots::find(data_dir).map_err(OpenError::from)?;
    Ok(holds_database(data_dir) || !matches!(roots, FoundRoots::Missing))
}

/// Reads the configuration and starts logging, which ends when its value is dropped.
fn load(args: &DataArgs) -> Result<(Config, Logging), AppError> {
    // Before any document is read.
    zoneinfo::use_directory(args.zoneinfo.as_deref())?;
    let config = Config::load(args.config.as_deref())?;
    let logging = telemetry::start(&config::log_filter(), config.log_format == LogFormat::Json)?;
    if args.zoneinfo.is_some() {
        tracing::info!(zones = zones::in_force(), "time zones of the operator's own");
    }
    Ok((config, logging))
}

/// Raises the limit of open files as far as the system lets us: each connection takes one.
fn raise_descriptor_limit() {
    match rlimit::increase_nofile_limit(u64::MAX) {
        Ok(limit) => tracing::debug!(limit, "open files"),
        Err(why) => tracing::warn!(%why, "the limit of open files could not be raised"),
    }
}

/// The runtime of the service: what Checks and revocations stand on. Checks have one of their own for each core, and
/// administration has its own threads.
fn runtime() -> Result<tokio::runtime::Runtime, AppError> {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .thread_name("service")
        .enable_all()
        .build()
        .map_err(AppError::Runtime)
}
