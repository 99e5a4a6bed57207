//! Requests that a gateway asks about: what each needs, whether its holder may, and what the gateway is to do.
//!
//! One judgement for gateways of every protocol: an adapter reads the question and renders the answer.
//!
//! Invariants: there is an answer to every question, and only a [`Passed`] lets anything through (X1); no answer tells a
//! stranger more than [`http_answer`](crate::http_answer) does.

mod address;
mod complaints;
mod marks;
mod request;
mod settings;
mod way;

use std::{net::IpAddr, sync::Arc, time::Duration};

pub use self::{
    address::{RequestOrigin, tells_origin},
    request::GatewayRequest,
    settings::said,
};
use self::{
    complaints::Complaints,
    way::{DecidedBy, along, way},
};
use crate::{
    domain::{
        admin::Caller,
        carried,
        correlation::{CorrelationId, REQUEST_ID_HEADER},
        decision::{Decision, Denial, Requirement},
        gateway::Gateway,
        time::{Entropy, Timestamp},
    },
    error::{NotFound, OperationError},
    http_answer::{
        BodyFormat, Header, HttpAnswer, Identity, Stop, StopForm, identity, latency, limits, nobody,
        retiring, stopped,
    },
    judge::{
        Judge,
        answer::Answer,
        question::{InQuestion, Mode, Query},
        record::{KeylessRequest, WithoutKey},
        trusted,
    },
};

/// What a gateway asks.
pub struct Question<'a, R> {
    /// About this request.
    pub request: &'a R,
    /// What the gateway's own settings say that it needs.
    pub said: Result<Requirement<'a>, OperationError>,
}

/// Why a question cannot be read.
pub enum Unreadable {
    /// A client may have made it so.
    Malformed,
    /// The gateway is set up wrongly.
    Setup(OperationError),
}

/// What the gateway is to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GatewayAnswer {
    /// Let the request through.
    Passed(Passed),
    /// Answer it.
    Stopped(StoppedRequest),
}

/// A request that may go on to the service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Passed {
    /// Who asks, for the service.
    pub identity: Identity,
    /// The headers whose credential has served, to be removed.
    pub spent: Vec<String>,
    /// What the client is told beside the service's answer.
    pub told: Vec<Header>,
}

/// A request that goes no further.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoppedRequest {
    /// What the client is answered.
    pub answer: HttpAnswer,
    /// The exact reason, for the operator's log.
    pub reason: &'static str,
    /// Whose key it was, for the same.
    pub identity: Option<Identity>,
}

impl GatewayAnswer {
    fn tell(&mut self, header: Header) {
        match self {
            Self::Passed(passed) => passed.told.push(header),
            Self::Stopped(stopped) => stopped.answer.headers.push(header),
        }
    }
}

/// Answers gateways.
pub struct Desk {
    judge: Arc<Judge>,
    settings: Gateway,
    complaints: Complaints,
    entropy: Arc<dyn Entropy>,
}

impl Desk {
    /// Answers by what `judge` decides; `settings` say where holders carry their keys. Requests without an id get one of `entropy`.
    #[must_use]
    pub fn new(judge: Arc<Judge>, settings: Gateway, entropy: Arc<dyn Entropy>) -> Self {
        Self { judge, settings, complaints: Complaints::default(), entropy }
    }

    /// What gateways are set to.
    #[must_use]
    pub const fn settings(&self) -> &Gateway {
        &self.settings
    }

    /// Where a request came from, as far as a trusted source says so. What cannot be read is complained of, and counts as no
    /// address: keys that are bound to networks are denied.
    pub fn origin(&self, request: &impl GatewayRequest, known: RequestOrigin<'_>) -> Option<IpAddr> {
        address::origin(&self.settings, request, known).unwrap_or_else(|unknown| {
            self.complaints.of_origin(self.judge.reading().time, &unknown);
            None
        })
    }

    /// The answer to what cannot be read at all.
    #[must_use]
    pub fn unreadable(&self) -> HttpAnswer {
        let mut answer = stopped(Stop::Malformed, &self.settings.realm, StopForm::default());
        answer.headers.push(latency(Duration::ZERO));
        answer
    }

    /// Answers a question; `caller` is who asks it, if he may, and `request_id` the id that the gateway says, if it says one.
    pub async fn answer<R: GatewayRequest>(
        &self,
        caller: Result<Caller, OperationError>,
        asked: Result<Question<'_, R>, Unreadable>,
        request_id: Option<CorrelationId>,
    ) -> GatewayAnswer {
        let (now, began) = self.judge.exact_reading();
        // Without randomness for it there is none.
        let request_id = request_id.or_else(|| CorrelationId::drawn(&*self.entropy).ok());
        let mut outcome = self.judge(caller, asked, request_id.as_ref(), now.time).await;
        let took = self.judge.note_answered(R::DOOR, began);
        outcome.tell(latency(took));
        if let Some(id) = request_id {
            outcome.tell((REQUEST_ID_HEADER, id.to_string()));
        }
        outcome
    }

    async fn judge<R: GatewayRequest>(
        &self,
        caller: Result<Caller, OperationError>,
        asked: Result<Question<'_, R>, Unreadable>,
        request_id: Option<&CorrelationId>,
        now: Timestamp,
    ) -> GatewayAnswer {
        let format = asked.as_ref().map_or(BodyFormat::Plain, |question| {
            BodyFormat::wanted(question.request.values("content-type"), question.request.values("accept"))
        });
        let form = StopForm { format, request_id };
        let caller = match caller {
            Ok(caller) => caller,
            Err(error) => {
                self.complaints.of_caller(now, &error);
                return self.stop(Stop::Undecided, form);
            }
        };
        let question = match asked {
            Ok(question) => question,
            Err(Unreadable::Malformed) => return self.stop(Stop::Malformed, form),
            Err(Unreadable::Setup(error)) => {
                self.complaints.of_question(now, &error);
                return self.stop(Stop::Undecided, form);
            }
        };
        let Question { request, said } = question;
        let decided = match said {
            Ok(said) => self.decide(&caller, request, said, now, form).await,
            Err(error) => Err(error),
        };
        decided.unwrap_or_else(|error| {
            self.complaints.of_question(now, &error);
            self.stop(Stop::Undecided, form)
        })
    }

    fn stop(&self, stop: Stop<'_>, form: StopForm<'_>) -> GatewayAnswer {
        let answer = stopped(stop, &self.settings.realm, form);
        GatewayAnswer::Stopped(StoppedRequest { answer, reason: stop.reason(), identity: None })
    }

    /// # Errors
    /// Keyward cannot decide; where the error names a field, the gateway's configuration is wrong.
    async fn decide<R: GatewayRequest>(
        &self,
        caller: &Caller,
        request: &R,
        mut said: Requirement<'_>,
        now: Timestamp,
        form: StopForm<'_>,
    ) -> Result<GatewayAnswer, OperationError> {
        self.judge.require_fresh(|| self.judge.reading().steady)?;
        if said.workspace.is_some_and(|named| caller.bound_to().is_some_and(|bound| bound != named)) {
            return Err(NotFound::Workspace.into());
        }
        let asked =
            KeylessRequest { door: R::DOOR, address: said.address, bound_to: caller.bound_to(), key: None };
        if let Some(leaked) = self.judge.secret_in_url(request.path(), caller.bound_to()) {
            self.complaints.of_leak(now, leaked);
            let denied = WithoutKey::Denied(Denial::CredentialsInUrl);
            let asked = KeylessRequest { key: leaked.key, ..asked };
            return Ok(self.without_key((asked, denied), request, &Requirement::default(), form));
        }
        said.from_browser = marks::of_browser(request);
        let policy = self.judge.policy_now();
        let policy = &trusted(policy.as_ref())?.policy;
        let way = way(policy, request, &said);
        if matches!(way, DecidedBy::Public) {
            return Ok(self.without_key((asked, WithoutKey::Public), request, &said, form));
        }
        let requirement = match &way {
            DecidedBy::Public | DecidedBy::Closed => None,
            DecidedBy::AsTheGatewaySays => Some(said),
            DecidedBy::Route { scopes, resource, cost } => {
                Some(Requirement { cost: cost.or(said.cost), ..along(said, scopes, resource.as_deref())? })
            }
        };
        let bearer = request.values(self.settings.bearer_header());
        let presented = match carried::credential(bearer, request.values(self.settings.key_header())) {
            Ok(presented) => presented,
            Err(denial) => {
                let (denied, requirement) = (WithoutKey::Denied(denial), requirement.unwrap_or_default());
                return Ok(self.without_key((asked, denied), request, &requirement, form));
            }
        };
        let Some(requirement) = requirement else {
            let denied = WithoutKey::Denied(Denial::RouteNotFound);
            return Ok(self.without_key((asked, denied), request, &Requirement::default(), form));
        };
        let query = Query {
            subject: InQuestion::Presented(presented),
            requirement,
            mode: Mode::Enforce,
            bound_to: caller.bound_to(),
            caller: caller.id(),
            door: R::DOOR,
        };
        let answer = self.judge.check(&query).await?;
        if let Some(subject) = answer.subject.as_ref().filter(|_| query.requirement.from_browser) {
            let key = subject.found.key();
            let rule = policy.environments().browsers(key.environment);
            self.complaints.of_browser(now, key.id, rule);
        }
        Ok(self.with_key(&answer, request, &query.requirement, form))
    }

    /// What a gateway is to do by the answer to a Check.
    fn with_key(
        &self,
        answer: &Answer,
        request: &impl GatewayRequest,
        requirement: &Requirement<'_>,
        form: StopForm<'_>,
    ) -> GatewayAnswer {
        match (&answer.decision, &answer.subject) {
            (Decision::Allow(_), Some(subject)) => {
                let told = limits(answer).into_iter().chain(retiring(subject)).collect();
                GatewayAnswer::Passed(Passed {
                    identity: identity(subject),
                    spent: self.spent(request),
                    told,
                })
            }
            // An allow without a subject cannot be; it would let an unknown caller through.
            (Decision::Allow(_), None) => self.stop(Stop::Undecided, form),
            (Decision::Deny(denial), subject) => {
                let stop = Stop::Denied { denial, requirement, answer: Some(answer) };
                let identity = subject.as_ref().map(identity);
                let answer = stopped(stop, &self.settings.realm, form);
                GatewayAnswer::Stopped(StoppedRequest { answer, reason: stop.reason(), identity })
            }
        }
    }

    /// What a gateway is to do by a decision that needs no key.
    fn without_key<R: GatewayRequest>(
        &self,
        (asked, decision): (KeylessRequest, WithoutKey),
        request: &R,
        requirement: &Requirement<'_>,
        form: StopForm<'_>,
    ) -> GatewayAnswer {
        match self.judge.record_without_key(asked, decision).decision() {
            WithoutKey::Public => {
                let (identity, spent) = (nobody(), self.spent(request));
                GatewayAnswer::Passed(Passed { identity, spent, told: Vec::new() })
            }
            WithoutKey::Denied(denial) => self.stop(Stop::Denied { denial, requirement, answer: None }, form),
        }
    }

    fn spent(&self, request: &impl GatewayRequest) -> Vec<String> {
        if self.settings.remove_credential { spent(&self.settings, request) } else { Vec::new() }
    }
}

/// The headers of a request that hold its credential.
fn spent(settings: &Gateway, request: &impl GatewayRequest) -> Vec<String> {
    let (bearer, key) = (settings.bearer_header(), settings.key_header());
    let bearer = request.values(bearer).any(carried::is_bearer).then(|| bearer.to_owned());
    bearer.into_iter().chain([key.to_owned()]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::judge::question::Door;

    /// A request of which its headers alone count.
    pub(super) struct WithHeaders<'a>(pub(super) &'a [(&'a str, &'a str)]);

    impl GatewayRequest for WithHeaders<'_> {
        const DOOR: Door = Door::Verify;

        fn host(&self) -> &'static str {
            "localhost"
        }

        fn method(&self) -> &'static str {
            "GET"
        }

        fn path(&self) -> &'static str {
            "/"
        }

        fn values<'r>(&'r self, name: &'r str) -> impl Iterator<Item = &'r [u8]> {
            self.0.iter().filter(move |(known, _)| *known == name).map(|(_, value)| value.as_bytes())
        }
    }

    #[test]
    fn a_spent_credential_is_removed_wherever_it_stands_and_nothing_else() {
        // H6
        for (headers, removed) in [
            (&[("authorization", "bearer k")][..], &["authorization", "x-api-key"][..]),
            (&[("x-api-key", "k")], &["x-api-key"]),
            (&[("authorization", "Basic dTpw"), ("x-api-key", "k")], &["x-api-key"]),
            (&[("authorization", "Bearer k"), ("x-api-key", "k")], &["authorization", "x-api-key"]),
        ] {
            assert_eq!(spent(&Gateway::default(), &WithHeaders(headers)), removed, "{headers:?}");
        }
    }

    #[test]
    fn the_marks_of_a_browser_are_those_that_only_browsers_make() {
        // H8
        for mark in ["origin", "sec-fetch-site", "sec-fetch-dest", "sec-fetch-user"] {
            assert!(marks::of_browser(&WithHeaders(&[(mark, "x")])), "{mark}");
        }
        for none in [&[][..], &[("sec-fetch-mode", "cors")], &[("referer", "x")], &[("origin", "")]] {
            assert!(!marks::of_browser(&WithHeaders(none)), "{none:?}");
        }
    }
}
