//! Counts of limits, as they stand in blocks: the newest of each limit, or that there is none any more.

use std::sync::Arc;

use rusqlite::Connection;

use super::{
    bytes::{BlockReader, NoBlock, put_length},
    content::{Content, Kind},
    frame::{BlockNames, Payload},
};
use crate::domain::id::KeyId;

/// What the state of a count is about, where processes share its limit: units of one window that were granted to this process, and
/// how many it has given back. One process alone takes no units of a window, and writes none of these.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct WindowPermit {
    /// The window, by its number since 1970.
    window: u64,
    granted: u64,
    returned: u64,
}

/// A count as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
struct KeptCount {
    state: Vec<u8>,
    permit: Option<WindowPermit>,
}

/// Writes one count as an entry has it; one without a state is gone.
pub(in crate::store::sqlite) fn put_count(payload: &mut Payload<'_>, limit: &str, state: Option<&[u8]>) {
    put_with(payload, limit, state, None);
}

/// Before the state stands how long it is, and whether it is of a window: twice one more than there are bytes, and one more again
/// where it is, so that zero stands for a count that is gone.
fn put_with(payload: &mut Payload<'_>, limit: &str, state: Option<&[u8]>, permit: Option<WindowPermit>) {
    payload.name(limit);
    let length = state.map_or(0, |state| state.len().saturating_add(1).saturating_mul(2));
    put_length(payload.out, length.saturating_add(usize::from(permit.is_some())));
    if let Some(WindowPermit { window, granted, returned }) = permit {
        for number in [window, granted, returned] {
            payload.number(number);
        }
    }
    payload.out.extend_from_slice(state.unwrap_or_default());
}

/// The counts of one subject: under each limit its state, or nothing where it is gone.
#[derive(Debug, Default, PartialEq, Eq)]
pub(in crate::store::sqlite) struct CountsOf(Vec<(Arc<str>, Option<KeptCount>)>);

impl CountsOf {
    /// Puts a count in the place of an older one of the same limit.
    pub(in crate::store::sqlite) fn put_one(&mut self, limit: Arc<str>, state: Option<Vec<u8>>) {
        self.put_kept(limit, state.map(|state| KeptCount { state, permit: None }));
    }

    fn put_kept(&mut self, limit: Arc<str>, count: Option<KeptCount>) {
        match self.0.iter_mut().find(|(known, _)| *known == limit) {
            Some((_, known)) => *known = count,
            None => self.0.push((limit, count)),
        }
    }

    /// Each that is there.
    pub(in crate::store::sqlite) fn each(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.0.iter().filter_map(|(limit, count)| Some((&**limit, count.as_ref()?.state.as_slice())))
    }
}

impl KeptCount {
    /// What stands behind the name of a limit.
    fn read(payload: &mut BlockReader<'_>, has_windows: bool) -> Result<Option<Self>, NoBlock> {
        let number = payload.number()?;
        let (length, of_window) = if has_windows { (number >> 1, number & 1 == 1) } else { (number, false) };
        let Some(length) = length.checked_sub(1) else {
            return if of_window { Err(NoBlock) } else { Ok(None) };
        };
        let permit = if of_window {
            let [window, granted, returned] = [payload.number()?, payload.number()?, payload.number()?];
            Some(WindowPermit { window, granted, returned })
        } else {
            None
        };
        Ok(Some(Self { state: payload.bytes(length)?.to_vec(), permit }))
    }
}

impl Content for CountsOf {
    const KIND: Kind = Kind::Counts;

    fn take(&mut self, mut payload: BlockReader<'_>, names: &BlockNames) -> Result<(), NoBlock> {
        while !payload.is_empty() {
            let limit = names.read(&mut payload)?;
            self.put_kept(limit, KeptCount::read(&mut payload, names.has_windows())?);
        }
        Ok(())
    }

    fn put(&self, payload: &mut Payload<'_>) {
        for (limit, count) in &self.0 {
            let state = count.as_ref().map(|count| count.state.as_slice());
            put_with(payload, limit, state, count.as_ref().and_then(|count| count.permit));
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

#[cfg(test)]
mod tests {
    use super::{
        super::frame::{Block, BlockWriter},
        *,
    };
    use crate::ports::Payer;

    fn read(block: &[u8]) -> Result<CountsOf, NoBlock> {
        let mut block = Block::read(block)?;
        let mut known = CountsOf::default();
        while let Some(entry) = block.next()? {
            known.take(entry.payload, &block.names)?;
        }
        Ok(known)
    }

    fn count(state: &[u8], permit: Option<WindowPermit>) -> KeptCount {
        KeptCount { state: state.to_vec(), permit }
    }

    #[test]
    fn counts_read_back_with_the_windows_that_they_are_of() {
        // D2, L10
        let permit = |window| Some(WindowPermit { window, granted: 16, returned: u64::MAX });
        let counts = CountsOf(vec![
            ("a/day".into(), Some(count(&[1, 2, 3], None))),
            ("b/day".into(), Some(count(&[9; 200], permit(20_000)))),
            ("c/day".into(), None),
            ("d/day".into(), Some(count(&[], permit(u64::MAX)))),
        ]);
        let mut writer = BlockWriter::default();
        writer.entry(&Payer::Workspace("ws_1/live"), |payload| counts.put(payload));
        let block = writer.finish().remove(0);
        assert_eq!(read(&block).unwrap(), counts);
        assert_eq!(counts.each().map(|(limit, _)| limit).collect::<Vec<_>>(), ["a/day", "b/day", "d/day"]);
        for end in 0..block.len() {
            assert!(
                read(&block[..end]).is_ok_and(|read| read == CountsOf::default())
                    || read(&block[..end]).is_err()
            );
        }
    }

    #[test]
    fn counts_of_the_version_before_read_as_they_were_meant() {
        // D8: `ws_1/live` with three bytes under one limit, nothing under another, and no bytes under the third
        let block = [
            &[1, 3, 1][..],
            b"a",
            &[1],
            b"b",
            &[1],
            b"c",
            &[9],
            b"ws_1/live",
            &[9, 0, 4, 7, 8, 9, 1, 0, 2, 1],
        ]
        .concat();
        let expected = CountsOf(vec![
            ("a".into(), Some(count(&[7, 8, 9], None))),
            ("b".into(), None),
            ("c".into(), Some(count(&[], None))),
        ]);
        assert_eq!(read(&block).unwrap(), expected);
    }

    #[test]
    fn a_count_that_is_gone_is_of_no_window() {
        let block = [&[2, 0, 1, 1][..], b"a", &[9], b"ws_1/live", &[2, 0, 1]].concat();
        assert_eq!(read(&block), Err(NoBlock));
    }
}
