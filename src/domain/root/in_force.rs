//! The one place that has the keys in force: a change of roots puts others in their place while Keyward serves.

use std::sync::Arc;

use arc_swap::{ArcSwap, Guard};

use super::DerivedKeys;

/// The keys in force. Without `Debug`: it holds keys.
///
/// Who reads the store takes them after its snapshot is fixed: those of a change are here before it is committed, and read what was
/// written before as well. So whatever a snapshot has can be read with what is here then.
pub struct KeysInForce(ArcSwap<DerivedKeys>);

impl KeysInForce {
    /// These are.
    #[must_use]
    pub fn new(keys: Arc<DerivedKeys>) -> Self {
        Self(ArcSwap::new(keys))
    }

    /// Those in force, for as long as one answer takes.
    #[must_use]
    pub fn now(&self) -> Guard<Arc<DerivedKeys>> {
        self.0.load()
    }

    /// Those in force, for longer.
    #[must_use]
    pub fn shared(&self) -> Arc<DerivedKeys> {
        self.0.load_full()
    }

    /// From now on these are.
    pub fn put(&self, keys: Arc<DerivedKeys>) {
        self.0.store(keys);
    }
}
