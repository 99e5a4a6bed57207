//! Laying a new root over a store, and doing without one that nothing needs any more.
//!
//! At a start, or while the server runs. Both are changes of the log, in one transaction with all that stands once in the database:
//! the note of the roots, the seal of the sum, the marks. A start that is cut off before its end finds the store as it was, and behind
//! it as it is to be. Rows are many: they are written anew step by step, by the thread that writes ([`rewriting`]), and each says under which
//! root it stands.

use std::{collections::BTreeMap, path::Path, sync::Arc};

use base64::{Engine as _, prelude::BASE64_STANDARD_NO_PAD};
use rusqlite::Connection;

use super::{
    anchored,
    belonging::{Belonging, fitting, ours},
    error::OpenError,
};
use crate::{
    domain::{
        audit::{Action, Actor, FieldChange, LogEntry},
        revision::Revision,
        root::{DerivedKeys, MOST_STARTS, Root, RootFacts, RootHistory},
        time::Timestamp,
    },
    ports::{Mutation, Rows, StoreError, StoredMark},
    store::{
        chain::LogHead,
        draws::Draws,
        roots::{Roots, RootsSource},
        sqlite::{
            failure, groups, log, notes,
            refusal::WriteRefusal,
            rewriting::{self, Starts},
            root_note, rows,
            sums::RunningSum,
        },
    },
};

/// What a store is to be brought to.
pub(in crate::store::sqlite) struct NewRoots {
    belonging: Belonging,
    starts: BTreeMap<u32, Starts>,
    time: Timestamp,
}

/// One change of a store's roots.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::store::sqlite) enum RootStep {
    /// This older one is gone, under which nothing stands.
    Gone(u32),
    /// The one that the store does not know yet is laid over it.
    Coming,
}

/// The keys from a change on.
#[derive(Clone)]
pub(in crate::store::sqlite) struct TakenKeys {
    /// Those for as long as some hashes in memory are without the layer of a new root.
    pub(in crate::store::sqlite) at_first: Arc<DerivedKeys>,
    /// Those for good.
    pub(in crate::store::sqlite) settled: Arc<DerivedKeys>,
}

impl NewRoots {
    /// Which roots of those at hand the store is to take, and which it is to do without; `None` where there is nothing to change.
    /// Refused as a start refuses it.
    pub(in crate::store::sqlite) fn look(
        connection: &Connection,
        path: &Path,
        (roots, source): (Roots, &RootsSource),
        time: Timestamp,
    ) -> Result<Option<Self>, OpenError> {
        let found = ours(connection, path)?.ok_or_else(|| OpenError::NoStore(path.to_owned()))?;
        let belonging = fitting(roots, source, connection, &found, path)?;
        require_roots(connection, &belonging)?;
        let new = Self { belonging, starts: BTreeMap::new(), time };
        if new.steps().is_empty() {
            return Ok(None);
        }
        let new = new.counted(connection)?;
        if new.belonging.coming().is_some() {
            require_room(&new.starts)?;
        }
        Ok(Some(new))
    }

    /// The same with the secrets counted as they are now.
    pub(in crate::store::sqlite) fn counted(self, connection: &Connection) -> Result<Self, OpenError> {
        let starts = rewriting::starts(connection, &self.belonging.keys).map_err(|error| failed(&error))?;
        Ok(Self { starts, ..self })
    }

    /// Whether a look-up key goes, unless a secret that needs it is made meanwhile.
    pub(in crate::store::sqlite) fn drops_starts(&self) -> bool {
        let needed = |root| self.starts.get(&root).is_some_and(|secrets| secrets.needed > 0);
        self.belonging.keys.history.iter().any(|root| root.start.is_some() && !needed(root.number))
    }

    /// What is to be changed, one after the other.
    pub(in crate::store::sqlite) fn steps(&self) -> Vec<RootStep> {
        let coming = self.belonging.coming().map(|_| RootStep::Coming);
        self.belonging.absent().map(RootStep::Gone).chain(coming).collect()
    }

    /// Makes one change within an open transaction, behind `head`, with everything that stands once in the database.
    pub(in crate::store::sqlite) fn take(
        &self,
        connection: &Connection,
        (before, draws): (&DerivedKeys, &Draws),
        step: RootStep,
        (head, sum): (LogHead, &mut RunningSum),
    ) -> Result<(LogHead, TakenKeys), WriteRefusal> {
        let known: Vec<_> = self.belonging.known().collect();
        let (roots, history, action, changes) = match (step, self.belonging.coming()) {
            (RootStep::Coming, Some(newest)) => {
                let (history, changes) = with_coming(before, newest, head, (&self.starts, self.time));
                (known.into_iter().chain([newest]).collect(), history, Action::RootAdd, changes)
            }
            (RootStep::Gone(root), _) => {
                let (history, changes) = without(before, root, &self.starts);
                (known, history, Action::RootDestroy, changes)
            }
            (RootStep::Coming, None) => {
                return Err(StoreError::Unavailable("no root is coming".to_owned()).into());
            }
        };
        let settled = DerivedKeys::with(&roots, history.clone());
        let head =
            write(connection, (before, draws), &settled, (head, sum), entry(action, changes, self.time))?;
        let at_first = match step {
            RootStep::Coming => Arc::new(DerivedKeys::with(&roots, history).beside(before)),
            RootStep::Gone(_) => return Ok((head, TakenKeys::for_good(settled))),
        };
        Ok((head, TakenKeys { at_first, settled: Arc::new(settled) }))
    }
}

impl TakenKeys {
    fn for_good(keys: DerivedKeys) -> Self {
        let settled = Arc::new(keys);
        Self { at_first: Arc::clone(&settled), settled }
    }
}

impl RootStep {
    /// Says that it is made.
    pub(in crate::store::sqlite) fn tell(self, keys: &DerivedKeys, revision: Revision) {
        match self {
            Self::Coming => tracing::warn!(
                root = keys.newest, %revision,
                "a new root is in force: hashes and codes of all rows are written anew under it while the server runs"
            ),
            Self::Gone(root) => tracing::warn!(root, %revision, "a root is gone: nothing needs it any more"),
        }
    }
}

/// Brings a store to the roots that are at hand; answers its keys from then on.
pub(super) fn settle(
    connection: &mut Connection,
    (belonging, draws): (Belonging, &Draws),
    time: Timestamp,
) -> Result<Arc<DerivedKeys>, OpenError> {
    let mut keys = Arc::clone(&belonging.keys);
    let new = NewRoots { belonging, starts: BTreeMap::new(), time };
    let steps = new.steps();
    if steps.is_empty() {
        return Ok(keys);
    }
    let new = new.counted(connection)?;
    for step in steps {
        if step == RootStep::Coming {
            require_room(&new.starts)?;
        }
        let transaction = connection.transaction().map_err(|error| failed(&error))?;
        let head = log::head(&transaction, &keys)?;
        let mut sum = RunningSum::at(&transaction, &keys, head).map_err(|error| failed(&error))?;
        let taken = new.take(&transaction, (&keys, draws), step, (head, &mut sum));
        let (head, taken) = taken.map_err(|refusal| match refusal {
            WriteRefusal::Store(error) => OpenError::Store(error),
            WriteRefusal::Driver(error) => failed(&error),
        })?;
        transaction.commit().map_err(|error| failed(&error))?;
        step.tell(&taken.settled, head.revision);
        keys = taken.settled;
    }
    Ok(keys)
}

/// Refuses a further root where secrets start at as many as there may be: each start costs every Check.
pub(super) fn require_room(starts: &BTreeMap<u32, Starts>) -> Result<(), OpenError> {
    let mut needed = starts.iter().filter(|(_, secrets)| secrets.needed > 0);
    let count = needed.clone().count();
    match needed.next() {
        Some((&root, secrets)) if count >= MOST_STARTS => {
            Err(OpenError::TooManyStarts { root, secrets: secrets.needed })
        }
        Some(_) | None => Ok(()),
    }
}

/// Refuses a store whose older roots are not all at hand, while rows stand under them.
pub(super) fn require_roots(connection: &Connection, belonging: &Belonging) -> Result<(), OpenError> {
    for root in belonging.absent() {
        let left = rewriting::left_under(connection, root).map_err(|error| failed(&error))?;
        if left > 0 {
            return Err(OpenError::RootNeeded { root, left });
        }
    }
    Ok(())
}

/// What is known of the roots once this one is laid over the store, and what there is to say of that.
fn with_coming(
    before: &DerivedKeys,
    newest: &Root,
    head: LogHead,
    (starts, time): (&BTreeMap<u32, Starts>, Timestamp),
) -> (RootHistory, Vec<FieldChange>) {
    let facts = RootFacts::of(newest, head.revision.next(), time);
    // New secrets start at the coming root: nothing needs a start at the one before it at which there are none.
    let (history, mut dropped) = without_unused_starts(before, newest.number(), starts);
    let last = before.history.iter().next_back();
    let public = |facts: &RootFacts| BASE64_STANDARD_NO_PAD.encode(facts.public);
    let mut changes = vec![
        field("root", last.map(|last| last.number).into(), facts.number.into()),
        field("public_key", last.map(public).into(), public(&facts).into()),
    ];
    changes.append(&mut dropped);
    (history.with(facts), changes)
}

/// The same once an older root is gone.
fn without(
    before: &DerivedKeys,
    root: u32,
    starts: &BTreeMap<u32, Starts>,
) -> (RootHistory, Vec<FieldChange>) {
    let (history, mut dropped) = without_unused_starts(before, before.newest, starts);
    let history = history.changed(|facts| facts.is_destroyed |= facts.number == root);
    let mut changes = vec![field("root", root.into(), serde_json::Value::Null)];
    changes.append(&mut dropped);
    (history, changes)
}

/// What is known of the roots, without the look-up keys of those that no secret starts at, but for the newest, where new ones do;
/// and what there is to say of that. Secrets that ended long ago keep none: they are unknown from then on, as denied as before.
fn without_unused_starts(
    keys: &DerivedKeys,
    newest: u32,
    starts: &BTreeMap<u32, Starts>,
) -> (RootHistory, Vec<FieldChange>) {
    let mut dropped = Vec::new();
    let history = keys.history.changed(|root| {
        let secrets = starts.get(&root.number).copied().unwrap_or_default();
        let is_unused = root.number != newest && secrets.needed == 0;
        if is_unused && root.start.take().is_some() {
            dropped.push(field("lookup_key_of_root", root.number.into(), serde_json::Value::Null));
            if secrets.over > 0 {
                dropped.push(field("secrets_still_known", secrets.over.into(), 0.into()));
            }
        }
    });
    (history, dropped)
}

/// Writes an entry under `keys`, and everything that stands once in the database.
fn write(
    connection: &Connection,
    (before, draws): (&DerivedKeys, &Draws),
    keys: &DerivedKeys,
    (head, sum): (LogHead, &mut RunningSum),
    entry: LogEntry,
) -> Result<LogHead, WriteRefusal> {
    let mutation = Mutation::new(entry, Rows::default());
    let head = rows::apply(connection, (keys, draws), sum, head, &mutation)?;
    sum.put(connection, keys, head)?;
    rows::sign(connection, keys, head)?;
    if let StoredMark::At(mark) = notes::clock_mark(connection, before)? {
        notes::put_clock_mark(connection, keys, mark)?;
    }
    groups::recode_mark(connection, keys)?;
    anchored::recode_note(connection, keys)?;
    root_note::put(connection, keys)?;
    Ok(head)
}

fn entry(action: Action, changes: Vec<FieldChange>, time: Timestamp) -> LogEntry {
    LogEntry { changes, ..LogEntry::new(time, Actor::System, action) }
}

fn field(field: &'static str, from: serde_json::Value, to: serde_json::Value) -> FieldChange {
    FieldChange { field: field.into(), from, to }
}

fn failed(error: &rusqlite::Error) -> OpenError {
    OpenError::Store(failure::of_reading(error))
}
