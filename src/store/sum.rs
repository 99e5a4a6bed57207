//! The sum over all rows that count: it tells at a start whether exactly the newest rows are there, without a look at the log.
//!
//! Each row has a term of 2,048 bits, which follows from its code under a key of the row's own root. The sum of all terms, lane by
//! lane modulo 2^64, is kept sealed beside the head of the log: a row that is written adds its term, and one that is replaced or
//! deleted takes its own away.
//!
//! The term is `ChaCha20(key, code)`: one key for all rows under a root, the code as nonce and as place in the stream. Why that
//! is as good as a keyed function of everything in the row. A code is HMAC-SHA-256 over the table, the id, the body and the
//! revision, cut to 128 bits, and only a code that was verified counts; so rows that differ have codes that differ, but for one
//! pair in 2^128. `ChaCha20` under one secret key is a pseudorandom function of the block's number and the nonce (RFC 8439), so
//! different codes (125 bits of them are used, so that no term begins within another) have terms that nobody can tell from
//! random ones. With 2^40 rows ever written, two of them share a term with a probability of 2^-46.
//!
//! Why nobody without the roots makes other rows with the same sum. Adding terms in a group is the construction `AdHash` (Bellare
//! and Micciancio, 1997), and `LtHash` after it. Where the terms are known, the best attack is Wagner's generalised birthday: who
//! may choose among very many rows finds some whose terms make up for each other, in about `2^(2·√n)` steps for a group of
//! `2^n` elements, which is `2^90` for these 2,048 bits. XOR would be broken by linear algebra at once. Here the attack does not even
//! begin: the terms follow from a key that is derived from the roots, neither they nor the sum are ever stored or shown in
//! clear, and whoever puts other rows there does not learn whether the sums were near each other. What is left is to guess.
//! The same row many times over adds up to nothing only after `2^64` copies.
//!
//! Rows can stand under several roots at once: each term follows from its own row's root, so that one sum holds while rows are
//! written anew under another.
//!
//! What is taken away is the term of the row as it was read and verified, never of what the file holds by then: so an old row
//! that was put there before a change does not leave the sum right.

use chacha20::{
    ChaCha20,
    cipher::{KeyIvInit as _, StreamCipher as _, StreamCipherSeek as _},
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
    /// The root under which it stands.
    pub(super) root: i64,
    /// Its code, which was verified, and is over all that the row is.
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
        self.part(&row.term(keys));
    }

    /// Counts no more what another sum counts.
    pub(super) fn part(&mut self, other: &Self) {
        for (lane, term) in self.0.iter_mut().zip(other.0) {
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
    /// A row whose root is not known, or whose code has another length, is never verified, and has no term.
    fn term(&self, keys: &DerivedKeys) -> RowSum {
        let code = self.code.try_into().ok();
        keys.of_rows(self.root).zip(code).map_or(RowSum::EMPTY, |(keys, code)| term_of(code, keys.terms()))
    }
}

fn term_of(code: &[u8; 16], key: &[u8; 32]) -> RowSum {
    let [nonce @ .., a, b, c, d] = *code;
    // Blocks are counted by 32 bits, and four of them are a term: no two terms have only some of them in common.
    let begins_at =
        u64::from(u32::from_le_bytes([a, b, c, d]) >> 3) * u64::try_from(BYTES).unwrap_or_default();
    let mut bytes = [0; BYTES];
    let mut stream = ChaCha20::new(&(*key).into(), &nonce.into());
    stream.seek(begins_at);
    stream.apply_keystream(&mut bytes);
    RowSum::of_bytes(&bytes)
}

fn purpose(head: &[u8]) -> Vec<u8> {
    [b"sum ".as_slice(), head].concat()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        domain::{audit::Chain, revision::Revision, root::tests::keys},
        store::rows::Row,
    };

    fn row() -> Row {
        Row::new("members", "a", "body", Revision(7), &keys(1))
    }

    fn sum_of(rows: &[Row]) -> RowSum {
        let (keys, mut sum) = (keys(1), RowSum::EMPTY);
        for row in rows {
            sum.add(row.summand(), &keys);
        }
        sum
    }

    #[test]
    fn every_part_of_a_row_counts_and_the_order_of_rows_does_not() {
        // D5
        let new = |table, id, body, revision| Row::new(table, id, body, Revision(revision), &keys(1));
        let others = [
            new("schemes", "a", "body", 7),
            new("members", "b", "body", 7),
            new("members", "a", "Body", 7),
            new("members", "a", "body", 8),
            Row::new("members", "a", "body", Revision(7), &keys(2)),
        ];
        let alone = sum_of(&[row()]);
        for other in others {
            let pair = || [row(), Row { ..other.clone() }];
            assert!(sum_of(std::slice::from_ref(&other)) != alone);
            let [first, second] = pair();
            assert!(sum_of(&pair()) == sum_of(&[second, first]));
        }
        assert!(
            sum_of(&[row(), row()]) != alone && sum_of(&[row(), row()]) != RowSum::EMPTY,
            "twice, unlike XOR"
        );
        let term = sum_of(&[row()]);
        assert!(term.0.iter().collect::<std::collections::HashSet<_>>().len() == LANES, "all lanes differ");
    }

    #[test]
    fn each_bit_of_a_code_that_is_used_gives_another_term_and_none_begins_within_another() {
        let keys = keys(1);
        let lanes = |code: u128| term_of(&code.to_be_bytes(), keys.newest_rows().terms()).0;
        let (mut seen, mut codes) = (std::collections::HashSet::new(), vec![0, u128::MAX]);
        // The last four bytes are a number with its little end first, of which three bits are not used.
        codes.extend((0..128).filter(|bit| !(24..27).contains(bit)).map(|bit| 1_u128 << bit));
        for code in codes {
            assert!(lanes(code).into_iter().all(|lane| seen.insert(lane)), "{code:x}");
        }
    }

    #[test]
    fn a_row_under_a_root_that_is_not_known_has_no_term() {
        let row = Row { root: 2, ..row() };
        assert!(!row.is_genuine("members", &keys(1)) && sum_of(&[row]) == RowSum::EMPTY);
    }

    #[test]
    fn what_is_taken_away_leaves_the_others() {
        let (keys, other) = (keys(1), Row::new("members", "a", "body", Revision(8), &keys(1)));
        let mut sum = sum_of(&[row(), other.clone()]);
        sum.subtract(row().summand(), &keys);
        assert!(sum == sum_of(std::slice::from_ref(&other)));
        sum.subtract(other.summand(), &keys);
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
