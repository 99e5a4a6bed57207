//! Rows as a start reads them: each against its code, and into the sum.

use std::collections::{HashMap, HashSet};

use rusqlite::Connection;

use crate::{
    domain::{
        group::GroupChange,
        key::{KeptKey, Key},
        member::{Member, MemberId},
        root::DerivedKeys,
    },
    ports::{Damaged, PolicyView, ViewSink},
    store::{
        key_row::KeyRow,
        records::{group::read_change, known::KnownValues},
        rows::{EDITED, Row, from_stored},
        sqlite::{
            columns::{each_row, select_from},
            distrusted::Distrusted,
            groups::{CHANGES, ListRow, TABLE as LISTS},
            log::Newest,
            parts::ViewParts,
            people, policies, removed,
        },
        sum::{RowSum, Summand},
    },
};

/// Rows on their way to a sink, and what they are together.
pub(super) struct Scan<'s> {
    pub(super) keys: &'s DerivedKeys,
    pub(super) distrusted: &'s Distrusted,
    pub(super) sink: &'s dyn ViewSink,
    known: KnownValues,
    parts: ViewParts,
    /// Of the table that is being read, those that are named as damaged and were there.
    pub(super) seen: HashSet<Vec<u8>>,
    /// Of all but keys and people.
    pub(super) sum: RowSum,
    /// Of keys and people.
    pub(super) sum_of_many: RowSum,
    /// Whether each of all but keys is as it was written.
    pub(super) is_genuine: bool,
    /// Keys whose rows cannot be trusted, and were not named before.
    pub(super) damaged_keys: DamagedRows,
    /// The same of people.
    pub(super) damaged_people: DamagedRows,
}

/// Rows that cannot be trusted, by their ids as they are shown.
pub(super) type DamagedRows = HashMap<String, DamagedRow>;

/// What is wrong with a row.
pub(super) struct DamagedRow {
    pub(super) why: &'static str,
    /// Whether it is as it was written, and cannot be read all the same.
    pub(super) is_genuine: bool,
    root: i64,
    code: Vec<u8>,
}

impl DamagedRow {
    /// What a row of this code is to the sum.
    pub(super) fn summand(&self) -> Summand<'_> {
        Summand { root: self.root, code: &self.code }
    }
}

impl<'s> Scan<'s> {
    pub(super) fn new(keys: &'s DerivedKeys, distrusted: &'s Distrusted, sink: &'s dyn ViewSink) -> Self {
        Self {
            keys,
            distrusted,
            sink,
            known: KnownValues::default(),
            parts: ViewParts::default(),
            seen: HashSet::new(),
            sum: RowSum::EMPTY,
            sum_of_many: RowSum::EMPTY,
            is_genuine: true,
            damaged_keys: HashMap::new(),
            damaged_people: HashMap::new(),
        }
    }

    /// Reads all but keys and people: what is not very much. The policy first, because what keys may do follows from it.
    pub(super) fn small_tables(&mut self, connection: &Connection) -> rusqlite::Result<()> {
        self.policy(connection)?;
        self.hand_over();
        each_row(connection, &select_from("schemes"), [], |row| {
            let scheme = self.row("schemes", row, |row| row.to_scheme(row.revision, self.keys));
            self.parts.view.schemes.extend(scheme);
        })?;
        self.absent("schemes");
        each_row(connection, &select_from("workspaces"), [], |row| {
            let workspace = self.row("workspaces", row, |row| row.to_workspace(row.revision, self.keys));
            self.parts.view.workspaces.extend(workspace);
        })?;
        self.absent("workspaces");
        each_row(connection, &select_from("members"), [], |row| self.member(row))?;
        self.absent("members");
        each_row(connection, &select_from(removed::TABLE), [], |row| {
            self.removed(row);
        })?;
        self.hand_over();
        Ok(())
    }

    /// Counts the name of a person, which nobody is asked for at a start.
    pub(super) fn person(&mut self, row: &Row) {
        match self.distrusted.why(people::TABLE, &row.id) {
            Some(why) => people::tell(&row.id, why),
            None if row.is_genuine(people::TABLE, self.keys) => {
                self.sum_of_many.add(row.summand(), self.keys);
            }
            None => {
                self.is_genuine = false;
                let (root, code) = (row.root, row.code.clone());
                let known = DamagedRow { why: EDITED, is_genuine: false, root, code };
                self.damaged_people.insert(String::from_utf8_lossy(&row.id).into_owned(), known);
            }
        }
    }

    /// Takes a key's row, and upon it what came later to this key among many.
    pub(super) fn key(&mut self, row: &KeyRow<'_>, changes: &Newest) {
        if let Some(why) = self.distrusted.why_of_key(row) {
            self.seen.insert(row.shown_id().into());
            self.parts.view.damaged.push(row.damaged(why));
            return;
        }
        match row.to_kept(self.keys, &mut self.known) {
            Ok(kept) => {
                self.sum_of_many.add(row.summand(), self.keys);
                let mut since = changes.since_row(kept.own.id, row.revision).peekable();
                if since.peek().is_none() {
                    self.parts.put(kept);
                } else {
                    match row.genuine_key(self.keys, &mut self.known) {
                        Ok(key) => self.parts.put(KeptKey::of(&since.fold(key, Key::under))),
                        Err(damaged) => self.parts.view.damaged.push(damaged),
                    }
                }
            }
            Err(damaged) => {
                let is_genuine = row.is_genuine(self.keys);
                // Of one that is not, the sum lacks the term.
                if is_genuine {
                    self.sum_of_many.add(row.summand(), self.keys);
                }
                let (root, code) = (row.root, row.code.to_vec());
                let known = DamagedRow { why: damaged.why, is_genuine, root, code };
                self.damaged_keys.insert(damaged.id.clone(), known);
                self.parts.view.damaged.push(damaged);
            }
        }
        self.parts.hand_over_full(self.sink);
    }

    /// Hands over what was taken so far.
    pub(super) fn hand_over(&mut self) {
        self.parts.hand_over(self.sink);
    }

    /// Names the rows of a table that are known to be damaged and are not even there.
    pub(super) fn absent(&mut self, table: &'static str) {
        let absent = self.distrusted.others(table, &std::mem::take(&mut self.seen));
        let absent = absent.into_iter().map(|(id, why)| Damaged {
            id: String::from_utf8_lossy(&id).into_owned(),
            why,
            zone: None,
        });
        self.parts.view.damaged.extend(absent);
    }

    /// What could not be read for want of a time zone, and that zone.
    pub(super) fn zone_missing(&self) -> Option<(String, String)> {
        self.parts.zone_missing.clone()
    }

    /// Counts what another scan has counted.
    pub(super) fn merge(&mut self, other: Self) {
        self.sum.merge(&other.sum);
        self.sum_of_many.merge(&other.sum_of_many);
        self.is_genuine &= other.is_genuine;
        self.seen.extend(other.seen);
        self.damaged_keys.extend(other.damaged_keys);
        self.damaged_people.extend(other.damaged_people);
        self.parts.note_zone(|| other.parts.zone_missing);
    }

    fn row<T>(
        &mut self,
        table: &'static str,
        row: &Row,
        read: impl FnOnce(&Row) -> Result<T, Damaged>,
    ) -> Option<T> {
        let read = if let Some(why) = self.named(table, row) {
            Err(row.damaged(why))
        } else {
            self.count(table, row);
            read(row)
        };
        read.map_err(|damaged| self.parts.view.damaged.push(damaged)).ok()
    }

    /// Why a row is named as damaged, if it is.
    fn named(&mut self, table: &str, row: &Row) -> Option<&'static str> {
        let why = self.distrusted.why(table, &row.id)?;
        self.seen.insert(row.id.clone());
        Some(why)
    }

    fn count(&mut self, table: &'static str, row: &Row) {
        if row.is_genuine(table, self.keys) {
            self.sum.add(row.summand(), self.keys);
        } else {
            self.is_genuine = false;
        }
    }

    fn member(&mut self, row: &Row) {
        match self.row("members", row, |row| row.to_member(row.revision, self.keys)) {
            // Up to schema 7 the row of a removed one stayed.
            Some(Member { id, role: None, revision, .. }) => {
                self.parts.view.removed_members.push((id, revision));
            }
            member => self.parts.view.members.extend(member),
        }
    }

    fn removed(&mut self, row: &Row) {
        self.count(removed::TABLE, row);
        let id = row.parse_id(|text| MemberId::parse(text).ok_or(()));
        self.parts.view.removed_members.extend(id.zip(from_stored(row.revision)));
    }

    /// Counts every version of the policy, and takes the newest.
    fn policy(&mut self, connection: &Connection) -> rusqlite::Result<()> {
        let mut newest: Option<(u64, Result<Row, Damaged>)> = None;
        policies::each(connection, |row| {
            let version = row.parse_id(str::parse).unwrap_or_default();
            let row = match self.named("policies", &row) {
                Some(why) => Err(row.damaged(why)),
                None if row.is_genuine("policies", self.keys) => {
                    self.sum.add(row.summand(), self.keys);
                    Ok(row)
                }
                None => {
                    self.is_genuine = false;
                    Err(row.damaged(EDITED))
                }
            };
            if newest.as_ref().is_none_or(|(newest, _)| version > *newest) {
                newest = Some((version, row));
            }
        })?;
        for (id, why) in self.distrusted.others("policies", &std::mem::take(&mut self.seen)) {
            let id = String::from_utf8_lossy(&id).into_owned();
            let version = id.parse().unwrap_or_default();
            if newest.as_ref().is_none_or(|(newest, _)| version > *newest) {
                newest = Some((version, Err(Damaged { id, why, zone: None })));
            }
        }
        let keys = self.keys;
        self.parts.view.policy = newest.map(|(version, row)| {
            PolicyView::of(version, row.and_then(|row| row.to_policy(row.revision, keys)))
        });
        Ok(())
    }
}

/// Changes of many keys, as rows tell them.
pub(super) struct Groups {
    pub(super) changes: Newest,
    pub(super) sum: RowSum,
    pub(super) is_genuine: bool,
}

impl Groups {
    pub(super) fn read(
        connection: &Connection,
        keys: &DerivedKeys,
        distrusted: &Distrusted,
    ) -> rusqlite::Result<Self> {
        let mut found = Self { changes: Newest::of_a_whole_log(), sum: RowSum::EMPTY, is_genuine: true };
        let mut changes = HashMap::new();
        let select = format!("{} ORDER BY revision", select_from(CHANGES));
        each_row(connection, &select, [], |row| {
            let change = from_stored(row.revision).and_then(|revision| read_change(revision, &row.body));
            match change.filter(|_| row.is_genuine(CHANGES, keys)) {
                Some(change) => {
                    found.sum.add(row.summand(), keys);
                    changes.insert(row.revision, change);
                }
                None => found.is_genuine = false,
            }
        })?;
        let mut select = connection.prepare_cached(
            "SELECT revision, first_id, ids, states_before, code, root FROM grouped_keys ORDER BY revision, first_id",
        )?;
        let mut rows = select.query([])?;
        let mut current: Option<GroupChange> = None;
        while let Some(row) = rows.next()? {
            let row = ListRow::read(row)?;
            if distrusted.why(LISTS, row.place.to_string().as_bytes()).is_some() {
                continue;
            }
            if !row.is_genuine(keys) {
                found.is_genuine = false;
                continue;
            }
            found.sum.add(row.summand(), keys);
            if row.place <= 0 {
                continue;
            }
            if let Some(change) = changes.remove(&row.place)
                && let Some(complete) = current.replace(change)
            {
                found.changes.note_group(complete);
            }
            match &mut current {
                Some(change) if from_stored(row.place) == Some(change.revision) => {
                    change.keys.extend(row.keys());
                }
                Some(_) | None => found.is_genuine = false,
            }
        }
        if let Some(complete) = current {
            found.changes.note_group(complete);
        }
        found.is_genuine &= changes.is_empty();
        Ok(found)
    }
}
