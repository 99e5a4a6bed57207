//! Workspaces.

use super::{owner, time, unless_empty, within};
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
    Ok(NewWorkspace {
        name: within("name", Name::parse(&asked.name))?,
        owner: owner("owner", &asked.owner)?,
        plan: unless_empty(&asked.plan, |text| within("plan", Plan::parse(text)))?,
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
