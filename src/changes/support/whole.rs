//! Whole keys: memory keeps what decisions need, and the texts that only administration shows are looked up here.

use std::collections::HashMap;

use crate::{
    changes::Changes,
    domain::{id::KeyId, key::Key},
    error::{NotFound, OperationError},
    index::Found,
};

impl Changes {
    /// A key with all that administration shows of it, as it is seen: ends that are not stored are laid over it.
    ///
    /// # Errors
    /// The store.
    pub(in crate::changes) async fn whole(&self, id: KeyId) -> Result<Key, OperationError> {
        let mut whole = self.whole_keys(vec![id]).await?;
        whole.remove(&id).ok_or(OperationError::NotFound(NotFound::Key(id)))
    }

    /// The same of several; those that are gone are left out.
    ///
    /// # Errors
    /// The store.
    #[expect(clippy::unused_async, reason = "what memory does not keep is read from the store")]
    pub(in crate::changes) async fn whole_keys(
        &self,
        ids: Vec<KeyId>,
    ) -> Result<HashMap<KeyId, Key>, OperationError> {
        let found = ids.iter().filter_map(|id| self.index.by_id(*id));
        Ok(found.map(|found| (found.key().id, found.whole())).collect())
    }

    /// The key as it is stored.
    ///
    /// # Errors
    /// The store.
    #[expect(clippy::unused_async, reason = "what memory does not keep is read from the store")]
    pub(in crate::changes) async fn whole_stored(&self, found: &Found) -> Result<Key, OperationError> {
        Ok(found.whole_stored())
    }
}
