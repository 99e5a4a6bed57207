//! What roles and workspaces let be: keys that follow a role, keys on behalf of members, and workspaces out of use.

use std::sync::Arc;

use crate::{
    changes::Changes,
    domain::{
        admin::{AdminPermit, AdminRefusal},
        grant::Grants,
        id::WorkspaceId,
        key::{Key, KeyView},
        member::{Member, MemberId},
        parse::ParseError,
        policy::{Policy, Role},
        revision::Revision,
        text::Owner,
        workspace::{Workspace, WorkspaceState},
    },
    error::{Blocked, NotFound, OperationError, Refused, path},
    judge::trusted,
    ports::PolicyVersion,
};

/// A member and its role.
struct Bearer<'a> {
    member: Arc<Member>,
    role: &'a Role,
}

/// The members that a change was judged by, as they were.
pub(in crate::changes) type StoodOn = Vec<(MemberId, Revision)>;

impl Changes {
    /// Passes if the caller may hand out a secret of `key` as it is (X9), under the policy in force: what is committed then
    /// says that it was judged by that one.
    ///
    /// # Errors
    /// It is more than the caller may. Without a policy that can be trusted: it is not certain that it is not.
    pub(in crate::changes) fn require_ceiling<P>(
        &self,
        permit: &AdminPermit<P>,
        policy: Option<&PolicyVersion>,
        key: &KeyView<'_>,
    ) -> Result<(), OperationError> {
        let under = policy.map(|policy| &policy.policy);
        let mut passed = permit.require_ceiling(key, self.raises(key), under);
        if passed.is_ok() && follows_alone(key) {
            passed = match under.and_then(|policy| self.role_of_owner(key, policy)) {
                Some(role) => permit.require_role(role, under),
                // The caller who makes the owner a member again chooses the role, and does not see who has the secret.
                None => permit.require_every_role(),
            };
        }
        refused_under(policy, passed)
    }

    /// Passes for holders' keys, and for administration keys that the caller is not beneath, under the policy in force.
    ///
    /// # Errors
    /// As for a ceiling.
    pub(in crate::changes) fn require_grant_over<P>(
        permit: &AdminPermit<P>,
        policy: Option<&PolicyVersion>,
        key: &Key,
    ) -> Result<(), OperationError> {
        refused_under(policy, permit.require_grant_over(&key.view(), policy.map(|policy| &policy.policy)))
    }

    /// Passes a new key that keeps within the roles that it stands under, which stands at `prefix` in the request.
    pub(in crate::changes) fn require_roles(
        &self,
        policy: &Policy,
        prefix: &str,
        key: &Key,
    ) -> Result<StoodOn, OperationError> {
        let mut stood_on = Vec::new();
        if key.follows_owner_role {
            let Some(owner) = &key.owner else {
                let why = ParseError::new("given where the key follows its owner's role");
                return Err(OperationError::invalid(path(prefix, "owner"), why));
            };
            let Bearer { member, role } = self.bearer(policy, key.workspace, owner)?;
            require_unbarred(policy, role)?;
            exceeded(role, role.exceeded_now_by(&key.grants, policy))?;
            stood_on.push((member.id.clone(), member.revision));
        }
        if let Some(subject) = key.creator.behalf() {
            let Bearer { member, role } = self.bearer(policy, key.workspace, subject)?;
            require_unbarred(policy, role)?;
            self.within_of(role, key, policy)?;
            stood_on.push((member.id.clone(), member.revision));
        }
        Ok(stood_on)
    }

    /// Passes a changed key that was not widened beyond the roles that it stands under.
    pub(in crate::changes) fn require_not_widened(
        &self,
        policy: &Policy,
        before: &Key,
        after: &Key,
    ) -> Result<StoodOn, OperationError> {
        let mut stood_on = Vec::new();
        if before.grants == after.grants {
            return Ok(stood_on);
        }
        let widened = Key { grants: Arc::new(new_in(policy, before, after)?), ..after.clone() };
        if after.follows_owner_role && !widened.grants.is_empty() {
            let owner = after.owner.as_ref().ok_or(NotFound::Workspace)?;
            let Bearer { member, role } = self.bearer(policy, after.workspace, owner)?;
            exceeded(role, role.exceeded_now_by(&widened.grants, policy))?;
            stood_on.push((member.id.clone(), member.revision));
        }
        if let Some(subject) = after.creator.behalf()
            && (follows_alone(&after.view()) || !widened.grants.is_empty())
        {
            let Bearer { member, role } = self.bearer(policy, after.workspace, subject)?;
            self.within_of(role, &widened, policy)?;
            stood_on.push((member.id.clone(), member.revision));
        }
        Ok(stood_on)
    }

    /// Passes if the workspace of a key is not closed: in a closed one keys are revoked and disabled, and that is all.
    pub(in crate::changes) fn require_open(&self, workspace: WorkspaceId) -> Result<(), OperationError> {
        self.index.workspace(workspace).map_or(Ok(()), |workspace| require_open(&workspace))
    }

    /// The role that the owner of a key has, if the policy declares it.
    pub(in crate::changes) fn role_of_owner<'a>(
        &self,
        key: &KeyView<'_>,
        policy: &'a Policy,
    ) -> Option<&'a Role> {
        policy.role(&self.index.owner_role(key)?)
    }

    /// Passes a key whose rights are within a role.
    fn within_of(&self, role: &Role, key: &Key, policy: &Policy) -> Result<(), OperationError> {
        let follows_it = key.follows_owner_role && key.owner.as_ref() == key.creator.behalf();
        if follows_it {
            return exceeded(role, role.exceeded_now_by(&key.grants, policy));
        }
        if !follows_alone(&key.view()) {
            return exceeded(role, role.exceeded_by(&key.grants, policy));
        }
        let owner = key.owner.as_ref().ok_or(NotFound::Workspace)?;
        let of_owner = self.role_of_owner(&key.view(), policy);
        let of_owner = of_owner.ok_or_else(|| NotFound::Member(owner.clone()))?;
        exceeded(role, role.exceeded_by_role(of_owner, policy))
    }

    fn bearer<'a>(
        &self,
        policy: &'a Policy,
        workspace: WorkspaceId,
        subject: &Owner,
    ) -> Result<Bearer<'a>, OperationError> {
        let id = MemberId { workspace, subject: subject.clone() };
        let none = || OperationError::NotFound(NotFound::Member(subject.clone()));
        let member = self.index.member(&id).ok_or_else(none)?;
        let name = member.role.clone().ok_or_else(none)?;
        // A role that the policy does not declare gives nothing: its bearer counts as no member.
        let role = policy.role(&name).ok_or_else(none)?;
        Ok(Bearer { member, role })
    }
}

/// Whether a key has the rights of its owner's role and no grants that narrow them.
pub(in crate::changes) fn follows_alone(key: &KeyView<'_>) -> bool {
    key.follows_owner_role && key.grants.is_empty()
}

/// Passes a role that keys may be issued for: keys that follow it, and keys on behalf of its bearers.
pub(in crate::changes) fn require_unbarred(policy: &Policy, role: &Role) -> Result<(), OperationError> {
    if policy.key_rules().barred_roles.contains(&role.name) {
        return Err(Blocked::RoleMayNotIssue(role.name.clone()).into());
    }
    Ok(())
}

/// Passes a workspace that is not closed.
pub(in crate::changes) const fn require_open(workspace: &Workspace) -> Result<(), OperationError> {
    match workspace.state {
        WorkspaceState::Active | WorkspaceState::Suspended => Ok(()),
        WorkspaceState::Closed => Err(OperationError::Blocked(Blocked::WorkspaceClosed)),
    }
}

/// Passes a workspace that gets new keys and members.
pub(in crate::changes) const fn require_in_use(workspace: &Workspace) -> Result<(), OperationError> {
    match workspace.state {
        WorkspaceState::Active => Ok(()),
        WorkspaceState::Suspended => Err(OperationError::Blocked(Blocked::WorkspaceSuspended)),
        WorkspaceState::Closed => Err(OperationError::Blocked(Blocked::WorkspaceClosed)),
    }
}

fn exceeded(role: &Role, beyond: Vec<String>) -> Result<(), OperationError> {
    if beyond.is_empty() {
        Ok(())
    } else {
        Err(Refused::RoleExceeded { role: role.name.clone(), beyond }.into())
    }
}

/// A refusal as it is told: where there was no policy to judge by, that is what is wrong.
fn refused_under(
    policy: Option<&PolicyVersion>,
    passed: Result<(), AdminRefusal>,
) -> Result<(), OperationError> {
    match passed {
        Err(AdminRefusal::CeilingExceeded(_)) if policy.is_none() => trusted(None),
        passed => Ok(passed?),
    }
}

/// The grants of a changed key that it did not have before.
fn new_in(policy: &Policy, before: &Key, after: &Key) -> Result<Grants, OperationError> {
    let new = before.grants.under(Some(policy)).beyond(&after.grants).cloned().collect();
    Grants::new(new).map_err(|why| OperationError::invalid("key.grants", why))
}
