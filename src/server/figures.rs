//! What there is to show of a listener at work.

use std::sync::Arc;

use super::{admission::Admission, budget::Budget, connection::ConnectionsShared, counts::ServerCounts};

/// A look at a listener, for as long as somebody wants one.
#[derive(Debug, Clone)]
pub struct ListenerFigures {
    pub(super) shared: Arc<ConnectionsShared>,
    pub(super) admission: Arc<Admission>,
}

impl ListenerFigures {
    /// What has happened so far.
    #[must_use]
    pub fn counts(&self) -> &ServerCounts {
        &self.shared.counts
    }

    /// Connections that are open now.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.admission.open()
    }

    /// What calls hold now, of all listeners that share the budget.
    #[must_use]
    pub fn budget(&self) -> &Budget {
        &self.shared.budget
    }
}
