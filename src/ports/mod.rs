//! What Keyward needs of its back ends, in its own terms: revisions, keys, one log.
//!
//! Nothing above a port knows what stands behind it. A back end turns its driver's errors into [`StoreError`] itself.

mod change;
mod counters;
mod denials;
#[cfg(test)]
pub(crate) mod double;
mod figures;
mod freshness;
mod lifecycle;
mod note;
mod part;
mod payer;
mod permits;
mod query;
mod usage;
mod view;

use std::{future::Future, pin::Pin, sync::Arc};

use tokio::sync::watch;

use self::view::PartsTogether;
pub use self::{
    change::{DrawsOn, Mutation, PolicyVersion, RequestMark, Rows},
    counters::{
        Bill, Charge, ChargeAll, Charged, Count, Counters, LimitState, Passing, Refusal, Weighed, costs,
        denials,
    },
    denials::{DenialFilter, DenialPlace, DenialSheet, DenialSums, SheetKind},
    figures::{COMMIT_BOUNDS, GROUP_BOUNDS, StoreFigures},
    freshness::{Freshness, Lease},
    lifecycle::{Lifecycle, Until, WriterState},
    note::{LastUse, MAX_USERS, Note, StoredMark},
    part::PayerPart,
    payer::{Account, AccountSlot, AnySlot, KeptPayer, Payer, Slotted},
    permits::{
        CountName, CountSink, GiveBack, KeptCounts, PackedCounts, Permits, PermitsFound, ReplicaId, Take,
    },
    query::{KeyFilter, KeyPosition, Listening, LogFilter, LogPage, LogRecord, LogRows, Verification},
    usage::{ScopeUse, Usage, UsageFilter, UsagePosition, UsageRows},
    view::{Damaged, OpenScheme, PolicyView, View, ViewSink},
};
use crate::domain::{
    id::{GroupId, KeyId},
    key::{KeptKey, Key},
    revision::Revision,
    time::Timestamp,
};

/// An answer that a back end is working on.
pub type Pending<'a, T> = Pin<Box<dyn Future<Output = Result<T, StoreError>> + Send + 'a>>;

/// Why a store could not do what was asked, by what the caller does next.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// A row has another revision by now: read again, judge again, try again. Nothing was changed.
    #[error("the row was changed in the meantime")]
    Conflict,
    /// The request id was used before. Nothing was changed.
    #[error("the request id was used before")]
    RequestUsed {
        /// The key that it made, or gave a new secret.
        key: KeyId,
        /// Whether the same was asked with it.
        same_arguments: bool,
    },
    /// The request id was used before, for a change of many keys. Nothing was changed.
    #[error("the request id was used before")]
    GroupDone {
        /// That change.
        group: GroupId,
        /// Whether the same was asked with it.
        same_arguments: bool,
    },
    /// The store takes nothing now. Nothing was changed.
    #[error("the store is unavailable: {0}")]
    Unavailable(String),
    /// The store is somewhere else and cannot be reached now: it is failing over, for example, and comes back with all that it
    /// has acknowledged. Nothing was changed. A store within this process never says so.
    #[error("the store cannot be reached: {0}")]
    Unreachable(String),
    /// The store takes no change of any caller until a restart. Nothing was changed.
    #[error("the store takes no change until Keyward is restarted: {0}")]
    Sealed(String),
    /// Another process has changed what is stored, which in this store only this one may: no change is built upon it until a
    /// restart. Nothing was changed. The store says in its own words what an operator is to do; one that several processes write
    /// into never answers so, because there each change stands on the head that its own transaction finds.
    #[error("{0}")]
    WrittenByOthers(&'static str),
    /// The store failed in the middle: the change may or may not be there.
    #[error("the outcome is unknown: {0}")]
    OutcomeUnknown(String),
    /// What is stored contradicts itself; an operator must look.
    #[error("the store is corrupt: {0}")]
    Corrupt(String),
    /// A limit that is stored is counted by the days of a zone that is not known here: by which days, only its directory says.
    #[error(
        "{whose} has a limit by days of the time zone {zone}, and the time zones in force ({in_force}) have none of that name: start \
         with the zoneinfo directory that has it, as it was when the limit was set (--zoneinfo DIR, or KEYWARD_ZONEINFO)"
    )]
    ZoneMissing {
        /// What has the limit: a key or a workspace by its id, or the policy by its version.
        whose: String,
        /// The zone.
        zone: String,
        /// The time zones that are in force, for people.
        in_force: String,
    },
    /// The changes asked for are no longer there one by one.
    #[error("too old a revision: reload")]
    TooOld,
}

/// What a store takes now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Taking {
    /// Every change.
    Everything,
    /// What takes rights away, as long as the room for it lasts: the disk is full.
    Ends,
    /// No change: it is sealed, or closed.
    Nothing,
}

/// Where truth is kept.
pub trait KeyStore: Send + Sync {
    /// Writes a change and its entry in one transaction. When this answers, they are durable; memory follows the log
    /// by itself. The revision is the one after the newest that this transaction found: where several processes write, others'
    /// changes may stand before it that are not in memory yet.
    fn commit(&self, mutation: Mutation) -> Pending<'_, Revision> {
        self.commit_all(vec![mutation])
    }

    /// The same with several changes, one entry each, in this order: all of them or none. Answers the last one's revision.
    fn commit_all(&self, mutations: Vec<Mutation>) -> Pending<'_, Revision>;

    /// Passes unless this request id was used before, which is [`StoreError::RequestUsed`].
    fn require_unused(&self, request: RequestMark) -> Pending<'_, ()>;

    /// The newest durable revision; changes with each commit.
    fn revisions(&self) -> watch::Receiver<Revision>;

    /// How long a view may be acted upon; changes with each new lease. Where no other process can write, it is
    /// [`Freshness::FOREVER`], and never changes.
    fn freshness(&self) -> watch::Receiver<Freshness>;

    /// Hands everything that is stored to `sink`, at the one revision that this answers: first the policy, then import schemes,
    /// workspaces and members, then keys, in parts of some hundreds. Parts of keys can come from several threads at once,
    /// and no key is in two of them. Where this fails, what was handed over is not all there is.
    fn load(&self, sink: Arc<dyn ViewSink>) -> Pending<'_, Revision>;

    /// The same, put together, with keys read whole: for who must have all of it at hand, and whose store is small.
    fn whole(&self) -> Pending<'_, View> {
        Box::pin(async move {
            let whole = Arc::new(PartsTogether::default());
            let revision = self.load(Arc::<PartsTogether>::clone(&whole)).await?;
            let mut view = whole.view(revision);
            let kept = std::mem::take(&mut view.kept);
            if kept.is_empty() {
                return Ok(view);
            }
            let ids = kept.iter().map(|key| key.own.id).collect();
            for (kept, key) in kept.into_iter().zip(self.keys(ids).await?) {
                match key {
                    Some(Ok(key)) if KeptKey::of(&key) == kept => view.keys.push(key),
                    Some(Err(damaged)) => view.damaged.push(damaged),
                    Some(Ok(_)) | None => {
                        return Err(StoreError::Unavailable("a key was changed meanwhile".to_owned()));
                    }
                }
            }
            Ok(view)
        })
    }

    /// These keys, as their rows stand now and with what came to them among many, in this order; `None` where there is no row.
    ///
    /// Each row is as Keyward wrote it, but it need not be the newest: whoever asks compares the revision with the one that
    /// the index has.
    fn keys(&self, ids: Vec<KeyId>) -> Pending<'_, Vec<Option<Result<Key, Damaged>>>>;

    /// The rows, as they stand now, that were written after `after`.
    ///
    /// Answers [`StoreError::TooOld`] where the log no longer says which those are.
    fn changes_after(&self, after: Revision) -> Pending<'_, View>;

    /// Where at most `limit` keys that match stand, after `after`: by workspace, and in each newest first. What they are is known to
    /// who follows the log; a key whose rows cannot be trusted may be among them.
    fn list_keys(
        &self,
        filter: KeyFilter,
        after: Option<KeyPosition>,
        limit: usize,
    ) -> Pending<'_, Vec<KeyPosition>>;

    /// At most `limit` versions of the policy, newest first, before `before`. One that cannot be trusted is an error.
    fn policy_versions(&self, before: Option<u64>, limit: usize) -> Pending<'_, Vec<PolicyVersion>>;

    /// The last uses that are known of these keys, at most [`MAX_USERS`] of each secret.
    fn last_uses(&self, keys: Vec<KeyId>) -> Pending<'_, Vec<LastUse>>;

    /// Notes what is no change: all of it, in one transaction.
    fn note(&self, notes: Vec<Note>) -> Pending<'_, ()>;

    /// At most `limit` rows of usage that match, after `after`: by workspace, in each those of the newest key first, each key's by
    /// hour, tier and outcome.
    fn usage(
        &self,
        filter: UsageFilter,
        after: Option<UsagePosition>,
        limit: usize,
    ) -> Pending<'_, UsageRows>;

    /// At most `limit` sheets of denials that match. One that is not as it was written is left out, and told in the log.
    fn denials(&self, filter: DenialFilter, limit: usize) -> Pending<'_, Vec<DenialSheet>>;

    /// How many bytes all sheets of denials have.
    fn denial_bytes(&self) -> Pending<'_, u64>;

    /// Which scopes these keys used or were denied, and since when that is noted; `None` if never.
    fn scope_uses(&self, keys: Vec<KeyId>) -> Pending<'_, (Vec<ScopeUse>, Option<Timestamp>)>;

    /// At most `limit` entries that match, newest first, before `before`.
    fn query_log(&self, filter: LogFilter, before: Option<Revision>, limit: usize) -> Pending<'_, LogRows>;

    /// The entries after `after`, oldest first and without a gap, each of them genuine and continuing the chain: at most `limit`,
    /// and about 1 MiB, but never a part of what was committed together. For who acts upon entries; [`KeyStore::query_log`] is for
    /// people who look.
    ///
    /// Answers [`StoreError::Corrupt`] where one of them was altered or is missing.
    fn log_after(&self, after: Revision, limit: usize) -> Pending<'_, LogPage>;

    /// Reads the whole log and says whether its chain holds. It ends with [`StoreError::Unavailable`] soon after nobody waits for
    /// it, as `listening` says.
    fn verify_log_for(&self, listening: Listening) -> Pending<'_, Verification>;

    /// The same, for one who waits for its end.
    fn verify_log(&self) -> Pending<'_, Verification> {
        self.verify_log_for(Arc::new(|_records| true))
    }

    /// Tries to take changes again, where it takes none because one could not be written; why it does not, where it fails.
    fn open_anew(&self) -> Pending<'_, ()>;

    /// What it takes; changes when that does.
    fn taking(&self) -> watch::Receiver<Taking>;

    /// Why it does not take everything, where it does not.
    fn why(&self) -> Option<String>;
}
