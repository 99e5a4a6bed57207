//! What is read at once, with the keys that read it.

use std::sync::Arc;

use rusqlite::{Connection, Transaction};

use crate::domain::root::DerivedKeys;

/// A snapshot of the database, and the keys in force while it was fixed.
///
/// A new root is in force before anything is committed under it, and an old one until everything was committed under another: so
/// these keys read whatever the snapshot has.
pub(super) struct KeyedSnapshot<'c> {
    pub(super) transaction: Transaction<'c>,
    pub(super) keys: Arc<DerivedKeys>,
}

impl<'c> KeyedSnapshot<'c> {
    /// Fixes what the connection sees, where nothing is open on it; `keys` says which are in force.
    pub(super) fn fix(
        connection: &'c Connection,
        keys: &dyn Fn() -> Arc<DerivedKeys>,
    ) -> rusqlite::Result<Self> {
        loop {
            let before = keys();
            let transaction = connection.unchecked_transaction()?;
            // The first read is what fixes it.
            transaction.prepare_cached("SELECT 1 FROM meta LIMIT 1")?.query(())?.next()?;
            let keys = keys();
            if Arc::ptr_eq(&before, &keys) {
                return Ok(Self { transaction, keys });
            }
        }
    }
}
