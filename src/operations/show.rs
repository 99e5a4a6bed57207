//! Show and list keys, without any secret.

use super::{Operations, error::OperationError};
use crate::{
    domain::{
        admin::{AdminPermit, ReadKeys},
        id::KeyId,
        key::Key,
        parse::ParseError,
        time::Timestamp,
    },
    index::Found,
    ports::{KeyFilter, KeyPosition, LastUse},
};

/// A key and what is known of its use.
#[derive(Debug)]
pub struct ShownKey {
    /// The key.
    pub key: Key,
    /// When it was last used, exact to the minute.
    pub last_use: Option<Timestamp>,
}

/// A page of keys.
#[derive(Debug)]
pub struct KeyPage {
    /// The keys, newest first.
    pub keys: Vec<ShownKey>,
    /// Where the next page begins; `None` after the last.
    pub next: Option<KeyPosition>,
}

impl Operations {
    /// The time now, by which answers are rendered.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// A key as it stands.
    ///
    /// # Errors
    /// It is out of reach. The store.
    pub async fn show(&self, permit: AdminPermit<ReadKeys>, id: KeyId) -> Result<ShownKey, OperationError> {
        let key = self.key(&permit, id)?.key().clone();
        let mut shown = self.with_last_uses(vec![key]).await?;
        shown.pop().ok_or(OperationError::KeyNotFound(id))
    }

    /// A page of the keys of a workspace that the caller reaches, newest first.
    ///
    /// # Errors
    /// The page token is not one of this list. The store.
    pub async fn list(
        &self,
        permit: AdminPermit<ReadKeys>,
        filter: KeyFilter,
        page_token: &str,
        page_size: usize,
    ) -> Result<KeyPage, OperationError> {
        let after = self.position(&permit, &filter, page_token)?;
        let mut keys = self.store.list_keys(filter, after, page_size.saturating_add(1)).await?;
        let more = keys.len() > page_size;
        keys.truncate(page_size);
        let next =
            keys.last().filter(|_| more).map(|last| KeyPosition { created: last.created, id: last.id });
        keys.retain(|key| permit.reaches(key));
        Ok(KeyPage { keys: self.with_last_uses(keys).await?, next })
    }

    /// The token that asks for the page after a position.
    #[must_use]
    pub fn page_token<P>(&self, permit: &AdminPermit<P>, filter: &KeyFilter, next: KeyPosition) -> String {
        super::cursor::seal(
            &self.cursors,
            &list_of(permit, filter),
            &format!("{},{}", next.created.as_ms(), next.id),
        )
    }

    fn position(
        &self,
        permit: &AdminPermit<ReadKeys>,
        filter: &KeyFilter,
        token: &str,
    ) -> Result<Option<KeyPosition>, OperationError> {
        if token.is_empty() {
            return Ok(None);
        }
        let read = || {
            let text = super::cursor::open(&self.cursors, &list_of(permit, filter), token)?;
            let (created, id) = text.split_once(',')?;
            let created = Timestamp::from_ms(created.parse().ok()?).ok()?;
            Some(KeyPosition { created, id: KeyId::parse(id).ok()? })
        };
        let foreign =
            ParseError::new("empty, or the next_page_token of the page before, with the same filter");
        read().map(Some).ok_or(OperationError::invalid("page_token", foreign))
    }

    async fn with_last_uses(&self, keys: Vec<Key>) -> Result<Vec<ShownKey>, OperationError> {
        let stored = self.store.last_uses(keys.iter().map(|key| key.id).collect()).await?;
        let last_use = |id: KeyId| {
            let kept = stored.iter().find(|LastUse { key, .. }| *key == id).map(|found| found.time);
            kept.max(self.index.by_id(id).as_ref().and_then(Found::last_use))
        };
        Ok(keys.into_iter().map(|key| ShownKey { last_use: last_use(key.id), key }).collect())
    }
}

/// Which list a token belongs to: it cannot be carried to another caller's reach, workspace or filter.
fn list_of<P>(permit: &AdminPermit<P>, filter: &KeyFilter) -> String {
    format!("keys {:?} {filter:?}", permit.bound_to())
}
