//! Checks that are charged together, or not at all: if one is denied, none is allowed.

use std::{collections::HashMap, sync::Arc, time::Duration};

use super::{
    Operations,
    check::{Answer, CheckedKey, Query, longest, of_nobody},
    error::OperationError,
    trusted,
    uses::minute_of,
};
use crate::{
    domain::{
        audit::Revision,
        decision::{self, Decision, Denial, Holder},
        limit::Bound,
        policy::{Subject, TierSet},
        secret::KeyHash,
        time::{Now, Timestamp},
    },
    index::Found,
    ports::{Account, Bill, ChargeAll, LimitState, PolicyVersion},
};

/// An answer to a question among others.
pub struct Together {
    /// The answer.
    pub answer: Answer,
    /// The place of the first question that was denied, where only that speaks against this one: the denial is that one's.
    pub held_by: Option<usize>,
}

/// A question, judged but for its limits.
struct Judged {
    found: Found,
    tiers: TierSet,
    cost: u64,
    secret: Option<(u32, Option<Timestamp>)>,
    decision: Decision,
}

impl Judged {
    fn bill(&self) -> Bill<'_> {
        self.found.bill(self.tiers, self.cost)
    }
}

/// What all limits together come to.
enum Charged {
    All(Vec<Vec<LimitState>>),
    /// The first that is denied, why, and how its limits stand where those are why.
    None(usize, Denial, Option<Vec<LimitState>>),
}

impl Operations {
    /// Answers Checks that are charged together; all of them enforce.
    ///
    /// # Errors
    /// As for [`Operations::check`]; nothing is charged then.
    pub async fn check_all(&self, queries: &[Query<'_>]) -> Result<Vec<Together>, OperationError> {
        match self.try_check_all(queries)? {
            Some(answers) => Ok(answers),
            None => self.when_written(|| self.try_check_all(queries)).await,
        }
    }

    fn try_check_all(&self, queries: &[Query<'_>]) -> Result<Option<Vec<Together>>, OperationError> {
        // Before the look-ups, so that the answers are based on this revision at the least.
        let revision = self.index.revision();
        let now = self.clock.read();
        let policy = self.policy_now();
        let policy = trusted(policy.as_ref())?;
        let mut judged = Vec::with_capacity(queries.len());
        for query in queries {
            let located = self.locate(query, policy)?;
            judged.push(located.map(|(found, hash)| judge(query, policy, found, hash, &now)));
        }
        let Some(charged) = self.charge_judged(&judged, &now) else { return Ok(None) };
        let places = queries.iter().zip(judged).enumerate();
        let answers =
            places.map(|(place, asked)| self.together(place, asked, &charged, policy, &now, revision));
        Ok(Some(answers.collect()))
    }

    /// Charges all, unless one is denied; `None` where more must be written first.
    fn charge_judged(&self, judged: &[Result<Judged, Denial>], now: &Now) -> Option<Charged> {
        let mut bills = Vec::with_capacity(judged.len());
        for (place, judged) in judged.iter().enumerate() {
            match judged {
                Err(denial) => return Some(Charged::None(place, denial.clone(), None)),
                Ok(Judged { decision: Decision::Deny(denial), .. }) => {
                    return Some(Charged::None(place, denial.clone(), None));
                }
                Ok(judged) => bills.push(judged.bill()),
            }
        }
        match self.counters.charge_all(&bills, now) {
            ChargeAll::Charged(states) => Some(Charged::All(states)),
            ChargeAll::Unwritten => None,
            ChargeAll::Refused(place, states) => {
                let bill = bills.get(place)?;
                let as_one = self.states_as_one(bill, &bills, now);
                // They cannot disagree that it is refused; if they did, it would be refused all the same.
                let (mut denial, states) = match longest(bill, &as_one) {
                    Some(denial) => (denial, as_one),
                    None => (longest(bill, &states)?, states),
                };
                if let Denial::RateLimited(spent) | Denial::QuotaExceeded(spent) = &mut denial {
                    spent.wait = self.until_all_pass(&bills, now);
                }
                Some(Charged::None(place, denial, Some(states)))
            }
        }
    }

    /// How long until all of these pass together; `None` if they never do.
    fn until_all_pass(&self, bills: &[Bill<'_>], now: &Now) -> Option<Duration> {
        let counted =
            |bill: &Bill<'_>, bound: &Bound| (std::ptr::from_ref(account(bill, bound.per)).addr(), bound.id);
        let mut costs: HashMap<_, u64> = HashMap::new();
        for bill in bills {
            for bound in bill.limits.of(bill.tiers) {
                let cost = costs.entry(counted(bill, bound)).or_default();
                *cost = cost.saturating_add(bill.cost);
            }
        }
        let mut longest = Duration::ZERO;
        for bill in bills {
            for (place, bound) in bill.limits.of(bill.tiers).enumerate() {
                // Each count once, for all that is asked of it.
                let Some(cost) = costs.remove(&counted(bill, bound)) else { continue };
                let state = self.counters.peek(&Bill { cost, ..*bill }, now).into_iter().nth(place)?;
                if !state.passes {
                    longest = longest.max(state.wait?);
                }
            }
        }
        Some(longest)
    }

    /// How the limits of `bill` stand for all that `bills` would charge to each: only when that passes do all pass, and
    /// only then is it true to say when to come back (L9).
    fn states_as_one(&self, bill: &Bill<'_>, bills: &[Bill<'_>], now: &Now) -> Vec<LimitState> {
        let state = |(place, bound): (usize, &Bound)| {
            let account = account(bill, bound.per);
            let shares = |other: &&Bill<'_>| {
                let same = std::ptr::eq(account, self::account(other, bound.per));
                same && other.limits.of(other.tiers).any(|it| it.id == bound.id)
            };
            let cost = bills.iter().filter(shares).map(|bill| bill.cost).fold(0, u64::saturating_add);
            self.counters.peek(&Bill { cost, ..*bill }, now).into_iter().nth(place)
        };
        bill.limits.of(bill.tiers).enumerate().filter_map(state).collect()
    }

    fn together(
        &self,
        place: usize,
        (query, judged): (&Query<'_>, Result<Judged, Denial>),
        charged: &Charged,
        policy: &Arc<PolicyVersion>,
        now: &Now,
        revision: Revision,
    ) -> Together {
        let judged = match judged {
            Ok(judged) => judged,
            Err(denial) => {
                return Together { answer: of_nobody(query, denial, now.time, revision), held_by: None };
            }
        };
        let (decision, states, held_by) = match (charged, &judged.decision) {
            (Charged::All(states), decision) => {
                judged.found.note_use(minute_of(now.time));
                (decision.clone(), states.get(place).cloned().unwrap_or_default(), None)
            }
            (Charged::None(first, denial, states), _) if *first == place => {
                let told = || self.told(denial, &judged, now);
                (Decision::Deny(denial.clone()), states.clone().unwrap_or_else(told), None)
            }
            (Charged::None(..), Decision::Deny(denial)) => {
                (judged.decision.clone(), self.told(denial, &judged, now), None)
            }
            (Charged::None(first, denial, _), Decision::Allow(_)) => {
                let states = self.counters.peek(&judged.bill(), now);
                (Decision::Deny(denial.clone()), states, Some(*first))
            }
        };
        self.note_usage(query, policy, judged.found.key().id, now.time, (judged.tiers, &decision));
        let workspace = self.index.workspace(judged.found.key().workspace);
        let Judged { found, tiers, secret, .. } = judged;
        let subject = Some(CheckedKey { found, secret, workspace, tiers });
        let degraded = self.counters.is_degraded();
        let answer =
            Answer { decision, failures: Vec::new(), subject, states, time: now.time, degraded, revision };
        Together { answer, held_by }
    }

    /// How the limits of a denied question stand, where that may be told.
    fn told(&self, denial: &Denial, judged: &Judged, now: &Now) -> Vec<LimitState> {
        if denial.is_of_a_valid_key() { self.counters.peek(&judged.bill(), now) } else { Vec::new() }
    }
}

fn judge(
    query: &Query<'_>,
    policy: &PolicyVersion,
    found: Found,
    hash: Option<KeyHash>,
    now: &Now,
) -> Judged {
    let requirement = &query.requirement;
    let secret = hash.and_then(|hash| found.key().credentials.find(&hash));
    let default_tier = found.limits().default_tier();
    let holder = Holder { key: found.key(), rights: found.rights(), default_tier, secret };
    let decision = decision::judge(holder, requirement, now.time);
    let tiers = match &decision {
        Decision::Allow(permit) => permit.tiers(),
        Decision::Deny(_) => decision::tiers_asked(&policy.policy, requirement),
    };
    let secret = secret.map(|(secret, end)| (secret.generation, end));
    Judged { found, tiers, cost: requirement.cost.unwrap_or(1), secret, decision }
}

/// The account that a limit of a bill is charged to, as whoever counts has it: what should be shared and is not is
/// charged to the key.
fn account<'a>(bill: &Bill<'a>, per: Subject) -> &'a Account {
    let payable = match per {
        Subject::Key => bill.key,
        Subject::Owner => bill.owner.unwrap_or(bill.key),
        Subject::Workspace => bill.workspace.unwrap_or(bill.key),
    };
    payable.account()
}
