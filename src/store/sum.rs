//! The sum over all rows that count: it tells at a start whether exactly the newest rows are there, without a look at the log.
//!
//! Each row has a term of 2,048 bits: `ChaCha20(HMAC(key, code ‖ table ‖ id ‖ revision))`. The sum of all terms, lane by lane
//! modulo 2^64, is kept sealed beside the head of the log: a row that is written adds its term, and one that is replaced or
//! deleted takes its own away.
//!
//! Why nobody without the roots makes other rows with the same sum. Adding terms in a group is the construction `AdHash` (Bellare
//! and Micciancio, 1997), and `LtHash` after it. Where the terms are known, the best attack is Wagner's generalised birthday: who
//! may choose among very many rows finds some whose terms make up for each other, in about `2^(2·√n)` steps for a group of
//! `2^n` elements, which is `2^90` for these 2,048 bits. XOR would be broken by linear algebra at once. Here the attack does not even
//! begin: the terms follow from a key that is derived from the roots, neither they nor the sum are ever stored or shown in
//! clear, and whoever puts other rows there does not learn whether the sums were near each other. What is left is to guess.
//! The same row many times over adds up to nothing only after `2^64` copies.
//!
//! What is taken away is the term of the row as it was read and verified, never of what the file holds by then: so an old row
//! that was put there before a change does not leave the sum right.

use chacha20::{
    ChaCha20,
    cipher::{KeyIvInit as _, StreamCipher as _},
};

use crate::domain::{root::DerivedKeys, seal::Sealed};

/// 2,048 bits.
const LANES: usize = 32;
const BYTES: usize = LANES * 8;

/// A sum of terms. Without `Debug`: it is never shown.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct RowSum([u64; LANES]);

/// What a row is to the sum.
#[derive(Clone, Copy)]
pub(super) struct Summand<'r> {
    pub(super) table: &'static str,
    pub(super) id: &'r [u8],
    pub(super) revision: i64,
    /// Its code, which was verified.
    pub(super) code: &'r [u8],
}

impl RowSum {
    /// Of no rows.
    pub(super) const EMPTY: Self = Self([0; LANES]);

    /// Counts a row.
    pub(super) fn add(&mut self, row: Summand<'_>, keys: &DerivedKeys) {
        self.merge(&row.term(keys));
    }

    /// Counts a row no more.
    pub(super) fn subtract(&mut self, row: Summand<'_>, keys: &DerivedKeys) {
        let Self(term) = row.term(keys);
        for (lane, term) in self.0.iter_mut().zip(term) {
            *lane = lane.wrapping_sub(term);
        }
    }

    /// Counts what another sum counts.
    pub(super) fn merge(&mut self, other: &Self) {
        for (lane, term) in self.0.iter_mut().zip(other.0) {
            *lane = lane.wrapping_add(term);
        }
    }

    /// The sum under seal, for the rows as they are at this head of the log and at no other; the head says which it is.
    pub(super) fn seal(&self, keys: &DerivedKeys, head: &[u8]) -> Option<Sealed> {
        let bytes = self.0.iter().flat_map(|lane| lane.to_le_bytes()).collect();
        keys.sum_seals.seal(&purpose(head), bytes)
    }

    /// A sum that was sealed for this head.
    pub(super) fn open(sealed: &Sealed, keys: &DerivedKeys, head: &[u8]) -> Option<Self> {
        let bytes = keys.sum_seals.open(&purpose(head), sealed)?;
        let bytes: &[u8; BYTES] = bytes.as_slice().try_into().ok()?;
        Some(Self::of_bytes(bytes))
    }

    fn of_bytes(bytes: &[u8; BYTES]) -> Self {
        let (lanes, _) = bytes.as_chunks::<8>();
        let mut sum = Self::EMPTY;
        for (lane, bytes) in sum.0.iter_mut().zip(lanes) {
            *lane = u64::from_le_bytes(*bytes);
        }
        sum
    }
}

impl Summand<'_> {
    fn term(&self, keys: &DerivedKeys) -> RowSum {
        let parts = [self.code, self.table.as_bytes(), self.id, &self.revision.to_be_bytes()];
        let key = keys.sum_terms.code(&parts);
        let mut bytes = [0; BYTES];
        // Each key is used once, so that one nonce serves all.
        ChaCha20::new(&key.into(), &[0; 12].into()).apply_keystream(&mut bytes);
        RowSum::of_bytes(&bytes)
    }
}

fn purpose(head: &[u8]) -> Vec<u8> {
    [b"sum ".as_slice(), head].concat()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{audit::Chain, revision::Revision, root::tests::keys};

    fn row() -> Summand<'static> {
        Summand { table: "keys", id: b"a", revision: 7, code: &[1; 16] }
    }

    fn sum_of(rows: &[Summand<'_>]) -> RowSum {
        let (keys, mut sum) = (keys(1), RowSum::EMPTY);
        for row in rows {
            sum.add(*row, &keys);
        }
        sum
    }

    #[test]
    fn every_part_of_a_row_counts_and_the_order_of_rows_does_not() {
        // D5
        let others = [
            Summand { table: "secrets", ..row() },
            Summand { id: b"b", ..row() },
            Summand { revision: 8, ..row() },
            Summand { code: &[2; 16], ..row() },
        ];
        let alone = sum_of(&[row()]);
        for other in others {
            assert!(sum_of(&[other]) != alone);
            assert!(sum_of(&[other, row()]) == sum_of(&[row(), other]));
        }
        assert!(
            sum_of(&[row(), row()]) != alone && sum_of(&[row(), row()]) != RowSum::EMPTY,
            "twice, unlike XOR"
        );
        let term = sum_of(&[row()]);
        assert!(term.0.iter().collect::<std::collections::HashSet<_>>().len() == LANES, "all lanes differ");
    }

    #[test]
    fn what_is_taken_away_leaves_the_others() {
        let (keys, other) = (keys(1), Summand { revision: 8, ..row() });
        let mut sum = sum_of(&[row(), other]);
        sum.subtract(row(), &keys);
        assert!(sum == sum_of(&[other]));
        sum.subtract(other, &keys);
        assert!(sum == RowSum::EMPTY);
    }

    #[test]
    fn a_sum_opens_at_its_own_head_under_its_own_roots() {
        // D5
        let at = |revision, chain| Chain([chain; 32]).head_message(Revision(revision));
        let sum = sum_of(&[row()]);
        let sealed = sum.seal(&keys(1), &at(9, 1)).unwrap();
        assert!(RowSum::open(&sealed, &keys(1), &at(9, 1)).is_some_and(|opened| opened == sum));
        for (keys, head) in [(keys(2), at(9, 1)), (keys(1), at(8, 1)), (keys(1), at(9, 2))] {
            assert!(RowSum::open(&sealed, &keys, &head).is_none());
        }
    }
}
