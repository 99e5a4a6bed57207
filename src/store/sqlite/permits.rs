//! Permits of the one process that counts by a SQLite store. What it asks for is granted: no other process takes any.

use std::sync::Arc;

use tokio::sync::watch;

use super::{
    failure,
    permit_rows::{self, NotedCounts, PermitRow},
    store::SqliteStore,
    writer::WriterWork,
};
use crate::{
    domain::{limit::Replicas, time::Now},
    ports::{
        CountSink, GiveBack, KeptCounts, KeyStore, PackedCounts, PayerPart, Pending, Permits, PermitsFound,
        ReplicaId, StoreError, Take, Taking,
    },
};

impl SqliteStore {
    fn write_permits(&self, replica: ReplicaId, rows: Vec<PermitRow>) -> Pending<'_, ()> {
        let written = only(replica).map(|()| self.ask(|answer| WriterWork::Permits(rows, answer)));
        Box::pin(async move { written?.await.map_err(|error| self.of_change(error)) })
    }
}

/// Passes the one process that can count here.
fn only(replica: ReplicaId) -> Result<(), StoreError> {
    if replica == ReplicaId::ONLY {
        return Ok(());
    }
    Err(StoreError::Unavailable("one process alone counts by a SQLite store".to_owned()))
}

/// What the process before has kept here.
struct SqliteKept<'s> {
    store: &'s SqliteStore,
    noted: Arc<NotedCounts>,
}

impl KeptCounts for SqliteKept<'_> {
    fn show(&self, parts: Vec<PayerPart>, sink: Arc<dyn CountSink>) -> Pending<'_, ()> {
        let noted = Arc::clone(&self.noted);
        self.store.read(move |connection, _| {
            noted.show(connection, &parts, &*sink).map_err(|error| failure::of_reading(&error))
        })
    }
}

impl Permits for SqliteStore {
    fn taken(&self, replica: ReplicaId) -> Pending<'_, PermitsFound> {
        let asked = only(replica);
        Box::pin(async move {
            asked?;
            self.read(move |connection, _| {
                permit_rows::taken(connection, replica).map_err(|error| failure::of_reading(&error))
            })
            .await
        })
    }

    fn kept(&self, replica: ReplicaId) -> Pending<'_, Box<dyn KeptCounts + '_>> {
        let asked = only(replica);
        Box::pin(async move {
            asked?;
            let read = self.read(|connection, _| {
                NotedCounts::read(connection).map_err(|error| failure::of_reading(&error))
            });
            let noted = Arc::new(read.await?);
            let kept: Box<dyn KeptCounts + '_> = Box::new(SqliteKept { store: self, noted });
            Ok(kept)
        })
    }

    fn begin(&self, replica: ReplicaId) -> Pending<'_, ()> {
        self.write_permits(replica, vec![PermitRow::Begin(replica)])
    }

    fn take(&self, replica: ReplicaId, sorted: Vec<Take>) -> Pending<'_, Vec<u64>> {
        let granted = sorted.iter().map(|take| take.units).collect();
        let rows = sorted.into_iter().map(|take| PermitRow::Count(take.count, Some(take.state))).collect();
        let written = self.write_permits(replica, rows);
        Box::pin(async move { written.await.map(|()| granted) })
    }

    fn give_back(&self, replica: ReplicaId, sorted: Vec<GiveBack>) -> Pending<'_, ()> {
        let rows = sorted.into_iter().map(|back| PermitRow::Count(back.count, back.state)).collect();
        self.write_permits(replica, rows)
    }

    fn keep(&self, replica: ReplicaId, counts: PackedCounts) -> Pending<'_, ()> {
        self.write_permits(replica, vec![PermitRow::Kept(counts)])
    }

    fn end(&self, replica: ReplicaId, crash: Option<Now>) -> Pending<'_, ()> {
        self.write_permits(replica, vec![PermitRow::End(replica, crash)])
    }

    fn replicas(&self) -> Replicas {
        Replicas::ALONE
    }

    fn accepting(&self) -> watch::Receiver<Taking> {
        KeyStore::taking(self)
    }
}
