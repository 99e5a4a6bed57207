//! A second look at the rows of keys, once the log has told which of them are the newest: whatever else is in a row was checked
//! when it was read first, and what was handed over then stays, but for those that are named here.

use std::{
    cmp::Ordering as Order,
    sync::atomic::{AtomicUsize, Ordering},
};

use rusqlite::Connection;

use super::{
    beside::on_all_cores,
    keys::{RANGES, begin_of},
    scan::DamagedKeys,
};
use crate::{
    domain::{id::KeyId, root::DerivedKeys},
    ports::Damaged,
    store::{
        chain::LogHead,
        key_row::{TABLE, shown_id},
        rows::{NOT_NEWEST, ROW_MISSING, ROW_UNKNOWN},
        sqlite::{
            columns::{integer_of, lying},
            distrusted::Distrusted,
            log::Newest,
            readers::ReadingConnection,
        },
        sum::{RowSum, Summand},
    },
};

/// What the second look finds.
#[derive(Default)]
pub(super) struct Differing {
    /// The rows that cannot be trusted.
    pub(super) damaged: Vec<Damaged>,
    /// Keys whose rows were named as damaged before, and are to be looked at wholly.
    pub(super) again: Vec<KeyId>,
    /// What was counted of rows that cannot be trusted.
    uncounted: Option<Box<RowSum>>,
}

/// What is known when it begins.
pub(super) struct Known<'k> {
    pub(super) keys: &'k DerivedKeys,
    pub(super) distrusted: &'k Distrusted,
    /// What the first look found damaged.
    pub(super) damaged: &'k DamagedKeys,
}

impl Differing {
    /// Takes what was counted of them out of the sum over all keys.
    pub(super) fn leave_out(&self, of: &mut RowSum) {
        if let Some(uncounted) = &self.uncounted {
            of.part(uncounted);
        }
    }

    fn merge(&mut self, other: Self) {
        self.damaged.extend(other.damaged);
        self.again.extend(other.again);
        if let Some(uncounted) = other.uncounted {
            self.uncounted.get_or_insert_with(|| Box::new(RowSum::EMPTY)).merge(&uncounted);
        }
    }

    fn name(&mut self, id: String, why: &'static str) {
        self.damaged.push(Damaged { id, why, zone: None });
    }
}

/// Looks at all of them.
pub(super) fn second_look(
    connection: &Connection,
    head: LogHead,
    others: &mut [ReadingConnection],
    known: &Known<'_>,
    newest: &Newest,
) -> rusqlite::Result<Differing> {
    let next = AtomicUsize::new(0);
    let mut by_range: Vec<Vec<(KeyId, i64)>> = vec![Vec::new(); RANGES];
    for (id, written) in &newest.keys {
        let [first, ..] = id.to_bytes();
        by_range.get_mut(usize::from(first)).into_iter().for_each(|range| range.push((*id, *written)));
    }
    let found = on_all_cores(connection, head, others, |connection| {
        let mut found = Differing::default();
        loop {
            let range = next.fetch_add(1, Ordering::Relaxed);
            let Some(written) = by_range.get(range) else { break };
            let mut written = written.clone();
            written.sort_unstable();
            look_at(range, connection, known, &written, &mut found)?;
        }
        Ok::<_, rusqlite::Error>(found)
    })?;
    let mut all = Differing::default();
    for found in found {
        all.merge(found);
    }
    Ok(all)
}

/// Goes through the rows of a range, and beside them through what the log says of it, in the order of ids.
fn look_at(
    range: usize,
    connection: &Connection,
    known: &Known<'_>,
    written: &[(KeyId, i64)],
    found: &mut Differing,
) -> rusqlite::Result<()> {
    let bound =
        if range.saturating_add(1) < RANGES { "id >= ?1 AND id < ?2" } else { "id >= ?1 AND ?2 IS NULL" };
    let select = format!("SELECT id, revision, root, code FROM keys WHERE {bound} ORDER BY id");
    let mut select = connection.prepare_cached(&select)?;
    let mut rows = select.query((begin_of(range), begin_of(range.saturating_add(1))))?;
    let mut written = written.iter().peekable();
    while let Some(row) = rows.next()? {
        let id = lying(row, 0)?.unwrap_or_default();
        while let Some((missing, _)) = written.next_if(|(named, _)| named.to_bytes().as_slice() < id) {
            found.name(missing.to_string(), ROW_MISSING);
        }
        let named = written.next_if(|(named, _)| named.to_bytes().as_slice().cmp(id) == Order::Equal);
        let revision = integer_of(row, 1)?;
        if named.is_some_and(|(_, written)| *written == revision) && known.is_sound(id) {
            continue;
        }
        let shown = shown_id(id);
        let before = known.damaged.get(&shown);
        let why = match (named, before) {
            (None, _) => ROW_UNKNOWN,
            (Some((id, _)), None) if known.distrusted.why(TABLE, shown.as_bytes()).is_some() => {
                found.again.push(*id);
                continue;
            }
            (Some(_), Some(before)) => before.why,
            (Some(_), None) => NOT_NEWEST,
        };
        let was_counted = match before {
            Some(before) => before.is_genuine,
            None => known.distrusted.why(TABLE, shown.as_bytes()).is_none(),
        };
        if was_counted {
            let summand = Summand { root: integer_of(row, 2)?, code: lying(row, 3)?.unwrap_or_default() };
            found.uncounted.get_or_insert_with(|| Box::new(RowSum::EMPTY)).add(summand, known.keys);
        }
        found.name(shown, why);
    }
    written.for_each(|(missing, _)| found.name(missing.to_string(), ROW_MISSING));
    Ok(())
}

impl Known<'_> {
    /// Whether nothing was ever said against the row of this id.
    fn is_sound(&self, id: &[u8]) -> bool {
        if self.damaged.is_empty() && self.distrusted.is_empty() {
            return true;
        }
        let id = shown_id(id);
        !self.damaged.contains_key(&id) && self.distrusted.why(TABLE, id.as_bytes()).is_none()
    }
}
