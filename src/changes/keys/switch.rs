//! Disable and enable: the pair that can be undone.

use crate::{
    changes::{
        Changed, Changes,
        changed::changed,
        support::{
            attempt::Attempt,
            describe,
            entry::{change, entry, write_key},
        },
    },
    domain::{
        admin::{AdminPermit, UpdateKeys},
        audit::{Action, Actor},
        id::KeyId,
        key::{Key, KeyState},
        text::Comment,
        time::Timestamp,
    },
    error::OperationError,
    index::End,
    ports::Mutation,
};

/// Which way to switch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Switch {
    /// Off.
    Disable,
    /// On.
    Enable,
}

impl Changes {
    /// Switches a key off or on. One that stands so already stays as it is.
    ///
    /// # Errors
    /// It is out of reach, revoked or expired; to enable it, it goes beyond the caller's ceiling; it is an administration key above the caller; it is the last root.
    pub async fn switch(
        &self,
        permit: AdminPermit<UpdateKeys>,
        id: KeyId,
        switch: Switch,
        comment: Comment,
    ) -> Result<Changed, OperationError> {
        let read = || self.key(&permit, id);
        let attempt = |key: Key, now| {
            let policy = self.index.policy();
            Self::require_grant_over(&permit, policy.as_deref(), &key)?;
            if switch == Switch::Enable {
                self.require_open(key.workspace)?;
                self.require_ceiling(&permit, policy.as_deref(), &key.view())?;
            }
            self.switched(key, permit.actor(), switch, &comment, now)
        };
        if switch == Switch::Enable {
            return self.change_key(permit.stands_on(), read, attempt).await;
        }
        match self.end_key(permit.stands_on(), read, attempt).await {
            Ok(ended) => Ok(changed(ended)),
            Err(error) => {
                let end = End::Disabled(self.clock.now());
                Err(self.deny_key(error, &permit, id, end, None, comment))
            }
        }
    }

    /// Switches a key, for any actor.
    pub(in crate::changes) fn switched(
        &self,
        key: Key,
        actor: Actor,
        switch: Switch,
        comment: &Comment,
        now: Timestamp,
    ) -> Result<Attempt<Key>, OperationError> {
        let judged_by = self.index.policy().map(|policy| policy.version);
        let before = describe::state(&key.state);
        let expects = match switch {
            Switch::Disable => self.other_root(&key, actor.address(), now)?,
            Switch::Enable => Vec::new(),
        };
        let (turned, action) = turn(key.clone(), switch, now)?;
        if stands(&key.state, switch) {
            return Ok(Attempt::Done(key));
        }
        let key = turned;
        let mut entry = entry(actor, action, &key, now);
        entry.changes = vec![change("state", before, describe::state(&key.state))];
        entry.comment = Some(comment.clone());
        let mutation = Mutation { expects, judged_by, ..write_key(entry, key.clone()) };
        Ok(Attempt::Commit(Box::new(mutation), key))
    }
}

const fn stands(state: &KeyState, switch: Switch) -> bool {
    matches!((state, switch), (KeyState::Disabled, Switch::Disable) | (KeyState::Active, Switch::Enable))
}

fn turn(key: Key, switch: Switch, now: Timestamp) -> Result<(Key, Action), OperationError> {
    match switch {
        Switch::Disable => Ok((key.disable(now)?, Action::KeyDisable)),
        Switch::Enable => Ok((key.enable(now)?, Action::KeyEnable)),
    }
}
