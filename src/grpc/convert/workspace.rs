//! Workspaces.

use super::{owner, time, within};
use crate::{
    domain::{
        text::{Name, Plan},
        workspace::Workspace,
    },
    operations::{error::OperationError, register::NewWorkspace},
    wire::v1,
};

/// What a new workspace is to be.
pub(in crate::grpc) fn new_workspace(
    asked: &v1::RegisterWorkspaceRequest,
) -> Result<NewWorkspace, OperationError> {
    let plan = if asked.plan.is_empty() { Ok(Plan::default()) } else { Plan::parse(&asked.plan) };
    Ok(NewWorkspace {
        name: within("name", Name::parse(&asked.name))?,
        owner: owner("owner", &asked.owner)?,
        plan: within("plan", plan)?,
    })
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
    }
}
