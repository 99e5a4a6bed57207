//! What several verbs need: who may go next, what has room, how a change is committed, what is done when it cannot be.

mod anew;
pub(in crate::changes) mod attempt;
pub mod audience;
pub mod clock_mark;
mod committing;
pub(in crate::changes) mod cursor;
pub mod denied_here;
pub(in crate::changes) mod describe;
pub(in crate::changes) mod entry;
pub mod initialize;
pub(in crate::changes) mod key_rules;
pub mod last_use;
pub mod limits;
pub(in crate::changes) mod locks;
pub(in crate::changes) mod look;
pub mod quotas;
mod reach;
mod standstill;
mod whole;
