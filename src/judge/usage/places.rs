//! The places of scopes by their names, for the path of a Check: a place that was right the last time is tried first.

use std::cell::Cell;

use crate::domain::policy::Policy;

const ENTRIES: usize = 256;
const ODD: u64 = 0x9E37_79B9_7F4A_7C15;

thread_local! {
    /// The last place of a scope whose name has this hash, in any policy.
    static LAST: [Cell<u16>; ENTRIES] = const { [const { Cell::new(0) }; ENTRIES] };
}

/// The place of a scope; `None` for one that is not declared. Names are compared, so that nothing stale is believed.
pub(super) fn place_of(scope: &str, policy: &Policy) -> Option<usize> {
    LAST.with(|last| {
        let last = last.get(entry_of(scope))?;
        let place = usize::from(last.get());
        if policy.scope_at(place) == Some(scope) {
            return Some(place);
        }
        let place = policy.place_of(scope)?;
        last.set(u16::try_from(place).ok()?);
        Some(place)
    })
}

/// A few bits of the whole name, eight bytes at a time.
fn entry_of(scope: &str) -> usize {
    let word = |bytes: &[u8; 8]| u64::from_le_bytes(*bytes);
    let mut mixed = u64::try_from(scope.len()).unwrap_or(0);
    let (words, _) = scope.as_bytes().as_chunks();
    for bytes in words.iter().chain(scope.as_bytes().last_chunk()) {
        mixed = (mixed.rotate_left(29) ^ word(bytes)).wrapping_mul(ODD);
    }
    usize::try_from(mixed >> 56).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_that_of_the_policy_that_is_asked() {
        let all = Policy::default_document().unwrap();
        let mut document = all.document().clone();
        let dropped = document.scopes.remove(0).name;
        document.tiers.truncate(1);
        document.tiers[0].scopes.clear();
        document.plans.iter_mut().for_each(|plan| plan.tiers.clear());
        document.roles.clear();
        document.routes.clear();
        let fewer = Policy::new(document).unwrap();
        for _ in 0..2 {
            for policy in [&all, &fewer] {
                for scope in all.document().scopes.iter().map(|scope| scope.name.as_str()) {
                    assert_eq!(place_of(scope, policy), policy.place_of(scope), "{scope}");
                }
                assert_eq!(place_of("no:such", policy), None);
            }
            assert_eq!(place_of(&dropped, &fewer), None);
        }
    }
}
