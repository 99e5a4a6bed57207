//! What is given back of permits, in the order that the port wants.

use crate::ports::GiveBack;

/// The list, sorted.
pub(super) fn sorted(mut list: Vec<GiveBack>) -> Vec<GiveBack> {
    list.sort_by(|one, other| one.count.cmp(&other.count));
    list
}
