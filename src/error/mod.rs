//! Why Keyward could not do what a caller asked, by what the caller does next. A denied Check is not among these: it is an
//! answer.

mod blocked;
mod conflict;
mod exists;
mod invalid;
mod limited;
mod listed;
mod not_found;
mod refused;
mod unavailable;

pub use self::{
    blocked::Blocked,
    conflict::Conflict,
    exists::Exists,
    invalid::Invalid,
    limited::{Limited, QuotaReached},
    listed::listed,
    not_found::NotFound,
    refused::Refused,
    unavailable::Unavailable,
};

use crate::{
    domain::{admin::AdminRefusal, key::TransitionError, parse::ParseError},
    ports::StoreError,
};

/// Why an operation was not carried out, by what the caller does next: each group has one status.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OperationError {
    /// Send another request.
    #[error(transparent)]
    Invalid(#[from] Invalid),
    /// Call with a key that may.
    #[error(transparent)]
    Refused(#[from] Refused),
    /// Name something that is there.
    #[error(transparent)]
    NotFound(#[from] NotFound),
    /// Change first what stands in the way.
    #[error(transparent)]
    Blocked(#[from] Blocked),
    /// Look at what is there already.
    #[error(transparent)]
    Exists(#[from] Exists),
    /// Look at what changed, and ask again.
    #[error(transparent)]
    Conflict(#[from] Conflict),
    /// Wait, or send fewer.
    #[error(transparent)]
    Limited(#[from] Limited),
    /// Ask again later.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
    /// The end of keys was good, and the store could not write it.
    #[error("{0}")]
    EndUnwritten(StoreError),
    /// The store could not do it; its errors are sorted in the same way.
    #[error("{0}")]
    Store(StoreError),
}

impl OperationError {
    /// A field that is not what it takes.
    #[must_use]
    pub fn invalid(field: impl Into<String>, why: ParseError) -> Self {
        Self::Invalid(Invalid::Field { field: field.into(), why })
    }

    /// The same about another field, if it is about this one.
    #[must_use]
    pub(super) fn renamed(mut self, from: &str, to: &str) -> Self {
        if let Self::Invalid(Invalid::Field { field, .. }) = &mut self
            && field == from
        {
            to.clone_into(field);
        }
        self
    }
}

/// `prefix.name`, or the name alone at the top of a request.
#[must_use]
pub fn path(prefix: &str, name: &str) -> String {
    if prefix.is_empty() { name.to_owned() } else { format!("{prefix}.{name}") }
}

impl From<AdminRefusal> for OperationError {
    fn from(refusal: AdminRefusal) -> Self {
        Refused::Admin(refusal).into()
    }
}

impl From<TransitionError> for OperationError {
    fn from(error: TransitionError) -> Self {
        Blocked::Transition(error).into()
    }
}

impl From<StoreError> for OperationError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::RequestUsed { key, same_arguments: true } => Exists::SecretAlreadyShown(key).into(),
            StoreError::GroupDone { group, same_arguments: true } => Exists::GroupDone(group).into(),
            StoreError::RequestUsed { same_arguments: false, .. }
            | StoreError::GroupDone { same_arguments: false, .. } => Exists::RequestIdReused.into(),
            StoreError::Conflict
            | StoreError::Unavailable(_)
            | StoreError::Unreachable(_)
            | StoreError::Sealed(_)
            | StoreError::WrittenByOthers(_)
            | StoreError::OutcomeUnknown(_)
            | StoreError::Corrupt(_)
            | StoreError::ZoneMissing { .. }
            | StoreError::TooOld => Self::Store(error),
        }
    }
}
