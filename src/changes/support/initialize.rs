//! The first administration key: made with the store, or made anew on the machine when all others are lost.
//!
//! Neither goes through a running service: the caller holds the store's lock.

use std::{collections::BTreeMap, sync::Arc};

use crate::{
    changes::{
        keys::issue::all_fields,
        policy::write_policy,
        support::entry::{entry, write_key},
    },
    domain::{
        admin::AdminRights,
        audit::{Action, Actor},
        credentials::{Credentials, Secret},
        id::{KeyId, WorkspaceId},
        key::{Creator, Key, KeyState},
        parse::ParseError,
        policy::Policy,
        revision::Revision,
        root::LookupKey,
        scheme::Scheme,
        secret::SecretKey,
        text::{Comment, Description, Metadata, Name},
        time::{Entropy, EntropyUnavailable, Timestamp},
        workspace::{Workspace, WorkspaceState},
    },
    ports::{Mutation, PolicyVersion, Rows},
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
    /// The time.
    pub now: Timestamp,
}

impl Maker<'_> {
    /// The first change of a new store: the policy, the default workspace and the first administration key.
    ///
    /// # Errors
    /// There is no randomness.
    pub fn initialize(&self, policy: Policy) -> Result<(Mutation, SecretKey), InitializeError> {
        let workspace = Workspace {
            id: WorkspaceId::generate(self.entropy)?,
            name: Name::parse("default")?,
            owner: None,
            plan: policy.first_plan().clone(),
            limits: None,
            key_rules: None,
            state: WorkspaceState::Active,
            is_default: true,
            created: self.now,
            revision: Revision::ZERO,
        };
        let (key, secret) = self.root_key(workspace.id, "root", &policy)?;
        let mut entry = entry(Actor::System, Action::StoreInitialize, &key, self.now);
        entry.changes = all_fields(&key);
        let policy = self.first_version(policy)?;
        entry.policy_version = Some(policy.version);
        let policy = Some(Arc::new(policy));
        let rows = Rows { workspace: Some(workspace), key: Some(key), policy, ..Rows::default() };
        Ok((Mutation::new(entry, rows), secret))
    }

    /// The first policy of a store that was made before there were any.
    ///
    /// # Errors
    /// Never.
    pub fn adopt(&self, policy: Policy) -> Result<Mutation, InitializeError> {
        Ok(write_policy(self.first_version(policy)?, Actor::System, Vec::new()))
    }

    fn first_version(&self, policy: Policy) -> Result<PolicyVersion, InitializeError> {
        Ok(PolicyVersion {
            version: 1,
            policy,
            applied: self.now,
            applied_by: None,
            applied_by_owner: None,
            comment: Comment::parse("")?,
            revision: Revision::ZERO,
        })
    }

    /// A new root key for a store whose root keys are lost.
    ///
    /// # Errors
    /// There is no randomness.
    pub fn recover(
        &self,
        default: WorkspaceId,
        policy: &Policy,
    ) -> Result<(Mutation, SecretKey), InitializeError> {
        let (key, secret) = self.root_key(default, "recovered root", policy)?;
        let mut entry = entry(Actor::System, Action::AdminRecover, &key, self.now);
        entry.changes = all_fields(&key);
        Ok((write_key(entry, key), secret))
    }

    fn root_key(
        &self,
        workspace: WorkspaceId,
        name: &str,
        policy: &Policy,
    ) -> Result<(Key, SecretKey), InitializeError> {
        let environment = policy.environments().admin();
        let secret = SecretKey::generate(&environment.prefix, self.entropy)?;
        let first = Secret {
            generation: 1,
            scheme: Scheme::Native,
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
            follows_owner_role: false,
            creator: Arc::new(Creator::System),
            environment: environment.name.clone(),
            grants: Arc::default(),
            networks: Arc::default(),
            metadata: Arc::new(Metadata::parse(BTreeMap::new())?),
            limits: None,
            state: KeyState::Active,
            created: self.now,
            expires: None,
            updated: self.now,
            credentials: Credentials::new(first),
            admin: Some(Arc::new(AdminRights::everything())),
            revision: Revision::ZERO,
            taken_in: Revision::ZERO,
        };
        Ok((key, secret))
    }
}
