//! A store for tests of one part: it has what the part asks for, and ends the test where anything else is asked.

use std::sync::Arc;

use tokio::sync::watch;

use super::{
    Damaged, DenialFilter, DenialSheet, Freshness, KeyFilter, KeyPosition, KeyStore, LastUse, Listening,
    LogFilter, LogPage, LogRows, Mutation, Note, Pending, PolicyVersion, RequestMark, ScopeUse, Taking,
    UsageFilter, UsagePosition, UsageRows, Verification, View, ViewSink,
};
use crate::domain::{id::KeyId, key::Key, revision::Revision, time::Timestamp};

/// What a test's store has; all that it leaves out is a [`KeyStore`] that nothing asks.
pub(crate) trait StoreDouble: Send + Sync {
    fn load(&self, _: Arc<dyn ViewSink>) -> Pending<'_, Revision> {
        not_asked()
    }

    fn changes_after(&self, _: Revision) -> Pending<'_, View> {
        not_asked()
    }

    fn note(&self, _: Vec<Note>) -> Pending<'_, ()> {
        not_asked()
    }

    fn denials(&self, _: DenialFilter, _: usize) -> Pending<'_, Vec<DenialSheet>> {
        not_asked()
    }

    fn revisions(&self) -> watch::Receiver<Revision> {
        watch::channel(Revision::ZERO).1
    }

    fn freshness(&self) -> watch::Receiver<Freshness> {
        watch::channel(Freshness::FOREVER).1
    }
}

fn not_asked<T: Send + 'static>() -> Pending<'static, T> {
    Box::pin(async { panic!("it is not asked for here") })
}

impl<D: StoreDouble> KeyStore for D {
    fn load(&self, sink: Arc<dyn ViewSink>) -> Pending<'_, Revision> {
        StoreDouble::load(self, sink)
    }

    fn keys(&self, _: Vec<KeyId>) -> Pending<'_, Vec<Option<Result<Key, Damaged>>>> {
        not_asked()
    }

    fn changes_after(&self, after: Revision) -> Pending<'_, View> {
        StoreDouble::changes_after(self, after)
    }

    fn note(&self, notes: Vec<Note>) -> Pending<'_, ()> {
        StoreDouble::note(self, notes)
    }

    fn revisions(&self) -> watch::Receiver<Revision> {
        StoreDouble::revisions(self)
    }

    fn freshness(&self) -> watch::Receiver<Freshness> {
        StoreDouble::freshness(self)
    }

    fn commit_all(&self, _: Vec<Mutation>) -> Pending<'_, Revision> {
        not_asked()
    }

    fn require_unused(&self, _: RequestMark) -> Pending<'_, ()> {
        not_asked()
    }

    fn list_keys(&self, _: KeyFilter, _: Option<KeyPosition>, _: usize) -> Pending<'_, Vec<KeyPosition>> {
        not_asked()
    }

    fn policy_versions(&self, _: Option<u64>, _: usize) -> Pending<'_, Vec<PolicyVersion>> {
        not_asked()
    }

    fn last_uses(&self, _: Vec<KeyId>) -> Pending<'_, Vec<LastUse>> {
        not_asked()
    }

    fn usage(&self, _: UsageFilter, _: Option<UsagePosition>, _: usize) -> Pending<'_, UsageRows> {
        not_asked()
    }

    fn denials(&self, filter: DenialFilter, limit: usize) -> Pending<'_, Vec<DenialSheet>> {
        StoreDouble::denials(self, filter, limit)
    }

    fn denial_bytes(&self) -> Pending<'_, u64> {
        not_asked()
    }

    fn scope_uses(&self, _: Vec<KeyId>) -> Pending<'_, (Vec<ScopeUse>, Option<Timestamp>)> {
        not_asked()
    }

    fn query_log(&self, _: LogFilter, _: Option<Revision>, _: usize) -> Pending<'_, LogRows> {
        not_asked()
    }

    fn log_after(&self, _: Revision, _: usize) -> Pending<'_, LogPage> {
        not_asked()
    }

    fn verify_log_for(&self, _: Listening) -> Pending<'_, Verification> {
        not_asked()
    }

    fn open_anew(&self) -> Pending<'_, ()> {
        not_asked()
    }

    fn taking(&self) -> watch::Receiver<Taking> {
        watch::channel(Taking::Everything).1
    }

    fn why(&self) -> Option<String> {
        None
    }
}
