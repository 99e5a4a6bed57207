//! What one process has counted, and the next one finds.

use super::*;

#[tokio::test(start_paused = true)]
async fn nothing_is_used_of_what_was_not_read_and_it_is_charged_once_it_is() {
    // L6, L10
    let world = World::new();
    let (counters, found, now) = world.open().await;
    charge(&counters, &found, &now, 700).await;
    counters.close().await.unwrap();
    world.store.cannot_be_read.store(true, Ordering::SeqCst);
    let (counters, index, clock) = world.open_index().await;
    let (found, now) = (Known::of(&index, world.key.id), clock.read());
    let bill = found.bill(TierSet::only(0), 400);
    for _second in 0..3 {
        assert_eq!(counters.charge(&bill, &now), Charge::Unwritten, "700 of 1,000 may be used");
        assert_eq!(counters.peek(&bill, &now), None);
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    let written = counters.written();
    world.store.cannot_be_read.store(false, Ordering::SeqCst);
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert!(written.has_changed().unwrap(), "who waits is told");
    assert!(matches!(counters.charge(&bill, &now), Charge::Refused(_)));
    assert_eq!(left(&counters, &found, &now), 300);
    counters.close().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn who_stops_before_everything_was_read_leaves_it_as_it_was() {
    // L10
    let world = World::new();
    let (counters, found, now) = world.open().await;
    charge(&counters, &found, &now, 700).await;
    counters.close().await.unwrap();
    world.store.cannot_be_read.store(true, Ordering::SeqCst);
    let (counters, ..) = world.open_index().await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert!(counters.close().await.is_err());
    world.store.cannot_be_read.store(false, Ordering::SeqCst);
    let (counters, found, now) = world.open().await;
    let left = left(&counters, &found, &now);
    assert!((284..=300).contains(&left), "700 were used, and a block may have been: {left}");
}

#[tokio::test]
async fn counts_of_those_whom_the_index_does_not_know_stay_as_they_are() {
    // L10: the row of a key that was damaged, and is mended later
    let mut world = World::new();
    let (counters, found, now) = world.open().await;
    charge(&counters, &found, &now, 700).await;
    counters.close().await.unwrap();
    drop(found);
    let known = world.key.clone();
    world.key.id = KeyId::from_bytes([0xEE; 16]);
    world.store.is_complete.store(false, Ordering::SeqCst);
    let (counters, ..) = world.open().await;
    counters.close().await.unwrap();
    world.key = known;
    let (counters, found, now) = world.open().await;
    let left = left(&counters, &found, &now);
    assert!((284..=300).contains(&left), "after a crash what may have been used counts as used: {left}");
}

#[tokio::test]
async fn what_is_closed_charges_nothing_that_would_be_forgotten() {
    // L6, L10
    let world = World::new();
    let (counters, found, now) = world.open().await;
    charge(&counters, &found, &now, 10).await;
    counters.close().await.unwrap();
    assert_eq!(counters.charge(&found.bill(TierSet::only(0), 1), &now), Charge::Unwritten);
    let (counters, found, now) = world.open().await;
    assert_eq!(left(&counters, &found, &now), 990);
}

#[tokio::test(start_paused = true)]
async fn what_was_counted_in_memory_only_is_written_once_that_can_be() {
    // L10, D4
    let world = World::new();
    let (counters, found, now) = world.open().await;
    charge(&counters, &found, &now, 10).await;
    world.store.fails.store(true, Ordering::SeqCst);
    charge(&counters, &found, &now, 500).await;
    assert!(counters.is_degraded());
    world.store.fails.store(false, Ordering::SeqCst);
    // It is not used any more, and some time later the process ends as after `kill -9`.
    let mut admitted_twice = true;
    for _time in 0..100 {
        tokio::time::sleep(Duration::from_millis(100)).await;
        let (next, found, now) = world.open().await;
        admitted_twice = left(&next, &found, &now) > 490;
        if !admitted_twice {
            break;
        }
    }
    assert!(!admitted_twice, "510 of 1,000 were used");
    assert!(!counters.is_degraded());
}

#[tokio::test(start_paused = true)]
async fn a_stop_writes_what_was_charged_since_the_last_write_and_no_more() {
    // L10, D7
    let world = World::new();
    let kept = || std::mem::take(&mut *world.store.kept.lock().unwrap());
    let (counters, found, now) = world.open().await;
    // No block is spent, so nothing else is written of it.
    charge(&counters, &found, &now, 3).await;
    tokio::time::sleep(Duration::from_secs(10)).await;
    assert_eq!(kept(), [1], "it is written once, and not each time");
    counters.close().await.unwrap();
    assert_eq!(kept(), Vec::<usize>::new());
    let (counters, found, now) = world.open().await;
    assert_eq!(left(&counters, &found, &now), 997);
    charge(&counters, &found, &now, 2).await;
    charge(&counters, &found, &now, 1).await;
    counters.close().await.unwrap();
    assert_eq!(kept(), [1], "the last second's is not forgotten");

    let (counters, found, now) = world.open().await;
    assert_eq!(left(&counters, &found, &now), 994);
    charge(&counters, &found, &now, 1).await;
    world.store.fails.store(true, Ordering::SeqCst);
    tokio::time::sleep(Duration::from_secs(10)).await;
    world.store.fails.store(false, Ordering::SeqCst);
    tokio::time::sleep(Duration::from_secs(10)).await;
    assert_eq!(kept(), [1], "what could not be written is tried again");
    counters.close().await.unwrap();
    let (counters, found, now) = world.open().await;
    assert_eq!((kept(), left(&counters, &found, &now)), (vec![], 993));
    counters.close().await.unwrap();
}

#[tokio::test]
async fn what_a_crash_has_cost_is_kept_by_a_stop_in_order_after_it() {
    // L10
    let world = World::new();
    let (counters, found, now) = world.open().await;
    charge(&counters, &found, &now, 100).await;
    drop(counters);
    let (counters, found, now) = world.open().await;
    let spent = left(&counters, &found, &now);
    assert!(spent < 900, "what may have been used counts as used: {spent}");
    counters.close().await.unwrap();
    let (counters, found, now) = world.open().await;
    assert_eq!(left(&counters, &found, &now), spent);
    counters.close().await.unwrap();
}
