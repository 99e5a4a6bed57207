//! `keyward init`.

use std::sync::Arc;

use super::{
    begin::{load, runtime, store_of},
    error::AppError,
    root_key::Destination,
    store::Store,
};
use crate::{
    config::{self, args::InitArgs},
    system::{SystemClock, SystemEntropy},
};

/// Makes a store and its first administration key, and serves nothing.
///
/// # Errors
/// There is a store already, or it cannot be made.
pub fn initialize(args: &InitArgs) -> Result<(), AppError> {
    let (_config, _logging) = load(&args.data)?;
    let policy = config::first_policy(args.data.policy.as_deref())?;
    let destination = Destination::choose(&args.data);
    runtime()?.block_on(async {
        let settings = store_of(args.data.anchor.as_deref(), &args.data.roots, None);
        let store =
            Store::open(&args.data.data_dir, &settings, &SystemEntropy::default(), Arc::new(SystemClock))?;
        if store.life.is_initialized() {
            return Err(AppError::AlreadyInitialized(args.data.data_dir.clone()));
        }
        store.initialize(policy, &SystemEntropy::default(), &destination).await?;
        Ok(store.life.close().await?)
    })
}
