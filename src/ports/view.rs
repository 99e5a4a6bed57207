//! Rows as they are read back, at one revision.

use std::sync::{Arc, Mutex, PoisonError};

use super::PolicyVersion;
use crate::domain::{
    group::GroupChange,
    id::KeyId,
    key::{KeptKey, Key},
    member::{Member, MemberId},
    revision::Revision,
    scheme::{ForeignKey, ImportScheme},
    workspace::Workspace,
};

/// Rows as they stood at a revision.
#[derive(Debug, Default)]
pub struct View {
    /// The revision.
    pub revision: Option<Revision>,
    /// Workspaces.
    pub workspaces: Vec<Workspace>,
    /// Members.
    pub members: Vec<Member>,
    /// Who was a member, and the revision that removed them.
    pub removed_members: Vec<(MemberId, Revision)>,
    /// Keys.
    pub keys: Vec<Key>,
    /// Keys, as much of them as memory keeps: none that is among those above.
    pub kept: Vec<KeptKey>,
    /// Changes of many keys at once, oldest first. The keys above have them already; others that they name have them in
    /// no row, and are as [`Key::under`] says.
    pub groups: Vec<GroupChange>,
    /// The newest version of the policy, where it is among the rows.
    pub policy: Option<PolicyView>,
    /// Import schemes.
    pub schemes: Vec<OpenScheme>,
    /// Rows that do not agree with their codes, or with the log: a key is denied, and a member counts as removed.
    pub damaged: Vec<Damaged>,
}

/// An import scheme whose seal holds.
#[derive(Debug)]
pub struct OpenScheme {
    /// The scheme.
    pub scheme: ImportScheme,
    /// Its secret.
    pub key: ForeignKey,
}

/// The newest version of the policy, as it is stored.
#[derive(Debug)]
pub enum PolicyView {
    /// It can be trusted.
    Sound(Arc<PolicyVersion>),
    /// It cannot: nothing can be decided until another is applied.
    Damaged {
        /// Its version.
        version: u64,
        /// What is wrong with it.
        why: &'static str,
        /// The time zone that it needs, if that is all that is wrong with it.
        zone: Option<String>,
    },
}

impl PolicyView {
    /// This version, as far as its row can be trusted.
    #[must_use]
    pub fn of(version: u64, found: Result<PolicyVersion, Damaged>) -> Self {
        match found {
            Ok(policy) => Self::Sound(Arc::new(policy)),
            Err(Damaged { why, zone, .. }) => Self::Damaged { version, why, zone },
        }
    }
}

/// A row that cannot be trusted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Damaged {
    /// The row's own id, as it stands there.
    pub id: String,
    /// What is wrong with it.
    pub why: &'static str,
    /// The time zone that it needs, if that is all that is wrong with it.
    pub zone: Option<String>,
}

/// Takes what is stored, part by part as it is read: no more than a few parts are in memory at any time.
pub trait ViewSink: Send + Sync {
    /// Takes a part. None of them says a revision: they count together, when the last one was taken.
    fn take(&self, part: View);

    /// About so many keys will come: whoever wants to can make room for all of them at once.
    fn expect(&self, _keys: usize) {}

    /// What was taken so far was not what was written last: all of it comes again, and which rows cannot be trusted.
    fn begin_anew(&self);

    /// The same, but for keys: those that were taken stay, unless one of them comes again, or is named as damaged.
    fn begin_anew_but_for_keys(&self) {}
}

/// A sink that puts all parts together.
#[derive(Debug, Default)]
pub(super) struct PartsTogether(Mutex<View>);

impl PartsTogether {
    /// All parts that were taken, as one.
    pub(super) fn view(&self, revision: Revision) -> View {
        let taken = std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
        View { revision: Some(revision), ..taken }
    }
}

impl ViewSink for PartsTogether {
    fn take(&self, part: View) {
        let mut whole = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let View {
            revision: _,
            workspaces,
            members,
            removed_members,
            keys,
            kept,
            groups,
            policy,
            schemes,
            damaged,
        } = part;
        whole.workspaces.extend(workspaces);
        whole.members.extend(members);
        whole.removed_members.extend(removed_members);
        whole.keys.extend(keys);
        whole.kept.extend(kept);
        whole.groups.extend(groups);
        whole.policy = policy.or(whole.policy.take());
        whole.schemes.extend(schemes);
        let is_damaged = |id: KeyId| damaged.iter().any(|row| row.id == id.to_string());
        if !damaged.is_empty() {
            whole.keys.retain(|key| !is_damaged(key.id));
            whole.kept.retain(|key| !is_damaged(key.own.id));
        }
        whole.damaged.extend(damaged);
    }

    fn begin_anew(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = View::default();
    }

    fn begin_anew_but_for_keys(&self) {
        let mut whole = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let View { keys, kept, .. } = std::mem::take(&mut *whole);
        *whole = View { keys, kept, ..View::default() };
    }
}

impl View {
    /// What cannot be read for want of a time zone, and that zone; the policy before all else.
    #[must_use]
    pub fn zone_missing(&self) -> Option<(String, String)> {
        let of_policy = match &self.policy {
            Some(PolicyView::Damaged { version, zone, .. }) => {
                zone.clone().map(|zone| (format!("version {version} of the policy"), zone))
            }
            Some(PolicyView::Sound(_)) | None => None,
        };
        let of_rows = || self.damaged.iter().find_map(|row| Some((row.id.clone(), row.zone.clone()?)));
        of_policy.or_else(of_rows)
    }
}
