//! Some of the declared scopes of a policy.

/// The most scopes of one policy.
pub(super) const MAX_DECLARED: usize = 64 + 64 * REST;

const REST: usize = 7;

/// Declared scopes of one policy, by their places in the order of their names. It is small, and adding to it allocates
/// nothing, where all places are below 64, as they are with most policies.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct ScopeSet {
    low: u64,
    rest: Option<Box<[u64; REST]>>,
}

impl ScopeSet {
    /// Adds a scope. A place that no policy has is not added.
    pub fn insert(&mut self, place: usize) {
        let bit = 1 << (place % 64);
        match (place / 64).checked_sub(1) {
            None => self.low |= bit,
            Some(word) if word < REST => {
                if let Some(word) = self.rest.get_or_insert_default().get_mut(word) {
                    *word |= bit;
                }
            }
            Some(_) => {}
        }
    }

    /// The places, ascending.
    pub fn iter(&self) -> impl Iterator<Item = usize> + '_ {
        let rest = self.rest.iter().flat_map(|rest| rest.iter());
        std::iter::once(&self.low).chain(rest).enumerate().flat_map(|(word, bits)| {
            (0..64).filter(move |bit| bits & (1 << bit) != 0).map(move |bit| word * 64 + bit)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_names_its_places_in_order_and_is_small_while_it_can_be() {
        let mut set = ScopeSet::default();
        for place in [63, 0, 5, 0] {
            set.insert(place);
        }
        assert!(set.rest.is_none());
        for place in [511, 64, 512, 5_000] {
            set.insert(place);
        }
        assert_eq!(set.iter().collect::<Vec<_>>(), [0, 5, 63, 64, 511]);
        assert_eq!(MAX_DECLARED, 512);
    }
}
