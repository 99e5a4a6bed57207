//! What keys use together: the accounts of owners and workspaces, by environment (L13, L14).

use std::{collections::HashMap, sync::Arc};

use crate::{
    domain::{id::WorkspaceId, key::KeyView, text::EnvironmentName},
    ports::{AccountSlot, AnySlot, Payer, Slotted},
};

/// A payer that several keys share, and its slot.
pub(super) struct SharedPayer<S: ?Sized = AnySlot> {
    subject: Box<str>,
    is_owner: bool,
    slot: S,
}

impl SharedPayer {
    fn new<S: AccountSlot>(subject: &str) -> Arc<Self> {
        let is_owner = matches!(Payer::stored_under(subject), Payer::Owner(_));
        Arc::new(SharedPayer { subject: subject.into(), is_owner, slot: S::default() })
    }
}

impl Slotted for Arc<SharedPayer> {
    fn payer(&self) -> Payer<'_> {
        if self.is_owner { Payer::Owner(&self.subject) } else { Payer::Workspace(&self.subject) }
    }

    fn slot(&self) -> &AnySlot {
        &self.slot
    }
}

/// Every payer that several keys share, and workspaces themselves. An account stays for as long as a key refers to it,
/// or it has a count: so that no payer uses twice what comes once in a window.
pub(super) struct SharedAccounts {
    known: HashMap<Box<str>, Arc<SharedPayer>>,
    /// Makes one with the slot of the back end.
    make: fn(&str) -> Arc<SharedPayer>,
}

impl Default for SharedAccounts {
    fn default() -> Self {
        Self::with_slots::<()>()
    }
}

impl SharedAccounts {
    /// None yet; each will have such a slot.
    pub(super) fn with_slots<S: AccountSlot>() -> Self {
        Self { known: HashMap::new(), make: SharedPayer::new::<S> }
    }

    /// That of all keys of a key's workspace and environment.
    pub(super) fn of_workspace(
        &mut self,
        workspace: WorkspaceId,
        environment: &EnvironmentName,
    ) -> Arc<SharedPayer> {
        self.account(&format!("{workspace}/{}", environment.as_str()))
    }

    /// That of all keys of a key's owner, there. Keys without an owner all share one account: else a tenant could have a
    /// limit by owner as often as it likes.
    pub(super) fn of_owner(&mut self, key: &KeyView<'_>) -> Arc<SharedPayer> {
        let owner = key.owner.map_or("", |owner| owner.as_str());
        self.account(&format!("{}/{}/{owner}", key.workspace, key.environment.as_str()))
    }

    /// The account that is stored under this.
    pub(super) fn account(&mut self, subject: &str) -> Arc<SharedPayer> {
        if let Some(known) = self.known.get(subject) {
            return Arc::clone(known);
        }
        let account = (self.make)(subject);
        self.known.insert(subject.into(), Arc::clone(&account));
        account
    }

    /// Drops accounts that no key refers to any more and that `is_empty`.
    pub(super) fn free(&mut self, is_empty: impl Fn(&dyn Slotted) -> bool) {
        // No other thread can take one meanwhile: all come from here, and `self` is borrowed.
        self.known.retain(|_, shared| Arc::strong_count(shared) > 1 || !is_empty(shared));
        self.known.shrink_to(1024);
    }

    /// How many there are.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.known.len()
    }

    /// Every account.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Arc<SharedPayer>> {
        self.known.values()
    }
}
