//! Register: makes a workspace and its first key in one step, or neither.

use super::{
    Operations, WithSecret, change, describe, entry,
    error::OperationError,
    fit::require_fit,
    issue::{NewKey, all_fields, with_secret},
    limits,
    members::declared,
    roles::follows_alone,
};
use crate::{
    domain::{
        admin::{AdminPermit, IssueKeys, ManageWorkspaces},
        audit::{Action, Revision},
        id::WorkspaceId,
        key::Key,
        member::{Member, MemberId},
        parse::ParseError,
        policy::{Holder, LimitOverridesEntry, Policy},
        text::{Label, Name, Owner, Plan},
        workspace::{Workspace, WorkspaceState},
    },
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

/// A workspace as it was registered.
pub struct Registered {
    /// The workspace.
    pub workspace: Workspace,
    /// Its first member.
    pub member: Option<Member>,
    /// Its first key.
    pub first: WithSecret,
}

impl Operations {
    /// Makes a workspace with its first key.
    ///
    /// # Errors
    /// The caller is not global or may not issue; the key would expire in the past or go beyond the caller's ceiling;
    /// the request id was used before; the store. The limits are wrong, or wider than the plan's, or the plan's wider than
    /// the first one's, where the caller may not raise any.
    pub async fn register(
        &self,
        permit: AdminPermit<ManageWorkspaces>,
        issuer: AdminPermit<IssueKeys>,
        new: NewWorkspace,
        first_key: NewKey,
    ) -> Result<Registered, OperationError> {
        permit.require_global()?;
        let now = self.clock.now();
        let request = first_key.request.clone();
        self.require_unused(request.as_ref()).await?;
        let _turn = self.turns.under_policy().await;
        let policy = self.policy()?;
        let plan = new.plan.unwrap_or_else(|| policy.policy.first_plan().clone());
        if !policy.policy.has_plan(&plan) {
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
        workspace.limits = limits::read("limits", new.limits, Holder::Workspace, &policy.policy, &workspace)?;
        let own = limits::workspace_raises(&policy.policy, &workspace);
        let by_plan = limits::plan_raises(&policy.policy, policy.policy.first_plan(), &workspace.plan);
        permit.require_raising(own || by_plan)?;
        let (key, secret) = self.make("key", first_key, &workspace, &policy.policy, permit.creator(), now)?;
        let first = first_member(&permit, &policy.policy, &workspace, new.owner_role.as_ref())?;
        let raised = limits::raises(&policy.policy, Some(&workspace), &key);
        issuer.require_ceiling(&key, raised, Some(&policy.policy))?;
        require_fit(&policy.policy, &workspace, "key", &key)?;
        require_first(&issuer, &policy.policy, first.as_ref(), &key)?;
        let mut entry = entry(permit.actor(), Action::WorkspaceRegister, &key, now);
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
        if let Some(first) = &first {
            entry.member = Some(first.id.subject.clone());
            entry.changes.push(change("member.role", (), first.role.as_ref().map(Label::as_str)));
        }
        entry.changes.extend(all_fields(&key));
        let rows = Rows {
            workspace: Some(workspace.clone()),
            member: first.clone(),
            key: Some(key.clone()),
            ..Rows::default()
        };
        let (seen, judged_by) = (self.index.revision(), Some(policy.version));
        let mutation = Mutation { seen, judged_by, request, ..Mutation::new(entry, rows) };
        let revision = self.commit_by(Some(permit.stands_on()), mutation).await?;
        workspace.revision = revision;
        let member = first.map(|first| Member { revision, ..first });
        Ok(Registered { workspace, member, first: with_secret(key, secret, revision) })
    }
}

/// The owner as the first member; nobody where there is no owner or no role.
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
        let role = role.ok_or_else(|| OperationError::MemberNotFound(subject.clone()))?;
        if key.creator.behalf().is_some() && policy.key_rules().barred_roles.contains(&role.name) {
            return Err(OperationError::RoleMayNotIssue(role.name.clone()));
        }
        let follows = key.follows_owner_role && key.owner.as_ref() == Some(subject);
        let beyond = if follows {
            role.exceeded_now_by(&key.grants, policy)
        } else {
            role.exceeded_by(&key.grants, policy)
        };
        if !beyond.is_empty() {
            return Err(OperationError::RoleExceeded { role: role.name.clone(), beyond });
        }
        if follows_alone(key) {
            issuer.require_role(role, Some(policy))?;
        }
    }
    if key.follows_owner_role && key.owner.is_none() {
        let why = ParseError::new("given where the key follows its owner's role");
        return Err(OperationError::invalid("key.owner", why));
    }
    Ok(())
}
