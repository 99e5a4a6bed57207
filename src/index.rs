//! The complete in-memory view of all keys. Reads never wait; a miss is an answer.
//!
//! Only the follower writes here. A change to a key is one swap of its record; what a reader took before stays whole.

mod accounts;
mod cell;
mod sharing;
mod uses;

use std::{
    hash::{BuildHasherDefault, Hasher},
    ops::Deref,
    sync::{
        Arc, Mutex, MutexGuard, OnceLock, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use arc_swap::ArcSwapOption;
use tokio::sync::watch;

use self::{
    cell::{Cell, Record},
    sharing::Sharing,
};

pub use self::{cell::Found, uses::User};
use crate::{
    domain::{
        audit::Revision,
        id::{KeyId, WorkspaceId},
        key::Key,
        limit::LimitIds,
        policy::Subject,
        rights::Rights,
        secret::KeyHash,
        workspace::Workspace,
    },
    ports::{LastUse, Payer, PolicyVersion, PolicyView, View},
};

/// Every key and workspace.
pub struct Index {
    /// Cells by the first half of each secret's hash; all secrets of a key lead to one cell.
    by_hash: papaya::HashMap<u128, Arc<Cell>, BuildHasherDefault<RandomAlready>>,
    /// Cells by key.
    by_id: papaya::HashMap<KeyId, Arc<Cell>>,
    workspaces: papaya::HashMap<WorkspaceId, Arc<Workspace>>,
    /// Ids of keys whose rows cannot be trusted; they are in neither map above.
    damaged: papaya::HashMap<String, &'static str>,
    default_workspace: OnceLock<WorkspaceId>,
    /// The policy in force; `None` before the first is known, and while the stored one cannot be trusted.
    policy: ArcSwapOption<PolicyVersion>,
    /// The newest version that is stored, whether or not it can be trusted.
    newest_policy: AtomicU64,
    /// The same as in `applied`, for the path of a Check.
    revision: AtomicU64,
    applied: watch::Sender<Revision>,
    /// Held while a view is applied: the follower is the only writer, and this makes that true.
    sharing: Mutex<Sharing>,
    limit_ids: Arc<LimitIds>,
}

/// The view will not follow the log any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stopped;

impl Default for Index {
    fn default() -> Self {
        let limit_ids = Arc::<LimitIds>::default();
        Self {
            by_hash: papaya::HashMap::default(),
            by_id: papaya::HashMap::default(),
            workspaces: papaya::HashMap::default(),
            damaged: papaya::HashMap::default(),
            default_workspace: OnceLock::new(),
            policy: ArcSwapOption::empty(),
            newest_policy: AtomicU64::new(0),
            revision: AtomicU64::new(0),
            applied: watch::Sender::new(Revision::ZERO),
            sharing: Mutex::new(Sharing::new(Arc::clone(&limit_ids))),
            limit_ids,
        }
    }
}

impl Index {
    /// The key that a presented secret proves, whether or not it may still be used.
    #[must_use]
    pub fn by_hash(&self, hash: &KeyHash) -> Option<Found> {
        let found = Found::take(self.by_hash.pin().get(&hash.slot())?);
        found.key().credentials.find(hash).is_some().then_some(found)
    }

    /// A key by its id.
    #[must_use]
    pub fn by_id(&self, id: KeyId) -> Option<Found> {
        self.by_id.pin().get(&id).map(Found::take)
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

    /// The policy in force; `None` while there is none that can be trusted, when nothing can be decided.
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

    /// Shows every key to `see`.
    pub fn each(&self, mut see: impl FnMut(&Key, &Rights)) {
        for cell in self.by_id.pin().values() {
            let record = cell.record.load();
            see(&record.key, &record.rights);
        }
    }

    /// Shows every workspace to `see`.
    pub fn each_workspace(&self, mut see: impl FnMut(&Workspace)) {
        self.workspaces.pin().values().for_each(|workspace| see(workspace));
    }

    /// What is wrong with a key's rows, if they cannot be trusted.
    #[must_use]
    pub fn damage(&self, id: KeyId) -> Option<&'static str> {
        self.damaged.pin().get(&id.to_string()).copied()
    }

    /// A key that satisfies `wanted`, if there is one; reads them all.
    pub fn any(&self, mut wanted: impl FnMut(&Key) -> bool) -> Option<Key> {
        let by_id = self.by_id.pin();
        let found = by_id.values().map(|cell| cell.record.load()).find(|record| wanted(&record.key));
        found.map(|record| record.key.clone())
    }

    /// Takes the last uses that are news since they were taken, of as many keys as have `most` or a few more.
    #[must_use]
    pub fn take_uses(&self, most: usize) -> Vec<LastUse> {
        let mut taken = Vec::new();
        for (key, cell) in &self.by_id.pin() {
            cell.uses.take(*key, &mut taken);
            if taken.len() >= most {
                break;
            }
        }
        taken
    }

    /// What limits are counted under.
    #[must_use]
    pub fn limit_ids(&self) -> Arc<LimitIds> {
        Arc::clone(&self.limit_ids)
    }

    /// Who is stored under this, as a payer.
    #[must_use]
    pub fn payer(&self, subject: &str) -> Option<Arc<dyn Payer>> {
        if let Ok(key) = KeyId::parse(subject) {
            let cell = self.by_id.pin().get(&key).map(Arc::clone)?;
            return Some(cell);
        }
        Some(self.lock().accounts.account(subject))
    }

    /// Shows everyone whose use is counted to `see`.
    pub fn each_payer(&self, mut see: impl FnMut(&dyn Payer)) {
        self.by_id.pin().values().for_each(|cell| see(&**cell));
        let shared: Vec<_> = self.lock().accounts.iter().map(Arc::clone).collect();
        for shared in &shared {
            see(&**shared);
        }
    }

    /// The revision up to which the view follows the log.
    #[must_use]
    pub fn revision(&self) -> Revision {
        Revision(self.revision.load(Ordering::Acquire))
    }

    /// Waits until the view has `revision`.
    ///
    /// # Errors
    /// The index is being dropped.
    pub async fn reached(&self, revision: Revision) -> Result<(), Stopped> {
        let mut applied = self.applied.subscribe();
        applied.wait_for(|applied| *applied >= revision).await.map(drop).map_err(|_gone| Stopped)
    }

    /// Takes over rows as they stand at the view's revision. Rows that are newer here stay.
    pub fn apply(&self, view: View) {
        let mut sharing = self.lock();
        if let Some(policy) = view.policy {
            self.put_policy(policy, &mut sharing);
        }
        for workspace in view.workspaces {
            if workspace.is_default {
                let _first = self.default_workspace.set(workspace.id);
            }
            let workspace = Arc::new(workspace);
            let workspaces = self.workspaces.pin();
            let before = workspaces.insert(workspace.id, Arc::clone(&workspace));
            let was_damaged = self.damaged.pin().remove(&workspace.id.to_string()).is_some();
            if was_damaged
                || before.is_some_and(|before| {
                    (&before.plan, &before.limits) != (&workspace.plan, &workspace.limits)
                })
            {
                self.refresh(&mut sharing, |key| key.workspace == workspace.id);
            }
        }
        for mut key in view.keys {
            sharing.share(&mut key);
            let record = self.record(key, &mut sharing);
            self.put(record);
        }
        for damaged in view.damaged {
            tracing::error!(row.id = %damaged.id, why = damaged.why, "a stored row cannot be trusted; its key is denied");
            if let Ok(id) = KeyId::parse(&damaged.id) {
                self.remove(id);
            }
            self.damaged.pin().insert(damaged.id, damaged.why);
        }
        sharing.prune();
        if let Some(revision) = view.revision {
            self.revision.store(revision.0, Ordering::Release);
            self.applied.send_replace(revision);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Sharing> {
        self.sharing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts a policy in force: what every key may do is worked out anew.
    fn put_policy(&self, policy: PolicyView, sharing: &mut Sharing) {
        let policy = match policy {
            PolicyView::Sound(policy) => {
                self.newest_policy.fetch_max(policy.version, Ordering::AcqRel);
                Some(policy)
            }
            PolicyView::Damaged { version, why } => {
                self.newest_policy.fetch_max(version, Ordering::AcqRel);
                tracing::error!(
                    policy.version = version,
                    why,
                    "the stored policy cannot be trusted; nothing is decided until another is applied"
                );
                None
            }
        };
        sharing.govern(policy.clone());
        self.refresh(sharing, |_key| true);
        self.policy.store(policy);
    }

    /// Works out anew what keys come to.
    fn refresh(&self, sharing: &mut Sharing, wanted: impl Fn(&Key) -> bool) {
        for cell in self.by_id.pin().values() {
            let before = cell.record.load();
            if wanted(&before.key) {
                let key = before.key.clone();
                drop(before);
                cell.record.store(Arc::new(self.record(key, sharing)));
            }
        }
    }

    /// What a key comes to under the policy in force.
    fn record(&self, key: Key, sharing: &mut Sharing) -> Record {
        let rights = sharing.rights_of(&key);
        let workspaces = self.workspaces.pin();
        let limits = sharing.limits_of(&key, workspaces.get(&key.workspace).map(|workspace| &**workspace));
        let owner = limits.has(Subject::Owner).then(|| sharing.accounts.of_owner(&key));
        let workspace = limits.has(Subject::Workspace).then(|| sharing.accounts.of_workspace(&key));
        Record { key, rights, limits, owner, workspace }
    }

    fn put(&self, record: Record) {
        let key = record.key.clone();
        self.damaged.pin().remove(&key.id.to_string());
        let by_id = self.by_id.pin();
        let by_hash = self.by_hash.pin();
        let Some(cell) = by_id.get(&key.id) else {
            let cell = Arc::new(Cell::new(record));
            for (secret, _) in key.credentials.iter() {
                by_hash.insert(secret.hash.slot(), Arc::clone(&cell));
            }
            by_id.insert(key.id, cell);
            return;
        };
        if cell.record.load().key.revision > key.revision {
            return;
        }
        // The record first: a hash that leads to a record without it is unknown, never wrong.
        let before = cell.record.swap(Arc::new(record));
        for (secret, _) in key.credentials.iter() {
            by_hash.insert(secret.hash.slot(), Arc::clone(cell));
        }
        for (secret, _) in before.key.credentials.iter() {
            if key.credentials.find(&secret.hash).is_none() {
                by_hash.remove(&secret.hash.slot());
            }
        }
    }

    fn remove(&self, id: KeyId) {
        let by_id = self.by_id.pin();
        let Some(cell) = by_id.remove(&id) else { return };
        for (secret, _) in cell.record.load().key.credentials.iter() {
            self.by_hash.pin().remove(&secret.hash.slot());
        }
    }
}

/// Passes on half of a key that is random already: a keyed hash, whose value nobody outside can choose.
#[derive(Default)]
struct RandomAlready(u64);

impl Hasher for RandomAlready {
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }

    fn write_u128(&mut self, value: u128) {
        self.0 = u64::try_from(value & u128::from(u64::MAX)).unwrap_or_default();
    }

    fn finish(&self) -> u64 {
        self.0
    }
}
