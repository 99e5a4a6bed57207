//! Issue.

use crate::support::Keyward;

#[tokio::test(flavor = "multi_thread")]
async fn an_issued_key_survives_a_restart() {
    // K1, K2
    let keyward = Keyward::start().await;
    let issued = keyward.issue_scopes(&["messaging:send"]).await;
    assert_eq!(keyward.denied(&issued.api_key, &["messaging:send"]).await, None);
    let keyward = keyward.restart().await;
    assert_eq!(keyward.denied(&issued.api_key, &["messaging:send"]).await, None);
    keyward.stop().await;
}
