//! Show and update workspaces. A new plan or new limits are in force for all of its keys when the change is answered.

use std::sync::Arc;

use serde_json::Value;

use crate::{
    changes::{
        Changes,
        support::{attempt::Attempt, describe, entry::change, limits},
        workspaces::{
            plan_change::{KeysConcerned, PlanEffect},
            roles::require_open,
        },
    },
    domain::{
        admin::{AdminPermit, ManageWorkspaces, ReadWorkspaces},
        audit::{Action, FieldChange, LogEntry},
        id::WorkspaceId,
        parse::ParseError,
        policy::{Fault, KeyRulesEntry, LimitOverridesEntry, OverridesOf, OwnKeyRules, Policy},
        revision::Revision,
        text::{Name, Plan},
        workspace::Workspace,
    },
    error::{Invalid, NotFound, OperationError},
    ports::{Mutation, Rows},
};

/// New values; `None` leaves a field as it is.
#[derive(Debug, Default)]
pub struct WorkspaceChanges {
    /// What people call it.
    pub name: Option<Name>,
    /// Its plan.
    pub plan: Option<Plan>,
    /// Limits of its own; none of them is to follow its plan.
    pub limits: Option<LimitOverridesEntry>,
    /// Rules for its keys; none of them is to have none.
    pub key_rules: Option<KeyRulesEntry>,
}

impl WorkspaceChanges {
    const fn changes_limits(&self) -> bool {
        self.plan.is_some() || self.limits.is_some()
    }
}

impl Changes {
    /// A workspace as it stands.
    ///
    /// # Errors
    /// It does not exist, or is out of the caller's reach: both look the same (T1).
    pub fn show_workspace(
        &self,
        permit: &AdminPermit<ReadWorkspaces>,
        named: Option<WorkspaceId>,
    ) -> Result<Arc<Workspace>, OperationError> {
        let id = self.workspace(permit, named)?;
        self.index.workspace(id).ok_or(OperationError::NotFound(NotFound::Workspace))
    }

    /// Changes a workspace's fields, all of them or none, and says what became of its keys.
    ///
    /// # Errors
    /// It is out of reach. Its plan or limits would change, and the caller is bound to it, or may not raise limits and
    /// would, by a plan with wider ones for one. The policy does not declare the plan; the limits are wrong. The store.
    pub async fn update_workspace(
        &self,
        permit: AdminPermit<ManageWorkspaces>,
        id: WorkspaceId,
        changes: WorkspaceChanges,
    ) -> Result<(PlanEffect, Revision), OperationError> {
        let id = self.workspace(&permit, Some(id))?;
        let before = self.index.workspace(id).ok_or(NotFound::Workspace)?;
        let limits_change = changes.changes_limits();
        if limits_change {
            permit.require_global()?;
            self.settle().await;
        }
        let outcome = self.try_update_workspace(&permit, id, &changes).await;
        if limits_change {
            self.settle().await;
        }
        let (after, revision) = outcome?;
        let keys = self.concerned(id, &changes).await;
        Ok((PlanEffect { policy: self.policy()?, before: (*before).clone(), after, keys }, revision))
    }

    /// What a change of a workspace would have as its effect; changes nothing.
    ///
    /// # Errors
    /// As for the change itself, but for the store.
    pub async fn preview_workspace(
        &self,
        permit: &AdminPermit<ManageWorkspaces>,
        id: WorkspaceId,
        changes: &WorkspaceChanges,
    ) -> Result<PlanEffect, OperationError> {
        if changes.changes_limits() {
            permit.require_global()?;
        }
        let before = self.index.workspace(id).ok_or(NotFound::Workspace)?;
        let policy = self.policy()?;
        let rules = changes.key_rules.as_ref().map(own_rules);
        let after = judged(permit, &before, changes, rules, &policy.policy)?;
        let keys = self.concerned(id, changes).await;
        Ok(PlanEffect { policy, before: (*before).clone(), after, keys })
    }

    async fn concerned(&self, id: WorkspaceId, changes: &WorkspaceChanges) -> Option<KeysConcerned> {
        if changes.changes_limits() { Some(self.keys_concerned(id).await) } else { None }
    }

    async fn try_update_workspace(
        &self,
        permit: &AdminPermit<ManageWorkspaces>,
        id: WorkspaceId,
        changes: &WorkspaceChanges,
    ) -> Result<(Workspace, Revision), OperationError> {
        // Once, and not each time that it is judged.
        let rules = changes.key_rules.as_ref().map(own_rules);
        // No policy drops the new plan before the workspace has it.
        let _turn = self.locks.under_policy().await;
        self.change_workspace(permit, id, |before| {
            let policy = self.policy()?;
            let after = judged(permit, before, changes, rules.clone(), &policy.policy)?;
            let fields = differences(before, &after);
            if fields.is_empty() {
                return Ok(Attempt::Done(after));
            }
            let new = LogEntry::new(self.clock.now(), permit.actor(), Action::WorkspaceUpdate);
            let entry = LogEntry { workspace: Some(id), changes: fields, ..new };
            let rows = Rows { workspace: Some(after.clone()), ..Rows::default() };
            let judged_by = Some(policy.version);
            Ok(Attempt::Commit(Box::new(Mutation { judged_by, ..Mutation::new(entry, rows) }), after))
        })
        .await
    }

    /// Commits one change of a workspace, judged as it stands.
    pub(in crate::changes) async fn change_workspace(
        &self,
        permit: &AdminPermit<ManageWorkspaces>,
        id: WorkspaceId,
        judge: impl Fn(&Workspace) -> Result<Attempt<Workspace>, OperationError>,
    ) -> Result<(Workspace, Revision), OperationError> {
        let judge = || judge(&*self.index.workspace(id).ok_or(NotFound::Workspace)?);
        let (mut workspace, revision) = self.until_committed(permit.stands_on(), judge).await?;
        workspace.revision = revision.unwrap_or(workspace.revision);
        let revision = workspace.revision;
        Ok((workspace, revision))
    }
}

/// A workspace as it would be, if its limits may be so.
fn judged(
    permit: &AdminPermit<ManageWorkspaces>,
    before: &Workspace,
    changes: &WorkspaceChanges,
    rules: Option<NewRules>,
    policy: &Policy,
) -> Result<Workspace, OperationError> {
    require_open(before)?;
    let after = apply(before, changes, rules, policy)?;
    let own = before.limits != after.limits && limits::workspace_raises(policy, &after);
    permit.require_raising(own || limits::plan_raises(policy, &before.plan, &after.plan))?;
    Ok(after)
}

fn apply(
    before: &Workspace,
    changes: &WorkspaceChanges,
    rules: Option<NewRules>,
    policy: &Policy,
) -> Result<Workspace, OperationError> {
    let mut after = before.clone();
    if let Some(name) = &changes.name {
        after.name = name.clone();
    }
    if let Some(plan) = &changes.plan {
        if !policy.has_plan(plan) {
            let why = ParseError::new("a plan that the policy declares");
            return Err(OperationError::invalid("workspace.plan", why));
        }
        after.plan = plan.clone();
    }
    if let Some(entry) = &changes.limits {
        after.limits =
            limits::read("workspace.limits", entry.clone(), OverridesOf::Workspace, policy, &after)?;
    }
    if let Some(rules) = rules {
        after.key_rules = rules?;
    }
    Ok(after)
}

/// The rules that a workspace is to have, or what is wrong with them.
type NewRules = Result<Option<Arc<OwnKeyRules>>, OperationError>;

fn own_rules(entry: &KeyRulesEntry) -> NewRules {
    let own = OwnKeyRules::new(entry.clone()).map_err(|faults| {
        let within = |fault: Fault| Fault { field: format!("workspace.{}", fault.field), ..fault };
        OperationError::Invalid(Invalid::Fields(faults.into_iter().map(within).collect()))
    })?;
    Ok(own.map(Arc::new))
}

/// One field of a workspace, as the log tells it.
type WorkspaceField = fn(&Workspace) -> Value;

fn differences(before: &Workspace, after: &Workspace) -> Vec<FieldChange> {
    let fields: [(&'static str, WorkspaceField); 4] = [
        ("workspace.name", |workspace| workspace.name.as_str().into()),
        ("workspace.plan", |workspace| workspace.plan.as_str().into()),
        ("workspace.limits", |workspace| describe::limits(workspace.limits.as_ref())),
        ("workspace.key_rules", |workspace| describe::key_rules(workspace.key_rules.as_deref())),
    ];
    let told = fields.into_iter().map(|(field, of)| (field, of(before), of(after)));
    told.filter(|(_, from, to)| from != to).map(|(field, from, to)| change(field, from, to)).collect()
}
