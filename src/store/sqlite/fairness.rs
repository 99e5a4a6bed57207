//! Tests of how long reads wait: the follower's for no other, the others within bounds.

use std::{
    sync::{Arc, mpsc},
    task::{Context, Waker},
};

use super::{
    readers::READERS,
    store::{self, SqliteStore},
};
use crate::{
    domain::{revision::Revision, root::tests::Same, time::Timestamp},
    ports::{KeyStore, LogFilter, StoreError},
    store::data_dir::DataDir,
};

#[test]
fn the_follower_waits_for_no_other_read() {
    let directory = tempfile::tempdir().unwrap();
    let dir = DataDir::open(directory.path()).unwrap();
    let (store, _) = SqliteStore::open(&dir, &Same(1), Timestamp::EPOCH).unwrap();
    let readers: Vec<_> = (0..READERS).map(|_| store.readers.get().unwrap()).collect();
    let runtime = tokio::runtime::Builder::new_current_thread().max_blocking_threads(1).build().unwrap();
    runtime.block_on(async {
        let (end, ended) = mpsc::channel::<()>();
        let long = tokio::task::spawn_blocking(move || ended.recv());
        assert_eq!(store.changes_after(Revision::ZERO).await.unwrap().revision, Some(Revision::ZERO));
        assert_eq!(store.whole().await.unwrap().revision, Some(Revision::ZERO));
        drop((end, readers));
        assert!(long.await.unwrap().is_err());
    });
}

#[test]
fn reads_wait_within_a_bound_and_the_log_is_verified_once_at_a_time() {
    // D7, X5: on one thread what was begun first is done first, so that a read that has not been answered by then waits
    let runtime = tokio::runtime::Builder::new_current_thread().max_blocking_threads(1).build().unwrap();
    runtime.block_on(reads_wait());
}

async fn reads_wait() {
    let directory = tempfile::tempdir().unwrap();
    let dir = DataDir::open(directory.path()).unwrap();
    let (store, _) = SqliteStore::open(&dir, &Same(1), Timestamp::EPOCH).unwrap();
    let all = u32::try_from(store::MAX_READS).unwrap();
    let reads = Arc::clone(&store.reads).acquire_many_owned(all).await.unwrap();
    let refused = store.query_log(LogFilter::default(), None, 1).await;
    assert!(matches!(refused, Err(StoreError::Unavailable(_))), "{refused:?}");
    assert!(store.whole().await.is_ok());
    drop(reads);
    assert!(store.query_log(LogFilter::default(), None, 1).await.is_ok());

    let long = u32::try_from(store::LONG_READS).unwrap();
    let long = Arc::clone(&store.long_reads).acquire_many_owned(long).await.unwrap();
    let mut context = Context::from_waker(Waker::noop());
    let mut next = store.query_log(LogFilter::default(), None, 1);
    assert!(next.as_mut().poll(&mut context).is_pending());
    assert!(
        store.last_uses(Vec::new()).await.is_ok(),
        "what is asked of one key waits for no page of the log"
    );
    assert!(next.as_mut().poll(&mut context).is_pending());
    drop(long);
    assert!(next.await.is_ok());

    let running = Arc::clone(&store.verifying).acquire_owned().await.unwrap();
    let mut waiting = store.verify_log();
    assert!(waiting.as_mut().poll(&mut context).is_pending());
    assert!(store.query_log(LogFilter::default(), None, 1).await.is_ok());
    assert!(waiting.as_mut().poll(&mut context).is_pending());
    drop(running);
    assert_eq!(waiting.await.unwrap().fault, None);
}
