//! What is denied: Checks, and calls of administration that are refused, noted in memory until they are written (A4, A6).

mod book;
mod calls;
mod refused;

pub(crate) use self::book::DenialsTaken;
pub(super) use self::calls::{CALLER_INVALID, RefusedCalls, shown};
pub use self::{
    book::DenialBook,
    calls::{AskedAs, OUT_OF_REACH},
};
