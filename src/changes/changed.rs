//! What a change of a key answers.

use crate::domain::{key::Key, revision::Revision, secret::SecretKey};

/// A key as it is after a change, and the revision of that change.
#[derive(Debug)]
pub struct Changed {
    /// The key.
    pub key: Key,
    /// The log revision.
    pub revision: Revision,
}

/// A key with a new secret, which is shown this once.
pub struct WithSecret {
    /// The key.
    pub key: Key,
    /// The new secret.
    pub secret: SecretKey,
    /// The log revision.
    pub revision: Revision,
}

/// A key after an attempt that changed it, or did not need to.
pub(super) fn changed((mut key, revision): (Key, Option<Revision>)) -> Changed {
    let revision = revision.unwrap_or(key.revision);
    key.revision = revision;
    Changed { key, revision }
}
