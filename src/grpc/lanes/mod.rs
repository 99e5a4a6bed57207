//! The places for administrative work: how many calls of a kind may be under way, and how many of them are one caller's.
//!
//! A call that finds no place is refused at once, before anything is done for it. No workspace has more than its share, all
//! workspaces together never have all places, and the end of a key has places that nothing else can take. Operators' work and
//! tenants' work is done by different threads, and so are revocations.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::{
    runtime::Handle,
    sync::{AcquireError, OwnedSemaphorePermit, Semaphore},
};

use crate::{
    domain::admin::Party,
    error::{Limited, OperationError},
};

/// The threads that administrative work is done on, so that no Check waits for it, and no operator for tenants.
#[derive(Debug, Clone)]
pub struct Runtimes {
    /// What ends keys, for every caller.
    pub revocations: Handle,
    /// What operators do to a few keys.
    pub administration: Handle,
    /// What operators change of very many keys. It gives way to Checks.
    pub changes: Handle,
    /// What operators only look at, of all keys. It gives way to Checks too.
    pub looks: Handle,
    /// What callers who are bound to a workspace do to a few keys.
    pub tenants: Handle,
    /// What they change of many keys, or look at. It gives way to Checks.
    pub tenants_scans: Handle,
}

/// The kinds of administrative work: each has a lane of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Work {
    /// The end of one key, or of all keys of a workspace.
    End,
    /// The end of many keys at once.
    EndMany,
    /// What concerns a few keys.
    Few,
    /// Another change of many keys.
    Many,
    /// A look at many keys.
    Look,
    /// A look at everything, for as long as it takes.
    LongLook,
}

/// Every lane. Both listeners share them.
#[derive(Debug)]
pub struct Lanes {
    revocations: Lane,
    mass_revocations: Lane,
    administration: Lane,
    changes: Lane,
    looks: Lane,
    long_looks: Lane,
}

impl Lanes {
    /// All places are free.
    #[must_use]
    pub fn new(runtimes: &Runtimes) -> Arc<Self> {
        let Runtimes { revocations, administration, changes, looks, tenants, tenants_scans } = runtimes;
        let few = Sizes { all: 1_024, not_kept: 768, workspace: 64, key: 512, at_work: Some((8, 32)) };
        let ends = Sizes { all: 256, not_kept: 128, workspace: 32, key: 128, at_work: None };
        let many = Sizes { all: 16, not_kept: 8, workspace: 2, key: 8, at_work: None };
        let mass_ends = Sizes { all: 8, not_kept: 4, workspace: 1, key: 4, at_work: None };
        let long = Sizes { all: 8, not_kept: 4, workspace: 1, key: 4, at_work: None };
        Arc::new(Self {
            revocations: Lane::new(ends, [revocations, revocations]),
            mass_revocations: Lane::new(mass_ends, [changes, tenants_scans]),
            administration: Lane::new(few, [administration, tenants]),
            changes: Lane::new(many, [changes, tenants_scans]),
            looks: Lane::new(many, [looks, tenants_scans]),
            long_looks: Lane::new(long, [looks, tenants_scans]),
        })
    }

    /// What each lane is called, how many calls are under way in it, and how many may be.
    #[must_use]
    pub fn figures(&self) -> [(&'static str, usize, usize); 6] {
        [
            ("revocations", &self.revocations),
            ("mass-revocations", &self.mass_revocations),
            ("administration", &self.administration),
            ("changes", &self.changes),
            ("looks", &self.looks),
            ("long-looks", &self.long_looks),
        ]
        .map(|(name, lane)| (name, lock(&lane.taken).all, lane.sizes.all))
    }

    /// The lane for work of this kind.
    pub(super) const fn of(&self, work: Work) -> &Lane {
        match work {
            Work::End => &self.revocations,
            Work::EndMany => &self.mass_revocations,
            Work::Few => &self.administration,
            Work::Many => &self.changes,
            Work::Look => &self.looks,
            Work::LongLook => &self.long_looks,
        }
    }
}

/// How many places a lane has.
#[derive(Debug, Clone, Copy)]
struct Sizes {
    /// In all.
    all: usize,
    /// How many of them others than operators have at most, all together.
    not_kept: usize,
    /// How many one workspace has at most.
    workspace: usize,
    /// How many one operator's key has at most.
    key: usize,
    /// How many calls of one workspace, and of all of them, are worked on at once; the others wait in their places. It is
    /// also the share of a workspace in the store's readers.
    at_work: Option<(usize, usize)>,
}

/// The places for work of one kind, and where it is done.
#[derive(Debug)]
pub(super) struct Lane {
    sizes: Sizes,
    operators: Handle,
    tenants: Handle,
    taken: Arc<Mutex<TakenPlaces>>,
    tenants_at_work: Arc<Semaphore>,
}

/// Who has which places now.
#[derive(Debug, Default)]
struct TakenPlaces {
    all: usize,
    not_kept: usize,
    /// Only of those who have one: never more than there are places.
    shares: HashMap<Party, LaneShare>,
}

#[derive(Debug)]
struct LaneShare {
    taken: usize,
    at_work: Arc<Semaphore>,
}

/// A place that is taken until this is dropped.
#[derive(Debug)]
pub(super) struct LanePlace {
    party: Party,
    taken: Arc<Mutex<TakenPlaces>>,
    turns: Option<[Arc<Semaphore>; 2]>,
}

/// A call whose turn it is to be worked on.
#[derive(Debug)]
pub(super) struct Turn {
    _place: LanePlace,
    _permits: Vec<OwnedSemaphorePermit>,
}

impl Lane {
    fn new(sizes: Sizes, [operators, tenants]: [&Handle; 2]) -> Self {
        let at_work = sizes.at_work.map_or(0, |(_, all)| all);
        Self {
            sizes,
            operators: operators.clone(),
            tenants: tenants.clone(),
            taken: Arc::default(),
            tenants_at_work: Arc::new(Semaphore::new(at_work)),
        }
    }

    /// Where the work of this caller is done.
    pub(super) const fn runtime(&self, party: Party) -> &Handle {
        if party.is_global() { &self.operators } else { &self.tenants }
    }

    /// Takes a place.
    ///
    /// # Errors
    /// No place is free, or none of the caller's share is.
    pub(super) fn take(&self, party: Party) -> Result<LanePlace, OperationError> {
        let Sizes { all, not_kept, workspace, key, at_work } = self.sizes;
        let mut taken = lock(&self.taken);
        let share = match party {
            Party::Global(_) => key,
            Party::Workspace(_) => workspace,
            // Of very many people behind one proxy.
            Party::Address(_) => not_kept.div_ceil(2),
        };
        let has = taken.shares.get(&party).map_or(0, |share| share.taken);
        if has >= share {
            return Err(Limited::ShareTaken { party, share }.into());
        }
        if taken.all >= all || !party.is_global() && taken.not_kept >= not_kept {
            return Err(Limited::Overloaded.into());
        }
        taken.all = taken.all.saturating_add(1);
        taken.not_kept = taken.not_kept.saturating_add(usize::from(!party.is_global()));
        let new =
            || LaneShare { taken: 0, at_work: Arc::new(Semaphore::new(at_work.map_or(0, |(one, _)| one))) };
        let mine = taken.shares.entry(party).or_insert_with(new);
        mine.taken = mine.taken.saturating_add(1);
        let turns = at_work.filter(|_| !party.is_global());
        let turns = turns.map(|_| [Arc::clone(&mine.at_work), Arc::clone(&self.tenants_at_work)]);
        drop(taken);
        Ok(LanePlace { party, taken: Arc::clone(&self.taken), turns })
    }
}

impl LanePlace {
    /// Waits until the call is to be worked on: behind the caller's own, and then as one among all callers. A call that stops
    /// waiting has changed nothing.
    pub(super) async fn turn(self) -> Result<Turn, AcquireError> {
        let mut permits = Vec::new();
        for turns in self.turns.iter().flatten() {
            permits.push(Arc::clone(turns).acquire_owned().await?);
        }
        Ok(Turn { _place: self, _permits: permits })
    }
}

impl Drop for LanePlace {
    fn drop(&mut self) {
        let mut taken = lock(&self.taken);
        taken.all = taken.all.saturating_sub(1);
        taken.not_kept = taken.not_kept.saturating_sub(usize::from(!self.party.is_global()));
        if let Some(share) = taken.shares.get_mut(&self.party) {
            share.taken = share.taken.saturating_sub(1);
            if share.taken == 0 {
                taken.shares.remove(&self.party);
            }
        }
    }
}

fn lock(taken: &Mutex<TakenPlaces>) -> MutexGuard<'_, TakenPlaces> {
    taken.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
