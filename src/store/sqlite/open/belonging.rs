//! Which roots and which database belong together.

use std::{path::Path, sync::Arc};

use rusqlite::Connection;

use super::error::{OpenError, database};
use crate::{
    domain::{
        revision::Revision,
        root::{DerivedKeys, Root, RootFacts, RootHistory},
        time::{Entropy, Timestamp},
    },
    store::{
        data_dir::database_in,
        roots::{FoundRoots, Roots, RootsSource, open_history},
        sqlite::{
            root_note::{self, RootNote},
            schema::{self, DatabaseIdentity, Ours, identify},
        },
    },
};

/// Roots that belong to a database, as it was left.
pub(in crate::store::sqlite) struct Belonging {
    /// The keys of the newest root that the database knows, and of the older ones at hand.
    pub(in crate::store::sqlite) keys: Arc<DerivedKeys>,
    /// All that are at hand; behind the newest that the database knows there is at most one, which is to be laid over it.
    pub(in crate::store::sqlite) roots: Roots,
}

impl Belonging {
    /// The roots at hand that the database knows.
    pub(in crate::store::sqlite) fn known(&self) -> impl Iterator<Item = &Root> {
        self.roots.iter().filter(|root| root.number() <= self.keys.newest)
    }

    /// The root that is at hand and that the database does not know yet.
    pub(in crate::store::sqlite) fn coming(&self) -> Option<&Root> {
        self.roots.iter().find(|root| root.number() > self.keys.newest)
    }

    /// Older roots that the database has need of, as far as it says, and that are not at hand.
    pub(in crate::store::sqlite) fn absent(&self) -> impl Iterator<Item = u32> {
        let needed = self.keys.history.iter().filter(|root| !root.is_destroyed).map(|root| root.number);
        needed.filter(|number| self.roots.iter().all(|root| root.number() != *number))
    }
}

/// What the database says of itself, `None` if it is empty; one that is not ours is refused.
pub(super) fn ours(connection: &Connection, path: &Path) -> Result<Option<Ours>, OpenError> {
    match identify(connection).map_err(database(path))? {
        DatabaseIdentity::Empty => Ok(None),
        DatabaseIdentity::Ours(ours) => Ok(Some(ours)),
        DatabaseIdentity::Newer(found, oldest) => {
            let oldest = oldest.unwrap_or_else(|| "a newer one".to_owned());
            Err(OpenError::NewerSchema { path: path.to_owned(), found, known: schema::VERSION, oldest })
        }
        DatabaseIdentity::Foreign(why) => Err(OpenError::NotOurs { path: path.to_owned(), why }),
    }
}

/// The roots that belong to this database; new ones only where there is neither.
pub(super) fn roots_for(
    directory: &Path,
    source: &RootsSource,
    found: Option<(&Connection, &Ours)>,
    entropy: &dyn Entropy,
) -> Result<Belonging, OpenError> {
    let path = database_in(directory);
    match (Roots::find(directory, source)?, found) {
        (FoundRoots::Missing, None) => {
            let roots = Roots::new(Root::generate(entropy)?);
            roots.write_new(directory)?;
            Ok(Belonging { keys: Arc::new(roots.derive()), roots })
        }
        (FoundRoots::Missing, Some(_)) => Err(OpenError::LostRoots(path)),
        (FoundRoots::New(roots), None) if roots.iter().count() > 1 => {
            Err(OpenError::SeveralRoots { of: source.to_string() })
        }
        (FoundRoots::New(roots), None) => Ok(Belonging { keys: Arc::new(roots.derive()), roots }),
        (FoundRoots::New(roots), Some((connection, ours))) => {
            let belonging = fitting(roots, source, connection, ours, &path)?;
            if ours.initialized {
                Roots::keep(directory, source)?;
            }
            Ok(belonging)
        }
        (FoundRoots::Kept(roots), Some((connection, ours))) if ours.initialized => {
            fitting(roots, source, connection, ours, &path)
        }
        (FoundRoots::Kept(_), _) => Err(OpenError::LostDatabase { path, told_by: Roots::told_by(source) }),
    }
}

/// These roots and their keys, if the database is theirs.
pub(super) fn fitting(
    roots: Roots,
    source: &RootsSource,
    connection: &Connection,
    found: &Ours,
    path: &Path,
) -> Result<Belonging, OpenError> {
    let wrong = || OpenError::WrongRoots { path: path.to_owned(), of: source.to_string() };
    let newest = roots.iter().find(|root| root.check() == *found.check).ok_or_else(wrong)?;
    let later = roots.iter().filter(|root| root.number() > newest.number()).count();
    if later > 1 || later > 0 && !found.initialized {
        return Err(OpenError::SeveralRoots { of: source.to_string() });
    }
    let history = history(connection, newest, path)?;
    let is_known = |root: &Root| {
        let facts = history.iter().find(|facts| facts.number == root.number());
        facts.is_some_and(|facts| facts.check == root.check())
    };
    if roots.iter().any(|root| root.number() < newest.number() && !is_known(root)) {
        return Err(wrong());
    }
    let at_hand: Vec<_> = roots.iter().filter(|root| root.number() <= newest.number()).collect();
    let keys = Arc::new(DerivedKeys::with(&at_hand, history));
    Ok(Belonging { keys, roots })
}

/// What the database knows of its roots. One that has had one root alone says nothing.
fn history(connection: &Connection, newest: &Root, path: &Path) -> Result<RootHistory, OpenError> {
    let edited = || OpenError::EditedRoots(path.to_owned());
    match root_note::read(connection).map_err(database(path))? {
        RootNote::Nothing => {
            Ok(RootHistory::new(vec![RootFacts::of(newest, Revision::ZERO, Timestamp::EPOCH)]))
        }
        RootNote::Edited => Err(edited()),
        RootNote::Sealed(sealed) => open_history(&sealed, &DerivedKeys::new(newest, &[])).ok_or_else(edited),
    }
}
