//! Members: adds, changes, removes and shows them. What a role has is in force for the keys that follow it when the change
//! is answered (S5).

mod everywhere;
mod gaining;

use std::sync::Arc;

use crate::{
    changes::{
        Changes,
        support::{attempt::Attempt, cursor, entry::change},
        workspaces::roles::{require_in_use, require_open},
    },
    domain::{
        admin::{AdminPermit, AdminRefusal, ManageWorkspaces, ReadWorkspaces},
        audit::{Action, LogEntry},
        id::WorkspaceId,
        key::{KeyView, Standing},
        member::{Member, MemberId},
        parse::ParseError,
        policy::{Policy, Role},
        revision::Revision,
        rights::Rights,
        text::{Comment, Label, Owner},
    },
    error::{Exists, NotFound, OperationError, Refused},
    ports::{Mutation, PolicyVersion, Rows, StoreError},
    yielding::Yielding,
};

/// What the removal of a member came to.
#[derive(Debug, Clone, Copy, Default)]
pub struct Removed {
    /// The log revision.
    pub revision: Revision,
    /// How many keys follow the member's role, and are denied now.
    pub following: u64,
    /// How many others it owns.
    pub others: u64,
    /// From how many workspaces it was removed.
    pub workspaces: usize,
    /// In how many it is a member still, because they are closed.
    pub closed: usize,
}

/// A page of members.
#[derive(Debug)]
pub struct MemberPage {
    /// The members, by subject.
    pub members: Vec<Arc<Member>>,
    /// The token that asks for the next page; empty after the last.
    pub next_page_token: String,
}

/// How a member is to be.
enum Wish {
    Added(Label),
    Changed(Label),
    Removed(Comment),
}

impl Changes {
    /// Adds a member to a workspace that the caller reaches; one that was removed can be added again. `gains` is how many keys
    /// gain by it, where it was said.
    ///
    /// # Errors
    /// It is a member already; the policy does not declare the role; the role, or a key that follows it, goes beyond the
    /// caller's ceiling; the workspace is suspended or closed. More than 100 keys gain, or others than were said. The store.
    pub async fn add_member(
        &self,
        permit: AdminPermit<ManageWorkspaces>,
        id: MemberId,
        role: Label,
        gains: Option<u64>,
    ) -> Result<Member, OperationError> {
        self.wish(&permit, &id, Wish::Added(role), gains).await
    }

    /// Gives a member another role.
    ///
    /// # Errors
    /// It is no member; the role, the keys that gain, the workspace and the store as for adding one.
    pub async fn update_member(
        &self,
        permit: AdminPermit<ManageWorkspaces>,
        id: MemberId,
        role: Label,
        gains: Option<u64>,
    ) -> Result<Member, OperationError> {
        self.wish(&permit, &id, Wish::Changed(role), gains).await
    }

    /// Removes a member; one that is removed already stays so.
    ///
    /// # Errors
    /// It never was a member, or its removal is no longer known; the workspace is closed. The store.
    pub async fn remove_member(
        &self,
        permit: AdminPermit<ManageWorkspaces>,
        id: MemberId,
        comment: Comment,
    ) -> Result<Removed, OperationError> {
        let was = self.index.member(&id).is_some();
        let member = self.wish(&permit, &id, Wish::Removed(comment), None).await?;
        let mut removed =
            Removed { revision: member.revision, workspaces: usize::from(was), ..Removed::default() };
        self.count_keys(&id, &mut removed).await;
        Ok(removed)
    }

    /// Counts the keys of a removed member.
    async fn count_keys(&self, id: &MemberId, removed: &mut Removed) {
        let now = self.clock.now();
        let mut count = |key: &KeyView<'_>, _: &Rights| {
            let is_theirs = key.owner == Some(&id.subject);
            if is_theirs && matches!(key.standing(now), Standing::Active | Standing::Disabled) {
                let count = if key.follows_owner_role { &mut removed.following } else { &mut removed.others };
                *count = count.saturating_add(1);
            }
        };
        let mut next = Some(0);
        while let Some(from) = next {
            next = self.index.some_of(id.workspace, from, &mut count);
            // Others on this thread come in between.
            tokio::task::yield_now().await;
        }
    }

    /// A member as it stands.
    ///
    /// # Errors
    /// There is no such member.
    pub fn show_member(
        &self,
        _permit: &AdminPermit<ReadWorkspaces>,
        id: &MemberId,
    ) -> Result<Arc<Member>, OperationError> {
        self.index.member(id).ok_or_else(|| OperationError::NotFound(NotFound::Member(id.subject.clone())))
    }

    /// A page of the members of a workspace that the caller reaches, by subject.
    ///
    /// # Errors
    /// The page token is not one of this list.
    pub fn list_members(
        &self,
        _permit: &AdminPermit<ReadWorkspaces>,
        workspace: WorkspaceId,
        role: Option<&Label>,
        page_token: &str,
        page_size: usize,
    ) -> Result<MemberPage, OperationError> {
        let list = format!("members {workspace} {role:?}");
        let after =
            cursor::begin(&self.keys.now().cursors, &list, page_token, |place| Owner::parse(place).ok())?;
        let wanted = |member: &Member| {
            member.role.is_some() && role.is_none_or(|role| member.role.as_ref() == Some(role))
        };
        let mut members = self.index.members(workspace, after.as_ref(), page_size.saturating_add(1), wanted);
        let more = members.len() > page_size;
        members.truncate(page_size);
        let place = members.last().filter(|_| more);
        let token =
            place.map(|place| cursor::seal(&self.keys.now().cursors, &list, place.id.subject.as_str()));
        Ok(MemberPage { members, next_page_token: token.unwrap_or_default() })
    }

    /// Whether so many keys follow a member that a change of its role is work over many keys.
    #[must_use]
    pub fn has_many_followers(&self, id: &MemberId) -> bool {
        self.index.follower_count(id) > gaining::UNASKED
    }

    /// Carries a wish out, judged again where another change came first.
    async fn wish(
        &self,
        permit: &AdminPermit<ManageWorkspaces>,
        id: &MemberId,
        wish: Wish,
        gains: Option<u64>,
    ) -> Result<Member, OperationError> {
        // So that no policy drops the new role before the member has it. Where many keys may gain, none of the workspace is made
        // or changed until they are counted and have it; others' keys do not wait for that.
        let _turn = self.locks.under_policy().await;
        let many = !matches!(wish, Wish::Removed(_)) && self.has_many_followers(id);
        let _counting = if many { self.locks.to_count(id.workspace).await } else { None };
        let _turns = if many { self.locks.of_all(id.workspace).await } else { None };
        let (mut member, revision) = self
            .until_committed(permit.stands_on(), || {
                let policy = self.policy()?;
                let before = self.trusted_member(id)?.or_else(|| self.removed_before(id, &wish));
                match self.judged(permit, id, before.as_deref(), &wish, &policy)? {
                    Some((after, mut mutation)) => {
                        mutation.entry.gains = self.expected_gains(&after, &policy.policy, gains)?;
                        Ok(Attempt::Commit(Box::new(mutation), after))
                    }
                    None => before.map(|before| Attempt::Done((*before).clone())).ok_or_else(|| none(id)),
                }
            })
            .await?;
        member.revision = revision.unwrap_or(member.revision);
        Ok(member)
    }

    /// Who is to be removed, and was before.
    fn removed_before(&self, id: &MemberId, wish: &Wish) -> Option<Arc<Member>> {
        match wish {
            Wish::Added(_) | Wish::Changed(_) => None,
            Wish::Removed(_) => Some(Arc::new(Member::removed(id.clone(), self.index.removed_member(id)?))),
        }
    }

    /// What a wish changes; `None` where everything is so already.
    fn judged(
        &self,
        permit: &AdminPermit<ManageWorkspaces>,
        id: &MemberId,
        before: Option<&Member>,
        wish: &Wish,
        policy: &PolicyVersion,
    ) -> Result<Option<(Member, Mutation)>, OperationError> {
        let workspace = self.index.workspace(id.workspace).ok_or(NotFound::Workspace)?;
        let had = before.and_then(|before| before.role.clone());
        let (action, role) = match wish {
            Wish::Added(role) => {
                require_in_use(&workspace)?;
                permit.require_role(declared(&policy.policy, "role", role)?, Some(&policy.policy))?;
                if had.is_some() {
                    return Err(Exists::Member(id.subject.clone()).into());
                }
                self.require_ceiling_over_followers(permit, id, &policy.policy)?;
                (Action::MemberAdd, Some(role.clone()))
            }
            Wish::Changed(role) => {
                require_open(&workspace)?;
                if had.is_none() {
                    return Err(none(id));
                }
                let new = declared(&policy.policy, "role", role)?;
                permit.require_role(new, Some(&policy.policy))?;
                let old = had.as_ref().and_then(|had| policy.policy.role(had));
                if old.is_none_or(|old| !old.exceeded_by_role(new, &policy.policy).is_empty()) {
                    self.require_ceiling_over_followers(permit, id, &policy.policy)?;
                }
                (Action::MemberUpdate, Some(role.clone()))
            }
            Wish::Removed(_) => {
                require_open(&workspace)?;
                if before.is_none() {
                    return Err(none(id));
                }
                (Action::MemberRemove, None)
            }
        };
        if had == role {
            return Ok(None);
        }
        let now = self.clock.now();
        let kept = before.filter(|_| action != Action::MemberAdd);
        let member = Member {
            id: id.clone(),
            role: role.clone(),
            created: kept.map_or(now, |kept| kept.created),
            updated: now,
            revision: before.map_or(Revision::ZERO, |before| before.revision),
        };
        let text = |role: &Option<Label>| role.as_ref().map(ToString::to_string);
        let entry = LogEntry {
            workspace: Some(id.workspace),
            member: Some(id.subject.clone()),
            changes: vec![change("member.role", text(&had), text(&role))],
            comment: match wish {
                Wish::Removed(comment) => Some(comment.clone()),
                Wish::Added(_) | Wish::Changed(_) => None,
            },
            ..LogEntry::new(now, permit.actor(), action)
        };
        let rows = Rows { member: Some(member.clone()), ..Rows::default() };
        let mutation = Mutation {
            expects_workspace: Some((workspace.id, workspace.revision)),
            judged_by: Some(policy.version),
            ..Mutation::new(entry, rows)
        };
        Ok(Some((member, mutation)))
    }

    /// Passes if the caller may hand out every key that gets more with its owner's new role: the role is not all that a key
    /// has (X9).
    fn require_ceiling_over_followers(
        &self,
        permit: &AdminPermit<ManageWorkspaces>,
        id: &MemberId,
        policy: &Policy,
    ) -> Result<(), OperationError> {
        let now = self.clock.now();
        let (mut beyond, mut yielding) = (Vec::new(), Yielding::with_pauses());
        for found in self.index.followers(id).into_iter().filter_map(|key| self.index.by_id(key)) {
            yielding.step();
            let key = &found.key();
            if key.standing(now) == Standing::Active
                && let Err(refusal) = permit.require_ceiling(key, self.raises(key), Some(policy))
            {
                beyond.push((key.id, refusal));
            }
        }
        let keys = beyond.len();
        match beyond.into_iter().min_by_key(|(key, _)| *key) {
            None => Ok(()),
            Some((first, AdminRefusal::CeilingExceeded(part))) => {
                Err(Refused::CeilingExceededBy { keys, first, part }.into())
            }
            Some((_, refusal)) => Err(refusal.into()),
        }
    }

    /// A member.
    ///
    /// # Errors
    /// Its row cannot be trusted.
    fn trusted_member(&self, id: &MemberId) -> Result<Option<Arc<Member>>, OperationError> {
        match self.index.damage(id) {
            Some(why) => Err(StoreError::Corrupt(format!("{id}: {why}")).into()),
            None => Ok(self.index.member(id)),
        }
    }
}

/// A role that the policy declares, which stands at `field` in the request.
pub(in crate::changes) fn declared<'a>(
    policy: &'a Policy,
    field: &str,
    role: &Label,
) -> Result<&'a Role, OperationError> {
    let why = ParseError::new("a role that the policy declares");
    policy.role(role).ok_or_else(|| OperationError::invalid(field, why))
}

fn none(id: &MemberId) -> OperationError {
    OperationError::NotFound(NotFound::Member(id.subject.clone()))
}
