//! What a store knows of each root that it has had: enough to read what the root has left behind, once the root itself is gone.

use zeroize::Zeroizing;

use super::Root;
use crate::domain::{revision::Revision, time::Timestamp};

/// What is known of one root. Without `Debug`: it holds keys.
#[derive(Clone)]
pub struct RootFacts {
    /// Its number.
    pub number: u32,
    /// Its check value.
    pub check: [u8; 32],
    /// The public key of the heads that it signed.
    pub public: [u8; 32],
    /// The first head that it signed.
    pub since: Revision,
    /// When that was.
    pub added: Timestamp,
    /// Whether nothing needs the root itself any more, so that a start does without it.
    pub is_destroyed: bool,
    /// What hashes secrets that start at this root; `None` once there are none.
    pub start: Option<Zeroizing<[u8; 32]>>,
    /// What lays this root over the hashes that start at older ones.
    pub layer: Zeroizing<[u8; 32]>,
}

/// Every root that a store has had, the newest last.
#[derive(Clone)]
pub struct RootHistory(Vec<RootFacts>);

impl RootFacts {
    /// What is known of a root that is at hand.
    #[must_use]
    pub fn of(root: &Root, since: Revision, added: Timestamp) -> Self {
        Self {
            number: root.number,
            check: root.check(),
            public: root.public(),
            since,
            added,
            is_destroyed: false,
            start: Some(root.derive(b"lookup")),
            layer: root.derive(b"layers"),
        }
    }
}

impl RootHistory {
    /// These, the newest last.
    #[must_use]
    pub const fn new(roots: Vec<RootFacts>) -> Self {
        Self(roots)
    }

    /// All of them, the newest last.
    #[must_use]
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = &RootFacts> {
        self.0.iter()
    }

    /// The same with one more, which is the newest from then on.
    #[must_use]
    pub fn with(&self, newest: RootFacts) -> Self {
        Self(self.0.iter().cloned().chain([newest]).collect())
    }

    /// The same, in which some are no longer what they were.
    #[must_use]
    pub fn changed(&self, mut change: impl FnMut(&mut RootFacts)) -> Self {
        let mut changed = self.clone();
        changed.0.iter_mut().for_each(&mut change);
        changed
    }
}
