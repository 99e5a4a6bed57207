//! Checks that are charged together, or not at all: if one is denied, none is allowed.

use std::time::Duration;

use super::{
    Judge,
    check::{Answer, Judged, Query},
    conclude::{JudgedBy, Settled, without_key},
    trusted,
};
use crate::{
    domain::{
        decision::{Decision, Denial},
        limit::Bound,
        time::Now,
    },
    error::OperationError,
    ports::{Bill, ChargeAll, Count, LimitState, Passing, Weighed, costs},
};

/// An answer to a question among others.
pub struct Together {
    /// The answer.
    pub answer: Answer,
    /// The place of the first question that was denied, where only that speaks against this one: the denial is that one's.
    pub held_by: Option<usize>,
}

/// What all limits together come to.
enum Charged {
    All(Vec<Passing>),
    /// The first that is denied, why, and how its limits stand where those are why.
    None(usize, Denial, Option<Vec<LimitState>>),
}

impl Judge {
    /// Answers Checks that are charged together; all of them enforce.
    ///
    /// # Errors
    /// As for [`Judge::check`]; nothing is charged then.
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
            judged.push(located.map(|(found, hash)| Judged::new(query, policy, found, hash.as_ref(), &now)));
        }
        let Some(charged) = self.charge_judged(&judged, &now) else { return Ok(None) };
        let places = queries.iter().zip(judged).enumerate();
        let by = JudgedBy { policy, now: &now, revision };
        Ok(places.map(|(place, asked)| self.together(place, asked, &charged, by)).collect())
    }

    /// Charges all, unless one is denied; `None` where more must be written first.
    fn charge_judged(&self, judged: &[Result<(Judged, Decision), Denial>], now: &Now) -> Option<Charged> {
        let mut bills = Vec::with_capacity(judged.len());
        for (place, judged) in judged.iter().enumerate() {
            match judged {
                Err(denial) | Ok((_, Decision::Deny(denial))) => {
                    return Some(Charged::None(place, denial.clone(), None));
                }
                Ok((judged, Decision::Allow(_))) => bills.push(judged.bill()),
            }
        }
        match self.counters.charge_all(&bills, now) {
            // One for each, or nobody knows which were charged.
            ChargeAll::Charged(each) => (each.len() == bills.len()).then_some(Charged::All(each)),
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
                Some(Charged::None(place, denial, Some(states)))
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
        (query, judged): (&Query<'_>, Result<(Judged, Decision), Denial>),
        charged: &Charged,
        by: JudgedBy<'_>,
    ) -> Option<Together> {
        let now = by.now;
        let (judged, decision) = match judged {
            Ok(judged) => judged,
            Err(denial) => {
                let answer = without_key(query, denial, now.time, by.revision);
                return Some(Together { answer, held_by: None });
            }
        };
        let (settled, held_by) = match (charged, decision) {
            (Charged::All(passing), Decision::Allow(permit)) => {
                // There is one for each, or nothing was charged.
                let passing = passing.get(place)?.clone();
                (Settled::Allowed(permit, passing), None)
            }
            (Charged::None(first, denial, states), _) if *first == place => {
                let states = states.clone().unwrap_or_else(|| self.told(denial, &judged, now));
                (Settled::Denied(denial.clone(), states), None)
            }
            (Charged::All(_) | Charged::None(..), Decision::Deny(denial)) => {
                let states = self.told(&denial, &judged, now);
                (Settled::Denied(denial, states), None)
            }
            (Charged::None(first, denial, _), Decision::Allow(_)) => {
                let states = self.states(&judged.bill(), now);
                (Settled::HeldBack(denial.clone(), states), Some(*first))
            }
        };
        Some(Together { answer: self.conclude(query, judged, settled, Vec::new(), by), held_by })
    }

    /// How the limits of a denied question stand, where that may be told.
    fn told(&self, denial: &Denial, judged: &Judged, now: &Now) -> Vec<LimitState> {
        if denial.is_of_a_valid_key() { self.states(&judged.bill(), now) } else { Vec::new() }
    }
}
