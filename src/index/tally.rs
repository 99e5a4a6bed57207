//! What each workspace keeps, counted as rows come and go: so that a quota costs no look at all keys, and a start that reads
//! the rows has the counts.

use std::collections::{BTreeMap, HashMap};

use foldhash::quality::RandomState;

use super::own::Own;
use crate::domain::{id::WorkspaceId, key::StateKind, time::Timestamp};

/// What a workspace keeps.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Kept {
    /// Keys that are neither revoked nor expired; one that expires counts until the end of that second.
    pub keys: u64,
    /// All keys.
    pub kept_keys: u64,
    /// What all keys hold, in bytes.
    pub key_bytes: u64,
    /// Members.
    pub members: u64,
    /// Workspaces of the whole store.
    pub workspaces: u64,
    /// Import schemes of the whole store.
    pub import_schemes: u64,
}

/// The counts of every workspace. Only the writer of the index has them.
#[derive(Default)]
pub(super) struct Tallies(HashMap<WorkspaceId, KeyTally, RandomState>);

#[derive(Default)]
struct KeyTally {
    all: u64,
    /// Keys that are neither revoked nor expired by `past`.
    living: u64,
    /// Those of them that expire, by the second in which they will have.
    ending: BTreeMap<i64, u64>,
    /// The second up to which expired keys have been moved.
    past: i64,
    bytes: u64,
    members: u64,
}

/// How long a key counts as living.
#[derive(PartialEq, Eq)]
enum Life {
    /// It is revoked, or expired by the second up to which such keys were moved.
    Over,
    Endless,
    /// Until this second.
    Until(i64),
}

impl Tallies {
    /// Counts a key that is new here.
    pub(super) fn add(&mut self, workspace: WorkspaceId, key: &Own) {
        let tally = self.0.entry(workspace).or_default();
        tally.enter(key);
        tally.bytes = tally.bytes.saturating_add(key.bytes());
    }

    /// Forgets a key as it was counted.
    pub(super) fn drop(&mut self, workspace: WorkspaceId, key: &Own) {
        let tally = self.0.entry(workspace).or_default();
        tally.leave(key);
        tally.bytes = tally.bytes.saturating_sub(key.bytes());
    }

    /// Counts a key that may live or not, and holds as much as before.
    pub(super) fn moved(&mut self, workspace: WorkspaceId, before: &Own, after: &Own) {
        let tally = self.0.entry(workspace).or_default();
        tally.leave(before);
        tally.enter(after);
    }

    /// Counts a member: whether it was one before, and whether it is one now.
    pub(super) fn member(&mut self, workspace: WorkspaceId, was: bool, is: bool) {
        let members = &mut self.0.entry(workspace).or_default().members;
        *members = members.saturating_add(u64::from(is)).saturating_sub(u64::from(was));
    }

    /// What a workspace keeps.
    pub(super) fn of(&mut self, workspace: WorkspaceId, now: Timestamp) -> Kept {
        self.0.get_mut(&workspace).map(|tally| tally.at(now)).unwrap_or_default()
    }
}

impl KeyTally {
    fn enter(&mut self, key: &Own) {
        self.all = self.all.saturating_add(1);
        let life = self.life_of(key);
        self.living = self.living.saturating_add(u64::from(life != Life::Over));
        if let Life::Until(end) = life {
            *self.ending.entry(end).or_default() += 1;
        }
    }

    fn leave(&mut self, key: &Own) {
        self.all = self.all.saturating_sub(1);
        let life = self.life_of(key);
        self.living = self.living.saturating_sub(u64::from(life != Life::Over));
        let Life::Until(end) = life else { return };
        let left = self.ending.get(&end).map_or(0, |count| count.saturating_sub(1));
        if left == 0 {
            self.ending.remove(&end);
        } else {
            self.ending.insert(end, left);
        }
    }

    /// Whether a key counts as living, and until which second.
    fn life_of(&self, key: &Own) -> Life {
        match (key.state, key.expires().map(second_of)) {
            (StateKind::Active | StateKind::Disabled, None) => Life::Endless,
            (StateKind::Active | StateKind::Disabled, Some(end)) if end > self.past => Life::Until(end),
            (StateKind::Active | StateKind::Disabled | StateKind::Revoked, _) => Life::Over,
        }
    }

    fn at(&mut self, now: Timestamp) -> Kept {
        self.past = self.past.max(now.as_ms().div_euclid(1_000));
        while let Some(first) = self.ending.first_entry().filter(|first| *first.key() <= self.past) {
            self.living = self.living.saturating_sub(first.remove());
        }
        Kept {
            keys: self.living,
            kept_keys: self.all,
            key_bytes: self.bytes,
            members: self.members,
            ..Kept::default()
        }
    }
}

/// The first whole second at which what ends then has ended.
fn second_of(end: Timestamp) -> i64 {
    end.as_ms().saturating_add(999).div_euclid(1_000)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{
        key::{
            Key, OwnParts, Revocation, RevokeReason,
            tests::{at, key},
        },
        text::Comment,
    };

    #[test]
    fn a_key_lives_until_it_ends_and_is_kept_for_good() {
        // D7
        let mut tallies = Tallies::default();
        let endless = key().unwrap();
        let ending = Key { expires: Some(at(5_500)), ..endless.clone() };
        let revoked = endless.clone().revoke(Revocation {
            at: at(1),
            by: None,
            reason: RevokeReason::Unused,
            comment: Comment::parse("").unwrap(),
        });
        let workspace = endless.workspace;
        let [endless, ending, revoked] = [&endless, &ending, &revoked].map(|key| Own::new(OwnParts::of(key)));
        let kept = |tallies: &mut Tallies, ms| {
            let Kept { keys, kept_keys, .. } = tallies.of(workspace, at(ms));
            (keys, kept_keys)
        };
        assert_eq!(kept(&mut tallies, 0), (0, 0));
        for key in [&endless, &ending, &revoked] {
            tallies.add(workspace, key);
        }
        assert_eq!(kept(&mut tallies, 5_499), (2, 3));
        assert_eq!(kept(&mut tallies, 6_000), (1, 3));
        tallies.add(workspace, &ending);
        assert_eq!(kept(&mut tallies, 6_000), (1, 4), "it has ended already");
        tallies.drop(workspace, &ending);
        tallies.drop(workspace, &ending);
        assert_eq!(kept(&mut tallies, 6_000), (1, 2));
        tallies.moved(workspace, &endless, &revoked);
        assert_eq!(kept(&mut tallies, 6_000), (0, 2));
        tallies.drop(workspace, &revoked);
        tallies.drop(workspace, &revoked);
        assert_eq!(tallies.of(workspace, at(6_000)), Kept::default());
    }
}
