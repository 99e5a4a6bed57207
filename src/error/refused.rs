//! Errors of callers who may not.

use super::listed::listed;
use crate::domain::{
    admin::{AdminRefusal, Unproven},
    ceiling::CeilingPart,
    id::KeyId,
    text::Label,
};

/// Who calls may not: another caller might, or this one with more rights.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// What was sent to identify the caller is not a usable administration key.
    #[error("what was sent in `authorization` is not a usable administration key")]
    CallerInvalid,
    /// The connection proves somebody who is no actor, and no key was sent.
    #[error(transparent)]
    Unproven(Unproven),
    /// The caller may not.
    #[error(transparent)]
    Admin(#[from] AdminRefusal),
    /// Keys of a change of many go beyond what the caller may hand out.
    #[error(
        "{keys} of the keys go beyond the caller's ceiling, {first} for one, whose part beyond is its {part:?}; none was changed"
    )]
    CeilingExceededBy {
        /// How many.
        keys: usize,
        /// The first of them.
        first: KeyId,
        /// What is beyond in that one.
        part: CeilingPart,
    },
    /// A key would have more than the role that it is issued under.
    #[error("the role `{role}` does not have {}", listed(.beyond))]
    RoleExceeded {
        /// The role.
        role: Label,
        /// What goes beyond it.
        beyond: Vec<String>,
    },
}
