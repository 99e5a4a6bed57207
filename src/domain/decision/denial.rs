//! Why a request is denied, and the one table of all that is known of each denial: [`Denial::facts`].
//!
//! A denial of a kind that is there already is a variant and a row here, and nothing elsewhere but the condition that finds
//! it: its status, its challenge and whether the holder's limits are shown follow from its kind.

use std::{borrow::Cow, net::IpAddr};

use super::facts::{DenialDetails, DenialFacts, DenialKind, DenialReason, Detail, Spent, join};
use crate::domain::{secret::NotAKey, time::Timestamp};

/// One condition that failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Denial {
    /// No credential was presented.
    CredentialsMissing,
    /// More than one credential was presented, or one that a proxy may have joined of several.
    CredentialsAmbiguous,
    /// What was presented cannot be a key.
    CredentialsMalformed,
    /// A key stands in the URL, where logs and histories keep it.
    CredentialsInUrl,
    /// There is no such key.
    KeyUnknown,
    /// The key was revoked.
    KeyRevoked,
    /// The key is past its expiry.
    KeyExpired(Timestamp),
    /// The secret is past its grace.
    SecretEnded(Timestamp),
    /// The key is switched off.
    KeyDisabled,
    /// The key's workspace is suspended.
    WorkspaceSuspended,
    /// The key's workspace is closed, for good.
    WorkspaceClosed,
    /// The plan of the key's workspace denies all keys.
    PlanDeniesKeys,
    /// The key follows the role of an owner who is no member.
    OwnerRemoved,
    /// The key belongs to another workspace.
    WorkspaceMismatch,
    /// The key belongs to another environment.
    EnvironmentMismatch,
    /// The role of the key's owner lacks these scopes.
    RoleInsufficient(Vec<String>),
    /// The key lacks these scopes.
    ScopeInsufficient(Vec<String>),
    /// The key has the scope, but not for this resource, or for no request without one.
    ResourceNotGranted {
        /// The scopes that are bound to other resources.
        scopes: Vec<String>,
        /// Whether the request named a resource.
        named: bool,
    },
    /// The key may not be used from this address, or the address is not known.
    AddressNotAllowed(Option<IpAddr>),
    /// A browser sent the key, and its environment lets none do so.
    BrowserNotAllowed,
    /// Nothing says what the request needs, and a request without a rule is not let through.
    RouteNotFound,
    /// A limit whose window is shorter than a day is spent.
    RateLimited(Spent),
    /// A limit whose window is a day or longer is spent.
    QuotaExceeded(Spent),
}

// Those of more than one row.
const KEY_EXPIRED: DenialReason = DenialReason { name: "KEY_EXPIRED", number: 6 };
const WORKSPACE_SUSPENDED: DenialReason = DenialReason { name: "WORKSPACE_SUSPENDED", number: 9 };
const RESOURCE_NOT_GRANTED: DenialReason = DenialReason { name: "RESOURCE_NOT_GRANTED", number: 13 };
const ADDRESS_NOT_ALLOWED: DenialReason = DenialReason { name: "ADDRESS_NOT_ALLOWED", number: 15 };
const RATE_LIMITED: DenialReason = DenialReason { name: "RATE_LIMITED", number: 17 };
const QUOTA_EXCEEDED: DenialReason = DenialReason { name: "QUOTA_EXCEEDED", number: 18 };

const fn reason(number: i32, name: &'static str) -> DenialReason {
    DenialReason { name, number }
}

/// A row of the table, which is made once, and what the denial is about.
macro_rules! row {
    ($reason:expr, $kind:expr, $exact:expr, $told:expr $(,)?) => {
        row!($reason, $kind, $exact, $told, Detail::Nothing)
    };
    ($reason:expr, $kind:expr, $exact:expr, $told:expr, $detail:expr $(,)?) => {
        (const { &DenialFacts::new($reason, $kind, $exact, $told) }, $detail)
    };
}

/// The same, of a credential that is not good.
macro_rules! invalid {
    ($reason:expr, $exact:expr $(,)?) => {
        invalid!($reason, $exact, Detail::Nothing)
    };
    ($reason:expr, $exact:expr, $detail:expr $(,)?) => {
        (const { &DenialFacts::invalid($reason, $exact) }, $detail)
    };
}

impl Denial {
    /// What is known of it.
    #[must_use]
    pub const fn facts(&self) -> &'static DenialFacts {
        self.row().0
    }

    /// The one table: all that is known of each denial, and what it is about.
    #[expect(clippy::too_many_lines, reason = "the one table")]
    const fn row(&self) -> (&'static DenialFacts, Detail<'_>) {
        use DenialKind::{CredentialMisplaced, CredentialMissing, LimitSpent, NobodyPermitted, NotPermitted};
        match self {
            Self::CredentialsMissing => row!(
                reason(1, "CREDENTIALS_MISSING"),
                CredentialMissing,
                "no API key was presented",
                "An API key is required."
            ),
            Self::CredentialsAmbiguous => row!(
                reason(2, "CREDENTIALS_AMBIGUOUS"),
                CredentialMisplaced,
                "more than one API key was presented",
                "More than one API key was presented. Send exactly one."
            ),
            Self::CredentialsInUrl => row!(
                reason(19, "CREDENTIALS_IN_URL"),
                CredentialMisplaced,
                "an API key stands in the URL, where logs and histories keep it",
                "An API key must not stand in the URL, where logs keep it. Replace that key."
            ),
            Self::CredentialsMalformed => invalid!(
                reason(3, "CREDENTIALS_MALFORMED"),
                "what was presented is not an API key: its length, alphabet or checksum is wrong"
            ),
            Self::KeyUnknown => invalid!(reason(4, "KEY_UNKNOWN"), "there is no such API key"),
            Self::KeyRevoked => invalid!(reason(5, "KEY_REVOKED"), "the API key was revoked"),
            Self::KeyExpired(at) => invalid!(KEY_EXPIRED, "the API key expired at {at}", Detail::At(*at)),
            Self::SecretEnded(at) => invalid!(
                KEY_EXPIRED,
                "this secret was replaced by a rotation, and its grace ended at {at}",
                Detail::At(*at)
            ),
            Self::KeyDisabled => invalid!(reason(7, "KEY_DISABLED"), "the API key is disabled"),
            Self::OwnerRemoved => {
                invalid!(reason(8, "OWNER_REMOVED"), "the owner of the API key is no member of its workspace")
            }
            Self::WorkspaceSuspended => row!(
                WORKSPACE_SUSPENDED,
                NotPermitted,
                "the workspace of the API key is suspended",
                "The workspace of the API key is suspended."
            ),
            Self::WorkspaceClosed => row!(
                WORKSPACE_SUSPENDED,
                NotPermitted,
                "the workspace of the API key is closed",
                "The workspace of the API key is closed."
            ),
            Self::PlanDeniesKeys => row!(
                WORKSPACE_SUSPENDED,
                NotPermitted,
                "the API key's workspace is on a plan without keys",
                "The API key's workspace is on a plan without keys."
            ),
            Self::WorkspaceMismatch => row!(
                reason(10, "WORKSPACE_MISMATCH"),
                NotPermitted,
                "the API key belongs to another workspace",
                "The API key belongs to another workspace."
            ),
            Self::EnvironmentMismatch => row!(
                reason(11, "ENVIRONMENT_MISMATCH"),
                NotPermitted,
                "the API key belongs to another environment",
                "The API key belongs to another environment."
            ),
            Self::RoleInsufficient(missing) => row!(
                reason(14, "ROLE_INSUFFICIENT"),
                NotPermitted,
                "the role of the API key's owner lacks {scopes}",
                "The role of the API key's owner lacks {scopes}.",
                Detail::Missing(missing.as_slice())
            ),
            Self::ScopeInsufficient(missing) => row!(
                reason(12, "SCOPE_INSUFFICIENT"),
                NotPermitted,
                "the API key lacks {scopes}",
                "The API key lacks {scopes}.",
                Detail::Missing(missing.as_slice())
            ),
            Self::ResourceNotGranted { scopes, named: true } => row!(
                RESOURCE_NOT_GRANTED,
                NotPermitted,
                "the API key has {scopes} for other resources only",
                "The API key has {scopes} for other resources only.",
                Detail::Bound(scopes.as_slice())
            ),
            Self::ResourceNotGranted { scopes, named: false } => row!(
                RESOURCE_NOT_GRANTED,
                NotPermitted,
                "the API key has {scopes} for certain resources only, and the request names none",
                "The API key has {scopes} for other resources only.",
                Detail::Bound(scopes.as_slice())
            ),
            Self::AddressNotAllowed(Some(address)) => row!(
                ADDRESS_NOT_ALLOWED,
                NotPermitted,
                "the API key may not be used from {address}",
                "The API key may not be used from this address.",
                Detail::Address(*address)
            ),
            Self::AddressNotAllowed(None) => row!(
                ADDRESS_NOT_ALLOWED,
                NotPermitted,
                "the API key is bound to source networks, and the request's address is not known",
                "The API key may not be used from this address."
            ),
            Self::BrowserNotAllowed => row!(
                reason(20, "BROWSER_NOT_ALLOWED"),
                NotPermitted,
                "a browser sent the API key, and keys of its environment are secret",
                "The API key is secret, and may not be used in browsers."
            ),
            Self::RouteNotFound => row!(
                reason(16, "ROUTE_NOT_FOUND"),
                NobodyPermitted,
                "nothing says what this request needs",
                "No API key gives access to this."
            ),
            Self::RateLimited(spent @ Spent { wait: Some(_), .. }) => row!(
                RATE_LIMITED,
                LimitSpent,
                "rate limit {limit} is spent; retry after {seconds} seconds",
                "Rate limit exceeded. Retry after {seconds} seconds.",
                Detail::Spent(spent)
            ),
            Self::RateLimited(spent) => row!(
                RATE_LIMITED,
                LimitSpent,
                "the request costs more than the rate limit {limit} admits",
                "Rate limit exceeded. The request costs more than the limit admits.",
                Detail::Spent(spent)
            ),
            Self::QuotaExceeded(spent @ Spent { wait: Some(_), .. }) => row!(
                QUOTA_EXCEEDED,
                LimitSpent,
                "quota {limit} is spent; retry after {seconds} seconds",
                "Quota exceeded. Retry after {seconds} seconds.",
                Detail::Spent(spent)
            ),
            Self::QuotaExceeded(spent) => row!(
                QUOTA_EXCEEDED,
                LimitSpent,
                "the request costs more than the quota {limit} admits",
                "Quota exceeded. The request costs more than the limit admits.",
                Detail::Spent(spent)
            ),
        }
    }

    /// Every denial, with these details: what a service makes of a number on the wire is among them.
    #[must_use]
    pub fn every(details: &DenialDetails<'_>) -> Vec<Self> {
        let DenialDetails { at, missing, bound, named, address, spent } = *details;
        vec![
            Self::CredentialsMissing,
            Self::CredentialsAmbiguous,
            Self::CredentialsMalformed,
            Self::CredentialsInUrl,
            Self::KeyUnknown,
            Self::KeyRevoked,
            Self::KeyExpired(at),
            Self::SecretEnded(at),
            Self::KeyDisabled,
            Self::WorkspaceSuspended,
            Self::WorkspaceClosed,
            Self::PlanDeniesKeys,
            Self::OwnerRemoved,
            Self::WorkspaceMismatch,
            Self::EnvironmentMismatch,
            Self::RoleInsufficient(missing.to_vec()),
            Self::ScopeInsufficient(missing.to_vec()),
            Self::ResourceNotGranted { scopes: bound.to_vec(), named },
            Self::AddressNotAllowed(address),
            Self::BrowserNotAllowed,
            Self::RouteNotFound,
            Self::RateLimited(spent.clone()),
            Self::QuotaExceeded(spent.clone()),
        ]
    }

    /// The denial for machines: the name of its `DenialReason` on the wire.
    #[must_use]
    pub const fn reason(&self) -> &'static str {
        self.facts().reason.name
    }

    /// The denial for people who may know all of it.
    #[must_use]
    pub fn message(&self) -> Cow<'static, str> {
        let (facts, detail) = self.row();
        detail.fill(facts.exact, join)
    }

    /// What the sender of the request is told, with scopes in these words.
    #[must_use]
    pub fn told(&self, scopes: impl Fn(&[String]) -> String) -> Cow<'static, str> {
        let (facts, detail) = self.row();
        detail.fill(facts.told, |named, text| text.push_str(&scopes(named)))
    }

    /// The scopes that are missing altogether.
    #[must_use]
    pub const fn missing_scopes(&self) -> &[String] {
        match self.row().1 {
            Detail::Missing(scopes) => scopes,
            Detail::Nothing | Detail::At(_) | Detail::Bound(_) | Detail::Address(_) | Detail::Spent(_) => &[],
        }
    }

    /// The scopes that the key lacks, altogether or for the resource.
    #[must_use]
    pub const fn lacking_scopes(&self) -> &[String] {
        match self.row().1 {
            Detail::Missing(scopes) | Detail::Bound(scopes) => scopes,
            Detail::Nothing | Detail::At(_) | Detail::Address(_) | Detail::Spent(_) => &[],
        }
    }

    /// The limit that is spent.
    #[must_use]
    pub const fn spent(&self) -> Option<&Spent> {
        match self.row().1 {
            Detail::Spent(spent) => Some(spent),
            Detail::Nothing | Detail::At(_) | Detail::Missing(_) | Detail::Bound(_) | Detail::Address(_) => {
                None
            }
        }
    }

    /// Whether the key itself is in order, so that the answer may say what is left of its limits (H4).
    #[must_use]
    pub const fn is_of_a_valid_key(&self) -> bool {
        match self.facts().kind {
            DenialKind::NotPermitted | DenialKind::LimitSpent => true,
            DenialKind::CredentialMissing
            | DenialKind::CredentialMisplaced
            | DenialKind::CredentialInvalid
            | DenialKind::NobodyPermitted => false,
        }
    }
}

impl From<NotAKey> for Denial {
    fn from(why: NotAKey) -> Self {
        match why {
            NotAKey::Missing => Self::CredentialsMissing,
            NotAKey::Malformed => Self::CredentialsMalformed,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn every_denial_is_told_in_whole_sentences_and_bad_credentials_all_alike() {
        // X7
        for wait in [None, Some(Duration::from_secs(7))] {
            let spent = Spent { limit: "default/hour".into(), admits: 10, wait };
            let details = DenialDetails {
                at: Timestamp::EPOCH,
                missing: &["a:b".to_owned(), "c:d".to_owned()],
                bound: &["e:f".to_owned()],
                named: wait.is_some(),
                address: wait.map(|_| [192, 0, 2, 1].into()),
                spent: &spent,
            };
            for denial in Denial::every(&details) {
                let facts = denial.facts();
                let (exact, told) = (denial.message(), denial.told(|scopes| scopes.join(", ")));
                assert!(!exact.contains(['{', '}']) && !exact.ends_with('.'), "{exact}");
                assert!(!told.contains(['{', '}']) && told.ends_with('.'), "{told}");
                let is_invalid = facts.kind == DenialKind::CredentialInvalid;
                assert_eq!(facts.told_reason() == "CREDENTIALS_INVALID", is_invalid, "{exact}");
                assert_eq!(told == "The API key is not valid.", is_invalid, "{exact}");
                assert_eq!(denial.spent().is_some(), facts.kind == DenialKind::LimitSpent, "{exact}");
            }
        }
    }
}
