//! How much is kept of changes of many keys.

use super::*;
use crate::domain::{group::GroupAct, key::RevokeReason, text::Comment, time::Timestamp};

fn one() -> KeyId {
    KeyId::from_bytes([0; KeyId::BYTES])
}

fn at(ms: i64) -> Timestamp {
    Timestamp::from_ms(ms).unwrap()
}

/// A change of a group of one key.
fn grouped(revision: u64, act: GroupAct) -> GroupChange {
    let (revision, comment) = (Revision(revision), Comment::parse("").unwrap());
    GroupChange { revision, time: at(1), by: None, act, comment, keys: vec![one()] }
}

#[test]
fn a_key_that_was_changed_with_others_a_thousand_times_takes_no_more_than_one_that_was_so_thrice() {
    // D7, V4
    let mut newest = Newest::of_a_whole_log();
    let mut revision = 0;
    for turn in 0..500 {
        for act in [GroupAct::Disable, GroupAct::Retire(at(9_000 - turn)), GroupAct::Enable] {
            revision += 1;
            newest.note_group(grouped(revision, act));
        }
    }
    newest.note_group(grouped(revision + 1, GroupAct::Revoke(RevokeReason::Unused)));
    let acts: Vec<_> = newest.since_row(one(), 0).map(|change| change.act).collect();
    assert_eq!(acts, [GroupAct::Retire(at(8_501)), GroupAct::Enable, GroupAct::Revoke(RevokeReason::Unused)]);
    assert!(newest.groups.iter().all(|change| change.keys.is_empty()));
    assert_eq!(newest.newest_group(), Revision(revision + 1));
}
