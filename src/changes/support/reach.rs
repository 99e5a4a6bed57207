//! What a request may be about: the workspaces and keys that its caller reaches, and nothing else (T1).

use crate::{
    changes::Changes,
    domain::{
        admin::AdminPermit,
        id::{KeyId, WorkspaceId},
        parse::ParseError,
        workspace::Within,
    },
    error::{NotFound, OperationError},
    index::Found,
    ports::StoreError,
};

impl Changes {
    /// The workspace that an administrative request means: the one it names, else the caller's own, else the default
    /// one.
    ///
    /// # Errors
    /// It does not exist, or is out of the caller's reach: both look the same (T1).
    pub fn workspace<P>(
        &self,
        permit: &AdminPermit<P>,
        named: Option<WorkspaceId>,
    ) -> Result<WorkspaceId, OperationError> {
        let meant = named.or(permit.bound_to()).or_else(|| self.index.default_workspace());
        let reached = meant.filter(|meant| permit.bound_to().is_none_or(|bound| bound == *meant));
        reached
            .filter(|id| self.index.workspace(*id).is_some())
            .ok_or(OperationError::NotFound(NotFound::Workspace))
    }

    /// The workspaces that a request is about which can be about all of them: all where it says so, else as
    /// [`Changes::workspace`].
    ///
    /// # Errors
    /// As there. The caller is bound to one workspace, and asks for all; one is named beside.
    pub fn within<P>(
        &self,
        permit: &AdminPermit<P>,
        named: Option<WorkspaceId>,
        all: bool,
    ) -> Result<Within, OperationError> {
        if !all {
            return self.workspace(permit, named).map(Within::One);
        }
        permit.require_global()?;
        if named.is_some() {
            let why = ParseError::new("false where `workspace_id` names one");
            return Err(OperationError::invalid("all_workspaces", why));
        }
        Ok(Within::All)
    }

    /// Passes if the caller may know of this key: before the rest of a request is looked at.
    ///
    /// # Errors
    /// It does not exist, or is out of the caller's reach: both look the same (T1).
    pub fn require_reach<P>(&self, permit: &AdminPermit<P>, id: KeyId) -> Result<(), OperationError> {
        self.key(permit, id).map(drop)
    }

    /// A key by its id, if the caller may know of it.
    ///
    /// # Errors
    /// It does not exist, or is out of the caller's reach: both look the same (T1). Its rows cannot be trusted.
    pub(in crate::changes) fn key<P>(
        &self,
        permit: &AdminPermit<P>,
        id: KeyId,
    ) -> Result<Found, OperationError> {
        if permit.bound_to().is_none()
            && let Some(why) = self.index.damage(&id)
        {
            return Err(StoreError::Corrupt(format!("{id}: {why}")).into());
        }
        self.index
            .by_id(id)
            .filter(|found| permit.reaches(&found.key()))
            .ok_or(OperationError::NotFound(NotFound::Key(id)))
    }
}
