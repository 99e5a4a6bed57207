//! What every verb has at hand: who decides, where truth is kept, who may go next.

use std::sync::Arc;

use super::{
    denials::DenialLedger,
    support::{denied_here::DeniedHere, locks::Locks, quotas::UnderWay},
    usage::UsageLedger,
};
use crate::{
    domain::{
        credentials::Secret,
        root::KeysInForce,
        scheme::Scheme,
        secret::SecretKey,
        text::EnvironmentName,
        time::{Entropy, EntropyUnavailable, Timestamp, TrustedClock},
    },
    error::OperationError,
    index::Index,
    judge::{Judge, ProcessSourceLimit},
    ports::{Counters, KeyStore, PolicyVersion, RequestMark, StoreError},
};

/// Everything that the verbs need.
pub struct Changes {
    pub(super) judge: Arc<Judge>,
    pub(super) store: Arc<dyn KeyStore>,
    pub(super) counters: Arc<dyn Counters>,
    pub(super) index: Arc<Index>,
    pub(super) clock: Arc<TrustedClock>,
    pub(super) entropy: Arc<dyn Entropy>,
    pub(super) keys: Arc<KeysInForce>,
    pub(super) revocations_by_source: ProcessSourceLimit,
    pub(super) locks: Locks,
    pub(super) denied: DeniedHere,
    pub(super) under_way: UnderWay,
    pub(super) usage: Arc<UsageLedger>,
    pub(super) denials: Arc<DenialLedger>,
}

/// What they are made of.
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
    pub keys: Arc<KeysInForce>,
}

impl Changes {
    /// Puts the parts together.
    #[must_use]
    pub fn new(parts: Parts) -> Self {
        let Parts { judge, store, counters, index, clock, entropy, keys } = parts;
        let denials = DenialLedger::new(judge.denial_book(), Arc::clone(&store), Arc::clone(&clock));
        let usage = UsageLedger::new(judge.usage_book(), Arc::clone(&store), Arc::clone(&clock));
        Self {
            judge,
            store,
            counters,
            index,
            clock,
            entropy,
            keys,
            revocations_by_source: ProcessSourceLimit::default(),
            locks: Locks::default(),
            denied: DeniedHere::default(),
            under_way: UnderWay::default(),
            usage: Arc::new(usage),
            denials: Arc::new(denials),
        }
    }

    /// The policy in force.
    ///
    /// # Errors
    /// The stored one cannot be trusted.
    pub fn policy(&self) -> Result<Arc<PolicyVersion>, OperationError> {
        self.judge.policy()
    }

    /// Passes unless the request id has been used: so that a retry is told so, no matter what else has changed since.
    pub(super) async fn require_unused(&self, request: Option<&RequestMark>) -> Result<(), OperationError> {
        match request {
            None => Ok(()),
            Some(mark) => Ok(self.store.require_unused(mark.clone()).await?),
        }
    }

    /// Draws a secret that begins as its environment says.
    pub(super) fn draw(
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
        let keys = self.keys.now();
        let kept = Secret {
            generation,
            scheme: Scheme::Native,
            hash: secret.hash(&keys.lookup),
            root: keys.lookup.root(),
            hint: secret.hint(),
            created: now,
        };
        Ok((secret, kept))
    }
}

impl From<EntropyUnavailable> for OperationError {
    fn from(_: EntropyUnavailable) -> Self {
        Self::Store(StoreError::Unavailable(EntropyUnavailable.to_string()))
    }
}
