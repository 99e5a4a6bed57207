//! How many units of a limit are taken ahead of their use, at a time.

use std::num::NonZeroU32;

/// How many processes count by the same limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Replicas(NonZeroU32);

impl Replicas {
    /// One process.
    pub const ALONE: Self = Self(NonZeroU32::MIN);

    /// So many.
    #[must_use]
    pub const fn new(count: NonZeroU32) -> Self {
        Self(count)
    }

    /// How many.
    #[must_use]
    pub const fn count(self) -> NonZeroU32 {
        self.0
    }

    /// Whether there is only one.
    #[must_use]
    pub const fn is_alone(self) -> bool {
        self.0.get() == 1
    }
}

/// How many units are taken ahead at a time: a hundredth, but at least 16. Where several processes take of one limit, no more
/// than leaves half of it when each has taken a block, but at least one.
#[must_use]
pub fn block(limit: u64, replicas: Replicas) -> u64 {
    let block = limit.div_ceil(100).max(16).min(limit);
    if replicas.is_alone() {
        return block;
    }
    let share = limit.checked_div(u64::from(replicas.count().get()).saturating_mul(2)).unwrap_or_default();
    block.min(share).max(1)
}

/// How many units of a window may be used before anything of it is written. After a crash as many count as spent, in each
/// window that was open, whether they were or not: so it is none where a block is more than an eighth of the limit. Where several
/// processes count it is none at all: each would have as many.
#[must_use]
pub fn unwritten(limit: u64, replicas: Replicas) -> u64 {
    let block = block(limit, replicas);
    if replicas.is_alone() && block.saturating_mul(8) <= limit { block } else { 0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(count: u32) -> Replicas {
        Replicas::new(NonZeroU32::new(count).unwrap())
    }

    #[test]
    fn a_block_is_a_hundredth_but_at_least_sixteen_and_at_most_the_limit() {
        // L10
        for (limit, expected, free) in [
            (1, 1, 0),
            (16, 16, 0),
            (127, 16, 0),
            (128, 16, 16),
            (1_000, 16, 16),
            (5_000, 50, 50),
            (1_000_000_000_000, 10_000_000_000, 10_000_000_000),
        ] {
            let alone = Replicas::ALONE;
            assert_eq!((block(limit, alone), unwritten(limit, alone)), (expected, free), "{limit}");
        }
    }

    #[test]
    fn a_block_of_each_of_several_leaves_half_of_the_limit_to_be_taken() {
        // L10
        for (limit, count, expected) in [
            (1, 2, 1),
            (16, 2, 4),
            (100, 3, 16),
            (100, 16, 3),
            (1_000, 16, 16),
            (5_000, 16, 50),
            (5_000, 1_000, 2),
            (1_000_000_000_000, u32::MAX, 116),
        ] {
            assert_eq!(
                (block(limit, of(count)), unwritten(limit, of(count))),
                (expected, 0),
                "{limit} by {count}"
            );
        }
    }
}
