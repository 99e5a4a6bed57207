//! The list of ends that are not written: bounded, with a part for operators, for each workspace, and for holders who present a key.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::Notify;

use crate::{
    domain::{
        audit::Actor,
        caller_id::CallerId,
        group::GroupAct,
        id::{KeyId, WorkspaceId},
        key::Revocation,
        text::Comment,
        time::Timestamp,
        workspace::Within,
    },
    index::End,
    ports::RequestMark,
};

/// How many keys may be denied so for operators, and how many for all others together.
pub const OF_OPERATORS: usize = 16_384;
/// The same for callers who are bound to workspaces.
pub const OF_TENANTS: usize = 16_384;
/// How many of these one workspace has at most.
pub const OF_ONE_TENANT: usize = 1_024;
/// How many may be denied for holders who present them.
pub const OF_PRESENTERS: usize = 4_096;

/// Whose part of the list an end is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ListPart {
    /// Operators'.
    Operators,
    /// That of callers who are bound to this workspace.
    Workspace(WorkspaceId),
    /// That of holders who present a key.
    Presenters,
}

/// What ends, and what it is written with.
#[derive(Debug, Clone)]
pub(in crate::changes) enum What {
    /// One key, or one secret of it.
    One { key: KeyId, end: End, reason: Option<&'static str>, comment: Comment },
    /// Many keys.
    Many {
        act: GroupAct,
        keys: Vec<KeyId>,
        within: Within,
        by: CallerId,
        comment: Comment,
        request: Option<RequestMark>,
    },
}

/// An end that is not written.
#[derive(Debug, Clone)]
pub struct Denied {
    pub(super) number: u64,
    pub(in crate::changes) what: What,
    /// Who asked.
    pub actor: Actor,
    /// The workspace of its keys; `None` where they are of all.
    pub workspace: Option<WorkspaceId>,
    pub(super) part: ListPart,
    /// When.
    pub asked: Timestamp,
}

/// The list.
#[derive(Default)]
pub(in crate::changes) struct DeniedHere {
    list: Mutex<List>,
    /// Something is new in it.
    pub(super) news: Notify,
}

#[derive(Default)]
pub(super) struct List {
    ends: VecDeque<Arc<Denied>>,
    /// Those of one key.
    of_key: HashMap<KeyId, Vec<Arc<Denied>>>,
    /// The number of the newest.
    pub(super) last: u64,
    operators: usize,
    tenants: usize,
    workspaces: HashMap<WorkspaceId, usize>,
    presenters: usize,
}

impl Denied {
    /// The keys.
    #[must_use]
    pub fn keys(&self) -> &[KeyId] {
        match &self.what {
            What::One { key, .. } => std::slice::from_ref(key),
            What::Many { keys, .. } => keys,
        }
    }

    /// What becomes of them: `revoked`, `disabled`, or `secret ended`.
    #[must_use]
    pub const fn becomes(&self) -> &'static str {
        match &self.what {
            What::One { end: End::Revoked(_), .. } | What::Many { act: GroupAct::Revoke(_), .. } => "revoked",
            What::One { end: End::Disabled(_), .. } | What::Many { .. } => "disabled",
            What::One { end: End::Secret(..), .. } => "secret ended",
        }
    }

    fn is_same(&self, what: &What) -> bool {
        match (&self.what, what) {
            (What::One { key, end, .. }, What::One { key: other, end: other_end, .. }) => {
                key == other
                    && match (end, other_end) {
                        (End::Revoked(_), End::Revoked(_) | End::Disabled(_))
                        | (End::Disabled(_), End::Disabled(_)) => true,
                        (End::Secret(generation, _), End::Secret(other, _)) => generation == other,
                        (End::Revoked(_) | End::Disabled(_) | End::Secret(..), _) => false,
                    }
            }
            (What::Many { request: Some(request), .. }, What::Many { request: Some(other), .. }) => {
                request == other
            }
            (What::One { .. } | What::Many { .. }, _) => false,
        }
    }

    /// What is laid over each of its keys.
    pub(super) fn end(&self) -> End {
        match &self.what {
            What::One { end, .. } => end.clone(),
            What::Many { act: GroupAct::Revoke(reason), by, comment, .. } => End::Revoked(Revocation {
                at: self.asked,
                by: Some(*by),
                reason: *reason,
                comment: comment.clone(),
            }),
            What::Many { .. } => End::Disabled(self.asked),
        }
    }
}

impl List {
    /// Whether this ends already.
    pub(super) fn has(&self, what: &What) -> bool {
        let is_same = |known: &Arc<Denied>| known.is_same(what);
        match what {
            What::One { key, .. } => self.of_key.get(key).is_some_and(|ends| ends.iter().any(is_same)),
            What::Many { .. } => self.ends.iter().any(is_same),
        }
    }

    /// Puts the newest in, for which there is a place.
    pub(super) fn add(&mut self, denied: Arc<Denied>) {
        self.last = denied.number;
        self.count(denied.part, |has| has.saturating_add(denied.keys().len()));
        if let What::One { key, .. } = &denied.what {
            self.of_key.entry(*key).or_default().push(Arc::clone(&denied));
        }
        self.ends.push_back(denied);
    }

    /// Takes one out.
    pub(super) fn remove(&mut self, denied: &Denied) {
        // The oldest are written first: it is at the front.
        if let Some(place) = self.ends.iter().position(|known| known.number == denied.number) {
            self.ends.remove(place);
        }
        if let What::One { key, .. } = &denied.what
            && let Some(ends) = self.of_key.get_mut(key)
        {
            ends.retain(|known| known.number != denied.number);
            if ends.is_empty() {
                self.of_key.remove(key);
            }
        }
        self.count(denied.part, |has| has.saturating_sub(denied.keys().len()));
    }

    pub(super) fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// Counts so many keys more, or fewer.
    fn count(&mut self, part: ListPart, count: impl Fn(usize) -> usize) {
        match part {
            ListPart::Operators => self.operators = count(self.operators),
            ListPart::Presenters => self.presenters = count(self.presenters),
            ListPart::Workspace(workspace) => {
                self.tenants = count(self.tenants);
                let own = self.workspaces.entry(workspace).or_default();
                *own = count(*own);
                if *own == 0 {
                    self.workspaces.remove(&workspace);
                }
            }
        }
    }

    pub(super) fn has_place(&self, part: ListPart, keys: usize) -> bool {
        let fits = |has: usize, most: usize| has.saturating_add(keys) <= most;
        match part {
            ListPart::Operators => fits(self.operators, OF_OPERATORS),
            ListPart::Presenters => fits(self.presenters, OF_PRESENTERS),
            ListPart::Workspace(workspace) => {
                let own = self.workspaces.get(&workspace).copied().unwrap_or_default();
                fits(self.tenants, OF_TENANTS) && fits(own, OF_ONE_TENANT)
            }
        }
    }
}

impl DeniedHere {
    pub(super) fn list(&self) -> MutexGuard<'_, List> {
        self.list.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether there is no place for another of this part.
    pub(in crate::changes) fn is_full(&self, part: ListPart) -> bool {
        !self.list().has_place(part, 1)
    }

    /// All ends, oldest first.
    pub(in crate::changes) fn all(&self) -> Vec<Arc<Denied>> {
        self.list().ends.iter().map(Arc::clone).collect()
    }

    pub(in crate::changes) fn is_empty(&self) -> bool {
        self.list().is_empty()
    }
}
