//! Checks that are charged together, or not at all: if one is denied, none is allowed.

use std::{sync::Arc, time::Duration};

use super::{
    Judge,
    check::{Answer, CheckedKey, Judged, Query, note_use, of_nobody, undeclared},
    trusted,
};
use crate::{
    domain::{
        admin::Sight,
        audit::Revision,
        decision::{Decision, Denial},
        limit::Bound,
        time::Now,
    },
    error::OperationError,
    ports::{Bill, ChargeAll, Count, LimitState, Passing, PolicyVersion, Weighed, costs},
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
                note_use(&judged.found, judged.secret, query, now);
                let states = states.get(place).cloned().map(Passing::into_states);
                (decision.clone(), states.unwrap_or_default(), None)
            }
            (Charged::None(first, denial, states), _) if *first == place => {
                let told = || self.told(denial, &judged, now);
                (Decision::Deny(denial.clone()), states.clone().unwrap_or_else(told), None)
            }
            (Charged::None(..), Decision::Deny(denial)) => {
                (judged.decision.clone(), self.told(denial, &judged, now), None)
            }
            (Charged::None(first, denial, _), Decision::Allow(_)) => {
                let states = self.states(&judged.bill(), now);
                (Decision::Deny(denial.clone()), states, Some(*first))
            }
        };
        let of_own = (judged.tiers, &decision, held_by.is_none());
        self.note_usage(query, policy, &judged.found, now.time, of_own);
        let workspace = self.index.workspace(judged.found.key().workspace);
        let Judged { found, tiers, secret, .. } = judged;
        let creator_known = self.index.is_creator_seen(Sight::within(query.bound_to), found.key());
        let subject = Some(CheckedKey { found, secret, workspace, creator_known, tiers });
        let degraded = self.counters.is_degraded();
        // One that is held back by another question lacks nothing of its own.
        let undeclared = held_by.is_none().then(|| undeclared(&policy.policy, &decision, &[])).flatten();
        let answer = Answer {
            decision,
            failures: Vec::new(),
            undeclared,
            subject,
            states,
            time: now.time,
            degraded,
            revision,
        };
        Together { answer, held_by }
    }

    /// How the limits of a denied question stand, where that may be told.
    fn told(&self, denial: &Denial, judged: &Judged, now: &Now) -> Vec<LimitState> {
        if denial.is_of_a_valid_key() { self.states(&judged.bill(), now) } else { Vec::new() }
    }
}
