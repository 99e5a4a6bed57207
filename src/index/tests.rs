//! What memory keeps of keys: copies that stay whole, classes that are one for many, and nothing of what is gone.

use std::sync::Arc;

use super::*;
use crate::{
    domain::{
        credentials::{Credentials, RetiringSecret, Secret},
        grant::{Grant, Grants},
        group::{GroupAct, GroupChange},
        id::KeyId,
        key::{
            Key, KeyState, Revocation, RevokeReason, StateKind,
            tests::{at, key, secret},
        },
        policy::{LimitEntry, LimitOverrides, LimitOverridesEntry, OverridesOf, Policy, TierSet},
        revision::Revision,
        root::{
            DerivedKeys, LookupKey,
            tests::{history, root},
        },
        scope::ScopePattern,
        secret::KeyHash,
        text::Comment,
        workspace::{Workspace, WorkspaceState, tests::workspace},
    },
    ports::{Bill, PolicyVersion, PolicyView, View},
};

/// A key, and the index that it is in.
pub(crate) struct Known(Found, Arc<Index>);

impl Known {
    pub(crate) fn of(index: &Arc<Index>, key: KeyId) -> Self {
        Self(index.by_id(key).unwrap(), Arc::clone(index))
    }

    pub(crate) fn bill(&self, tiers: TierSet, cost: u64) -> Bill<'_> {
        self.1.bill(&self.0, tiers, cost)
    }
}

fn policy(version: u64, scopes: &str) -> PolicyView {
    let text = format!(
        "environments = [{{ name = 'live', prefix = 'kw_live_' }}]
         scopes = [{scopes}]
         plans = [{{ name = 'starter' }}]
         tiers = [{{ name = 'default', limits = [{{ name = 'day', limit = 1000, calendar = 'day' }}] }}]"
    );
    PolicyView::Sound(Arc::new(PolicyVersion {
        version,
        policy: Policy::from_toml(&text).unwrap(),
        applied: at(1_000),
        applied_by: None,
        applied_by_owner: None,
        comment: Comment::parse("").unwrap(),
        revision: Revision(version),
    }))
}

/// A key of its own hash, which may read files.
fn reader(number: u32) -> Key {
    let mut hash = [7; 32];
    hash[..4].copy_from_slice(&number.to_be_bytes());
    let grants = Grants::new(vec![Grant::unbound(ScopePattern::parse("files:read").unwrap())]).unwrap();
    Key {
        id: KeyId::parse(&format!("key_{number:026}")).unwrap(),
        grants: Arc::new(grants),
        credentials: Credentials::new(Secret { hash: KeyHash::stored(hash), ..secret(1) }),
        ..key().unwrap()
    }
}

fn with(keys: Vec<Key>) -> Index {
    let index = Index::default();
    let policy = Some(policy(1, "{ name = 'files:read' }, { name = 'files:write' }"));
    index.apply(View {
        policy,
        workspaces: vec![workspace(key().unwrap().workspace)],
        keys,
        ..View::default()
    });
    index
}

/// The digest of a secret.
fn digest(number: u32) -> [u8; 32] {
    let mut digest = [9; 32];
    digest[..4].copy_from_slice(&number.to_be_bytes());
    digest
}

/// A key with a secret of this digest, hashed as memory has it under these keys.
fn hashed(number: u32, keys: &DerivedKeys) -> Key {
    let mut key = reader(number);
    key.credentials.current.hash = KeyHash::stored(keys.lookup.hash(&digest(number)));
    key
}

fn found_by(index: &Index, lookup: &LookupKey, number: u32) -> Vec<KeyId> {
    let found = lookup.hashes(&digest(number)).filter_map(|(_, hash)| index.by_hash(&KeyHash::stored(hash)));
    found.map(|found| found.key().id).collect()
}

#[test]
fn while_a_root_is_laid_over_memory_every_secret_is_found_at_every_moment() {
    // X7, D5, K2
    const KEYS: u32 = 2_000;
    let [one, two] = [1, 2].map(|newest| Arc::new(DerivedKeys::with(&[&root(newest)], history(newest))));
    let both = DerivedKeys::with(&[&root(2)], history(2)).beside(&one);
    let mut keys: Vec<_> = (0..KEYS).map(|number| hashed(number, &one)).collect();
    // One that was rotated, and one that is a later import of another's token.
    let retiring = RetiringSecret { secret: keys[1].credentials.current.clone(), end: at(5_000) };
    keys[2].credentials.retiring = vec![retiring];
    keys[1].credentials.current.hash = KeyHash::stored([1; 32]);
    keys[3].credentials.current.hash = keys[4].credentials.current.hash.later();
    let ids: Vec<_> = keys.iter().map(|key| key.id).collect();
    let index = Arc::new(with(keys.clone()));
    let whole: Vec<_> = (5..KEYS).chain([2, 4]).collect();

    let (stop, rounds) = (std::sync::atomic::AtomicBool::new(false), std::sync::atomic::AtomicU32::new(0));
    std::thread::scope(|scope| {
        let reader = scope.spawn(|| {
            while !stop.load(std::sync::atomic::Ordering::Acquire) {
                for number in &whole {
                    let found = found_by(&index, &both.lookup, *number);
                    let place = usize::try_from(*number).unwrap();
                    assert!(!found.is_empty() && found.iter().all(|id| *id == ids[place]), "{number}");
                }
                rounds.fetch_add(1, std::sync::atomic::Ordering::AcqRel);
            }
        });
        let until = |count| {
            while rounds.load(std::sync::atomic::Ordering::Acquire) < count && !reader.is_finished() {
                std::thread::yield_now();
            }
        };
        until(1);
        index.begin_laying(LayingRoot { keys: Arc::clone(&two), under: 1, since: Revision(5) });
        // Changed meanwhile: alone, by a row that has the layer, and among many.
        let laid = |number: u32| {
            let hash = one.lookup.hash(&digest(number));
            KeyHash::stored(two.lookup.laid_over(hash, 1).unwrap())
        };
        let mut alone = Key { revision: Revision(6), ..hashed(10, &one) };
        alone.credentials.current.hash = laid(10);
        // The same row as before, read under the new root.
        let mut again = hashed(11, &one);
        again.credentials.current.hash = laid(11);
        index.apply(View { keys: vec![alone, again], revision: Some(Revision(6)), ..View::default() });
        let change = GroupChange {
            keys: ids[12..14].to_vec(),
            revision: Revision(7),
            time: at(2_000),
            act: GroupAct::Disable,
            by: None,
            comment: Comment::parse("").unwrap(),
        };
        index.apply_group(&change, &change.keys);
        index.lay_root();
        until(rounds.load(std::sync::atomic::Ordering::Acquire) + 2);
        stop.store(true, std::sync::atomic::Ordering::Release);
    });

    for number in &whole {
        let place = usize::try_from(*number).unwrap();
        let was = KeyHash::stored(one.lookup.hash(&digest(*number)));
        assert!(index.by_hash(&was).is_none(), "{number} is found as it was");
        assert_eq!(found_by(&index, &two.lookup, *number), [ids[place]], "{number}");
    }
    let later = KeyHash::stored(two.lookup.laid_over(one.lookup.hash(&digest(4)), 1).unwrap());
    assert_eq!(index.later_imports(&later).iter().map(|found| found.key().id).collect::<Vec<_>>(), [ids[3]]);
    assert!(index.later_imports(&KeyHash::stored(one.lookup.hash(&digest(4)))).is_empty());
}

#[test]
fn hashes_that_begin_alike_lead_each_to_its_own_key() {
    // X2
    let alike = |last: u8| {
        let mut hash = [9; 32];
        hash[31] = last;
        KeyHash::stored(hash)
    };
    let with_hash = |number, hash| {
        let credentials = Credentials::new(Secret { hash, ..secret(1) });
        Key { credentials, ..reader(number) }
    };
    let (one, other) = (with_hash(1, alike(1)), with_hash(2, alike(2)));
    let index = with(vec![one.clone(), other.clone()]);
    let whose = |hash| index.by_hash(&hash).map(|found| found.key().id);
    assert_eq!([1, 2, 3].map(|last| whose(alike(last))), [Some(one.id), Some(other.id), None]);
    let rotated = Key { revision: Revision(5), ..with_hash(1, alike(4)) };
    index.apply(View { keys: vec![rotated], ..View::default() });
    assert_eq!([1, 2, 4].map(|last| whose(alike(last))), [None, Some(other.id), Some(one.id)]);
}

#[test]
fn a_policy_is_worked_out_once_for_keys_that_are_alike_and_holds_for_all_of_them() {
    // S3, A2
    let index = with((0..5_000).map(reader).collect());
    let before = index.lock().classes_of(None);
    assert_eq!(before.len(), 1);
    let found = index.by_id(reader(7).id).unwrap();
    index.apply(View { policy: Some(policy(2, "{ name = 'files:write' }")), ..View::default() });
    let scopes = |found: &Found| found.rights().scopes().count();
    assert_eq!(scopes(&found), 1, "what was found before stays as it was");
    let mut seen = 0;
    index.each(|_, rights| seen += 1 + 10_000 * rights.scopes().count());
    assert_eq!(seen, 5_000, "none has a scope any more");
    let suspended = Workspace { state: WorkspaceState::Suspended, ..workspace(key().unwrap().workspace) };
    index.apply(View { workspaces: vec![suspended], ..View::default() });
    let state = index.by_id(reader(4_999).id).unwrap().surroundings().workspace;
    assert_eq!(state, WorkspaceState::Suspended);
}

#[test]
fn changes_of_limits_leave_nothing_behind() {
    // L2
    let index = with(vec![reader(1)]);
    for revision in 1..20_000_u64 {
        let limit = LimitEntry {
            name: "day".to_owned(),
            limit: revision,
            calendar: Some("day".to_owned()),
            ..LimitEntry::default()
        };
        let entry = LimitOverridesEntry { limits: vec![limit], ..LimitOverridesEntry::default() };
        let PolicyView::Sound(under) = policy(1, "{ name = 'files:read' }") else { unreachable!() };
        let limits = LimitOverrides::new(entry, OverridesOf::Key, &under.policy).unwrap();
        let key = Key { limits: Some(Arc::new(limits)), revision: Revision(revision), ..reader(1) };
        index.apply(View { keys: vec![key], ..View::default() });
    }
    let kept = index.lock().len();
    assert!(kept <= 2_048, "{kept} parts for one key");
}

#[test]
fn what_is_kept_of_a_key_is_what_its_row_says() {
    // C2, R2, K8
    let retiring = |generation| RetiringSecret { secret: secret(generation), end: at(9_000) };
    let mut rotated = reader(1);
    rotated.credentials.retiring = vec![retiring(3), retiring(2)];
    let disabled = Key { state: KeyState::Disabled, updated: at(77), ..reader(2) };
    let revocation = Revocation {
        at: at(5),
        by: None,
        reason: RevokeReason::Unused,
        comment: Comment::parse("gone").unwrap(),
    };
    let revoked = reader(3).revoke(revocation);
    let ending = Key { expires: Some(at(123_456)), taken_in: Revision(4), ..reader(4) };
    let all = [rotated, disabled, revoked, ending, reader(5)];
    let index = with(all.to_vec());
    for key in &all {
        let found = index.by_id(key.id).unwrap();
        let (whole, kept) = (key.view(), found.key());
        assert_eq!(kept.owner, whole.owner);
        assert_eq!((kept.state, kept.created, kept.expires), (whole.state, whole.created, whole.expires));
        assert_eq!((kept.revision, kept.taken_in), (whole.revision, whole.taken_in));
        assert_eq!((kept.grants, kept.metadata, kept.creator), (whole.grants, whole.metadata, whole.creator));
        let secrets = |key: &crate::domain::key::KeyView<'_>| {
            let each = key.secrets.iter();
            let told = each.map(|(it, end)| (it.generation, *it.hash, it.scheme.clone(), it.created, end));
            told.collect::<Vec<_>>()
        };
        assert_eq!(secrets(&kept), secrets(&whole));
        assert_eq!(found.bytes(), crate::domain::footprint::key_bytes(key));
        if kept.state == StateKind::Disabled {
            assert_eq!(kept.updated, whole.updated);
        }
    }
}

#[test]
fn a_change_of_many_does_to_what_is_kept_what_it_does_to_whole_keys() {
    // C3
    let change = |act, revision| GroupChange {
        revision: Revision(revision),
        time: at(i64::try_from(revision).unwrap() * 1_000),
        by: None,
        act,
        comment: Comment::parse("").unwrap(),
        keys: Vec::new(),
    };
    let acts = [
        GroupAct::Retire(at(90_000)),
        GroupAct::Disable,
        GroupAct::Retire(at(95_000)),
        GroupAct::Enable,
        GroupAct::Disable,
        GroupAct::Revoke(RevokeReason::Unused),
        GroupAct::Enable,
        GroupAct::Retire(at(10)),
    ];
    let index = with(vec![reader(1)]);
    let mut whole = reader(1);
    for (number, act) in (10..).zip(acts) {
        let change = change(act, number);
        whole = whole.under(&change);
        index.apply_group(&change, &[whole.id]);
        let found = index.by_id(whole.id).unwrap();
        let (kept, whole) = (found.key(), whole.view());
        assert_eq!((kept.state, kept.expires, kept.revision), (whole.state, whole.expires, whole.revision));
        if kept.state == StateKind::Disabled {
            assert_eq!(kept.updated, whole.updated, "{act:?}");
        }
    }
}

#[test]
fn a_use_of_a_new_secret_is_noted_however_often_its_key_was_rotated_in_that_minute() {
    // R5
    let index = with(Vec::new());
    let id = reader(1).id;
    let noted = |generation: u32| {
        let secret = Secret { generation, ..reader(1).credentials.current };
        let revision = Revision(generation.into());
        let key = Key { credentials: Credentials::new(secret), revision, ..reader(1) };
        index.apply(View { keys: vec![key], ..View::default() });
        let user = User { generation, caller: None, address: None };
        index.note_use(&index.by_id(id).unwrap(), user, true, at(60_000));
        index.noted_uses(&[id].into()).len()
    };
    assert_eq!([1, 65, 65, 129].map(noted), [1, 2, 2, 3]);
}
