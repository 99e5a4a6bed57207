//! What Keyward promises about keys, as little as possible and from the documents alone: nothing of `keyward` is
//! called here but the words of the wire.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
};

use keyward::wire::v1::{AuditAction, DenialReason};

use crate::command::{Act, Ask, Bound, Change, Expiry, New, ROLES, Wish};

const DAY: i64 = 86_400_000;
/// Possession of what is good for nothing can be tried ten times at once, then once a second.
const TOKENS_MS: i64 = 10_000;

/// A scope, for some resources or (`None`) for all.
type Grant = (&'static str, Option<BTreeSet<&'static str>>);

pub(crate) struct Model {
    pub(crate) now: i64,
    pub(crate) keys: Vec<Key>,
    /// Every effective change: what, to which key, when; to no key alone is the initialization, and a change of many.
    pub(crate) log: Vec<(AuditAction, Option<usize>, i64)>,
    /// The role of everybody who is a member of a workspace, or (`None`) was one.
    members: BTreeMap<(usize, &'static str), Option<&'static str>>,
    /// What each request id was used for, and the key that came of it.
    requests: BTreeMap<u8, (String, usize)>,
    tokens_ms: i64,
    tokens_at: i64,
}

pub(crate) struct Key {
    pub(crate) workspace: usize,
    pub(crate) environment: &'static str,
    pub(crate) grants: BTreeSet<Grant>,
    pub(crate) networks: Vec<&'static str>,
    /// The owner, whose role it follows.
    pub(crate) follows: Option<&'static str>,
    pub(crate) expires: Option<i64>,
    pub(crate) disabled: bool,
    pub(crate) revoked: bool,
    /// The one of generation `n` at `n - 1`.
    pub(crate) secrets: Vec<Secret>,
    pub(crate) updated: i64,
    pub(crate) revision: usize,
    /// The minute of the last allowed enforcing Check.
    pub(crate) last_use: Option<i64>,
}

pub(crate) struct Secret {
    /// `None` for the newest.
    pub(crate) end: Option<i64>,
    /// It was over when a later one was made: Keyward need not know it any more.
    pub(crate) forgettable: bool,
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    FieldInvalid,
    KeyRevoked,
    KeyExpired,
    TooManyLiveSecrets,
    SecretAlreadyShown(usize),
    RequestIdReused,
    SourceLimited,
    MemberExists,
    MemberNotFound,
    RoleExceeded,
}

/// One condition of a Check that fails, and the scopes that are missing altogether.
pub(crate) type Failure = (DenialReason, Vec<&'static str>);

impl Model {
    pub(crate) fn new(now: i64) -> Self {
        Self {
            now,
            keys: Vec::new(),
            log: vec![(AuditAction::StoreInitialize, None, now)],
            members: BTreeMap::new(),
            requests: BTreeMap::new(),
            tokens_ms: TOKENS_MS,
            tokens_at: now,
        }
    }

    /// What is known in memory only is gone.
    pub(crate) fn restarted(&mut self) {
        self.tokens_ms = TOKENS_MS;
    }

    pub(crate) fn register(&mut self) {
        let new = New {
            workspace: Some(1),
            environment: None,
            scopes: vec!["a:read"],
            grants: Vec::new(),
            expires: None,
            networks: Vec::new(),
            follows: None,
            request: None,
        };
        self.make(&new, AuditAction::WorkspaceRegister);
    }

    pub(crate) fn issue(&mut self, new: &New, arguments: String) -> Result<(), Refusal> {
        if new.follows.is_none() && new.scopes.is_empty() && new.grants.is_empty() {
            return Err(Refusal::FieldInvalid);
        }
        self.unused(new.request, &arguments)?;
        if new.expires.is_some_and(|span| span <= 0) {
            return Err(Refusal::FieldInvalid);
        }
        if let Some(owner) = new.follows {
            self.within_role(new.workspace.unwrap_or(0), owner, &all_of(&new.scopes, &new.grants))?;
        }
        self.make(new, AuditAction::KeyIssue);
        self.used(new.request, arguments, self.keys.len() - 1);
        Ok(())
    }

    pub(crate) fn rotate(
        &mut self,
        index: usize,
        grace: Option<i64>,
        request: Option<u8>,
        arguments: String,
    ) -> Result<(), Refusal> {
        let grace = grace.unwrap_or(DAY);
        if !(0..=366 * DAY).contains(&grace) {
            return Err(Refusal::FieldInvalid);
        }
        self.unused(request, &arguments)?;
        self.changeable(index)?;
        let (now, key) = (self.now, &mut self.keys[index]);
        let live = key.secrets.iter().filter(|secret| secret.end.is_none_or(|end| now < end)).count();
        if grace > 0 && live >= 3 {
            return Err(Refusal::TooManyLiveSecrets);
        }
        for secret in &mut key.secrets {
            secret.end = match secret.end {
                Some(end) if grace == 0 => Some(end.min(now)),
                Some(end) => Some(end),
                None => {
                    let end = (now + grace).min(key.expires.unwrap_or(i64::MAX));
                    secret.end = Some(end);
                    continue;
                }
            };
            secret.forgettable |= secret.end.is_some_and(|end| end <= now);
        }
        key.secrets.push(Secret { end: None, forgettable: false });
        self.changed(index, AuditAction::KeyRotate);
        self.used(request, arguments, index);
        Ok(())
    }

    pub(crate) fn revoke(&mut self, index: usize) {
        if !self.keys[index].revoked {
            self.keys[index].revoked = true;
            self.changed(index, AuditAction::KeyRevoke);
        }
    }

    /// `secret` is a key and the place of a secret of it, or none of ours.
    pub(crate) fn revoke_presented(&mut self, secret: Option<(usize, usize)>) -> Result<(), Refusal> {
        self.tokens_ms = TOKENS_MS.min(self.tokens_ms + (self.now - self.tokens_at));
        self.tokens_at = self.now;
        let is_good = secret.is_some_and(|(index, place)| {
            let key = &self.keys[index];
            let lives = |end: Option<i64>| end.is_none_or(|end| self.now < end);
            !key.revoked && !key.disabled && lives(key.expires) && lives(key.secrets[place].end)
        });
        let mut answer = Ok(());
        if !is_good && self.tokens_ms < 1_000 {
            answer = Err(Refusal::SourceLimited);
        } else if !is_good {
            self.tokens_ms -= 1_000;
        }
        // A secret that could be good again is ended, whatever the answer.
        let Some((index, place)) = secret else { return answer };
        let (now, key) = (self.now, &mut self.keys[index]);
        match key.secrets[place].end {
            None => self.revoke(index),
            Some(end) if now < end && !key.revoked => {
                key.secrets[place].end = Some(now);
                self.changed(index, AuditAction::SecretEnd);
            }
            Some(_) => {}
        }
        answer
    }

    pub(crate) fn switch(&mut self, index: usize, off: bool) -> Result<(), Refusal> {
        self.changeable(index)?;
        if self.keys[index].disabled != off {
            self.keys[index].disabled = off;
            self.changed(index, if off { AuditAction::KeyDisable } else { AuditAction::KeyEnable });
        }
        Ok(())
    }

    pub(crate) fn update(&mut self, index: usize, change: &Change) -> Result<(), Refusal> {
        self.changeable(index)?;
        let (now, key) = (self.now, &self.keys[index]);
        if change.expires.and_then(Expiry::span).is_some_and(|span| span <= 0) {
            return Err(Refusal::FieldInvalid);
        }
        let kept = |bound: bool| key.grants.iter().filter(move |grant| grant.1.is_some() == bound).cloned();
        let mut grants: BTreeSet<Grant> = match &change.scopes {
            Some(scopes) => all_of(scopes, &[]),
            None => kept(false).collect(),
        };
        match &change.grants {
            Some(bound) => grants.extend(all_of(&[], bound)),
            None => grants.extend(kept(true)),
        }
        if grants.is_empty() && key.follows.is_none() {
            return Err(Refusal::FieldInvalid);
        }
        let new: BTreeSet<Grant> =
            grants.iter().filter(|grant| !key.grants.iter().any(|had| covers(had, grant))).cloned().collect();
        if let Some(owner) = key.follows.filter(|_| !new.is_empty()) {
            self.within_role(key.workspace, owner, &new)?;
        }
        let expires = change.expires.map_or(key.expires, |expiry| expiry.span().map(|span| now + span));
        let key = &mut self.keys[index];
        if (&grants, expires) != (&key.grants, key.expires) {
            (key.grants, key.expires) = (grants, expires);
            self.changed(index, AuditAction::KeyUpdate);
        }
        Ok(())
    }

    pub(crate) fn member(
        &mut self,
        workspace: usize,
        subject: &'static str,
        wish: Wish,
    ) -> Result<(), Refusal> {
        let had = self.members.get(&(workspace, subject)).copied();
        let (action, role) = match (wish, had) {
            (Wish::Add(_), Some(Some(_))) => return Err(Refusal::MemberExists),
            (Wish::Update(_), None | Some(None)) | (Wish::Remove, None) => {
                return Err(Refusal::MemberNotFound);
            }
            (Wish::Add(role), _) => (AuditAction::MemberAdd, Some(role)),
            (Wish::Update(role), _) => (AuditAction::MemberUpdate, Some(role)),
            (Wish::Remove, _) => (AuditAction::MemberRemove, None),
        };
        if had != Some(role) {
            self.members.insert((workspace, subject), role);
            self.log.push((action, None, self.now));
        }
        Ok(())
    }

    /// The rights of the role that somebody has.
    fn role(&self, workspace: usize, subject: &'static str) -> Option<&'static [&'static str]> {
        let role = (*self.members.get(&(workspace, subject))?)?;
        ROLES.iter().find(|(name, _)| *name == role).map(|(_, rights)| *rights)
    }

    fn within_role(
        &self,
        workspace: usize,
        subject: &'static str,
        grants: &BTreeSet<Grant>,
    ) -> Result<(), Refusal> {
        let role = self.role(workspace, subject).ok_or(Refusal::MemberNotFound)?;
        let within = |(scope, _): &Grant| role.iter().any(|right| permits(right, scope));
        if grants.iter().all(within) { Ok(()) } else { Err(Refusal::RoleExceeded) }
    }

    /// Which keys change together, and how many match and stay as they are.
    pub(crate) fn bulk(
        &mut self,
        workspace: usize,
        environment: Option<&str>,
        act: Act,
    ) -> Result<(Vec<usize>, usize), Refusal> {
        let now = self.now;
        if matches!(act, Act::Retire(span) if span <= 0) {
            return Err(Refusal::FieldInvalid);
        }
        let meant =
            |key: &Key| key.workspace == workspace && environment.is_none_or(|name| name == key.environment);
        let meant: Vec<usize> = (0..self.keys.len()).filter(|index| meant(&self.keys[*index])).collect();
        let (changed, unchanged): (Vec<_>, Vec<_>) = meant.into_iter().partition(|index| {
            let key = &self.keys[*index];
            let wanted = match act {
                Act::Disable => !key.disabled,
                Act::Enable => key.disabled,
                Act::Revoke => true,
                Act::Retire(span) => key.expires.is_none_or(|end| now + span < end),
            };
            wanted && self.changeable(*index).is_ok()
        });
        if !changed.is_empty() {
            let action = match act {
                Act::Disable => AuditAction::KeyDisable,
                Act::Enable => AuditAction::KeyEnable,
                Act::Revoke => AuditAction::KeyRevoke,
                Act::Retire(_) => AuditAction::KeyUpdate,
            };
            self.log.push((action, None, now));
        }
        for index in &changed {
            let key = &mut self.keys[*index];
            match act {
                Act::Disable => key.disabled = true,
                Act::Enable => key.disabled = false,
                Act::Revoke => key.revoked = true,
                Act::Retire(span) => key.expires = Some(now + span),
            }
            (key.updated, key.revision) = (now, self.log.len());
        }
        Ok((changed, unchanged.len()))
    }

    /// Everything that speaks against a Check, in the order in which it is told; an operator presents no secret.
    pub(crate) fn judge(&self, index: usize, place: Option<usize>, ask: &Ask) -> Vec<Failure> {
        let (now, key) = (self.now, &self.keys[index]);
        let mut failures = Vec::new();
        let mut fails = |condition: bool, reason, missing: Vec<&'static str>| {
            if condition {
                failures.push((reason, missing));
            }
        };
        let expired = key.expires.is_some_and(|end| now >= end);
        fails(key.revoked, DenialReason::KeyRevoked, vec![]);
        fails(!key.revoked && expired, DenialReason::KeyExpired, vec![]);
        fails(!key.revoked && !expired && key.disabled, DenialReason::KeyDisabled, vec![]);
        let end = place.and_then(|place| key.secrets[place].end);
        fails(end.is_some_and(|end| now >= end), DenialReason::KeyExpired, vec![]);
        let role = key.follows.map(|owner| self.role(key.workspace, owner));
        fails(role == Some(None), DenialReason::OwnerRemoved, vec![]);
        let elsewhere = ask.workspace.is_some_and(|workspace| workspace != key.workspace);
        fails(elsewhere, DenialReason::WorkspaceMismatch, vec![]);
        let other = ask.environment.is_some_and(|environment| environment != key.environment);
        fails(other, DenialReason::EnvironmentMismatch, vec![]);

        // Each scope by itself is a group of one.
        let groups: Vec<Vec<&str>> =
            ask.scopes.iter().map(|scope| vec![*scope]).chain(ask.any_scopes.clone()).collect();
        let of_role = |scope: &str| {
            role.is_none_or(|role| role.is_some_and(|role| role.iter().any(|right| permits(right, scope))))
        };
        // A key that follows a role and has no grants of its own has all of the role's.
        let all = role.is_some() && key.grants.is_empty();
        let own = |scope: &str| all || key.grants.iter().any(|(right, _)| permits(right, scope));
        let held = |scope: &str| of_role(scope) && own(scope);
        let granted = |scope: &str| {
            let here = |(right, to): &Grant| permits(right, scope) && reaches(to.as_ref(), ask.resource);
            of_role(scope) && (all || key.grants.iter().any(here))
        };
        let failed = groups.iter().filter(|group| !group.iter().any(|scope| granted(scope)));
        let (elsewhere, missing): (Vec<_>, Vec<_>) =
            failed.partition(|group| group.iter().any(|scope| held(scope)));
        let (withheld, lacking): (Vec<&str>, Vec<&str>) =
            missing.into_iter().flatten().copied().partition(|scope| own(scope));
        fails(!withheld.is_empty(), DenialReason::RoleInsufficient, withheld);
        fails(!lacking.is_empty(), DenialReason::ScopeInsufficient, lacking);
        fails(!elsewhere.is_empty(), DenialReason::ResourceNotGranted, vec![]);

        let from = ask.address.map(|address| address.parse::<IpAddr>().unwrap().to_canonical());
        let within = key.networks.iter().any(|network| from.is_some_and(|from| contains(network, from)));
        fails(!key.networks.is_empty() && !within, DenialReason::AddressNotAllowed, vec![]);
        failures
    }

    fn make(&mut self, new: &New, action: AuditAction) {
        self.keys.push(Key {
            workspace: new.workspace.unwrap_or(0),
            environment: new.environment.unwrap_or("live"),
            grants: all_of(&new.scopes, &new.grants),
            networks: new.networks.clone(),
            follows: new.follows,
            expires: new.expires.map(|span| self.now + span),
            disabled: false,
            revoked: false,
            secrets: vec![Secret { end: None, forgettable: false }],
            updated: self.now,
            revision: 0,
            last_use: None,
        });
        self.changed(self.keys.len() - 1, action);
    }

    fn changed(&mut self, index: usize, action: AuditAction) {
        self.log.push((action, Some(index), self.now));
        self.keys[index].updated = self.now;
        self.keys[index].revision = self.log.len();
    }

    fn changeable(&self, index: usize) -> Result<(), Refusal> {
        let key = &self.keys[index];
        if key.revoked {
            Err(Refusal::KeyRevoked)
        } else if key.expires.is_some_and(|end| self.now >= end) {
            Err(Refusal::KeyExpired)
        } else {
            Ok(())
        }
    }

    fn unused(&self, request: Option<u8>, arguments: &str) -> Result<(), Refusal> {
        match request.and_then(|request| self.requests.get(&request)) {
            None => Ok(()),
            Some((before, key)) if before == arguments => Err(Refusal::SecretAlreadyShown(*key)),
            Some(_) => Err(Refusal::RequestIdReused),
        }
    }

    fn used(&mut self, request: Option<u8>, arguments: String, key: usize) {
        if let Some(request) = request {
            self.requests.insert(request, (arguments, key));
        }
    }
}

fn all_of(scopes: &[&'static str], grants: &[Bound]) -> BTreeSet<Grant> {
    let unbound = scopes.iter().map(|scope| (*scope, None));
    let bound = grants.iter().map(|(scope, patterns)| (*scope, Some(patterns.iter().copied().collect())));
    unbound.chain(bound).collect()
}

/// Whether one grant gives all that another does.
fn covers((right, to): &Grant, (other, other_to): &Grant) -> bool {
    let within = |had: &BTreeSet<&str>, new: &BTreeSet<&str>| {
        new.iter().all(|new| had.iter().any(|had| names(had, new)))
    };
    permits(right, other)
        && match (to, other_to) {
            (None, _) => true,
            (Some(_), None) => false,
            (Some(to), Some(other_to)) => within(to, other_to),
        }
}

/// Whether a right, perhaps a wildcard, is that scope.
pub(crate) fn permits(right: &str, scope: &str) -> bool {
    let (resource, action) = right.split_once(':').unwrap();
    let (asked_resource, asked_action) = scope.split_once(':').unwrap();
    resource == asked_resource && (action == "*" || action == asked_action)
}

/// Whether a grant for these patterns (`None`: for everything) is good for that resource.
pub(crate) fn reaches(patterns: Option<&BTreeSet<&str>>, resource: Option<&str>) -> bool {
    let Some(patterns) = patterns else { return true };
    resource.is_some_and(|resource| patterns.iter().any(|pattern| names(pattern, resource)))
}

fn names(pattern: &str, resource: &str) -> bool {
    let (pattern, resource): (Vec<_>, Vec<_>) = (pattern.split('/').collect(), resource.split('/').collect());
    pattern.len() == resource.len()
        && pattern.iter().zip(&resource).all(|(part, of)| *part == "*" || part == of)
}

fn contains(network: &str, address: IpAddr) -> bool {
    let (start, bits) = network.split_once('/').unwrap();
    let leading = |address: IpAddr, bits: usize| -> String {
        let text = match address {
            IpAddr::V4(address) => format!("{:032b}", address.to_bits()),
            IpAddr::V6(address) => format!("{:0128b}", address.to_bits()),
        };
        text.chars().take(bits).collect()
    };
    let (start, bits): (IpAddr, usize) = (start.parse().unwrap(), bits.parse().unwrap());
    start.is_ipv4() == address.is_ipv4() && leading(start, bits) == leading(address, bits)
}
