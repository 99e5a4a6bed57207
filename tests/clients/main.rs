//! The programs of `examples/clients/`: each is run as its README says, in front of a real Keyward, and asked over HTTP.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

#[path = "../support/exchange.rs"]
mod exchange;
#[path = "../support/process.rs"]
mod process;
#[allow(dead_code, unreachable_pub, reason = "it belongs to all tests")]
#[path = "../support/skip.rs"]
mod skip;

#[allow(dead_code, unreachable_pub, reason = "it belongs to the tests of TLS")]
#[path = "../tls/certificates.rs"]
mod certificates;

mod answers;
mod example;
mod fake;
mod house;
mod outage;
mod secured;
mod tries;

use crate::example::{GO, GRPC_JS, NODE_CONNECT, PYTHON};

/// Each of these tests, for each of the programs.
macro_rules! for_each_program {
    ($($program:ident: $recipe:expr;)*) => {$(
        mod $program {
            use super::*;

            #[tokio::test]
            async fn a_holder_gets_the_answers_that_a_gateway_gives() {
                answers::all(&$recipe).await;
            }

            #[test]
            fn the_requests_of_its_readme_get_what_it_says() {
                answers::of_the_readme(&$recipe);
            }

            #[tokio::test]
            async fn exactly_one_credential_counts() {
                answers::credentials(&$recipe).await;
            }

            #[tokio::test]
            async fn only_what_was_not_charged_is_asked_again_once_and_never_for_long() {
                tries::counted(&$recipe).await;
            }

            #[tokio::test]
            async fn a_keyward_that_is_there_and_does_not_decide_is_not_away() {
                tries::undecided(&$recipe).await;
            }

            #[tokio::test]
            async fn nothing_passes_while_keyward_is_away_and_all_is_well_when_it_is_back() {
                outage::closed(&$recipe).await;
            }

            #[tokio::test]
            async fn who_says_so_lets_requests_through_while_keyward_is_away_and_only_then() {
                outage::open(&$recipe).await;
            }
        }
    )*};
}

for_each_program! {
    python: PYTHON;
    node_grpc_js: GRPC_JS;
    node_connect: NODE_CONNECT;
    go: GO;

}

// M3
#[tokio::test]
async fn python_trusts_whom_it_is_told_to_and_proves_who_it_is() {
    secured::trusted(&PYTHON).await;
}

// M3
#[tokio::test]
async fn grpc_js_trusts_whom_it_is_told_to_and_proves_who_it_is() {
    secured::trusted(&GRPC_JS).await;
}

// M3
#[tokio::test]
async fn connect_trusts_whom_it_is_told_to_and_proves_who_it_is() {
    secured::trusted(&NODE_CONNECT).await;
}
