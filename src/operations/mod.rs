//! What callers can ask for, one verb per file. Each change is one mutation: committed, then in memory, then answered.

pub mod bulk;
pub mod check;
pub mod check_all;
pub mod clock_mark;
mod cursor;
mod describe;
pub mod error;
mod fit;
pub mod identify;
pub mod import;
mod import_alarm;
pub mod import_scheme;
pub mod initialize;
pub mod issue;
pub mod leak;
pub mod least_privilege;
pub mod limits;
pub mod log;
pub mod members;
pub mod plan_change;
pub mod policy;
mod presented;
pub mod quotas;
mod reach;
pub mod register;
pub mod review;
pub mod revoke;
pub mod rights;
mod roles;
pub mod rotate;
pub mod rotation;
pub mod select;
pub mod show;
mod source_limit;
pub mod switch;
mod turns;
pub mod update;
pub mod usage;
pub mod uses;
pub mod workspace;
pub mod workspace_state;
pub mod workspaces;
mod wrong_callers;

use std::{ops::Deref, sync::Arc, time::Duration};

use self::{
    error::OperationError, import_alarm::ImportAlarms, quotas::UnderWay, source_limit::SourceLimit,
    turns::Turns, usage::UsageLedger, wrong_callers::WrongCallers,
};
use crate::{
    domain::{
        audit::{Action, Actor, FieldChange, LogEntry, Revision},
        credentials::Secret,
        id::KeyId,
        key::Key,
        root::DerivedKeys,
        scheme::Scheme,
        secret::SecretKey,
        text::EnvironmentName,
        time::{Entropy, EntropyUnavailable, Timestamp, TrustedClock},
    },
    index::{Found, Index},
    ports::{Counters, KeyStore, Mutation, PolicyVersion, RequestMark, Rows, StoreError},
};

/// How often a change is judged anew when others change the same at the same time.
const ATTEMPTS: usize = 16;

const POLICY_DAMAGED: &str = "the stored policy cannot be trusted; apply one, with the expected version 0";

/// Everything that the verbs need.
pub struct Operations {
    store: Arc<dyn KeyStore>,
    counters: Arc<dyn Counters>,
    index: Arc<Index>,
    clock: Arc<TrustedClock>,
    entropy: Arc<dyn Entropy>,
    keys: Arc<DerivedKeys>,
    count_wait: Duration,
    revocations_by_source: SourceLimit,
    wrong_callers: WrongCallers,
    import_alarms: ImportAlarms,
    turns: Turns,
    under_way: UnderWay,
    usage: Arc<UsageLedger>,
}

/// What an operations object is made of.
pub struct Parts {
    /// Where truth is kept.
    pub store: Arc<dyn KeyStore>,
    /// Where limits are counted.
    pub counters: Arc<dyn Counters>,
    /// The view of it, which a follower keeps.
    pub index: Arc<Index>,
    /// The time.
    pub clock: Arc<TrustedClock>,
    /// Randomness.
    pub entropy: Arc<dyn Entropy>,
    /// The keys derived from the roots.
    pub keys: Arc<DerivedKeys>,
    /// How long a Check waits until what it would use of a limit is written.
    pub count_wait: Duration,
}

/// A key as it is after a change, and the revision of that change.
#[derive(Debug)]
pub struct Changed {
    /// The key.
    pub key: Key,
    /// The log revision.
    pub revision: Revision,
}

/// A key with a new secret, which is shown this once.
pub struct WithSecret {
    /// The key.
    pub key: Key,
    /// The new secret.
    pub secret: SecretKey,
    /// The log revision.
    pub revision: Revision,
}

/// What one attempt at a change comes to.
enum Attempt<T> {
    /// Nothing needs to change.
    Done(T),
    /// This is to be committed.
    Commit(Box<Mutation>, T),
    /// All of these are, or none.
    CommitAll(Vec<Mutation>, T),
}

impl Operations {
    /// Puts the parts together.
    #[must_use]
    pub fn new(parts: Parts) -> Self {
        let Parts { store, counters, index, clock, entropy, keys, count_wait } = parts;
        let revocations_by_source = SourceLimit::default();
        let usage = Arc::new(UsageLedger::new(Arc::clone(&store), Arc::clone(&clock)));
        Self {
            store,
            counters,
            index,
            clock,
            entropy,
            keys,
            count_wait,
            revocations_by_source,
            wrong_callers: WrongCallers::default(),
            import_alarms: ImportAlarms::default(),
            turns: Turns::default(),
            under_way: UnderWay::default(),
            usage,
        }
    }

    /// The policy in force.
    ///
    /// # Errors
    /// The stored one cannot be trusted.
    pub fn policy(&self) -> Result<Arc<PolicyVersion>, OperationError> {
        trusted(self.index.policy())
    }

    /// The policy in force for as long as one Check takes, see [`trusted`].
    #[must_use]
    pub fn policy_now(&self) -> impl Deref<Target = Option<Arc<PolicyVersion>>> + use<> {
        self.index.policy_now()
    }

    /// Commits one change of a key, in its turn. `attempt` judges the key as it stands; where another change came first,
    /// it judges again. `caller` is what the change stands on beside the key (see [`AdminPermit::stands_on`]).
    async fn change<T>(
        &self,
        caller: Option<(KeyId, Revision)>,
        read: impl Fn() -> Result<Found, OperationError>,
        mut attempt: impl FnMut(Key, Timestamp) -> Result<Attempt<T>, OperationError>,
    ) -> Result<(T, Option<Revision>), OperationError> {
        let found = read()?;
        let (workspace, id) = (found.key().workspace, found.key().id);
        drop(found);
        let _turn = self.turns.of(workspace, id).await;
        self.until_committed(caller, || {
            let key = read()?.key().clone();
            let workspace = self.index.workspace(key.workspace);
            let mut attempt = attempt(key, self.clock.now())?;
            if let Attempt::Commit(mutation, _) = &mut attempt
                && stands_on_workspace(mutation.entry.action)
            {
                mutation.expects_workspace = workspace.map(|workspace| (workspace.id, workspace.revision));
            }
            Ok(attempt)
        })
        .await
    }

    /// Commits what `judge` comes to, standing on the caller too; where another change came first, it judges again, unless
    /// that was one of the caller's own key.
    async fn until_committed<T>(
        &self,
        caller: Option<(KeyId, Revision)>,
        mut judge: impl FnMut() -> Result<Attempt<T>, OperationError>,
    ) -> Result<(T, Option<Revision>), OperationError> {
        for _ in 0..ATTEMPTS {
            let seen = self.index.revision();
            let (mut mutations, value) = match judge()? {
                Attempt::Done(value) => return Ok((value, None)),
                Attempt::Commit(mutation, value) => (vec![*mutation], value),
                Attempt::CommitAll(mutations, value) => (mutations, value),
            };
            for mutation in &mut mutations {
                mutation.seen = seen;
            }
            match self.commit_all_by(caller, mutations).await {
                Ok(revision) => return Ok((value, Some(revision))),
                Err(OperationError::Store(StoreError::Conflict)) => self.catch_up().await?,
                Err(error) => return Err(error),
            }
            if caller.is_some_and(|(caller, revision)| self.has_changed(caller, revision)) {
                break;
            }
        }
        Err(OperationError::Contended)
    }

    /// Commits a change that stands on the caller too, whose key is still as it was identified at what the change has seen.
    async fn commit_by(
        &self,
        caller: Option<(KeyId, Revision)>,
        mutation: Mutation,
    ) -> Result<Revision, OperationError> {
        self.commit_all_by(caller, vec![mutation]).await
    }

    /// The same with several, all of them or none.
    async fn commit_all_by(
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

    /// The same where the outcome is the key itself.
    async fn change_key(
        &self,
        caller: Option<(KeyId, Revision)>,
        read: impl Fn() -> Result<Found, OperationError>,
        mut attempt: impl FnMut(Key, Timestamp) -> Result<Attempt<Key>, OperationError>,
    ) -> Result<Changed, OperationError> {
        let (mut key, revision) = self.change(caller, read, &mut attempt).await?;
        let revision = revision.unwrap_or(key.revision);
        key.revision = revision;
        Ok(Changed { key, revision })
    }

    fn has_changed(&self, key: KeyId, since: Revision) -> bool {
        self.index.by_id(key).is_none_or(|found| found.key().revision != since)
    }

    /// Commits what has room, and waits until memory has it: only then may anybody be told.
    async fn commit(&self, mutations: Vec<Mutation>) -> Result<Revision, OperationError> {
        let mut until_memory_has_them = Vec::with_capacity(mutations.len());
        for mutation in &mutations {
            until_memory_has_them.push(self.room_for(mutation).await?);
        }
        let revision = self.store.commit_all(mutations).await?;
        self.reached(revision).await?;
        Ok(revision)
    }

    async fn catch_up(&self) -> Result<(), OperationError> {
        let head = *self.store.revisions().borrow();
        self.reached(head).await
    }

    async fn reached(&self, revision: Revision) -> Result<(), OperationError> {
        let stopped = |_stopped| StoreError::OutcomeUnknown("Keyward is stopping".to_owned()).into();
        self.index.reached(revision).await.map_err(stopped)
    }

    /// Passes unless the request id has been used: so that a retry is told so, whatever else has changed since.
    async fn require_unused(&self, request: Option<&RequestMark>) -> Result<(), OperationError> {
        match request {
            None => Ok(()),
            Some(mark) => Ok(self.store.require_unused(mark.clone()).await?),
        }
    }

    /// Draws a secret that begins as its environment says.
    fn draw(
        &self,
        admin: bool,
        environment: &EnvironmentName,
        generation: u32,
        now: Timestamp,
    ) -> Result<(SecretKey, Secret), OperationError> {
        let policy = self.policy()?;
        let environments = policy.policy.environments();
        let environment =
            if admin { Ok(environments.admin()) } else { environments.holder(environment.as_str()) };
        let environment = environment.map_err(|why| OperationError::invalid("environment", why))?;
        let secret = SecretKey::generate(&environment.prefix, &*self.entropy)?;
        let kept = Secret {
            generation,
            scheme: Scheme::Native,
            hash: secret.hash(&self.keys.lookup),
            root: self.keys.lookup.root(),
            hint: secret.hint(),
            created: now,
        };
        Ok((secret, kept))
    }
}

/// Passes the policy in force on.
///
/// # Errors
/// There is none: the stored one cannot be trusted.
pub fn trusted<T>(policy: Option<T>) -> Result<T, OperationError> {
    policy.ok_or_else(|| StoreError::Corrupt(POLICY_DAMAGED.to_owned()).into())
}

/// Whether a change of a key is none that a closed workspace lets be: it happens in the workspace as it was judged, or not.
const fn stands_on_workspace(action: Action) -> bool {
    matches!(action, Action::KeyRotate | Action::KeyUpdate | Action::KeyEnable | Action::SecretGrace)
}

/// An entry about a change of a key, to be completed by the verb.
fn entry(actor: Actor, action: Action, key: &Key, now: Timestamp) -> LogEntry {
    LogEntry { workspace: Some(key.workspace), key: Some(key.id), ..LogEntry::new(now, actor, action) }
}

/// A mutation that writes one key and stands on nothing else.
fn write_key(entry: LogEntry, key: Key) -> Mutation {
    Mutation::new(entry, Rows { key: Some(key), ..Rows::default() })
}

/// One changed field.
fn change(
    field: &'static str,
    from: impl Into<serde_json::Value>,
    to: impl Into<serde_json::Value>,
) -> FieldChange {
    FieldChange { field: field.into(), from: from.into(), to: to.into() }
}

impl From<EntropyUnavailable> for OperationError {
    fn from(_: EntropyUnavailable) -> Self {
        Self::Store(StoreError::Unavailable(EntropyUnavailable.to_string()))
    }
}
