//! What is kept of the log's records while rows are read.

use std::{collections::BTreeMap, sync::Arc};

use super::*;
use crate::domain::{
    audit::{Actor, LogEntry},
    group::{Before, Group, GroupAct},
    id::GroupId,
    key::RevokeReason,
    time::Timestamp,
};

fn one() -> KeyId {
    KeyId::from_digits(&"0".repeat(KeyId::DIGITS)).unwrap()
}

fn at(ms: i64) -> Timestamp {
    Timestamp::from_ms(ms).unwrap()
}

/// A record of a change of one key together with nobody.
fn grouped(revision: u64, act: GroupAct) -> StoredRecord {
    let id = GroupId::parse(&format!("grp_{}", "0".repeat(KeyId::DIGITS))).unwrap();
    let group = Group { id, act, keys: BTreeMap::from([(Before::Active, vec![one()])]) };
    let entry = LogEntry {
        group: Some(Arc::new(group)),
        reason: matches!(act, GroupAct::Revoke(_)).then_some("unused"),
        ..LogEntry::new(at(1), Actor::System, act.action())
    };
    let bytes = entry.canonical_bytes(Revision(revision), false);
    let (digest, chain, code) = (Vec::new(), Vec::new(), Vec::new());
    StoredRecord { revision: to_stored(Revision(revision)), bytes, digest, chain, code, signature: None }
}

#[test]
fn a_key_that_was_changed_with_others_a_thousand_times_takes_no_more_than_one_that_was_so_thrice() {
    // D7, V4
    let mut newest = Newest { grouped: Some(HashMap::new()), ..Newest::default() };
    let mut revision = 0;
    for turn in 0..500 {
        for act in [GroupAct::Disable, GroupAct::Retire(at(9_000 - turn)), GroupAct::Enable] {
            revision += 1;
            newest.note(&grouped(revision, act)).unwrap();
        }
    }
    newest.note(&grouped(revision + 1, GroupAct::Revoke(RevokeReason::Unused))).unwrap();
    let acts: Vec<_> = newest.since_row(one(), 0).map(|change| change.act).collect();
    assert_eq!(acts, [GroupAct::Retire(at(8_501)), GroupAct::Enable, GroupAct::Revoke(RevokeReason::Unused)]);
    assert!(newest.groups.iter().all(|change| change.keys.is_empty()));
    assert_eq!(newest.newest_group(), Revision(revision + 1));
}
