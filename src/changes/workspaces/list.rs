//! Lists workspaces.

use std::cmp::Reverse;

use crate::{
    changes::{Changes, support::cursor},
    domain::{
        admin::{AdminPermit, ReadWorkspaces},
        id::WorkspaceId,
        text::Plan,
        time::Timestamp,
        workspace::{Workspace, WorkspaceState},
    },
    error::OperationError,
};

/// Which workspaces to list.
#[derive(Debug, Clone, Default)]
pub struct WorkspaceFilter {
    /// Only those that stand so.
    pub state: Option<WorkspaceState>,
    /// Only those of this plan.
    pub plan: Option<Plan>,
}

/// A page of workspaces.
#[derive(Debug)]
pub struct WorkspacePage {
    /// The workspaces, newest first.
    pub workspaces: Vec<Workspace>,
    /// The token that asks for the next page; empty after the last.
    pub next_page_token: String,
}

type ListPosition = (Timestamp, WorkspaceId);

impl Changes {
    /// A page of the workspaces that the caller reaches, newest first.
    ///
    /// # Errors
    /// The page token is not one of this list.
    pub fn list_workspaces(
        &self,
        permit: &AdminPermit<ReadWorkspaces>,
        filter: &WorkspaceFilter,
        page_token: &str,
        page_size: usize,
    ) -> Result<WorkspacePage, OperationError> {
        let list = format!("workspaces {:?} {filter:?}", permit.bound_to());
        let before = self.workspace_place(&list, page_token)?;
        let wanted = |workspace: &Workspace| {
            permit.bound_to().is_none_or(|bound| bound == workspace.id)
                && filter.state.is_none_or(|state| state == workspace.state)
                && filter.plan.as_ref().is_none_or(|plan| *plan == workspace.plan)
                && before.is_none_or(|before| place(workspace) < before)
        };
        let mut places = Vec::new();
        self.index.each_workspace(|workspace| places.extend(wanted(workspace).then(|| place(workspace))));
        places.sort_unstable_by_key(|place| Reverse(*place));
        let more = places.len() > page_size;
        places.truncate(page_size);
        let token = places.last().filter(|_| more).map(|(created, id)| {
            cursor::seal(&self.keys.now().cursors, &list, &format!("{},{id}", created.as_ms()))
        });
        let workspaces =
            places.iter().filter_map(|(_, id)| Some((*self.index.workspace(*id)?).clone())).collect();
        Ok(WorkspacePage { workspaces, next_page_token: token.unwrap_or_default() })
    }

    fn workspace_place(&self, list: &str, token: &str) -> Result<Option<ListPosition>, OperationError> {
        cursor::begin(&self.keys.now().cursors, list, token, |text| {
            let (created, id) = text.split_once(',')?;
            Some((Timestamp::from_ms(created.parse().ok()?).ok()?, WorkspaceId::parse(id).ok()?))
        })
    }
}

const fn place(workspace: &Workspace) -> ListPosition {
    (workspace.created, workspace.id)
}
