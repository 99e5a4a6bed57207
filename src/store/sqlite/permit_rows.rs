//! Permits as they are stored: each count is one row, which says what was used and how much more may have been.

use rusqlite::{Connection, params};

use super::notes;
use crate::{
    domain::time::{Now, Steady, Timestamp},
    ports::{CountName, KeptCount, PermitsFound},
};

/// Under which the start is stored of the last process that followed a crash. No payer is empty.
const UNCLEAN: (&str, &str) = ("", "unclean");

/// What is written of permits.
pub(super) enum PermitRow {
    /// A count; without a state its row goes.
    Count(CountName, Option<Vec<u8>>),
    /// Whether every count was written when the counting ended: what is not written was not charged.
    Complete(bool),
}

/// Writes into the open transaction.
pub(super) fn put(connection: &Connection, rows: &[PermitRow]) -> rusqlite::Result<()> {
    rows.iter().try_for_each(|row| match row {
        PermitRow::Count(CountName { payer, limit }, Some(state)) => {
            let put = "INSERT INTO counts (subject, limit_id, state) VALUES (?1, ?2, ?3)
                 ON CONFLICT (subject, limit_id) DO UPDATE SET state = excluded.state";
            connection.prepare_cached(put)?.execute(params![payer, limit, state]).map(drop)
        }
        PermitRow::Count(CountName { payer, limit }, None) => {
            let gone = "DELETE FROM counts WHERE subject = ?1 AND limit_id = ?2";
            connection.prepare_cached(gone)?.execute(params![payer, limit]).map(drop)
        }
        PermitRow::Complete(complete) => notes::put_counts_complete(connection, *complete),
    })
}

/// Every count, and how the counting ended.
pub(super) fn taken(connection: &Connection) -> rusqlite::Result<PermitsFound> {
    let mut select = connection.prepare_cached("SELECT subject, limit_id, state FROM counts")?;
    let rows = select.query_map([], |row| {
        Ok(KeptCount { count: CountName { payer: row.get(0)?, limit: row.get(1)? }, state: row.get(2)? })
    })?;
    let (mut counts, mut crash) = (Vec::new(), None);
    for row in rows {
        let kept = row?;
        match unclean_start(&kept) {
            Some(start) => crash = Some(start),
            None => counts.push(kept),
        }
    }
    Ok(PermitsFound { counts, in_order: notes::ended_in_order(connection)?, crash })
}

/// The start of the last process that followed a crash, where this row is it.
fn unclean_start(kept: &KeptCount) -> Option<Now> {
    if (&*kept.count.payer, &*kept.count.limit) != UNCLEAN {
        return None;
    }
    let (time, rest) = kept.state.split_first_chunk()?;
    let time = Timestamp::from_ms(i64::from_le_bytes(*time)).ok()?;
    Some(Now { time, steady: Steady::from_ms(i64::from_le_bytes(rest.try_into().ok()?)) })
}

/// The row that keeps the start of the last process that followed a crash.
pub(super) fn of_unclean_start(started: &Now) -> PermitRow {
    let state = [started.time.as_ms().to_le_bytes(), started.steady.as_ms().to_le_bytes()].concat();
    let count = CountName { payer: UNCLEAN.0.to_owned(), limit: UNCLEAN.1.to_owned() };
    PermitRow::Count(count, Some(state))
}
