//! The first administration key: made with the store, or made anew on the machine when all others are lost.
//!
//! Neither goes through a running service: the caller holds the store's lock.

use std::{collections::BTreeMap, sync::Arc};

use super::{entry, issue::all_fields, write_key};
use crate::{
    domain::{
        admin::AdminRights,
        audit::{Action, Actor, Revision},
        credentials::{Credentials, Secret},
        environment::Environments,
        id::{KeyId, WorkspaceId},
        key::{Creator, Key, KeyState},
        parse::ParseError,
        root::LookupKey,
        secret::SecretKey,
        text::{Description, Metadata, Name, Plan},
        time::{Entropy, EntropyUnavailable, Timestamp},
        workspace::Workspace,
    },
    ports::{Mutation, Rows},
};

/// Why no administration key could be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InitializeError {
    /// There is no randomness.
    #[error(transparent)]
    Entropy(#[from] EntropyUnavailable),
    /// A text of our own does not fit: a defect.
    #[error("a built-in name {0}")]
    Text(#[from] ParseError),
}

/// What making a root key takes.
pub struct Maker<'a> {
    /// Randomness.
    pub entropy: &'a dyn Entropy,
    /// Hashes the secret.
    pub lookup: &'a LookupKey,
    /// Where administration keys live.
    pub environments: &'a Environments,
    /// The time.
    pub now: Timestamp,
}

impl Maker<'_> {
    /// The first change of a new store: the default workspace and the first administration key.
    ///
    /// # Errors
    /// There is no randomness.
    pub fn initialize(&self) -> Result<(Mutation, SecretKey), InitializeError> {
        let workspace = Workspace {
            id: WorkspaceId::generate(self.entropy)?,
            name: Name::parse("default")?,
            owner: None,
            plan: Plan::default(),
            is_default: true,
            created: self.now,
            revision: Revision::ZERO,
        };
        let (key, secret) = self.root_key(workspace.id, "root")?;
        let mut entry = entry(Actor::System, Action::StoreInitialize, &key, self.now);
        entry.changes = all_fields(&key);
        let rows = Rows { workspace: Some(workspace), key: Some(key) };
        Ok((Mutation { entry, rows, expects: Vec::new(), request: None }, secret))
    }

    /// A new root key for a store whose root keys are lost.
    ///
    /// # Errors
    /// There is no randomness.
    pub fn recover(&self, default: WorkspaceId) -> Result<(Mutation, SecretKey), InitializeError> {
        let (key, secret) = self.root_key(default, "recovered root")?;
        let mut entry = entry(Actor::System, Action::AdminRecover, &key, self.now);
        entry.changes = all_fields(&key);
        Ok((write_key(entry, key), secret))
    }

    fn root_key(&self, workspace: WorkspaceId, name: &str) -> Result<(Key, SecretKey), InitializeError> {
        let environment = self.environments.admin();
        let secret = SecretKey::generate(&environment.prefix, self.entropy)?;
        let first = Secret {
            generation: 1,
            hash: secret.hash(self.lookup),
            root: self.lookup.root(),
            hint: secret.hint(),
            created: self.now,
        };
        let key = Key {
            id: KeyId::generate(self.entropy)?,
            workspace,
            name: Name::parse(name)?,
            description: Description::parse("")?,
            owner: None,
            creator: Arc::new(Creator::System),
            environment: environment.name.clone(),
            grants: Arc::default(),
            networks: Arc::default(),
            metadata: Arc::new(Metadata::parse(BTreeMap::new())?),
            state: KeyState::Active,
            created: self.now,
            expires: None,
            updated: self.now,
            credentials: Credentials::new(first),
            admin: Some(Arc::new(AdminRights::everything())),
            revision: Revision::ZERO,
        };
        Ok((key, secret))
    }
}
