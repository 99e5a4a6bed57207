//! A root that is being laid over what memory has.

use std::sync::Arc;

use crate::domain::{revision::Revision, root::DerivedKeys};

/// A root whose layer comes over the hashes of secrets in memory.
pub struct LayingRoot {
    /// The keys in force from then on.
    pub keys: Arc<DerivedKeys>,
    /// The root that lies outermost before.
    pub under: u32,
    /// The revision that noted it: what memory has from later ones has the layer.
    pub since: Revision,
}

impl LayingRoot {
    /// Whether a key of this revision is still without the layer.
    pub(super) fn awaits(&self, revision: Revision) -> bool {
        revision <= self.since
    }
}
