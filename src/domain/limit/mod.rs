//! Limits: the arithmetic of so many units in a window. Pure: no clock, no map, no lock.
//!
//! A [`Bound`] is a limit as it applies to a key, a [`Sheet`] is what one subject (a key, an owner, a workspace) has used.
//! Invariants: what is admitted never exceeds the limit; a look changes nothing; nothing overflows. Calendars go by the
//! wall clock, rolling windows and buckets by the steady one.
//!
//! A count is written to disk ahead of its use, a block at a time (see [`Slot::snapshot`]), so that a crash wastes at most
//! two blocks and admits nothing twice.

#![cfg_attr(not(test), deny(clippy::arithmetic_side_effects))]

mod bound;
mod bucket;
mod calendar;
mod ids;
mod measure;
mod rolling;
mod sheet;
mod slot;

pub use self::{
    bound::{Bound, KeyLimits},
    ids::{LimitId, LimitIds},
    measure::{Measure, Reading},
    sheet::{Left, Sheet},
    slot::{Slot, Snapshot},
};

/// How many units are written ahead at a time: a hundredth, but at least 16.
#[must_use]
pub const fn block(limit: u64) -> u64 {
    let hundredth = limit.div_ceil(100);
    let block = if hundredth > 16 { hundredth } else { 16 };
    if block < limit { block } else { limit }
}

/// How many units of a window may be used before anything of it is written. After a crash as many count as spent, in each
/// window that was open, whether they were or not: so it is none where a block is more than an eighth of the limit.
#[must_use]
pub const fn unwritten(limit: u64) -> u64 {
    let block = block(limit);
    if block.saturating_mul(8) <= limit { block } else { 0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_count_is_small() {
        // What a key costs that is used: its share of the slice, and of each rolling window.
        assert_eq!(size_of::<Slot>(), 32);
        assert!(size_of::<Slot>() + size_of::<rolling::Rolling>() <= 200);
        assert!(size_of::<Sheet>() == 16);
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
            assert_eq!((block(limit), unwritten(limit)), (expected, free), "{limit}");
        }
    }
}
