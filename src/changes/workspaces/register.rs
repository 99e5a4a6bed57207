//! Register: makes a workspace, with its first key unless it is to have none, in one step, or nothing.

use crate::{
    changes::{
        Changes, WithSecret,
        keys::issue::{NewKey, all_fields, as_said, with_secret},
        support::{describe, entry::change, key_rules::require_fit, limits},
        workspaces::{
            members::declared,
            roles::{follows_alone, require_unbarred},
        },
    },
    domain::{
        admin::{AdminPermit, IssueKeys, ManageWorkspaces},
        audit::{Action, LogEntry},
        id::WorkspaceId,
        key::Key,
        member::{Member, MemberId},
        parse::ParseError,
        policy::{LimitOverridesEntry, OverridesOf, Policy},
        revision::Revision,
        secret::SecretKey,
        text::{Label, Name, Owner, Plan},
        time::Timestamp,
        workspace::{Workspace, WorkspaceState},
    },
    error::{NotFound, OperationError, Refused},
    ports::{Mutation, Rows},
};

/// What a new workspace is to be.
pub struct NewWorkspace {
    /// What people call it.
    pub name: Name,
    /// The user or service that it belongs to.
    pub owner: Option<Owner>,
    /// Its plan; `None` is the policy's first.
    pub plan: Option<Plan>,
    /// Limits of its own; none of them is to follow its plan.
    pub limits: LimitOverridesEntry,
    /// The role of the owner, its first member; `None` is the policy's first.
    pub owner_role: Option<Label>,
}

/// The first key of a workspace, and who may issue it.
pub struct FirstKey {
    /// Proof that the caller may issue.
    pub issuer: AdminPermit<IssueKeys>,
    /// What it is to be.
    pub key: NewKey,
}

/// A workspace as it was registered.
pub struct Registered {
    /// The workspace.
    pub workspace: Workspace,
    /// Its first member.
    pub member: Option<Member>,
    /// Its first key, if it has one.
    pub first: Option<WithSecret>,
    /// The log revision.
    pub revision: Revision,
}

impl Changes {
    /// Makes a workspace, with its first key where there is to be one.
    ///
    /// # Errors
    /// The caller is not global; the key would expire in the past or go beyond the caller's ceiling; the request id was used
    /// before; the store. The limits are wrong, or wider than the plan's, or the plan's wider than the first one's, where the
    /// caller may not raise any.
    pub async fn register(
        &self,
        permit: AdminPermit<ManageWorkspaces>,
        new: NewWorkspace,
        first: Option<FirstKey>,
    ) -> Result<Registered, OperationError> {
        permit.require_global()?;
        let now = self.clock.now();
        let request = first.as_ref().and_then(|first| first.key.request.clone());
        self.require_unused(request.as_ref()).await?;
        let _turn = self.locks.under_policy().await;
        let _roots = self.locks.under_roots().await;
        let policy = self.policy()?;
        let role = new.owner_role.clone();
        let mut workspace = self.new_workspace(&permit, &policy.policy, new, now)?;
        let made = |first| self.first_key(&permit, first, &workspace, &policy.policy, (role.as_ref(), now));
        let made = first.map(made).transpose()?;
        let member = first_member(&permit, &policy.policy, &workspace, role.as_ref())?;
        let key = made.as_ref().map(|(key, _)| key);
        let mut entry = LogEntry::new(now, permit.actor(), Action::WorkspaceRegister);
        (entry.workspace, entry.key) = (Some(workspace.id), key.map(|key| key.id));
        entry.request_id = request.as_ref().map(|request| request.id.clone());
        entry.changes = vec![
            change("workspace.name", (), workspace.name.as_str()),
            change("workspace.owner", (), workspace.owner.as_ref().map(Owner::as_str)),
            change("workspace.plan", (), workspace.plan.as_str()),
        ];
        if workspace.limits.is_some() {
            let to = describe::limits(workspace.limits.as_ref());
            entry.changes.push(change("workspace.limits", (), to));
        }
        if let Some(first) = &member {
            entry.member = Some(first.id.subject.clone());
            entry.changes.push(change("member.role", (), first.role.as_ref().map(Label::as_str)));
        }
        entry.changes.extend(key.into_iter().flat_map(all_fields));
        let rows = Rows {
            workspace: Some(workspace.clone()),
            member: member.clone(),
            key: key.cloned(),
            ..Rows::default()
        };
        let (seen, judged_by) = (self.index.revision(), Some(policy.version));
        let mutation = Mutation { seen, judged_by, request, ..Mutation::new(entry, rows) };
        let revision = self.commit_by(permit.stands_on(), mutation).await?;
        workspace.revision = revision;
        let member = member.map(|first| Member { revision, ..first });
        let first = made.map(|(key, secret)| with_secret(key, secret, revision));
        Ok(Registered { workspace, member, first, revision })
    }

    fn new_workspace(
        &self,
        permit: &AdminPermit<ManageWorkspaces>,
        policy: &Policy,
        new: NewWorkspace,
        now: Timestamp,
    ) -> Result<Workspace, OperationError> {
        let plan = new.plan.unwrap_or_else(|| policy.first_plan().clone());
        if !policy.has_plan(&plan) {
            return Err(OperationError::invalid("plan", ParseError::new("a plan that the policy declares")));
        }
        let mut workspace = Workspace {
            id: WorkspaceId::generate(&*self.entropy)?,
            name: new.name,
            owner: new.owner,
            plan,
            limits: None,
            key_rules: None,
            state: WorkspaceState::Active,
            is_default: false,
            created: now,
            revision: Revision::ZERO,
        };
        workspace.limits = limits::read("limits", new.limits, OverridesOf::Workspace, policy, &workspace)?;
        let own = limits::workspace_raises(policy, &workspace);
        permit.require_raising(own || limits::plan_raises(policy, policy.first_plan(), &workspace.plan))?;
        Ok(workspace)
    }

    /// The first key as it will be, and its secret, where the owner gets this role.
    fn first_key(
        &self,
        permit: &AdminPermit<ManageWorkspaces>,
        FirstKey { issuer, key }: FirstKey,
        workspace: &Workspace,
        policy: &Policy,
        (role, now): (Option<&Label>, Timestamp),
    ) -> Result<(Key, SecretKey), OperationError> {
        let ending = key.ending;
        let (key, secret) = self.make("key", key, workspace, policy, permit.creator(), now)?;
        let first = first_member(permit, policy, workspace, role)?;
        issuer.require_ceiling(
            &key.view(),
            limits::raises(policy, Some(workspace), &key.view()),
            Some(policy),
        )?;
        let fit = require_fit(policy, workspace, "key", &key);
        fit.map_err(|refusal| as_said("key", ending, refusal))?;
        require_first(&issuer, policy, first.as_ref(), &key)?;
        Ok((key, secret))
    }
}

/// The owner as the first member; `None` where there is no owner or no role.
fn first_member(
    permit: &AdminPermit<ManageWorkspaces>,
    policy: &Policy,
    workspace: &Workspace,
    role: Option<&Label>,
) -> Result<Option<Member>, OperationError> {
    if role.is_some() && workspace.owner.is_none() {
        let why = ParseError::new("empty where the workspace has no owner");
        return Err(OperationError::invalid("owner_role", why));
    }
    let role = match role {
        Some(role) => Some(declared(policy, "owner_role", role)?),
        None => policy.roles().first(),
    };
    let Some((subject, role)) = workspace.owner.clone().zip(role) else { return Ok(None) };
    permit.require_role(role, Some(policy))?;
    Ok(Some(Member {
        id: MemberId { workspace: workspace.id, subject },
        role: Some(role.name.clone()),
        created: workspace.created,
        updated: workspace.created,
        revision: Revision::ZERO,
    }))
}

/// Passes a first key that keeps within the role of the first member, where it follows one or is issued on behalf of one:
/// there is no other.
fn require_first(
    issuer: &AdminPermit<IssueKeys>,
    policy: &Policy,
    first: Option<&Member>,
    key: &Key,
) -> Result<(), OperationError> {
    let subject = if key.follows_owner_role { key.owner.as_ref() } else { None };
    for subject in subject.into_iter().chain(key.creator.behalf()) {
        let bearer = first.filter(|first| first.id.subject == *subject);
        let role = bearer.and_then(|first| policy.role(first.role.as_ref()?));
        let role = role.ok_or_else(|| NotFound::Member(subject.clone()))?;
        require_unbarred(policy, role)?;
        let follows = key.follows_owner_role && key.owner.as_ref() == Some(subject);
        let beyond = if follows {
            role.exceeded_now_by(&key.grants, policy)
        } else {
            role.exceeded_by(&key.grants, policy)
        };
        if !beyond.is_empty() {
            return Err(Refused::RoleExceeded { role: role.name.clone(), beyond }.into());
        }
        if follows_alone(&key.view()) {
            issuer.require_role(role, Some(policy))?;
        }
    }
    if key.follows_owner_role && key.owner.is_none() {
        let why = ParseError::new("given where the key follows its owner's role");
        return Err(OperationError::invalid("key.owner", why));
    }
    Ok(())
}
