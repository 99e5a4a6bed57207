//! The database and its anchor: which of them go together, what is refused, and what an operator takes in all the same.
//!
//! The database notes under a code that it has an anchor, and where, so that one that was taken away is noticed. An anchor
//! that is older than the database is accepted: a power cut leaves such a one, and a disk that was full.

use std::{
    ffi::OsString,
    os::unix::{
        ffi::{OsStrExt as _, OsStringExt as _},
        fs::MetadataExt as _,
    },
    path::{Path, PathBuf},
    sync::Arc,
};

use rusqlite::{Connection, OptionalExtension as _, types::Value};

use super::{doubt::Doubt, error::OpenError};
use crate::{
    domain::{
        audit::{Action, Actor, FieldChange, LogEntry},
        revision::Revision,
        root::DerivedKeys,
        time::Timestamp,
    },
    ports::{Mutation, Rows, StoredMark},
    store::{
        anchor::{Anchor, AnchorSettings, FoundAnchor, Keeper, find, make},
        chain::LogHead,
        draws::Draws,
        rows::to_stored,
        sqlite::{columns::bytes, failure, log, meta, refusal::WriteRefusal, rows, sums::RunningSum},
    },
};

const NOTE: &str = "anchor";

/// What the database says of its anchor.
#[derive(Debug, PartialEq, Eq)]
enum AnchorNote {
    /// Nothing: it has none yet.
    Nothing,
    /// It has one; at this place, where that is not in the data directory.
    At(Option<PathBuf>),
    /// What it says was edited.
    Edited,
}

/// What is known of a database and its anchor together.
pub(in crate::store::sqlite) struct AnchorJudgement {
    path: PathBuf,
    /// The end of the log.
    head: LogHead,
    noted: AnchorNote,
    found: FoundAnchor,
    doubt: Option<Doubt>,
}

/// Where the anchor of a database is to be looked for when the settings do not say: where it was.
pub(in crate::store::sqlite) fn place(
    directory: &Path,
    settings: &AnchorSettings,
    connection: &Connection,
    keys: &DerivedKeys,
) -> rusqlite::Result<PathBuf> {
    let noted = match noted(connection, keys)? {
        AnchorNote::At(noted) => noted,
        AnchorNote::Nothing | AnchorNote::Edited => None,
    };
    let place = settings.place.clone().or(noted);
    Ok(AnchorSettings { place, accepted: None }.path(directory))
}

/// Compares a database with its anchor, and changes nothing. `found` was read before the database's `head`: a server that runs
/// writes the database first.
pub(in crate::store::sqlite) fn judge(
    path: PathBuf,
    found: FoundAnchor,
    head: LogHead,
    connection: &Connection,
    keys: &DerivedKeys,
) -> rusqlite::Result<AnchorJudgement> {
    let noted = noted(connection, keys)?;
    let doubt = match (&found, &noted) {
        (_, AnchorNote::Edited) => Some(Doubt::Edited),
        (FoundAnchor::Missing, AnchorNote::Nothing) => None,
        (FoundAnchor::Missing, AnchorNote::At(place)) => {
            Some(Doubt::Missing { noted: place.clone().filter(|place| *place != path) })
        }
        (FoundAnchor::Unreadable(why), AnchorNote::Nothing | AnchorNote::At(_)) => {
            Some(Doubt::Unreadable(why.clone()))
        }
        (FoundAnchor::Kept(anchor), AnchorNote::Nothing | AnchorNote::At(_)) => {
            differ(anchor.head, head, connection)?
        }
    };
    Ok(AnchorJudgement { path, head, noted, found, doubt })
}

fn differ(anchor: LogHead, head: LogHead, connection: &Connection) -> rusqlite::Result<Option<Doubt>> {
    if anchor.revision > head.revision {
        return Ok(Some(Doubt::Older(anchor.revision)));
    }
    if anchor.revision == Revision::ZERO {
        return Ok(None);
    }
    let mut one = connection.prepare_cached("SELECT chain FROM log WHERE revision = ?1")?;
    let chain = one.query_row([to_stored(anchor.revision)], |row| bytes(row, 0)).optional()?;
    Ok((chain.as_deref() != Some(&anchor.chain.0)).then_some(Doubt::Other(anchor.revision)))
}

impl AnchorJudgement {
    /// Passes if nothing is in doubt, or the operator has said that a log which ends here is taken in.
    pub(in crate::store::sqlite) fn require(
        &self,
        accepted: Option<Revision>,
        database: &Path,
    ) -> Result<(), OpenError> {
        let head = self.head.revision;
        match &self.doubt {
            Some(doubt) if accepted != Some(head) => Err(OpenError::Anchor {
                path: database.to_owned(),
                anchor: self.path.clone(),
                head,
                doubt: doubt.clone(),
            }),
            None if accepted.is_some() => {
                tracing::warn!(
                    "--accept-rollback had nothing to take in: the database and its anchor agree; leave it out"
                );
                Ok(())
            }
            Some(_) | None => Ok(()),
        }
    }

    /// Keeps the anchor from now on: makes it, where there is none; brings it up to the log, where it lies behind; and takes
    /// what is in doubt in, with an entry in the log.
    pub(in crate::store::sqlite) fn keep(
        self,
        connection: &mut Connection,
        (keys, draws): (&Arc<DerivedKeys>, &Draws),
        (now, mark): (Timestamp, StoredMark),
        default: &Path,
    ) -> Result<Keeper, OpenError> {
        let number = match &self.found {
            FoundAnchor::Kept(anchor) => anchor.number,
            FoundAnchor::Missing | FoundAnchor::Unreadable(_) => 0,
        };
        let mut anchor = Anchor { number, head: self.head };
        match (&self.found, &self.doubt) {
            (_, Some(doubt)) => {
                let head = self.accept(doubt, connection, (keys, draws), (now, mark))?;
                anchor = Anchor { number: number.saturating_add(1), head };
                make(&self.path, anchor, keys)?;
            }
            (FoundAnchor::Kept(kept), None) => anchor = *kept,
            (FoundAnchor::Missing | FoundAnchor::Unreadable(_), None) => {
                if let Err(error) = make(&self.path, anchor, keys) {
                    tracing::error!(path = %self.path.display(), %error, "the anchor cannot be made");
                }
            }
        }
        let head = if self.doubt.is_some() { anchor.head } else { self.head };
        let in_use = |_| OpenError::AnchorInUse(self.path.clone());
        let mut keeper = Keeper::new(self.path.clone(), Arc::clone(keys), anchor).map_err(in_use)?;
        keeper.follow(head);
        let place = Some(&self.path).filter(|path| *path != default).cloned();
        if self.noted != AnchorNote::At(place.clone())
            && keeper.path().exists()
            && let Err(error) = note(connection, keys, place.as_deref())
        {
            tracing::error!(%error, "the database cannot note its anchor: the next start tries again");
        }
        Ok(keeper)
    }

    /// Writes the entry that says what was taken in; the new end of the log.
    fn accept(
        &self,
        doubt: &Doubt,
        connection: &mut Connection,
        (keys, draws): (&DerivedKeys, &Draws),
        (now, mark): (Timestamp, StoredMark),
    ) -> Result<LogHead, OpenError> {
        let failed = |error: &rusqlite::Error| OpenError::Store(failure::of_reading(error));
        if self.head == LogHead::START {
            // Nothing is written before the store's first entry.
            return Ok(self.head);
        }
        let transaction = connection.transaction().map_err(|error| failed(&error))?;
        let time = if let StoredMark::At(mark) = mark { now.max(mark) } else { now };
        let mutation = Mutation::new(entry(doubt, self.head.revision, time), Rows::default());
        let mut sum = RunningSum::at(&transaction, keys, self.head).map_err(|error| failed(&error))?;
        let applied = rows::apply(&transaction, (keys, draws), &mut sum, self.head, &mutation);
        let head = applied.map_err(|refusal| match refusal {
            WriteRefusal::Store(error) => OpenError::Store(error),
            WriteRefusal::Driver(error) => failed(&error),
        })?;
        sum.put(&transaction, keys, head).map_err(|error| failed(&error))?;
        rows::sign(&transaction, keys, head).map_err(|error| failed(&error))?;
        transaction.commit().map_err(|error| failed(&error))?;
        tracing::warn!(revision = %head.revision, %doubt, "taken in as it is, as --accept-rollback says");
        Ok(head)
    }

    /// What an operator is told; the doubt is a fault.
    pub(in crate::store::sqlite) fn into_report(self) -> AnchorReport {
        let known = match &self.found {
            FoundAnchor::Kept(anchor) => Some(anchor.head.revision),
            FoundAnchor::Missing | FoundAnchor::Unreadable(_) => None,
        };
        AnchorReport { path: self.path, known, doubt: self.doubt }
    }
}

/// How an anchor stands to its database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AnchorReport {
    /// Where it is.
    pub path: PathBuf,
    /// The revision that it knows, if it says any.
    pub known: Option<Revision>,
    /// Why the database may not be the newest.
    pub doubt: Option<Doubt>,
}

fn entry(doubt: &Doubt, head: Revision, now: Timestamp) -> LogEntry {
    let from = match doubt {
        Doubt::Older(anchor) | Doubt::Other(anchor) => anchor.0.into(),
        Doubt::Missing { .. } | Doubt::Unreadable(_) | Doubt::Edited => serde_json::Value::Null,
    };
    let why = match doubt {
        Doubt::Missing { .. } => "missing",
        Doubt::Unreadable(_) => "unreadable",
        Doubt::Edited => "edited",
        Doubt::Older(_) => "ahead",
        Doubt::Other(_) => "of another log",
    };
    let user = std::fs::metadata("/proc/self").ok().map(|process| process.uid());
    let field = |field: &'static str, from: serde_json::Value, to: serde_json::Value| FieldChange {
        field: field.into(),
        from,
        to,
    };
    let mut entry = LogEntry::new(now, Actor::System, Action::RollbackAccept);
    entry.changes = vec![
        field("revision", from, head.0.into()),
        field("anchor", why.into(), "made anew".into()),
        field("accepted_by_user", serde_json::Value::Null, user.into()),
    ];
    entry
}

/// What the database notes of its anchor: a code, then the place.
fn noted(connection: &Connection, keys: &DerivedKeys) -> rusqlite::Result<AnchorNote> {
    let Some(stored) = meta::value(connection, NOTE)? else { return Ok(AnchorNote::Nothing) };
    let Value::Blob(stored) = stored else { return Ok(AnchorNote::Edited) };
    let genuine = stored.split_first_chunk::<32>();
    let genuine = genuine.filter(|(code, place)| keys.rows.agrees(&note_parts(place), *code));
    Ok(genuine.map_or(AnchorNote::Edited, |(_, place)| {
        AnchorNote::At((!place.is_empty()).then(|| PathBuf::from(OsString::from_vec(place.to_vec()))))
    }))
}

fn note(connection: &Connection, keys: &DerivedKeys, place: Option<&Path>) -> rusqlite::Result<()> {
    let place = place.map(|place| place.as_os_str().as_bytes()).unwrap_or_default();
    let value = [keys.rows.code(&note_parts(place)).as_slice(), place].concat();
    meta::put(connection, NOTE, &value)
}

/// Writes what it notes anew under the newest root; what was edited stays as it is.
pub(super) fn recode_note(connection: &Connection, keys: &DerivedKeys) -> rusqlite::Result<()> {
    match noted(connection, keys)? {
        AnchorNote::At(place) => note(connection, keys, place.as_deref()),
        AnchorNote::Nothing | AnchorNote::Edited => Ok(()),
    }
}

fn note_parts(place: &[u8]) -> [&[u8]; 3] {
    [b"meta", NOTE.as_bytes(), place]
}

/// The end of a log that is to be compared: its last record must be genuine.
pub(in crate::store::sqlite) fn look(
    directory: &Path,
    settings: &AnchorSettings,
    connection: &Connection,
    keys: &DerivedKeys,
) -> Result<AnchorJudgement, OpenError> {
    let path = settings.path(directory);
    let found = find(&path, keys);
    look_with(path, found, connection, keys)
}

/// The same for an anchor that was found before.
pub(in crate::store::sqlite) fn look_with(
    path: PathBuf,
    found: FoundAnchor,
    connection: &Connection,
    keys: &DerivedKeys,
) -> Result<AnchorJudgement, OpenError> {
    let head = log::head(connection, keys)?;
    let judged = judge(path, found, head, connection, keys);
    judged.map_err(|error| OpenError::Store(failure::of_reading(&error)))
}

/// A database that holds nothing yet.
pub(in crate::store::sqlite) fn look_at_nothing(
    directory: &Path,
    settings: &AnchorSettings,
    keys: &DerivedKeys,
) -> AnchorJudgement {
    let path = settings.path(directory);
    let found = find(&path, keys);
    let doubt = match &found {
        FoundAnchor::Missing => None,
        FoundAnchor::Unreadable(why) => Some(Doubt::Unreadable(why.clone())),
        FoundAnchor::Kept(anchor) if anchor.head == LogHead::START => None,
        FoundAnchor::Kept(anchor) => Some(Doubt::Older(anchor.head.revision)),
    };
    AnchorJudgement { path, head: LogHead::START, noted: AnchorNote::Nothing, found, doubt }
}
