//! Ends of many keys that could not be written: denied in memory, and written later as one change.

use std::collections::BTreeMap;

use crate::{
    changes::{
        Changes,
        keys::bulk::{BulkChange, ChangeAsked, mutation},
        support::{
            attempt::Attempt,
            denied_here::{Denied, ListPart, What},
        },
    },
    domain::{
        admin::AdminPermit,
        group::{Before, Group, GroupAct},
        id::{GroupId, KeyId, WorkspaceId},
        text::Comment,
        workspace::Within,
    },
    error::{Exists, OperationError},
    ports::{Mutation, RequestMark},
    yielding::Yielding,
};

impl Changes {
    /// Denies many keys in memory, because their end could not be written. Called in the turn of all of them.
    pub(super) fn deny_many<P>(
        &self,
        error: OperationError,
        permit: &AdminPermit<P>,
        bulk: &BulkChange,
    ) -> OperationError {
        if !matches!(error, OperationError::EndUnwritten(_)) {
            return error;
        }
        let judged = match self.look(permit, bulk, self.clock.now()) {
            Ok(judged) => judged,
            Err(error) => return error,
        };
        let (act, keys) = (judged.act, judged.keys.into_values().flatten().map(|(key, _)| key).collect());
        let (comment, request) = (bulk.comment.clone(), bulk.request.clone());
        let within = bulk.selection.within;
        let what = What::Many { act, keys, within, by: permit.caller_id(), comment, request };
        let part = permit.bound_to().map_or(ListPart::Operators, ListPart::Workspace);
        self.deny_here(error, part, permit.actor(), within.one(), what)
    }

    /// Writes the end of many keys that was denied in memory: those of them that stand as they stood.
    pub(in crate::changes) async fn write_many_denied(
        &self,
        denied: &Denied,
        (act, within): (GroupAct, Within),
        keys: &[KeyId],
        comment: &Comment,
        request: Option<&RequestMark>,
    ) -> Result<(), OperationError> {
        let _turns = self.locks.of_all_within(within).await;
        let _roots = self.locks.under_roots().await;
        let judge = || {
            let now = self.clock.now();
            let mut changed: BTreeMap<WorkspaceId, Vec<(KeyId, Before)>> = BTreeMap::new();
            for found in keys.iter().filter_map(|key| self.index.by_id(*key)) {
                if let Some(before) = act.changes(&found.stored(), now) {
                    changed.entry(found.key().workspace).or_default().push((found.key().id, before));
                }
            }
            if changed.is_empty() {
                return Ok(Attempt::Done(()));
            }
            let (id, mut yielding) = (GroupId::generate(&*self.entropy)?, Yielding::with_pauses());
            let mut mutations: Vec<Mutation> = Vec::with_capacity(changed.len());
            for (workspace, keys) in changed {
                let group = Group::new(id, act, keys, || yielding.step());
                let asked = ChangeAsked { actor: denied.actor.clone(), workspace, comment, request };
                let request = request.cloned().filter(|_| mutations.is_empty());
                mutations.push(Mutation { request, ..mutation(asked, group, None, now) });
            }
            Ok(Attempt::CommitAll(mutations, ()))
        };
        match self.until_committed(None, judge).await {
            // The store had it already, though that was not known here.
            Ok(_) | Err(OperationError::Exists(Exists::GroupDone(_))) => Ok(()),
            Err(error) => Err(error),
        }
    }
}
