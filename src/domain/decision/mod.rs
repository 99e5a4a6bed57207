//! The decision: may the holder of this key do this, now? A pure function of the key, the question and the time.
//!
//! An allow can be made in this file only.

mod denial;
mod facts;
mod requirement;

pub use self::{
    denial::Denial,
    facts::{DenialDetails, DenialFacts, DenialKind, DenialReason, Spent},
    requirement::{MAX_COST, MAX_SCOPES, Requirement},
};

use super::{
    environment::BrowserRule,
    grant::Coverage,
    key::{KeyView, Standing},
    member::Surroundings,
    policy::{Policy, TierSet},
    rights::Rights,
    scope::Scope,
    time::Timestamp,
    workspace::WorkspaceState,
};

/// The key in question, and the secret that proved it.
#[derive(Debug, Clone, Copy)]
pub struct Holder<'a> {
    /// The key.
    pub key: &'a KeyView<'a>,
    /// What its grants permit under the policy in force.
    pub rights: &'a Rights,
    /// What surrounds it.
    pub surroundings: Surroundings,
    /// The tier of Checks that need no scope.
    pub default_tier: TierSet,
    /// What proves it.
    pub proof: Proof,
    /// What becomes of the key when a browser sends it.
    pub browsers: BrowserRule,
}

/// What proves a key to be the holder's.
#[derive(Debug, Clone, Copy)]
pub enum Proof {
    /// The secret of this generation was presented; with its end if it was replaced.
    Secret(u32, Option<Timestamp>),
    /// None is needed: an operator asks by id.
    AskedById,
    /// The presented secret is not one of the key's.
    Missing,
}

/// The answer to a Check.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub enum Decision {
    /// Nothing speaks against it.
    Allow(Cleared),
    /// Something does.
    Deny(Denial),
}

/// Proof that [`judge`] found nothing that speaks against a request, but that its limits were not looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cleared {
    tiers: TierSet,
}

impl Cleared {
    /// The tiers whose limits are to be charged; never empty.
    #[must_use]
    pub const fn tiers(self) -> TierSet {
        self.tiers
    }
}

/// One condition: what fails, if anything does.
type Condition = fn(Holder<'_>, &Requirement<'_>, Timestamp) -> Option<Denial>;

/// The conditions, in the order in which the first that fails names the denial, each in the words of docs/wire.md.
const CONDITIONS: [Condition; 12] = [
    standing,    // the key's state
    secret,      // the grace of the secret
    suspended,   // whether its workspace is active
    plan,        // whether its plan has keys
    owner,       // whether its owner is a member
    workspace,   // `workspace_id`
    environment, // `environment`
    role,        // the owner's role
    scopes,      // scopes
    resources,   // resources
    address,     // source address
    browser,     // whether a browser may send it
];

/// Judges a request. Nothing is charged and nothing is looked up here.
pub fn judge(holder: Holder<'_>, requirement: &Requirement<'_>, now: Timestamp) -> Decision {
    let failure = CONDITIONS.iter().find_map(|condition| condition(holder, requirement, now));
    failure.map_or_else(|| Decision::Allow(Cleared { tiers: tiers(holder, requirement) }), Decision::Deny)
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
        Coverage::Granted(tier) => Some(tier),
        Coverage::OtherResources | Coverage::Missing => None,
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
    match holder.proof {
        Proof::Secret(_, end) => end.filter(|end| now >= *end).map(Denial::SecretEnded),
        Proof::AskedById => None,
        Proof::Missing => Some(Denial::KeyUnknown),
    }
}

fn suspended(holder: Holder<'_>, _: &Requirement<'_>, _: Timestamp) -> Option<Denial> {
    match holder.surroundings.workspace {
        WorkspaceState::Active => None,
        WorkspaceState::Suspended => Some(Denial::WorkspaceSuspended),
        WorkspaceState::Closed => Some(Denial::WorkspaceClosed),
    }
}

fn plan(holder: Holder<'_>, _: &Requirement<'_>, _: Timestamp) -> Option<Denial> {
    holder.surroundings.plan_denies.then_some(Denial::PlanDeniesKeys)
}

fn owner(holder: Holder<'_>, _: &Requirement<'_>, _: Timestamp) -> Option<Denial> {
    holder.surroundings.owner_removed.then_some(Denial::OwnerRemoved)
}

fn workspace(holder: Holder<'_>, requirement: &Requirement<'_>, _: Timestamp) -> Option<Denial> {
    let asked = requirement.workspace?;
    (asked != holder.key.workspace).then_some(Denial::WorkspaceMismatch)
}

fn environment(holder: Holder<'_>, requirement: &Requirement<'_>, _: Timestamp) -> Option<Denial> {
    let asked = requirement.environment?;
    (asked != holder.key.environment.as_str()).then_some(Denial::EnvironmentMismatch)
}

fn role(holder: Holder<'_>, requirement: &Requirement<'_>, _: Timestamp) -> Option<Denial> {
    if !holder.rights.is_narrowed() {
        return None;
    }
    let missing = lacking(holder, requirement, |verdict| verdict == Coverage::Missing);
    let missing = names(missing.filter(|scope| holder.rights.withholds(*scope)));
    (!missing.is_empty()).then_some(Denial::RoleInsufficient(missing))
}

fn scopes(holder: Holder<'_>, requirement: &Requirement<'_>, _: Timestamp) -> Option<Denial> {
    let missing = lacking(holder, requirement, |verdict| verdict == Coverage::Missing);
    let missing = names(missing.filter(|scope| !holder.rights.withholds(*scope)));
    (!missing.is_empty()).then_some(Denial::ScopeInsufficient(missing))
}

fn resources(holder: Holder<'_>, requirement: &Requirement<'_>, _: Timestamp) -> Option<Denial> {
    let scopes = names(lacking(holder, requirement, |verdict| verdict == Coverage::OtherResources));
    let named = requirement.resource.is_some();
    (!scopes.is_empty()).then_some(Denial::ResourceNotGranted { scopes, named })
}

/// The scopes that fail in the way that `fails` picks: each required one by itself, and the members of each group of
/// which none is granted. A group with a member that is granted for other resources fails for its resource, and
/// is not missing.
fn lacking<'a>(
    holder: Holder<'a>,
    requirement: &'a Requirement<'a>,
    fails: fn(Coverage) -> bool,
) -> impl Iterator<Item = Scope<'a>> {
    let verdict = move |scope: &Scope<'_>| holder.rights.verdict(*scope, requirement.resource);
    let best = move |group: &Vec<Scope<'_>>| {
        group.iter().map(verdict).fold(Coverage::Missing, |best, next| match (best, next) {
            (granted @ Coverage::Granted(_), _) | (_, granted @ Coverage::Granted(_)) => granted,
            (Coverage::OtherResources, _) | (_, Coverage::OtherResources) => Coverage::OtherResources,
            (Coverage::Missing, Coverage::Missing) => Coverage::Missing,
        })
    };
    let alone = requirement.scopes.iter().filter(move |scope| fails(verdict(scope)));
    let groups = requirement.any_scopes.iter().filter(move |group| fails(best(group)));
    let members = groups.flat_map(move |group| group.iter().filter(move |scope| fails(verdict(scope))));
    alone.chain(members).copied()
}

fn names<'a>(scopes: impl Iterator<Item = Scope<'a>>) -> Vec<String> {
    scopes.map(|scope| scope.as_str().to_owned()).collect()
}

fn address(holder: Holder<'_>, requirement: &Requirement<'_>, _: Timestamp) -> Option<Denial> {
    let allowed = holder.key.networks.permit(requirement.address);
    (!allowed).then_some(Denial::AddressNotAllowed(requirement.address))
}

fn browser(holder: Holder<'_>, requirement: &Requirement<'_>, _: Timestamp) -> Option<Denial> {
    let denied = requirement.from_browser && holder.browsers == BrowserRule::Deny;
    denied.then_some(Denial::BrowserNotAllowed)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::domain::{
        grant::{Grant, Grants},
        key::{
            Key,
            tests::{at, key},
        },
        network::{AllowedNetworks, parse_network},
        resource::{Resource, ResourcePattern},
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
            key: &key.view(),
            rights: &rights,
            surroundings: Surroundings::default(),
            default_tier: policy.default_tier(),
            proof: Proof::Secret(1, None),
            browsers: BrowserRule::Deny,
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
        let requirement =
            Requirement { environment: Some("test"), from_browser: true, ..need(&["a:b"], None) };
        assert_eq!(ask(&key, &requirement), Err(Denial::KeyExpired(at(1_000))));
        let rights = Rights::new(&key.grants, &Policy::default_document().unwrap());
        let proof = Proof::Secret(1, Some(at(1_000)));
        let default_tier = TierSet::only(0);
        let surroundings =
            Surroundings { workspace: WorkspaceState::Closed, plan_denies: true, owner_removed: true };
        let browsers = BrowserRule::Deny;
        let holder =
            Holder { key: &key.view(), rights: &rights, surroundings, default_tier, proof, browsers };
        assert_eq!(
            failures(holder, &requirement, at(1_000)),
            [
                Denial::KeyExpired(at(1_000)),
                Denial::SecretEnded(at(1_000)),
                Denial::WorkspaceClosed,
                Denial::PlanDeniesKeys,
                Denial::OwnerRemoved,
                Denial::EnvironmentMismatch,
                Denial::ScopeInsufficient(vec!["a:b".to_owned()]),
                Denial::AddressNotAllowed(None),
                Denial::BrowserNotAllowed,
            ]
        );
        let unproven = Holder { proof: Proof::Missing, ..holder };
        assert!(failures(unproven, &Requirement::default(), at(0)).contains(&Denial::KeyUnknown));
        let early = failures(holder, &requirement, at(999));
        assert!(!early.contains(&Denial::SecretEnded(at(1_000))), "the last millisecond is within the grace");
    }
}
