//! Changes many keys at once: all that match, in one entry of the log, once their number is confirmed.

use std::sync::Arc;

use super::{
    Attempt, Operations, change, describe,
    error::{OperationError, path},
    revoke::stated,
    select::KeySelection,
    stands_on_workspace,
};
use crate::{
    domain::{
        admin::{AdminPermit, AdminRefusal, AdminScope, Permission},
        audit::{LogEntry, Revision},
        ending::Ending,
        group::{Before, Group, GroupAct, MAX_GROUP},
        id::{GroupId, KeyId},
        key::{Key, RevokeReason},
        parse::ParseError,
        text::Comment,
        time::Timestamp,
    },
    pieces::Pieces,
    ports::{Mutation, RequestMark, Rows},
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
    /// The first of them, in the order of their ids.
    pub keys: Vec<KeyId>,
    /// How many match, and stay as they are.
    pub unchanged: usize,
    /// The revision of the change, or the one that was looked at.
    pub revision: Revision,
}

/// The keys as they were looked at.
struct Judged {
    act: GroupAct,
    keys: Vec<(KeyId, Before)>,
    unchanged: usize,
    seen: Revision,
    policy: Option<u64>,
}

impl Judged {
    /// How many keys these are, if as many as expected.
    fn as_many_as(&self, expected: u64) -> Result<usize, OperationError> {
        let changed = self.keys.len();
        if u64::try_from(changed) == Ok(expected) {
            Ok(changed)
        } else {
            Err(OperationError::CountChanged { changed, expected })
        }
    }
}

impl Operations {
    /// Changes the keys that match, all or none. Administration keys are left alone.
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
        self.require_unused(bulk.request.as_ref()).await?;
        let Some(expected) = bulk.expected else {
            let _turn = self.turns.to_look(bulk.selection.workspace).await;
            let Judged { keys, unchanged, seen: revision, .. } =
                self.look(permit, &bulk, self.clock.now())?;
            return Ok(BulkAnswer {
                group: None,
                count: keys.len(),
                keys: first_named(keys),
                unchanged,
                revision,
            });
        };
        // Whoever expects another number keeps nobody waiting.
        self.require_count(permit, &bulk, expected)?;
        // Nobody else changes a key of the workspace between the look and the change, and so this cannot be kept from happening.
        let _turns = self.turns.of_all(bulk.selection.workspace).await;
        let judge = || {
            let now = self.clock.now();
            let workspace = self.index.workspace(bulk.selection.workspace);
            let judged = self.look(permit, &bulk, now)?;
            let count = judged.as_many_as(expected)?;
            let Judged { act, unchanged, seen: revision, .. } = judged;
            let mut answer = BulkAnswer { group: None, count, keys: Vec::new(), unchanged, revision };
            if count == 0 {
                return Ok(Attempt::Done(answer));
            }
            let mut pieces = Pieces::with_pauses();
            let id = GroupId::generate(&*self.entropy)?;
            let group = Group::new(id, act, judged.keys, || pieces.step());
            answer.keys = group.keys().iter().take(NAMED).map(|(key, _)| *key).collect();
            answer.group = Some(id);
            let mut mutation = mutation(permit, group, judged.policy, &bulk, now);
            if stands_on_workspace(act.action()) {
                mutation.expects_workspace = workspace.map(|it| (it.id, it.revision));
            }
            Ok(Attempt::Commit(Box::new(mutation), answer))
        };
        let (mut answer, revision) = self.until_committed(Some(permit.stands_on()), judge).await?;
        answer.revision = revision.unwrap_or(answer.revision);
        Ok(answer)
    }

    /// Passes if as many keys would change now as are expected.
    fn require_count<P>(
        &self,
        permit: &AdminPermit<P>,
        bulk: &BulkChange,
        expected: u64,
    ) -> Result<(), OperationError> {
        self.look(permit, bulk, self.clock.now())?.as_many_as(expected).map(drop)
    }

    /// Looks at every key of the workspace.
    fn look<P>(
        &self,
        permit: &AdminPermit<P>,
        bulk: &BulkChange,
        now: Timestamp,
    ) -> Result<Judged, OperationError> {
        let (act, selection) = (bulk.act.at(now)?, &bulk.selection);
        if stands_on_workspace(act.action()) {
            self.require_open(selection.workspace)?;
        }
        let seen = self.index.revision();
        let policy = match act {
            GroupAct::Enable => Some(self.policy()?),
            GroupAct::Disable | GroupAct::Revoke(_) | GroupAct::Retire(_) => None,
        };
        let (mut keys, mut count, mut unchanged, mut beyond) =
            (Vec::new(), 0_usize, 0_usize, Beyond::default());
        let mut pieces = Pieces::with_pauses();
        self.index.each_of(selection.workspace, |key, _rights| {
            pieces.step();
            if key.admin.is_some() || !selection.matches(key) {
                return;
            }
            let Some(before) = act.changes(key, now) else {
                unchanged = unchanged.saturating_add(1);
                return;
            };
            if act == GroupAct::Enable {
                beyond.note(key, self.require_ceiling(permit, policy.as_deref(), key));
            }
            count = count.saturating_add(1);
            if count <= MAX_GROUP {
                keys.push((key.id, before));
            }
        });
        beyond.refuse()?;
        if count > MAX_GROUP {
            return Err(OperationError::TooManyKeys(count));
        }
        Ok(Judged { act, keys, unchanged, seen, policy: policy.map(|policy| policy.version) })
    }
}

/// The keys that go beyond the caller's ceiling: how many, and the first by its id.
#[derive(Default)]
struct Beyond {
    keys: usize,
    first: Option<(KeyId, OperationError)>,
}

impl Beyond {
    fn note(&mut self, key: &Key, judged: Result<(), OperationError>) {
        let Err(refusal) = judged else { return };
        self.keys = self.keys.saturating_add(1);
        if self.first.as_ref().is_none_or(|(first, _)| key.id < *first) {
            self.first = Some((key.id, refusal));
        }
    }

    fn refuse(self) -> Result<(), OperationError> {
        match self.first {
            None => Ok(()),
            Some((first, OperationError::Refused(AdminRefusal::CeilingExceeded(part)))) => {
                Err(OperationError::CeilingExceededBy { keys: self.keys, first, part })
            }
            Some((_, refusal)) => Err(refusal),
        }
    }
}

fn mutation<P>(
    permit: &AdminPermit<P>,
    group: Group,
    judged_by: Option<u64>,
    bulk: &BulkChange,
    now: Timestamp,
) -> Mutation {
    let act = group.act();
    let from = match Before::of_all(group.keys()) {
        Some(Before::Active) => "active".into(),
        Some(Before::Disabled) => "disabled".into(),
        Some(Before::Ends(end)) => describe::time(end),
        // Nothing would say that they never ended.
        None => "various".into(),
    };
    let mut entry = LogEntry::new(now, permit.actor(), act.action());
    entry.workspace = Some(bulk.selection.workspace);
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
    entry.comment = Some(bulk.comment.clone());
    entry.request_id = bulk.request.as_ref().map(|request| request.id.clone());
    entry.group = Some(Arc::new(group));
    Mutation { judged_by, request: bulk.request.clone(), ..Mutation::new(entry, Rows::default()) }
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
