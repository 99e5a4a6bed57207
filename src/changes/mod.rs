//! What administrators can ask for, one verb per file: of [`keys`], of [`workspaces`], of the [`policy`], of keys of other
//! systems ([`import`]); and what looks at the [`log`], at
//! [`usage`] and at [`denials`].
//!
//! Each change is one mutation: committed, then in memory, then answered. What several verbs need is in [`support`].

mod changed;
pub mod denials;
pub mod import;
pub mod keys;
pub mod log;
mod parts;
pub mod policy;
pub mod support;
pub mod usage;
pub mod workspaces;

pub use self::{
    changed::{Changed, WithSecret},
    parts::{Changes, Parts},
};
