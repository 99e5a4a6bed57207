//! Keys and the names of people, read on all cores: ranges of ids, each in one of several connections that see the same revision.

use std::sync::atomic::{AtomicUsize, Ordering};

use rusqlite::Connection;

use super::{beside::on_all_cores, scan::Scan};
use crate::store::{
    chain::LogHead,
    key_row::KeyRow,
    sqlite::{
        columns::{KEYS, each_key},
        log::Newest,
        people,
        readers::ReadingConnection,
    },
};

/// How many ranges of ids there are: one for each first byte.
pub(super) const RANGES: usize = 256;

/// Ranges that are counted to know about how many keys there are.
const COUNTED: [u8; 4] = [0x10, 0x50, 0x90, 0xd0];

/// About how many keys there are: ids are random, so that all ranges have about as many. Rather too few, so that a range that
/// somebody filled makes nobody keep room for nothing.
pub(super) fn about(connection: &Connection) -> rusqlite::Result<usize> {
    let mut count = connection.prepare_cached("SELECT count(*) FROM keys WHERE id >= ?1 AND id < ?2")?;
    let mut fewest = i64::MAX;
    for first in COUNTED {
        fewest = fewest.min(count.query_row([[first], [first.saturating_add(1)]], |row| row.get(0))?);
    }
    Ok(usize::try_from(fewest).unwrap_or_default().saturating_mul(RANGES))
}

/// Reads all keys and names into the sink of `scan`, with `others` beside this connection where they see the same; answers the scan with all
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
    let scans = on_all_cores(connection, head, others, |connection| {
        let mut scan = Scan::new(keys, distrusted, sink);
        read_ranges(&mut scan, connection, &next, changes).map(|()| scan)
    })?;
    for other in scans {
        scan.merge(other);
    }
    scan.absent("keys");
    scan.hand_over();
    Ok(scan)
}

/// Reads one range after the other that nobody has begun: of keys and of people in turn, because who takes keys over must wait
/// for who takes others over.
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
        let turn = next.fetch_add(1, Ordering::Relaxed);
        let range = turn / 2;
        if range >= RANGES {
            break;
        }
        let (begin, end) = (begin_of(range).unwrap_or_default(), begin_of(range.saturating_add(1)));
        if !turn.is_multiple_of(2) {
            people::each_from(connection, &begin, end.as_deref(), |row| scan.person(row))?;
            continue;
        }
        let put = |row: &KeyRow<'_>| scan.key(row, changes);
        match end {
            Some(end) => each_key(connection, &bounded, [begin, end], put)?,
            None => each_key(connection, &last, [begin], put)?,
        }
    }
    scan.hand_over();
    Ok(())
}

/// The bytes with which a range begins; `None` behind the last. The first and the last are without a bound on their outer side, so
/// that a row whose id was edited is in one of them.
pub(super) fn begin_of(range: usize) -> Option<Vec<u8>> {
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
