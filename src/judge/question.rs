//! What a Check asks.

use crate::domain::{
    decision::Requirement,
    id::{KeyId, WorkspaceId},
};

/// Whose right is in question.
pub enum InQuestion<'a> {
    /// The holder of what was presented.
    Presented(&'a str),
    /// No credential was presented.
    Nothing,
    /// The key of this id; an operator asks.
    Key(KeyId),
}

/// How to judge.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Decide, charge and note the use.
    Enforce,
    /// Decide only.
    Peek,
    /// Decide only, and name every condition that fails.
    Explain,
}

/// A question.
pub struct Query<'a> {
    /// Whose right is in question.
    pub subject: InQuestion<'a>,
    /// What the request needs.
    pub requirement: Requirement<'a>,
    /// How to judge.
    pub mode: Mode,
    /// The workspace that the caller is bound to: keys of others are unknown to it.
    pub bound_to: Option<WorkspaceId>,
    /// The administration key that asks; `None` for a caller without one.
    pub caller: Option<KeyId>,
}
