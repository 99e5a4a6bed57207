//! How a store stands to its roots, for people.

use rusqlite::Connection;

use super::{belonging::Belonging, error::OpenError, rotation};
use crate::{
    domain::{revision::Revision, time::Timestamp},
    ports::StoreError,
    store::sqlite::{
        failure::of_reading,
        rewriting::{self, Starts},
    },
};

/// How a store stands to its roots, the oldest first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RootsReport {
    /// Of each root that it has had, and of one that is to come.
    pub roots: Vec<RootStatus>,
}

/// How a store stands to one of its roots.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RootStatus {
    /// Its number.
    pub number: u32,
    /// What it is to the store.
    pub state: RootState,
    /// The first revision that it signed.
    pub since: Revision,
    /// When that was.
    pub added: Timestamp,
    /// How many rows stand under it.
    pub rows: u64,
    /// How many secrets start at it that are looked up as long as they are there.
    pub secrets: u64,
    /// How many start at it that ended so long ago that the next root is laid over the store without a look-up of theirs.
    pub over: u64,
}

/// What a root is to a store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RootState {
    /// It is at hand, and no server has laid it over the store yet.
    Coming,
    /// It makes all that is new.
    Newest,
    /// A later one lies over it.
    Older,
    /// The store does without it.
    Destroyed,
}

impl RootsReport {
    pub(super) fn read(connection: &Connection, belonging: &Belonging) -> Result<Self, StoreError> {
        let keys = &*belonging.keys;
        let starts = rewriting::starts(connection, keys).map_err(|error| of_reading(&error))?;
        let mut roots = Vec::new();
        for known in keys.history.iter() {
            let Starts { needed, over } = starts.get(&known.number).copied().unwrap_or_default();
            let state = if known.number == keys.newest {
                RootState::Newest
            } else if known.is_destroyed {
                RootState::Destroyed
            } else {
                RootState::Older
            };
            roots.push(RootStatus {
                number: known.number,
                state,
                since: known.since,
                added: known.added,
                rows: rewriting::left_under(connection, known.number).map_err(|error| of_reading(&error))?,
                secrets: needed,
                over,
            });
        }
        roots.extend(belonging.coming().map(|root| RootStatus {
            number: root.number(),
            state: RootState::Coming,
            since: Revision::ZERO,
            added: Timestamp::EPOCH,
            rows: 0,
            secrets: 0,
            over: 0,
        }));
        Ok(Self { roots })
    }

    /// Those in a state, the oldest first.
    pub fn of(&self, state: RootState) -> impl Iterator<Item = &RootStatus> {
        self.roots.iter().filter(move |root| root.state == state)
    }

    /// Passes if the store may get a further root.
    ///
    /// # Errors
    /// Secrets start at as many roots as there may be.
    pub fn require_room(&self) -> Result<(), OpenError> {
        let starts = |root: &RootStatus| Starts { needed: root.secrets, over: root.over };
        rotation::require_room(&self.roots.iter().map(|root| (root.number, starts(root))).collect())
    }

    /// The number of the newest that the store has had, or is to have.
    #[must_use]
    pub fn newest(&self) -> u32 {
        self.roots.iter().map(|root| root.number).max().unwrap_or_default()
    }
}
