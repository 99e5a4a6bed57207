//! Limits of a key's or a workspace's own: reading them, who may raise them, and what is done before and after they
//! change.

use std::sync::Arc;

use crate::{
    changes::Changes,
    domain::{
        key::KeyView,
        parse::ParseError,
        policy::{
            ALL_TIERS, Effective, Fault, LimitOverrides, LimitOverridesEntry, LimitsOf, OverridesOf, Policy,
            effective, no_wider,
        },
        text::Plan,
        workspace::Workspace,
    },
    error::{Invalid, OperationError, path},
};

/// The most limits that a Check of one tier is under.
const MAX_LIMITS: usize = 8;

/// Which limits of its own a new key is to have.
#[derive(Debug, Clone, Default)]
pub enum NewLimits {
    /// None: it follows its workspace and its plan.
    #[default]
    Follow,
    /// Those that apply when it is issued.
    Stamp,
    /// These.
    Own(LimitOverridesEntry),
}

impl Changes {
    /// Writes every count that begun under the limits as they are: before and after each change of limits, so that a
    /// crash right after it finds what was used. Before, because the new limits may let less be used unwritten; and after,
    /// because windows may have been opened under the old ones until the new ones were in force.
    ///
    /// A failure does not stop the change. If the store takes nothing, the change itself is refused by it. If it takes the
    /// change all the same, as when it was full a moment ago, then stopping would keep an operator from lowering a limit
    /// just when that is wanted, and the price of going on is what a degraded store may cost anyhow: after a crash right
    /// then, at most the unwritten block of each window under the old limit can be had again.
    pub(in crate::changes) async fn settle(&self) {
        if let Err(error) = self.counters.settle().await {
            tracing::warn!(%error, "counts could not be written around a change of limits; the change goes on");
        }
    }

    /// Whether a key's own limits are wider than those that would apply to it without them. Where that cannot be known,
    /// they are.
    pub(in crate::changes) fn raises(&self, key: &KeyView<'_>) -> bool {
        if key.limits.is_none() {
            return false;
        }
        let workspace = self.index.workspace(key.workspace);
        self.index.policy().is_none_or(|policy| raises(&policy.policy, workspace.as_deref(), key))
    }
}

/// The same for a key of this workspace under this policy.
pub(in crate::changes) fn raises(policy: &Policy, workspace: Option<&Workspace>, key: &KeyView<'_>) -> bool {
    let without = limits_of(workspace, None);
    let with = LimitsOf { key: key.limits.map(|limits| &**limits), ..without };
    key.limits.is_some() && !no_wider(&effective(policy, with), &effective(policy, without))
}

/// Whether a workspace's own limits are wider than those of its plan.
pub(in crate::changes) fn workspace_raises(policy: &Policy, workspace: &Workspace) -> bool {
    let with = limits_of(Some(workspace), None);
    let without = LimitsOf { workspace: None, ..with };
    !no_wider(&effective(policy, with), &effective(policy, without))
}

/// Whether the limits of a plan are wider than those of another. What the policy does not declare has the least.
pub(in crate::changes) fn plan_raises(policy: &Policy, from: &Plan, to: &Plan) -> bool {
    let of = |plan| effective(policy, LimitsOf { plan: Some(plan), ..LimitsOf::default() });
    from != to && !no_wider(&of(to), &of(from))
}

/// Every limit of a key.
pub(in crate::changes) fn limits_of<'a>(
    workspace: Option<&'a Workspace>,
    key: Option<&KeyView<'a>>,
) -> LimitsOf<'a> {
    LimitsOf {
        plan: workspace.map(|workspace| &workspace.plan),
        workspace: workspace.and_then(|workspace| workspace.limits.as_deref()),
        key: key.and_then(|key| key.limits).map(|limits| &**limits),
    }
}

/// The own limits of a new key, which stands at `prefix` in the request.
pub(in crate::changes) fn of_new_key(
    prefix: &str,
    asked: NewLimits,
    policy: &Policy,
    workspace: &Workspace,
) -> Result<Option<Arc<LimitOverrides>>, OperationError> {
    match asked {
        NewLimits::Follow => Ok(None),
        NewLimits::Own(entry) => read(&path(prefix, "limits"), entry, OverridesOf::Key, policy, workspace),
        NewLimits::Stamp => {
            let plan = policy.plans().iter().find(|plan| plan.name == workspace.plan);
            let entry = LimitOverrides::stamped(policy, plan, [None, workspace.limits.as_deref()]);
            read(&path(prefix, "stamp_limits"), entry, OverridesOf::Key, policy, workspace)
        }
    }
}

/// Reads limits of one's own, which stand at `field` in the request; none at all is to follow the plan.
///
/// # Errors
/// Everything that is wrong with them.
pub(in crate::changes) fn read(
    field: &str,
    entry: LimitOverridesEntry,
    holder: OverridesOf,
    policy: &Policy,
    workspace: &Workspace,
) -> Result<Option<Arc<LimitOverrides>>, OperationError> {
    if entry == LimitOverridesEntry::default() {
        return Ok(None);
    }
    let own = LimitOverrides::new(entry, holder, policy).map_err(|faults| {
        let within = |fault: Fault| Fault { field: format!("{field}.{}", fault.field), ..fault };
        OperationError::Invalid(Invalid::Fields(faults.into_iter().map(within).collect()))
    })?;
    let of = match holder {
        OverridesOf::Key => LimitsOf { key: Some(&own), ..limits_of(Some(workspace), None) },
        OverridesOf::Workspace => LimitsOf { workspace: Some(&own), ..limits_of(Some(workspace), None) },
    };
    require_few(field, policy, &effective(policy, of))?;
    Ok(Some(Arc::new(own)))
}

/// Passes where no Check of one tier is under too many limits.
fn require_few(field: &str, policy: &Policy, all: &[Effective<'_>]) -> Result<(), OperationError> {
    let count = |tier: &str| all.iter().filter(|limit| limit.tier == tier).count();
    let most = policy.tiers().iter().map(|tier| count(tier.name.as_str())).max().unwrap_or_default();
    if count(ALL_TIERS).saturating_add(most) <= MAX_LIMITS {
        return Ok(());
    }
    let why =
        "such that no Check is under more than 8 limits, those of its tier and those over all tiers together";
    Err(OperationError::invalid(field, ParseError::new(why)))
}
