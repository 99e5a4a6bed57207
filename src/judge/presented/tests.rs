//! What it takes to tell whose a secret is: the same for each, whatever root it began at, and for one that nobody has.

use std::{sync::Arc, time::Duration};

use tokio::sync::watch;

use super::*;
use crate::{
    domain::{
        credentials::RetiringSecret,
        id::KeyId,
        key::{
            Key, KeyState, Revocation, RevokeReason,
            tests::{at, key},
        },
        root::{
            DerivedKeys, HASHES, KeysInForce,
            tests::{Same, history, root},
        },
        secret::{Prefix, SecretKey},
        text::Comment,
        time::{Clock, Now, TrustedClock},
    },
    index::{Index, LOOK_UPS},
    judge::JudgeParts,
    ports::{Bill, Charge, ChargeAll, Counters, Pending, View, Weighed},
};

struct Still;

impl Clock for Still {
    fn wall(&self) -> Timestamp {
        at(1_000)
    }

    fn boot(&self) -> Duration {
        Duration::ZERO
    }
}

/// Nothing is counted: nobody is let in here.
struct Uncounted;

impl Counters for Uncounted {
    fn charge(&self, _: &Bill<'_>, _: &Now) -> Charge {
        unreachable!()
    }

    fn charge_all(&self, _: &[Bill<'_>], _: &Now) -> ChargeAll {
        unreachable!()
    }

    fn peek(&self, _: &Bill<'_>, _: &Now) -> Option<Weighed> {
        unreachable!()
    }

    fn written(&self) -> watch::Receiver<u64> {
        unreachable!()
    }

    fn is_degraded(&self) -> bool {
        unreachable!()
    }

    fn settle(&self) -> Pending<'_, ()> {
        unreachable!()
    }
}

fn text(byte: u8) -> String {
    SecretKey::generate(&Prefix::parse("kw_live_").unwrap(), &Same(byte)).unwrap().reveal()
}

fn keys(newest: u32) -> DerivedKeys {
    DerivedKeys::with(&[&root(newest)], history(newest))
}

/// The hash of a secret that began at a root, as memory has it under the newest.
fn hash(byte: u8, start: u32, newest: u32) -> KeyHash {
    let secret = SecretKey::generate(&Prefix::parse("kw_live_").unwrap(), &Same(byte)).unwrap();
    secret.hash(&keys(start).lookup).laid_over(&keys(newest).lookup, start).unwrap()
}

fn with_hash(byte: u8, start: u32, newest: u32) -> Key {
    let mut key = Key { id: KeyId::from_bytes([byte; 16]), ..key().unwrap() };
    key.credentials.current.hash = hash(byte, start, newest);
    key
}

/// How many hashes were made and looked up to tell whose a secret is; and whether it is anybody's.
fn cost(judge: &Judge, byte: u8) -> (u64, u64, bool) {
    let text = text(byte);
    let (hashes, look_ups) = (HASHES.get(), LOOK_UPS.get());
    let presented = PresentedKey::either(&text).unwrap();
    let is_known = judge.whose(&presented).is_some();
    (HASHES.get() - hashes, LOOK_UPS.get() - look_ups, is_known)
}

fn judge(keys: Vec<Key>, in_force: DerivedKeys) -> Judge {
    let index = Arc::new(Index::default());
    index.apply(View { keys, ..View::default() });
    Judge::new(JudgeParts {
        index,
        counters: Arc::new(Uncounted),
        clock: Arc::new(TrustedClock::new(Arc::new(Still), None)),
        keys: Arc::new(KeysInForce::new(Arc::new(in_force))),
        count_wait: Duration::ZERO,
    })
}

#[test]
fn every_secret_takes_the_same_hashes_and_look_ups_whatever_root_it_began_at() {
    // X7: one start more is one look-up more, and a hash for it and for each root that lies over it
    for (newest, hashes, look_ups) in [(1, 1, 1), (2, 3, 2), (3, 6, 3)] {
        let mut all: Vec<_> =
            (1..=newest).map(|start| with_hash(u8::try_from(start).unwrap(), start, newest)).collect();
        let mut rotated = with_hash(20, newest, newest);
        let mut secret = rotated.credentials.current.clone();
        (secret.generation, secret.hash) = (9, hash(21, 1, newest));
        rotated.credentials.retiring = vec![RetiringSecret { secret, end: at(9_000) }];
        let revoked = with_hash(22, 1, newest);
        all.push(rotated);
        all.push(Key {
            state: KeyState::Revoked(Box::new(Revocation {
                at: at(1),
                by: None,
                reason: RevokeReason::Superseded,
                comment: Comment::parse("").unwrap(),
            })),
            ..revoked
        });
        let judge = judge(all, keys(newest));
        let known = (1..=newest).map(|start| u8::try_from(start).unwrap()).chain([20, 21, 22]);
        for (byte, is_known) in known.map(|byte| (byte, true)).chain([(40, false), (41, false)]) {
            assert_eq!(cost(&judge, byte), (hashes, look_ups, is_known), "{byte} of {newest} roots");
        }
    }
}

#[test]
fn while_a_root_is_laid_over_memory_every_secret_takes_the_same_too() {
    // X7: those that have the layer already, those that have not, and those that nobody has
    let all = vec![with_hash(1, 1, 1), with_hash(2, 1, 2), with_hash(3, 2, 2)];
    let judge = judge(all, keys(2).beside(&keys(1)));
    for (byte, is_known) in [(1, true), (2, true), (3, true), (40, false)] {
        assert_eq!(cost(&judge, byte), (4, 3, is_known), "{byte}");
    }
}
