//! `VerifyLog`.

use keyward::{
    domain::{
        audit::{Chain, digest},
        revision::Revision,
    },
    wire::v1,
};
use tonic::Code;

use crate::support::{Keyward, admin_rights, signed, verbs::refusal};

async fn verify(keyward: &Keyward) -> v1::VerifyLogResponse {
    keyward.audit().verify_log(keyward.as_root(v1::VerifyLogRequest {})).await.unwrap().into_inner()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_untouched_log_holds_and_its_head_is_the_newest_record() {
    // A3
    let keyward = Keyward::start().await;
    let first = verify(&keyward).await;
    assert_eq!((first.records, first.head_revision, first.fault.clone()), (1, 1, None));
    let issued = keyward.issue_scopes(&["a:a"]).await;
    keyward.revoke(&issued.key.id).await;
    let keyward = keyward.restart().await;
    let second = verify(&keyward).await;
    assert_eq!((second.records, second.head_revision, second.fault.clone()), (3, 3, None));
    assert_eq!(second.head_chain, keyward.newest_record().await.chain);
    assert_ne!(second.head_chain, first.head_chain);
    let not_zero = Chain::START.next(Revision(1), &digest(b""));
    assert_ne!(second.head_chain, not_zero.0);
    keyward.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn only_a_global_caller_verifies() {
    // T1
    let keyward = Keyward::start().await;
    let bound = keyward.issue_admin("", admin_rights(&["audit:read"], false)).await;
    let refused = keyward.audit().verify_log(signed(&bound.api_key, v1::VerifyLogRequest {})).await;
    refusal(refused, Code::PermissionDenied, "GLOBAL_CALLER_REQUIRED");
    let global = keyward.issue_admin("", admin_rights(&["audit:read"], true)).await;
    keyward.audit().verify_log(signed(&global.api_key, v1::VerifyLogRequest {})).await.unwrap();
    keyward.stop().await;
}
