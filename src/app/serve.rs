//! `keyward serve`.

use std::{sync::Arc, time::Duration};

use super::{
    actors,
    begin::{load, runtime, store_of},
    error::AppError,
    memory::give_back,
    root_key::Destination,
    service::{Service, StopReason},
    settings::Settings,
    tls::tend,
};
use crate::{
    config::{self, args::ServeArgs},
    domain::surfaces::Surfaces,
    server::{
        limits::ListenerLimits,
        listener::cores,
        tls::{ClientCa, TlsFiles},
    },
    shutdown::{HangUps, Signals},
    system::{SystemClock, SystemEntropy},
    telemetry,
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
    let tls = args.tls_cert.clone().zip(args.tls_key.clone());
    let clients = args.client_ca.clone();
    let clients = clients.map(|file| ClientCa { file, is_required: args.require_client_cert });
    let tls = tls.map(|(certificate, key)| TlsFiles { certificate, key, clients });
    let unless_told = Surfaces::unless_told(http_check_is_open);
    let http_surfaces = args.http_surfaces.unwrap_or(unless_told);
    let may_be_clear = http_check_is_open || http_surfaces.only_watch();
    for (address, may_be_clear) in [(args.listen, check_is_open), (args.http_listen, may_be_clear)] {
        if may_be_clear || tls.is_some() {
            continue;
        }
        if !args.insecure_listen_beyond_loopback_without_tls {
            return Err(AppError::BeyondLoopback(address));
        }
        tracing::warn!(listen = %address, "keys and secrets cross the network unencrypted; every call needs a caller");
    }
    if !config.actors.is_empty() && args.client_ca.is_none() {
        return Err(AppError::ActorsWithoutCertificates);
    }
    let destination = Destination::choose(&args.data);
    let mut store = store_of(args.data.anchor.as_deref(), &args.data.roots, args.accept_rollback);
    store.without_upgrade_copy = args.no_upgrade_copy;
    let settings = Settings {
        data_dir: args.data.data_dir.clone(),
        store,
        listen: args.listen,
        http_listen: args.http_listen,
        http_surfaces,
        probes_listen: args.probes_listen,
        tls,
        check_is_open,
        http_check_is_open,
        policy: config::first_policy(args.data.policy.as_deref())?,
        gateway: config.gateway,
        actors: config.actors,
        limits: ListenerLimits { in_flight_bytes: args.in_flight_mib << 20, ..ListenerLimits::default() },
        workers: args.workers.unwrap_or_else(cores),
        count_wait: Duration::from_millis(args.count_wait_ms.into()),
        log_lines: logging.lost_lines(),
        clock: Arc::new(SystemClock),
        entropy: Arc::new(SystemEntropy::default()),
    };
    runtime()?.block_on(async {
        let mut signals = Signals::take().map_err(AppError::Runtime)?;
        let hang_ups = || HangUps::take().map_err(AppError::Runtime);
        // Before the start, so that one that comes meanwhile ends nothing, and is heard behind it.
        let (to_roots, to_tls, to_actors) = (hang_ups()?, hang_ups()?, hang_ups()?);
        let clock = Arc::clone(&settings.clock);
        let mut service = Service::start(settings, &destination).await?;
        service.announce();
        let (roots, tls) = (Arc::clone(&service.roots), service.tls.clone());
        let (index, file) = (Arc::clone(&roots.index), args.data.config.clone());
        let stopped = tokio::select! {
            () = signals.next() => StopReason::Asked,
            stopped = service.died() => stopped,
            never = logging.tell_of_lost() => match never {},
            never = roots.tend(to_roots) => match never {},
            never = give_back() => match never {},
            never = tend(tls, &*clock, to_tls) => match never {},
            never = actors::tend(file, index, to_actors) => match never {},
        };
        tracing::info!("stopping: calls in flight finish first");
        tokio::select! {
            ended = service.shutdown(stopped) => ended,
            () = signals.again() => Err(AppError::Aborted),
        }
    })
}

/// Raises the limit of open files as far as the system lets us: each connection takes one.
fn raise_descriptor_limit() {
    match rlimit::increase_nofile_limit(u64::MAX) {
        Ok(limit) => tracing::debug!(limit, "open files"),
        Err(why) => tracing::warn!(%why, "the limit of open files could not be raised"),
    }
}
