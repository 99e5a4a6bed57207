//! Checks that are charged together, or not at all: if one is denied, none is allowed.

use std::time::Duration;

use super::{
    Judge,
    answer::Answer,
    basis::Basis,
    question::{Door, Query},
    record::{Settled, Verdict},
    trusted,
    unbilled::{Unbilled, examine},
};
use crate::{
    domain::{
        decision::{Decision, Denial},
        limit::Bound,
        time::Now,
    },
    error::OperationError,
    ports::{Bill, ChargeAll, Charged, Count, LimitState, Weighed, costs},
};

/// An answer to a question among others.
pub struct Together {
    /// The answer.
    pub answer: Answer,
    /// The place of the first question that was denied, where only that speaks against this one: the denial is that one's.
    pub held_by: Option<usize>,
}

/// A question, examined but for the limits.
type Examined = Result<(Unbilled, Decision), Denial>;

/// The result of all questions together.
enum AllOrNone {
    /// All are allowed and charged.
    All(Vec<Charged>),
    /// Nothing is charged: the first that is denied, why, and how its limits stand where those are why.
    None(usize, Denial, Option<Vec<LimitState>>),
}

impl Judge {
    /// Answers Checks that are charged together; all of them enforce.
    ///
    /// # Errors
    /// As for [`Judge::check`]; nothing is charged then.
    pub async fn check_all(&self, queries: &[Query<'_>]) -> Result<Vec<Together>, OperationError> {
        let answered = match self.try_check_all(queries) {
            Ok(Some(answers)) => Ok(answers),
            Ok(None) => self.when_written(|| self.try_check_all(queries)).await,
            Err(error) => Err(error),
        };
        let door = queries.first().map_or(Door::Grpc, |query| query.door);
        answered.map_err(|error| self.undecided(door, error))
    }

    fn try_check_all(&self, queries: &[Query<'_>]) -> Result<Option<Vec<Together>>, OperationError> {
        // Before the look-ups, so that the answers are based on this revision at the least.
        let revision = self.index.revision();
        let (now, began) = self.clock.read_exact();
        self.require_fresh(|| now.steady)?;
        let policy = self.policy_now();
        let policy = trusted(policy.as_ref())?;
        let basis = Basis { policy, now: &now, began, revision };
        let mut examined = Vec::with_capacity(queries.len());
        for query in queries {
            examined.push(examine(query, self.locate(query, policy)?, basis));
        }
        let Some(outcome) = self.charge_examined(&examined, &now) else { return Ok(None) };
        let places = queries.iter().zip(examined).enumerate();
        Ok(places.map(|(place, asked)| self.together(place, asked, &outcome, basis)).collect())
    }

    /// Charges all, unless one is denied; `None` where more must be written first.
    fn charge_examined(&self, examined: &[Examined], now: &Now) -> Option<AllOrNone> {
        let mut bills = Vec::with_capacity(examined.len());
        for (place, examined) in examined.iter().enumerate() {
            match examined {
                Err(denial) | Ok((_, Decision::Deny(denial))) => {
                    return Some(AllOrNone::None(place, denial.clone(), None));
                }
                Ok((unbilled, Decision::Allow(_))) => bills.push(unbilled.bill(&self.index)),
            }
        }
        match self.counters.charge_all(&bills, now) {
            // One for each, or it is unknown which were charged.
            ChargeAll::Charged(each) => (each.len() == bills.len()).then_some(AllOrNone::All(each)),
            ChargeAll::Unwritten => None,
            ChargeAll::Refused(place, refusal) => {
                let bill = bills.get(place)?;
                let as_one = Weighed::new(bill, self.states_as_one(bill, &bills, now));
                // They cannot disagree that it is refused; if they did, it would be refused all the same.
                let (mut denial, states) = match as_one {
                    Some(Weighed::Refused(as_one)) => as_one.into_parts(),
                    Some(Weighed::Passes(_)) | None => refusal.into_parts(),
                };
                if let Denial::RateLimited(spent) | Denial::QuotaExceeded(spent) = &mut denial {
                    spent.wait = self.until_all_pass(&bills, now);
                }
                Some(AllOrNone::None(place, denial, Some(states)))
            }
        }
    }

    /// How long until all of these pass together; `None` if they never do.
    fn until_all_pass(&self, bills: &[Bill<'_>], now: &Now) -> Option<Duration> {
        // Each count is looked at once.
        let mut costs = costs(bills);
        let mut longest = Duration::ZERO;
        for bill in bills {
            for (place, (count, _)) in bill.counts().enumerate() {
                let Some(cost) = costs.remove(&count) else { continue };
                let state = self.states(&Bill { cost, ..*bill }, now).into_iter().nth(place)?;
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
        let costs = costs(bills);
        let state = |(place, (count, _)): (usize, (Count, &Bound))| {
            let cost = *costs.get(&count)?;
            self.states(&Bill { cost, ..*bill }, now).into_iter().nth(place)
        };
        bill.counts().enumerate().filter_map(state).collect()
    }

    fn together(
        &self,
        place: usize,
        (query, examined): (&Query<'_>, Examined),
        outcome: &AllOrNone,
        basis: Basis<'_>,
    ) -> Option<Together> {
        let (unbilled, decision) = match examined {
            Ok(examined) => examined,
            Err(denial) => {
                return Some(Together { answer: self.record_unknown(query, denial, basis), held_by: None });
            }
        };
        let (verdict, held_by) = match (outcome, decision) {
            (AllOrNone::All(charged), Decision::Allow(permit)) => {
                // There is one for each, or nothing was charged.
                (Verdict::Allowed(permit, charged.get(place)?.clone()), None)
            }
            (AllOrNone::None(first, denial, states), _) if *first == place => {
                let states = states.clone().unwrap_or_else(|| self.told(denial, &unbilled, basis.now));
                (Verdict::Denied(denial.clone(), states), None)
            }
            (AllOrNone::All(_) | AllOrNone::None(..), Decision::Deny(denial)) => {
                let states = self.told(&denial, &unbilled, basis.now);
                (Verdict::Denied(denial, states), None)
            }
            (AllOrNone::None(first, denial, _), Decision::Allow(_)) => {
                let states = self.states(&unbilled.bill(&self.index), basis.now);
                (Verdict::HeldBack(denial.clone(), states), Some(*first))
            }
        };
        let answer = self.record(query, unbilled, Settled::Enforced(verdict), basis);
        Some(Together { answer, held_by })
    }
}
