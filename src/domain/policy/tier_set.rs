//! Some of the tiers of a policy.

/// The most tiers of one policy.
pub(super) const MAX_TIERS: usize = 64;

/// Tiers of one policy, by their places in [`super::Policy::tiers`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct TierSet(u64);

impl TierSet {
    /// One tier. A place that no policy has gives an empty set.
    #[must_use]
    pub const fn only(place: usize) -> Self {
        if place < MAX_TIERS { Self(1 << place) } else { Self(0) }
    }

    /// These tiers and those.
    #[must_use]
    pub const fn and(self, others: Self) -> Self {
        Self(self.0 | others.0)
    }

    /// Whether there is none.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The places, ascending.
    pub fn iter(self) -> impl Iterator<Item = usize> + Clone {
        let mut left = self.0;
        std::iter::from_fn(move || {
            let place = left.trailing_zeros();
            left &= left.checked_sub(1)?;
            usize::try_from(place).ok()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_names_its_places_in_order() {
        let set = TierSet::only(63).and(TierSet::only(0)).and(TierSet::only(5)).and(TierSet::only(64));
        assert_eq!(set.iter().collect::<Vec<_>>(), [0, 5, 63]);
        assert!(!set.is_empty());
        assert_eq!(TierSet::default().iter().next(), None);
        assert!(TierSet::only(64).is_empty());
    }
}
