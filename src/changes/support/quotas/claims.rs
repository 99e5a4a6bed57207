//! Claims what a change adds to what is kept, where it has room.

use super::{
    extent::{kept_of, limit_of},
    under_way::{Claim, ClaimedRoom, ExpectedRow},
};
use crate::{
    changes::Changes,
    domain::{
        footprint::key_bytes,
        id::WorkspaceId,
        key::{Key, Standing},
        member::Member,
        policy::{Policy, Quota},
        text::{Label, Plan},
        time::Timestamp,
    },
    error::{Limited, OperationError, QuotaReached},
    index::{Found, Kept},
    ports::Rows,
};

impl Changes {
    /// Claims what a change adds to what is kept.
    ///
    /// # Errors
    /// It would take something beyond its quota.
    pub(super) fn claim(
        &self,
        rows: &Rows,
        policy: Option<&Policy>,
    ) -> Result<ClaimedRoom<'_>, OperationError> {
        let now = self.clock.now();
        let mut room = ClaimedRoom { under_way: &self.under_way, claims: Vec::new() };
        for (whose, claim) in self.claims_of(rows, now) {
            let plan = whose.and_then(|workspace| self.plan_of(workspace, rows));
            let mut under_way = self.under_way.lock();
            let beside = under_way.get(&whose).map(Vec::as_slice).unwrap_or_default();
            self.require_room(whose, &claim, beside, (policy, plan.as_ref(), now))?;
            under_way.entry(whose).or_default().push(claim.clone());
            drop(under_way);
            room.claims.push((whose, claim));
        }
        Ok(room)
    }

    /// The plan of a workspace, also of one that is only being made.
    pub(super) fn plan_of(&self, workspace: WorkspaceId, rows: &Rows) -> Option<Plan> {
        let new = rows.workspace.as_ref().filter(|new| new.id == workspace);
        new.map(|new| new.plan.clone()).or_else(|| Some(self.index.workspace(workspace)?.plan.clone()))
    }

    /// Passes a claim that has room beside those under way: what memory has of them already is counted once.
    fn require_room(
        &self,
        whose: Option<WorkspaceId>,
        claim: &Claim,
        beside: &[Claim],
        (policy, plan, now): (Option<&Policy>, Option<&Plan>, Timestamp),
    ) -> Result<(), OperationError> {
        let coming = |scheme: &dyn Fn(&Label) -> bool| -> Vec<&Claim> {
            beside.iter().filter(|claim| !self.has(&claim.row, scheme)).collect()
        };
        let (kept, coming) = self.index.with_kept(whose, now, |kept, scheme| (kept, coming(scheme)));
        for quota in Quota::ALL {
            let needed = kept_of(&claim.growth, quota);
            let coming: u64 = coming.iter().map(|claim| kept_of(&claim.growth, quota)).sum();
            let used = kept_of(&kept, quota).saturating_add(coming);
            let limit = limit_of(policy, plan, quota);
            if needed > 0 && used.saturating_add(needed) > limit {
                let reached = QuotaReached { quota, workspace: whose, limit, used, needed, wait: None };
                return Err(Limited::Quota(reached).into());
            }
        }
        Ok(())
    }

    /// Whether memory has what a row was claimed for.
    fn has(&self, row: &ExpectedRow, scheme: &dyn Fn(&Label) -> bool) -> bool {
        match row {
            ExpectedRow::Key(id, before) => {
                self.index.by_id(*id).map(|found| found.key().revision) != *before
            }
            ExpectedRow::Member(id, before) => self.index.member(id).map(|member| member.revision) != *before,
            ExpectedRow::Workspace(id) => self.index.workspace(*id).is_some(),
            ExpectedRow::Scheme(name) => scheme(name),
        }
    }

    /// What each row adds; those that add nothing need no room.
    fn claims_of(
        &self,
        rows: &Rows,
        now: Timestamp,
    ) -> impl Iterator<Item = (Option<WorkspaceId>, Claim)> + use<> {
        let key = rows.key.as_ref().map(|key| (Some(key.workspace), self.of_key(key, now)));
        let member = rows.member.as_ref().map(|member| (Some(member.id.workspace), self.of_member(member)));
        let workspace = rows.workspace.as_ref().filter(|new| self.index.workspace(new.id).is_none());
        let workspace = workspace.map(|new| {
            let growth = Kept { workspaces: 1, ..Kept::default() };
            (None, Claim { row: ExpectedRow::Workspace(new.id), growth })
        });
        let scheme = rows.scheme.as_ref().map(|scheme| {
            let growth = Kept { import_schemes: 1, ..Kept::default() };
            (None, Claim { row: ExpectedRow::Scheme(scheme.name.clone()), growth })
        });
        let all = [workspace, key, member, scheme].into_iter().flatten();
        all.filter(|(_, claim)| claim.growth != Kept::default())
    }

    fn of_key(&self, key: &Key, now: Timestamp) -> Claim {
        let before = self.index.by_id(key.id);
        let lives = matches!(key.standing(now), Standing::Active | Standing::Disabled);
        let held = before.as_ref().map_or(0, Found::bytes);
        let growth = Kept {
            keys: u64::from(before.is_none() && lives),
            kept_keys: u64::from(before.is_none()),
            key_bytes: key_bytes(key).saturating_sub(held),
            ..Kept::default()
        };
        Claim { row: ExpectedRow::Key(key.id, before.map(|before| before.key().revision)), growth }
    }

    fn of_member(&self, member: &Member) -> Claim {
        let before = self.index.member(&member.id);
        let was = before.as_ref().is_some_and(|before| before.role.is_some());
        let members = u64::from(member.role.is_some() && !was);
        let before = before.map(|before| before.revision);
        Claim {
            row: ExpectedRow::Member(member.id.clone(), before),
            growth: Kept { members, ..Kept::default() },
        }
    }
}
