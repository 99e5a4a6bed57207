//! What a count knows of its own writing, in one byte.

/// What is known of the writing of a count.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Marks(u8);

impl Marks {
    /// Nothing is known.
    pub(super) const NONE: Self = Self(0);
    /// It is known on disk.
    pub(super) const WRITTEN: Self = Self(1);
    /// A write is on its way.
    pub(super) const ASKED: Self = Self(2);
    /// What is on disk says something else than was used.
    pub(super) const NEWS: Self = Self(4);

    pub(super) const fn has(self, mark: Self) -> bool {
        self.0 & mark.0 != 0
    }

    /// Sets a mark; whether it was not set before.
    pub(super) const fn set(&mut self, mark: Self) -> bool {
        let is_new = !self.has(mark);
        self.0 |= mark.0;
        is_new
    }

    pub(super) const fn clear(&mut self, mark: Self) {
        self.0 &= !mark.0;
    }
}
