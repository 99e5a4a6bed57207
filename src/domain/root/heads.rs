//! Signatures of the log's heads: made by the newest root, checked with the public key of the root that was the newest then.

use ring::signature;

use super::{Root, facts::RootHistory};
use crate::domain::revision::Revision;

/// Signs heads of the log (Ed25519, RFC 8032), and checks those that older roots signed.
pub struct HeadKeys {
    pair: signature::Ed25519KeyPair,
    /// Which public key counts from which head on, the newest last.
    eras: Vec<(Revision, [u8; 32])>,
}

impl HeadKeys {
    pub(super) fn new(newest: &Root, history: &RootHistory) -> Self {
        Self { pair: newest.pair(), eras: history.iter().map(|root| (root.since, root.public)).collect() }
    }

    /// The signature of a head.
    #[must_use]
    pub fn sign(&self, message: &[u8]) -> Vec<u8> {
        self.pair.sign(message).as_ref().to_vec()
    }

    /// Whether `signature` is over `message`, which says that the head is of this revision: by the root that was the newest then,
    /// and by no other.
    #[must_use]
    pub fn verify(&self, revision: Revision, message: &[u8], signature: &[u8]) -> bool {
        let era = self.eras.iter().rev().find(|(since, _)| *since <= revision);
        era.is_some_and(|(_, public)| {
            signature::UnparsedPublicKey::new(&signature::ED25519, public).verify(message, signature).is_ok()
        })
    }
}
