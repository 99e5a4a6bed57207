//! The grace of replaced secrets: who uses which secret, whether a retiring one can be ended, and its end (R5).

use std::time::Duration;

use crate::{
    changes::{
        Changed, Changes,
        keys::rotate::ends_of,
        support::{
            attempt::Attempt,
            entry::{change, entry, write_key},
        },
    },
    domain::{
        admin::{AdminPermit, ReadKeys, RotateKeys},
        audit::Action,
        caller_id::CallerId,
        credentials::Secret,
        id::KeyId,
        key::Key,
        parse::ParseError,
        rotation::{Readiness, Uses},
        text::Owner,
        time::Timestamp,
    },
    error::OperationError,
    ports::{LastUse, Mutation},
};

/// A secret and who uses it.
pub struct SecretInUse {
    /// The secret.
    pub secret: Secret,
    /// Its end, if it was replaced.
    pub end: Option<Timestamp>,
    /// Who used it last, the newest use first.
    pub users: Vec<SecretUser>,
    /// Whether it can be ended, if it is retiring.
    pub readiness: Option<Readiness>,
}

/// A user of a secret.
pub struct SecretUser {
    /// The use.
    pub last: LastUse,
    /// The administration key or actor that asked, unless that is out of the caller's reach.
    pub caller: Option<CallerId>,
    /// Its owner.
    pub owner: Option<Owner>,
}

impl Changes {
    /// Who uses which secret of a key, the current one first.
    ///
    /// # Errors
    /// It is out of reach. The store.
    pub async fn rotation(
        &self,
        permit: AdminPermit<ReadKeys>,
        id: KeyId,
        quiet: Duration,
    ) -> Result<Vec<SecretInUse>, OperationError> {
        self.require_reach(&permit, id)?;
        let key = self.whole(id).await?;
        let known = self.last_uses(vec![id]).await?.remove(&id).unwrap_or_default();
        let (now, mut shown, mut newer) = (self.clock.now(), Vec::new(), None::<Timestamp>);
        let current = newest(&known, key.credentials.current.generation);
        for (secret, end) in key.credentials.iter() {
            let of_secret = || known.iter().filter(|last| last.generation == secret.generation);
            let retiring: Vec<_> = of_secret().map(|last| last.time).collect();
            let replaced = newer.replace(secret.created);
            let live = replaced.filter(|_| end.is_some_and(|end| now < end));
            let readiness = live
                .map(|replaced| Readiness::new(Uses { replaced, retiring: &retiring, current }, quiet, now));
            let users = of_secret().map(|last| self.user(&permit, *last)).collect();
            shown.push(SecretInUse { secret: secret.clone(), end, users, readiness });
        }
        Ok(shown)
    }

    fn user(&self, permit: &AdminPermit<ReadKeys>, last: LastUse) -> SecretUser {
        let caller = last.caller.filter(|caller| self.index.is_caller_seen(permit.sight(), *caller));
        let found = caller.and_then(CallerId::key).and_then(|key| self.index.by_id(key));
        SecretUser { last, caller, owner: found.and_then(|found| found.key().owner.cloned()) }
    }

    /// Lets the retiring secret of this generation, or all of them, end so long from now.
    ///
    /// # Errors
    /// The key is out of reach, revoked or expired; or holds more than the caller may hand out, where an end comes later
    /// than it would. The secret is no retiring one. The store.
    pub async fn regrace(
        &self,
        permit: AdminPermit<RotateKeys>,
        id: KeyId,
        generation: Option<u32>,
        grace: Duration,
    ) -> Result<Changed, OperationError> {
        let read = || self.key(&permit, id);
        self.change_key(permit.stands_on(), read, |key, now| {
            let policy = self.index.policy();
            Self::require_grant_over(&permit, policy.as_deref(), &key)?;
            let newest = key.credentials.current.generation;
            if generation.is_some_and(|it| it == 0 || it >= newest) {
                let why = ParseError::new(
                    "that of a retiring secret, as GetRotation tells it, or absent for all of them",
                );
                return Err(OperationError::invalid("generation", why));
            }
            let before = key.clone();
            let key = key.regrace(generation, grace, now)?;
            if later(&before, &key) {
                self.require_open(key.workspace)?;
                self.require_ceiling(&permit, policy.as_deref(), &key.view())?;
            }
            if key.credentials == before.credentials {
                return Ok(Attempt::Done(before));
            }
            let mut entry = entry(permit.actor(), Action::SecretGrace, &key, now);
            entry.changes = vec![change("retiring", ends_of(&before), ends_of(&key))];
            let judged_by = policy.map(|policy| policy.version);
            let mutation = Mutation { judged_by, ..write_key(entry, key.clone()) };
            Ok(Attempt::Commit(Box::new(mutation), key))
        })
        .await
    }
}

fn newest(uses: &[LastUse], generation: u32) -> Option<Timestamp> {
    uses.iter().filter(|last| last.generation == generation).map(|last| last.time).max()
}

/// Whether some secret ends later than before.
fn later(before: &Key, after: &Key) -> bool {
    let ends = |key: &Key| key.credentials.iter().map(|(_, end)| end).collect::<Vec<_>>();
    ends(before).into_iter().zip(ends(after)).any(|(before, after)| after > before)
}
