//! Counts of limits, as they stand in blocks: the newest of each limit, or that there is none any more.

use std::sync::Arc;

use rusqlite::Connection;

use super::{
    bytes::{BlockReader, NoBlock},
    content::{Content, Kind},
    frame::{BlockNames, Payload},
};
use crate::domain::id::KeyId;

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
            // One more than there are bytes; zero for a count that is gone.
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
            payload.name(limit);
            let length = state.as_ref().map_or(0, |state| state.len().saturating_add(1));
            payload.number(u64::try_from(length).unwrap_or(u64::MAX));
            payload.out.extend_from_slice(state.as_deref().unwrap_or_default());
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
