//! Key review: what is wrong with a key that works, and how much it matters (K7).

use std::time::Duration;

use super::{
    id::KeyId,
    key::{KeyView, Standing, StateKind},
    rotation::QUIET_PERIOD,
    time::Timestamp,
    usage::minute_of,
};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// A key that is younger may not have come into use yet.
const NEVER_USED_AFTER: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// As many scopes for every resource are broad.
const MANY_SCOPES: usize = 10;

/// What counts as long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Terms {
    /// A key, or a scope, that was not used for so long is unused.
    pub unused_for: Duration,
    /// A secret that is older should be rotated.
    pub older_than: Duration,
    /// A key that expires within this time expires soon.
    pub expiring_within: Duration,
}

impl Default for Terms {
    fn default() -> Self {
        Self { unused_for: DAY * 90, older_than: DAY * 365, expiring_within: DAY * 14 }
    }
}

/// How broad a key is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Breadth {
    /// Scopes that it has under the policy in force; admin scopes of an administration key.
    pub scopes: usize,
    /// Scopes of those that hold for every resource.
    pub unbound: usize,
    /// Wildcards for every resource among its grants.
    pub wildcards: usize,
    /// Source networks that it is bound to; 0 is from everywhere.
    pub networks: usize,
}

impl Breadth {
    /// How broad a key is that has so many scopes under the policy in force, and so many of them for every resource.
    #[must_use]
    pub fn new(key: &KeyView<'_>, scopes: usize, unbound: usize) -> Self {
        let networks = key.networks.as_slice().len();
        if let Some(admin) = key.admin {
            let scopes = admin.scopes.len();
            return Self { scopes, unbound: if admin.global { scopes } else { 0 }, wildcards: 0, networks };
        }
        let wide = key.grants.iter().filter(|grant| grant.resources().is_none());
        let wildcards = wide.filter(|grant| grant.scope().wildcard().is_some()).count();
        Self { scopes, unbound, wildcards, networks }
    }

    fn is_broad(&self, key: &KeyView<'_>) -> bool {
        is_root(key) || self.wildcards > 0 || self.unbound >= MANY_SCOPES
    }
}

/// What is known of a key's use.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct KnownUse {
    /// The last use of the key.
    pub last: Option<Timestamp>,
    /// The last use of each secret, by its generation.
    pub secrets: Vec<(u32, Timestamp)>,
    /// Its scopes that it did not use for so long as counts as unused; 0 where they are not watched for so long.
    pub unused_scopes: usize,
    /// The key whose import of the same token came first, where the caller may know of it.
    pub earlier_import: Option<KeyId>,
}

/// How much a finding matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Severity {
    /// To be tidied up.
    Low,
    /// A risk.
    Medium,
    /// A risk that should be dealt with now, or an outage to come.
    High,
}

macro_rules! kinds {
    ($($(#[$doc:meta])* $name:ident = $severity:ident, $weight:literal;)*) => {
        /// What is wrong with a key, the worst first.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Kind {
            $($(#[$doc])* $name,)*
        }

        impl Kind {
            /// Every kind.
            pub const ALL: &[Self] = &[$(Self::$name),*];

            /// How much it matters.
            #[must_use]
            pub const fn severity(self) -> Severity {
                match self {
                    $(Self::$name => Severity::$severity,)*
                }
            }

            /// What it adds to a key's score.
            #[must_use]
            pub const fn weight(self) -> u32 {
                match self {
                    $(Self::$name => $weight,)*
                }
            }
        }
    };
}

kinds! {
    /// Another key's import of the same token came first.
    ImportedTwice = High, 110;
    /// A retiring secret is still used, and ends within a day.
    RetiringStillUsed = High, 100;
    /// It expires soon, and is used.
    ExpiringInUse = High, 90;
    /// It is broad, and unused.
    BroadUnused = High, 80;
    /// It is broad, and can be used from anywhere.
    BroadAnywhere = Medium, 40;
    /// It was never used, though it is old enough.
    NeverUsed = Medium, 35;
    /// It was not used for long.
    Unused = Medium, 30;
    /// It has scopes that it has not used for long.
    ScopesUnused = Low, 20;
    /// Its secret is old.
    Old = Low, 15;
    /// It does not expire, and is no root key.
    NoExpiry = Low, 10;
    /// It has been disabled for long.
    DisabledLong = Low, 5;
}

/// One thing that is wrong with a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// What.
    pub kind: Kind,
    /// The same for people.
    pub words: String,
}

/// The score of these findings: keys with a higher score come first.
#[must_use]
pub fn score(findings: &[Finding]) -> u32 {
    findings.iter().map(|finding| finding.kind.weight()).sum()
}

/// What is wrong with a key, the worst first. A key that is revoked or expired has no findings; one that is disabled
/// does no harm meanwhile.
#[must_use]
pub fn findings(
    key: &KeyView<'_>,
    breadth: Breadth,
    known: &KnownUse,
    terms: &Terms,
    now: Timestamp,
) -> Vec<Finding> {
    match key.standing(now) {
        Standing::Revoked | Standing::Expired => return Vec::new(),
        Standing::Disabled => return disabled(key, terms, now).into_iter().collect(),
        Standing::Active => {}
    }
    let mut found = Vec::new();
    let mut add = |kind, words: String| found.push(Finding { kind, words });
    if let Some(earlier) = known.earlier_import {
        add(Kind::ImportedTwice, format!("its token is that of {earlier}, which was imported first"));
    }
    if let Some(words) = retiring(key, known, now) {
        add(Kind::RetiringStillUsed, words);
    }
    if let (Some(end), Some(last)) = (key.expires, known.last)
        && end.saturating_since(now) <= terms.expiring_within
        && now.saturating_since(last) <= terms.expiring_within
    {
        add(Kind::ExpiringInUse, format!("expires at {end}, and was used at {last}"));
    }
    let idle = idle(key, known, terms, now);
    let broad = breadth.is_broad(key);
    if broad && idle.is_some() {
        add(Kind::BroadUnused, format!("{}, and nobody uses it", shown(key, breadth)));
    }
    if broad && breadth.networks == 0 {
        add(Kind::BroadAnywhere, format!("{}, and good from anywhere", shown(key, breadth)));
    }
    let used = idle.is_none() && known.last.is_some();
    if let Some((kind, words)) = idle {
        add(kind, words);
    }
    if used && known.unused_scopes > 0 {
        let (unused, days) = (known.unused_scopes, days(terms.unused_for));
        add(Kind::ScopesUnused, format!("{unused} of {} scopes not used in {days}", breadth.scopes));
    }
    let made = key.secrets.current.created;
    if now.saturating_since(made) > terms.older_than {
        add(Kind::Old, format!("its secret was made at {made}"));
    }
    if key.expires.is_none() && !is_root(key) {
        add(Kind::NoExpiry, "does not expire".to_owned());
    }
    found
}

fn disabled(key: &KeyView<'_>, terms: &Terms, now: Timestamp) -> Option<Finding> {
    let since = key.updated.filter(|_| key.state == StateKind::Disabled)?;
    let long = now.saturating_since(since) > terms.unused_for;
    let words = || format!("disabled, and not changed since {since}");
    long.then(|| Finding { kind: Kind::DisabledLong, words: words() })
}

/// The first retiring secret that ends within a day and was used within the last one, since it was replaced.
fn retiring(key: &KeyView<'_>, known: &KnownUse, now: Timestamp) -> Option<String> {
    let newer = key.secrets.iter().map(|(secret, _)| secret.created);
    key.secrets.retiring.iter().zip(newer).find_map(|(retiring, replaced)| {
        let generation = retiring.secret.generation;
        let (_, last) = known.secrets.iter().find(|(known, _)| *known == generation)?;
        let soon = retiring.end > now && retiring.end.saturating_since(now) <= QUIET_PERIOD;
        let used = now.saturating_since(*last) < QUIET_PERIOD && minute_of(*last) >= minute_of(replaced);
        (soon && used)
            .then(|| format!("secret {generation} ends at {}, and was used at {last}", retiring.end))
    })
}

/// Whether a key is not in use.
fn idle(key: &KeyView<'_>, known: &KnownUse, terms: &Terms, now: Timestamp) -> Option<(Kind, String)> {
    match known.last {
        None if now.saturating_since(key.created) > NEVER_USED_AFTER => {
            Some((Kind::NeverUsed, format!("never used since it was issued at {}", key.created)))
        }
        Some(last) if now.saturating_since(last) > terms.unused_for => {
            Some((Kind::Unused, format!("not used since {last}")))
        }
        None | Some(_) => None,
    }
}

/// Whether it makes administration keys everywhere: one such key must outlast all others.
fn is_root(key: &KeyView<'_>) -> bool {
    key.admin.as_ref().is_some_and(|rights| rights.is_root())
}

fn shown(key: &KeyView<'_>, breadth: Breadth) -> String {
    match (key.admin.is_some(), breadth.wildcards) {
        (true, _) => "administers every workspace and makes administration keys".to_owned(),
        (false, 0) => format!("{} scopes for every resource", breadth.unbound),
        (false, 1) => "a wildcard for every resource".to_owned(),
        (false, wildcards) => format!("{wildcards} wildcards for every resource"),
    }
}

fn days(length: Duration) -> String {
    let days = length.as_secs() / DAY.as_secs();
    if days == 1 { "a day".to_owned() } else { format!("{days} days") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{
        admin::AdminRights,
        grant::{Grant, Grants},
        key::{
            Key, KeyState,
            tests::{at, key, secret},
        },
        scope::ScopePattern,
    };

    const DAY_MS: i64 = 86_400_000;

    fn after(days: i64) -> Timestamp {
        at(1_000 * DAY_MS + days * DAY_MS)
    }

    /// Issued at day 0, with an expiry far away.
    fn fresh() -> Key {
        let mut key = key().unwrap();
        key.created = after(0);
        key.credentials.current.created = after(0);
        key.expires = Some(after(3_000));
        key.updated = after(0);
        key
    }

    fn kinds(key: &Key, known: &KnownUse, day: i64) -> Vec<Kind> {
        let key = key.view();
        let breadth = Breadth::new(&key, 3, 3);
        findings(&key, breadth, known, &Terms::default(), after(day)).into_iter().map(|it| it.kind).collect()
    }

    fn used(day: i64) -> KnownUse {
        KnownUse { last: Some(after(day)), ..KnownUse::default() }
    }

    #[test]
    fn each_term_is_over_after_its_last_day() {
        // K7
        let key = fresh();
        assert_eq!(kinds(&key, &KnownUse::default(), 30), []);
        assert_eq!(kinds(&key, &KnownUse::default(), 31), [Kind::NeverUsed]);
        assert_eq!(kinds(&key, &used(10), 100), []);
        assert_eq!(kinds(&key, &used(10), 101), [Kind::Unused]);
        assert_eq!(kinds(&key, &used(365), 365), []);
        assert_eq!(kinds(&key, &used(366), 366), [Kind::Old]);
        let endless = Key { expires: None, ..fresh() };
        assert_eq!(kinds(&endless, &used(1), 1), [Kind::NoExpiry]);
        let ending = Key { expires: Some(after(20)), ..fresh() };
        assert_eq!(kinds(&ending, &used(5), 5), []);
        assert_eq!(kinds(&ending, &used(5), 6), [Kind::ExpiringInUse]);
        assert_eq!(kinds(&ending, &KnownUse::default(), 6), [], "nobody will miss it");
        assert_eq!(kinds(&ending, &used(5), 20), [], "it is done with");
        let disabled = Key { state: KeyState::Disabled, ..fresh() };
        assert_eq!(kinds(&disabled, &KnownUse::default(), 90), []);
        assert_eq!(kinds(&disabled, &KnownUse::default(), 91), [Kind::DisabledLong]);
        let narrow = KnownUse { unused_scopes: 2, ..used(9) };
        assert_eq!(kinds(&key, &narrow, 10), [Kind::ScopesUnused]);
    }

    #[test]
    fn a_broad_key_that_nobody_uses_comes_before_a_narrow_one() {
        // K7
        let wide = Grants::new(vec![Grant::unbound(ScopePattern::parse("storage:*").unwrap())]).unwrap();
        let broad = Key { grants: wide.into(), ..fresh() };
        let never = KnownUse::default();
        assert_eq!(kinds(&broad, &used(5), 5), [Kind::BroadAnywhere]);
        assert_eq!(kinds(&broad, &never, 40), [Kind::BroadUnused, Kind::BroadAnywhere, Kind::NeverUsed]);
        let of = |key: &Key| {
            let key = key.view();
            score(&findings(&key, Breadth::new(&key, 3, 3), &never, &Terms::default(), after(40)))
        };
        assert!(of(&broad) > of(&fresh()));
        assert!(Kind::ALL.windows(2).all(|pair| pair[0].weight() > pair[1].weight()), "the worst first");
    }

    #[test]
    fn no_root_key_is_told_to_expire() {
        // K7
        let with = |admin: AdminRights| Key { expires: None, admin: Some(admin.into()), ..fresh() };
        let root = with(AdminRights::everything());
        assert_eq!(kinds(&root, &used(1), 1), [Kind::BroadAnywhere]);
        let bound = with(AdminRights { global: false, ..AdminRights::everything() });
        assert_eq!(kinds(&bound, &used(1), 1), [Kind::NoExpiry]);
    }

    #[test]
    fn a_retiring_secret_that_is_used_shortly_before_its_end_is_an_outage_to_come() {
        // K7, R5
        let new = crate::domain::credentials::Secret { created: after(1), ..secret(2) };
        let key = fresh().rotate(new, DAY * 7, after(1)).unwrap();
        let known = |last| KnownUse { secrets: vec![(1, after(last))], ..used(last) };
        assert_eq!(kinds(&key, &known(5), 5), []);
        assert_eq!(kinds(&key, &known(7), 7), [Kind::RetiringStillUsed]);
        assert_eq!(kinds(&key, &known(6), 7), [], "nobody used it for a day");
        assert_eq!(kinds(&key, &known(8), 8), [], "it is over");
    }

    #[test]
    fn a_use_before_the_rotation_is_no_outage_to_come() {
        // K7, R5
        let new = crate::domain::credentials::Secret { created: after(5), ..secret(2) };
        let key = fresh().rotate(new, DAY, after(5)).unwrap();
        let at = |ms: i64| Timestamp::from_ms(after(5).as_ms() + ms).unwrap();
        let found = |last| {
            let known = KnownUse { last: Some(last), secrets: vec![(1, last)], ..KnownUse::default() };
            let key = key.view();
            findings(&key, Breadth::new(&key, 3, 3), &known, &Terms::default(), at(3_600_000)).len()
        };
        assert_eq!((found(at(-1)), found(at(0)), found(at(60_000))), (0, 1, 1));
    }
}
