//! Counts of limits, as they stand in blocks: the newest of each limit, or that there is none any more.

use std::sync::Arc;

use rusqlite::Connection;

use super::{
    bytes::{BlockReader, NoBlock, put_length},
    content::{Content, Kind},
    frame::{BlockNames, Payload},
};
use crate::domain::id::KeyId;

/// Writes one count as an entry has it: one more than there are bytes, so that zero stands for a count that is gone.
pub(in crate::store::sqlite) fn put_count(payload: &mut Payload<'_>, limit: &str, state: Option<&[u8]>) {
    payload.name(limit);
    put_length(payload.out, state.map_or(0, |state| state.len().saturating_add(1)));
    payload.out.extend_from_slice(state.unwrap_or_default());
}

/// The counts of one subject: under each limit its state, or nothing where it is gone.
#[derive(Debug, Default, PartialEq, Eq)]
pub(in crate::store::sqlite) struct CountsOf(Vec<(Arc<str>, Option<Vec<u8>>)>);

impl CountsOf {
    /// Puts a count in the place of an older one of the same limit.
    pub(in crate::store::sqlite) fn put_one(&mut self, limit: Arc<str>, state: Option<Vec<u8>>) {
        match self.0.iter_mut().find(|(known, _)| *known == limit) {
            Some((_, known)) => *known = state,
            None => self.0.push((limit, state)),
        }
    }

    /// Each that is there.
    pub(in crate::store::sqlite) fn each(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.0.iter().filter_map(|(limit, state)| Some((&**limit, state.as_deref()?)))
    }
}

impl Content for CountsOf {
    const KIND: Kind = Kind::Counts;

    fn take(&mut self, mut payload: BlockReader<'_>, names: &BlockNames) -> Result<(), NoBlock> {
        while !payload.is_empty() {
            let limit = names.read(&mut payload)?;
            // As `put_count` writes it.
            let state = match payload.number()?.checked_sub(1) {
                Some(length) => Some(payload.bytes(length)?.to_vec()),
                None => None,
            };
            self.put_one(limit, state);
        }
        Ok(())
    }

    fn put(&self, payload: &mut Payload<'_>) {
        for (limit, state) in &self.0 {
            put_count(payload, limit, state.as_deref());
        }
    }

    fn settle(&mut self) {
        self.0.retain(|(_, state)| state.is_some());
    }

    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn put_rows(&self, _: &Connection, _: KeyId) -> rusqlite::Result<()> {
        // Counts stay in blocks.
        Ok(())
    }
}
