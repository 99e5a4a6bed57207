//! A view that may not be acted upon any more decides nothing: that is an error, never a denial and never an allow.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "tests")]

mod counters_support;
mod store_support;

use std::{sync::Arc, time::Duration};

use counters_support::{ByValue, FIRST, World};
use keyward::{
    domain::{
        decision::{Decision, Requirement},
        time::Steady,
    },
    error::OperationError,
    judge::{
        Judge, JudgeParts,
        question::{Door, InQuestion, Mode, Query},
    },
    ports::{Lease, StoreError},
};
use store_support::Place;

fn query(subject: InQuestion<'_>) -> Query<'_> {
    Query {
        subject,
        requirement: Requirement::default(),
        mode: Mode::Enforce,
        bound_to: None,
        caller: None,
        door: Door::Grpc,
    }
}

#[tokio::test]
async fn nothing_is_decided_after_the_lease_of_the_view_has_ended() {
    // V1, P2
    let world = World::<ByValue>::new("{ name = 'one', limit = 10, calendar = 'day' }");
    let (process, place) = (world.process(), Place::new());
    let (_store, keys) = place.try_open().unwrap();
    let judge = Judge::new(JudgeParts {
        index: Arc::clone(&process.index),
        counters: process.counters,
        clock: Arc::clone(&process.clock),
        keys: std::sync::Arc::new(keyward::domain::root::KeysInForce::new(keys)),
        count_wait: Duration::from_millis(50),
    });
    let known = || query(InQuestion::Key(world.id(FIRST)));
    let decided = async || {
        let each = [judge.check(&known()).await, judge.check(&query(InQuestion::Nothing)).await];
        let all = judge.check_all(&[known()]).await;
        let stale =
            |error: &OperationError| matches!(error, OperationError::Store(StoreError::Unreachable(_)));
        match (each, all) {
            ([Ok(one), Ok(nothing)], Ok(all)) => {
                assert!(
                    matches!(one.decision, Decision::Allow(_))
                        && matches!(nothing.decision, Decision::Deny(_))
                );
                assert!(matches!(all[0].answer.decision, Decision::Allow(_)));
                true
            }
            ([Err(one), Err(nothing)], Err(all)) => {
                assert!([one, nothing, all].iter().all(stale));
                false
            }
            _ => panic!("some is decided and some is not"),
        }
    };
    let end = |after: i64| Lease::Until(Steady::from_ms(process.clock.read().steady.as_ms() + after));
    assert!(decided().await);
    process.index.hold(end(1_000));
    world.pass(999);
    assert!(decided().await);
    assert_eq!(world.left(FIRST), [6]);
    world.pass(1);
    assert!(!decided().await);
    world.pass(3_600_000);
    assert!(!decided().await);
    assert_eq!(world.left(FIRST), [6], "nothing is charged");
    process.index.hold(end(1_000));
    assert!(decided().await);
    process.index.hold(Lease::Forever);
    world.pass(3_600_000);
    assert!(decided().await);
}
