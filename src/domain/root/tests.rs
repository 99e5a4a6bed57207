//! What is derived from roots that lie over each other, and what of it stays readable.

use super::*;
use crate::domain::{revision::Revision, time::Timestamp};

/// Bytes that are all alike.
pub(crate) struct Same(pub(crate) u8);

impl Entropy for Same {
    fn fill(&self, bytes: &mut [u8]) -> Result<(), EntropyUnavailable> {
        bytes.fill(self.0);
        Ok(())
    }
}

/// The keys of a root whose bytes are all this one.
pub(crate) fn keys(byte: u8) -> DerivedKeys {
    DerivedKeys::new(&Root::generate(&Same(byte)).unwrap(), &[])
}

/// The root of this number.
pub(crate) fn root(number: u32) -> Root {
    Root::draw(number, &Same(u8::try_from(number).unwrap())).unwrap()
}

/// What a store knows that has had roots 1 to `newest`; each signed its first head at ten times its number.
pub(crate) fn history(newest: u32) -> RootHistory {
    let facts = |number| RootFacts::of(&root(number), Revision(u64::from(number) * 10), Timestamp::EPOCH);
    RootHistory::new((1..=newest).map(facts).collect())
}

#[test]
fn what_a_root_hashed_is_found_after_later_ones_were_laid_over_it() {
    // K2, X7
    let mut stored: Vec<(u32, [u8; 32])> = Vec::new();
    for newest in 1..=3 {
        let keys = DerivedKeys::with(&[&root(newest)], history(newest));
        // Every stored hash gets the new layer.
        for (under, hash) in &mut stored {
            *hash = keys.lookup.laid_over(*hash, *under).unwrap();
            *under = newest;
        }
        stored.push((newest, keys.lookup.hash(&[7; 32])));
        let presented: Vec<_> = keys.lookup.hashes(&[7; 32]).collect();
        let mut expected: Vec<_> = stored.iter().map(|(_, hash)| *hash).collect();
        expected.reverse();
        assert_eq!(presented.iter().map(|(_, hash)| *hash).collect::<Vec<_>>(), expected);
        assert_eq!(
            presented.iter().map(|(start, _)| *start).collect::<Vec<_>>(),
            (1..=newest).rev().collect::<Vec<_>>()
        );
    }
    let distinct: std::collections::BTreeSet<_> = stored.iter().collect();
    assert_eq!(distinct.len(), 3);
    assert_eq!(DerivedKeys::with(&[&root(3)], history(3)).lookup.laid_over([7; 32], 4), None);
}

#[test]
fn a_stored_hash_that_is_taken_for_a_digest_is_hashed_to_something_else_than_its_next_layer() {
    // K2
    let one = DerivedKeys::new(&root(1), &[]).lookup.hash(&[7; 32]);
    let two = DerivedKeys::with(&[&root(2)], history(2)).lookup;
    let laid = two.laid_over(one, 1).unwrap();
    assert!(two.hashes(&one).all(|(_, hash)| hash != laid));
}

#[test]
fn a_start_without_secrets_costs_nothing_and_leaves_the_layers_as_they_are() {
    let all = DerivedKeys::with(&[&root(3)], history(3)).lookup;
    let left = history(3).changed(|root| root.start = root.start.take().filter(|_| root.number != 2));
    let left = DerivedKeys::with(&[&root(3)], left).lookup;
    let hashes = |key: &LookupKey| key.hashes(&[7; 32]).collect::<Vec<_>>();
    let expected: Vec<_> = hashes(&all).into_iter().filter(|(start, _)| *start != 2).collect();
    assert_eq!(hashes(&left), expected);
}

#[test]
fn while_memory_gets_a_new_layer_a_secret_is_looked_up_as_it_was_and_then_as_it_is_to_be() {
    // X7
    let [one, two] = [1, 2].map(|newest| DerivedKeys::with(&[&root(newest)], history(newest)));
    let hashes = |key: &LookupKey| key.hashes(&[7; 32]).map(|(_, hash)| hash).collect::<Vec<_>>();
    let (before, after) = (hashes(&one.lookup), hashes(&two.lookup));
    let both = two.beside(&one).lookup;
    let [newest, earlier] = after[..] else { panic!("two starts") };
    assert_eq!(hashes(&both), [newest, before[0], earlier]);
    let ((start, of_parts), others) = both.hashes_of(&[b"a part"]);
    assert_eq!((start, others.map(|(start, _)| start).collect::<Vec<_>>()), (2, vec![1, 1]));
    assert_ne!(of_parts, newest);
}

#[test]
fn a_head_is_verified_with_the_key_of_its_era_and_no_other() {
    // A6
    let signed: Vec<_> = (1..=2)
        .map(|newest| DerivedKeys::with(&[&root(newest)], history(newest)).heads.sign(b"head"))
        .collect();
    let heads = DerivedKeys::with(&[&root(2)], history(2)).heads;
    for (revision, era) in [(9, None), (10, Some(0)), (19, Some(0)), (20, Some(1)), (1_000, Some(1))] {
        for (place, signature) in signed.iter().enumerate() {
            let holds = heads.verify(Revision(revision), b"head", signature);
            assert_eq!(holds, era == Some(place), "root {} at {revision}", place + 1);
        }
    }
    assert!(!heads.verify(Revision(20), b"other", &signed[1]));
}

#[test]
fn a_code_of_an_older_root_agrees_while_that_root_is_at_hand() {
    let one = DerivedKeys::new(&root(1), &[]);
    let code = one.rows.code(&[b"a", b"b"]);
    let both = DerivedKeys::with(&[&root(1), &root(2)], history(2)).rows;
    assert!(both.agrees(&[b"a", b"b"], &code));
    assert!(!both.agrees(&[b"ab"], &code));
    assert_ne!(both.code(&[b"a", b"b"]), code);
    let later = DerivedKeys::with(&[&root(2)], history(2)).rows;
    assert!(!later.agrees(&[b"a", b"b"], &code), "it is gone");
}
