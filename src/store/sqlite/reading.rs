//! Which reads run when: a few at once, few of them for long, and the follower's behind no other.

use std::{num::NonZeroUsize, sync::Arc, thread};

use rusqlite::Connection;
use tokio::sync::{OwnedSemaphorePermit, oneshot};

use super::{
    failure, follower,
    snapshot::KeyedSnapshot,
    start::{self, Loaded},
    store::{MAX_READS, SqliteStore},
    writer::WriterWork,
};
use crate::{
    domain::{
        revision::Revision,
        root::{DerivedKeys, KeysInForce},
    },
    ports::{Pending, StoreError, ViewSink},
};

impl SqliteStore {
    pub(super) fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Connection, &DerivedKeys) -> Result<T, StoreError> + Send + 'static,
    ) -> Pending<'_, T> {
        Box::pin(async move { self.read_pinned(self.place()?, read).await })
    }

    /// Reads what can take long, behind others who do: few of them at a time.
    pub(super) fn read_long<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Connection, &DerivedKeys) -> Result<T, StoreError> + Send + 'static,
    ) -> Pending<'_, T> {
        Box::pin(async move {
            let place = self.place()?;
            let turn = Arc::clone(&self.long_reads).acquire_owned().await;
            let turn = turn.map_err(|error| StoreError::Unavailable(error.to_string()))?;
            self.read_pinned((place, turn), read).await
        })
    }

    /// A place among those who read or wait for it.
    fn place(&self) -> Result<OwnedSemaphorePermit, StoreError> {
        Arc::clone(&self.reads).try_acquire_owned().map_err(|error| {
            StoreError::Unavailable(format!("{MAX_READS} reads run or wait already: {error}"))
        })
    }

    /// Reads one snapshot, with the keys that read it.
    fn read_pinned<T: Send + 'static>(
        &self,
        permit: impl Send + 'static,
        read: impl FnOnce(&Connection, &DerivedKeys) -> Result<T, StoreError> + Send + 'static,
    ) -> Pending<'_, T> {
        self.read_with(permit, |connection, keys| pinned(connection, keys, read))
    }

    /// Reads, and holds the permit until that is done: the caller may be gone before.
    pub(super) fn read_with<T: Send + 'static>(
        &self,
        permit: impl Send + 'static,
        read: impl FnOnce(&mut Connection, &KeysInForce) -> Result<T, StoreError> + Send + 'static,
    ) -> Pending<'_, T> {
        let (readers, keys) = (self.readers.clone(), Arc::clone(&self.keys));
        Box::pin(async move {
            let reading = tokio::task::spawn_blocking(move || {
                let _permit = permit;
                let connection = readers.get();
                let mut connection = connection
                    .map_err(|error| StoreError::Unavailable(format!("no reader is free: {error}")))?;
                read(&mut connection, &keys)
            });
            reading.await.unwrap_or_else(|error| Err(StoreError::Unavailable(error.to_string())))
        })
    }
}

impl SqliteStore {
    /// Hands everything that is stored to a sink. Where the log had to be read for that, what it told is written down, so that
    /// the next start needs it no more; a store that takes no change stays as it is.
    pub(super) fn load_into(&self, sink: Arc<dyn ViewSink>) -> Pending<'_, Revision> {
        let readers = self.readers.clone();
        let loading = self.follow_with(move |connection, keys| {
            let cores = thread::available_parallelism().map_or(1, NonZeroUsize::get);
            let beside = cores.saturating_sub(1);
            let mut others: Vec<_> = (0..beside).map_while(|_| readers.try_get()).collect();
            // No root is changed before everything is loaded.
            start::load(connection, &keys.shared(), &mut others, &*sink)
        });
        Box::pin(async move {
            let Loaded { revision, repair } = loading.await?;
            if let Some(mut repair) = repair {
                repair.time = self.opened;
                let written = self.ask(|answer| WriterWork::Repair(Box::new(repair), answer)).await;
                if let Err(error) = written {
                    tracing::warn!(%error, "what the log told cannot be written down: the next start reads it again");
                }
            }
            // Not before: until then nobody knows which rows can be trusted. Where the writer is gone, somebody else says so.
            let _gone = self.begin_rewriting();
            Ok(revision)
        })
    }

    /// Reads one snapshot for the follower of the log.
    pub(super) fn follow<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Connection, &DerivedKeys) -> Result<T, StoreError> + Send + 'static,
    ) -> Pending<'_, T> {
        self.follow_with(|connection, keys| pinned(connection, keys, read))
    }

    /// Reads for the follower of the log.
    fn follow_with<T: Send + 'static>(
        &self,
        read: impl FnOnce(&mut Connection, &KeysInForce) -> Result<T, StoreError> + Send + 'static,
    ) -> Pending<'_, T> {
        Box::pin(async move {
            let (answer, answered) = oneshot::channel();
            let read: follower::ReadJob = Box::new(move |connection, keys| {
                let _gone = answer.send(read(connection, keys));
            });
            let full = |error| StoreError::Unavailable(format!("the follower's reads: {error}"));
            self.follower.try_send(read).map_err(full)?;
            let died = |_| Err(StoreError::Unavailable("the follower's thread has ended".to_owned()));
            answered.await.unwrap_or_else(died)
        })
    }
}

/// Reads one snapshot with the keys that read it.
fn pinned<T>(
    connection: &Connection,
    keys: &KeysInForce,
    read: impl FnOnce(&Connection, &DerivedKeys) -> Result<T, StoreError>,
) -> Result<T, StoreError> {
    let fixed =
        KeyedSnapshot::fix(connection, &|| keys.shared()).map_err(|error| failure::of_reading(&error))?;
    read(&fixed.transaction, &fixed.keys)
}
