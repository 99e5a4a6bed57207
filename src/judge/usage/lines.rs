//! What was counted, as rows that are not written yet.

use std::{
    collections::{BTreeMap, HashSet},
    hash::{BuildHasher as _, RandomState},
    sync::Arc,
};

use crate::domain::id::KeyId;

/// The most uses of scopes that are known to be written, some 4 MiB; over that they are forgotten, and written again.
const MOST_WRITTEN: usize = 1 << 18;

/// A row of usage, but for its numbers.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct UsageLine {
    pub(crate) key: KeyId,
    pub(crate) hour: u32,
    pub(crate) tier: Arc<str>,
    pub(crate) outcome: &'static str,
}

/// How often, and for how much.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct UsageTally {
    pub(crate) checks: u64,
    pub(crate) cost: u64,
}

impl UsageTally {
    pub(crate) fn add(&mut self, other: Self) {
        self.checks = self.checks.saturating_add(other.checks);
        self.cost = self.cost.saturating_add(other.cost);
    }
}

/// A scope that a key used, or was denied.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct ScopeLine {
    pub(crate) key: KeyId,
    pub(crate) scope: Arc<str>,
    pub(crate) used: bool,
}

/// The hours of the first and of the last time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct FirstAndLast {
    pub(crate) first: u32,
    pub(crate) last: u32,
}

impl FirstAndLast {
    fn and(self, other: Self) -> Self {
        Self { first: self.first.min(other.first), last: self.last.max(other.last) }
    }
}

/// Rows in the order in which they are stored.
#[derive(Default)]
pub(crate) struct UsageLines {
    pub(crate) usage: BTreeMap<UsageLine, UsageTally>,
    pub(crate) scopes: BTreeMap<ScopeLine, FirstAndLast>,
    /// Of which uses of scopes it is known that they are written, by a number that stands for each; all of one hour, so
    /// that a scope that is used all the time is written once an hour.
    written: HashSet<u64>,
    written_hour: u32,
    numbers: RandomState,
}

impl UsageLines {
    pub(crate) fn len(&self) -> usize {
        self.usage.len().saturating_add(self.scopes.len())
    }

    /// Adds the use of a scope in an hour, unless that is written.
    pub(crate) fn add_scope(&mut self, key: KeyId, scope: &str, used: bool, hour: u32) {
        if hour == self.written_hour && self.written.contains(&self.number(key, scope, used)) {
            return;
        }
        self.put_scope(
            ScopeLine { key, scope: scope.into(), used },
            FirstAndLast { first: hour, last: hour },
        );
    }

    /// Puts back what could not be written.
    pub(crate) fn put_scope(&mut self, line: ScopeLine, hours: FirstAndLast) {
        self.scopes.entry(line).and_modify(|known| *known = known.and(hours)).or_insert(hours);
    }

    /// Remembers what was written.
    pub(crate) fn remember(&mut self, written: &BTreeMap<ScopeLine, FirstAndLast>) {
        for (line, hours) in written {
            if hours.last > self.written_hour || self.written.len() >= MOST_WRITTEN {
                self.written.clear();
                self.written_hour = self.written_hour.max(hours.last);
            }
            if hours.last == self.written_hour {
                let number = self.number(line.key, &line.scope, line.used);
                self.written.insert(number);
            }
        }
    }

    fn number(&self, key: KeyId, scope: &str, used: bool) -> u64 {
        self.numbers.hash_one((key, scope, used))
    }
}
