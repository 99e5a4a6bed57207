//! Errors of changes that another change came before.

/// Another change came first: the caller looks at it, and asks again.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Conflict {
    /// Others changed the key again and again.
    #[error("the key was changed by others again and again; try again")]
    Contended,
    /// Another policy is in force than the one expected.
    #[error(
        "the policy in force is version {0}, not the one expected; look at what changed, and apply again"
    )]
    PolicyVersion(u64),
}
