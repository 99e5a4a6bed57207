//! Check: may the holder of this key do this, now?
//!
//! Parsing refuses bad shapes before any hash, the hash comes before any look-up, and the decision before any trace
//! of use. No disk, no lock, nothing that waits: the one wait there is, for a revision, comes before.

use std::{sync::Arc, time::Duration};

use super::{Operations, error::OperationError, uses::minute_of};
use crate::{
    domain::{
        audit::Revision,
        decision::{self, Decision, Denial, Holder, Requirement},
        id::{KeyId, WorkspaceId},
        secret::{KeyHash, PresentedKey},
        time::Timestamp,
        workspace::Workspace,
    },
    index::Found,
    ports::PolicyVersion,
};

/// How long a Check waits for the revision that it asks for.
const REVISION_WAIT: Duration = Duration::from_millis(100);

/// Whose right is in question.
pub enum Subject<'a> {
    /// The holder of what was presented.
    Presented(&'a str),
    /// Nobody presented anything.
    Nothing,
    /// The key of this id; an operator asks.
    Key(KeyId),
}

/// How to judge.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Decide, charge and note the use.
    Enforce,
    /// Decide only.
    Peek,
    /// Decide only, and name every condition that fails.
    Explain,
}

/// A question.
pub struct Query<'a> {
    /// Whose right is in question.
    pub subject: Subject<'a>,
    /// What the request needs.
    pub requirement: Requirement<'a>,
    /// How to judge.
    pub mode: Mode,
    /// The workspace that the caller is bound to: keys of others are unknown to it.
    pub bound_to: Option<WorkspaceId>,
}

/// An answer.
pub struct Answer {
    /// The decision.
    pub decision: Decision,
    /// Every condition that failed, where the question was to explain.
    pub failures: Vec<Denial>,
    /// The key, where the caller may know it.
    pub subject: Option<CheckedKey>,
    /// The revision that the answer is based on.
    pub revision: Revision,
}

/// A key that was checked.
pub struct CheckedKey {
    /// The key.
    pub found: Found,
    /// The generation of the secret presented, and its end if it was replaced.
    pub secret: Option<(u32, Option<Timestamp>)>,
    /// The key's workspace.
    pub workspace: Option<Arc<Workspace>>,
}

impl Operations {
    /// Whether the store is sealed: what it holds may differ from what is in memory.
    #[must_use]
    pub fn sealed(&self) -> bool {
        self.store.sealed()
    }

    /// Waits until the view has `revision`, but not for long.
    ///
    /// # Errors
    /// It does not have it in time.
    pub async fn await_revision(&self, revision: Revision) -> Result<(), OperationError> {
        if self.index.revision() >= revision {
            return Ok(());
        }
        let reached = tokio::time::timeout(REVISION_WAIT, self.index.reached(revision)).await;
        reached.ok().and_then(Result::ok).ok_or(OperationError::RevisionAhead)
    }

    /// Passes if there is such a holder's key within reach.
    ///
    /// # Errors
    /// There is none, or it is out of reach: both look the same (T1).
    pub fn require_known(&self, bound_to: Option<WorkspaceId>, id: KeyId) -> Result<(), OperationError> {
        self.known(bound_to, id).map(drop)
    }

    fn known(&self, bound_to: Option<WorkspaceId>, id: KeyId) -> Result<Found, OperationError> {
        let found = self.index.by_id(id).filter(|found| known_to(bound_to, found));
        found.ok_or(OperationError::KeyNotFound(id))
    }

    /// Answers a Check.
    ///
    /// # Errors
    /// The policy cannot be trusted; an operator asks about an id that does not exist within reach. Whatever a holder presents is an answer.
    pub fn check(&self, query: &Query<'_>) -> Result<Answer, OperationError> {
        // Before the look-up, so that the answer is based on this revision at the least.
        let revision = self.index.revision();
        let nobody = |denial| {
            let failures =
                if query.mode == Mode::Explain { vec![Denial::clone(&denial)] } else { Vec::new() };
            Ok(Answer { decision: Decision::Deny(denial), failures, subject: None, revision })
        };
        let policy = self.policy()?;
        let (found, hash) = match query.subject {
            Subject::Nothing => return nobody(Denial::CredentialsMissing),
            Subject::Key(id) => (self.known(query.bound_to, id)?, None),
            Subject::Presented(text) => match PresentedKey::parse(text, policy.policy.environments()) {
                Err(not_a_key) => return nobody(not_a_key.into()),
                Ok(PresentedKey::Foreign(_)) => return nobody(Denial::KeyUnknown),
                Ok(PresentedKey::Native(plaintext)) => {
                    let hash = plaintext.hash(&self.keys.lookup);
                    match self.index.by_hash(&hash).filter(|found| known_to(query.bound_to, found)) {
                        None => return nobody(Denial::KeyUnknown),
                        Some(found) => (found, Some(hash)),
                    }
                }
            },
        };
        Ok(self.judge(query, &policy, found, hash, revision))
    }

    fn judge(
        &self,
        query: &Query<'_>,
        policy: &Arc<PolicyVersion>,
        found: Found,
        hash: Option<KeyHash>,
        revision: Revision,
    ) -> Answer {
        let now = self.clock.now();
        let secret = hash.and_then(|hash| found.key().credentials.find(&hash));
        let holder = Holder {
            key: found.key(),
            rights: found.rights(),
            default_tier: policy.policy.default_tier(),
            secret,
        };
        let decision = decision::judge(holder, &query.requirement, now);
        let failures = match query.mode {
            Mode::Explain => decision::failures(holder, &query.requirement, now),
            Mode::Enforce | Mode::Peek => Vec::new(),
        };
        if query.mode == Mode::Enforce && matches!(decision, Decision::Allow(_)) {
            found.note_use(minute_of(now));
        }
        self.note_usage(query, policy, found.key().id, now, &decision);
        let secret = secret.map(|(secret, end)| (secret.generation, end));
        let workspace = self.index.workspace(found.key().workspace);
        let subject = CheckedKey { found, secret, workspace };
        Answer { decision, failures, subject: Some(subject), revision }
    }
}

/// Whether a caller may know of a key: administration keys are nobody's holder's key, and a bound caller knows its
/// own workspace only.
fn known_to(bound_to: Option<WorkspaceId>, found: &Found) -> bool {
    let key = found.key();
    key.admin.is_none() && bound_to.is_none_or(|workspace| workspace == key.workspace)
}
