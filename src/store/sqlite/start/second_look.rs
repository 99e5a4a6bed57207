//! A second look at the rows of which there are many, once the log has told which of them are the newest: whatever else is in a row
//! was checked when it was read first, and what was handed over then stays, but for those that are named here.

use std::sync::atomic::{AtomicUsize, Ordering};

use rusqlite::Connection;

use super::{
    beside::on_all_cores,
    keys::{RANGES, begin_of},
    scan::DamagedRows,
};
use crate::{
    domain::root::DerivedKeys,
    ports::Damaged,
    store::{
        chain::LogHead,
        key_row,
        rows::{NOT_NEWEST, ROW_MISSING, ROW_UNKNOWN},
        sqlite::{
            columns::{integer_of, lying},
            distrusted::{BadRow, Distrusted},
            people,
            readers::ReadingConnection,
        },
        sum::{RowSum, Summand},
    },
};

/// How many bytes an id has.
const ID: usize = 16;

/// A table of which there are many rows.
#[derive(Clone, Copy)]
pub(super) enum Many {
    Keys,
    /// Their names.
    People,
}

/// What the second look finds.
#[derive(Default)]
pub(super) struct Differing {
    /// The rows that cannot be trusted.
    pub(super) damaged: Vec<Damaged>,
    /// Whose rows were named as damaged before, and are to be looked at wholly.
    pub(super) again: Vec<[u8; ID]>,
    /// What was counted of rows that cannot be trusted.
    uncounted: Option<Box<RowSum>>,
}

/// What is known when it begins.
pub(super) struct KnownRows<'k> {
    pub(super) keys: &'k DerivedKeys,
    pub(super) distrusted: &'k Distrusted,
    /// What the first look found damaged.
    pub(super) damaged: &'k DamagedRows,
}

impl Many {
    const fn table(self) -> &'static str {
        match self {
            Self::Keys => key_row::TABLE,
            Self::People => people::TABLE,
        }
    }

    const fn id(self) -> &'static str {
        match self {
            Self::Keys => "id",
            Self::People => "reference",
        }
    }

    fn shown(self, id: &[u8]) -> String {
        match self {
            Self::Keys => key_row::shown_id(id),
            Self::People => people::shown(id),
        }
    }
}

impl Differing {
    /// Those rows, as they are to be named.
    pub(super) fn bad(&self, of: Many) -> impl Iterator<Item = BadRow> + '_ {
        self.damaged.iter().map(move |row| BadRow {
            table: of.table(),
            id: row.id.clone().into(),
            why: row.why,
        })
    }

    /// Takes what was counted of them out of a sum.
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

/// Looks at all rows of a table, of each of which the log says by its id when it was `written` last.
pub(super) fn second_look(
    connection: &Connection,
    head: LogHead,
    others: &mut [ReadingConnection],
    (of, known): (Many, &KnownRows<'_>),
    written: impl Iterator<Item = ([u8; ID], i64)>,
) -> rusqlite::Result<Differing> {
    let next = AtomicUsize::new(0);
    let mut by_range: Vec<Vec<([u8; ID], i64)>> = vec![Vec::new(); RANGES];
    for (id, written) in written {
        let [first, ..] = id;
        by_range.get_mut(usize::from(first)).into_iter().for_each(|range| range.push((id, written)));
    }
    let found = on_all_cores(connection, head, others, |connection| {
        let mut found = Differing::default();
        loop {
            let range = next.fetch_add(1, Ordering::Relaxed);
            let Some(written) = by_range.get(range) else { break };
            let mut written = written.clone();
            written.sort_unstable();
            look_at(range, connection, (of, known), &written, &mut found)?;
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
    (of, known): (Many, &KnownRows<'_>),
    written: &[([u8; ID], i64)],
    found: &mut Differing,
) -> rusqlite::Result<()> {
    let (table, column, end) = (of.table(), of.id(), begin_of(range.saturating_add(1)));
    let bound = if end.is_some() { format!("{column} < ?2") } else { "?2 IS NULL".to_owned() };
    let select = format!(
        "SELECT {column}, revision, root, code FROM {table} WHERE {column} >= ?1 AND {bound} ORDER BY {column}"
    );
    let mut select = connection.prepare_cached(&select)?;
    let mut rows = select.query((begin_of(range), end))?;
    let mut written = written.iter().peekable();
    while let Some(row) = rows.next()? {
        let id = lying(row, 0)?.unwrap_or_default();
        while let Some((missing, _)) = written.next_if(|(named, _)| named.as_slice() < id) {
            found.name(of.shown(missing), ROW_MISSING);
        }
        let named = written.next_if(|(named, _)| named == id);
        let revision = integer_of(row, 1)?;
        let is_newest = named.is_some_and(|(_, written)| revision == *written);
        if is_newest && known.is_empty() {
            continue;
        }
        let shown = of.shown(id);
        let (before, was_named) =
            (known.damaged.get(&shown), known.distrusted.why(table, shown.as_bytes()).is_some());
        let why = match (named, before) {
            (None, _) => ROW_UNKNOWN,
            (Some((id, _)), _) if was_named => {
                found.again.push(*id);
                continue;
            }
            (Some(_), Some(before)) => before.why,
            (Some(_), None) if is_newest => continue,
            (Some(_), None) => NOT_NEWEST,
        };
        if !was_named && before.is_none_or(|before| before.is_genuine) {
            let summand = Summand { root: integer_of(row, 2)?, code: lying(row, 3)?.unwrap_or_default() };
            found.uncounted.get_or_insert_with(|| Box::new(RowSum::EMPTY)).add(summand, known.keys);
        }
        found.name(shown, why);
    }
    written.for_each(|(missing, _)| found.name(of.shown(missing), ROW_MISSING));
    Ok(())
}

impl KnownRows<'_> {
    /// Whether nothing was ever said against any row.
    fn is_empty(&self) -> bool {
        self.damaged.is_empty() && self.distrusted.is_empty()
    }
}
