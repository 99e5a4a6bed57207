//! Opening a store: here it is said which one it is.

use std::{path::Path, sync::Arc};

use tokio::sync::Mutex;

use super::{error::AppError, new_roots::RootsTender, root_key::Destination};
use crate::{
    changes::{
        Changes,
        support::{clock_mark, initialize::Maker},
    },
    domain::{
        policy::Policy,
        root::KeysInForce,
        time::{Clock, Entropy, TrustedClock},
    },
    index::Index,
    ports::{KeyStore, Lifecycle, Permits, StoredMark},
    store::{
        data_dir::DataDir,
        roots::{Roots, RootsSource},
        settings::StoreSettings,
        sqlite::{OpenError, SqliteStore},
    },
};

/// An open store and the keys that belong to it.
pub(super) struct Store {
    pub(super) port: Arc<dyn KeyStore>,
    pub(super) permits: Arc<dyn Permits>,
    pub(super) life: Arc<dyn Lifecycle>,
    pub(super) keys: Arc<KeysInForce>,
    /// For what only this store can.
    pub(super) sqlite: Arc<SqliteStore>,
    pub(super) clock: Arc<TrustedClock>,
    dir: DataDir,
    roots: RootsSource,
}

impl Store {
    pub(super) fn open(
        path: &Path,
        settings: &StoreSettings,
        entropy: &dyn Entropy,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, AppError> {
        let dir = DataDir::open(path)?;
        let (sqlite, _) = SqliteStore::open_with(&dir, settings, entropy, clock.wall())?;
        if sqlite.is_initialized() {
            // A first start that was cut off behind its commit.
            Roots::keep(dir.path(), &settings.roots).map_err(OpenError::from)?;
        }
        let clock = match sqlite.clock_mark() {
            StoredMark::Missing => TrustedClock::new(clock, None),
            StoredMark::At(time) if sqlite.ended_in_order() => TrustedClock::new(clock, Some(time)),
            StoredMark::At(time) => TrustedClock::after_a_crash(clock, time, clock_mark::GREATEST_AGE),
            StoredMark::Edited => return Err(OpenError::EditedMark(dir.database()).into()),
        };
        let (clock, sqlite) = (Arc::new(clock), Arc::new(sqlite));
        let port: Arc<dyn KeyStore> = Arc::<SqliteStore>::clone(&sqlite);
        let permits: Arc<dyn Permits> = Arc::<SqliteStore>::clone(&sqlite);
        let (keys, life): (_, Arc<dyn Lifecycle>) =
            (sqlite.keys_in_force(), Arc::<SqliteStore>::clone(&sqlite));
        Ok(Self { port, permits, life, sqlite, keys, clock, dir, roots: settings.roots.clone() })
    }

    /// Who changes its roots while it is served.
    pub(super) fn tender(&self, changes: &Arc<Changes>, index: Arc<Index>) -> RootsTender {
        RootsTender {
            store: Arc::clone(&self.sqlite),
            changes: Arc::clone(changes),
            index,
            keys: Arc::clone(&self.keys),
            clock: Arc::clone(&self.clock),
            data_dir: self.dir.path().to_owned(),
            source: self.roots.clone(),
            turn: Mutex::default(),
        }
    }

    /// Makes the first change of a new store; answers the policy where that was not needed.
    pub(super) async fn begin(
        &self,
        policy: Policy,
        entropy: &dyn Entropy,
        root_key: &Destination,
    ) -> Result<Option<Policy>, AppError> {
        if self.life.is_initialized() {
            root_key.finish()?;
            return Ok(Some(policy));
        }
        self.initialize(policy, entropy, root_key).await?;
        Ok(None)
    }

    /// The first change of a new store: the policy, the default workspace and the first administration key.
    pub(super) async fn initialize(
        &self,
        policy: Policy,
        entropy: &dyn Entropy,
        root_key: &Destination,
    ) -> Result<(), AppError> {
        let keys = self.keys.shared();
        let maker = Maker { entropy, lookup: &keys.lookup, now: self.clock.now() };
        let (mutation, secret) = maker.initialize(policy)?;
        let parcel = root_key.prepare(secret)?;
        parcel.settle(self.port.commit(mutation).await)?;
        Ok(Roots::keep(self.dir.path(), &self.roots).map_err(OpenError::from)?)
    }
}
