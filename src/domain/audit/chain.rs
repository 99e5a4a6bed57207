//! What chains the entries of the log: a hash over each and all before it.

use ring::digest::{Context, SHA256};

use crate::domain::revision::Revision;

/// The value that chains an entry to all before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Chain(pub [u8; 32]);

impl Chain {
    /// What the first entry is chained to.
    pub const START: Self = Self([0; 32]);

    /// The value after this: `SHA-256(this ‖ revision ‖ digest)`, the revision as 8 bytes, big end first, the digest
    /// the SHA-256 of the entry's bytes, so that a payload can be erased one day without breaking the chain.
    #[must_use]
    pub fn next(self, revision: Revision, entry: &[u8; 32]) -> Self {
        let mut context = Context::new(&SHA256);
        context.update(&self.0);
        context.update(&revision.0.to_be_bytes());
        context.update(entry);
        Self(array(context.finish().as_ref()))
    }

    /// What is signed where this is the head of the log.
    #[must_use]
    pub fn head_message(self, revision: Revision) -> Vec<u8> {
        [b"keyward log head 1".as_slice(), &revision.0.to_be_bytes(), &self.0].concat()
    }
}

/// SHA-256.
#[must_use]
pub fn digest(bytes: &[u8]) -> [u8; 32] {
    array(ring::digest::digest(&SHA256, bytes).as_ref())
}

pub(in crate::domain) fn array(bytes: &[u8]) -> [u8; 32] {
    bytes.try_into().unwrap_or([0; 32])
}
