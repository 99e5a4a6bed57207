//! `keyward recover`.

use std::sync::Arc;

use super::{
    begin::{is_begun, load, runtime, store_of},
    error::AppError,
    root_key::Destination,
    store::Store,
};
use crate::{
    changes::support::initialize::Maker,
    config::{self, args::RecoverArgs},
    ports::PolicyView,
    system::{SystemClock, SystemEntropy},
};

/// Makes a new administration key for a store whose others are lost. No other process may have the store open.
///
/// # Errors
/// There is no store, it is in use, or the key cannot be made.
pub fn recover(args: &RecoverArgs) -> Result<(), AppError> {
    let (_config, _logging) = load(&args.data)?;
    let first_policy = config::first_policy(args.data.policy.as_deref())?;
    let destination = Destination::choose(&args.data);
    if !is_begun(&args.data.data_dir) {
        return Err(AppError::NotInitialized(args.data.data_dir.clone()));
    }
    runtime()?.block_on(async {
        let entropy = SystemEntropy::default();
        let settings = store_of(args.data.anchor.as_deref(), &args.data.roots, args.accept_rollback);
        let store = Store::open(&args.data.data_dir, &settings, &entropy, Arc::new(SystemClock))?;
        if !store.life.is_initialized() {
            return Err(AppError::NotInitialized(args.data.data_dir.clone()));
        }
        let view = store.port.whole().await?;
        let default = view.workspaces.iter().find(|workspace| workspace.is_default);
        let default = default.ok_or_else(|| AppError::NotInitialized(args.data.data_dir.clone()))?.id;
        let keys = store.keys.shared();
        let maker = Maker { entropy: &entropy, lookup: &keys.lookup, now: store.clock.now() };
        // For the prefix of administration keys; where the stored one is damaged, that of the first one serves.
        let policy = match &view.policy {
            Some(PolicyView::Sound(stored)) => &stored.policy,
            Some(PolicyView::Damaged { .. }) | None => &first_policy,
        };
        let (mutation, secret) = maker.recover(default, policy)?;
        let parcel = destination.prepare(secret)?;
        parcel.settle(store.port.commit(mutation).await)?;
        Ok(store.life.close().await?)
    })
}
