//! What a person writes behind flags, turned into what the wire wants.

pub(super) mod key_args;
pub(super) mod limits;
pub(super) mod page;
pub(super) mod parse;
pub(super) mod within;
