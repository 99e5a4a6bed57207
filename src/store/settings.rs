//! What an operator says of a store: where its parts are, and what is done with it at a start.

use super::{anchor::AnchorSettings, roots::RootsSource};

/// What an operator says of a store.
#[derive(Debug, Clone, Default)]
pub struct StoreSettings {
    /// Where its anchor is, and what is taken in without it.
    pub anchor: AnchorSettings,
    /// Where its roots are kept.
    pub roots: RootsSource,
    /// Whether no copy is kept of a database that is brought to a newer schema.
    pub without_upgrade_copy: bool,
}
