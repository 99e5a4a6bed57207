//! The parts into which keys, and all who pay, are divided: what is kept of many of them is read and written part by part.

use super::Payer;
use crate::domain::id::KeyId;

/// One of 1,024 parts. Keys lie in them in the order of their ids, which are random; others who pay by a hash of their names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PayerPart(u16);

/// How many bits of a number say the part.
const BITS: u32 = 10;

impl PayerPart {
    /// How many there are.
    pub const COUNT: u16 = 1 << BITS;

    /// The part of a key.
    #[must_use]
    pub fn of_key(key: KeyId) -> Self {
        let number = u128::from_be_bytes(key.to_bytes()) >> (u128::BITS - BITS);
        Self(u16::try_from(number).unwrap_or_default())
    }

    /// The part of whoever pays.
    #[must_use]
    pub fn of(payer: &Payer<'_>) -> Self {
        match payer {
            Payer::Key(key) => Self::of_key(*key),
            Payer::Owner(text) | Payer::Workspace(text) => Self::of_text(text),
        }
    }

    /// Every part, in order.
    pub fn all() -> impl Iterator<Item = Self> {
        (0..Self::COUNT).map(Self)
    }

    /// Its number, from zero.
    #[must_use]
    pub const fn number(self) -> u16 {
        self.0
    }

    /// The part of this number.
    #[must_use]
    pub fn numbered(number: i64) -> Option<Self> {
        u16::try_from(number).ok().filter(|number| *number < Self::COUNT).map(Self)
    }

    /// The part behind it.
    #[must_use]
    pub fn next(self) -> Option<Self> {
        self.0.checked_add(1).filter(|number| *number < Self::COUNT).map(Self)
    }

    /// FNV-1a, and two rounds more, so that names that differ at their ends lie apart. Stored counts lie by it: it never changes.
    fn of_text(text: &str) -> Self {
        let mixed = text.bytes().fold(0xCBF2_9CE4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01B3)
        });
        let mixed = (mixed ^ (mixed >> 33)).wrapping_mul(0xFF51_AFD7_ED55_8CCD);
        let mixed = (mixed ^ (mixed >> 33)).wrapping_mul(0xC4CE_B9FE_1A85_EC53);
        Self(u16::try_from(mixed >> (u64::BITS - BITS)).unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_the_same_for_ever() {
        // D8: counts are stored by them
        let key =
            |first: u8| KeyId::from_bytes([[first; 1].as_slice(), &[0xFF; 15]].concat().try_into().unwrap());
        assert_eq!(
            [0, 1, 0x80, 0xFF].map(|first| PayerPart::of_key(key(first)).number()),
            [3, 7, 515, 1_023]
        );
        let parts = ["", "ws_1", "ws_1/live", "ws_1/live/ann"]
            .map(|text| PayerPart::of(&Payer::Owner(text)).number());
        assert_eq!(parts, [959, 976, 766, 535]);
        assert_eq!(PayerPart::all().count(), 1_024);
        assert_eq!(PayerPart::all().last().and_then(PayerPart::next), None);
    }
}
