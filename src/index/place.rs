//! Where keys stand in memory: their records, what leads to them and what is counted of them say it by one number.

/// Where a record stands. A place is no other key's, also when its key is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place(pub(super) u32);

impl Place {
    /// Where no key stands.
    pub(super) const NOWHERE: Self = Self(u32::MAX);

    /// How many places a part has; no number is all ones.
    pub(super) const MOST: u32 = (1 << 24) - 1;

    pub(super) fn new(part: usize, number: u32) -> Self {
        Self(number << 8 | u32::try_from(part).unwrap_or_default())
    }

    pub(super) fn part(self) -> usize {
        usize::try_from(self.0 & 0xff).unwrap_or_default()
    }

    pub(super) const fn number(self) -> u32 {
        self.0 >> 8
    }
}
