//! Rotate: gives a key a new secret. The old one keeps working for the grace; the key stays the same.

use std::time::Duration;

use serde_json::{Value, json};

use crate::{
    changes::{
        Changes, WithSecret,
        keys::issue::with_secret,
        support::{
            attempt::Attempt,
            describe,
            entry::{change, entry, write_key},
        },
    },
    domain::{
        admin::{AdminPermit, RotateKeys},
        audit::{Action, FieldChange},
        credentials::Secret,
        id::KeyId,
        key::Key,
    },
    error::OperationError,
    ports::{Mutation, RequestMark},
};

impl Changes {
    /// Gives a key a new secret, and the one it replaces a grace.
    ///
    /// # Errors
    /// It is out of reach, or holds more than the caller may hand out: a new secret is a key handed out. It is revoked
    /// or expired. Three secrets are live already. The request id was used before. The store.
    pub async fn rotate(
        &self,
        permit: AdminPermit<RotateKeys>,
        id: KeyId,
        grace: Duration,
        request: Option<RequestMark>,
    ) -> Result<WithSecret, OperationError> {
        self.require_unused(request.as_ref()).await?;
        let read = || self.key(&permit, id);
        let (rotated, revision) = self
            .change(permit.stands_on(), read, |key, now| {
                let policy = self.policy()?;
                Self::require_grant_over(&permit, Some(&policy), &key)?;
                self.require_open(key.workspace)?;
                self.require_ceiling(&permit, Some(&policy), &key.view())?;
                let generation = key.credentials.current.generation.saturating_add(1);
                let (secret, kept) = self.draw(key.admin.is_some(), &key.environment, generation, now)?;
                let before = key.clone();
                let key = key.rotate(kept, grace, now)?;
                let mut entry = entry(permit.actor(), Action::KeyRotate, &key, now);
                entry.changes = ends(&before, &key);
                entry.request_id = request.as_ref().map(|request| request.id.clone());
                let judged_by = Some(policy.version);
                let request = request.clone();
                let mutation = Mutation { judged_by, request, ..write_key(entry, key.clone()) };
                Ok(Attempt::Commit(Box::new(mutation), (key, secret)))
            })
            .await?;
        let (key, secret) = rotated;
        let revision = revision.unwrap_or(key.revision);
        Ok(with_secret(key, secret, revision))
    }
}

/// What the log tells: the generation that is current now, and when each earlier one ends.
fn ends(before: &Key, after: &Key) -> Vec<FieldChange> {
    let generation = |key: &Key| key.credentials.current.generation;
    vec![
        change("generation", generation(before), generation(after)),
        change("retiring", ends_of(before), ends_of(after)),
    ]
}

/// When each replaced secret ends, as the log tells it.
pub(in crate::changes) fn ends_of(key: &Key) -> Value {
    let each = |(secret, end): (&Secret, _)| json!({ "generation": secret.generation, "end_time": describe::time(end) });
    key.credentials.iter().skip(1).map(each).collect()
}
