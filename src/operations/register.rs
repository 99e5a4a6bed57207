//! Register: makes a workspace and its first key in one step, or neither.

use super::{
    Operations, WithSecret, change, describe, entry,
    error::OperationError,
    issue::{NewKey, all_fields, with_secret},
    limits,
    policy::require_fit,
};
use crate::{
    domain::{
        admin::{AdminPermit, IssueKeys, ManageWorkspaces},
        audit::{Action, Revision},
        id::WorkspaceId,
        parse::ParseError,
        policy::{Holder, LimitOverridesEntry},
        text::{Name, Owner, Plan},
        workspace::Workspace,
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
}

impl Operations {
    /// Makes a workspace with its first key.
    ///
    /// # Errors
    /// The caller is not global or may not issue; the key would expire in the past or go beyond the caller's ceiling;
    /// the request id was used before; the store. The limits are wrong, or wider than the plan's where the caller may not
    /// raise any.
    pub async fn register(
        &self,
        permit: AdminPermit<ManageWorkspaces>,
        issuer: AdminPermit<IssueKeys>,
        new: NewWorkspace,
        first_key: NewKey,
    ) -> Result<(Workspace, WithSecret), OperationError> {
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
            is_default: false,
            created: now,
            revision: Revision::ZERO,
        };
        workspace.limits = limits::read("limits", new.limits, Holder::Workspace, &policy.policy, &workspace)?;
        permit.require_raising(limits::workspace_raises(&policy.policy, &workspace))?;
        let (key, secret) = self.make("key", first_key, &workspace, &policy.policy, permit.creator(), now)?;
        issuer.require_ceiling(&key, limits::raises(&policy.policy, Some(&workspace), &key))?;
        require_fit(&policy.policy, "key", &key, &workspace.plan)?;
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
        entry.changes.extend(all_fields(&key));
        let rows = Rows { workspace: Some(workspace.clone()), key: Some(key.clone()), ..Rows::default() };
        let (expects, judged_by) = (vec![permit.stands_on()], Some(policy.version));
        let revision =
            self.commit(Mutation { expects, judged_by, request, ..Mutation::new(entry, rows) }).await?;
        workspace.revision = revision;
        Ok((workspace, with_secret(key, secret, revision)))
    }
}
