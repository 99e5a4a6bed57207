//! Workspaces.

use super::{owner, policy, time, unless_empty, within};
use crate::{
    changes::{
        support::quotas::QuotaUse,
        workspaces::{
            list::WorkspaceFilter, plan_change::PlanEffect, register::NewWorkspace, update::WorkspaceChanges,
        },
    },
    domain::{
        parse::ParseError,
        text::{Label, Name, Plan},
        workspace::{Within, Workspace, WorkspaceState},
    },
    error::OperationError,
    wire::v1,
};

/// What a new workspace is to be.
pub(in crate::grpc) fn new_workspace(
    asked: &v1::RegisterWorkspaceRequest,
) -> Result<NewWorkspace, OperationError> {
    Ok(NewWorkspace {
        name: within("name", Name::parse(&asked.name))?,
        owner: owner("owner", &asked.owner)?,
        plan: unless_empty(&asked.plan, |text| within("plan", Plan::parse(text)))?,
        limits: asked.limits.clone().map(policy::overrides).unwrap_or_default(),
        owner_role: unless_empty(&asked.owner_role, |text| within("owner_role", Label::parse(text)))?,
    })
}

const FIELDS: &str =
    "some of name, plan, limits, key_rules; the other fields of a workspace cannot be changed";

/// Whether an update is about more than words: only global callers set plans and limits.
pub(in crate::grpc) fn sets_limits(asked: &v1::UpdateWorkspaceRequest) -> bool {
    let mask = asked.update_mask.as_ref().map(|mask| mask.paths.as_slice()).unwrap_or_default();
    mask.iter().any(|path| path == "plan" || path == "limits")
}

/// Reads the fields that the mask names.
pub(in crate::grpc) fn changes(
    asked: v1::UpdateWorkspaceRequest,
) -> Result<WorkspaceChanges, OperationError> {
    let mask = asked.update_mask.unwrap_or_default().paths;
    let workspace = asked.workspace.unwrap_or_default();
    if mask.is_empty() || mask.len() > 32 {
        return Err(OperationError::invalid("update_mask", ParseError::new(FIELDS)));
    }
    let mut changes = WorkspaceChanges::default();
    for path in &mask {
        match path.as_str() {
            "name" => changes.name = Some(within("workspace.name", Name::parse(&workspace.name))?),
            "plan" => changes.plan = Some(within("workspace.plan", Plan::parse(&workspace.plan))?),
            "limits" => {
                changes.limits = Some(policy::overrides(workspace.limits.clone().unwrap_or_default()));
            }
            "key_rules" => {
                changes.key_rules = Some(policy::own_rules(workspace.key_rules.clone().unwrap_or_default()));
            }
            _ => return Err(OperationError::invalid("update_mask", ParseError::new(FIELDS))),
        }
    }
    Ok(changes)
}

/// A workspace for the wire.
pub(in crate::grpc) fn to_wire(workspace: &Workspace) -> v1::Workspace {
    v1::Workspace {
        id: workspace.id.to_string(),
        name: workspace.name.to_string(),
        owner: workspace.owner.as_ref().map(ToString::to_string).unwrap_or_default(),
        plan: workspace.plan.to_string(),
        create_time: Some(time::to_wire(workspace.created)),
        revision: workspace.revision.0,
        limits: workspace.limits.as_deref().map(policy::overrides_to_wire),
        state: state_to_wire(workspace.state).into(),
        key_rules: workspace.key_rules.as_deref().map(policy::own_rules_to_wire),
    }
}

/// Which workspace was looked at; empty where it was all of them.
pub(in crate::grpc) fn looked_at(within: Within) -> String {
    within.one().map(|workspace| workspace.to_string()).unwrap_or_default()
}

/// How much of a quota is taken, for the wire.
pub(in crate::grpc) fn quota_use(taken: &QuotaUse) -> v1::QuotaUse {
    v1::QuotaUse {
        quota: taken.quota.as_str().to_owned(),
        limit: taken.limit,
        used: taken.used,
        reset_time: taken.reset.map(time::to_wire),
    }
}

/// What becomes of the keys of a workspace that changes, for the wire.
pub(in crate::grpc) fn effect_to_wire(effect: &PlanEffect) -> Option<v1::WorkspaceEffect> {
    let keys = effect.keys?;
    let limits = |workspace| effect.limits_in(workspace).iter().map(policy::effective_to_wire).collect();
    let (of_policy, before, after) = (&effect.policy.policy, &effect.before, &effect.after);
    Some(v1::WorkspaceEffect {
        key_count: keys.all,
        own_limit_key_count: keys.with_own_limits,
        keys_denied_before: of_policy.denies_keys_on(&before.plan),
        keys_denied_after: of_policy.denies_keys_on(&after.plan),
        may_issue_after: of_policy.may_issue_on(&after.plan),
        limits_before: limits(before),
        limits_after: limits(after),
    })
}

/// Which workspaces to list.
pub(in crate::grpc) fn filter(asked: &v1::ListWorkspacesRequest) -> Result<WorkspaceFilter, OperationError> {
    Ok(WorkspaceFilter {
        state: state(asked.state)?,
        plan: unless_empty(&asked.plan, |text| within("plan", Plan::parse(text)))?,
    })
}

fn state(asked: i32) -> Result<Option<WorkspaceState>, OperationError> {
    if asked == i32::from(v1::WorkspaceState::Unspecified) {
        return Ok(None);
    }
    let known = WorkspaceState::ALL.into_iter().find(|state| i32::from(state_to_wire(*state)) == asked);
    let unknown = ParseError::new("one of the values of WorkspaceState");
    known.map(Some).ok_or(OperationError::invalid("state", unknown))
}

const fn state_to_wire(state: WorkspaceState) -> v1::WorkspaceState {
    match state {
        WorkspaceState::Active => v1::WorkspaceState::Active,
        WorkspaceState::Suspended => v1::WorkspaceState::Suspended,
        WorkspaceState::Closed => v1::WorkspaceState::Closed,
    }
}
