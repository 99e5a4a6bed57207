//! All rows, without a look at the log.

use rusqlite::Connection;

use super::{
    keys,
    scan::{Groups, Scan},
};
use crate::{
    domain::root::DerivedKeys,
    ports::{View, ViewSink},
    store::{
        chain::LogHead,
        sqlite::{
            columns::{KEYS, each_key},
            distrusted::Distrusted,
            readers::ReadingConnection,
        },
        sum::RowSum,
    },
};

/// What rows alone say.
pub(super) struct ByRows {
    pub(super) sum: RowSum,
    /// Whether each of them is as it was written, but for those that are named as damaged.
    pub(super) is_genuine: bool,
    pub(super) zone_missing: Option<(String, String)>,
}

/// Hands over what rows say, and sums them up.
pub(super) fn by_rows(
    connection: &Connection,
    keys: &DerivedKeys,
    head: LogHead,
    others: &mut [ReadingConnection],
    sink: &dyn ViewSink,
) -> rusqlite::Result<ByRows> {
    let mut sum = RowSum::EMPTY;
    let (distrusted, is_genuine) = Distrusted::read(connection, keys, &mut sum)?;
    let groups = Groups::read(connection, keys, &distrusted)?;
    sum.merge(&groups.sum);
    let mut scan = Scan::new(keys, &distrusted, sink);
    scan.small_tables(connection)?;
    let scanned = keys::read_all(scan, connection, head, others, &groups.changes)?;
    sum.merge(&scanned.sum);
    Ok(ByRows {
        sum,
        is_genuine: is_genuine && groups.is_genuine && scanned.is_genuine,
        zone_missing: scanned.zone_missing(),
    })
}

/// The sum of what is stored, where all of it is as it was written, but for what is named as damaged.
pub(super) fn sum_of_all(connection: &Connection, keys: &DerivedKeys) -> rusqlite::Result<Option<RowSum>> {
    struct Nobody;
    impl ViewSink for Nobody {
        fn take(&self, _: View) {}
        fn begin_anew(&self) {}
    }
    let mut sum = RowSum::EMPTY;
    let (distrusted, mut is_genuine) = Distrusted::read(connection, keys, &mut sum)?;
    let groups = Groups::read(connection, keys, &distrusted)?;
    sum.merge(&groups.sum);
    let mut scan = Scan::new(keys, &distrusted, &Nobody);
    scan.small_tables(connection)?;
    sum.merge(&scan.sum);
    is_genuine &= groups.is_genuine && scan.is_genuine;
    // What keys are need not be known for that.
    each_key(connection, KEYS, [], |row| {
        if distrusted.why_of_key(row).is_none() {
            is_genuine &= row.is_genuine(keys);
            sum.add(row.summand(), keys);
        }
    })?;
    Ok(is_genuine.then_some(sum))
}
