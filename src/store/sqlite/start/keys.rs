//! Keys, read on all cores: ranges of ids, each in one of several connections that see the same revision.

use std::{
    sync::atomic::{AtomicUsize, Ordering},
    thread,
};

use rusqlite::Connection;

use super::scan::Scan;
use crate::store::{
    chain::LogHead,
    key_row::KeyRow,
    rows::to_stored,
    sqlite::{
        columns::{KEYS, each_key},
        log::{self, Newest},
        readers::ReadingConnection,
    },
};

/// How many ranges of ids there are: one for each first byte.
const RANGES: usize = 256;

/// Reads all keys into the sink of `scan`, with `others` beside this connection where they see the same; answers the scan with all
/// that was counted.
pub(super) fn read_all<'s>(
    mut scan: Scan<'s>,
    connection: &Connection,
    head: LogHead,
    others: &mut [ReadingConnection],
    changes: &Newest,
) -> rusqlite::Result<Scan<'s>> {
    let next = AtomicUsize::new(0);
    let (keys, distrusted, sink) = (scan.keys, scan.distrusted, scan.sink);
    let beside = |reader: &mut ReadingConnection| -> rusqlite::Result<Scan<'s>> {
        let mut scan = Scan::new(keys, distrusted, sink);
        let snapshot = reader.transaction()?;
        // A change may have been written meanwhile: then the others read everything.
        if log::position(&snapshot)? == Some((to_stored(head.revision), head.chain.0.to_vec())) {
            read_ranges(&mut scan, &snapshot, &next, changes)?;
        }
        Ok(scan)
    };
    let scans = thread::scope(|threads| {
        let beside: Vec<_> = others.iter_mut().map(|reader| threads.spawn(|| beside(reader))).collect();
        let own = read_ranges(&mut scan, connection, &next, changes);
        let ended = beside
            .into_iter()
            .map(|thread| thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
        let scans: rusqlite::Result<Vec<_>> = ended.collect();
        own.and(scans)
    })?;
    for other in scans {
        scan.merge(other);
    }
    scan.absent("keys");
    scan.hand_over();
    Ok(scan)
}

/// Reads one range after the other that nobody has begun.
fn read_ranges(
    scan: &mut Scan<'_>,
    connection: &Connection,
    next: &AtomicUsize,
    changes: &Newest,
) -> rusqlite::Result<()> {
    let (bounded, last) = (
        format!("{KEYS} WHERE id >= ?1 AND id < ?2 ORDER BY id"),
        format!("{KEYS} WHERE id >= ?1 ORDER BY id"),
    );
    loop {
        let range = next.fetch_add(1, Ordering::Relaxed);
        if range >= RANGES {
            break;
        }
        let put = |row: &KeyRow<'_>| scan.key(row, changes);
        match begin_of(range.saturating_add(1)) {
            Some(end) => each_key(connection, &bounded, [begin_of(range).unwrap_or_default(), end], put)?,
            None => each_key(connection, &last, [begin_of(range).unwrap_or_default()], put)?,
        }
    }
    scan.hand_over();
    Ok(())
}

/// The bytes with which a range begins; `None` behind the last. The first and the last are without a bound on their outer side, so
/// that a row whose id was edited is in one of them.
fn begin_of(range: usize) -> Option<Vec<u8>> {
    let first = u8::try_from(range).ok()?;
    Some(if first == 0 { Vec::new() } else { vec![first] })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_next_to_each_other_from_the_first_bytes_to_the_last() {
        let begins: Vec<_> = (0..RANGES).map(|range| begin_of(range).unwrap()).collect();
        assert!(begins.is_sorted() && begins[0].is_empty());
        assert_eq!((begins.len(), begins[255].as_slice(), begin_of(RANGES)), (256, [255].as_slice(), None));
    }
}
