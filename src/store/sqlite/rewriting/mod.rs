//! Rows under older roots, written anew under the newest: their codes, the layers of their hashes, their seals, and what they are to
//! the sum.
//!
//! A step takes the next rows of a table in their order, in a transaction of its own: a crash leaves each row under the one root or
//! the other, and each says under which. What is read meanwhile does not tell the difference. A row that is not as it was written
//! stays as it is, for the next start to name.

mod counts;
mod keys;
mod rows;

use rusqlite::types::Value;

pub(super) use self::counts::{Starts, left_under, starts};
use self::rows::RowsOf;
use super::{counted::CountedRows, denials, groups, log, people};
use crate::{domain::root::DerivedKeys, store::key_row};

/// How many rows a step looks at.
const AT_ONCE: usize = 256;

/// The tables whose rows stand under a root, in the order in which they are written anew.
const TABLES: [RootedTable; 12] = [
    RootedTable::Keys,
    RootedTable::Rows("workspaces"),
    RootedTable::Rows("members"),
    RootedTable::Rows("schemes"),
    RootedTable::Policies,
    RootedTable::Rows("group_changes"),
    RootedTable::Rows("removed_members"),
    RootedTable::Rows("distrusted"),
    RootedTable::People,
    RootedTable::Lists,
    RootedTable::Denials,
    RootedTable::Log,
];

/// A table, by what its rows are like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum RootedTable {
    Keys,
    /// With a text for an id, and a body.
    Rows(&'static str),
    /// With a number for an id, and a body.
    Policies,
    /// With a reference for an id, and a name.
    People,
    Lists,
    /// With no place in the sum.
    Denials,
    Log,
}

impl RootedTable {
    const fn name(self) -> &'static str {
        match self {
            Self::Keys => key_row::TABLE,
            Self::Rows(name) => name,
            Self::Policies => "policies",
            Self::People => people::TABLE,
            Self::Lists => groups::TABLE,
            Self::Denials => denials::TABLE,
            Self::Log => "log",
        }
    }
}

/// How far it is; by default at its end.
#[derive(Debug, Clone, Default)]
pub(super) struct Rewriting {
    /// What is left, the next one last.
    tables: Vec<RootedTable>,
    /// The last row of it that was looked at.
    after: Vec<Value>,
}

impl Rewriting {
    /// From the beginning, where the store has had more than one root that is still at hand.
    pub(super) fn begin(keys: &DerivedKeys) -> Self {
        let older = keys.history.iter().any(|root| root.number != keys.newest && !root.is_destroyed);
        let tables = if older { TABLES.into_iter().rev().collect() } else { Vec::new() };
        Self { tables, after: Vec::new() }
    }

    /// Whether there is something to look at.
    pub(super) const fn is_due(&self) -> bool {
        !self.tables.is_empty()
    }

    /// Looks at the next rows, and writes those anew that stand under an older root.
    pub(super) fn step(&mut self, counted: &mut CountedRows<'_>) -> rusqlite::Result<()> {
        let Some(table) = self.tables.last() else { return Ok(()) };
        let after = match table {
            RootedTable::Keys => keys::step(counted, &self.after, AT_ONCE)?,
            RootedTable::Rows(table) => rows::step(counted, &RowsOf::bodies(table), &self.after, AT_ONCE)?,
            RootedTable::Policies => rows::step(counted, &RowsOf::POLICIES, &self.after, AT_ONCE)?,
            RootedTable::People => rows::step(counted, &RowsOf::PEOPLE, &self.after, AT_ONCE)?,
            RootedTable::Lists => groups::rewrite_lists(counted, &self.after, AT_ONCE)?,
            RootedTable::Denials => denials::recode(counted.connection, counted.keys, &self.after, AT_ONCE)?,
            RootedTable::Log => log::recode(counted.connection, counted.keys, &self.after, AT_ONCE)?,
        };
        if after.is_none() {
            self.tables.pop();
        }
        self.after = after.unwrap_or_default();
        Ok(())
    }
}
