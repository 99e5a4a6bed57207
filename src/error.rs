//! Why Keyward could not do what a caller asked. A denied Check is not among these: it is an answer.

use std::fmt;

use crate::{
    domain::{
        admin::{AdminRefusal, Party},
        ceiling::CeilingPart,
        group::{MAX_GROUP, MAX_WORKSPACES},
        id::{GroupId, KeyId, WorkspaceId},
        key::TransitionError,
        parse::ParseError,
        policy::{Fault, Quota},
        text::{Label, Owner, Plan},
        time::Timestamp,
    },
    ports::StoreError,
};

/// The most scopes that an error names.
const MAX_LISTED: usize = 16;

/// Why an operation was not carried out, by what the caller does next.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OperationError {
    /// A field is not what it takes.
    #[error("{field}: {why}")]
    Invalid {
        /// The field, by its path on the wire.
        field: String,
        /// What it takes.
        why: ParseError,
    },
    /// What was sent to identify the caller is not a usable administration key.
    #[error("what was sent in `authorization` is not a usable administration key")]
    CallerInvalid,
    /// The same, and too many such came from one source.
    #[error(
        "what was sent in `authorization` is not a usable administration key, and too many such came from this source; try again in {0} \
         seconds, with one that is"
    )]
    CallerLimited(u64),
    /// The caller may not.
    #[error(transparent)]
    Refused(#[from] AdminRefusal),
    /// There is no such key within reach.
    #[error("there is no key {0}")]
    KeyNotFound(KeyId),
    /// No key has this secret.
    #[error(
        "no key has the secret that was presented; one that a rotation replaced long ago may be forgotten"
    )]
    SecretUnknown,
    /// There is no such workspace within reach.
    #[error("there is no such workspace")]
    WorkspaceNotFound,
    /// The key's state does not allow it.
    #[error(transparent)]
    Transition(#[from] TransitionError),
    /// The key used nothing of what it has since then.
    #[error("nothing of what the key has was used since {0}; disable it, or revoke it")]
    NothingUsed(Timestamp),
    /// Without this key, nobody could make administration keys any more.
    #[error(
        "it is the last usable global key with `admin:grant`; issue another first, or, if its secret is known to others, rotate it with a \
         grace of 0, which ends that secret at once"
    )]
    LastRoot,
    /// Nobody could use the last such key from where this call comes from.
    #[error(
        "it is the last usable global key with `admin:grant`, and this call comes from none of the networks that it would be bound to: \
         from here nobody could administer any more; call from one of these networks, or issue another such key first"
    )]
    RootUnreachable,
    /// The request id has done its work already, and the secret was shown then.
    #[error(
        "this request id was carried out already, and the secret of {0} was shown then; rotate the key if it was lost"
    )]
    SecretAlreadyShown(KeyId),
    /// The request id has done its work already, on many keys.
    #[error("this request id was carried out already, as {0}; nothing was done again")]
    GroupDone(GroupId),
    /// Another number of keys would change than was confirmed.
    #[error("{changed} keys would change, and {expected} were confirmed; look at the preview again")]
    CountChanged {
        /// How many would change.
        changed: usize,
        /// How many were confirmed.
        expected: u64,
    },
    /// More keys would change than one change takes.
    #[error(
        "{0} keys would change, and one change takes at most {MAX_GROUP}; split it by when they were issued"
    )]
    TooManyKeys(usize),
    /// A change would be in more workspaces than one change takes.
    #[error(
        "{0} workspaces would have a part in it, and one change takes at most {MAX_WORKSPACES}; nothing was changed: name them one by \
         one, or split the change"
    )]
    TooManyWorkspaces(usize),
    /// Keys of a change of many go beyond what the caller may hand out.
    #[error(
        "{keys} of the keys go beyond the caller's ceiling, {first} for one, whose part beyond is its {part:?}; none was changed"
    )]
    CeilingExceededBy {
        /// How many.
        keys: usize,
        /// The first of them.
        first: KeyId,
        /// What is beyond in that one.
        part: CeilingPart,
    },
    /// Other keys would gain rights than were expected to.
    #[error("{}", gains_message(*.gaining, *.expected, .first, .scopes))]
    GainsUnexpected {
        /// How many would gain.
        gaining: usize,
        /// How many were expected to.
        expected: u64,
        /// The first of them, by id.
        first: Vec<KeyId>,
        /// What they would gain, together.
        scopes: Vec<String>,
    },
    /// The request id was used for something else.
    #[error("this request id was used with other arguments")]
    RequestIdReused,
    /// Others changed the key again and again.
    #[error("the key was changed by others again and again; try again")]
    Contended,
    /// Another policy is in force than the one expected.
    #[error(
        "the policy in force is version {0}, not the one expected; look at what changed, and apply again"
    )]
    PolicyVersionChanged(u64),
    /// There is no such version of the policy.
    #[error("there is no version {0} of the policy")]
    PolicyVersionNotFound(u64),
    /// A policy document is wrong.
    #[error("{}", faults_message(.0))]
    PolicyInvalid(Vec<Fault>),
    /// Fields are not what they take, each by its path on the wire.
    #[error("{}", faults_message(.0))]
    FieldsInvalid(Vec<Fault>),
    /// The workspace's plan may not issue keys.
    #[error("the policy bars the plan `{0}` from issuing keys")]
    PlanMayNotIssue(Plan),
    /// There is no import scheme of this name.
    #[error("there is no import scheme `{0}`")]
    SchemeNotFound(Label),
    /// There is an import scheme of this name, with another secret.
    #[error("there is an import scheme `{0}` already, and its secret cannot be changed")]
    SchemeExists(Label),
    /// An imported secret can be found by trying.
    #[error(
        "a secret of {0} bits can be found by trying; fewer than 112 are taken in for 90 days at most, if allowed"
    )]
    WeakSecret(u32),
    /// The hash of an imported secret is already that of a key which the caller may know of.
    #[error("this hash is a key's already: {0}")]
    HashExists(KeyId),
    /// A row before has the same hash.
    #[error("the row of line {0} has this hash already")]
    HashRepeated(u64),
    /// The policy bars the role from having keys that follow it, or are issued on its behalf.
    #[error("the policy lets no key be issued that follows the role `{0}`, or on its behalf")]
    RoleMayNotIssue(Label),
    /// A key would have more than the role that it is issued under.
    #[error("the role `{role}` does not have {}", listed(.beyond))]
    RoleExceeded {
        /// The role.
        role: Label,
        /// What goes beyond it.
        beyond: Vec<String>,
    },
    /// There is no such member.
    #[error("`{0}` is no member of the workspace")]
    MemberNotFound(Owner),
    /// There is such a member already.
    #[error("`{0}` is a member of the workspace already; to change the role, update the member")]
    MemberExists(Owner),
    /// The workspace is suspended, and gets neither keys nor members.
    #[error("the workspace is suspended, and gets no new keys or members until it is resumed")]
    WorkspaceSuspended,
    /// The workspace is closed, for good.
    #[error(
        "the workspace is closed, and nothing in it changes any more but that keys are revoked or disabled"
    )]
    WorkspaceClosed,
    /// The view does not have the wanted revision yet.
    #[error("this Keyward has not seen that revision yet; try again")]
    RevisionAhead,
    /// What the request would use of a limit could not be written in time.
    #[error("what the request would use of its limits could not be written in time; try again")]
    CountsUnwritten,
    /// Too many revocations by possession from one source.
    #[error("too many revocations from this source; try again in {0} seconds")]
    SourceLimited(u64),
    /// Something would grow beyond its quota.
    #[error("{0}")]
    QuotaReached(QuotaReached),
    /// Too much administrative work is under way.
    #[error("too many administrative calls are under way; try again")]
    Overloaded,
    /// The caller's share of the places for such calls is taken.
    #[error(
        "{share} such calls of {party} are under way, and that is its share; nothing was done: wait until some are answered, and send \
         fewer at a time"
    )]
    ShareTaken {
        /// Whose.
        party: Party,
        /// How many places it has.
        share: usize,
    },
    /// The end of keys was good, and the store could not write it.
    #[error("{0}")]
    EndUnwritten(StoreError),
    /// What was to end is denied in memory, and not for longer than this process lasts.
    #[error(
        "the store takes no changes now: what was to end is denied here from now on, but a restart of this Keyward forgets that; it is \
         written as soon as changes are taken: keep the process running, and see `keyward status`"
    )]
    DeniedNotDurable,
    /// There is no place among what is denied in memory only.
    #[error(
        "the store takes no changes now, and as much is denied in memory only as there is place for: nothing was changed, and nothing is \
         denied by this"
    )]
    DenialsFull,
    /// An end of the key is not written yet.
    #[error(
        "the key is denied in memory only, until its end is written; nothing else of it can be changed before"
    )]
    EndWaits,
    /// The store could not do it.
    #[error("{0}")]
    Store(StoreError),
}

/// What would grow beyond its quota.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QuotaReached {
    /// The quota.
    pub quota: Quota,
    /// Whose it is; `None` is the whole store.
    pub workspace: Option<WorkspaceId>,
    /// How far it goes.
    pub limit: u64,
    /// How much is taken.
    pub used: u64,
    /// How much more is needed.
    pub needed: u64,
    /// The seconds after which there is room again, where that comes by itself.
    pub wait: Option<u64>,
}

impl fmt::Display for QuotaReached {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { quota, workspace, limit, used, needed, wait } = self;
        let quota = quota.as_str();
        match workspace {
            Some(workspace) => write!(formatter, "the workspace {workspace} has no room left: ")?,
            None => formatter.write_str("there is no room left: ")?,
        }
        write!(
            formatter,
            "of its quota `{quota}`, {limit}, it has taken {used}, and this needs {needed} more"
        )?;
        match wait {
            Some(wait) => write!(formatter, "; try again in {wait} seconds"),
            None => Ok(()),
        }
    }
}

impl OperationError {
    /// A field that is not what it takes.
    #[must_use]
    pub fn invalid(field: impl Into<String>, why: ParseError) -> Self {
        Self::Invalid { field: field.into(), why }
    }

    /// The same about another field, if it is about this one.
    #[must_use]
    pub(super) fn renamed(mut self, from: &str, to: &str) -> Self {
        if let Self::Invalid { field, .. } = &mut self
            && field == from
        {
            to.clone_into(field);
        }
        self
    }
}

/// `prefix.name`, or the name alone at the top of a request.
#[must_use]
pub fn path(prefix: &str, name: &str) -> String {
    if prefix.is_empty() { name.to_owned() } else { format!("{prefix}.{name}") }
}

/// The first few scopes, and how many more there are: an error travels in a header.
#[must_use]
pub fn listed(scopes: &[String]) -> String {
    let more = scopes.len().saturating_sub(MAX_LISTED);
    let first = scopes.get(..MAX_LISTED).unwrap_or(scopes).join(", ");
    if more == 0 { first } else { format!("{first} and {more} more") }
}

/// Which keys would gain what, and how many were expected to.
fn gains_message(gaining: usize, expected: u64, first: &[KeyId], scopes: &[String]) -> String {
    let keys: Vec<_> = first.iter().map(ToString::to_string).collect();
    let named = match gaining.saturating_sub(keys.len()) {
        _ if keys.is_empty() => String::new(),
        0 => format!(" ({})", keys.join(", ")),
        more => format!(" ({} and {more} more)", keys.join(", ")),
    };
    let what = if scopes.is_empty() { String::new() } else { format!(": {}", listed(scopes)) };
    format!(
        "{gaining} keys would gain rights{named}{what}; {expected} were expected, and nothing was changed"
    )
}

/// The first fault, and how many more there are.
fn faults_message(faults: &[Fault]) -> String {
    let Some(first) = faults.first() else { return "the document is wrong".to_owned() };
    let more = match faults.len().saturating_sub(1) {
        0 => String::new(),
        more => format!(" (and {more} more)"),
    };
    format!("{first}{more}")
}

impl From<StoreError> for OperationError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::RequestUsed { key, same_arguments: true } => Self::SecretAlreadyShown(key),
            StoreError::GroupDone { group, same_arguments: true } => Self::GroupDone(group),
            StoreError::RequestUsed { same_arguments: false, .. }
            | StoreError::GroupDone { same_arguments: false, .. } => Self::RequestIdReused,
            StoreError::Conflict
            | StoreError::Unavailable(_)
            | StoreError::Sealed(_)
            | StoreError::WrittenByOthers
            | StoreError::OutcomeUnknown(_)
            | StoreError::Corrupt(_)
            | StoreError::ZoneMissing { .. }
            | StoreError::TooOld => Self::Store(error),
        }
    }
}
