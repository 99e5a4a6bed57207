//! Why a request is denied.

use std::{borrow::Cow, net::IpAddr, time::Duration};

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
    /// The key may not be used from there, or nobody knows from where it is used.
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

/// A limit that does not allow a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spent {
    /// Its tier and name, for example `default/hour`.
    pub limit: Box<str>,
    /// Units that it admits in a window.
    pub admits: u64,
    /// How long until the request passes it, if nobody else uses it; `None` where it never does, because the request costs
    /// more than the limit admits.
    pub wait: Option<Duration>,
}

impl Spent {
    /// The same in whole seconds, rounded up, at least one (L9).
    #[must_use]
    pub fn retry_after(&self) -> Option<u64> {
        self.wait.map(|wait| wait.as_secs().saturating_add(u64::from(wait.subsec_nanos() > 0)).max(1))
    }

    fn message(&self, what: &str) -> String {
        let Self { limit, admits, .. } = self;
        match self.retry_after() {
            Some(seconds) => format!("{what} {limit} of {admits} is spent; retry after {seconds} seconds"),
            None => format!("the request costs more than the {what} {limit} of {admits} admits"),
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

impl Denial {
    /// The denial for machines: the name of its `DenialReason` on the wire.
    #[must_use]
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::CredentialsMissing => "CREDENTIALS_MISSING",
            Self::CredentialsAmbiguous => "CREDENTIALS_AMBIGUOUS",
            Self::CredentialsMalformed => "CREDENTIALS_MALFORMED",
            Self::CredentialsInUrl => "CREDENTIALS_IN_URL",
            Self::KeyUnknown => "KEY_UNKNOWN",
            Self::KeyRevoked => "KEY_REVOKED",
            Self::KeyExpired(_) | Self::SecretEnded(_) => "KEY_EXPIRED",
            Self::KeyDisabled => "KEY_DISABLED",
            Self::WorkspaceSuspended | Self::WorkspaceClosed | Self::PlanDeniesKeys => "WORKSPACE_SUSPENDED",
            Self::OwnerRemoved => "OWNER_REMOVED",
            Self::WorkspaceMismatch => "WORKSPACE_MISMATCH",
            Self::EnvironmentMismatch => "ENVIRONMENT_MISMATCH",
            Self::RoleInsufficient(_) => "ROLE_INSUFFICIENT",
            Self::ScopeInsufficient(_) => "SCOPE_INSUFFICIENT",
            Self::ResourceNotGranted { .. } => "RESOURCE_NOT_GRANTED",
            Self::AddressNotAllowed(_) => "ADDRESS_NOT_ALLOWED",
            Self::BrowserNotAllowed => "BROWSER_NOT_ALLOWED",
            Self::RouteNotFound => "ROUTE_NOT_FOUND",
            Self::RateLimited(_) => "RATE_LIMITED",
            Self::QuotaExceeded(_) => "QUOTA_EXCEEDED",
        }
    }

    /// The denial for people.
    #[must_use]
    pub fn message(&self) -> Cow<'static, str> {
        match self {
            Self::CredentialsMissing => "no API key was presented".into(),
            Self::CredentialsAmbiguous => "more than one API key was presented".into(),
            Self::CredentialsMalformed => {
                "what was presented is not an API key: its length, alphabet or checksum is wrong".into()
            }
            Self::CredentialsInUrl => "an API key stands in the URL, where logs and histories keep it".into(),
            Self::KeyUnknown => "there is no such API key".into(),
            Self::KeyRevoked => "the API key was revoked".into(),
            Self::KeyExpired(at) => format!("the API key expired at {at}").into(),
            Self::SecretEnded(at) => {
                format!("this secret was replaced by a rotation, and its grace ended at {at}").into()
            }
            Self::KeyDisabled => "the API key is disabled".into(),
            Self::WorkspaceSuspended => "the workspace of the API key is suspended".into(),
            Self::WorkspaceClosed => "the workspace of the API key is closed".into(),
            Self::PlanDeniesKeys => "the API key's workspace is on a plan without keys".into(),
            Self::OwnerRemoved => "the owner of the API key is no member of its workspace".into(),
            Self::WorkspaceMismatch => "the API key belongs to another workspace".into(),
            Self::EnvironmentMismatch => "the API key belongs to another environment".into(),
            Self::RoleInsufficient(missing) => {
                format!("the role of the API key's owner lacks {}", missing.join(", ")).into()
            }
            Self::ScopeInsufficient(missing) => format!("the API key lacks {}", missing.join(", ")).into(),
            Self::ResourceNotGranted { scopes, named: true } => {
                format!("the API key has {} for other resources only", scopes.join(", ")).into()
            }
            Self::ResourceNotGranted { scopes, named: false } => format!(
                "the API key has {} for certain resources only, and the request names none",
                scopes.join(", ")
            )
            .into(),
            Self::AddressNotAllowed(Some(address)) => {
                format!("the API key may not be used from {address}").into()
            }
            Self::AddressNotAllowed(None) => {
                "the API key is bound to source networks, and the request's address is not known".into()
            }
            Self::BrowserNotAllowed => {
                "a browser sent the API key, and keys of its environment are secret".into()
            }
            Self::RouteNotFound => "nothing says what this request needs".into(),
            Self::RateLimited(spent) => spent.message("rate limit").into(),
            Self::QuotaExceeded(spent) => spent.message("quota").into(),
        }
    }

    /// The scopes that are missing altogether.
    #[must_use]
    pub fn missing_scopes(&self) -> &[String] {
        if let Self::ResourceNotGranted { .. } = self { &[] } else { self.lacking_scopes() }
    }

    /// The scopes that the key lacks, altogether or for the resource.
    #[must_use]
    pub fn lacking_scopes(&self) -> &[String] {
        match self {
            Self::ScopeInsufficient(scopes)
            | Self::RoleInsufficient(scopes)
            | Self::ResourceNotGranted { scopes, .. } => scopes,
            Self::CredentialsMissing
            | Self::CredentialsAmbiguous
            | Self::CredentialsMalformed
            | Self::CredentialsInUrl
            | Self::KeyUnknown
            | Self::KeyRevoked
            | Self::KeyExpired(_)
            | Self::SecretEnded(_)
            | Self::KeyDisabled
            | Self::WorkspaceSuspended
            | Self::WorkspaceClosed
            | Self::PlanDeniesKeys
            | Self::OwnerRemoved
            | Self::WorkspaceMismatch
            | Self::EnvironmentMismatch
            | Self::AddressNotAllowed(_)
            | Self::BrowserNotAllowed
            | Self::RouteNotFound
            | Self::RateLimited(_)
            | Self::QuotaExceeded(_) => &[],
        }
    }

    /// The limit that is spent.
    #[must_use]
    pub const fn spent(&self) -> Option<&Spent> {
        match self {
            Self::RateLimited(spent) | Self::QuotaExceeded(spent) => Some(spent),
            Self::CredentialsMissing
            | Self::CredentialsAmbiguous
            | Self::CredentialsMalformed
            | Self::CredentialsInUrl
            | Self::KeyUnknown
            | Self::KeyRevoked
            | Self::KeyExpired(_)
            | Self::SecretEnded(_)
            | Self::KeyDisabled
            | Self::WorkspaceSuspended
            | Self::WorkspaceClosed
            | Self::PlanDeniesKeys
            | Self::OwnerRemoved
            | Self::WorkspaceMismatch
            | Self::EnvironmentMismatch
            | Self::RoleInsufficient(_)
            | Self::ScopeInsufficient(_)
            | Self::ResourceNotGranted { .. }
            | Self::AddressNotAllowed(_)
            | Self::BrowserNotAllowed
            | Self::RouteNotFound => None,
        }
    }

    /// Whether the key itself is in order, so that what is left of its limits may be told (H4).
    #[must_use]
    pub const fn is_of_a_valid_key(&self) -> bool {
        match self {
            Self::WorkspaceSuspended
            | Self::WorkspaceClosed
            | Self::PlanDeniesKeys
            | Self::WorkspaceMismatch
            | Self::EnvironmentMismatch
            | Self::RoleInsufficient(_)
            | Self::ScopeInsufficient(_)
            | Self::ResourceNotGranted { .. }
            | Self::AddressNotAllowed(_)
            | Self::BrowserNotAllowed
            | Self::RateLimited(_)
            | Self::QuotaExceeded(_) => true,
            Self::CredentialsMissing
            | Self::CredentialsAmbiguous
            | Self::CredentialsMalformed
            | Self::CredentialsInUrl
            | Self::KeyUnknown
            | Self::KeyRevoked
            | Self::KeyExpired(_)
            | Self::SecretEnded(_)
            | Self::KeyDisabled
            | Self::OwnerRemoved
            | Self::RouteNotFound => false,
        }
    }
}
