//! What a store keeps of each root that it has had, sealed under the newest: 149 bytes for each, the newest last.

use zeroize::Zeroizing;

use crate::domain::{
    revision::Revision,
    root::{DerivedKeys, RootFacts, RootHistory},
    seal::Sealed,
    time::Timestamp,
};

/// What it is sealed for.
const PURPOSE: &[u8] = b"roots";

/// The version of what is written now.
const VERSION: u8 = 1;

const DESTROYED: u8 = 1;
const STARTS: u8 = 2;

/// What is known of all roots, under seal: it names the keys that older hashes need.
pub(in crate::store) fn seal_history(keys: &DerivedKeys) -> Option<Sealed> {
    // Room for the seal, so that nothing is left behind when it grows.
    let mut bytes = Vec::with_capacity(keys.history.iter().count().saturating_mul(160).saturating_add(64));
    bytes.push(VERSION);
    for root in keys.history.iter() {
        let starts = root.start.as_ref().map_or(0, |_| STARTS);
        bytes.extend(root.number.to_be_bytes());
        bytes.extend(root.check);
        bytes.extend(root.public);
        bytes.extend(root.since.0.to_be_bytes());
        bytes.extend(root.added.as_ms().to_be_bytes());
        bytes.push(starts | if root.is_destroyed { DESTROYED } else { 0 });
        bytes.extend(root.start.as_deref().unwrap_or(&[0; 32]));
        bytes.extend(&*root.layer);
    }
    keys.sum_seals.seal(PURPOSE, bytes)
}

/// What was sealed with the newest root; `None` if that was another, or it was edited.
pub(in crate::store) fn open_history(sealed: &Sealed, keys: &DerivedKeys) -> Option<RootHistory> {
    let bytes = keys.sum_seals.open(PURPOSE, sealed)?;
    let mut rest = bytes.strip_prefix(&[VERSION])?;
    let mut roots = Vec::new();
    while !rest.is_empty() {
        let (root, after) = read(rest)?;
        roots.push(root);
        rest = after;
    }
    (!roots.is_empty()).then(|| RootHistory::new(roots))
}

fn read(bytes: &[u8]) -> Option<(RootFacts, &[u8])> {
    let (number, rest) = bytes.split_first_chunk()?;
    let (check, rest) = rest.split_first_chunk()?;
    let (public, rest) = rest.split_first_chunk()?;
    let (since, rest) = rest.split_first_chunk()?;
    let (added, rest) = rest.split_first_chunk()?;
    let (flags, rest) = rest.split_first()?;
    let (start, rest) = rest.split_first_chunk()?;
    let (layer, rest) = rest.split_first_chunk()?;
    let root = RootFacts {
        number: u32::from_be_bytes(*number),
        check: *check,
        public: *public,
        since: Revision(u64::from_be_bytes(*since)),
        added: Timestamp::from_ms(i64::from_be_bytes(*added)).ok()?,
        is_destroyed: flags & DESTROYED != 0,
        start: (flags & STARTS != 0).then(|| Zeroizing::new(*start)),
        layer: Zeroizing::new(*layer),
    };
    Some((root, rest))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::root::Root;

    fn root(number: u32) -> Root {
        Root::kept(number, Zeroizing::new([u8::try_from(number).unwrap(); 32]))
    }

    fn keys() -> DerivedKeys {
        let facts = |number| RootFacts::of(&root(number), Revision(number.into()), Timestamp::EPOCH);
        let history = RootHistory::new(vec![facts(1), facts(2)]).changed(|root| {
            if root.number == 1 {
                (root.is_destroyed, root.start) = (true, None);
            }
        });
        DerivedKeys::with(&[&root(2)], history)
    }

    #[test]
    fn what_is_known_of_roots_is_read_back_under_the_newest_and_shows_nothing() {
        // K2
        let keys = keys();
        let sealed = seal_history(&keys).unwrap();
        let read = open_history(&sealed, &keys).unwrap();
        for (read, was) in read.iter().zip(keys.history.iter()) {
            assert_eq!((read.number, read.check, read.public), (was.number, was.check, was.public));
            assert_eq!((read.since, read.added, read.is_destroyed), (was.since, was.added, was.is_destroyed));
            assert!(read.start == was.start && read.layer == was.layer);
        }
        assert_eq!(read.iter().count(), 2);
        for kept in keys.history.iter() {
            for secret in [Some(&kept.layer), kept.start.as_ref()].into_iter().flatten() {
                assert!(!sealed.bytes.windows(8).any(|window| secret.windows(8).any(|part| part == window)));
            }
        }
    }

    #[test]
    fn what_was_edited_or_sealed_with_another_root_is_not_read() {
        let keys = keys();
        let sealed = seal_history(&keys).unwrap();
        assert!(open_history(&sealed, &DerivedKeys::new(&root(1), &[])).is_none());
        let mut edited = sealed;
        edited.bytes[40] ^= 1;
        assert!(open_history(&edited, &keys).is_none());
    }
}
