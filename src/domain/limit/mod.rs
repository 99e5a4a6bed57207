//! Limits: the arithmetic of so many units in a window. Pure: no clock, no map, no lock.
//!
//! A [`Bound`] is a limit as it applies to a key, a [`Sheet`] is what one subject (a key, an owner, a workspace) has used.
//! Invariants: what is admitted never exceeds the limit; a look changes nothing; nothing overflows. Calendars go by the
//! wall clock, rolling windows and buckets by the steady one.
//!
//! A count is written to disk ahead of its use, a block at a time (see [`Slot::snapshot`]), so that a crash wastes at most
//! two blocks and admits nothing twice.

#![cfg_attr(not(test), deny(clippy::arithmetic_side_effects))]

mod block;
mod bound;
mod bucket;
mod calendar;
mod counts;
mod ids;
mod marks;
mod measure;
mod rolling;
mod sheet;
mod slot;
mod state;

pub use self::{
    block::{Replicas, block, unwritten},
    bound::{Bound, KeyLimits},
    ids::{LimitId, LimitIds},
    measure::{Measure, Reading},
    sheet::{Left, Sheet},
    slot::{Slot, Snapshot},
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_count_is_small() {
        // What a key costs that is used: two counts, and each rolling window.
        assert!(size_of::<Slot>() + size_of::<rolling::Rolling>() <= 200);
        assert!(size_of::<Sheet>() <= 32, "{}", size_of::<Sheet>());
    }
}
