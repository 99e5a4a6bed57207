//! What every command begins with: configuration, logging, a runtime, and where the store is.

use std::path::Path;

use super::error::AppError;
use crate::{
    config::{
        self, Config, LogFormat,
        args::{DataArgs, RootsArgs},
        zoneinfo,
    },
    domain::{revision::Revision, zones},
    store::{
        anchor::AnchorSettings,
        data_dir::holds_database,
        roots::{Roots, RootsSource},
        settings::StoreSettings,
    },
    telemetry::{self, Logging},
};

/// Reads the configuration and starts logging, which ends when its value is dropped.
pub(super) fn load(args: &DataArgs) -> Result<(Config, Logging), AppError> {
    // Before any document is read.
    zoneinfo::use_directory(args.zoneinfo.as_deref())?;
    let config = Config::load(args.config.as_deref())?;
    let logging = telemetry::start(&config::log_filter(), config.log_format == LogFormat::Json)?;
    if args.zoneinfo.is_some() {
        tracing::info!(zones = zones::in_force(), "time zones of the operator's own");
    }
    Ok((config, logging))
}

/// What the flags say of where the anchor and the roots are, and of what is taken in.
pub(super) fn store_of(anchor: Option<&Path>, roots: &RootsArgs, accepted: Option<u64>) -> StoreSettings {
    let anchor = AnchorSettings { place: anchor.map(Path::to_owned), accepted: accepted.map(Revision) };
    StoreSettings { anchor, roots: roots_of(roots), ..StoreSettings::default() }
}

/// What the flags say of where the roots are kept.
fn roots_of(args: &RootsArgs) -> RootsSource {
    if let Some(file) = &args.roots_file {
        RootsSource::File(file.clone())
    } else if let Some(name) = &args.roots_credential {
        RootsSource::Credential { name: name.clone(), directory: config::credentials_directory() }
    } else if let Some(command) = &args.roots_command {
        RootsSource::Command(command.clone())
    } else {
        RootsSource::DataDir
    }
}

/// Whether a directory holds a store, or what is left of one: opening it would make one where there is nothing.
pub(super) fn is_begun(data_dir: &Path) -> bool {
    holds_database(data_dir) || Roots::are_known_in(data_dir)
}

/// The runtime of the service: what Checks and revocations stand on. Checks have one of their own for each core, and
/// administration has its own threads.
pub(super) fn runtime() -> Result<tokio::runtime::Runtime, AppError> {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .thread_name("service")
        .enable_all()
        .build()
        .map_err(AppError::Runtime)
}
