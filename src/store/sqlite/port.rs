//! What the port asks of a store, each handed to who does it.

use std::sync::Arc;

use rusqlite::Connection;
use tokio::sync::watch;

use super::{
    denials, failure, keys_by_id, log, policies, read,
    refusal::WriteRefusal,
    rows, scope_uses,
    store::{CLOSED, SqliteStore},
    usage, uses,
    writer::{WriterWork, full},
};
use crate::{
    domain::{id::KeyId, key::Key, revision::Revision, root::KeysInForce, time::Timestamp},
    ports::{
        Damaged, DenialFilter, DenialSheet, Freshness, KeyFilter, KeyPosition, KeyStore, LastUse, Listening,
        LogFilter, LogPage, LogRows, Mutation, Note, Pending, PolicyVersion, RequestMark, ScopeUse,
        StoreError, Taking, UsageFilter, UsagePosition, UsageRows, Verification, View, ViewSink, WriterState,
    },
};

impl KeyStore for SqliteStore {
    fn open_anew(&self) -> Pending<'_, ()> {
        self.ask(WriterWork::OpenAnew)
    }

    fn why(&self) -> Option<String> {
        match (&*self.state.borrow(), *self.taking.borrow()) {
            (WriterState::Sealed { why, until }, _) => Some(until.because(why)),
            (WriterState::Ended, _) => Some(CLOSED.to_owned()),
            (WriterState::Working, Taking::Everything) => None,
            (WriterState::Working, Taking::Ends | Taking::Nothing) => Some(full(&self.directory)),
        }
    }

    fn taking(&self) -> watch::Receiver<Taking> {
        self.taking.clone()
    }

    fn commit_all(&self, mutations: Vec<Mutation>) -> Pending<'_, Revision> {
        let committed = self.ask(|answer| WriterWork::Commit(mutations, answer));
        Box::pin(async move { committed.await.map_err(|error| self.of_change(error)) })
    }

    fn require_unused(&self, request: RequestMark) -> Pending<'_, ()> {
        self.read(move |connection, _| match rows::check_request(connection, &request) {
            Ok(()) => Ok(()),
            Err(WriteRefusal::Store(error)) => Err(error),
            Err(WriteRefusal::Driver(error)) => Err(failure::of_reading(&error)),
        })
    }

    fn revisions(&self) -> watch::Receiver<Revision> {
        self.revisions.clone()
    }

    fn freshness(&self) -> watch::Receiver<Freshness> {
        watch::channel(Freshness::FOREVER).1
    }

    fn load(&self, sink: Arc<dyn ViewSink>) -> Pending<'_, Revision> {
        self.load_into(sink)
    }

    fn keys(&self, ids: Vec<KeyId>) -> Pending<'_, Vec<Option<Result<Key, Damaged>>>> {
        self.read(move |connection, keys| keys_by_id::read(connection, keys, &ids))
    }

    fn changes_after(&self, after: Revision) -> Pending<'_, View> {
        self.follow(move |connection, keys| read::changes(connection, keys, after))
    }

    fn list_keys(
        &self,
        filter: KeyFilter,
        after: Option<KeyPosition>,
        limit: usize,
    ) -> Pending<'_, Vec<KeyPosition>> {
        self.read_long(move |connection, _| {
            read::list(connection, &filter, after, limit).map_err(|error| failure::of_reading(&error))
        })
    }

    fn policy_versions(&self, before: Option<u64>, limit: usize) -> Pending<'_, Vec<PolicyVersion>> {
        self.read_long(move |connection, keys| policies::versions(connection, keys, before, limit))
    }

    fn last_uses(&self, keys: Vec<KeyId>) -> Pending<'_, Vec<LastUse>> {
        self.read(move |connection, _| {
            uses::read(connection, &keys).map_err(|error| failure::of_reading(&error))
        })
    }

    fn note(&self, notes: Vec<Note>) -> Pending<'_, ()> {
        let written = self.ask(|answer| WriterWork::Notes(notes, answer));
        Box::pin(async move { written.await.map_err(|error| self.of_change(error)) })
    }

    fn usage(
        &self,
        filter: UsageFilter,
        after: Option<UsagePosition>,
        limit: usize,
    ) -> Pending<'_, UsageRows> {
        self.read_long(move |connection, _| {
            let rows = usage::read(connection, &filter, after.as_ref(), limit);
            rows.map_err(|error| failure::of_reading(&error))
        })
    }

    fn denials(&self, filter: DenialFilter, limit: usize) -> Pending<'_, Vec<DenialSheet>> {
        self.read_long(move |connection, keys| {
            denials::read(connection, keys, filter, limit).map_err(|error| failure::of_reading(&error))
        })
    }

    fn denial_bytes(&self) -> Pending<'_, u64> {
        self.read_long(move |connection, _| {
            denials::bytes(connection).map_err(|error| failure::of_reading(&error))
        })
    }

    fn scope_uses(&self, keys: Vec<KeyId>) -> Pending<'_, (Vec<ScopeUse>, Option<Timestamp>)> {
        self.read_long(move |connection, _| {
            scope_uses::read(connection, &keys).map_err(|error| failure::of_reading(&error))
        })
    }

    fn query_log(&self, filter: LogFilter, before: Option<Revision>, limit: usize) -> Pending<'_, LogRows> {
        self.read_long(move |connection, keys| log::query(connection, keys, &filter, before, limit))
    }

    fn log_after(&self, after: Revision, limit: usize) -> Pending<'_, LogPage> {
        self.read_long(move |connection, keys| log::after(connection, keys, after, limit))
    }

    fn verify_log_for(&self, listening: Listening) -> Pending<'_, Verification> {
        Box::pin(async move {
            let permit = Arc::clone(&self.verifying).acquire_owned().await;
            let permit = permit.map_err(|error| StoreError::Unavailable(error.to_string()))?;
            let verify = move |connection: &mut Connection, keys: &KeysInForce| {
                log::verify(connection, &|| keys.shared(), &*listening)
            };
            self.read_with(permit, verify).await
        })
    }
}
