//! The view itself, and what is read of one key, one workspace and the policy.

use std::{
    ops::{ControlFlow, Deref},
    sync::{
        Arc, Mutex, MutexGuard, OnceLock, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use arc_swap::{ArcSwap, ArcSwapOption};
use tokio::sync::watch;

use super::{
    accounts::{SharedAccounts, SharedPayer},
    class::ClassCell,
    found::Found,
    hashes::Hashes,
    imports::Imports,
    laid::Laid,
    lease::LeaseCell,
    members::Members,
    own::Own,
    place::Place,
    residents::Residents,
    sharing::Sharing,
    slab::{Record, Slab},
    tally::Kept,
    used::{CellNumber, Cells, KeyPayer, SlotCells, Used},
    uses::UseNotes,
};

use crate::{
    domain::{
        admin::Actors,
        id::{KeyId, WorkspaceId},
        key::KeyView,
        limit::LimitIds,
        revision::Revision,
        rights::Rights,
        scheme::{Hashing, ImportScheme, Way},
        secret::KeyHash,
        text::Label,
        time::Timestamp,
        workspace::Workspace,
    },
    ports::{AccountSlot, AnySlot, KeptPayer, Lease, Payer, PolicyVersion, Slotted},
};

/// Every key and workspace.
pub struct Index {
    /// What memory keeps of each key.
    pub(super) slab: Slab,
    /// Where keys stand by their secrets; all secrets of a key lead to one place.
    pub(super) hashes: Hashes,
    /// Which of them were imported twice.
    pub(super) imports: Imports,
    pub(super) workspaces: papaya::HashMap<WorkspaceId, Arc<Workspace>>,
    pub(super) members: Members,
    /// Where each workspace's keys stand.
    pub(super) residents: Residents,
    /// Ends that are not stored.
    pub(super) laid: Laid,
    /// Ids of rows that cannot be trusted; what they were is in none of the above.
    pub(super) damaged: papaya::HashMap<String, &'static str>,
    pub(super) default_workspace: OnceLock<WorkspaceId>,
    /// The policy in force; `None` before the first is known, and while the stored one cannot be trusted.
    pub(super) policy: ArcSwapOption<PolicyVersion>,
    /// Who may call without a key, by the configuration.
    pub(super) actors: ArcSwap<Actors>,
    /// How foreign credentials are hashed: as long as secrets of other systems are in memory, and in their ways alone.
    pub(super) ways: ArcSwap<Vec<Way>>,
    /// The newest version that is stored, whether or not it can be trusted.
    pub(super) newest_policy: AtomicU64,
    /// The same as in `applied`, for the path of a Check.
    pub(super) revision: AtomicU64,
    pub(super) applied: watch::Sender<Revision>,
    /// Until when the view may be acted upon.
    lease: LeaseCell,
    /// Held while a view is applied: the follower is the only writer, and this makes that true.
    pub(super) sharing: Mutex<Sharing>,
    /// What keys use together. Taken while `sharing` is held, and never the other way round.
    pub(super) accounts: Mutex<SharedAccounts>,
    pub(super) limit_ids: Arc<LimitIds>,
    /// What is counted of keys, with the slots of the back end.
    cells: Box<dyn Cells>,
    /// Who used them last, until that is written.
    pub(super) uses: UseNotes,
}

/// The view will not follow the log any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FollowingStopped;

impl Default for Index {
    /// An index for back ends that keep nothing beside a payer.
    fn default() -> Self {
        Self::with_slots::<()>()
    }
}

impl Index {
    /// An empty index that keeps a slot beside each payer for a back end.
    #[must_use]
    pub fn with_slots<S: AccountSlot>() -> Self {
        let limit_ids = Arc::<LimitIds>::default();
        Self {
            slab: Slab::default(),
            hashes: Hashes::default(),
            imports: Imports::default(),
            workspaces: papaya::HashMap::default(),
            members: Members::default(),
            residents: Residents::default(),
            laid: Laid::default(),
            damaged: papaya::HashMap::default(),
            default_workspace: OnceLock::new(),
            policy: ArcSwapOption::empty(),
            actors: ArcSwap::default(),
            ways: ArcSwap::default(),
            newest_policy: AtomicU64::new(0),
            revision: AtomicU64::new(0),
            applied: watch::Sender::new(Revision::ZERO),
            lease: LeaseCell::default(),
            sharing: Mutex::new(Sharing::new(Arc::clone(&limit_ids))),
            accounts: Mutex::new(SharedAccounts::with_slots::<S>()),
            limit_ids,
            cells: Box::new(SlotCells::<S>::default()),
            uses: UseNotes::default(),
        }
    }
}

#[cfg(test)]
thread_local! {
    /// What a thread has looked up, so that a test can tell that it is the same for every secret.
    pub(crate) static LOOK_UPS: std::cell::Cell<u64> = const { std::cell::Cell::new(0) };
}

impl Index {
    /// The key that has a secret of this hash, whether or not it may still be used, and however it was hashed before that.
    #[must_use]
    pub fn by_hash(&self, hash: &KeyHash) -> Option<Found> {
        #[cfg(test)]
        LOOK_UPS.set(LOOK_UPS.get() + 1);
        let found = self.hashes.places(hash).into_iter().filter_map(|place| self.at(place));
        found.into_iter().find(|found| found.key().secrets.find(hash).is_some())
    }

    /// A key by its id.
    #[must_use]
    pub fn by_id(&self, id: KeyId) -> Option<Found> {
        self.slab.by_id(id, Found::of)
    }

    /// The key that stands here.
    pub(super) fn at(&self, place: Place) -> Option<Found> {
        self.slab.at(place, |record| Found::of(place, record))
    }

    /// The number of the cell in which is counted what is counted of the key that stands here.
    pub(super) fn cell_of(&self, place: Place) -> CellNumber {
        let take = || self.cells.take(place).unwrap_or(CellNumber::NONE);
        let number = self.slab.change(place, |record| {
            if record.own.used == CellNumber::NONE {
                record.own.used = take();
            }
            record.own.used
        });
        // Nothing stands there any more: what is counted now counts for nobody.
        number.unwrap_or_else(take)
    }

    /// A cell.
    pub(super) fn cell(&self, number: CellNumber) -> Option<&Used> {
        self.cells.at(number)
    }

    /// What all keys of a key's owner use together.
    pub(super) fn account_of_owner(&self, key: &KeyView<'_>) -> Arc<SharedPayer> {
        self.accounts().of_owner(key)
    }

    pub(super) fn accounts(&self) -> MutexGuard<'_, SharedAccounts> {
        self.accounts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A workspace by its id.
    #[must_use]
    pub fn workspace(&self, id: WorkspaceId) -> Option<Arc<Workspace>> {
        self.workspaces.pin().get(&id).map(Arc::clone)
    }

    /// The workspace that a global caller means when it names none.
    #[must_use]
    pub fn default_workspace(&self) -> Option<WorkspaceId> {
        self.default_workspace.get().copied()
    }

    /// The policy in force; `None` while no policy can be trusted: then no request can be decided.
    #[must_use]
    pub fn policy(&self) -> Option<Arc<PolicyVersion>> {
        self.policy.load_full()
    }

    /// The same for as long as one answer takes: borrowed, so that cores do not count readers in one line of cache.
    pub fn policy_now(&self) -> impl Deref<Target = Option<Arc<PolicyVersion>>> + use<> {
        self.policy.load()
    }

    /// The newest version of the policy, whether or not it can be trusted; 0 if there is none.
    #[must_use]
    pub fn newest_policy_version(&self) -> u64 {
        self.newest_policy.load(Ordering::Acquire)
    }

    /// How a foreign credential is to be hashed; in no way while none was imported.
    pub fn ways_now(&self) -> impl Deref<Target = Arc<Vec<Way>>> + use<> {
        self.ways.load()
    }

    /// An import scheme by its name.
    #[must_use]
    pub fn scheme(&self, name: &Label) -> Option<ImportScheme> {
        self.lock().schemes.known().get(name).map(|known| known.scheme.clone())
    }

    /// How a secret is hashed that was hashed so.
    ///
    /// # Errors
    /// It takes a scheme of this name, which is not there or cannot be trusted.
    pub fn way(&self, hashing: &Hashing) -> Result<Way, Label> {
        self.lock().schemes.way(hashing)
    }

    /// Every import scheme.
    #[must_use]
    pub fn schemes(&self) -> Vec<ImportScheme> {
        self.lock().schemes.known().values().map(|known| known.scheme.clone()).collect()
    }

    /// Shows every key to `see`.
    pub fn each(&self, mut see: impl FnMut(&KeyView<'_>, &Rights)) {
        let copied = |place, record: &Record| Some(Found::of(place, record));
        self.slab.each(copied, |found| {
            see(&found.key(), found.rights());
            ControlFlow::Continue(())
        });
    }

    /// Shows every workspace to `see`.
    pub fn each_workspace(&self, mut see: impl FnMut(&Workspace)) {
        self.workspaces.pin().values().for_each(|workspace| see(workspace));
    }

    /// What is wrong with the row of this id, if it cannot be trusted.
    #[must_use]
    pub fn damage(&self, id: &impl ToString) -> Option<&'static str> {
        self.damaged.pin().get(&id.to_string()).copied()
    }

    /// A key that satisfies `wanted`, if there is one; reads them all.
    pub fn any(&self, mut wanted: impl FnMut(&KeyView<'_>) -> bool) -> Option<Found> {
        let mut any = None;
        let copied = |place, record: &Record| Some(Found::of(place, record));
        self.slab.each(copied, |found| {
            if !wanted(&found.key()) {
                return ControlFlow::Continue(());
            }
            any = Some(found);
            ControlFlow::Break(())
        });
        any
    }

    /// What limits are counted under.
    #[must_use]
    pub fn limit_ids(&self) -> Arc<LimitIds> {
        Arc::clone(&self.limit_ids)
    }

    /// This payer, with its slot; `None` for a key that is unknown.
    #[must_use]
    pub fn payer(&self, payer: &Payer<'_>) -> Option<Box<dyn Slotted + '_>> {
        match payer {
            Payer::Key(key) => {
                let (place, used) = self.slab.by_id(*key, |place, record| (place, record.own.used))?;
                let number = if used == CellNumber::NONE { self.cell_of(place) } else { used };
                Some(Box::new(KeyPayer { key: *key, used: self.cell(number)? }))
            }
            Payer::Owner(text) | Payer::Workspace(text) => Some(Box::new(self.accounts().account(text))),
        }
    }

    /// A workspace itself as a payer, with its slot.
    #[must_use]
    pub fn payer_of_workspace(&self, workspace: WorkspaceId) -> Box<dyn Slotted> {
        Box::new(self.accounts().account(&workspace.to_string()))
    }

    /// Drops shared payers that no key names any more, where `is_empty`: they have no counts.
    pub fn free_accounts(&self, is_empty: impl Fn(&dyn Slotted) -> bool) {
        self.accounts().free(is_empty);
    }

    /// How many accounts there are beside those of keys.
    #[cfg(test)]
    pub(crate) fn account_count(&self) -> usize {
        self.accounts().len()
    }

    /// Shows the slot of everyone whose use is counted to `see`, with what says whose it is: nobody's where its key is gone.
    pub fn each_slot(&self, mut see: impl FnMut(&AnySlot, &dyn Fn() -> Option<KeptPayer>)) {
        for used in self.cells.each() {
            see(used.slot(), &|| self.slab.at(used.place(), |record| KeptPayer::Key(record.own.id())));
        }
        let shared: Vec<_> = self.accounts().iter().map(Arc::clone).collect();
        for shared in &shared {
            see(shared.slot(), &|| Some(shared.payer().keep()));
        }
    }

    /// What stands in a place, to be changed by the follower alone.
    pub(super) fn copied(place: Place, record: &Record) -> (Place, Own, Arc<ClassCell>) {
        (place, record.own.clone(), Arc::clone(&record.class))
    }

    /// Shows what a workspace and the whole store keep at `now` to `look`, and which import schemes there are, while nothing is
    /// applied: what `look` finds in the index is of the same moment. It must ask for nothing that only the follower has.
    pub fn with_kept<T>(
        &self,
        workspace: Option<WorkspaceId>,
        now: Timestamp,
        look: impl FnOnce(Kept, &dyn Fn(&Label) -> bool) -> T,
    ) -> T {
        let mut sharing = self.lock();
        let kept = workspace.map(|workspace| sharing.tallies.of(workspace, now)).unwrap_or_default();
        let schemes = sharing.schemes.known();
        let count = |number: usize| u64::try_from(number).unwrap_or(u64::MAX);
        let (workspaces, import_schemes) = (count(self.workspaces.len()), count(schemes.len()));
        look(Kept { workspaces, import_schemes, ..kept }, &|name| schemes.contains_key(name))
    }

    /// How many keys are in memory, and how many workspaces.
    #[must_use]
    pub fn sizes(&self) -> (usize, usize) {
        (self.slab.len(), self.workspaces.len())
    }

    /// The revision up to which the view follows the log.
    #[must_use]
    pub fn revision(&self) -> Revision {
        Revision(self.revision.load(Ordering::Acquire))
    }

    /// Until when the view may be acted upon.
    #[must_use]
    pub fn lease(&self) -> Lease {
        self.lease.lease()
    }

    /// From now on the view may be acted upon for so long.
    pub fn hold(&self, lease: Lease) {
        self.lease.hold(lease);
    }

    /// Waits until the view has `revision`.
    ///
    /// # Errors
    /// The index is being dropped.
    pub async fn reached(&self, revision: Revision) -> Result<(), FollowingStopped> {
        let mut applied = self.applied.subscribe();
        applied.wait_for(|applied| *applied >= revision).await.map(drop).map_err(|_gone| FollowingStopped)
    }
}
