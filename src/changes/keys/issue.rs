//! Issue: makes a key. No caller hands out more than its ceiling allows, and the secret is shown this once.

use std::sync::Arc;

use serde_json::{Value, json};

use crate::{
    changes::{
        Changes, WithSecret,
        support::{
            attempt::Attempt,
            describe,
            entry::{change, entry, write_key},
            key_rules,
            limits::{self, NewLimits},
        },
        workspaces::roles::{StoodOn, follows_alone, require_in_use},
    },
    domain::{
        admin::{AdminPermit, AdminRefusal, AdminRights, GrantAdmin, ImportKeys, IssueKeys, Party, Sight},
        audit::{Action, Actor, FieldChange},
        caller_id::CallerId,
        ceiling::CeilingPart,
        credentials::{Credentials, Secret},
        ending::Ending,
        grant::Grants,
        id::{KeyId, WorkspaceId},
        key::{Creator, Key, KeyState, KeyView},
        network::AllowedNetworks,
        parse::ParseError,
        policy::{Policy, Role},
        revision::Revision,
        secret::SecretKey,
        text::{Description, EnvironmentName, Metadata, Name, Owner},
        time::Timestamp,
        workspace::Workspace,
    },
    error::{NotFound, OperationError, path},
    ports::{Mutation, RequestMark},
};

/// What a new key is to be.
#[derive(Clone)]
pub struct NewKey {
    /// What people call it.
    pub name: Name,
    /// What people say about it.
    pub description: Description,
    /// The user or service that it belongs to.
    pub owner: Option<Owner>,
    /// The member on whose behalf it is issued.
    pub on_behalf_of: Option<Owner>,
    /// Whether it follows the role of its owner.
    pub follows_owner_role: bool,
    /// Its environment.
    pub environment: EnvironmentName,
    /// What it may do; empty for an administration key, and where it follows a role.
    pub grants: Grants,
    /// Where it may be used from.
    pub networks: AllowedNetworks,
    /// Labels of the user's own.
    pub metadata: Metadata,
    /// When it is to end.
    pub ending: Ending,
    /// Limits of its own; an administration key has none.
    pub limits: NewLimits,
    /// What it may administer; `None` for a holder's key.
    pub admin: Option<AdminRights>,
    /// The request id that makes a retry safe.
    pub request: Option<RequestMark>,
}

/// Proof that the caller may make the kind of key that is asked for.
#[derive(Debug)]
pub enum IssuePermit {
    /// A holder's key.
    Holder(AdminPermit<IssueKeys>),
    /// A holder's key whose secret another system made.
    Import(AdminPermit<ImportKeys>),
    /// An administration key.
    Admin(AdminPermit<GrantAdmin>),
}

impl IssuePermit {
    /// The workspace that is meant (see [`Changes::workspace`]).
    ///
    /// # Errors
    /// It does not exist, or is out of the caller's reach.
    pub fn workspace(
        &self,
        changes: &Changes,
        named: Option<WorkspaceId>,
    ) -> Result<WorkspaceId, OperationError> {
        match self {
            Self::Holder(permit) => changes.workspace(permit, named),
            Self::Import(permit) => changes.workspace(permit, named),
            Self::Admin(permit) => changes.workspace(permit, named),
        }
    }

    /// The caller's own key, or the actor.
    #[must_use]
    pub fn caller_id(&self) -> CallerId {
        match self {
            Self::Holder(permit) => permit.caller_id(),
            Self::Import(permit) => permit.caller_id(),
            Self::Admin(permit) => permit.caller_id(),
        }
    }

    /// Whose share of the places for administration it takes.
    #[must_use]
    pub fn party(&self) -> Party {
        match self {
            Self::Holder(permit) => Party::of(permit),
            Self::Import(permit) => Party::of(permit),
            Self::Admin(permit) => Party::of(permit),
        }
    }

    /// How far the caller sees.
    #[must_use]
    pub fn sight(&self) -> Sight {
        match self {
            Self::Holder(permit) => permit.sight(),
            Self::Import(permit) => permit.sight(),
            Self::Admin(permit) => permit.sight(),
        }
    }

    /// Whether the caller may know of this key.
    pub(in crate::changes) fn reaches(&self, key: &KeyView<'_>) -> bool {
        self.sight().reaches(key)
    }

    fn require_ceiling(
        &self,
        key: &Key,
        raised: bool,
        followed: Option<&Role>,
        policy: &Policy,
    ) -> Result<(), OperationError> {
        let policy = Some(policy);
        match (self, &key.admin) {
            (Self::Holder(permit), None) => holder_ceiling(permit, key, raised, followed, policy),
            (Self::Import(permit), None) => holder_ceiling(permit, key, raised, followed, policy),
            (Self::Admin(permit), Some(_)) => Ok(permit.require_ceiling(&key.view(), raised, policy)?),
            (Self::Holder(_) | Self::Import(_), Some(_)) | (Self::Admin(_), None) => {
                Err(AdminRefusal::CeilingExceeded(CeilingPart::AdminScopes).into())
            }
        }
    }

    pub(in crate::changes) fn stands_on(&self) -> Option<(KeyId, Revision)> {
        match self {
            Self::Holder(permit) => permit.stands_on(),
            Self::Import(permit) => permit.stands_on(),
            Self::Admin(permit) => permit.stands_on(),
        }
    }

    pub(in crate::changes) fn actor(&self) -> Actor {
        match self {
            Self::Holder(permit) => permit.actor(),
            Self::Import(permit) => permit.actor(),
            Self::Admin(permit) => permit.actor(),
        }
    }

    pub(in crate::changes) fn creator(&self) -> Creator {
        match self {
            Self::Holder(permit) => permit.creator(),
            Self::Import(permit) => permit.creator(),
            Self::Admin(permit) => permit.creator(),
        }
    }
}

fn holder_ceiling<P>(
    permit: &AdminPermit<P>,
    key: &Key,
    raised: bool,
    followed: Option<&Role>,
    policy: Option<&Policy>,
) -> Result<(), OperationError> {
    permit.require_ceiling(&key.view(), raised, policy)?;
    Ok(followed.map_or(Ok(()), |role| permit.require_role(role, policy))?)
}

impl Changes {
    /// Makes a key in a workspace that the caller reaches.
    ///
    /// # Errors
    /// It would expire in the past, or go beyond the caller's ceiling; the request id was used before; the store.
    pub async fn issue(
        &self,
        permit: IssuePermit,
        workspace: WorkspaceId,
        new: NewKey,
    ) -> Result<WithSecret, OperationError> {
        self.require_unused(new.request.as_ref()).await?;
        let _turn = self.locks.under_policy().await;
        let _making = self.locks.to_make(workspace).await;
        let _roots = self.locks.under_roots().await;
        let judge = || self.judge_issue(&permit, workspace, new.clone());
        let ((key, secret), revision) = self.until_committed(permit.stands_on(), judge).await?;
        let revision = revision.unwrap_or(key.revision);
        Ok(with_secret(key, secret, revision))
    }

    /// A new key as it would be now, with a secret of its own each time.
    fn judge_issue(
        &self,
        permit: &IssuePermit,
        workspace: WorkspaceId,
        new: NewKey,
    ) -> Result<Attempt<(Key, SecretKey)>, OperationError> {
        let now = self.clock.now();
        let policy = self.policy()?;
        let workspace = self.index.workspace(workspace).ok_or(NotFound::Workspace)?;
        require_in_use(&workspace)?;
        let (request, ending) = (new.request.clone(), new.ending);
        let (key, secret) = self.make("", new, &workspace, &policy.policy, permit.creator(), now)?;
        let issuable = self.require_issuable(permit, &policy.policy, &workspace, &key);
        let expects_members = issuable.map_err(|refusal| as_said("", ending, refusal))?;
        let mut entry = entry(permit.actor(), Action::KeyIssue, &key, now);
        entry.changes = all_fields(&key);
        entry.request_id = request.as_ref().map(|request| request.id.clone());
        let mutation = Mutation {
            request,
            expects_members,
            expects_workspace: Some((workspace.id, workspace.revision)),
            judged_by: Some(policy.version),
            ..write_key(entry, key.clone())
        };
        Ok(Attempt::Commit(Box::new(mutation), (key, secret)))
    }

    /// Passes a new key that its issuer may hand out, and that the policy in force, its workspace and the roles that it is
    /// issued under let be. Answers the members that this stands on.
    pub(in crate::changes) fn require_issuable(
        &self,
        permit: &IssuePermit,
        policy: &Policy,
        workspace: &Workspace,
        key: &Key,
    ) -> Result<StoodOn, OperationError> {
        let view = key.view();
        let followed = self.role_of_owner(&view, policy).filter(|_| follows_alone(&view));
        permit.require_ceiling(key, limits::raises(policy, Some(workspace), &view), followed, policy)?;
        key_rules::require_fit(policy, workspace, "", key)?;
        self.require_roles(policy, "", key)
    }

    /// A key as it will be, and its secret; nothing is stored yet. `prefix` is where it stands in the request.
    pub(in crate::changes) fn make(
        &self,
        prefix: &str,
        new: NewKey,
        workspace: &Workspace,
        policy: &Policy,
        creator: Creator,
        now: Timestamp,
    ) -> Result<(Key, SecretKey), OperationError> {
        let (secret, first) = self.draw(new.admin.is_some(), &new.environment, 1, now)?;
        Ok((self.shape(prefix, new, workspace, policy, creator, first)?, secret))
    }

    /// A key as it will be with this first secret, from the time on when that was made.
    pub(in crate::changes) fn shape(
        &self,
        prefix: &str,
        new: NewKey,
        workspace: &Workspace,
        policy: &Policy,
        creator: Creator,
        first: Secret,
    ) -> Result<Key, OperationError> {
        let now = first.created;
        let expires = new.ending.from(now);
        if expires.is_some_and(|expires| expires <= now) {
            let why = ParseError::new("in the future, or absent");
            return Err(OperationError::invalid(path(prefix, new.ending.field()), why));
        }
        let limits = limits::of_new_key(prefix, new.limits, policy, workspace)?;
        let id = KeyId::generate(&*self.entropy)?;
        Ok(Key {
            id,
            workspace: workspace.id,
            name: new.name,
            description: new.description,
            owner: new.owner.or_else(|| new.on_behalf_of.clone()),
            follows_owner_role: new.follows_owner_role,
            creator: Arc::new(creator.on_behalf_of(new.on_behalf_of)),
            environment: new.environment,
            grants: Arc::new(new.grants),
            networks: Arc::new(new.networks),
            metadata: Arc::new(new.metadata),
            limits,
            state: KeyState::Active,
            created: now,
            expires,
            updated: now,
            credentials: Credentials::new(first),
            admin: new.admin.map(Arc::new),
            revision: Revision::ZERO,
            taken_in: Revision::ZERO,
        })
    }
}

/// A refusal of a new key which names the field that says when it ends, where that is what is refused. `prefix` is where
/// the key stands in the request.
pub(in crate::changes) fn as_said(prefix: &str, ending: Ending, refusal: OperationError) -> OperationError {
    refusal.renamed(&path(prefix, "expire_time"), &path(prefix, ending.field()))
}

/// A key as it was stored, and its secret.
pub(in crate::changes) fn with_secret(mut key: Key, secret: SecretKey, revision: Revision) -> WithSecret {
    key.revision = revision;
    WithSecret { key, secret, revision }
}

/// Every field of a new key, for the log.
pub(in crate::changes) fn all_fields(key: &Key) -> Vec<FieldChange> {
    let fields = [
        ("name", json!(key.name.as_str())),
        ("description", json!(Some(key.description.as_str()).filter(|text| !text.is_empty()))),
        ("owner", json!(key.owner.as_ref().map(Owner::as_str))),
        ("on_behalf_of", json!(key.creator.behalf().map(Owner::as_str))),
        ("follows_owner_role", if key.follows_owner_role { json!(true) } else { Value::Null }),
        ("environment", json!(key.environment.as_str())),
        ("grants", describe::grants(&key.grants)),
        ("allowed_cidrs", describe::networks(&key.networks)),
        ("metadata", describe::metadata(&key.metadata)),
        ("expire_time", describe::time(key.expires)),
        ("limits", describe::limits(key.limits.as_ref())),
        ("admin", key.admin.as_deref().map_or(Value::Null, describe::admin)),
    ];
    fields.into_iter().filter(|(_, to)| !to.is_null()).map(|(field, to)| change(field, (), to)).collect()
}
