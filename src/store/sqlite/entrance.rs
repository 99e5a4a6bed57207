//! How a store is come by: opened with its roots and its anchor, or made.

use std::sync::Arc;

use super::{
    open::{self, OpenError},
    store::SqliteStore,
};
use crate::{
    domain::{
        root::DerivedKeys,
        time::{Entropy, Timestamp},
    },
    store::{data_dir::DataDir, settings::StoreSettings},
};

impl SqliteStore {
    /// Opens the store of a data directory with its roots, or makes both. A store just made has an empty log, and
    /// waits for its first change ([`Lifecycle::is_initialized`](crate::ports::Lifecycle::is_initialized)); after that, [`crate::store::roots::Roots::keep`].
    ///
    /// # Errors
    /// Roots and database do not belong together, or one of them cannot be used.
    pub fn open(
        dir: &DataDir,
        entropy: &dyn Entropy,
        now: Timestamp,
    ) -> Result<(Self, Arc<DerivedKeys>), OpenError> {
        Self::open_with(dir, &StoreSettings::default(), entropy, now)
    }

    /// The same with roots or an anchor at another place, or with a database that the operator takes in as it is.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub fn open_with(
        dir: &DataDir,
        settings: &StoreSettings,
        entropy: &dyn Entropy,
        now: Timestamp,
    ) -> Result<(Self, Arc<DerivedKeys>), OpenError> {
        let opened = open::open(dir, settings, entropy, now)?;
        let keys = Arc::clone(&opened.keys);
        Ok((Self::start(dir, opened)?, keys))
    }
}
