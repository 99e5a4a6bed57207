//! How often a program asks, and how long it waits.

use std::time::Duration;

use tokio::time::{Instant, timeout};
use tonic::Code;

use crate::{
    example::{Example, Recipe},
    exchange::{exchange, request},
    fake::Fake,
    process::PATIENCE,
};

/// Ten times what a program waits for Keyward: on a busy machine nothing is at once.
const SOON: Duration = Duration::from_secs(2);

/// Sends a request that has a credential, and must not pass; gives the Checks that it took.
async fn refused(example: &Example, fake: &Fake) -> usize {
    let before = fake.checks();
    let begun = Instant::now();
    let reply = exchange(
        example.address,
        &request("GET", "/v1/templates", &[("x-api-key", "k"), ("connection", "close")], ""),
    )
    .await;
    assert!(begun.elapsed() < SOON, "{:?}", begun.elapsed());
    assert_eq!((reply.status, reply.message.header("retry-after")), (503, Some("1")), "{reply:?}");
    fake.checks() - before
}

/// One that is there and does not decide lets nothing through, even where an absent one would.
// H2
pub(crate) async fn undecided(recipe: &Recipe) {
    let unavailable = |reason| Some((Code::Unavailable, reason));
    for said in [unavailable("COUNTS_UNWRITTEN"), unavailable("STORE_UNAVAILABLE"), None] {
        let fake = Fake::start(said);
        let Some(example) = Example::start(recipe, fake.address, &[("FAIL_OPEN", "yes")]) else { return };
        refused(&example, &fake).await;
        let log = example.stop();
        assert!(!log.contains("let through unchecked"), "{log}");
    }
}

pub(crate) async fn counted(recipe: &Recipe) {
    let unwritten = Fake::start(Some((Code::Unavailable, "COUNTS_UNWRITTEN")));
    let Some(example) = Example::start(recipe, unwritten.address, &[]) else { return };
    // A machine that is busy can leave no time for the second try.
    let twice = async {
        loop {
            match refused(&example, &unwritten).await {
                0 | 1 => {}
                tries => return tries,
            }
        }
    };
    assert_eq!(timeout(PATIENCE, twice).await.unwrap(), 2);
    let log = example.stop();
    assert!(log.contains("COUNTS_UNWRITTEN"), "{log}");

    let broken = Fake::start(Some((Code::Internal, "INTERNAL")));
    let Some(example) = Example::start(recipe, broken.address, &[("FAIL_OPEN", "yes")]) else { return };
    for _ in 0..3 {
        assert!(refused(&example, &broken).await <= 1, "what may have been charged was asked again");
    }
    assert!((1..=3).contains(&broken.checks()), "{}", broken.checks());

    let silent = Fake::start(None);
    let Some(example) = Example::start(recipe, silent.address, &[]) else { return };
    assert!(refused(&example, &silent).await <= 1);
}
