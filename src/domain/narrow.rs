//! Numbers in as few bytes as they take, for what there are millions of.

/// A number in `N` bytes, at most eight; what is more than it can say is the most that it can.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Narrow<const N: usize>([u8; N]);

impl<const N: usize> Narrow<N> {
    /// The least.
    pub const ZERO: Self = Self([0; N]);

    /// The most that can be said.
    pub const MOST: Self = Self([u8::MAX; N]);

    /// A number, or the most that can be said.
    #[must_use]
    #[inline]
    pub fn new(number: u64) -> Self {
        match number.to_le_bytes().split_first_chunk() {
            Some((low, high)) if high.iter().all(|byte| *byte == 0) => Self(*low),
            Some(_) | None => Self::MOST,
        }
    }

    /// The number.
    #[must_use]
    #[inline]
    pub fn get(self) -> u64 {
        let mut bytes = [0; 8];
        bytes.iter_mut().zip(self.0).for_each(|(byte, known)| *byte = known);
        u64::from_le_bytes(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_what_it_was_or_the_most_that_can_be_said() {
        const MOST: u64 = (1 << 48) - 1;
        for number in [0, 1, 0xFFFF, 0x1_0000, 1_000_000_000_000, MOST - 1, MOST] {
            assert_eq!(Narrow::<6>::new(number).get(), number);
        }
        assert_eq!([MOST + 1, u64::MAX].map(|number| Narrow::<6>::new(number).get()), [MOST; 2]);
        assert_eq!(Narrow::<8>::new(u64::MAX).get(), u64::MAX);
        assert_eq!((Narrow::<3>::ZERO.get(), size_of::<Narrow<3>>(), align_of::<Narrow<7>>()), (0, 3, 1));
    }
}
