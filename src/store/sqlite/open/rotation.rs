//! Laying a new root over a store, and doing without one that nothing needs any more.
//!
//! Both are changes of the log, in one transaction with all that stands once in the database: the note of the roots, the seal of the
//! sum, the marks. A start that is cut off before its end finds the store as it was, and behind it as it is to be. Rows are many:
//! they are written anew step by step, by the thread that writes ([`rewriting`]), and each says under which
//! root it stands.

use std::{collections::BTreeMap, sync::Arc};

use base64::{Engine as _, prelude::BASE64_STANDARD_NO_PAD};
use rusqlite::{Connection, Transaction};

use super::{anchored, belonging::Belonging, error::OpenError};
use crate::{
    domain::{
        audit::{Action, Actor, FieldChange, LogEntry},
        root::{DerivedKeys, MOST_STARTS, Root, RootFacts, RootHistory},
        time::Timestamp,
    },
    ports::{Mutation, Rows, StoredMark},
    store::{
        chain::LogHead,
        draws::Draws,
        sqlite::{
            failure, groups, log, notes,
            refusal::WriteRefusal,
            rewriting::{self, Starts},
            root_note, rows,
            sums::RunningSum,
        },
    },
};

/// Brings a store to the roots that are at hand; answers its keys from then on.
pub(super) fn settle(
    connection: &mut Connection,
    (belonging, draws): (&Belonging, &Draws),
    time: Timestamp,
) -> Result<Arc<DerivedKeys>, OpenError> {
    let absent: Vec<_> = belonging.absent().collect();
    let mut keys = Arc::clone(&belonging.keys);
    if absent.is_empty() && belonging.coming().is_none() {
        return Ok(keys);
    }
    let known: Vec<_> = belonging.known().collect();
    let starts = rewriting::starts(connection, &keys).map_err(|error| failed(&error))?;
    for root in absent {
        keys = Arc::new(destroy(connection, (&keys, draws), (&known, &starts), root, time)?);
    }
    match belonging.coming() {
        Some(coming) => Ok(Arc::new(add(connection, (&keys, draws), (&known, &starts), coming, time)?)),
        None => Ok(keys),
    }
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

/// Lays a root over the store, which knows the others.
fn add(
    connection: &mut Connection,
    (before, draws): (&DerivedKeys, &Draws),
    (known, starts): (&[&Root], &BTreeMap<u32, Starts>),
    newest: &Root,
    time: Timestamp,
) -> Result<DerivedKeys, OpenError> {
    require_room(starts)?;
    let transaction = connection.transaction().map_err(|error| failed(&error))?;
    let head = log::head(&transaction, before)?;
    let facts = RootFacts::of(newest, head.revision.next(), time);
    // New secrets start at the coming root: nothing needs a start at the one before it at which there are none.
    let (history, mut dropped) = without_unused_starts(before, newest.number(), starts);
    let last = before.history.iter().next_back();
    let public = |facts: &RootFacts| BASE64_STANDARD_NO_PAD.encode(facts.public);
    let mut changes = vec![
        field("root", last.map(|last| last.number).into(), facts.number.into()),
        field("public_key", last.map(public).into(), public(&facts).into()),
    ];
    let roots: Vec<_> = known.iter().copied().chain([newest]).collect();
    changes.append(&mut dropped);
    let keys = DerivedKeys::with(&roots, history.with(facts));
    let head = write(transaction, (before, draws), &keys, head, entry(Action::RootAdd, changes, time))?;
    tracing::warn!(
        root = keys.newest, revision = %head.revision,
        "a new root is in force: hashes and codes of all rows are written anew under it while the server runs"
    );
    Ok(keys)
}

/// Notes that an older root is gone, under which nothing stands.
fn destroy(
    connection: &mut Connection,
    (before, draws): (&DerivedKeys, &Draws),
    (known, starts): (&[&Root], &BTreeMap<u32, Starts>),
    root: u32,
    time: Timestamp,
) -> Result<DerivedKeys, OpenError> {
    let transaction = connection.transaction().map_err(|error| failed(&error))?;
    let head = log::head(&transaction, before)?;
    let (history, mut dropped) = without_unused_starts(before, before.newest, starts);
    let history = history.changed(|facts| facts.is_destroyed |= facts.number == root);
    let mut changes = vec![field("root", root.into(), serde_json::Value::Null)];
    changes.append(&mut dropped);
    let keys = DerivedKeys::with(known, history);
    let head = write(transaction, (before, draws), &keys, head, entry(Action::RootDestroy, changes, time))?;
    tracing::warn!(root, revision = %head.revision, "a root is gone: nothing needs it any more");
    Ok(keys)
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
    transaction: Transaction<'_>,
    (before, draws): (&DerivedKeys, &Draws),
    keys: &DerivedKeys,
    head: LogHead,
    entry: LogEntry,
) -> Result<LogHead, OpenError> {
    let put = || -> Result<LogHead, WriteRefusal> {
        let mut sum = RunningSum::at(&transaction, before, head)?;
        let mutation = Mutation::new(entry, Rows::default());
        let head = rows::apply(&transaction, (keys, draws), &mut sum, head, &mutation)?;
        sum.put(&transaction, keys, head)?;
        rows::sign(&transaction, keys, head)?;
        if let StoredMark::At(mark) = notes::clock_mark(&transaction, keys)? {
            notes::put_clock_mark(&transaction, keys, mark)?;
        }
        groups::recode_mark(&transaction, keys)?;
        anchored::recode_note(&transaction, keys)?;
        root_note::put(&transaction, keys)?;
        Ok(head)
    };
    let head = put().map_err(|refusal| match refusal {
        WriteRefusal::Store(error) => OpenError::Store(error),
        WriteRefusal::Driver(error) => failed(&error),
    })?;
    transaction.commit().map_err(|error| failed(&error))?;
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
