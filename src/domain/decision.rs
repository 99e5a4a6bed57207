//! The decision: may the holder of this key do this, now? A pure function of the key, the question and the time.
//!
//! An allow can be made in this file only.

use std::{borrow::Cow, net::IpAddr, time::Duration};

use super::{
    credentials::Secret,
    grant::Verdict,
    id::WorkspaceId,
    key::{Key, Standing},
    policy::{Policy, TierSet},
    resource::Resource,
    rights::Rights,
    scope::Scope,
    secret::NotAKey,
    time::Timestamp,
};

/// The most scopes that one request may need, and that one group of them may hold.
pub const MAX_SCOPES: usize = 64;
/// The most that one request may cost.
pub const MAX_COST: u64 = 1_000_000_000_000;

/// What a request needs.
#[derive(Debug, Clone, Default)]
pub struct Requirement<'a> {
    /// All of these scopes.
    pub scopes: Vec<Scope<'a>>,
    /// One scope of each group.
    pub any_scopes: Vec<Vec<Scope<'a>>>,
    /// On this resource.
    pub resource: Option<Resource<'a>>,
    /// A key of this workspace.
    pub workspace: Option<WorkspaceId>,
    /// A key of this environment.
    pub environment: Option<&'a str>,
    /// Units to charge to its limits; `None` is 1.
    pub cost: Option<u64>,
    /// From this address.
    pub address: Option<IpAddr>,
}

/// The key in question, and the secret that proved it.
#[derive(Debug, Clone, Copy)]
pub struct Holder<'a> {
    /// The key.
    pub key: &'a Key,
    /// What its grants come to under the policy in force.
    pub rights: &'a Rights,
    /// The tier of Checks that need no scope.
    pub default_tier: TierSet,
    /// The secret presented, with its end if it was replaced; `None` where an operator asks by id.
    pub secret: Option<(&'a Secret, Option<Timestamp>)>,
}

/// The answer to a Check.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub enum Decision {
    /// Nothing speaks against it.
    Allow(Permit),
    /// Something does.
    Deny(Denial),
}

/// Proof that [`judge`] found nothing that speaks against a request, but that its limits were not looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Permit {
    tiers: TierSet,
}

impl Permit {
    /// The tiers whose limits are to be charged; never empty.
    #[must_use]
    pub const fn tiers(self) -> TierSet {
        self.tiers
    }
}

/// One condition that failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Denial {
    /// No credential was presented.
    CredentialsMissing,
    /// More than one credential was presented, or one that a proxy may have joined of several.
    CredentialsAmbiguous,
    /// What was presented cannot be a key.
    CredentialsMalformed,
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
    /// The key belongs to another workspace.
    WorkspaceMismatch,
    /// The key belongs to another environment.
    EnvironmentMismatch,
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
            Self::KeyUnknown => "KEY_UNKNOWN",
            Self::KeyRevoked => "KEY_REVOKED",
            Self::KeyExpired(_) | Self::SecretEnded(_) => "KEY_EXPIRED",
            Self::KeyDisabled => "KEY_DISABLED",
            Self::WorkspaceMismatch => "WORKSPACE_MISMATCH",
            Self::EnvironmentMismatch => "ENVIRONMENT_MISMATCH",
            Self::ScopeInsufficient(_) => "SCOPE_INSUFFICIENT",
            Self::ResourceNotGranted { .. } => "RESOURCE_NOT_GRANTED",
            Self::AddressNotAllowed(_) => "ADDRESS_NOT_ALLOWED",
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
            Self::KeyUnknown => "there is no such API key".into(),
            Self::KeyRevoked => "the API key was revoked".into(),
            Self::KeyExpired(at) => format!("the API key expired at {at}").into(),
            Self::SecretEnded(at) => {
                format!("this secret was replaced by a rotation, and its grace ended at {at}").into()
            }
            Self::KeyDisabled => "the API key is disabled".into(),
            Self::WorkspaceMismatch => "the API key belongs to another workspace".into(),
            Self::EnvironmentMismatch => "the API key belongs to another environment".into(),
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
            Self::RouteNotFound => "nothing says what this request needs".into(),
            Self::RateLimited(spent) => spent.message("rate limit").into(),
            Self::QuotaExceeded(spent) => spent.message("quota").into(),
        }
    }

    /// The scopes that are missing altogether.
    #[must_use]
    pub fn missing_scopes(&self) -> &[String] {
        match self {
            Self::ScopeInsufficient(missing) => missing,
            Self::CredentialsMissing
            | Self::CredentialsAmbiguous
            | Self::CredentialsMalformed
            | Self::KeyUnknown
            | Self::KeyRevoked
            | Self::KeyExpired(_)
            | Self::SecretEnded(_)
            | Self::KeyDisabled
            | Self::WorkspaceMismatch
            | Self::EnvironmentMismatch
            | Self::ResourceNotGranted { .. }
            | Self::AddressNotAllowed(_)
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
            | Self::KeyUnknown
            | Self::KeyRevoked
            | Self::KeyExpired(_)
            | Self::SecretEnded(_)
            | Self::KeyDisabled
            | Self::WorkspaceMismatch
            | Self::EnvironmentMismatch
            | Self::ScopeInsufficient(_)
            | Self::ResourceNotGranted { .. }
            | Self::AddressNotAllowed(_)
            | Self::RouteNotFound => None,
        }
    }

    /// Whether the key itself is in order, so that what is left of its limits may be told (H4).
    #[must_use]
    pub const fn is_of_a_valid_key(&self) -> bool {
        match self {
            Self::WorkspaceMismatch
            | Self::EnvironmentMismatch
            | Self::ScopeInsufficient(_)
            | Self::ResourceNotGranted { .. }
            | Self::AddressNotAllowed(_)
            | Self::RateLimited(_)
            | Self::QuotaExceeded(_) => true,
            Self::CredentialsMissing
            | Self::CredentialsAmbiguous
            | Self::CredentialsMalformed
            | Self::KeyUnknown
            | Self::KeyRevoked
            | Self::KeyExpired(_)
            | Self::SecretEnded(_)
            | Self::KeyDisabled
            | Self::RouteNotFound => false,
        }
    }
}

/// One condition: what fails, if anything does.
type Condition = fn(Holder<'_>, &Requirement<'_>, Timestamp) -> Option<Denial>;

/// The conditions, in the order in which the first that fails names the denial.
const CONDITIONS: [Condition; 7] = [standing, secret, workspace, environment, scopes, resources, address];

/// Judges a request. Nothing is charged and nothing is looked up here.
pub fn judge(holder: Holder<'_>, requirement: &Requirement<'_>, now: Timestamp) -> Decision {
    let failure = CONDITIONS.iter().find_map(|condition| condition(holder, requirement, now));
    failure.map_or_else(|| Decision::Allow(Permit { tiers: tiers(holder, requirement) }), Decision::Deny)
}

/// The tiers that a request would be charged to if the key had every scope.
#[must_use]
pub fn tiers_asked(policy: &Policy, requirement: &Requirement<'_>) -> TierSet {
    let tier = |scope: &Scope<'_>| policy.declared(*scope).map(|declared| TierSet::only(declared.tier));
    let alone = requirement.scopes.iter().filter_map(tier);
    let groups = requirement.any_scopes.iter().filter_map(|group| group.iter().find_map(tier));
    let asked = alone.chain(groups).fold(TierSet::default(), TierSet::and);
    if asked.is_empty() { policy.default_tier() } else { asked }
}

/// The tiers that a request is charged to: of each scope that it needs, of each group that of the first scope that is
/// granted, and where it needs none the default one.
fn tiers(holder: Holder<'_>, requirement: &Requirement<'_>) -> TierSet {
    let tier = |scope: &Scope<'_>| match holder.rights.verdict(*scope, requirement.resource) {
        Verdict::Granted(tier) => Some(tier),
        Verdict::OtherResources | Verdict::Missing => None,
    };
    let alone = requirement.scopes.iter().filter_map(tier);
    let groups = requirement.any_scopes.iter().filter_map(|group| group.iter().find_map(tier));
    let needed = alone.chain(groups).fold(TierSet::default(), TierSet::and);
    if needed.is_empty() { holder.default_tier } else { needed }
}

/// Every condition that fails, in order: what explain tells.
#[must_use]
pub fn failures(holder: Holder<'_>, requirement: &Requirement<'_>, now: Timestamp) -> Vec<Denial> {
    CONDITIONS.iter().filter_map(|condition| condition(holder, requirement, now)).collect()
}

fn standing(holder: Holder<'_>, _: &Requirement<'_>, now: Timestamp) -> Option<Denial> {
    match holder.key.standing(now) {
        Standing::Active => None,
        Standing::Disabled => Some(Denial::KeyDisabled),
        Standing::Revoked => Some(Denial::KeyRevoked),
        Standing::Expired => Some(Denial::KeyExpired(holder.key.expires.unwrap_or(now))),
    }
}

fn secret(holder: Holder<'_>, _: &Requirement<'_>, now: Timestamp) -> Option<Denial> {
    let (_, end) = holder.secret?;
    end.filter(|end| now >= *end).map(Denial::SecretEnded)
}

fn workspace(holder: Holder<'_>, requirement: &Requirement<'_>, _: Timestamp) -> Option<Denial> {
    let asked = requirement.workspace?;
    (asked != holder.key.workspace).then_some(Denial::WorkspaceMismatch)
}

fn environment(holder: Holder<'_>, requirement: &Requirement<'_>, _: Timestamp) -> Option<Denial> {
    let asked = requirement.environment?;
    (asked != holder.key.environment.as_str()).then_some(Denial::EnvironmentMismatch)
}

fn scopes(holder: Holder<'_>, requirement: &Requirement<'_>, _: Timestamp) -> Option<Denial> {
    let missing = lacking(holder, requirement, |verdict| verdict == Verdict::Missing);
    (!missing.is_empty()).then_some(Denial::ScopeInsufficient(missing))
}

fn resources(holder: Holder<'_>, requirement: &Requirement<'_>, _: Timestamp) -> Option<Denial> {
    let scopes = lacking(holder, requirement, |verdict| verdict == Verdict::OtherResources);
    let named = requirement.resource.is_some();
    (!scopes.is_empty()).then_some(Denial::ResourceNotGranted { scopes, named })
}

/// The scopes that fail in the way that `fails` picks: each required one by itself, and the members of each group of
/// which none is granted. A group with a member that is granted for other resources fails for its resource, and
/// is not missing.
fn lacking(holder: Holder<'_>, requirement: &Requirement<'_>, fails: fn(Verdict) -> bool) -> Vec<String> {
    let verdict = |scope: &Scope<'_>| holder.rights.verdict(*scope, requirement.resource);
    let best = |group: &Vec<Scope<'_>>| {
        group.iter().map(verdict).fold(Verdict::Missing, |best, next| match (best, next) {
            (granted @ Verdict::Granted(_), _) | (_, granted @ Verdict::Granted(_)) => granted,
            (Verdict::OtherResources, _) | (_, Verdict::OtherResources) => Verdict::OtherResources,
            (Verdict::Missing, Verdict::Missing) => Verdict::Missing,
        })
    };
    let alone = requirement.scopes.iter().filter(|scope| fails(verdict(scope)));
    let groups = requirement.any_scopes.iter().filter(|group| fails(best(group)));
    let members = groups.flat_map(|group| group.iter().filter(|scope| fails(verdict(scope))));
    alone.chain(members).map(|scope| scope.as_str().to_owned()).collect()
}

fn address(holder: Holder<'_>, requirement: &Requirement<'_>, _: Timestamp) -> Option<Denial> {
    let allowed = holder.key.networks.permit(requirement.address);
    (!allowed).then_some(Denial::AddressNotAllowed(requirement.address))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::domain::{
        grant::{Grant, Grants},
        key::tests::{at, key},
        network::{AllowedNetworks, parse_network},
        resource::ResourcePattern,
        scope::ScopePattern,
    };

    fn holder_key() -> Key {
        let scope = |text| ScopePattern::parse(text).unwrap();
        let space = ResourcePattern::parse("space/a").unwrap();
        let grants = Grants::new(vec![
            Grant::unbound(scope("messaging:send")),
            Grant::bound(scope("storage:upload"), vec![space]).unwrap(),
        ]);
        Key { grants: Arc::new(grants.unwrap()), ..key().unwrap() }
    }

    fn need<'a>(scopes: &[&'a str], resource: Option<&'a str>) -> Requirement<'a> {
        Requirement {
            scopes: scopes.iter().map(|text| Scope::parse(text).unwrap()).collect(),
            resource: resource.map(|text| Resource::parse(text).unwrap()),
            ..Requirement::default()
        }
    }

    fn ask(key: &Key, requirement: &Requirement<'_>) -> Result<(), Denial> {
        let policy = Policy::default_document().unwrap();
        let rights = Rights::new(&key.grants, &policy);
        let holder = Holder {
            key,
            rights: &rights,
            default_tier: policy.default_tier(),
            secret: Some((&key.credentials.current, None)),
        };
        match judge(holder, requirement, at(1_000)) {
            Decision::Allow(_) => Ok(()),
            Decision::Deny(denial) => Err(denial),
        }
    }

    #[test]
    fn a_key_may_do_what_its_scopes_say_and_no_more() {
        // S1, S3, S7
        let key = holder_key();
        let missing = |scopes: &[&str]| {
            Err(Denial::ScopeInsufficient(scopes.iter().map(|scope| (*scope).to_owned()).collect()))
        };
        let unbound =
            |named| Err(Denial::ResourceNotGranted { scopes: vec!["storage:upload".to_owned()], named });
        assert_eq!(ask(&key, &need(&[], None)), Ok(()));
        assert_eq!(ask(&key, &need(&["messaging:send"], None)), Ok(()));
        assert_eq!(ask(&key, &need(&["messaging:send", "a:b", "c:d"], None)), missing(&["a:b", "c:d"]));
        assert_eq!(ask(&key, &need(&["storage:upload", "messaging:send"], Some("space/a"))), Ok(()));
        assert_eq!(ask(&key, &need(&["storage:upload"], Some("space/b"))), unbound(true));
        assert_eq!(ask(&key, &need(&["storage:upload"], None)), unbound(false));
    }

    #[test]
    fn one_scope_of_each_group_is_enough() {
        // S7
        let key = holder_key();
        let groups = |groups: &[&[&'static str]], resource: Option<&'static str>| Requirement {
            any_scopes: groups
                .iter()
                .map(|group| group.iter().map(|text| Scope::parse(text).unwrap()).collect())
                .collect(),
            resource: resource.map(|text| Resource::parse(text).unwrap()),
            ..Requirement::default()
        };
        assert_eq!(ask(&key, &groups(&[&["a:b", "messaging:send"]], None)), Ok(()));
        let both = ask(&key, &groups(&[&["a:b", "messaging:send"], &["c:d", "e:f"]], None));
        assert_eq!(both, Err(Denial::ScopeInsufficient(vec!["c:d".to_owned(), "e:f".to_owned()])));
        let bound = ask(&key, &groups(&[&["a:b", "storage:upload"]], Some("space/b")));
        let expected = Denial::ResourceNotGranted { scopes: vec!["storage:upload".to_owned()], named: true };
        assert_eq!(bound, Err(expected));
    }

    #[test]
    fn the_first_condition_names_the_denial_and_explain_names_all() {
        let networks = AllowedNetworks::new(vec![parse_network("10.0.0.0/8").unwrap()]).unwrap();
        let key = Key { expires: Some(at(1_000)), networks: Arc::new(networks), ..holder_key() };
        let requirement = Requirement { environment: Some("test"), ..need(&["a:b"], None) };
        assert_eq!(ask(&key, &requirement), Err(Denial::KeyExpired(at(1_000))));
        let rights = Rights::new(&key.grants, &Policy::default_document().unwrap());
        let secret = Some((&key.credentials.current, Some(at(1_000))));
        let holder = Holder { key: &key, rights: &rights, default_tier: TierSet::only(0), secret };
        assert_eq!(
            failures(holder, &requirement, at(1_000)),
            [
                Denial::KeyExpired(at(1_000)),
                Denial::SecretEnded(at(1_000)),
                Denial::EnvironmentMismatch,
                Denial::ScopeInsufficient(vec!["a:b".to_owned()]),
                Denial::AddressNotAllowed(None),
            ]
        );
        let early = failures(holder, &requirement, at(999));
        assert!(!early.contains(&Denial::SecretEnded(at(1_000))), "the last millisecond is within the grace");
    }
}
