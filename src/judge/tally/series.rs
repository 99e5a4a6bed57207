//! Which series there are: one for each combination of labels that has come up, up to a bound.

use std::sync::{
    Mutex, PoisonError,
    atomic::{AtomicU16, Ordering},
};

use super::names::{OTHER_ENVIRONMENT, OTHER_TIER, SEVERAL_TIERS};
use crate::judge::question::{DOORS, Door};

/// How many reasons there can be: an allow, and the numbers of denials.
pub(super) const REASONS: usize = 32;
const ENVIRONMENT_SLOTS: usize = OTHER_ENVIRONMENT + 1;
const TIER_SLOTS: usize = SEVERAL_TIERS + 1;
const COMBINATIONS: usize = REASONS * DOORS * ENVIRONMENT_SLOTS * TIER_SLOTS;

/// The most series of decisions.
pub(super) const SERIES: usize = 1_024;
/// Kept for combinations whose environment and tier are `other`: in these the rest is counted.
const KEPT: usize = REASONS * DOORS;

/// What decisions are told apart by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Labels {
    pub(super) reason: usize,
    pub(super) door: Door,
    pub(super) environment: usize,
    pub(super) tier: usize,
}

impl Labels {
    /// A number of its own for each combination.
    const fn code(self) -> usize {
        let reason = if self.reason < REASONS { self.reason } else { REASONS - 1 };
        ((reason * DOORS + self.door.place()) * ENVIRONMENT_SLOTS + self.environment) * TIER_SLOTS + self.tier
    }

    const fn rest(self) -> Self {
        Self { environment: OTHER_ENVIRONMENT, tier: OTHER_TIER, ..self }
    }
}

/// The series by what they stand for.
pub(super) struct Series {
    /// The place and one of each combination; zero where it has not come up.
    of_code: Box<[AtomicU16]>,
    /// In the order of their places.
    assigned: Mutex<Vec<Labels>>,
}

impl Default for Series {
    fn default() -> Self {
        Self { of_code: (0..COMBINATIONS).map(|_| AtomicU16::new(0)).collect(), assigned: Mutex::default() }
    }
}

impl Series {
    /// The place of its series.
    pub(super) fn place(&self, labels: Labels) -> usize {
        self.known(labels).unwrap_or_else(|| self.assign(labels))
    }

    fn known(&self, labels: Labels) -> Option<usize> {
        let place = self.of_code.get(labels.code())?.load(Ordering::Relaxed);
        usize::from(place).checked_sub(1)
    }

    #[cold]
    fn assign(&self, labels: Labels) -> usize {
        let mut assigned = self.assigned.lock().unwrap_or_else(PoisonError::into_inner);
        let kept = if assigned.len() < SERIES - KEPT { labels } else { labels.rest() };
        let place = self.known(kept).unwrap_or_else(|| {
            assigned.push(kept);
            assigned.len() - 1
        });
        for labels in [kept, labels] {
            if let (Some(cell), Ok(next)) = (self.of_code.get(labels.code()), u16::try_from(place + 1)) {
                cell.store(next, Ordering::Relaxed);
            }
        }
        place
    }

    /// What each place stands for.
    pub(super) fn assigned(&self) -> Vec<Labels> {
        self.assigned.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
