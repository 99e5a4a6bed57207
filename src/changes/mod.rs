//! What administrators can ask for, one verb per file: of [`keys`], of [`workspaces`], of the [`policy`], of keys of other
//! systems ([`import`]); and what looks at the [`log`] and at [`usage`].
//!
//! Each change is one mutation: committed, then in memory, then answered. What several verbs need is in [`support`].

pub mod import;
pub mod keys;
pub mod log;
pub mod policy;
pub mod support;
pub mod usage;
pub mod workspaces;

use std::sync::Arc;

use self::{
    support::{denied_here::DeniedHere, locks::Locks, quotas::UnderWay},
    usage::UsageLedger,
};
use crate::{
    domain::{
        audit::{Action, Actor, FieldChange, LogEntry},
        credentials::Secret,
        key::Key,
        revision::Revision,
        root::DerivedKeys,
        scheme::Scheme,
        secret::SecretKey,
        text::EnvironmentName,
        time::{Entropy, EntropyUnavailable, Timestamp, TrustedClock},
    },
    error::OperationError,
    index::Index,
    judge::{Judge, SourceLimit},
    ports::{Counters, KeyStore, Mutation, PolicyVersion, RequestMark, Rows, StoreError},
};

/// How often a change is judged anew when others change the same at the same time.
const ATTEMPTS: usize = 16;

/// Everything that the verbs need.
pub struct Changes {
    judge: Arc<Judge>,
    store: Arc<dyn KeyStore>,
    counters: Arc<dyn Counters>,
    index: Arc<Index>,
    clock: Arc<TrustedClock>,
    entropy: Arc<dyn Entropy>,
    keys: Arc<DerivedKeys>,
    revocations_by_source: SourceLimit,
    locks: Locks,
    denied: DeniedHere,
    under_way: UnderWay,
    usage: Arc<UsageLedger>,
}

/// What an changes object is made of.
pub struct Parts {
    /// Who decides.
    pub judge: Arc<Judge>,
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

impl Changes {
    /// Puts the parts together.
    #[must_use]
    pub fn new(parts: Parts) -> Self {
        let Parts { judge, store, counters, index, clock, entropy, keys } = parts;
        let usage = UsageLedger::new(judge.usage_book(), Arc::clone(&store), Arc::clone(&clock));
        Self {
            judge,
            store,
            counters,
            index,
            clock,
            entropy,
            keys,
            revocations_by_source: SourceLimit::default(),
            locks: Locks::default(),
            denied: DeniedHere::default(),
            under_way: UnderWay::default(),
            usage: Arc::new(usage),
        }
    }

    /// The policy in force.
    ///
    /// # Errors
    /// The stored one cannot be trusted.
    pub fn policy(&self) -> Result<Arc<PolicyVersion>, OperationError> {
        self.judge.policy()
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

/// A key after an attempt that changed it, or did not need to.
fn changed((mut key, revision): (Key, Option<Revision>)) -> Changed {
    let revision = revision.unwrap_or(key.revision);
    key.revision = revision;
    Changed { key, revision }
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
