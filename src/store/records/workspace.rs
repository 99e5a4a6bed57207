//! How workspaces are written down: JSON, version 1, with every field there, as for keys.

use std::{borrow::Cow, sync::Arc};

use serde::{Deserialize, Serialize};

use super::body::{VERSION, read_limits, stated};
use crate::domain::{
    id::WorkspaceId,
    policy::{Fault, KeyRulesEntry, LimitOverridesEntry, OwnKeyRules},
    revision::Revision,
    text::{Name, Owner, Plan},
    time::Timestamp,
    workspace::{Workspace, WorkspaceState},
};

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct WorkspaceBody<'a> {
    v: u8,
    #[serde(borrow)]
    name: Cow<'a, str>,
    #[serde(deserialize_with = "stated")]
    owner: Option<Cow<'a, str>>,
    #[serde(borrow)]
    plan: Cow<'a, str>,
    is_default: bool,
    created_ms: i64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    limits: Option<LimitOverridesEntry>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    key_rules: Option<KeyRulesEntry>,
    /// Absent where it is active, as in bodies from before there was another state.
    #[serde(default, skip_serializing_if = "Option::is_none", borrow)]
    state: Option<Cow<'a, str>>,
}

/// The body of a workspace's row.
pub(in crate::store) fn workspace_body(workspace: &Workspace) -> Result<String, serde_json::Error> {
    serde_json::to_string(&WorkspaceBody {
        v: VERSION,
        name: workspace.name.as_str().into(),
        owner: workspace.owner.as_ref().map(|owner| owner.as_str().into()),
        plan: workspace.plan.as_str().into(),
        is_default: workspace.is_default,
        created_ms: workspace.created.as_ms(),
        limits: workspace.limits.as_ref().map(|own| own.entry().clone()),
        key_rules: workspace.key_rules.as_ref().map(|own| own.entry().clone()),
        state: Some(workspace.state.as_str())
            .filter(|_| workspace.state != WorkspaceState::Active)
            .map(Into::into),
    })
}

/// A workspace from its row's body. `None` if it cannot be read.
pub(in crate::store) fn read_workspace(id: WorkspaceId, revision: Revision, body: &str) -> Option<Workspace> {
    let body: WorkspaceBody<'_> = serde_json::from_str(body).ok()?;
    (body.v == VERSION).then_some(())?;
    Some(Workspace {
        id,
        name: Name::parse(&body.name).ok()?,
        owner: body.owner.as_deref().map(Owner::parse).transpose().ok()?,
        plan: Plan::parse(&body.plan).ok()?,
        limits: read_limits(body.limits).ok()?,
        key_rules: read_rules(body.key_rules).ok()?,
        state: body.state.as_deref().map_or(Some(WorkspaceState::Active), read_state)?,
        is_default: body.is_default,
        created: Timestamp::from_ms(body.created_ms).ok()?,
        revision,
    })
}

fn read_rules(entry: Option<KeyRulesEntry>) -> Result<Option<Arc<OwnKeyRules>>, Vec<Fault>> {
    let own = entry.map(OwnKeyRules::stored).transpose()?;
    Ok(own.flatten().map(Arc::new))
}

fn read_state(text: &str) -> Option<WorkspaceState> {
    WorkspaceState::ALL.into_iter().find(|state| state.as_str() == text)
}
