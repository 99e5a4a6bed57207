//! Show and list keys, without any secret.

use std::sync::Arc;

use crate::{
    changes::support::cursor,
    changes::{
        Changes,
        keys::select::{KeySelection, KeyTraits},
        support::{limits::limits_of, look::PageLook},
    },
    domain::{
        admin::{AdminPermit, ReadKeys, Sight},
        caller_id::CallerId,
        id::{KeyId, WorkspaceId},
        key::Key,
        policy::{Effective, effective},
        rights::Rights,
        secret::PresentedKey,
        text::Label,
        time::Timestamp,
    },
    error::{NotFound, OperationError},
    index::Index,
    ports::{KeyPosition, LastUse, PolicyVersion},
};

/// How many keys a page looks at before others on the same thread have their turn.
const MOST_AT_ONCE: usize = 512;

/// A key and what is known of its use.
#[derive(Debug)]
pub struct ShownKey {
    /// The key.
    pub key: Key,
    /// When it was last used, exact to the minute.
    pub last_use: Option<Timestamp>,
    /// Who used its secrets last, the newest use first.
    pub uses: Vec<LastUse>,
    /// The key whose import of the same token came first, for a global caller.
    pub earlier_import: Option<KeyId>,
}

/// What answers about keys are rendered by.
pub struct Moment {
    /// The time.
    pub time: Timestamp,
    /// The policy in force, if there is one that can be trusted.
    pub policy: Option<Arc<PolicyVersion>>,
    /// What the caller sees.
    sight: Sight,
    index: Arc<Index>,
}

impl Moment {
    /// What a key may do.
    #[must_use]
    pub fn rights(&self, key: &Key) -> Rights {
        let Some(policy) = &self.policy else { return Rights::default() };
        if !key.follows_owner_role {
            return Rights::new(&key.grants, &policy.policy);
        }
        let role = self.owner_role(key);
        let role = role.as_ref().and_then(|role| policy.policy.role(role));
        Rights::following(&key.grants, role, &policy.policy)
    }

    /// Whether who is answered may know of the key of this id.
    #[must_use]
    pub fn knows(&self, id: KeyId) -> bool {
        self.index.is_seen(self.sight, id)
    }

    /// Whether who is answered may know of this caller.
    #[must_use]
    pub fn knows_caller(&self, caller: CallerId) -> bool {
        self.index.is_caller_seen(self.sight, caller)
    }

    /// Whether who is answered may know who made a key.
    #[must_use]
    pub fn knows_creator(&self, key: &Key) -> bool {
        self.index.is_creator_seen(self.sight, &key.creator)
    }

    /// The role that the owner of a key has now.
    #[must_use]
    pub fn owner_role(&self, key: &Key) -> Option<Label> {
        self.index.owner_role(&key.view())
    }

    /// Shows the limits of a key to `see`; an administration key has none.
    pub fn limits<T>(&self, key: &Key, see: impl Fn(&Effective<'_>) -> T) -> Vec<T> {
        let Some(policy) = self.policy.as_ref().filter(|_| key.admin.is_none()) else { return Vec::new() };
        let workspace = self.index.workspace(key.workspace);
        let of = limits_of(workspace.as_deref(), Some(&key.view()));
        effective(&policy.policy, of).iter().map(see).collect()
    }
}

/// A page of keys.
#[derive(Debug)]
pub struct KeyPage {
    /// The keys: by workspace, in each newest first.
    pub keys: Vec<ShownKey>,
    /// The token that asks for the next page; empty after the last.
    pub next_page_token: String,
}

impl Changes {
    /// The time now.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// What answers about keys are rendered by, as it is now, for who sees so far.
    #[must_use]
    pub fn moment(&self, sight: Sight) -> Moment {
        Moment { time: self.clock.now(), policy: self.index.policy(), sight, index: Arc::clone(&self.index) }
    }

    /// A key as it stands.
    ///
    /// # Errors
    /// It is out of reach. The store.
    pub async fn show(&self, permit: AdminPermit<ReadKeys>, id: KeyId) -> Result<ShownKey, OperationError> {
        self.require_reach(&permit, id)?;
        let key = self.whole(id).await?;
        let mut shown = self.with_last_uses(&permit, vec![key]).await?;
        shown.pop().ok_or(OperationError::NotFound(NotFound::Key(id)))
    }

    /// The key that has a secret, in any state of either, and which of its secrets that is: for an operator who found
    /// one. This is not noted as a use.
    ///
    /// # Errors
    /// The caller is bound to one workspace; no key has it. The store.
    pub async fn show_presented(
        &self,
        permit: AdminPermit<ReadKeys>,
        text: &str,
    ) -> Result<(ShownKey, u32), OperationError> {
        permit.require_global()?;
        let found = PresentedKey::either(text).and_then(|presented| self.judge.whose(&presented));
        let (found, hash) = found.ok_or(NotFound::Secret)?;
        let generation = found.key().secrets.find(&hash).map_or(0, |(secret, _)| secret.generation);
        let key = self.whole(found.key().id).await?;
        let mut shown = self.with_last_uses(&permit, vec![key]).await?;
        Ok((shown.pop().ok_or(NotFound::Secret)?, generation))
    }

    /// A page of the keys of workspaces that the caller reaches, newest first in each. One that few keys fit on can be short, and
    /// not be the last: a call looks at no more than so many keys.
    ///
    /// # Errors
    /// The page token is not one of this list. The store.
    pub async fn list(
        &self,
        permit: AdminPermit<ReadKeys>,
        wanted: (&KeySelection, &KeyTraits),
        page_token: &str,
        page_size: usize,
    ) -> Result<KeyPage, OperationError> {
        let (selection, traits) = wanted;
        let name = format!("keys {:?} {wanted:?}", permit.bound_to());
        let mut after = self.position(&name, page_token)?;
        let mut keys = Vec::new();
        let (mut look, mut at_once) = (PageLook::begin(&self.clock), page_size.saturating_add(1));
        // What the caller may not know of is left out before the page is cut: no token names it.
        let more = loop {
            let places = self.store.list_keys(selection.filter(), after, at_once).await?;
            after = places.last().copied();
            let found = places.iter().filter_map(|place| self.index.by_id(place.id));
            let now = self.clock.now();
            let fits = found.filter(|found| {
                let key = &found.key();
                permit.reaches(key) && selection.matches(key) && traits.matches(key, found.rights(), now)
            });
            let room = if traits.ask_for_use() { usize::MAX } else { page_size.saturating_add(1) };
            let fits: Vec<_> = fits.take(room).map(|found| found.key().id).collect();
            let fits = self.used_as_asked(fits, traits, page_size.saturating_add(1)).await?;
            let mut whole = self.whole_keys(fits.clone()).await?;
            let fits = fits.iter().filter_map(|id| whole.remove(id)).collect();
            let shown = self.with_last_uses(&permit, fits).await?;
            keys.extend(
                shown.into_iter().filter(|shown| traits.matches_use(&shown.key.view(), shown.last_use)),
            );
            if keys.len() > page_size {
                keys.truncate(page_size);
                break keys.last().map(|ShownKey { key, .. }| KeyPosition {
                    workspace: key.workspace,
                    created: key.created,
                    id: key.id,
                });
            }
            let are_all = places.len() < at_once;
            if look.is_enough_with(places.len()) || are_all {
                break after.filter(|_| !are_all);
            }
            at_once = at_once.saturating_mul(4).min(MOST_AT_ONCE);
        };
        let place = more.map(|last| format!("{},{},{}", last.workspace, last.created.as_ms(), last.id));
        let next_page_token =
            place.map(|place| cursor::seal(&self.keys.now().cursors, &name, &place)).unwrap_or_default();
        Ok(KeyPage { keys, next_page_token })
    }

    /// The first of these keys that were used as is asked, or not. Whole keys are read for these alone.
    async fn used_as_asked(
        &self,
        keys: Vec<KeyId>,
        traits: &KeyTraits,
        most: usize,
    ) -> Result<Vec<KeyId>, OperationError> {
        if !traits.ask_for_use() {
            return Ok(keys);
        }
        let uses = self.last_uses(keys.clone()).await?;
        let fits = |id: &KeyId| {
            let last = uses.get(id).and_then(|uses| uses.first()).map(|newest| newest.time);
            self.index.by_id(*id).is_some_and(|found| traits.matches_use(&found.key(), last))
        };
        Ok(keys.into_iter().filter(fits).take(most).collect())
    }

    fn position(&self, list: &str, token: &str) -> Result<Option<KeyPosition>, OperationError> {
        cursor::begin(&self.keys.now().cursors, list, token, |text| {
            let mut parts = text.split(',');
            let workspace = WorkspaceId::parse(parts.next()?).ok()?;
            let created = Timestamp::from_ms(parts.next()?.parse().ok()?).ok()?;
            Some(KeyPosition { workspace, created, id: KeyId::parse(parts.next()?).ok()? })
        })
    }

    /// A key that was just changed, with what is known of its use. The change stands even if this look fails: where the
    /// store cannot be read, the use is what memory has.
    pub async fn with_use(&self, key: Key) -> ShownKey {
        let id = key.id;
        let mut uses = match self.last_uses(vec![id]).await {
            Ok(mut uses) => uses.remove(&id).unwrap_or_default(),
            Err(error) => {
                tracing::warn!(%error, key.id = %id, "a changed key is shown without the uses that are stored");
                self.index.noted_uses(&[id].into())
            }
        };
        uses.sort_by_key(|last| std::cmp::Reverse(last.time));
        ShownKey { key, last_use: uses.first().map(|newest| newest.time), uses, earlier_import: None }
    }

    async fn with_last_uses(
        &self,
        permit: &AdminPermit<ReadKeys>,
        keys: Vec<Key>,
    ) -> Result<Vec<ShownKey>, OperationError> {
        let mut uses = self.last_uses(keys.iter().map(|key| key.id).collect()).await?;
        let shown = |key: Key| {
            let uses = uses.remove(&key.id).unwrap_or_default();
            let earlier_import = self.judge.earlier_import(permit, &key.view());
            ShownKey { last_use: uses.first().map(|newest| newest.time), uses, key, earlier_import }
        };
        Ok(keys.into_iter().map(shown).collect())
    }
}
