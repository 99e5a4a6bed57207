//! Some of the declared scopes of a policy.

/// The most scopes of one policy.
pub(super) const MAX_DECLARED: usize = WORDS * 64;

const WORDS: usize = 8;

/// Declared scopes of one policy, by their places in the order of their names.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ScopeSet([u64; WORDS]);

impl ScopeSet {
    /// Adds a scope. A place that no policy has is none.
    pub fn insert(&mut self, place: usize) {
        if let Some(word) = self.0.get_mut(place / 64) {
            *word |= 1 << (place % 64);
        }
    }

    /// The places, ascending.
    pub fn iter(&self) -> impl Iterator<Item = usize> + '_ {
        self.0.iter().enumerate().flat_map(|(word, bits)| {
            (0..64).filter(move |bit| bits & (1 << bit) != 0).map(move |bit| word * 64 + bit)
        })
    }
}

/// The same, to be kept in great number: it is small where all places are below 64, as they are with most policies.
#[derive(Debug, Default)]
pub struct KeptScopes {
    low: u64,
    rest: Option<Box<ScopeSet>>,
}

impl KeptScopes {
    /// Adds scopes.
    pub fn add(&mut self, scopes: &ScopeSet) {
        let [low, rest @ ..] = scopes.0;
        self.low |= low;
        if rest != [0; WORDS - 1] {
            let kept = self.rest.get_or_insert_default();
            kept.0.iter_mut().zip(scopes.0).for_each(|(kept, new)| *kept |= new);
        }
    }

    /// All that were added.
    #[must_use]
    pub fn all(&self) -> ScopeSet {
        let mut all = self.rest.as_deref().copied().unwrap_or_default();
        let [low, ..] = &mut all.0;
        *low |= self.low;
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_names_its_places_in_order_however_it_is_kept() {
        let of = |places: &[usize]| {
            let mut set = ScopeSet::default();
            places.iter().for_each(|place| set.insert(*place));
            set
        };
        assert_eq!(of(&[511, 0, 64, 63, 512]).iter().collect::<Vec<_>>(), [0, 63, 64, 511]);
        let mut kept = KeptScopes::default();
        kept.add(&of(&[3]));
        assert!(kept.rest.is_none());
        kept.add(&of(&[64, 5]));
        kept.add(&of(&[7]));
        assert_eq!(kept.all(), of(&[3, 5, 7, 64]));
        assert_eq!(MAX_DECLARED, 512);
    }
}
