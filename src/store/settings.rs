//! Where the parts of a store are that need not lie in its data directory.

use super::{anchor::AnchorSettings, roots::RootsSource};

/// Where the parts of a store are that need not lie in its data directory.
#[derive(Debug, Clone, Default)]
pub struct StoreSettings {
    /// Where its anchor is, and what is taken in without it.
    pub anchor: AnchorSettings,
    /// Where its roots are kept.
    pub roots: RootsSource,
}
