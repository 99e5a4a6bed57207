//! A question about a key, examined by every condition but the limits of the key.

use super::{basis::Basis, locate::Located, question::Query};
use crate::{
    domain::{
        decision::{self, Decision, Denial, Holder, Proof, Requirement},
        environment::BrowserRule,
        key::KeyView,
        policy::TierSet,
        secret::KeyHash,
        time::Timestamp,
    },
    index::{Found, Index},
    ports::{Bill, LimitState, PolicyVersion, denials},
};

/// A question about a key, judged but for its limits.
pub(super) struct Unbilled {
    pub(super) found: Found,
    /// Of the secret that was presented.
    hash: Option<KeyHash>,
    /// The tiers that it is of.
    pub(super) tiers: TierSet,
    pub(super) cost: u64,
    /// The generation of the secret presented, and its end if it was replaced.
    pub(super) secret: Option<(u32, Option<Timestamp>)>,
}

/// Judges a question about the key that was located for it, but for its limits.
///
/// # Errors
/// The denial of a question that is about no key.
pub(super) fn examine(
    query: &Query<'_>,
    located: Located,
    basis: Basis<'_>,
) -> Result<(Unbilled, Decision), Denial> {
    let (found, hash) = located?;
    let (requirement, policy) = (&query.requirement, basis.policy);
    let key = found.key();
    let holder = holder(&key, &found, hash.as_ref(), browsers(policy, &found, requirement));
    let decision = decision::judge(holder, requirement, basis.now.time);
    let tiers = match &decision {
        Decision::Allow(permit) => permit.tiers(),
        Decision::Deny(_) => decision::tiers_asked(&policy.policy, requirement),
    };
    let secret = match holder.proof {
        Proof::Secret(generation, end) => Some((generation, end)),
        Proof::AskedById | Proof::Missing => None,
    };
    Ok((Unbilled { tiers, cost: requirement.cost.unwrap_or(1), secret, found, hash }, decision))
}

impl Unbilled {
    /// What it is to be charged to.
    pub(super) fn bill<'a>(&'a self, index: &'a Index) -> Bill<'a> {
        index.bill(&self.found, self.tiers, self.cost)
    }

    /// Every condition that fails, the limits included, which stand so.
    pub(super) fn failures(
        &self,
        index: &Index,
        query: &Query<'_>,
        states: &[LimitState],
        basis: Basis<'_>,
    ) -> Vec<Denial> {
        let bill = self.bill(index);
        let of_limits = denials(&bill, states).map(|(_, denial)| denial);
        let browsers = browsers(basis.policy, &self.found, &query.requirement);
        let key = self.found.key();
        let holder = holder(&key, &self.found, self.hash.as_ref(), browsers);
        let of_key = decision::failures(holder, &query.requirement, basis.now.time);
        of_key.into_iter().chain(of_limits).collect()
    }
}

/// What becomes of a key when a browser sends it, where that is the question.
fn browsers(policy: &PolicyVersion, found: &Found, requirement: &Requirement<'_>) -> BrowserRule {
    if !requirement.from_browser {
        return BrowserRule::default();
    }
    policy.policy.environments().browsers(found.key().environment)
}

fn holder<'a>(
    key: &'a KeyView<'a>,
    found: &'a Found,
    hash: Option<&KeyHash>,
    browsers: BrowserRule,
) -> Holder<'a> {
    Holder {
        key,
        rights: found.rights(),
        surroundings: found.surroundings(),
        default_tier: found.limits().default_tier(),
        proof: proof(found, hash),
        browsers,
    }
}

/// What proves a key to the caller who asks.
fn proof(found: &Found, hash: Option<&KeyHash>) -> Proof {
    let Some(hash) = hash else { return Proof::AskedById };
    let secret = found.key().secrets.find(hash);
    secret.map_or(Proof::Missing, |(secret, end)| Proof::Secret(secret.generation, end))
}
