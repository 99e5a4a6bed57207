//! What speaks against a database being the newest there was.

use std::path::{Path, PathBuf};

use crate::domain::revision::Revision;

/// Why a database cannot be shown to be the newest there was.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Doubt {
    /// The database has an anchor, and it is not there.
    #[error("its anchor is missing{}: nobody can tell whether the database is the newest", elsewhere(.noted.as_deref()))]
    Missing {
        /// Where it was, if that is another place than the one looked at.
        noted: Option<PathBuf>,
    },
    /// There is a file that says nothing that can be believed.
    #[error("its anchor cannot be read ({0}): nobody can tell whether the database is the newest")]
    Unreadable(String),
    /// The database says of its anchor what Keyward never wrote.
    #[error("what it notes of its anchor was edited")]
    Edited,
    /// The log ends before the anchor does.
    #[error(
        "it is older than its anchor, which knows revision {0}: it is a copy from before, or its `keyward.db-wal` is missing; \
         keys that were revoked since would live again"
    )]
    Older(Revision),
    /// The log has gone another way than the anchor knows.
    #[error(
        "its log is not the one that its anchor knows: they differ at revision {0}; it is a copy that was changed elsewhere"
    )]
    Other(Revision),
}

fn elsewhere(noted: Option<&Path>) -> String {
    let say = |path: &Path| format!(", and was kept in {} before (--anchor)", path.display());
    noted.map(say).unwrap_or_default()
}
