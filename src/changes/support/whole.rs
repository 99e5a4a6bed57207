//! Whole keys: memory keeps what decisions need, and the texts that only administration shows are read from the store.

use std::collections::HashMap;

use crate::{
    changes::Changes,
    domain::{
        credentials::{Credentials, Secret},
        id::KeyId,
        key::{Key, KeyState, KeyView, Revocation, RevokeReason, StateKind},
        revision::Revision,
        secret::Hint,
        text::{Comment, Description, Name},
        time::Timestamp,
    },
    error::{NotFound, OperationError},
    index::Found,
    ports::{Damaged, StoreError},
};

/// What is wrong with a row that is as Keyward wrote it, but not as it wrote it last.
const OLD: &str = "its row is older than what the log says of it";

impl Changes {
    /// A key with all that administration shows of it, as it is seen: ends that are not stored are laid over it.
    ///
    /// # Errors
    /// It is unknown here; its row cannot be trusted. The store.
    pub(in crate::changes) async fn whole(&self, id: KeyId) -> Result<Key, OperationError> {
        let known = self.index.by_id(id).ok_or(OperationError::NotFound(NotFound::Key(id)))?;
        self.whole_stored(&known).await.map(|key| self.index.as_seen(key))
    }

    /// The same of several. One that is unknown here, or whose row cannot be trusted, is left out.
    ///
    /// # Errors
    /// The store.
    pub(in crate::changes) async fn whole_keys(
        &self,
        ids: Vec<KeyId>,
    ) -> Result<HashMap<KeyId, Key>, OperationError> {
        let mut whole = HashMap::with_capacity(ids.len());
        if ids.is_empty() {
            return Ok(whole);
        }
        // Before the rows are read: a change in between then makes none of them too old.
        let least = |id: &KeyId| self.index.by_id(*id).map(|found| found.stored().revision);
        let least: Vec<_> = ids.iter().map(least).collect();
        let rows = self.store.keys(ids.clone()).await?;
        for ((id, least), row) in ids.into_iter().zip(least).zip(rows) {
            let Some(least) = least else { continue };
            match trusted(row, least) {
                Ok(key) => {
                    whole.insert(id, self.index.as_seen(key));
                }
                Err(why) => {
                    tracing::error!(row.id = %id, why, "a stored row cannot be trusted; it is not shown");
                }
            }
        }
        Ok(whole)
    }

    /// The key as it is stored, which is at least as new as it was found.
    ///
    /// # Errors
    /// Its row cannot be trusted. The store.
    pub(in crate::changes) async fn whole_stored(&self, found: &Found) -> Result<Key, OperationError> {
        let (id, least) = (found.key().id, found.stored().revision);
        let row = self.store.keys(vec![id]).await?.into_iter().next().flatten();
        trusted(row, least).map_err(|why| StoreError::Corrupt(format!("{id}: {why}")).into())
    }
}

/// A row that is at least of this revision.
fn trusted(row: Option<Result<Key, Damaged>>, least: Revision) -> Result<Key, &'static str> {
    match row {
        None => Err("its row is missing"),
        Some(Err(Damaged { why, .. })) => Err(why),
        Some(Ok(key)) if key.revision < least => Err(OLD),
        Some(Ok(key)) => Ok(key),
    }
}

/// A key by what memory has of it, without its texts: to judge whether it may be ended where its row cannot be read. It is never
/// stored.
pub(super) fn sketch(view: &KeyView<'_>) -> Option<Key> {
    let secret = view.secrets.current;
    let current = Secret {
        generation: secret.generation,
        scheme: secret.scheme.clone(),
        hash: *secret.hash,
        root: 0,
        hint: Hint::stored(""),
        created: secret.created,
    };
    let state = match view.state {
        StateKind::Active => KeyState::Active,
        StateKind::Disabled => KeyState::Disabled,
        StateKind::Revoked => KeyState::Revoked(Box::new(Revocation {
            at: Timestamp::EPOCH,
            by: None,
            reason: RevokeReason::Unspecified,
            comment: Comment::parse("").ok()?,
        })),
    };
    Some(Key {
        id: view.id,
        workspace: view.workspace,
        name: Name::parse("unreadable").ok()?,
        description: Description::parse("").ok()?,
        owner: view.owner.cloned(),
        follows_owner_role: view.follows_owner_role,
        creator: view.creator.clone().into(),
        environment: view.environment.clone(),
        grants: view.grants.clone(),
        networks: view.networks.clone(),
        metadata: view.metadata.clone().into(),
        limits: view.limits.cloned(),
        state,
        created: view.created,
        expires: view.expires,
        updated: view.updated.unwrap_or(view.created),
        credentials: Credentials { current, retiring: view.secrets.retiring.to_vec() },
        admin: view.admin.cloned(),
        revision: view.revision,
        taken_in: view.taken_in,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::key::tests::key;

    #[test]
    fn a_row_that_is_older_than_what_memory_has_is_not_taken() {
        // D5
        let row = |revision| Some(Ok(Key { revision: Revision(revision), ..key().unwrap() }));
        assert_eq!(trusted(row(4), Revision(5)).unwrap_err(), OLD);
        assert_eq!(trusted(row(5), Revision(5)).unwrap().revision, Revision(5));
        assert_eq!(trusted(row(6), Revision(5)).unwrap().revision, Revision(6), "memory will have it soon");
        assert!(trusted(None, Revision(5)).is_err());
        let damaged = Damaged { id: "key_1".to_owned(), why: "a test", zone: None };
        assert_eq!(trusted(Some(Err(damaged)), Revision(5)).unwrap_err(), "a test");
    }

    #[test]
    fn a_key_whose_row_cannot_be_read_is_judged_as_what_it_is() {
        // V1, D4
        let whole = Key { state: KeyState::Disabled, revision: Revision(7), ..key().unwrap() };
        let made = sketch(&whole.view()).unwrap();
        assert_eq!((made.id, made.workspace, &made.grants), (whole.id, whole.workspace, &whole.grants));
        assert_eq!((made.state.kind(), made.revision), (StateKind::Disabled, Revision(7)));
        assert!(made.credentials.find(&whole.credentials.current.hash).is_some());
    }
}
