//! What a gateway's client sees of a decision: status, headers and body of HTTP, in one table for all gateways.
//!
//! Invariants: all 401s for a credential are the same bytes, so that a stranger cannot tell whether a key ever existed;
//! no answer holds a secret, or any byte that a client chose, beyond scopes that were parsed; every header value is
//! visible ASCII and spaces; a 401 tells nothing of limits.

mod limits;

pub use self::limits::{latency, limits};

use std::{borrow::Cow, time::Duration};

use serde::Serialize;

use crate::{
    domain::{
        decision::{Denial, Requirement, Spent},
        scope::Scope,
        text::Realm,
    },
    operations::check::{Answer, CheckedKey},
};

/// The most bytes of scopes that the service behind is told.
const MAX_SCOPES_BYTES: usize = 4_096;

/// A header: its name in lower case, and its value.
pub type Header = (&'static str, String);

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

/// The status of an answer that lets nothing through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StopStatus {
    /// 400.
    BadRequest,
    /// 401.
    Unauthorized,
    /// 403.
    Forbidden,
    /// 429.
    TooManyRequests,
    /// 503.
    Unavailable,
}

/// An answer that lets nothing through.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpAnswer {
    /// Its status.
    pub status: StopStatus,
    /// Its headers.
    pub headers: Vec<Header>,
    /// Its body: JSON, in UTF-8.
    pub body: String,
}

/// One row of the table.
struct Row {
    status: StopStatus,
    code: &'static str,
    message: Cow<'static, str>,
    challenge: Challenge,
    /// Seconds after which it may pass.
    retry_after: Option<u64>,
}

#[derive(Serialize)]
struct Body<'a> {
    success: bool,
    error: Fault<'a>,
}

#[derive(Serialize)]
struct Fault<'a> {
    code: &'a str,
    message: &'a str,
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
pub fn stopped(stop: Stop<'_>, realm: &Realm) -> HttpAnswer {
    let row = row(stop);
    let challenge = challenge(&row, stop, realm);
    let mut stopped = render(&row, challenge);
    if let Stop::Denied { answer: Some(answer), .. } = stop
        && matches!(row.status, StopStatus::Forbidden | StopStatus::TooManyRequests)
    {
        stopped.headers.extend(limits(answer));
    }
    stopped
}

/// The answer where Keyward cannot decide, as [`stopped`] gives it too: it needs no setting.
#[must_use]
pub fn undecided(took: Duration) -> HttpAnswer {
    let mut undecided = render(&row(Stop::Undecided), None);
    undecided.headers.push(latency(took));
    undecided
}

fn render(row: &Row, challenge: Option<String>) -> HttpAnswer {
    let mut headers =
        vec![("content-type", "application/json".to_owned()), ("cache-control", "no-store".to_owned())];
    if let Some(challenge) = challenge {
        headers.push(("www-authenticate", challenge));
    }
    if let Some(seconds) = row.retry_after {
        headers.push(("retry-after", seconds.to_string()));
    }
    let body = Body { success: false, error: Fault { code: row.code, message: &row.message } };
    // Texts alone cannot fail to be written.
    let body = serde_json::to_string(&body).unwrap_or_default();
    HttpAnswer { status: row.status, headers, body }
}

fn row(stop: Stop<'_>) -> Row {
    let denial = match stop {
        Stop::Denied { denial, .. } => denial,
        Stop::Malformed => {
            let message = "The request is malformed.".into();
            let challenge = Challenge::Error("invalid_request");
            let (status, retry_after) = (StopStatus::BadRequest, None);
            return Row { status, code: stop.reason(), message, challenge, retry_after };
        }
        Stop::Undecided => {
            let message = "The request cannot be authorized at the moment. Try again.".into();
            let challenge = Challenge::None;
            let (status, retry_after) = (StopStatus::Unavailable, Some(1));
            return Row { status, code: stop.reason(), message, challenge, retry_after };
        }
    };
    let forbidden = |message| Row {
        status: StopStatus::Forbidden,
        code: denial.reason(),
        message,
        challenge: Challenge::Error("insufficient_scope"),
        retry_after: None,
    };
    let too_many = |what: &str, spent: &Spent| Row {
        status: StopStatus::TooManyRequests,
        code: denial.reason(),
        message: match spent.retry_after() {
            Some(seconds) => format!("{what} Retry after {seconds} seconds.").into(),
            None => format!("{what} The request costs more than the limit admits.").into(),
        },
        challenge: Challenge::None,
        retry_after: spent.retry_after(),
    };
    match denial {
        Denial::CredentialsMissing => Row {
            status: StopStatus::Unauthorized,
            code: denial.reason(),
            message: "An API key is required.".into(),
            challenge: Challenge::Bare,
            retry_after: None,
        },
        Denial::CredentialsAmbiguous => Row {
            status: StopStatus::BadRequest,
            code: denial.reason(),
            message: "More than one API key was presented. Send exactly one.".into(),
            challenge: Challenge::Error("invalid_request"),
            retry_after: None,
        },
        Denial::CredentialsMalformed
        | Denial::KeyUnknown
        | Denial::KeyRevoked
        | Denial::KeyExpired(_)
        | Denial::SecretEnded(_)
        | Denial::KeyDisabled => Row {
            status: StopStatus::Unauthorized,
            code: "CREDENTIALS_INVALID",
            message: "The API key is not valid.".into(),
            challenge: Challenge::Error("invalid_token"),
            retry_after: None,
        },
        Denial::WorkspaceMismatch => forbidden("The API key belongs to another workspace.".into()),
        Denial::EnvironmentMismatch => forbidden("The API key belongs to another environment.".into()),
        Denial::ScopeInsufficient(missing) => {
            forbidden(format!("The API key lacks {}.", missing.join(", ")).into())
        }
        Denial::ResourceNotGranted { scopes, .. } => {
            forbidden(format!("The API key has {} for other resources only.", scopes.join(", ")).into())
        }
        Denial::AddressNotAllowed(_) => forbidden("The API key may not be used from this address.".into()),
        Denial::RateLimited(spent) => too_many("Rate limit exceeded.", spent),
        Denial::QuotaExceeded(spent) => too_many("Quota exceeded.", spent),
        Denial::RouteNotFound => forbidden("No API key gives access to this.".into()),
    }
}

fn challenge(row: &Row, stop: Stop<'_>, realm: &Realm) -> Option<String> {
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

fn required(requirement: &Requirement<'_>) -> String {
    let scopes: Vec<&str> = requirement.scopes.iter().map(Scope::as_str).collect();
    scopes.join(" ")
}

/// The names of the headers that tell who asks.
const IDENTITY_HEADERS: [&str; 6] = [
    "x-keyward-key-id",
    "x-keyward-workspace-id",
    "x-keyward-owner",
    "x-keyward-environment",
    "x-keyward-scopes",
    "x-keyward-plan",
];

/// Each of these headers with its value, if it has one.
pub type Identity = [(&'static str, Option<String>); 6];

/// The headers by which the service behind learns who asks (H6). Those without a value are to be removed from the
/// request: what a client put there must never look like ours.
#[must_use]
pub fn identity(checked: &CheckedKey) -> Identity {
    let key = checked.found.key();
    let scopes = cut(checked.found.rights().unbound());
    let plan = checked.workspace.as_ref().map(|workspace| workspace.plan.as_str().to_owned());
    let [id, workspace, owner, environment, scope_list, of_plan] = IDENTITY_HEADERS;
    [
        (id, Some(key.id.to_text())),
        (workspace, Some(key.workspace.to_text())),
        (owner, key.owner.as_ref().map(|owner| owner.as_str().to_owned())),
        (environment, Some(key.environment.as_str().to_owned())),
        (scope_list, scopes),
        (of_plan, plan),
    ]
    .map(|(name, value)| (name, value.filter(|value| is_header_value(value))))
}

/// The same where nobody was asked for: whatever a client put there is removed.
#[must_use]
pub fn nobody() -> Identity {
    IDENTITY_HEADERS.map(|name| (name, None))
}

/// As many scopes as there is room for, whole ones.
fn cut<'a>(scopes: impl Iterator<Item = &'a str>) -> Option<String> {
    let mut text = String::new();
    for scope in scopes {
        let gap = usize::from(!text.is_empty());
        if text.len() + gap + scope.len() > MAX_SCOPES_BYTES {
            break;
        }
        if gap > 0 {
            text.push(' ');
        }
        text.push_str(scope);
    }
    (!text.is_empty()).then_some(text)
}

fn is_header_value(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic() || byte == b' ')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scopes_are_cut_between_two() {
        // H6
        assert_eq!(cut([].into_iter()), None);
        assert_eq!(cut(["a:b", "c:d"].into_iter()).as_deref(), Some("a:b c:d"));
        let long = "a".repeat(MAX_SCOPES_BYTES - 3);
        let cut_to = |next: &str| cut([long.as_str(), next].into_iter()).unwrap().len();
        assert_eq!(cut_to("ab"), MAX_SCOPES_BYTES);
        assert_eq!(cut_to("abc"), MAX_SCOPES_BYTES - 3);
        let over = "a".repeat(MAX_SCOPES_BYTES + 1);
        assert_eq!(cut([over.as_str()].into_iter()), None);
    }

    #[test]
    fn a_header_value_is_visible_ascii() {
        // H6 X2
        assert!(is_header_value("a:b c:d"));
        for bad in ["", "a\r\nb: c", "a\0", "a\tb", "\u{e4}", "a\u{7f}"] {
            assert!(!is_header_value(bad), "{bad:?}");
        }
    }

    #[test]
    fn what_needs_no_setting_says_the_same_as_the_table() {
        let took = Duration::from_millis(7);
        let mut same = stopped(Stop::Undecided, &Realm::parse("another").unwrap());
        same.headers.push(latency(took));
        assert_eq!(undecided(took), same);
    }

    #[test]
    fn the_realm_is_the_operators() {
        // H3
        let requirement = Requirement::default();
        let denial = &Denial::CredentialsMissing;
        let missing = Stop::Denied { denial, requirement: &requirement, answer: None };
        let answer = stopped(missing, &Realm::parse("Example API").unwrap());
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
            let answer = stopped(stop, &Realm::default());
            assert_eq!(answer.status, StopStatus::TooManyRequests);
            let code = denial.reason();
            let body = format!(r#"{{"success":false,"error":{{"code":"{code}","message":"{message}"}}}}"#);
            assert_eq!(answer.body, body);
            let told = answer.headers.iter().find(|(name, _)| *name == "retry-after");
            assert_eq!(told.map(|(_, value)| value.as_str()), retry_after, "{message}");
            assert!(answer.headers.iter().all(|(name, _)| *name != "www-authenticate"));
        }
    }
}
