//! What Keyward needs of its back ends, in its own terms: revisions, keys, one log.
//!
//! Nothing above a port knows what stands behind it. A back end turns its driver's errors into [`StoreError`] itself.

mod counters;
mod usage;

use std::{future::Future, pin::Pin, sync::Arc};

use tokio::sync::watch;

pub use self::usage::{Usage, UsageFilter, UsagePosition};
use crate::domain::{
    audit::{Chain, LogEntry, Revision, digest},
    id::{KeyId, WorkspaceId},
    key::Key,
    policy::Policy,
    text::{Comment, EnvironmentName, Owner, RequestId},
    time::Timestamp,
    workspace::Workspace,
};

pub use self::counters::{
    Account, Bill, Charge, ChargeAll, Count, Counters, LimitState, Payable, Payer, costs,
};

/// An answer that a back end is working on.
pub type Pending<'a, T> = Pin<Box<dyn Future<Output = Result<T, StoreError>> + Send + 'a>>;

/// A change, what it stands on, and its entry in the log, together: a change without its entry is unwritable.
#[derive(Debug, Clone)]
pub struct Mutation {
    /// The entry.
    pub entry: LogEntry,
    /// The rows as they are to be; their revisions are those they were read at, zero for new ones. The store refuses
    /// the mutation where a row has another revision by now, and writes its new revision.
    pub rows: Rows,
    /// Rows that the change stands on without changing them.
    pub expects: Vec<(KeyId, Revision)>,
    /// The version of the policy that the change was judged by, where it was: another in force by now is a conflict.
    pub judged_by: Option<u64>,
    /// The request id that this change uses up.
    pub request: Option<RequestMark>,
}

/// The rows that one change writes.
#[derive(Debug, Clone, Default)]
pub struct Rows {
    /// At most one workspace.
    pub workspace: Option<Workspace>,
    /// At most one key, with its secrets.
    pub key: Option<Key>,
    /// At most one version of the policy, the one after the newest.
    pub policy: Option<Arc<PolicyVersion>>,
    /// The clock's mark, whatever it was.
    pub clock_mark: Option<Timestamp>,
}

/// The latest time that was believed, as it is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StoredMark {
    /// None was written yet.
    Missing,
    /// This one.
    At(Timestamp),
    /// Somebody else has written it.
    Edited,
}

/// A version of the policy, and how it came about.
#[derive(Debug)]
pub struct PolicyVersion {
    /// 1 for the first, one more for each that follows.
    pub version: u64,
    /// The policy itself.
    pub policy: Policy,
    /// When it was applied.
    pub applied: Timestamp,
    /// The administration key that applied it; `None` for Keyward itself.
    pub applied_by: Option<KeyId>,
    /// That key's owner.
    pub applied_by_owner: Option<Owner>,
    /// The operator's own words.
    pub comment: Comment,
    /// The log revision that wrote it; zero before it is stored.
    pub revision: Revision,
}

/// A request id, whose it is, and what was asked with it (K10).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestMark {
    /// The administration key that used it.
    pub caller: KeyId,
    /// The id.
    pub id: RequestId,
    /// SHA-256 over the method and its arguments.
    pub fingerprint: [u8; 32],
}

impl RequestMark {
    /// Marks a request: its id, its method, and all of its arguments.
    #[must_use]
    pub fn new(caller: KeyId, id: RequestId, method: &str, arguments: &[u8]) -> Self {
        let fingerprint = digest(&[method.as_bytes(), b"\0", arguments].concat());
        Self { caller, id, fingerprint }
    }
}

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
    /// The store takes nothing now. Nothing was changed.
    #[error("the store is unavailable: {0}")]
    Unavailable(String),
    /// The store failed in the middle: the change may or may not be there.
    #[error("the outcome is unknown: {0}")]
    OutcomeUnknown(String),
    /// What is stored contradicts itself; an operator must look.
    #[error("the store is corrupt: {0}")]
    Corrupt(String),
    /// The changes asked for are no longer there one by one.
    #[error("too old a revision: reload")]
    TooOld,
}

/// Rows as they stood at a revision.
#[derive(Debug, Default)]
pub struct View {
    /// The revision.
    pub revision: Option<Revision>,
    /// Workspaces.
    pub workspaces: Vec<Workspace>,
    /// Keys.
    pub keys: Vec<Key>,
    /// The newest version of the policy, where it is among the rows.
    pub policy: Option<PolicyView>,
    /// Keys whose rows do not agree with their codes, or with the log: to be denied.
    pub damaged: Vec<Damaged>,
}

/// The newest version of the policy, as it is stored.
#[derive(Debug)]
pub enum PolicyView {
    /// It can be trusted.
    Sound(Arc<PolicyVersion>),
    /// It cannot: nothing can be decided until another is applied.
    Damaged {
        /// Its version.
        version: u64,
        /// What is wrong with it.
        why: &'static str,
    },
}

/// A row that cannot be trusted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Damaged {
    /// The row's own id, as it stands there.
    pub id: String,
    /// What is wrong with it.
    pub why: &'static str,
}

/// Which keys to list.
#[derive(Debug, Clone)]
pub struct KeyFilter {
    /// Of this workspace.
    pub workspace: WorkspaceId,
    /// Of this owner.
    pub owner: Option<Owner>,
    /// Of this environment.
    pub environment: Option<EnvironmentName>,
}

/// A place in a list of keys, newest first: the last key of the page before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeyPosition {
    /// When that key was issued.
    pub created: Timestamp,
    /// Its id.
    pub id: KeyId,
}

/// Which entries of the log to show.
#[derive(Debug, Clone, Default)]
pub struct LogFilter {
    /// Of this workspace.
    pub workspace: Option<WorkspaceId>,
    /// About this key.
    pub key: Option<KeyId>,
    /// By this administration key.
    pub actor_key: Option<KeyId>,
    /// Of this kind, as the log spells it.
    pub action: Option<&'static str>,
    /// At or after this time.
    pub start: Option<Timestamp>,
    /// Before this time.
    pub end: Option<Timestamp>,
}

/// An entry as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogRecord {
    /// Its place.
    pub revision: Revision,
    /// Its canonical bytes (see [`LogEntry::canonical_bytes`]).
    pub bytes: Vec<u8>,
    /// Its chain value.
    pub chain: Chain,
}

impl LogRecord {
    /// The key that the entry is about, if to one.
    #[must_use]
    pub fn key(&self) -> Option<KeyId> {
        let entry: serde_json::Value = serde_json::from_slice(&self.bytes).ok()?;
        KeyId::parse(entry.get("key_id")?.as_str()?).ok()
    }
}

/// What a reading of the whole log found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verification {
    /// Entries read.
    pub records: u64,
    /// The newest entry.
    pub head: Revision,
    /// Its chain value.
    pub chain: Chain,
    /// The first entry that does not fit, and why.
    pub fault: Option<(Revision, String)>,
}

/// What is kept beside the truth: no change, so it has no entry in the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Note {
    /// The last use of a key.
    LastUse(LastUse),
    /// What is counted of a limit.
    Count(StoredCount),
    /// Whether every count was written when the counting ended: what is not written was not charged.
    CountsComplete(bool),
    /// What keys did, to be added to what is known.
    Usage(Vec<Usage>),
    /// Usage of hours before this one is forgotten: the oldest rows first, at most 1,024 of them, so that no change waits
    /// for long.
    UsageBefore(u32),
    /// The latest time that was believed; an earlier one than is known changes nothing.
    ClockMark(Timestamp),
}

/// What is counted of one limit for one subject, as whoever counts writes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredCount {
    /// Whose count it is.
    pub subject: String,
    /// Of which limit.
    pub limit: String,
    /// What is counted; `None` where that is nothing any more.
    pub state: Option<Vec<u8>>,
}

/// The last use of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LastUse {
    /// The key.
    pub key: KeyId,
    /// When it was last allowed something, exact to the minute.
    pub time: Timestamp,
}

/// Where truth is kept.
pub trait KeyStore: Send + Sync {
    /// Writes a change and its entry in one transaction. When this answers, they are durable; memory follows the log
    /// by itself.
    fn commit(&self, mutation: Mutation) -> Pending<'_, Revision>;

    /// Passes unless this request id was used before, which is [`StoreError::RequestUsed`].
    fn require_unused(&self, request: RequestMark) -> Pending<'_, ()>;

    /// The newest durable revision; changes with each commit.
    fn revisions(&self) -> watch::Receiver<Revision>;

    /// Everything that is stored, at one revision.
    fn load(&self) -> Pending<'_, View>;

    /// The rows, as they stand now, that were written after `after`.
    ///
    /// Answers [`StoreError::TooOld`] where the log no longer says which those are.
    fn changes_after(&self, after: Revision) -> Pending<'_, View>;

    /// At most `limit` keys that match, newest first, after `after`.
    fn list_keys(&self, filter: KeyFilter, after: Option<KeyPosition>, limit: usize)
    -> Pending<'_, Vec<Key>>;

    /// At most `limit` versions of the policy, newest first, before `before`. One that cannot be trusted is an error.
    fn policy_versions(&self, before: Option<u64>, limit: usize) -> Pending<'_, Vec<PolicyVersion>>;

    /// The last uses that are known of these keys.
    fn last_uses(&self, keys: Vec<KeyId>) -> Pending<'_, Vec<LastUse>>;

    /// Notes what is no change: all of it, in one transaction.
    fn note(&self, notes: Vec<Note>) -> Pending<'_, ()>;

    /// At most `limit` rows of usage that match, after `after`: those of the newest key first, each key's by hour, tier and
    /// outcome.
    fn usage(
        &self,
        filter: UsageFilter,
        after: Option<UsagePosition>,
        limit: usize,
    ) -> Pending<'_, Vec<Usage>>;

    /// Every count that is stored, and whether the counting had ended in order ([`Note::CountsComplete`]), or never begun.
    fn counts(&self) -> Pending<'_, (Vec<StoredCount>, bool)>;

    /// At most `limit` entries that match, newest first, before `before`.
    fn query_log(
        &self,
        filter: LogFilter,
        before: Option<Revision>,
        limit: usize,
    ) -> Pending<'_, Vec<LogRecord>>;

    /// Reads the whole log and says whether its chain holds.
    fn verify_log(&self) -> Pending<'_, Verification>;

    /// Whether it takes no change until a restart, because it cannot know any more what is durable.
    fn sealed(&self) -> bool;
}
