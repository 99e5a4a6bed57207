//! A change as it is committed: its rows, its entry in the log, and what it stands on.

use std::sync::Arc;

use crate::domain::{
    audit::{LogEntry, digest},
    caller_id::CallerId,
    id::{KeyId, WorkspaceId},
    key::Key,
    member::{Member, MemberId},
    policy::Policy,
    revision::Revision,
    scheme::ImportScheme,
    text::{Comment, Owner, RequestId},
    time::Timestamp,
    workspace::Workspace,
};

/// A change, what it stands on, and its entry in the log, together: a change without its entry is unwritable.
#[derive(Debug, Clone)]
pub struct Mutation {
    /// The entry.
    pub entry: LogEntry,
    /// The rows as they are to be; their revisions are those they were read at, zero for new ones. The store refuses
    /// the mutation where a row has another revision by now, and writes its new revision.
    pub rows: Rows,
    /// The revision up to which the log was seen when the keys that are changed, or stood on, were still as they were read,
    /// or before they were: one that was changed since is a conflict.
    pub seen: Revision,
    /// Keys that the change stands on without changing them.
    pub expects: Vec<(KeyId, Revision)>,
    /// Members that it stands on without changing them.
    pub expects_members: Vec<(MemberId, Revision)>,
    /// A workspace that it stands on without changing it.
    pub expects_workspace: Option<(WorkspaceId, Revision)>,
    /// The version of the policy that the change was judged by, where it was: another in force by now is a conflict.
    pub judged_by: Option<u64>,
    /// The request id that this change uses up.
    pub request: Option<RequestMark>,
    /// What room it may use where there is no other.
    pub draws_on: DrawsOn,
}

/// What room of a full disk a change may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum DrawsOn {
    /// None: it is refused until there is room.
    #[default]
    Nothing,
    /// What is kept for changes that take rights away.
    Kept,
    /// All that is kept, and what is kept of it for operators.
    KeptForOperators,
}

impl Mutation {
    /// A change that stands on nothing but its own rows.
    #[must_use]
    pub const fn new(entry: LogEntry, rows: Rows) -> Self {
        Self {
            entry,
            rows,
            seen: Revision::ZERO,
            expects: Vec::new(),
            expects_members: Vec::new(),
            expects_workspace: None,
            judged_by: None,
            request: None,
            draws_on: DrawsOn::Nothing,
        }
    }
}

/// The rows that one change writes.
#[derive(Debug, Clone, Default)]
pub struct Rows {
    /// At most one workspace.
    pub workspace: Option<Workspace>,
    /// At most one member.
    pub member: Option<Member>,
    /// At most one key, with its secrets.
    pub key: Option<Key>,
    /// At most one version of the policy, the one after the newest.
    pub policy: Option<Arc<PolicyVersion>>,
    /// At most one new import scheme.
    pub scheme: Option<ImportScheme>,
    /// The clock's new mark; it replaces any earlier one.
    pub clock_mark: Option<Timestamp>,
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
    /// The administration key or actor that applied it; `None` for Keyward itself.
    pub applied_by: Option<CallerId>,
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
    /// The administration key or actor that used it.
    pub caller: CallerId,
    /// The id.
    pub id: RequestId,
    /// SHA-256 over the method and its arguments.
    pub fingerprint: [u8; 32],
}

impl RequestMark {
    /// Marks a request: its id, its method, and all of its arguments.
    #[must_use]
    pub fn new(caller: CallerId, id: RequestId, method: &str, arguments: &[u8]) -> Self {
        let fingerprint = digest(&[method.as_bytes(), b"\0", arguments].concat());
        Self { caller, id, fingerprint }
    }
}
