//! Roots that are changed while Keyward serves: read anew when asked for, and taken without a restart.

use std::{convert::Infallible, path::PathBuf, sync::Arc};

use tokio::{sync::Mutex, task::JoinError};

use super::error::AppError;
use crate::{
    changes::Changes,
    domain::{root::KeysInForce, time::TrustedClock},
    index::{Index, LayingRoot},
    ports::StoreError,
    shutdown::HangUps,
    store::{
        data_dir::database_in,
        roots::{FoundRoots, Roots, RootsSource},
        sqlite::{AddedRoot, OpenError, SqliteStore},
    },
};

/// Who looks at the roots anew.
pub(super) struct RootsTender {
    pub(super) store: Arc<SqliteStore>,
    pub(super) changes: Arc<Changes>,
    pub(super) index: Arc<Index>,
    pub(super) keys: Arc<KeysInForce>,
    pub(super) clock: Arc<TrustedClock>,
    pub(super) data_dir: PathBuf,
    pub(super) source: RootsSource,
    /// One look at a time, until memory has what it found.
    pub(super) turn: Mutex<()>,
}

impl RootsTender {
    /// Looks at the roots whenever `asked`, for as long as the process serves.
    pub(super) async fn tend(self: Arc<Self>, mut asked: HangUps) -> Infallible {
        loop {
            asked.next().await;
            let this = Arc::clone(&self);
            // Once begun it goes on: what was begun in memory is not left half-way.
            match tokio::spawn(async move { this.look().await }).await {
                Ok(Ok(true)) => {
                    tracing::info!(root = self.keys.now().newest, "SIGHUP: the roots at hand are in force");
                }
                Ok(Ok(false)) => {
                    tracing::info!(root = self.keys.now().newest, "SIGHUP: the roots have not changed");
                }
                Ok(Err(error)) => {
                    tracing::error!(%error, root = self.keys.now().newest, "SIGHUP: the roots are refused; those in force stay");
                }
                Err(error) => tracing::error!(%error, "SIGHUP: the look at the roots died"),
            }
        }
    }

    /// Reads the roots anew, and takes those that are new or does without those that are gone; whether anything changed.
    ///
    /// # Errors
    /// They cannot be read, are another store's, or one is missing that is in use; the store takes no change now.
    pub(super) async fn look(&self) -> Result<bool, AppError> {
        let _turn = self.turn.lock().await;
        let (data_dir, source) = (self.data_dir.clone(), self.source.clone());
        let found = tokio::task::spawn_blocking(move || Roots::find(&data_dir, &source)).await;
        let roots = match found.map_err(|error| died(&error))?.map_err(OpenError::from)? {
            FoundRoots::Kept(roots) | FoundRoots::New(roots) => roots,
            FoundRoots::Missing => return Err(OpenError::LostRoots(database_in(&self.data_dir)).into()),
        };
        let looked = self.store.look_at_roots(roots, self.source.clone(), self.clock.now()).await?;
        let Some(at_hand) = looked else { return Ok(false) };
        let still = self.changes.stand_still().await?;
        if let Some(AddedRoot { under, since, settled }) = self.store.take_roots(at_hand).await? {
            let reached = self.index.reached(since).await;
            reached.map_err(|_stopped| StoreError::Unavailable("Keyward is stopping".to_owned()))?;
            self.index.begin_laying(LayingRoot { keys: Arc::clone(&settled), under, since });
            drop(still);
            let index = Arc::clone(&self.index);
            tokio::task::spawn_blocking(move || index.lay_root()).await.map_err(|error| died(&error))?;
            self.keys.put(settled);
        }
        Ok(true)
    }
}

fn died(error: &JoinError) -> AppError {
    StoreError::Unavailable(format!("the look at the roots died: {error}")).into()
}
