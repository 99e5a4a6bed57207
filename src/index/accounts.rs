//! What keys use together: the accounts of owners and workspaces, by environment (L13, L14).

use std::{collections::HashMap, sync::Arc};

use crate::{
    domain::{key::Key, time::Timestamp},
    ports::{Account, Payer},
};

/// An account that several keys share.
pub(super) struct Shared {
    subject: Box<str>,
    account: Account,
}

impl Payer for Shared {
    fn account(&self) -> &Account {
        &self.account
    }

    fn subject(&self) -> String {
        self.subject.clone().into()
    }
}

/// Every account that several keys share, and those of workspaces themselves. One stays for as long as somebody has it, or
/// something is counted on it: so that nobody uses twice what comes once in a window.
#[derive(Default)]
pub(super) struct SharedAccounts(HashMap<Box<str>, Arc<Shared>>);

impl SharedAccounts {
    /// That of all keys of a key's workspace and environment.
    pub(super) fn of_workspace(&mut self, key: &Key) -> Arc<Shared> {
        self.account(&format!("{}/{}", key.workspace, key.environment.as_str()))
    }

    /// That of all keys of a key's owner, there. Keys of nobody in particular are all of one owner: else a limit by owner
    /// could be had as often as one likes.
    pub(super) fn of_owner(&mut self, key: &Key) -> Arc<Shared> {
        let owner = key.owner.as_ref().map_or("", |owner| owner.as_str());
        self.account(&format!("{}/{}/{owner}", key.workspace, key.environment.as_str()))
    }

    /// The account that is stored under this.
    pub(super) fn account(&mut self, subject: &str) -> Arc<Shared> {
        if let Some(known) = self.0.get(subject) {
            return Arc::clone(known);
        }
        let account = Arc::new(Shared { subject: subject.into(), account: Account::new(Timestamp::EPOCH) });
        self.0.insert(subject.into(), Arc::clone(&account));
        account
    }

    /// Drops accounts that nobody has and on which nothing is counted.
    pub(super) fn free(&mut self) {
        // Nobody else can take one meanwhile: all come from here.
        self.0.retain(|_, shared| Arc::strong_count(shared) > 1 || !shared.account.lock().is_empty());
        self.0.shrink_to(1024);
    }

    /// How many there are.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// Every account.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Arc<Shared>> {
        self.0.values()
    }
}
