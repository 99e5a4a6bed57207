//! What is kept of the log's records while rows are read.

use std::{borrow::Cow, collections::HashMap};

use foldhash::quality::RandomState;
use rusqlite::Connection;
use serde::Deserialize;
use smallvec::SmallVec;

use crate::{
    domain::{
        audit::{Action, PersonName, PersonRef},
        group::GroupChange,
        id::{KeyId, WorkspaceId},
        member::MemberId,
        revision::Revision,
        root::DerivedKeys,
        text::{Label, Owner},
    },
    store::{
        chain::StoredRecord,
        records::group::read_group,
        rows::to_stored,
        sqlite::{groups, people},
    },
};

const REMOVE: &str = Action::MemberRemove.as_str();

/// What the log's records say of rows: the newest revision that names each.
#[derive(Default)]
pub(in crate::store::sqlite) struct Newest {
    /// The newest entry that is about this key alone: it wrote the key's row.
    pub(in crate::store::sqlite) keys: HashMap<KeyId, i64, RandomState>,
    /// Changes of many keys at once, oldest first.
    pub(in crate::store::sqlite) groups: Vec<GroupChange>,
    /// Where `groups` are without their keys, because a whole log can have more of them than memory: for each key those that
    /// came after the entry that wrote its row, and that no later one makes good, by their places. At most three, however
    /// often it was changed so.
    grouped: Option<HashMap<KeyId, SmallVec<[usize; 2]>>>,
    pub(in crate::store::sqlite) workspaces: HashMap<WorkspaceId, i64>,
    pub(in crate::store::sqlite) members: HashMap<MemberId, i64>,
    /// Members whose newest entry removed them.
    pub(in crate::store::sqlite) removed: HashMap<MemberId, i64>,
    /// The newest version of the policy, and the revision that wrote it.
    pub(in crate::store::sqlite) policy: Option<(u64, i64)>,
    /// Every version of the policy.
    pub(in crate::store::sqlite) policies: HashMap<u64, i64>,
    pub(in crate::store::sqlite) schemes: HashMap<Label, i64>,
    /// Where a whole log was read: every reference to a person, with the entry that has it first.
    pub(in crate::store::sqlite) people: HashMap<PersonRef, i64, RandomState>,
}

/// The rows that an entry says it changed.
#[derive(Deserialize)]
struct NamedRows<'a> {
    #[serde(borrow)]
    key_id: Option<&'a str>,
    #[serde(borrow)]
    workspace_id: Option<&'a str>,
    #[serde(borrow)]
    member: Option<MemberSaid<'a>>,
    action: &'a str,
    policy_version: Option<u64>,
    #[serde(borrow)]
    scheme: Option<&'a str>,
    #[serde(default)]
    workspace_changed: bool,
    #[serde(borrow)]
    group_id: Option<&'a str>,
}

/// How an entry names a member.
#[derive(Deserialize)]
#[serde(untagged)]
enum MemberSaid<'a> {
    /// In an entry from before there were references.
    Name(#[serde(borrow)] Cow<'a, str>),
    Person {
        #[serde(rename = "$person", borrow)]
        reference: &'a str,
    },
}

/// What a genuine record names, as far as that stands in its bytes alone.
pub(in crate::store::sqlite) struct RecordNames {
    revision: i64,
    people: SmallVec<[PersonRef; 1]>,
    what: WhatIsNamed,
}

enum WhatIsNamed {
    Nothing,
    /// A key, and nothing else.
    Key(KeyId),
    /// What is to be looked at in the order of the log.
    More(Box<StoredRecord>),
}

impl RecordNames {
    /// Looks at a record; `None` if its bytes are no entry.
    pub(super) fn of(record: StoredRecord) -> Option<Self> {
        let people = PersonRef::all_in(&record.bytes).collect();
        let named: NamedRows<'_> = serde_json::from_slice(&record.bytes).ok()?;
        let is_more = named.member.is_some()
            || named.policy_version.is_some()
            || named.scheme.is_some()
            || named.workspace_changed
            || named.group_id.is_some();
        let key = named.key_id.filter(|_| !is_more).map(KeyId::parse).transpose().ok()?;
        let revision = record.revision;
        let what = match key {
            Some(key) => WhatIsNamed::Key(key),
            None if is_more => WhatIsNamed::More(Box::new(record)),
            None => WhatIsNamed::Nothing,
        };
        Some(Self { revision, people, what })
    }

    /// Whether it is about this key, and nothing else.
    pub(super) fn is_about(&self, key: KeyId) -> bool {
        matches!(self.what, WhatIsNamed::Key(named) if named == key)
    }

    /// The record's revision.
    pub(in crate::store::sqlite) const fn revision(&self) -> i64 {
        self.revision
    }
}

impl Newest {
    /// Takes changes of many keys without their keys.
    pub(in crate::store::sqlite) fn of_a_whole_log() -> Self {
        Self { grouped: Some(HashMap::new()), ..Self::default() }
    }

    /// The newest change of many keys; zero if there is none.
    pub(in crate::store::sqlite) fn newest_group(&self) -> Revision {
        self.groups.last().map_or(Revision::ZERO, |change| change.revision)
    }

    /// The changes of many keys that came to this key after the entry at `written` wrote its row, oldest first.
    pub(in crate::store::sqlite) fn since_row(
        &self,
        key: KeyId,
        written: i64,
    ) -> impl Iterator<Item = &GroupChange> {
        let places = self.grouped.as_ref().and_then(|grouped| grouped.get(&key));
        let noted = places.into_iter().flatten().filter_map(|place| self.groups.get(*place));
        let noted = noted.filter(move |change| to_stored(change.revision) > written);
        let whole = self.grouped.is_none().then_some(&self.groups);
        let naming = whole.into_iter().flatten().filter(move |change| {
            to_stored(change.revision) > written && change.keys.binary_search(&key).is_ok()
        });
        noted.chain(naming)
    }

    /// Takes a change of many keys, which is newer than those before.
    pub(in crate::store::sqlite) fn note_group(&mut self, mut change: GroupChange) {
        if let Some(grouped) = &mut self.grouped {
            let place = self.groups.len();
            for key in std::mem::take(&mut change.keys) {
                let places = grouped.entry(key).or_default();
                let stands = |earlier: &usize| {
                    self.groups.get(*earlier).is_some_and(|earlier| !change.act.replaces(earlier.act))
                };
                places.retain(|earlier| stands(earlier));
                places.push(place);
            }
        }
        self.groups.push(change);
    }

    /// Takes what a record names that was looked at before; `None` as in [`Self::note`].
    pub(in crate::store::sqlite) fn take(
        &mut self,
        named: RecordNames,
        connection: &Connection,
        keys: &DerivedKeys,
    ) -> rusqlite::Result<Option<()>> {
        let RecordNames { revision, people, what } = named;
        for person in people {
            self.people.entry(person).or_insert(revision);
        }
        match what {
            WhatIsNamed::Nothing => {}
            WhatIsNamed::Key(key) => self.note_key(key, revision),
            WhatIsNamed::More(record) => return self.note(&record, connection, keys),
        }
        Ok(Some(()))
    }

    /// Takes the names from a genuine record; `None` if its bytes are no entry, or it names keys together that are not stored
    /// as it had them.
    pub(super) fn note(
        &mut self,
        record: &StoredRecord,
        connection: &Connection,
        keys: &DerivedKeys,
    ) -> rusqlite::Result<Option<()>> {
        let Ok(named) = serde_json::from_slice::<NamedRows<'_>>(&record.bytes) else { return Ok(None) };
        if named.group_id.is_some() {
            let list = || groups::list(connection, record.revision);
            match read_group(record.revision, &record.bytes, list)? {
                Some(change) => self.note_group(change),
                None => return Ok(None),
            }
        }
        if self.grouped.is_some() {
            for person in PersonRef::all_in(&record.bytes) {
                self.people.entry(person).or_insert(record.revision);
            }
        }
        let subject = match &named.member {
            Some(said) => said.subject(connection, keys)?,
            None => None,
        };
        if named.member.is_some() && subject.is_none() && self.grouped.is_none() {
            return Ok(None);
        }
        Ok(self.note_rows(&named, subject, record.revision))
    }

    fn note_key(&mut self, key: KeyId, revision: i64) {
        self.keys.insert(key, revision);
        self.grouped.as_mut().and_then(|grouped| grouped.remove(&key));
    }

    /// The row of a member whose name is not known is named by no record, and so is not trusted.
    fn note_rows(&mut self, named: &NamedRows<'_>, subject: Option<Owner>, revision: i64) -> Option<()> {
        if let Some(key) = named.key_id {
            self.note_key(KeyId::parse(key).ok()?, revision);
        }
        if named.workspace_changed {
            self.workspaces.insert(WorkspaceId::parse(named.workspace_id?).ok()?, revision);
        }
        if let Some(subject) = subject {
            let workspace = WorkspaceId::parse(named.workspace_id?).ok()?;
            let id = MemberId { workspace, subject };
            let (now, before) = match named.action {
                REMOVE => (&mut self.removed, &mut self.members),
                _ => (&mut self.members, &mut self.removed),
            };
            before.remove(&id);
            now.insert(id, revision);
        }
        if let Some(version) = named.policy_version {
            self.policy = Some((version, revision));
            self.policies.insert(version, revision);
        }
        if let Some(scheme) = named.scheme {
            self.schemes.insert(Label::parse(scheme).ok()?, revision);
        }
        Some(())
    }
}

impl MemberSaid<'_> {
    /// Who it is; `None` if nobody knows, or what is said is no name of a member.
    fn subject(&self, connection: &Connection, keys: &DerivedKeys) -> rusqlite::Result<Option<Owner>> {
        let known = match self {
            Self::Name(name) => return Ok(Owner::parse(name).ok()),
            Self::Person { reference } => PersonRef::parse(reference),
        };
        let name = known.map(|person| people::name(connection, keys, person)).transpose()?;
        Ok(match name {
            Some(PersonName::Known(name)) => Owner::parse(&name).ok(),
            Some(PersonName::Unknown | PersonName::Edited) | None => None,
        })
    }
}

#[cfg(test)]
mod tests;
