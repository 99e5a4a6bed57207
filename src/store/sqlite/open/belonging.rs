//! Which roots and which database belong together.

use std::path::Path;

use rusqlite::Connection;

use super::error::{OpenError, database};
use crate::{
    domain::{
        root::{DerivedKeys, Root},
        time::Entropy,
    },
    store::{
        data_dir::database_in,
        roots::{FoundRoots, Roots, RootsSource},
        sqlite::schema::{self, DatabaseIdentity, Ours, identify},
    },
};

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

/// The keys of the roots that belong to this database; new ones only where there is neither.
pub(super) fn keys_for(
    directory: &Path,
    source: &RootsSource,
    found: Option<&Ours>,
    entropy: &dyn Entropy,
) -> Result<DerivedKeys, OpenError> {
    let path = database_in(directory);
    match (Roots::find(directory, source)?, found) {
        (FoundRoots::Missing, None) => {
            let roots = Roots::new(Root::generate(entropy)?);
            roots.write_new(directory)?;
            Ok(roots.derive())
        }
        (FoundRoots::Missing, Some(_)) => Err(OpenError::LostRoots(path)),
        (FoundRoots::New(roots), None) => Ok(roots.derive()),
        (FoundRoots::New(roots), Some(found)) => {
            let keys = fitting(&roots, source, found, &path)?;
            if found.initialized {
                Roots::keep(directory, source)?;
            }
            Ok(keys)
        }
        (FoundRoots::Kept(roots), Some(found)) if found.initialized => fitting(&roots, source, found, &path),
        (FoundRoots::Kept(_), _) => Err(OpenError::LostDatabase { path, told_by: Roots::told_by(source) }),
    }
}

/// The keys of these roots, if the database is theirs.
pub(super) fn fitting(
    roots: &Roots,
    source: &RootsSource,
    found: &Ours,
    path: &Path,
) -> Result<DerivedKeys, OpenError> {
    let keys = roots.derive();
    if found.check == keys.check {
        Ok(keys)
    } else {
        Err(OpenError::WrongRoots { path: path.to_owned(), of: source.to_string() })
    }
}
