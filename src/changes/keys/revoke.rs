//! Revoke: ends a key for good, by id or by presenting it.

use std::net::IpAddr;

use futures_util::future::join_all;

use crate::{
    changes::{
        Changed, Changes,
        changed::changed,
        support::{
            attempt::Attempt,
            denied_here::{self, ListPart, What},
            describe,
            entry::{change, entry, write_key},
        },
    },
    domain::{
        admin::{AdminPermit, RevokeKeys},
        audit::{Action, Actor},
        id::KeyId,
        key::{Key, KeyState, KeyView, Revocation, RevokeReason, Standing},
        revision::Revision,
        secret::PresentedKey,
        text::Comment,
        time::Timestamp,
    },
    error::{Blocked, Limited, NotFound, OperationError, Unavailable},
    index::End,
    ports::{Mutation, Note, StoreError},
};

/// Who presents a secret to have it ended.
#[derive(Debug, Clone, Copy)]
pub struct Presenter {
    /// Where the call came from.
    pub source: Option<IpAddr>,
    /// Whether it came with a good administration key, of any scopes: such a call is not limited.
    pub is_known: bool,
}

impl Changes {
    /// Ends a key for good. A key that is revoked already stays as it was revoked.
    ///
    /// # Errors
    /// It is out of reach; it is an administration key above the caller; it is the last root. The store.
    pub async fn revoke(
        &self,
        permit: AdminPermit<RevokeKeys>,
        id: KeyId,
        reason: RevokeReason,
        comment: Comment,
    ) -> Result<Changed, OperationError> {
        let read = || self.key(&permit, id);
        let ended = self.end_key(permit.stands_on(), read, |key, now| {
            // A key is judged by the policy only if it administers: others can be revoked while there is none.
            Self::require_grant_over(&permit, self.index.policy().as_deref(), &key)?;
            let by = Some(permit.caller_id());
            self.revocation(key, permit.actor(), Revocation { at: now, by, reason, comment: comment.clone() })
        });
        match ended.await {
            Ok(ended) => Ok(changed(ended)),
            Err(error) => {
                let by = Some(permit.caller_id());
                let end = Revocation { at: self.clock.now(), by, reason, comment: comment.clone() };
                Err(self.deny_key(error, &permit, id, End::Revoked(end), stated(reason), comment))
            }
        }
    }

    /// Ends the secret that was presented, in every workspace that has it: the key, if it is its current secret, or only
    /// the secret, if it is a retiring one. The answer never says whether there was anything to end (V3, X7).
    ///
    /// A secret that was good until now is always ended, and no source is charged for it; so is every one that a `known`
    /// caller presents. Any other call is charged to its source. A dead secret takes the same road as an unknown one: a
    /// note that nothing was ended is written, so that the disk answers both alike.
    ///
    /// # Errors
    /// Too many calls from this source. The store.
    pub async fn revoke_presented(
        &self,
        text: &str,
        reason: RevokeReason,
        comment: Comment,
        presenter: Presenter,
    ) -> Result<(), OperationError> {
        let Presenter { source, is_known } = presenter;
        let proven = PresentedKey::either(text).map(|presented| self.judge.all_with(&presented));
        let (proven, now) = (proven.unwrap_or_default(), self.clock.now());
        let is_free = is_known || proven.iter().any(|(id, generation)| self.is_good(*id, *generation, now));
        let limited = if is_free { None } else { self.revocations_by_source.spend(source, now).err() };
        // Together, so that they are of one transaction where the store has room for it; one that is left over is ended by a
        // retry, which finds them all again.
        let ended = proven.into_iter().map(|(id, generation)| {
            let revocation = Revocation { at: now, by: None, reason, comment: comment.clone() };
            self.end_one(id, generation, revocation, source)
        });
        let ended = join_all(ended).await.into_iter().collect::<Result<Vec<_>, _>>();
        if let Some(seconds) = limited {
            return Err(Limited::Source(seconds).into());
        }
        if !ended?.contains(&true) {
            let noted = self.store.note(vec![Note::Nothing(now)]).await;
            noted.map_err(|error| self.unnoted(error))?;
        }
        Ok(())
    }

    /// The error for a caller who presented no secret that can be ended, where the store takes no writes: the same as for a
    /// good key.
    fn unnoted(&self, error: StoreError) -> OperationError {
        let error = denied_here::unwritten(true, error);
        if !matches!(error, OperationError::EndUnwritten(_)) {
            return error;
        }
        if self.denied.is_full(ListPart::Presenters) {
            OperationError::Unavailable(Unavailable::DenialsFull)
        } else {
            OperationError::Unavailable(Unavailable::DeniedNotDurable)
        }
    }

    /// Whether this secret is good by the state of its key and its own end alone.
    fn is_good(&self, id: KeyId, generation: u32, now: Timestamp) -> bool {
        let found = self.index.by_id(id);
        let end = found.as_ref().and_then(|found| {
            let mut secrets = found.key().secrets.iter();
            secrets.find(|(secret, _)| secret.generation == generation).map(|(_, end)| end)
        });
        let in_time = end.is_some_and(|end| end.is_none_or(|end| now < end));
        in_time && found.is_some_and(|found| found.key().standing(now) == Standing::Active)
    }

    /// Ends one key or secret; whether that was a change.
    async fn end_one(
        &self,
        id: KeyId,
        generation: u32,
        revocation: Revocation,
        source: Option<IpAddr>,
    ) -> Result<bool, OperationError> {
        let read = || self.index.by_id(id).ok_or(OperationError::NotFound(NotFound::Key(id)));
        let attempt = |key: Key, now| {
            let actor = Actor::Holder { key: key.id, owner: key.owner.clone(), address: source };
            self.end_presented(key, generation, actor, Revocation { at: now, ..revocation.clone() })
        };
        match self.end_key(None, read, attempt).await {
            Ok((key, Some(_))) => {
                self.tell_of_last_root(&key);
                Ok(true)
            }
            // It had ended before; or its rows are not to be trusted any more, and so it is denied.
            Ok((_, None)) | Err(OperationError::NotFound(NotFound::Key(_))) => Ok(false),
            Err(error @ OperationError::EndUnwritten(_)) => {
                Err(self.deny_presented(error, id, generation, source, revocation))
            }
            Err(error) => Err(error),
        }
    }

    /// Denies what was presented, because its end could not be written.
    fn deny_presented(
        &self,
        error: OperationError,
        id: KeyId,
        generation: u32,
        source: Option<IpAddr>,
        revocation: Revocation,
    ) -> OperationError {
        let Some(found) = self.index.by_id(id) else { return error };
        let key = found.stored();
        let secret = key.secrets.iter().find(|(secret, _)| secret.generation == generation);
        let (reason, comment) = (stated(revocation.reason), revocation.comment.clone());
        let end = match secret {
            Some((_, Some(_))) => End::Secret(generation, self.clock.now()),
            Some((_, None)) | None => End::Revoked(revocation),
        };
        let actor = Actor::Holder { key: key.id, owner: key.owner.cloned(), address: source };
        let what = What::One { key: id, end, reason, comment };
        self.deny_here(error, ListPart::Presenters, actor, Some(key.workspace), what)
    }

    fn end_presented(
        &self,
        key: Key,
        generation: u32,
        actor: Actor,
        revocation: Revocation,
    ) -> Result<Attempt<Key>, OperationError> {
        let now = revocation.at;
        let presented = key.credentials.iter().find(|(secret, _)| secret.generation == generation);
        match presented.map(|(_, end)| end) {
            None => Ok(Attempt::Done(key)),
            Some(None) => self.revocation(key, actor, revocation),
            Some(Some(end)) if now >= end || key.standing(now) == Standing::Revoked => Ok(Attempt::Done(key)),
            Some(Some(_)) => Ok(Self::secret_end(
                key,
                generation,
                actor,
                stated(revocation.reason),
                revocation.comment,
                now,
            )),
        }
    }

    /// Ends a replaced secret.
    pub(in crate::changes) fn secret_end(
        key: Key,
        generation: u32,
        actor: Actor,
        reason: Option<&'static str>,
        comment: Comment,
        now: Timestamp,
    ) -> Attempt<Key> {
        let end = key.credentials.iter().find(|(secret, _)| secret.generation == generation);
        let Some(end) = end.and_then(|(_, end)| end).filter(|end| now < *end) else {
            return Attempt::Done(key);
        };
        let mut entry = entry(actor, Action::SecretEnd, &key, now);
        entry.changes = vec![
            change("generation", generation, generation),
            change("end_time", describe::time(Some(end)), describe::time(Some(now))),
        ];
        entry.reason = reason;
        entry.comment = Some(comment);
        let key = key.end_secret(generation, now);
        Attempt::Commit(Box::new(write_key(entry, key.clone())), key)
    }

    pub(in crate::changes) fn revocation(
        &self,
        key: Key,
        actor: Actor,
        revocation: Revocation,
    ) -> Result<Attempt<Key>, OperationError> {
        let now = revocation.at;
        if let KeyState::Revoked(_) = key.state {
            return Ok(Attempt::Done(key));
        }
        let expects = self.requires_another(&key, &actor, now)?;
        let mut entry = entry(actor, Action::KeyRevoke, &key, now);
        entry.changes = vec![change("state", describe::state(&key.state), "revoked")];
        entry.reason = stated(revocation.reason);
        entry.comment = Some(revocation.comment.clone());
        let key = key.revoke(revocation);
        Ok(Attempt::Commit(Box::new(Mutation { expects, ..write_key(entry, key.clone()) }), key))
    }

    /// What a revocation stands on. One by possession stands on nothing: a caller with the secret of a root could do
    /// worse, so that it must end, the last one too; `keyward recover` makes another.
    fn requires_another(
        &self,
        key: &Key,
        actor: &Actor,
        now: Timestamp,
    ) -> Result<Vec<(KeyId, Revision)>, OperationError> {
        match actor {
            Actor::Holder { .. } => Ok(Vec::new()),
            Actor::Admin { .. } | Actor::System => self.other_root(key, actor.address(), now),
        }
    }

    /// Logs an error where the last root key was ended by presenting it, so that nobody can administer any more.
    fn tell_of_last_root(&self, key: &Key) {
        let now = self.clock.now();
        let was_root = key.admin.as_ref().is_some_and(|rights| rights.is_root());
        if was_root && self.index.any(|other| is_live_root(other, now)).is_none() {
            tracing::error!(
                key.id = %key.id,
                "the last root key was revoked by presenting it: Checks go on, and nobody can administer until `keyward recover` \
                 has made another"
            );
        }
    }

    /// What a change that takes a root key out of service stands on: another root that lasts at least as long, and can be used from
    /// where this call comes from (its revision is expected, so that two cannot go at once). Nothing for other keys.
    ///
    /// # Errors
    /// There is no other.
    pub(in crate::changes) fn other_root(
        &self,
        key: &Key,
        address: Option<IpAddr>,
        now: Timestamp,
    ) -> Result<Vec<(KeyId, Revision)>, OperationError> {
        if !is_live_root(&key.view(), now) {
            return Ok(Vec::new());
        }
        let stays = |other: &KeyView<'_>| {
            let reached = other.networks.permit(address);
            other.id != key.id && is_live_root(other, now) && outlasts(other, &key.view()) && reached
        };
        let other = self.index.any(stays);
        other
            .map(|other| vec![(other.key().id, other.key().revision)])
            .ok_or(OperationError::Blocked(Blocked::LastRoot))
    }
}

fn is_live_root(key: &KeyView<'_>, now: Timestamp) -> bool {
    key.admin.as_ref().is_some_and(|rights| rights.is_root()) && key.standing(now) == Standing::Active
}

/// Whether a key is good for at least as long as another: one that ends soon must not pass for one that stays.
fn outlasts(key: &KeyView<'_>, other: &KeyView<'_>) -> bool {
    key.expires.is_none_or(|end| other.expires.is_some_and(|other_end| end >= other_end))
}

/// The reason as the log has it; none where none was given.
pub(in crate::changes) fn stated(reason: RevokeReason) -> Option<&'static str> {
    (reason != RevokeReason::Unspecified).then(|| reason.as_str())
}
