//! Ends of keys that could not be written: the keys are denied here and now, each end is kept in a bounded list, and written as
//! an ordinary change, with its one record, once the store takes changes again. An end of this process forgets them.

mod list;

use std::{sync::Arc, time::Duration};

use tokio::sync::watch;

pub use self::list::{Denied, ListPart, OF_ONE_TENANT, OF_OPERATORS, OF_PRESENTERS, OF_TENANTS};
pub(in crate::changes) use self::list::{DeniedHere, What};
use crate::{
    changes::{Changes, keys::switch::Switch},
    domain::{
        admin::{AdminPermit, ReadAudit},
        audit::{Action, Actor, LogEntry},
        id::{KeyId, WorkspaceId},
        key::Revocation,
        revision::Revision,
        text::Comment,
    },
    error::{Blocked, Conflict, NotFound, OperationError, Unavailable},
    index::End,
    judge::wrong_callers::WrongCallersSeen,
    ports::{RequestMark, StoreError, Taking},
};

/// How often it is tried to write them, while there are any.
const TRY_EVERY: Duration = Duration::from_secs(1);

/// The most ids that the log names at the end of the process.
const NAMED: usize = 1_000;

/// How the store is, as a caller may know it.
#[derive(Debug)]
pub struct StoreStatus {
    /// What it takes.
    pub taking: Taking,
    /// Why that is not everything.
    pub why: Option<String>,
    /// The revision that Checks are decided by.
    pub revision: Revision,
    /// The ends that are not written, oldest first.
    pub denied: Vec<Arc<Denied>>,
    /// What was sent as an administration key and is not a usable one; for operators.
    pub wrong_callers: Option<WrongCallersSeen>,
}

impl Changes {
    /// Denies keys here, whose end could not be written because of `error`; what its caller is told. Anything else than that is
    /// told as it is.
    pub(in crate::changes) fn deny_here(
        &self,
        error: OperationError,
        part: ListPart,
        actor: Actor,
        workspace: Option<WorkspaceId>,
        what: What,
    ) -> OperationError {
        if !matches!(error, OperationError::EndUnwritten(_)) {
            return error;
        }
        let mut list = self.denied.list();
        if list.has(&what) {
            return OperationError::Unavailable(Unavailable::DeniedNotDurable);
        }
        let number = list.last.saturating_add(1);
        let denied = Arc::new(Denied { number, what, actor, workspace, part, asked: self.clock.now() });
        let keys = denied.keys().len();
        if !list.has_place(part, keys) {
            return OperationError::Unavailable(Unavailable::DenialsFull);
        }
        let end = denied.end();
        denied.keys().iter().for_each(|key| self.index.lay(*key, number, &end));
        if list.is_empty() {
            tracing::error!(
                %error,
                "keys are denied in memory only, because their end cannot be written: a restart forgets that; `keyward status` shows \
                 them"
            );
        }
        list.add(denied);
        drop(list);
        self.denied.news.notify_one();
        OperationError::Unavailable(Unavailable::DeniedNotDurable)
    }

    /// Passes unless this was asked with the same request id already, and waits to be written.
    pub(in crate::changes) fn require_not_waiting(
        &self,
        request: Option<&RequestMark>,
    ) -> Result<(), OperationError> {
        let Some(request) = request else { return Ok(()) };
        let asked = |denied: &Arc<Denied>| match &denied.what {
            What::Many { request: Some(asked), .. } => asked == request,
            What::One { .. } | What::Many { .. } => false,
        };
        if self.denied.all().iter().any(asked) { Err(Unavailable::DeniedNotDurable.into()) } else { Ok(()) }
    }

    /// Denies a key for the bearer of an administration key.
    pub(in crate::changes) fn deny_key<P>(
        &self,
        error: OperationError,
        permit: &AdminPermit<P>,
        key: KeyId,
        end: End,
        reason: Option<&'static str>,
        comment: Comment,
    ) -> OperationError {
        let Some(found) = self.index.by_id(key) else { return error };
        let part = permit.bound_to().map_or(ListPart::Operators, ListPart::Workspace);
        let workspace = Some(found.key().workspace);
        self.deny_here(error, part, permit.actor(), workspace, What::One { key, end, reason, comment })
    }

    /// How the store is, and which ends within the caller's reach are not written.
    #[must_use]
    pub fn store_status(&self, permit: &AdminPermit<ReadAudit>) -> StoreStatus {
        let mut denied = self.denied.all();
        denied.retain(|denied| {
            let is_seen = |key: &KeyId| self.index.is_seen(permit.sight(), *key);
            permit.bound_to().is_none_or(|bound| denied.workspace == Some(bound))
                && denied.keys().iter().all(is_seen)
        });
        StoreStatus {
            taking: *self.store.taking().borrow(),
            why: self.store.why().filter(|_| permit.bound_to().is_none()),
            revision: self.index.revision(),
            denied,
            wrong_callers: permit.bound_to().is_none().then(|| self.judge.wrong_callers_seen()),
        }
    }

    /// Writes the ends that could not be written, as soon as they can be, until `stop` says true or is gone; then once more, for
    /// which a sealed store is tried too.
    pub async fn write_denied(self: Arc<Self>, mut stop: watch::Receiver<bool>) {
        loop {
            let stopped = if self.denied.is_empty() {
                tokio::select! {
                    _stop = stop.wait_for(|stop| *stop) => true,
                    () = self.denied.news.notified() => false,
                }
            } else {
                tokio::time::timeout(TRY_EVERY, stop.wait_for(|stop| *stop)).await.is_ok()
            };
            let written = if self.can_write(stopped).await { self.write_all_denied().await } else { 0 };
            if stopped {
                return self.forget_denied(written);
            }
        }
    }

    /// Whether the store takes anything; at the end, whether it does when it is tried.
    async fn can_write(&self, is_end: bool) -> bool {
        let takes = *self.store.taking().borrow() != Taking::Nothing;
        takes || is_end && !self.denied.is_empty() && self.store.open_anew().await.is_ok()
    }

    /// Writes as many as it can; how many changes that were.
    async fn write_all_denied(&self) -> u64 {
        let all = self.denied.all();
        let mut written = 0_u64;
        for denied in &all {
            match self.write_one_denied(denied).await {
                Ok(()) => written = written.saturating_add(1),
                // It stays denied here, and keeps no other from being written.
                Err(OperationError::EndUnwritten(StoreError::Corrupt(_))) => continue,
                Err(error) if is_passing(&error) => break,
                Err(error) => tracing::error!(
                    %error, keys = denied.keys().len(), first.key.id = denied.keys().first().map(tracing::field::display),
                    "what was denied in memory only cannot be made to last, and is no longer denied so"
                ),
            }
            let end = denied.number;
            denied.keys().iter().for_each(|key| self.index.lift(*key, end));
            self.denied.list().remove(denied);
        }
        if written > 0 && self.denied.is_empty() {
            tracing::info!(changes = written, "what was denied in memory only is written, and lasts");
        }
        written
    }

    async fn write_one_denied(&self, denied: &Denied) -> Result<(), OperationError> {
        let actor = || denied.actor.clone();
        match &denied.what {
            What::Many { act, keys, within, comment, request, .. } => {
                self.write_many_denied(denied, (*act, *within), keys, comment, request.as_ref()).await
            }
            What::One { key: id, end, reason, comment } => {
                let read = || self.index.by_id(*id).ok_or(OperationError::NotFound(NotFound::Key(*id)));
                let written = self.end_key(None, read, |key, now| match end {
                    End::Revoked(revocation) => {
                        self.revocation(key, actor(), Revocation { at: now, ..revocation.clone() })
                    }
                    End::Disabled(_) => self.switched(key, actor(), Switch::Disable, comment, now),
                    End::Secret(generation, _) => {
                        Ok(Self::secret_end(key, *generation, actor(), *reason, comment.clone(), now))
                    }
                });
                match written.await {
                    // Or it has ended by itself meanwhile, or another way.
                    Ok(_) | Err(OperationError::Blocked(Blocked::Transition(_))) => Ok(()),
                    Err(error) => Err(error),
                }
            }
        }
    }

    /// Denials that are not written when the process ends are forgotten, and an operator must know.
    fn forget_denied(&self, written: u64) {
        let left = self.denied.all();
        if left.is_empty() {
            return;
        }
        let ids = left.iter().flat_map(|denied| denied.keys()).take(NAMED).map(ToString::to_string);
        let (keys, ids) =
            (left.iter().map(|denied| denied.keys().len()).sum::<usize>(), ids.collect::<Vec<_>>());
        tracing::error!(
            keys, key.ids = %ids.join(" "), changes.written = written,
            "these keys were denied in memory only, and are good again after a restart: revoke them then"
        );
    }
}

/// Whether an entry is of keys that end, or of a secret that does.
pub(in crate::changes) fn ends_keys(entry: &LogEntry) -> bool {
    matches!(entry.action, Action::KeyRevoke | Action::KeyDisable | Action::SecretEnd)
}

/// An error of the store, told apart where a change that ends keys was good and was not written, or may not have been.
pub(in crate::changes) fn unwritten(ends_keys: bool, error: StoreError) -> OperationError {
    match error {
        StoreError::Unavailable(_)
        | StoreError::Unreachable(_)
        | StoreError::Sealed(_)
        | StoreError::WrittenByOthers(_)
        | StoreError::OutcomeUnknown(_)
        | StoreError::Corrupt(_)
            if ends_keys =>
        {
            OperationError::EndUnwritten(error)
        }
        StoreError::Unavailable(_)
        | StoreError::Unreachable(_)
        | StoreError::Sealed(_)
        | StoreError::WrittenByOthers(_)
        | StoreError::OutcomeUnknown(_)
        | StoreError::Corrupt(_)
        | StoreError::Conflict
        | StoreError::RequestUsed { .. }
        | StoreError::GroupDone { .. }
        | StoreError::ZoneMissing { .. }
        | StoreError::TooOld => error.into(),
    }
}

/// Whether it may go better the next time.
fn is_passing(error: &OperationError) -> bool {
    matches!(
        error,
        OperationError::EndUnwritten(_)
            | OperationError::Store(_)
            | OperationError::Conflict(Conflict::Contended)
    )
}
