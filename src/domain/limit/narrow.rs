//! Numbers of 48 bits, so that a count is small.

/// A number that takes six bytes; what is more than it can say is the most that it can. No limit is a hundredth as large.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Narrow([u16; 3]);

impl Narrow {
    /// The most that it can say.
    pub(super) const MAX: u64 = 0xFFFF_FFFF_FFFF;

    pub(super) fn new(number: u64) -> Self {
        let [.., one, two, three, four, five, six] = number.min(Self::MAX).to_be_bytes();
        Self([[one, two], [three, four], [five, six]].map(u16::from_be_bytes))
    }

    pub(super) fn get(self) -> u64 {
        let [high, middle, low] = self.0.map(u64::from);
        high << 32 | middle << 16 | low
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_what_it_was_and_never_less_than_it_can_say() {
        for number in [0, 1, 0xFFFF, 0x1_0000, 1_000_000_000_000, Narrow::MAX - 1, Narrow::MAX] {
            assert_eq!(Narrow::new(number).get(), number);
        }
        assert_eq!([Narrow::MAX + 1, u64::MAX].map(|number| Narrow::new(number).get()), [Narrow::MAX; 2]);
        assert_eq!(size_of::<Narrow>(), 6);
    }
}
