//! What a start that had to read the log writes down: rows that cannot be trusted, what only entries told, and the sum of the rest.

use rusqlite::Connection;
use serde_json::json;

use super::by_rows::sum_of_all;
use crate::{
    domain::{
        audit::{Action, Actor, FieldChange, LogEntry},
        group::GroupChange,
        member::MemberId,
        root::DerivedKeys,
        time::Timestamp,
    },
    ports::{Mutation, Rows, StoreError},
    store::{
        chain::LogHead,
        draws::Draws,
        rows::from_stored,
        sqlite::{
            counted::CountedRows,
            distrusted::{self, BadRow, Distrusted},
            groups,
            log::Newest,
            people,
            refusal::WriteRefusal,
            removed, rows,
            sums::RunningSum,
        },
        sum::RowSum,
    },
};

/// How many ids of rows an entry lists.
const LISTED: usize = 100;

/// What is to be written at the head at which everything was read.
pub(in crate::store::sqlite) struct Repair {
    pub(super) head: LogHead,
    /// When the store was opened.
    pub(in crate::store::sqlite) time: Timestamp,
    /// Whether there was no sum: none that was edited, as far as anybody can tell.
    was_missing: bool,
    pub(super) bad: Vec<BadRow>,
    /// The sum over the rows of keys and people that can be trusted, where it is known.
    pub(super) sum_of_many: Option<Box<RowSum>>,
    /// The sum over all rows that can be trusted, where it is known.
    sum: Option<Box<RowSum>>,
    /// What entries tell, where the log was read.
    told: Option<DerivedRows>,
}

/// What follows from entries.
struct DerivedRows {
    /// Who was a member, by the entries that removed them, the oldest first.
    removed: Vec<(MemberId, i64)>,
    /// Changes of many keys, without them.
    changes: Vec<GroupChange>,
}

impl Repair {
    /// What the log tells.
    pub(super) fn new(head: LogHead, was_missing: bool, newest: &Newest) -> Self {
        let mut removed: Vec<_> =
            newest.removed.iter().map(|(id, revision)| (id.clone(), *revision)).collect();
        removed.sort_unstable_by_key(|(_, revision)| *revision);
        let without_keys = |change: &GroupChange| GroupChange {
            revision: change.revision,
            time: change.time,
            by: change.by,
            act: change.act,
            comment: change.comment.clone(),
            keys: Vec::new(),
        };
        let changes = newest.groups.iter().map(without_keys).collect();
        let told = Some(DerivedRows { removed, changes });
        Self { was_missing, told, ..Self::at(head) }
    }

    fn at(head: LogHead) -> Self {
        let (time, was_missing, bad) = (Timestamp::EPOCH, false, Vec::new());
        Self { head, time, was_missing, bad, sum_of_many: None, sum: None, told: None }
    }

    /// Rows of keys that were edited, beside which nothing differs: what was named before stays so, and `sum` is that of the others.
    pub(super) fn of_edited(head: LogHead, bad: Vec<BadRow>, sum: RowSum) -> Self {
        Self { bad, sum: Some(Box::new(sum)), ..Self::at(head) }
    }

    /// The entry that names what was found now of these rows, if anything was.
    fn entry(&self, bad: &[BadRow], before: &Distrusted) -> Option<LogEntry> {
        let found: Vec<_> = bad.iter().filter(|bad| !before.has(bad)).collect();
        let mut changes: Vec<FieldChange> = Vec::new();
        for table in ["keys", "workspaces", "members", "schemes", "policies", people::TABLE, groups::TABLE] {
            let ids: Vec<_> = found.iter().filter(|bad| bad.table == table).collect();
            let listed = ids
                .iter()
                .take(LISTED)
                .map(|bad| json!({ "id": String::from_utf8_lossy(&bad.id), "why": bad.why }));
            if !ids.is_empty() {
                let listed: Vec<_> = listed.collect();
                changes.push(FieldChange {
                    field: table.into(),
                    from: serde_json::Value::Null,
                    to: json!({ "damaged": ids.len(), "rows": listed }),
                });
            }
        }
        if changes.is_empty() && !self.was_missing {
            let (from, to) = ("another".into(), "worked out from the log".into());
            changes.push(FieldChange { field: "sum".into(), from, to });
        }
        let entry = LogEntry::new(self.time, Actor::System, Action::DamageFind);
        (!changes.is_empty()).then_some(LogEntry { changes, ..entry })
    }
}

/// Writes it into the open transaction, behind `head`; answers the new head, and the sum there.
pub(in crate::store::sqlite) fn repair(
    connection: &Connection,
    (keys, draws): (&DerivedKeys, &Draws),
    head: LogHead,
    repair: &Repair,
) -> Result<(LogHead, RunningSum), WriteRefusal> {
    if head != repair.head {
        return Err(
            StoreError::Unavailable("a change was written since the store was read".to_owned()).into()
        );
    }
    // Nothing is taken out of this one: it is worked out at the end.
    let mut sum = RunningSum::unknown();
    let (before, _) = Distrusted::read(connection, keys, &mut RowSum::EMPTY.clone())?;
    let mut bad = repair.bad.clone();
    let mut counted = CountedRows { connection, keys, sum: &mut sum };
    if let Some(told) = &repair.told {
        put_derived(&mut counted, told)?;
        bad.extend(groups::put_lists(&mut counted, &told.changes)?);
        distrusted::forget_all(connection)?;
    }
    let mut added = RunningSum::known(RowSum::EMPTY);
    let head = match repair.entry(&bad, &before) {
        Some(entry) => {
            let mutation = Mutation::new(entry, Rows::default());
            // People who are new in it count, too.
            rows::apply(connection, (keys, draws), &mut added, head, &mutation)?
        }
        None => head,
    };
    let added = added.sum().ok_or_else(unknown)?;
    if let Some(sum) = &repair.sum {
        let mut sum = (**sum).clone();
        sum.merge(&added);
        let mut sum = RunningSum::known(sum);
        distrusted::put(connection, keys, &mut sum, &bad, head.revision)?;
        return Ok((head, sum));
    }
    distrusted::put(connection, keys, &mut RunningSum::unknown(), &bad, head.revision)?;
    let of_many = repair.sum_of_many.as_ref().map(|of_many| {
        let mut of_many = (**of_many).clone();
        of_many.merge(&added);
        of_many
    });
    let sum = sum_of_all(connection, keys, of_many.as_ref())?.ok_or_else(unknown)?;
    Ok((head, RunningSum::known(sum)))
}

fn unknown() -> StoreError {
    StoreError::Corrupt("what is stored cannot be summed up".to_owned())
}

/// Writes anew what follows from entries.
fn put_derived(counted: &mut CountedRows<'_>, told: &DerivedRows) -> Result<(), WriteRefusal> {
    counted.connection.execute_batch("DELETE FROM removed_members; DELETE FROM group_changes;")?;
    for (member, revision) in &told.removed {
        if let Some(revision) = from_stored(*revision) {
            removed::put(counted, member, revision)?;
        }
    }
    told.changes.iter().try_for_each(|change| groups::put_change(counted, change))
}
