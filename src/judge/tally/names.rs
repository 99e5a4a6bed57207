//! The names that labels can have: those of policies, as far as there are places for them.

use std::sync::{Mutex, PoisonError};

use arc_swap::ArcSwap;

use crate::{
    domain::{policy::TierSet, text::EnvironmentName},
    ports::PolicyVersion,
};

/// How many environments, tiers and limits have a name of their own, the first that come. The others are counted together.
pub(super) const ENVIRONMENTS: usize = 8;
pub(super) const TIERS: usize = 16;
pub(super) const LIMITS: usize = 64;

/// What has none.
pub(super) const NONE: usize = 0;
/// The environments beyond those with a name.
pub(super) const OTHER_ENVIRONMENT: usize = ENVIRONMENTS + 1;
/// The tiers beyond those with a name, and more than one at once.
pub(super) const OTHER_TIER: usize = TIERS + 1;
pub(super) const SEVERAL_TIERS: usize = TIERS + 2;

/// What the others are called.
pub(super) const OTHER: &str = "other";
const SEVERAL: &str = "several";

/// The names that policies have had.
#[derive(Default)]
pub(super) struct PolicyNames {
    known: ArcSwap<KnownNames>,
    /// Held while a policy's are added.
    adding: Mutex<()>,
}

/// Names only come; so a slot stands for one name as long as the process lives.
#[derive(Default, Clone)]
struct KnownNames {
    /// The version of the policy whose tiers these slots are.
    version: Option<u64>,
    slots: Vec<usize>,
    environments: Vec<String>,
    tiers: Vec<String>,
}

impl PolicyNames {
    /// The slots of an environment and of tiers under this policy.
    pub(super) fn slots(
        &self,
        policy: &PolicyVersion,
        environment: &EnvironmentName,
        tiers: TierSet,
    ) -> (usize, usize) {
        let known = self.known.load();
        if known.version == Some(policy.version) {
            return known.find(environment, tiers);
        }
        drop(known);
        self.add(policy);
        let known = self.known.load();
        // Another thread may have added another policy's meanwhile.
        if known.version == Some(policy.version) {
            known.find(environment, tiers)
        } else {
            (OTHER_ENVIRONMENT, OTHER_TIER)
        }
    }

    fn add(&self, policy: &PolicyVersion) {
        let _adding = self.adding.lock().unwrap_or_else(PoisonError::into_inner);
        let mut known = KnownNames::clone(&self.known.load());
        for environment in policy.policy.environments().holders() {
            slot(&mut known.environments, environment.name.as_str(), ENVIRONMENTS);
        }
        let tiers = policy.policy.tiers().iter();
        known.slots = tiers
            .map(|tier| slot(&mut known.tiers, tier.name.as_str(), TIERS).unwrap_or(OTHER_TIER))
            .collect();
        known.version = Some(policy.version);
        self.known.store(known.into());
    }

    /// What each slot of an environment is called.
    pub(super) fn environments(&self) -> Vec<String> {
        told(&self.known.load().environments, ENVIRONMENTS, &[OTHER])
    }

    /// What each slot of a tier is called.
    pub(super) fn tiers(&self) -> Vec<String> {
        told(&self.known.load().tiers, TIERS, &[OTHER, SEVERAL])
    }
}

impl KnownNames {
    fn find(&self, environment: &EnvironmentName, tiers: TierSet) -> (usize, usize) {
        let known = self.environments.iter().position(|name| name == environment.as_str());
        let mut places = tiers.iter();
        let tier = match (places.next(), places.next()) {
            (None, _) => NONE,
            (Some(place), None) => self.slots.get(place).copied().unwrap_or(OTHER_TIER),
            (Some(_), Some(_)) => SEVERAL_TIERS,
        };
        (known.map_or(OTHER_ENVIRONMENT, |place| place + 1), tier)
    }
}

/// The slot of a name, which it gets where there is room.
fn slot(names: &mut Vec<String>, name: &str, most: usize) -> Option<usize> {
    if let Some(place) = names.iter().position(|known| known == name) {
        return Some(place + 1);
    }
    (names.len() < most).then(|| {
        names.push(name.to_owned());
        names.len()
    })
}

/// What slots are called: none, those with a name, and the rest.
fn told(names: &[String], most: usize, rest: &[&str]) -> Vec<String> {
    let mut told = vec![String::new()];
    told.extend_from_slice(names);
    told.resize(most + 1, String::new());
    told.extend(rest.iter().map(|name| (*name).to_owned()));
    told
}

/// The limits that have refused something.
#[derive(Default)]
pub(super) struct LimitNames {
    known: ArcSwap<Vec<String>>,
    /// Held while one is added.
    adding: Mutex<()>,
}

impl LimitNames {
    /// The place of a limit by its name; those beyond [`LIMITS`] share the last.
    pub(super) fn place(&self, name: &str) -> usize {
        let find = |names: &[String]| names.iter().position(|known| known == name);
        let known = self.known.load();
        if let Some(place) = find(&known) {
            return place;
        }
        if known.len() >= LIMITS {
            return LIMITS;
        }
        drop(known);
        let _adding = self.adding.lock().unwrap_or_else(PoisonError::into_inner);
        let mut names = Vec::clone(&self.known.load());
        let place = slot(&mut names, name, LIMITS).map_or(LIMITS, |slot| slot - 1);
        self.known.store(names.into());
        place
    }

    /// The name of each place.
    pub(super) fn each(&self) -> Vec<String> {
        let mut names = Vec::clone(&self.known.load());
        names.resize(LIMITS, String::new());
        names.push(OTHER.to_owned());
        names
    }
}
