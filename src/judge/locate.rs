//! Which key a question is about, and whether its caller may know of it.

use super::{
    Judge,
    question::{InQuestion, Query},
};
use crate::{
    domain::{
        decision::Denial,
        id::{KeyId, WorkspaceId},
        secret::{KeyHash, PresentedKey},
    },
    error::{NotFound, OperationError},
    index::Found,
    ports::PolicyVersion,
};

/// The key that a question is about, with the hash of what was presented; or why there is none.
pub(super) type Located = Result<(Found, Option<KeyHash>), Denial>;

impl Judge {
    /// The key of an id.
    ///
    /// # Errors
    /// No key within the caller's reach has this id.
    pub(super) fn known(&self, bound_to: Option<WorkspaceId>, id: KeyId) -> Result<Found, OperationError> {
        let found = self.index.by_id(id).filter(|found| known_to(bound_to, found));
        found.ok_or(OperationError::NotFound(NotFound::Key(id)))
    }

    /// Finds the key that a question is about.
    ///
    /// # Errors
    /// An operator names an id that does not exist within reach. Anything that a holder presents gets an
    /// answer, and no error.
    pub(super) fn locate(
        &self,
        query: &Query<'_>,
        policy: &PolicyVersion,
    ) -> Result<Located, OperationError> {
        Ok(match query.subject {
            InQuestion::Nothing => Err(Denial::CredentialsMissing),
            InQuestion::Key(id) => {
                let found = self.known(query.bound_to, id)?;
                // What a tenant is told of its own key says nothing of others'.
                let is_others = query.bound_to.is_none() && self.is_others(&found.key());
                if is_others { Err(Denial::KeyUnknown) } else { Ok((found, None)) }
            }
            InQuestion::Presented(text) => match PresentedKey::parse(text, policy.policy.environments())
                .or_else(|not_ours| self.foreign_after_all(text, not_ours))
            {
                Err(not_a_key) => Err(not_a_key.into()),
                Ok(presented) => {
                    let known = self.whose(&presented).filter(|(found, _)| known_to(query.bound_to, found));
                    known.map(|(found, hash)| (found, Some(hash))).ok_or(Denial::KeyUnknown)
                }
            },
        })
    }
}

/// Whether a caller may know of a key: an administration key never authenticates a holder, and a bound caller knows the keys
/// of its own workspace only.
pub(super) fn known_to(bound_to: Option<WorkspaceId>, found: &Found) -> bool {
    let key = found.key();
    key.admin.is_none() && bound_to.is_none_or(|workspace| workspace == key.workspace)
}
