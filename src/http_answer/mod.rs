//! What a gateway's client sees of a decision: status, headers and body of HTTP, for all gateways alike. What is known of a
//! denial stands in the table of denials ([`Denial::facts`]); its kind decides the status.
//!
//! Invariants: all 401s for a credential are the same bytes but for the id of the request, so that a stranger cannot tell whether a key ever existed;
//! no answer holds a secret, or any byte that a client chose, beyond scopes that were parsed and the id of its request; every header value is
//! visible ASCII and spaces; a 401 tells nothing of limits; all headers of an answer together stay well under the 8 KiB
//! that clients of gRPC take.

mod body;
mod grpc;
mod header;
mod identity;
mod limits;
mod scopes;
mod status;

pub use self::{
    body::{BodyFormat, StopForm, error_body},
    header::Header,
    identity::{Identity, identity, nobody, retiring},
    limits::{latency, limits},
    status::StopStatus,
};

use std::{borrow::Cow, time::Duration};

use self::scopes::{named, required};
use crate::{
    domain::{
        decision::{Denial, DenialKind, Requirement, Spent},
        text::Realm,
    },
    judge::answer::Answer,
};

/// Why a request is not let through.
#[derive(Clone, Copy)]
pub enum Stop<'a> {
    /// It was denied.
    Denied {
        /// For this.
        denial: &'a Denial,
        /// What it would have needed.
        requirement: &'a Requirement<'a>,
        /// The answer that says so, where a key was looked for.
        answer: Option<&'a Answer>,
    },
    /// What the gateway sent cannot be read; a client may have made it so.
    Malformed,
    /// Keyward cannot decide.
    Undecided,
}

impl Stop<'_> {
    /// The reason for the operator's eyes; unlike what the client is told, it is exact.
    #[must_use]
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::Denied { denial, .. } => denial.reason(),
            Self::Malformed => "REQUEST_MALFORMED",
            Self::Undecided => "UNAVAILABLE",
        }
    }
}

/// An answer that lets nothing through.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpAnswer {
    /// Its status.
    pub status: StopStatus,
    /// Its headers.
    pub headers: Vec<Header>,
    /// Its body: JSON, of visible ASCII characters and spaces.
    pub body: String,
}

impl HttpAnswer {
    /// Whether it is for a caller of gRPC, who has the body in a header and can read none.
    #[must_use]
    pub fn is_for_grpc(&self) -> bool {
        self.headers.iter().any(|(name, _)| *name == grpc::STATUS)
    }
}

/// One row of the table.
struct AnswerRow {
    status: StopStatus,
    code: &'static str,
    message: Cow<'static, str>,
    challenge: Challenge,
    /// Seconds after which it may pass.
    retry_after: Option<u64>,
}

/// The `WWW-Authenticate` of an answer (RFC 6750 section 3).
#[derive(Clone, Copy)]
enum Challenge {
    None,
    /// Only that a credential is needed: none was sent, so none was wrong.
    Bare,
    Error(&'static str),
}

/// The answer to a request that is not let through.
#[must_use]
pub fn stopped(stop: Stop<'_>, realm: &Realm, form: StopForm<'_>) -> HttpAnswer {
    let row = row(stop);
    let challenge = challenge(&row, stop, realm);
    let mut stopped = render(&row, challenge, form);
    if let Stop::Denied { answer: Some(answer), .. } = stop
        && matches!(row.status, StopStatus::Forbidden | StopStatus::TooManyRequests)
    {
        stopped.headers.extend(limits(answer));
        stopped.headers.extend(answer.subject.iter().flat_map(retiring));
    }
    stopped
}

/// The answer where Keyward cannot decide, as [`stopped`] gives it too: it needs no setting.
#[must_use]
pub fn undecided(took: Duration) -> HttpAnswer {
    let mut undecided = render(&row(Stop::Undecided), None, StopForm::default());
    undecided.headers.push(latency(took));
    undecided
}

fn render(row: &AnswerRow, challenge: Option<String>, form: StopForm<'_>) -> HttpAnswer {
    let mut headers =
        vec![("content-type", form.format.media_type().to_owned()), ("cache-control", "no-store".to_owned())];
    if let Some(challenge) = challenge {
        headers.push(("www-authenticate", challenge));
    }
    if let Some(seconds) = row.retry_after {
        headers.push(("retry-after", seconds.to_string()));
    }
    let body = form.body(row.status, row.code, &row.message);
    if form.format == BodyFormat::Grpc {
        headers.extend(grpc::headers(row.status, &body));
    }
    HttpAnswer { status: row.status, headers, body }
}

fn row(stop: Stop<'_>) -> AnswerRow {
    let denial = match stop {
        Stop::Denied { denial, .. } => denial,
        Stop::Malformed => {
            let message = "The request is malformed.".into();
            let challenge = Challenge::Error("invalid_request");
            let (status, retry_after) = (StopStatus::BadRequest, None);
            return AnswerRow { status, code: stop.reason(), message, challenge, retry_after };
        }
        Stop::Undecided => {
            let message = "The request cannot be authorized at the moment. Try again.".into();
            let challenge = Challenge::None;
            let (status, retry_after) = (StopStatus::Unavailable, Some(1));
            return AnswerRow { status, code: stop.reason(), message, challenge, retry_after };
        }
    };
    let facts = denial.facts();
    let (status, challenge) = rendering(facts.kind);
    AnswerRow {
        status,
        code: facts.told_reason(),
        message: denial.told(named),
        challenge,
        retry_after: denial.spent().and_then(Spent::retry_after),
    }
}

/// The status of each kind of denial, and its challenge.
const fn rendering(kind: DenialKind) -> (StopStatus, Challenge) {
    match kind {
        DenialKind::CredentialMissing => (StopStatus::Unauthorized, Challenge::Bare),
        DenialKind::CredentialMisplaced => (StopStatus::BadRequest, Challenge::Error("invalid_request")),
        DenialKind::CredentialInvalid => (StopStatus::Unauthorized, Challenge::Error("invalid_token")),
        DenialKind::NotPermitted | DenialKind::NobodyPermitted => {
            (StopStatus::Forbidden, Challenge::Error("insufficient_scope"))
        }
        DenialKind::LimitSpent => (StopStatus::TooManyRequests, Challenge::None),
    }
}

fn challenge(row: &AnswerRow, stop: Stop<'_>, realm: &Realm) -> Option<String> {
    let error = match row.challenge {
        Challenge::None => return None,
        Challenge::Bare => return Some(format!("Bearer realm=\"{realm}\"")),
        Challenge::Error(error) => error,
    };
    let scopes = match stop {
        Stop::Denied { requirement, .. } if row.status == StopStatus::Forbidden => required(requirement),
        Stop::Denied { .. } | Stop::Malformed | Stop::Undecided => String::new(),
    };
    let scope = if scopes.is_empty() { scopes } else { format!(", scope=\"{scopes}\"") };
    Some(format!("Bearer realm=\"{realm}\", error=\"{error}\"{scope}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{correlation::CorrelationId, scope::Scope};

    #[test]
    fn what_needs_no_setting_says_the_same_as_the_table() {
        let took = Duration::from_millis(7);
        let mut same = stopped(Stop::Undecided, &Realm::parse("another").unwrap(), StopForm::default());
        same.headers.push(latency(took));
        assert_eq!(undecided(took), same);
    }

    #[test]
    fn the_realm_is_the_operators() {
        // H3
        let requirement = Requirement::default();
        let denial = &Denial::CredentialsMissing;
        let missing = Stop::Denied { denial, requirement: &requirement, answer: None };
        let answer = stopped(missing, &Realm::parse("Example API").unwrap(), StopForm::default());
        assert!(answer.headers.contains(&("www-authenticate", "Bearer realm=\"Example API\"".to_owned())));
    }

    #[test]
    fn a_spent_limit_says_when_to_come_back_in_the_header_and_in_the_body() {
        // H4, H5, L9
        let spent = |wait| Spent { limit: "default/hour".into(), admits: 10, wait };
        let after = |ms| spent(Some(Duration::from_millis(ms)));
        let rows = [
            (Denial::RateLimited(after(0)), Some("1"), "Rate limit exceeded. Retry after 1 seconds."),
            (Denial::RateLimited(after(41_001)), Some("42"), "Rate limit exceeded. Retry after 42 seconds."),
            (Denial::QuotaExceeded(after(42_000)), Some("42"), "Quota exceeded. Retry after 42 seconds."),
            (
                Denial::RateLimited(spent(None)),
                None,
                "Rate limit exceeded. The request costs more than the limit admits.",
            ),
        ];
        for (denial, retry_after, message) in rows {
            let requirement = Requirement::default();
            let stop = Stop::Denied { denial: &denial, requirement: &requirement, answer: None };
            let answer = stopped(stop, &Realm::default(), StopForm::default());
            assert_eq!(answer.status, StopStatus::TooManyRequests);
            let code = denial.reason();
            let body = format!(r#"{{"success":false,"error":{{"code":"{code}","message":"{message}"}}}}"#);
            assert_eq!(answer.body, body);
            let told = answer.headers.iter().find(|(name, _)| *name == "retry-after");
            assert_eq!(told.map(|(_, value)| value.as_str()), retry_after, "{message}");
            assert!(answer.headers.iter().all(|(name, _)| *name != "www-authenticate"));
        }
    }

    #[test]
    fn the_longest_denial_leaves_room_in_the_metadata_of_a_call() {
        // H10
        let scope = |place: usize| format!("{}{place:02}:{}", "s".repeat(62), "a".repeat(64));
        let texts: Vec<String> = (0..64).map(scope).collect();
        let requirement = Requirement {
            scopes: texts.iter().map(|text| Scope::parse(text).unwrap()).collect(),
            ..Requirement::default()
        };
        let denial = &Denial::ScopeInsufficient(texts.iter().map(|text| text.as_str().into()).collect());
        let realm = Realm::default();
        let id = CorrelationId::given(["x".repeat(128).as_bytes()].into_iter());
        let answer = |format| {
            let form = StopForm { format, request_id: id.as_ref() };
            stopped(Stop::Denied { denial, requirement: &requirement, answer: None }, &realm, form)
        };
        let denied = answer(BodyFormat::Grpc);
        // As HTTP/2 counts it (RFC 9113 section 6.5.2).
        let size = |(name, value): &Header| name.len() + value.len() + 32;
        let ours: usize = denied.headers.iter().map(size).sum();
        let of_limits = limits::MOST_BYTES;
        assert!(ours + of_limits <= 7 * 1024, "{ours} and {of_limits}");
        assert!(denied.body.contains(" and 55 more.\","), "{}", denied.body);
        assert!(answer(BodyFormat::Plain).body == denied.body && denied.is_for_grpc());
        let few = &Denial::ScopeInsufficient(vec!["a:b".into(), "c:d".into()]);
        let few = Stop::Denied { denial: few, requirement: &requirement, answer: None };
        assert!(stopped(few, &realm, StopForm::default()).body.contains("lacks a:b, c:d."));
    }
}
