//! How a change is made: judged in its turn, committed, and in memory before its caller is answered.

use crate::{
    changes::{
        Changed, Changes,
        changed::changed,
        support::{
            attempt::{ATTEMPTS, Attempt},
            denied_here,
            entry::stands_on_workspace,
            whole::sketch,
        },
    },
    domain::{
        id::KeyId,
        key::{Key, KeyView},
        revision::Revision,
        time::Timestamp,
    },
    error::{Conflict, OperationError, Unavailable},
    index::Found,
    ports::{Mutation, StoreError},
};

/// What became of an attempt.
enum Outcome<T> {
    /// It is committed, or nothing had to change.
    Settled(T, Option<Revision>),
    /// Another change came first.
    Overtaken,
    /// That was one of the caller's own key.
    CallerChanged,
}

impl Changes {
    /// Commits one change of a key, in its turn. `attempt` judges the key as it stands; where another change came first,
    /// it judges again. `caller` is what the change stands on beside the key (see
    /// [`stands_on`](crate::domain::admin::AdminPermit::stands_on)).
    pub(in crate::changes) async fn change<T>(
        &self,
        caller: Option<(KeyId, Revision)>,
        read: impl Fn() -> Result<Found, OperationError>,
        attempt: impl FnMut(Key, Timestamp) -> Result<Attempt<T>, OperationError>,
    ) -> Result<(T, Option<Revision>), OperationError> {
        let read = || read().and_then(|found| self.require_nothing_laid(found));
        self.in_turn(caller, read, attempt, None).await
    }

    /// The same where the outcome is the key itself.
    pub(in crate::changes) async fn change_key(
        &self,
        caller: Option<(KeyId, Revision)>,
        read: impl Fn() -> Result<Found, OperationError>,
        attempt: impl FnMut(Key, Timestamp) -> Result<Attempt<Key>, OperationError>,
    ) -> Result<Changed, OperationError> {
        Ok(changed(self.change(caller, read, attempt).await?))
    }

    /// As [`Self::change`], for what ends a key or a secret of it, also where such an end is not written yet. Where its row cannot be
    /// read, it is judged by what memory has of it: what passes so is an end that cannot be written, and is denied here.
    pub(in crate::changes) async fn end_key<T>(
        &self,
        caller: Option<(KeyId, Revision)>,
        read: impl Fn() -> Result<Found, OperationError>,
        attempt: impl FnMut(Key, Timestamp) -> Result<Attempt<T>, OperationError>,
    ) -> Result<(T, Option<Revision>), OperationError> {
        self.in_turn(caller, read, attempt, Some(sketch)).await
    }

    /// Changes a key in its turn. `unread` makes a key of what memory has, where its row cannot be read and the change is one that
    /// must not fail for that.
    async fn in_turn<T>(
        &self,
        caller: Option<(KeyId, Revision)>,
        read: impl Fn() -> Result<Found, OperationError>,
        mut attempt: impl FnMut(Key, Timestamp) -> Result<Attempt<T>, OperationError>,
        unread: Option<fn(&KeyView<'_>) -> Option<Key>>,
    ) -> Result<(T, Option<Revision>), OperationError> {
        let found = read()?;
        let (workspace, id) = (found.key().workspace, found.key().id);
        drop(found);
        let _turn = self.locks.of(workspace, id).await;
        let _roots = self.locks.under_roots().await;
        for _ in 0..ATTEMPTS {
            let seen = self.index.revision();
            let found = read()?;
            let key = match (self.whole_stored(&found).await, unread) {
                (Ok(key), _) => key,
                (Err(OperationError::Store(error)), Some(unread)) => {
                    let sketch = unread(&found.stored()).ok_or_else(|| error.clone())?;
                    return match attempt(sketch, self.clock.now())? {
                        Attempt::Done(value) => Ok((value, None)),
                        Attempt::Commit(..) | Attempt::CommitAll(..) => {
                            Err(denied_here::unwritten(true, error))
                        }
                    };
                }
                (Err(error), _) => return Err(error),
            };
            let workspace = self.index.workspace(key.workspace);
            let mut attempt = attempt(key, self.clock.now())?;
            if let Attempt::Commit(mutation, _) = &mut attempt
                && stands_on_workspace(mutation.entry.action)
            {
                mutation.expects_workspace = workspace.map(|workspace| (workspace.id, workspace.revision));
            }
            match self.commit_attempt(caller, seen, attempt).await? {
                Outcome::Settled(value, revision) => return Ok((value, revision)),
                Outcome::Overtaken => {}
                Outcome::CallerChanged => break,
            }
        }
        Err(Conflict::Contended.into())
    }

    /// Commits what `judge` returns, standing on the caller too; where another change came first, it judges again, unless
    /// that was one of the caller's own key.
    pub(in crate::changes) async fn until_committed<T>(
        &self,
        caller: Option<(KeyId, Revision)>,
        mut judge: impl FnMut() -> Result<Attempt<T>, OperationError>,
    ) -> Result<(T, Option<Revision>), OperationError> {
        for _ in 0..ATTEMPTS {
            let seen = self.index.revision();
            let attempt = judge()?;
            match self.commit_attempt(caller, seen, attempt).await? {
                Outcome::Settled(value, revision) => return Ok((value, revision)),
                Outcome::Overtaken => {}
                Outcome::CallerChanged => break,
            }
        }
        Err(Conflict::Contended.into())
    }

    /// Commits one attempt, which looked at what memory had at `seen` or later.
    async fn commit_attempt<T>(
        &self,
        caller: Option<(KeyId, Revision)>,
        seen: Revision,
        attempt: Attempt<T>,
    ) -> Result<Outcome<T>, OperationError> {
        let (mut mutations, value) = match attempt {
            Attempt::Done(value) => return Ok(Outcome::Settled(value, None)),
            Attempt::Commit(mutation, value) => (vec![*mutation], value),
            Attempt::CommitAll(mutations, value) => (mutations, value),
        };
        for mutation in &mut mutations {
            mutation.seen = seen;
        }
        match self.commit_all_by(caller, mutations).await {
            Ok(revision) => return Ok(Outcome::Settled(value, Some(revision))),
            Err(OperationError::Store(StoreError::Conflict)) => self.catch_up().await?,
            Err(error) => return Err(error),
        }
        let is_over = caller.is_some_and(|(caller, revision)| self.has_changed(caller, revision));
        Ok(if is_over { Outcome::CallerChanged } else { Outcome::Overtaken })
    }

    /// Commits a change that stands on the caller too, whose key is still as it was identified at what the change has seen.
    pub(in crate::changes) async fn commit_by(
        &self,
        caller: Option<(KeyId, Revision)>,
        mutation: Mutation,
    ) -> Result<Revision, OperationError> {
        self.commit_all_by(caller, vec![mutation]).await
    }

    /// The same with several, all of them or none.
    pub(in crate::changes) async fn commit_all_by(
        &self,
        caller: Option<(KeyId, Revision)>,
        mut mutations: Vec<Mutation>,
    ) -> Result<Revision, OperationError> {
        if caller.is_some_and(|(caller, revision)| self.has_changed(caller, revision)) {
            return Err(StoreError::Conflict.into());
        }
        for mutation in &mut mutations {
            mutation.expects.extend(caller);
        }
        self.commit(mutations).await
    }

    /// Passes a key on of which memory shows what is stored.
    pub(in crate::changes) fn require_nothing_laid(&self, found: Found) -> Result<Found, OperationError> {
        if self.index.is_laid(found.key().id) { Err(Unavailable::EndWaits.into()) } else { Ok(found) }
    }

    pub(in crate::changes) fn has_changed(&self, key: KeyId, since: Revision) -> bool {
        self.index.by_id(key).is_none_or(|found| found.key().revision != since)
    }

    /// Commits what has room, and waits until memory has it: only then may the caller be answered.
    pub(in crate::changes) async fn commit(
        &self,
        mut mutations: Vec<Mutation>,
    ) -> Result<Revision, OperationError> {
        let mut until_memory_has_them = Vec::with_capacity(mutations.len());
        for mutation in &mut mutations {
            let (draws_on, room) = self.room_for(mutation).await?;
            mutation.draws_on = draws_on;
            until_memory_has_them.push(room);
        }
        let ends_keys = mutations.iter().all(|mutation| denied_here::ends_keys(&mutation.entry));
        let committed = self.store.commit_all(mutations).await;
        let revision = committed.map_err(|error| denied_here::unwritten(ends_keys, error))?;
        self.reached(revision).await?;
        Ok(revision)
    }

    pub(in crate::changes) async fn catch_up(&self) -> Result<(), OperationError> {
        let head = *self.store.revisions().borrow();
        self.reached(head).await
    }

    pub(in crate::changes) async fn reached(&self, revision: Revision) -> Result<(), OperationError> {
        let stopped = |_stopped| StoreError::OutcomeUnknown("Keyward is stopping".to_owned()).into();
        self.index.reached(revision).await.map_err(stopped)
    }
}
