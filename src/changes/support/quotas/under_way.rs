//! What changes add to what is kept, from when they are let through until memory has it.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use crate::{
    domain::{
        id::{KeyId, WorkspaceId},
        member::MemberId,
        revision::Revision,
        text::Label,
    },
    index::Kept,
};

/// Claims by whose they are; `None` is the whole store.
#[derive(Default)]
pub(in crate::changes) struct UnderWay(Mutex<Claims>);

pub(super) type Claims = HashMap<Option<WorkspaceId>, Vec<Claim>>;

/// Room that a change needs until memory has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Claim {
    pub(super) row: ExpectedRow,
    pub(super) growth: Kept,
}

/// A row that is written, and the revision of it that the change stands on: where memory has another, it has the change, or
/// one that came before it and makes it a conflict.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum ExpectedRow {
    Key(KeyId, Option<Revision>),
    Member(MemberId, Option<Revision>),
    Workspace(WorkspaceId),
    Scheme(Label),
}

/// Claims that end when this is dropped: memory has what they were for, or never will.
pub(in crate::changes) struct ClaimedRoom<'a> {
    pub(super) under_way: &'a UnderWay,
    pub(super) claims: Vec<(Option<WorkspaceId>, Claim)>,
}

impl Drop for ClaimedRoom<'_> {
    fn drop(&mut self) {
        let mut under_way = self.under_way.lock();
        for (whose, claim) in &self.claims {
            let Some(all) = under_way.get_mut(whose) else { continue };
            if let Some(place) = all.iter().position(|known| known == claim) {
                all.swap_remove(place);
            }
            if all.is_empty() {
                under_way.remove(whose);
            }
        }
    }
}

impl UnderWay {
    pub(super) fn lock(&self) -> MutexGuard<'_, Claims> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
