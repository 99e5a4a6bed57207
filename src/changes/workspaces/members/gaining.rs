//! What keys gain that follow a member, when its role changes: beyond a number they must be expected (S10).

use std::{collections::HashMap, sync::Arc};

use crate::{
    changes::{
        Changes,
        policy::{is_alive, require_expected},
    },
    domain::{
        gains::{Gains, GainsFound},
        grant::Grants,
        member::Member,
        policy::Policy,
        rights::Rights,
    },
    error::OperationError,
    yielding::Yielding,
};

/// How many keys gain by a member's own change of role without being asked for.
pub(super) const UNASKED: usize = 100;

impl Changes {
    /// The keys that gain as the member is to be, where they are so many that they are listed.
    ///
    /// # Errors
    /// They are more than [`UNASKED`] and were not expected, or others than were.
    pub(super) fn expected_gains(
        &self,
        member: &Member,
        policy: &Policy,
        expected: Option<u64>,
    ) -> Result<Option<Arc<Gains>>, OperationError> {
        let gains = self.gains_of_followers(member, policy);
        if expected.is_some() || gains.count() > UNASKED {
            require_expected(&gains, expected)?;
        }
        Ok(Some(Arc::new(gains)).filter(|gains| gains.count() > UNASKED))
    }

    fn gains_of_followers(&self, member: &Member, policy: &Policy) -> Gains {
        let role = member.role.as_ref().and_then(|role| policy.role(role));
        let (now, mut found, mut yielding) =
            (self.clock.now(), GainsFound::default(), Yielding::with_pauses());
        let mut known: HashMap<Arc<Grants>, Vec<Arc<str>>> = HashMap::new();
        for follower in self.index.followers(&member.id).into_iter().filter_map(|key| self.index.by_id(key)) {
            yielding.step();
            let key = &follower.key();
            if is_alive(key, now) {
                // All of them have had the same role until now.
                let gained = known.entry(Arc::clone(key.grants)).or_insert_with_key(|grants| {
                    let after = Rights::following(grants, role, policy);
                    after.not_in(follower.rights()).map(Arc::from).collect()
                });
                found.add(key.id, gained);
            }
        }
        found.finish(|| yielding.step())
    }
}
