//! Show and list keys, without any secret.

use std::sync::Arc;

use super::{Operations, error::OperationError, limits::limits_of};
use crate::{
    domain::{
        admin::{AdminPermit, ReadKeys},
        id::KeyId,
        key::Key,
        parse::ParseError,
        policy::{Effective, effective},
        rights::Rights,
        time::{Now, Timestamp},
    },
    index::Index,
    ports::{KeyFilter, KeyPosition, LastUse, PolicyVersion},
};

/// A key and what is known of its use.
#[derive(Debug)]
pub struct ShownKey {
    /// The key.
    pub key: Key,
    /// When it was last used, exact to the minute.
    pub last_use: Option<Timestamp>,
    /// Who used its secrets last, the newest use first.
    pub uses: Vec<LastUse>,
}

/// What answers about keys are rendered by.
pub struct Moment {
    /// The time.
    pub time: Timestamp,
    /// The policy in force, if there is one that can be trusted.
    pub policy: Option<Arc<PolicyVersion>>,
    index: Arc<Index>,
}

impl Moment {
    /// What a key may do.
    #[must_use]
    pub fn rights(&self, key: &Key) -> Rights {
        self.policy.as_ref().map(|policy| Rights::new(&key.grants, &policy.policy)).unwrap_or_default()
    }

    /// Shows the limits of a key to `see`; an administration key has none.
    pub fn limits<T>(&self, key: &Key, see: impl Fn(&Effective<'_>) -> T) -> Vec<T> {
        let Some(policy) = self.policy.as_ref().filter(|_| key.admin.is_none()) else { return Vec::new() };
        let workspace = self.index.workspace(key.workspace);
        let of = limits_of(workspace.as_deref(), Some(key));
        effective(&policy.policy, of).iter().map(see).collect()
    }
}

/// A page of keys.
#[derive(Debug)]
pub struct KeyPage {
    /// The keys, newest first.
    pub keys: Vec<ShownKey>,
    /// The token that asks for the next page; empty after the last.
    pub next_page_token: String,
}

impl Operations {
    /// The time now.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// The same with a count of time that nobody can set.
    #[must_use]
    pub fn reading(&self) -> Now {
        self.clock.read()
    }

    /// What answers about keys are rendered by, as it is now.
    #[must_use]
    pub fn moment(&self) -> Moment {
        Moment { time: self.clock.now(), policy: self.index.policy(), index: Arc::clone(&self.index) }
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
        let list = format!("keys {:?} {filter:?}", permit.bound_to());
        let mut after = self.position(&list, page_token)?;
        let mut keys = Vec::new();
        // What the caller may not know of is left out before the page is cut: no token names it, no page is short.
        while keys.len() <= page_size {
            let wanted = page_size.saturating_add(1).saturating_sub(keys.len());
            let found = self.store.list_keys(filter.clone(), after, wanted).await?;
            let all_read = found.len() < wanted;
            after = found.last().map(|last| KeyPosition { created: last.created, id: last.id });
            keys.extend(found.into_iter().filter(|key| permit.reaches(key)));
            if all_read {
                break;
            }
        }
        let more = keys.len() > page_size;
        keys.truncate(page_size);
        let place = keys.last().filter(|_| more).map(|last| format!("{},{}", last.created.as_ms(), last.id));
        let next_page_token =
            place.map(|place| super::cursor::seal(&self.keys.cursors, &list, &place)).unwrap_or_default();
        Ok(KeyPage { keys: self.with_last_uses(keys).await?, next_page_token })
    }

    fn position(&self, list: &str, token: &str) -> Result<Option<KeyPosition>, OperationError> {
        if token.is_empty() {
            return Ok(None);
        }
        let read = || {
            let text = super::cursor::open(&self.keys.cursors, list, token)?;
            let (created, id) = text.split_once(',')?;
            let created = Timestamp::from_ms(created.parse().ok()?).ok()?;
            Some(KeyPosition { created, id: KeyId::parse(id).ok()? })
        };
        let foreign =
            ParseError::new("empty, or the next_page_token of the page before, with the same filter");
        read().map(Some).ok_or(OperationError::invalid("page_token", foreign))
    }

    async fn with_last_uses(&self, keys: Vec<Key>) -> Result<Vec<ShownKey>, OperationError> {
        let mut uses = self.last_uses(keys.iter().map(|key| key.id).collect()).await?;
        let shown = |key: Key| {
            let uses = uses.remove(&key.id).unwrap_or_default();
            ShownKey { last_use: uses.first().map(|newest| newest.time), uses, key }
        };
        Ok(keys.into_iter().map(shown).collect())
    }
}
