//! Keys, read on all cores: ranges of ids, each in one of several connections that see the same revision.

use std::{
    sync::atomic::{AtomicUsize, Ordering},
    thread,
};

use rusqlite::Connection;

use super::scan::Scan;
use crate::store::{
    chain::LogHead,
    rows::to_stored,
    sqlite::{
        log::{self, Newest},
        read::{KEYS, each_key},
        readers::ReadingConnection,
    },
};

/// The digits that an id can begin with, after its prefix: the first says three bits, each other one five.
const FIRST: &[u8] = b"01234567";
const DIGITS: &[u8] = b"0123456789abcdefghjkmnpqrstvwxyz";

/// How many ranges of ids there are.
const RANGES: usize = FIRST.len() * DIGITS.len();

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
        format!("{KEYS} WHERE keys.id >= ?1 AND keys.id < ?2 ORDER BY keys.id"),
        format!("{KEYS} WHERE keys.id >= ?1 ORDER BY keys.id"),
    );
    loop {
        let range = next.fetch_add(1, Ordering::Relaxed);
        if range >= RANGES {
            break;
        }
        let put = |row: &_, secrets: &[_]| scan.key(row, secrets, changes);
        match begin_of(range.saturating_add(1)) {
            Some(end) => each_key(connection, &bounded, [begin_of(range).unwrap_or_default(), end], put)?,
            None => each_key(connection, &last, [begin_of(range).unwrap_or_default()], put)?,
        }
    }
    scan.hand_over();
    Ok(())
}

/// The text with which a range begins. The first and the last are without a bound on their outer side, so that a row whose id was
/// edited is in one of them.
fn begin_of(range: usize) -> Option<String> {
    let first = char::from(*FIRST.get(range.checked_div(DIGITS.len())?)?);
    let second = char::from(*DIGITS.get(range.checked_rem(DIGITS.len())?)?);
    Some(if range == 0 { String::new() } else { format!("key_{first}{second}") })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_next_to_each_other_from_the_first_text_to_the_last() {
        let begins: Vec<_> = (0..RANGES).map(|range| begin_of(range).unwrap()).collect();
        assert!(begins.is_sorted() && begins[0].is_empty());
        assert_eq!((begins.len(), begins[255].as_str(), begin_of(RANGES)), (256, "key_7z", None));
    }
}
