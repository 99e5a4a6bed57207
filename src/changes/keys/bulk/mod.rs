//! Changes many keys at once: all that match, in one entry of each workspace's log, once their number is confirmed.

mod unwritten;

use std::{
    collections::{BTreeMap, HashSet},
    sync::Arc,
};

use crate::{
    changes::{
        Changes,
        keys::{revoke::stated, select::KeySelection},
        support::{
            attempt::Attempt,
            describe,
            entry::{change, stands_on_workspace},
        },
    },
    domain::{
        admin::{AdminPermit, AdminRefusal, AdminScope, Permission},
        audit::{Actor, LogEntry},
        ending::Ending,
        group::{Before, Group, GroupAct, MAX_GROUP, MAX_WORKSPACES},
        id::{GroupId, KeyId, WorkspaceId},
        key::{KeyView, RevokeReason},
        parse::ParseError,
        revision::Revision,
        text::Comment,
        time::Timestamp,
        workspace::{Within, WorkspaceState},
    },
    error::{Blocked, OperationError, Refused, Unavailable, path},
    ports::{Mutation, RequestMark, Rows},
    yielding::Yielding,
};

/// How many keys an answer names.
const NAMED: usize = 1_000;

/// Which keys to change, and how sure the caller is of them.
pub struct BulkChange {
    /// What to do with each.
    pub act: BulkAct,
    /// Which.
    pub selection: KeySelection,
    /// Why, in the operator's own words.
    pub comment: Comment,
    /// How many are to change; `None` changes none, and tells how many would.
    pub expected: Option<u64>,
    /// The request id that makes a retry safe.
    pub request: Option<RequestMark>,
}

/// What is to be done to every key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BulkAct {
    /// It is switched off.
    Disable,
    /// It is switched on.
    Enable,
    /// It ends for good, now.
    Revoke(RevokeReason),
    /// It ends then, or sooner if it would have.
    Retire(Ending),
}

impl BulkAct {
    /// The admin scope that it needs.
    const fn scope(self) -> AdminScope {
        match self {
            Self::Disable | Self::Enable | Self::Retire(_) => AdminScope::KeysUpdate,
            Self::Revoke(_) => AdminScope::KeysRevoke,
        }
    }

    /// What is done where it is done now.
    fn at(self, now: Timestamp) -> Result<GroupAct, OperationError> {
        let ending = match self {
            Self::Disable => return Ok(GroupAct::Disable),
            Self::Enable => return Ok(GroupAct::Enable),
            Self::Revoke(reason) => return Ok(GroupAct::Revoke(reason)),
            Self::Retire(ending) => ending,
        };
        ending.from(now).filter(|end| *end > now).map(GroupAct::Retire).ok_or_else(|| {
            let why = ParseError::new("in the future; to end the keys now, revoke them");
            OperationError::invalid(path("retire", ending.field()), why)
        })
    }
}

/// What was changed, or would be.
#[derive(Debug)]
pub struct BulkAnswer {
    /// The change; `None` where nothing was changed.
    pub group: Option<GroupId>,
    /// How many keys.
    pub count: usize,
    /// In how many workspaces they are.
    pub workspaces: usize,
    /// The first of them, in the order of their ids.
    pub keys: Vec<KeyId>,
    /// How many match, and stay as they are.
    pub unchanged: usize,
    /// The revision of the change, or the one that was looked at.
    pub revision: Revision,
}

/// The keys as they were looked at.
struct SelectedKeys {
    act: GroupAct,
    keys: BTreeMap<WorkspaceId, Vec<(KeyId, Before)>>,
    count: usize,
    unchanged: usize,
    seen: Revision,
    policy: Option<u64>,
}

impl SelectedKeys {
    /// Passes if these are as many keys as expected, in no more workspaces than one change takes.
    fn require(&self, expected: u64) -> Result<(), OperationError> {
        if u64::try_from(self.count) != Ok(expected) {
            return Err(Blocked::CountChanged { changed: self.count, expected }.into());
        }
        require_few_workspaces(self.keys.len())
    }

    /// What an answer says of them, where nothing was changed.
    fn answer(self) -> BulkAnswer {
        BulkAnswer {
            group: None,
            count: self.count,
            workspaces: self.keys.len(),
            unchanged: self.unchanged,
            revision: self.seen,
            keys: first_named(self.keys.into_values().flatten().collect()),
        }
    }
}

/// Passes so many workspaces that others do not wait for long while one change writes an entry for each.
pub(in crate::changes) const fn require_few_workspaces(count: usize) -> Result<(), OperationError> {
    if count > MAX_WORKSPACES {
        Err(OperationError::Blocked(Blocked::TooManyWorkspaces(count)))
    } else {
        Ok(())
    }
}

impl Changes {
    /// Changes the keys that match, all or none. Administration keys are left alone. Each workspace's log has an entry about its
    /// own; all of them are written together, and name the same group.
    ///
    /// # Errors
    /// Their number is not the one expected, or too great; to enable them, some go beyond the caller's ceiling; the date is
    /// past; the permit is for another kind of change. The store.
    pub async fn change_keys<P: Permission>(
        &self,
        permit: AdminPermit<P>,
        bulk: BulkChange,
    ) -> Result<BulkAnswer, OperationError> {
        if bulk.act.scope() != P::SCOPE {
            return Err(AdminRefusal::ScopeMissing(bulk.act.scope()).into());
        }
        let permit = &permit;
        self.require_not_waiting(bulk.request.as_ref())?;
        self.require_unused(bulk.request.as_ref()).await?;
        let within = bulk.selection.within;
        let Some(expected) = bulk.expected else {
            let _turn = self.locks.to_look_within(within).await;
            return Ok(self.look(permit, &bulk, self.clock.now())?.answer());
        };
        // A caller who expects another number is refused before it takes any lock.
        self.look(permit, &bulk, self.clock.now())?.require(expected)?;
        // No other call changes a key of these workspaces between the look and the change: so no call can keep this from
        // happening.
        let _turns = self.locks.of_all_within(within).await;
        let _roots = self.locks.under_roots().await;
        let judge = || {
            let now = self.clock.now();
            let judged = self.look(permit, &bulk, now)?;
            judged.require(expected)?;
            if judged.count == 0 {
                return Ok(Attempt::Done(judged.answer()));
            }
            let id = GroupId::generate(&*self.entropy)?;
            let mutations = self.mutations(permit, &bulk, &judged, (id, now));
            let answer = BulkAnswer { group: Some(id), ..judged.answer() };
            Ok(Attempt::CommitAll(mutations, answer))
        };
        let committed = self.until_committed(permit.stands_on(), judge).await;
        let committed = committed.map_err(|error| self.deny_many(error, permit, &bulk));
        let (mut answer, revision) = committed?;
        answer.revision = revision.unwrap_or(answer.revision);
        Ok(answer)
    }

    /// What is to be written: for each workspace one entry about its keys. The first uses the request id up.
    fn mutations<P>(
        &self,
        permit: &AdminPermit<P>,
        bulk: &BulkChange,
        judged: &SelectedKeys,
        (id, now): (GroupId, Timestamp),
    ) -> Vec<Mutation> {
        let mut yielding = Yielding::with_pauses();
        let mut mutations = Vec::with_capacity(judged.keys.len());
        for (workspace, keys) in &judged.keys {
            let group = Group::new(id, judged.act, keys.clone(), || yielding.step());
            let (actor, request) = (permit.actor(), bulk.request.as_ref());
            let asked = ChangeAsked { actor, workspace: *workspace, comment: &bulk.comment, request };
            let mut mutation = mutation(asked, group, judged.policy, now);
            if stands_on_workspace(judged.act.action()) {
                let workspace = self.index.workspace(*workspace);
                mutation.expects_workspace = workspace.map(|it| (it.id, it.revision));
            }
            mutation.request = bulk.request.clone().filter(|_| mutations.is_empty());
            mutations.push(mutation);
        }
        mutations
    }

    /// Looks at every key of the workspaces. Where that is all of them, keys of closed ones stay as they are if the change is one
    /// that is refused in a closed workspace.
    fn look<P>(
        &self,
        permit: &AdminPermit<P>,
        bulk: &BulkChange,
        now: Timestamp,
    ) -> Result<SelectedKeys, OperationError> {
        let (act, selection) = (bulk.act.at(now)?, &bulk.selection);
        let left_alone = self.left_alone(act, selection.within)?;
        let seen = self.index.revision();
        let policy = match act {
            // One of them might be denied in memory only, and that must be written before.
            GroupAct::Enable if !self.denied.is_empty() => return Err(Unavailable::EndWaits.into()),
            GroupAct::Enable => Some(self.policy()?),
            GroupAct::Disable | GroupAct::Revoke(_) | GroupAct::Retire(_) => None,
        };
        let mut judged = SelectedKeys {
            act,
            keys: BTreeMap::new(),
            count: 0,
            unchanged: 0,
            seen,
            policy: policy.as_ref().map(|policy| policy.version),
        };
        let (mut beyond, mut yielding) = (Beyond::default(), Yielding::with_pauses());
        self.index.each_within(selection.within, |key, _rights| {
            yielding.step();
            if key.admin.is_some() || !selection.matches(key) {
                return;
            }
            let before = act.changes(key, now).filter(|_| !left_alone.contains(&key.workspace));
            let Some(before) = before else {
                judged.unchanged = judged.unchanged.saturating_add(1);
                return;
            };
            if act == GroupAct::Enable {
                beyond.note(key, self.require_ceiling(permit, policy.as_deref(), key));
            }
            judged.count = judged.count.saturating_add(1);
            if judged.count <= MAX_GROUP {
                judged.keys.entry(key.workspace).or_default().push((key.id, before));
            }
        });
        beyond.refuse()?;
        if judged.count > MAX_GROUP {
            return Err(Blocked::TooManyKeys(judged.count).into());
        }
        Ok(judged)
    }

    /// The workspaces whose keys stay as they are, because they are closed and this is refused there.
    ///
    /// # Errors
    /// It is asked for in one workspace, and refused there.
    fn left_alone(&self, act: GroupAct, within: Within) -> Result<HashSet<WorkspaceId>, OperationError> {
        let mut closed = HashSet::new();
        match within {
            _ if !stands_on_workspace(act.action()) => {}
            Within::One(workspace) => self.require_open(workspace)?,
            Within::All => self.index.each_workspace(|workspace| {
                if workspace.state == WorkspaceState::Closed {
                    closed.insert(workspace.id);
                }
            }),
        }
        Ok(closed)
    }
}

/// The keys that go beyond the caller's ceiling: how many, and the first by its id.
#[derive(Default)]
struct Beyond {
    keys: usize,
    first: Option<(KeyId, OperationError)>,
}

impl Beyond {
    fn note(&mut self, key: &KeyView<'_>, judged: Result<(), OperationError>) {
        let Err(refusal) = judged else { return };
        self.keys = self.keys.saturating_add(1);
        if self.first.as_ref().is_none_or(|(first, _)| key.id < *first) {
            self.first = Some((key.id, refusal));
        }
    }

    fn refuse(self) -> Result<(), OperationError> {
        match self.first {
            None => Ok(()),
            Some((first, OperationError::Refused(Refused::Admin(AdminRefusal::CeilingExceeded(part))))) => {
                Err(Refused::CeilingExceededBy { keys: self.keys, first, part }.into())
            }
            Some((_, refusal)) => Err(refusal),
        }
    }
}

/// Who asked for a change, where, and in which words.
struct ChangeAsked<'a> {
    actor: Actor,
    workspace: WorkspaceId,
    comment: &'a Comment,
    request: Option<&'a RequestMark>,
}

fn mutation(asked: ChangeAsked<'_>, group: Group, judged_by: Option<u64>, now: Timestamp) -> Mutation {
    let ChangeAsked { actor, workspace, comment, request } = asked;
    let act = group.act();
    let from = match Before::of_all(group.keys()) {
        Some(Before::Active) => "active".into(),
        Some(Before::Disabled) => "disabled".into(),
        Some(Before::Ends(end)) => describe::time(end),
        // Nothing would say that they never ended.
        None => "various".into(),
    };
    let mut entry = LogEntry::new(now, actor, act.action());
    entry.workspace = Some(workspace);
    entry.changes = vec![match act {
        GroupAct::Disable => change("state", from, "disabled"),
        GroupAct::Enable => change("state", from, "active"),
        GroupAct::Revoke(_) => change("state", from, "revoked"),
        GroupAct::Retire(end) => change("expire_time", from, describe::time(Some(end))),
    }];
    entry.reason = match act {
        GroupAct::Revoke(reason) => stated(reason),
        GroupAct::Disable | GroupAct::Enable | GroupAct::Retire(_) => None,
    };
    entry.comment = Some(comment.clone());
    entry.request_id = request.map(|request| request.id.clone());
    entry.group = Some(Arc::new(group));
    Mutation { judged_by, ..Mutation::new(entry, Rows::default()) }
}

/// The first of these keys, as many as an answer names.
fn first_named(mut keys: Vec<(KeyId, Before)>) -> Vec<KeyId> {
    if keys.len() > NAMED {
        keys.select_nth_unstable(NAMED);
        keys.truncate(NAMED);
    }
    keys.sort_unstable();
    keys.into_iter().map(|(key, _)| key).collect()
}
