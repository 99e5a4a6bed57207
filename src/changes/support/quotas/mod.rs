//! Quotas: whether what a change adds has room. Every change passes here on its way to the store, so that nothing grows beside
//! them.
//!
//! What is kept is counted in the index; what is on its way to it is noted in [`UnderWay`], so that of two changes for the last
//! place one gets it. What is written to the log is charged as limits are: before it is written, and never beyond, over
//! restarts and crashes too.

mod claims;
mod extent;
mod under_way;

use std::convert::Infallible;

use crate::{
    changes::Changes,
    domain::{
        audit::{Action, Actor, LogEntry, PersonRef, Salt},
        footprint::gives_no_more,
        group::GroupAct,
        id::WorkspaceId,
        key::Key,
        limit::KeyLimits,
        member::Member,
        policy::{Policy, Quota, TierSet, daily},
        revision::Revision,
        time::Timestamp,
    },
    error::{Limited, OperationError, QuotaReached},
    ports::{Account, Bill, Charge, DrawsOn, LimitState, Mutation, Slotted},
};

use self::extent::{kept_of, limit_of};
pub(in crate::changes) use self::under_way::{ClaimedRoom, UnderWay};

/// What an entry takes beside its bytes: its digest, its chain, its places in indexes, its request id.
const RECORD_BYTES: usize = 400;
/// What each key of a change of many takes in its list.
const GROUPED_BYTES: usize = 24;

/// A quota, how far it goes, and how much of it is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QuotaUse {
    /// Which.
    pub quota: Quota,
    /// How far it goes.
    pub limit: u64,
    /// How much is taken.
    pub used: u64,
    /// When all of it is there again, where that comes by itself.
    pub reset: Option<Timestamp>,
}

impl Changes {
    /// Makes room for a change, for as long as the answer is held; and what it may use of a full disk.
    ///
    /// # Errors
    /// It would take something beyond its quota. What it writes to the log would, or cannot be counted in time, and the change
    /// takes no right away.
    pub(in crate::changes) async fn room_for(
        &self,
        mutation: &Mutation,
    ) -> Result<(DrawsOn, ClaimedRoom<'_>), OperationError> {
        let policy = self.index.policy();
        let policy = policy.as_ref().map(|policy| &policy.policy);
        let takes_away = self.takes_away(mutation, policy).await;
        let room = self.claim(&mutation.rows, policy)?;
        if let Some(workspace) = mutation.entry.workspace {
            let plan = self.plan_of(workspace, &mutation.rows);
            let log = self.log_of(workspace, limit_of(policy, plan.as_ref(), Quota::LogBytesPerDay));
            let bytes = bytes_of(&mutation.entry, mutation.rows.workspace.is_some());
            if takes_away {
                let _what_is_left = log.charge(self, bytes);
            } else {
                self.judge.when_written(|| log.charge(self, bytes)).await?;
            }
        }
        let draws_on = if takes_away { self.kept_for(&mutation.entry.actor) } else { DrawsOn::Nothing };
        Ok((draws_on, room))
    }

    /// Which part of the room that is kept for changes that take rights away an actor may draw on.
    fn kept_for(&self, actor: &Actor) -> DrawsOn {
        match actor {
            Actor::System => DrawsOn::KeptForOperators,
            Actor::Holder { .. } => DrawsOn::Kept,
            Actor::Admin { by, .. } => {
                if self.index.is_global(*by) {
                    DrawsOn::KeptForOperators
                } else {
                    DrawsOn::Kept
                }
            }
        }
    }

    /// How much of each quota a workspace has taken.
    #[must_use]
    pub fn quota_uses(&self, workspace: WorkspaceId) -> Vec<QuotaUse> {
        let policy = self.index.policy();
        let policy = policy.as_ref().map(|policy| &policy.policy);
        let plan = self.index.workspace(workspace).map(|workspace| workspace.plan.clone());
        let kept = self.index.with_kept(Some(workspace), self.clock.now(), |kept, _| kept);
        let of_one = |quota| {
            let limit = limit_of(policy, plan.as_ref(), quota);
            let log = (quota == Quota::LogBytesPerDay).then(|| self.log_of(workspace, limit).state(self));
            let state = log.flatten();
            QuotaUse {
                quota,
                limit,
                used: state.map_or(kept_of(&kept, quota), |state| limit.saturating_sub(state.remaining)),
                reset: state.map(|state| state.reset),
            }
        };
        Quota::OF_WORKSPACE.into_iter().map(of_one).collect()
    }

    /// Whether a change gives no key or member anything, and takes something away: such a change never waits for room in
    /// the log.
    async fn takes_away(&self, mutation: &Mutation, policy: Option<&Policy>) -> bool {
        let entry = &mutation.entry;
        match (entry.action, &entry.group) {
            (_, Some(group)) => group.act() != GroupAct::Enable,
            (
                Action::KeyRevoke
                | Action::KeyDisable
                | Action::SecretEnd
                | Action::MemberRemove
                | Action::WorkspaceSuspend
                | Action::WorkspaceClose,
                None,
            ) => true,
            (Action::KeyUpdate | Action::SecretGrace, None) => match &mutation.rows.key {
                Some(after) => self.narrows(after).await,
                None => false,
            },
            (Action::MemberUpdate, None) => {
                let after = mutation.rows.member.as_ref();
                after.zip(policy).is_some_and(|(after, policy)| self.demotes(after, policy))
            }
            (
                Action::StoreInitialize
                | Action::AdminRecover
                | Action::WorkspaceRegister
                | Action::WorkspaceUpdate
                | Action::WorkspaceResume
                | Action::MemberAdd
                | Action::KeyIssue
                | Action::KeyRotate
                | Action::KeyEnable
                | Action::PolicyApply
                | Action::ClockReset
                | Action::RollbackAccept
                | Action::DamageFind
                | Action::RootAdd
                | Action::RootDestroy
                | Action::KeyImport
                | Action::SchemeAdd,
                None,
            ) => false,
        }
    }

    async fn narrows(&self, after: &Key) -> bool {
        // Where it cannot be read, the change needs room like any other.
        self.whole(after.id).await.is_ok_and(|before| gives_no_more(&before, after))
    }

    fn demotes(&self, after: &Member, policy: &Policy) -> bool {
        let before = self.index.member(&after.id).and_then(|before| before.role.clone());
        let roles = before.as_ref().and_then(|role| policy.role(role));
        let roles = roles.zip(after.role.as_ref().and_then(|role| policy.role(role)));
        roles.is_some_and(|(before, after)| before.exceeded_by_role(after, policy).is_empty())
    }

    /// What is counted of what a workspace's changes write.
    fn log_of(&self, workspace: WorkspaceId, limit: u64) -> Log {
        let limits = KeyLimits::only("log", &daily(limit), &self.index.limit_ids());
        Log { workspace, limit, limits, payer: self.index.payer_of_workspace(workspace) }
    }
}

/// What a workspace's changes write to the log, as a count of a limit.
struct Log {
    workspace: WorkspaceId,
    limit: u64,
    limits: KeyLimits,
    payer: Box<dyn Slotted>,
}

impl Log {
    /// Counts bytes; `None` where more must be written first, which is under way then.
    fn charge(&self, changes: &Changes, bytes: u64) -> Result<Option<()>, OperationError> {
        match changes.counters.charge(&self.bill(bytes), &changes.clock.read()) {
            Charge::Charged(_) => Ok(Some(())),
            Charge::Unwritten => Ok(None),
            Charge::Refused(refusal) => Err(self.refused(&refusal.into_parts().1, bytes)),
        }
    }

    fn refused(&self, states: &[LimitState], bytes: u64) -> OperationError {
        let state = states.first();
        OperationError::Limited(Limited::Quota(QuotaReached {
            quota: Quota::LogBytesPerDay,
            workspace: Some(self.workspace),
            limit: self.limit,
            used: state.map_or(self.limit, |state| self.limit.saturating_sub(state.remaining)),
            needed: bytes,
            wait: state
                .and_then(|state| state.wait)
                .map(|wait| u64::try_from(wait.as_millis().div_ceil(1_000)).unwrap_or(u64::MAX)),
        }))
    }

    fn state(&self, changes: &Changes) -> Option<LimitState> {
        let weighed = changes.counters.peek(&self.bill(0), &changes.clock.read())?;
        weighed.into_states().first().copied()
    }

    fn bill(&self, cost: u64) -> Bill<'_> {
        let (key, limits, tiers) = (Account::of(&*self.payer), &self.limits, TierSet::default());
        Bill { key, owner: None, workspace: None, limits, tiers, cost }
    }
}

/// What an entry takes on disk, about.
fn bytes_of(entry: &LogEntry, workspace_changed: bool) -> u64 {
    let grouped = entry.group.as_ref().map_or(0, |group| group.keys().len().saturating_mul(GROUPED_BYTES));
    let Ok(bytes) =
        entry.canonical_bytes::<Infallible>(Revision::ZERO, workspace_changed, Salt([0; 16]), |_| {
            Ok(PersonRef::from_bytes([0; 16]))
        });
    let bytes = bytes.len();
    u64::try_from(bytes.saturating_add(RECORD_BYTES).saturating_add(grouped)).unwrap_or(u64::MAX)
}
