//! The messaging platform: fifteen scopes, three environments, four tiers.

use keyward::wire::v1::{self, DenialReason, PolicyCalendar};

use crate::{
    platform::{Platform, limits_of, only},
    support::{
        FIFTEEN_SCOPES, check, reason,
        verbs::{assert_field, bound},
    },
};

#[tokio::test(flavor = "multi_thread")]
async fn each_of_the_fifteen_scopes_opens_its_own_row_only() {
    // S2
    let platform = Platform::start("messaging-platform").await;
    assert_eq!(platform.scopes(), FIFTEEN_SCOPES, "these and no others");
    for granted in FIFTEEN_SCOPES {
        let made = platform.issue(&[granted]).await;
        for asked in FIFTEEN_SCOPES {
            let answer = platform.keyward.check(&made.api_key, &[asked]).await;
            let denial = (granted != asked).then_some(DenialReason::ScopeInsufficient);
            assert_eq!(reason(&answer), denial, "{granted} asked for {asked}");
            let missing = answer.denial.map(|denial| denial.missing_scopes).unwrap_or_default();
            assert_eq!(missing.first().map(String::as_str), denial.map(|_| asked));
        }
    }
    assert_field(platform.try_issue(platform.key(&["messaging:receive"])).await, "scopes");
    platform.keyward.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_for_live_test_and_dev_are_told_by_their_prefix_and_kept_apart() {
    // K4
    let platform = Platform::start("messaging-platform").await;
    let environments = ["live", "test", "dev"];
    for (environment, prefix) in environments.into_iter().zip(["pxk_live_", "pxk_test_", "pxk_dev_"]) {
        let request =
            v1::IssueRequest { environment: environment.to_owned(), ..platform.key(&["messaging:send"]) };
        let made = platform.keyward.issue(request).await;
        assert!(made.api_key.starts_with(prefix), "{prefix}");
        let word = made.api_key.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        assert!(word, "it is selected whole by a double click");
        for asked in environments {
            let question = v1::CheckRequest {
                environment: asked.to_owned(),
                ..check(&made.api_key, &["messaging:send"])
            };
            let denial = (environment != asked).then_some(DenialReason::EnvironmentMismatch);
            assert_eq!(reason(&platform.keyward.ask(question).await), denial, "{environment}, {asked}");
        }
        let mut mistyped = made.api_key.clone();
        let last = if mistyped.pop() == Some('A') { 'B' } else { 'A' };
        mistyped.push(last);
        let denied = platform.keyward.denied(&mistyped, &["messaging:send"]).await;
        assert_eq!(denied, Some(DenialReason::CredentialsMalformed), "a typing error needs no look-up");
    }
    let policy = platform.keyward.in_force().await.policy.unwrap();
    let billed: Vec<bool> = policy.environments.iter().map(|environment| environment.billable).collect();
    assert_eq!(billed, [true, false, false], "L13, as it is declared");
    platform.keyward.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_tiers_are_those_of_the_platform() {
    // L2, as they are declared
    let platform = Platform::start("messaging-platform").await;
    let policy = platform.keyward.in_force().await.policy.unwrap();
    for (tier, scope, units) in [
        ("permissions-check", Some("permissions:check"), 5_000),
        ("permissions-manage", Some("permissions:manage"), 500),
        ("permissions-audit", Some("permissions:audit"), 100),
        ("default", None, 1_000),
    ] {
        let hour = ("hour".to_owned(), units, PolicyCalendar::Hour);
        assert_eq!(limits_of(&policy, "starter", tier), [hour], "{tier}");
        let declared = policy.tiers.iter().find(|known| known.name == tier).unwrap();
        assert_eq!(declared.scopes.first().map(String::as_str), scope);
        assert!(declared.scopes.len() <= 1);
    }
    assert_eq!(policy.tiers.len(), 4);
    platform.keyward.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn permissions_in_general_are_the_asking_only() {
    // S4
    let platform = Platform::start("messaging-platform").await;
    let wide = platform.issue(&["permissions:*", "storage:*"]).await;
    let opened = only(&["storage:upload", "storage:read", "storage:delete", "permissions:check"]);
    assert_eq!(platform.opened_by(&wide.api_key).await, opened);
    let named = platform.issue(&["permissions:*", "permissions:audit"]).await;
    assert_eq!(
        platform.opened_by(&named.api_key).await,
        only(&["permissions:check", "permissions:audit"]),
        "granted by its own name"
    );
    platform.keyward.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_key_of_one_space_opens_no_other() {
    // S3
    let platform = Platform::start("messaging-platform").await;
    let request =
        v1::IssueRequest { grants: vec![bound("storage:upload", &["space/cdn-eu"])], ..platform.key(&[]) };
    let made = platform.keyward.issue(request).await;
    for (resource, denial) in [
        ("space/cdn-eu", None),
        ("space/cdn-us", Some(DenialReason::ResourceNotGranted)),
        ("", Some(DenialReason::ResourceNotGranted)),
    ] {
        let question =
            v1::CheckRequest { resource: resource.to_owned(), ..check(&made.api_key, &["storage:upload"]) };
        assert_eq!(reason(&platform.keyward.ask(question).await), denial, "{resource}");
    }
    platform.keyward.stop().await;
}
