//! All rows, without a look at the log.

use rusqlite::Connection;

use super::{
    keys,
    scan::{DamagedRows, Groups, Scan},
};
use crate::{
    domain::{group::GroupChange, root::DerivedKeys},
    ports::{View, ViewSink},
    store::{
        chain::LogHead,
        sqlite::{
            columns::{KEYS, each_key},
            distrusted::Distrusted,
            people,
            readers::ReadingConnection,
        },
        sum::RowSum,
    },
};

/// What rows alone say.
pub(super) struct ByRows {
    pub(super) sum: RowSum,
    /// The same over keys and people alone.
    pub(super) sum_of_many: RowSum,
    pub(super) distrusted: Distrusted,
    /// Changes of many keys, where every row of them is as it was written: without their keys.
    pub(super) changes: Option<Vec<GroupChange>>,
    pub(super) damaged_keys: DamagedRows,
    pub(super) damaged_people: DamagedRows,
    /// Whether each of them is as it was written, but for those that are named as damaged, and for `damaged_keys`.
    pub(super) is_genuine: bool,
    pub(super) zone_missing: Option<(String, String)>,
}

impl ByRows {
    /// Whether the rows are those of which this sum was kept.
    pub(super) fn is_all_there(&self, kept: &RowSum) -> bool {
        self.is_genuine && self.damaged_keys.values().all(|key| key.is_genuine) && self.sum == *kept
    }
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
    sink.expect(keys::about(connection)?);
    let scanned = keys::read_all(scan, connection, head, others, &groups.changes)?;
    sum.merge(&scanned.sum);
    sum.merge(&scanned.sum_of_many);
    let (zone_missing, is_genuine) =
        (scanned.zone_missing(), is_genuine && groups.is_genuine && scanned.is_genuine);
    let Scan { sum_of_many, damaged_keys, damaged_people, .. } = scanned;
    Ok(ByRows {
        sum,
        sum_of_many,
        is_genuine,
        zone_missing,
        damaged_keys,
        damaged_people,
        changes: groups.is_genuine.then_some(groups.changes.groups),
        distrusted,
    })
}

/// The sum of what is stored, where all of it is as it was written, but for what is named as damaged.
/// `of_many` is the sum over keys and people, where it is known.
pub(super) fn sum_of_all(
    connection: &Connection,
    keys: &DerivedKeys,
    of_many: Option<&RowSum>,
) -> rusqlite::Result<Option<RowSum>> {
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
    if let Some(of_many) = of_many {
        sum.merge(of_many);
        return Ok(is_genuine.then_some(sum));
    }
    people::each(connection, |row| scan.person(row))?;
    sum.merge(&scan.sum_of_many);
    is_genuine &= scan.is_genuine;
    // What keys are need not be known for that.
    each_key(connection, KEYS, [], |row| {
        if distrusted.why_of_key(row).is_none() {
            is_genuine &= row.is_genuine(keys);
            sum.add(row.summand(), keys);
        }
    })?;
    Ok(is_genuine.then_some(sum))
}
