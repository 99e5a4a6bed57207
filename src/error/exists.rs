//! Errors of requests whose result is there already.

use crate::domain::{
    id::{GroupId, KeyId},
    text::{Label, Owner},
};

/// It is there already, or was done already: the caller looks at what there is.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Exists {
    /// The request id has done its work already, and the secret was shown then.
    #[error(
        "this request id was carried out already, and the secret of {0} was shown then; rotate the key if it was lost"
    )]
    SecretAlreadyShown(KeyId),
    /// The request id has done its work already, on many keys.
    #[error("this request id was carried out already, as {0}; nothing was done again")]
    GroupDone(GroupId),
    /// The request id was used for something else.
    #[error("this request id was used with other arguments")]
    RequestIdReused,
    /// There is an import scheme of this name, with another secret.
    #[error("there is an import scheme `{0}` already, and its secret cannot be changed")]
    Scheme(Label),
    /// The hash of an imported secret is already that of a key which the caller may know of.
    #[error("this hash is a key's already: {0}")]
    Hash(KeyId),
    /// A row before has the same hash.
    #[error("the row of line {0} has this hash already")]
    HashRepeated(u64),
    /// There is such a member already.
    #[error("`{0}` is a member of the workspace already; to change the role, update the member")]
    Member(Owner),
}
