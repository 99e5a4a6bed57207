//! What a start has read, on its way to whoever takes it: in parts, so that no more than a few are in memory at any time.

use crate::{
    domain::key::KeptKey,
    ports::{View, ViewSink},
};

/// How many keys are handed over at once: as many as stay in a core's cache until they are taken over.
const AT_ONCE: usize = 256;

/// The part that is being read, and what is known of those that were handed over.
#[derive(Default)]
pub(super) struct ViewParts {
    pub(super) view: View,
    /// What could not be read for want of a time zone, and that zone.
    pub(super) zone_missing: Option<(String, String)>,
}

impl ViewParts {
    /// Takes a key.
    pub(super) fn put(&mut self, key: KeptKey) {
        if self.view.kept.capacity() == 0 {
            self.view.kept.reserve_exact(AT_ONCE);
        }
        self.view.kept.push(key);
    }

    /// Hands over what was read so far.
    pub(super) fn hand_over(&mut self, sink: &dyn ViewSink) {
        let part = std::mem::take(&mut self.view);
        self.note_zone(|| part.zone_missing());
        sink.take(part);
    }

    /// The same where there are as many keys as a part has.
    pub(super) fn hand_over_full(&mut self, sink: &dyn ViewSink) {
        if self.view.keys.len().max(self.view.kept.len()) >= AT_ONCE {
            self.hand_over(sink);
        }
    }

    /// Takes note of a zone that is missing, where none is known yet.
    pub(super) fn note_zone(&mut self, missing: impl FnOnce() -> Option<(String, String)>) {
        if self.zone_missing.is_none() {
            self.zone_missing = missing();
        }
    }
}
