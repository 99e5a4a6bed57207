//! What is read of many: the keys of a workspace, its members, and who follows their roles.

use std::sync::Arc;

use super::Index;
use crate::domain::{
    id::{KeyId, WorkspaceId},
    key::KeyView,
    member::{Member, MemberId},
    revision::Revision,
    rights::Rights,
    text::{EnvironmentName, Label, Owner},
    workspace::Within,
};

impl Index {
    /// Shows some keys of a workspace to `see`, beginning at a place, and says at which place the next ones are: so that who
    /// looks at all of them can let others come in between.
    pub fn some_of(
        &self,
        workspace: WorkspaceId,
        from: usize,
        mut see: impl FnMut(&KeyView<'_>, &Rights),
    ) -> Option<usize> {
        let (places, next) = self.residents.some(workspace, from);
        for found in places.into_iter().filter_map(|place| self.at(place)) {
            see(&found.key(), found.rights());
        }
        next
    }

    /// Shows every key of a workspace to `see`.
    pub fn each_of(&self, workspace: WorkspaceId, mut see: impl FnMut(&KeyView<'_>, &Rights)) {
        let mut next = Some(0);
        while let Some(from) = next {
            next = self.some_of(workspace, from, &mut see);
        }
    }

    /// Shows every key of these workspaces to `see`, one workspace after the other.
    pub fn each_within(&self, within: Within, mut see: impl FnMut(&KeyView<'_>, &Rights)) {
        match within {
            Within::One(workspace) => self.each_of(workspace, see),
            Within::All => {
                for workspace in self.residents.workspaces() {
                    self.each_of(workspace, &mut see);
                }
            }
        }
    }

    /// Every environment that some key is of, and perhaps some that none is of any more.
    #[must_use]
    pub fn environments(&self) -> Vec<EnvironmentName> {
        self.lock().environments()
    }

    /// A member by its id.
    #[must_use]
    pub fn member(&self, id: &MemberId) -> Option<Arc<Member>> {
        self.members.get(id)
    }

    /// The revision that removed this former member, if it is still known: the last ones of each workspace are.
    #[must_use]
    pub fn removed_member(&self, id: &MemberId) -> Option<Revision> {
        self.members.removed(id)
    }

    /// The role that the owner of a key has; `None` where it has no owner, or one who is no member.
    #[must_use]
    pub fn owner_role(&self, key: &KeyView<'_>) -> Option<Label> {
        self.members.role(key.workspace, key.owner)
    }

    /// At most `limit` members of a workspace that `wanted` picks, by subject, after `after`.
    #[must_use]
    pub fn members(
        &self,
        workspace: WorkspaceId,
        after: Option<&Owner>,
        limit: usize,
        wanted: impl Fn(&Member) -> bool,
    ) -> Vec<Arc<Member>> {
        self.members.page(workspace, after, limit, wanted)
    }

    /// Shows every member to `see`.
    pub fn each_member(&self, see: impl FnMut(&Member)) {
        self.members.each(see);
    }

    /// How many keys follow the role of this member.
    #[must_use]
    pub fn follower_count(&self, member: &MemberId) -> usize {
        self.lock().followers.count(member)
    }

    /// The keys that follow the role of this member, in any state and in no order; also where it is no member now.
    #[must_use]
    pub fn followers(&self, member: &MemberId) -> Vec<KeyId> {
        self.lock().followers.of(member)
    }
}
