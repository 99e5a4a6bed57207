//! `UpdateWorkspace`: other fields of a workspace, or what they would change.

use crate::{
    changes::Changes,
    domain::admin::{AdminPermit, ManageWorkspaces},
    error::OperationError,
    grpc::{convert, lanes::Work, rpc::Rpc},
    wire::v1,
};

impl Rpc for v1::UpdateWorkspaceRequest {
    type Answer = v1::UpdateWorkspaceResponse;
    type Permit = AdminPermit<ManageWorkspaces>;

    const CALL: &'static str = "UpdateWorkspace";
    const WORK: Work = Work::Few;

    async fn handle(
        changes: &Changes,
        permit: Self::Permit,
        asked: Self,
    ) -> Result<Self::Answer, OperationError> {
        let named = asked.workspace.as_ref().map(|workspace| workspace.id.as_str()).unwrap_or_default();
        let named = convert::workspace_id("workspace.id", named)?;
        let id = changes.workspace(&permit, named)?;
        if convert::workspace::sets_limits(&asked) {
            permit.require_global()?;
        }
        let validate_only = asked.validate_only;
        let wanted = convert::workspace::changes(asked)?;
        let (effect, revision) = if validate_only {
            let effect = changes.preview_workspace(&permit, id, &wanted).await?;
            let revision = effect.before.revision;
            (effect, revision)
        } else {
            changes.update_workspace(permit, id, wanted).await?
        };
        Ok(v1::UpdateWorkspaceResponse {
            workspace: Some(convert::workspace::to_wire(&effect.after)),
            revision: revision.0,
            effect: convert::workspace::effect_to_wire(&effect),
        })
    }
}
