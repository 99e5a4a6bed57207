//! Check.

use std::time::Duration;

use keyward::wire::v1::{self, CheckMode, DenialReason, check_request::Subject};
use tonic::{Code, Request};

use crate::support::{
    FIFTEEN_SCOPES, Keyward, admin_rights, check, holder_key, reason, signed,
    verbs::{DAY, HOUR, MS, assert_field, bound, peek, refusal, strings},
};

#[tokio::test(flavor = "multi_thread")]
async fn each_scope_opens_only_its_own_row() {
    // S1, S2
    let keyward = Keyward::start().await;
    for held in FIFTEEN_SCOPES {
        let issued = keyward.issue_scopes(&[held]).await;
        for asked in FIFTEEN_SCOPES {
            let answer = keyward.check(&issued.api_key, &[asked]).await;
            assert_eq!(answer.allowed, held == asked, "{held} for {asked}");
            if held != asked {
                assert_eq!(reason(&answer), Some(DenialReason::ScopeInsufficient));
                assert_eq!(answer.denial.unwrap().missing_scopes, [asked]);
            }
        }
    }
    keyward.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_right_is_exactly_its_scope() {
    // S1
    let keyward = Keyward::start().await;
    let issued = keyward.issue_scopes(&["project:read"]).await;
    for other in ["projects:read", "project:readall", "project:rea", "project:write", "read:project"] {
        let denied = keyward.denied(&issued.api_key, &[other]).await;
        assert_eq!(denied, Some(DenialReason::ScopeInsufficient), "{other}");
    }
    assert_eq!(keyward.denied(&issued.api_key, &[]).await, None, "no scopes: who is it, and nothing more");
    keyward.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wildcard_is_every_action_on_one_resource_and_nothing_else() {
    // S4
    let keyward = Keyward::start().await;
    let issued = keyward.issue_scopes(&["storage:*"]).await;
    assert_eq!(keyward.denied(&issued.api_key, &["storage:read", "storage:delete"]).await, None);
    for other in ["storages:read", "storag:read", "messaging:send"] {
        let denied = keyward.denied(&issued.api_key, &[other]).await;
        assert_eq!(denied, Some(DenialReason::ScopeInsufficient), "{other}");
    }
    assert_eq!(keyward.show(&issued.key.id).await.scopes, ["storage:*"]);
    let required = check(&issued.api_key, &["storage:*"]);
    assert_field(keyward.keys().check(required).await, "scopes[0]");
    keyward.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bound_grant_holds_for_its_resources_only() {
    // S3
    let keyward = Keyward::start().await;
    let request = v1::IssueRequest {
        grants: vec![bound("storage:upload", &["space/cdn-eu"]), bound("domains:manage", &["project/p1/*"])],
        ..holder_key(&["storage:read"])
    };
    let issued = keyward.issue(request).await;
    let ask = async |scope: &str, resource: &str| {
        let question = v1::CheckRequest { resource: resource.to_owned(), ..check(&issued.api_key, &[scope]) };
        reason(&keyward.ask(question).await)
    };
    let elsewhere = Some(DenialReason::ResourceNotGranted);
    assert_eq!(ask("storage:upload", "space/cdn-eu").await, None);
    assert_eq!(ask("storage:upload", "space/cdn-eu2").await, elsewhere);
    assert_eq!(ask("storage:upload", "space/cdn-eu/a").await, elsewhere);
    assert_eq!(ask("storage:upload", "").await, elsewhere, "a request without a resource");
    assert_eq!(ask("domains:manage", "project/p1/d1").await, None);
    assert_eq!(ask("domains:manage", "project/p1/d1/x").await, elsewhere);
    assert_eq!(ask("domains:manage", "project/p2/d1").await, elsewhere);
    assert_eq!(ask("storage:read", "space/other").await, None, "an unbound scope holds everywhere");
    assert_eq!(ask("storage:read", "").await, None);
    assert_eq!(ask("storage:delete", "space/cdn-eu").await, Some(DenialReason::ScopeInsufficient));
    keyward.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn all_scopes_and_one_of_each_group_are_needed() {
    // S7
    let keyward = Keyward::start().await;
    let issued = keyward.issue_scopes(&["a:a", "b:b"]).await;
    let ask = async |scopes: &[&str], groups: &[&[&str]]| {
        let any_scopes = groups.iter().map(|group| v1::ScopeGroup { scopes: strings(group) }).collect();
        let answer = keyward.ask(v1::CheckRequest { any_scopes, ..check(&issued.api_key, scopes) }).await;
        answer.denial.map(|denial| denial.missing_scopes)
    };
    assert_eq!(ask(&["a:a", "b:b"], &[&["c:c", "a:a"], &["b:b"]]).await, None);
    assert_eq!(ask(&["a:a", "c:c", "d:d"], &[]).await, Some(strings(&["c:c", "d:d"])));
    assert_eq!(ask(&["a:a"], &[&["a:a"], &["c:c", "d:d"]]).await, Some(strings(&["c:c", "d:d"])));
    assert_eq!(ask(&["c:c"], &[&["d:d", "e:e"]]).await, Some(strings(&["c:c", "d:d", "e:e"])));
    keyward.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_is_presented_is_an_answer_and_never_a_way_in() {
    // K4, K5, X2
    let keyward = Keyward::start().await;
    let good = keyward.issue_scopes(&["messaging:send"]).await.api_key;
    let other = keyward.issue_scopes(&["messaging:send"]).await.api_key;
    let malformed = DenialReason::CredentialsMalformed;
    let unknown = DenialReason::KeyUnknown;
    let mut swapped: Vec<char> = good.chars().collect();
    let place = (8..50).find(|place| swapped[*place] != swapped[place + 1]).unwrap();
    swapped.swap(place, place + 1);
    let cases: Vec<(String, DenialReason)> = vec![
        (String::new(), DenialReason::CredentialsMissing),
        (good[..good.len() - 1].to_owned(), malformed),
        (good[1..].to_owned(), unknown),
        (format!("{good}A"), malformed),
        (format!(" {good}"), malformed),
        (format!("{good} "), malformed),
        (format!("{good}\n"), malformed),
        (format!("{good}\r\n"), malformed),
        (format!("{good}\0"), malformed),
        (format!("\0{good}"), malformed),
        (format!("{good},{good}"), malformed),
        (format!("{other},{good}"), malformed),
        (format!("{good}{other}"), malformed),
        (format!("Bearer {good}"), malformed),
        (format!("\"{good}\""), malformed),
        (format!("\u{feff}{good}"), malformed),
        (format!("{good}\u{301}"), malformed),
        (good.replacen('_', "\u{ff3f}", 1), malformed),
        (swapped.into_iter().collect(), malformed),
        (good.to_uppercase(), unknown),
        (good.replacen("kw_", "KW_", 1), unknown),
        (good.replacen("kw_live_", "kw_test_", 1), malformed),
        (good.replacen("kw_live_", "kw_admin_", 1), malformed),
        (good.replacen("kw_live_", "pxk_live_", 1), unknown),
        ("kw_live_".to_owned(), malformed),
        ("kw_live".to_owned(), unknown),
        ("eyJhbGciOiJub25lIn0.eyJzdWIiOiIxIn0.".to_owned(), unknown),
        ("a".repeat(256), unknown),
        ("a".repeat(257), malformed),
        ("ключ".to_owned(), malformed),
        ("' OR 1=1 --".to_owned(), malformed),
        ("%".to_owned(), malformed),
        ("🔑".repeat(1_000), malformed),
        ("a".repeat((512 << 10) - 64), malformed),
        (format!("kw_live_{}", "a".repeat((512 << 10) - 100)), malformed),
    ];
    for (presented, expected) in cases {
        for scopes in [&["messaging:send"][..], &[]] {
            let answer = keyward.ask(check(&presented, scopes)).await;
            let shown: String = presented.chars().take(80).collect();
            assert_eq!(reason(&answer), Some(expected), "{shown:?}");
            assert!(answer.key.is_none(), "{shown:?}");
        }
    }
    assert_eq!(keyward.denied(&good, &["messaging:send"]).await, None, "nothing was spoilt");
    keyward.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_key_with_one_wrong_character_is_denied() {
    // K4
    let keyward = Keyward::start().await;
    let good = keyward.issue_scopes(&["messaging:send"]).await.api_key;
    for place in 0..good.len() {
        let mut wrong = good.clone();
        let instead = if &good[place..=place] == "x" { "y" } else { "x" };
        wrong.replace_range(place..=place, instead);
        assert_ne!(keyward.denied(&wrong, &[]).await, None, "{place}");
    }
    keyward.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_over_a_mebibyte_or_with_bytes_that_are_no_text_allows_nothing() {
    // X1, X2
    let keyward = Keyward::start().await;
    let huge = keyward.keys().check(check(&"a".repeat(1 << 20), &[])).await;
    assert_eq!(huge.err().unwrap().code(), Code::OutOfRange);
    // Field 1 (api_key), two bytes that are not UTF-8: no client library sends them.
    let bytes = vec![0x0a, 0x02, 0xff, 0xfe];
    assert!(keyward.call("keyward.v1.KeyService/Check", &[], bytes).await.is_err());
    keyward.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_credential_is_a_denial() {
    let keyward = Keyward::start().await;
    let answer = keyward.ask(v1::CheckRequest::default()).await;
    assert_eq!(reason(&answer), Some(DenialReason::CredentialsMissing));
    assert!(answer.key.is_none());
    keyward.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cookie_or_a_header_is_no_credential_of_a_holder() {
    // K5
    let keyward = Keyward::start().await;
    let good = keyward.issue_scopes(&["messaging:send"]).await.api_key;
    let mut request = Request::new(v1::CheckRequest::default());
    for name in ["cookie", "x-api-key", "x-forwarded-authorization"] {
        request.metadata_mut().insert(name, good.parse().unwrap());
    }
    let answer = keyward.keys().check(request).await.unwrap().into_inner();
    assert_eq!(reason(&answer), Some(DenialReason::CredentialsMissing));

    let mut request = Request::new(crate::support::verbs::named("key_00000000000000000000000000"));
    request
        .metadata_mut()
        .insert("cookie", format!("authorization=Bearer {}", keyward.root).parse().unwrap());
    request.metadata_mut().insert("x-api-key", keyward.root.parse().unwrap());
    refusal(keyward.keys().get_key(request).await, Code::Unauthenticated, "CALLER_MISSING");
    let jwt = "eyJhbGciOiJub25lIn0.eyJzdWIiOiIxIn0.";
    let request = signed(jwt, crate::support::verbs::named("key_00000000000000000000000000"));
    refusal(keyward.keys().get_key(request).await, Code::Unauthenticated, "CALLER_INVALID");
    keyward.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_allowed_check_says_whose_key_it_is() {
    // K3, T3, R4
    let keyward = Keyward::start().await;
    let request = v1::IssueRequest {
        owner: "user:42".to_owned(),
        environment: "test".to_owned(),
        grants: vec![bound("storage:upload", &["space/a"])],
        metadata: [("team".to_owned(), "search".to_owned())].into(),
        ..holder_key(&["messaging:send"])
    };
    let issued = keyward.issue(request).await;
    let answer = keyward.check(&issued.api_key, &["messaging:send"]).await;
    assert!(answer.allowed && !answer.degraded);
    assert_eq!(answer.limits.len(), 1);
    assert_eq!(answer.revision, keyward.revision().await);
    let key = answer.key.unwrap();
    assert_eq!((&key.id, &key.workspace_id), (&issued.key.id, &issued.key.workspace_id));
    assert_eq!((key.owner.as_str(), key.environment.as_str()), ("user:42", "test"));
    assert_eq!(key.creator, issued.key.creator);
    assert_eq!((&key.scopes, &key.grants), (&issued.key.scopes, &issued.key.grants));
    assert_eq!((key.plan.as_str(), key.metadata["team"].as_str()), ("starter", "search"));
    let secret = key.secret.unwrap();
    assert_eq!((secret.generation, secret.retiring_at), (1, None));
    keyward.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_state_denies_with_its_own_reason() {
    // K8, K9, V1
    let keyward = Keyward::start().await;
    let disabled = keyward.issue_scopes(&["messaging:send"]).await;
    keyward.disable(&disabled.key.id).await;
    let revoked = keyward.issue_scopes(&["messaging:send"]).await;
    keyward.revoke(&revoked.key.id).await;
    let expiring =
        v1::IssueRequest { expire_time: Some(keyward.clock.after(HOUR)), ..holder_key(&["messaging:send"]) };
    let expired = keyward.issue(expiring.clone()).await;
    let all = keyward.issue(expiring).await;
    keyward.disable(&all.key.id).await;
    keyward.clock.advance(HOUR);
    for (key, expected) in [
        (&disabled, DenialReason::KeyDisabled),
        (&revoked, DenialReason::KeyRevoked),
        (&expired, DenialReason::KeyExpired),
        (&all, DenialReason::KeyExpired),
    ] {
        let answer = keyward.check(&key.api_key, &["messaging:send"]).await;
        assert_eq!(reason(&answer), Some(expected));
        let denial = answer.denial.unwrap();
        assert!(!denial.message.is_empty() && denial.failures.is_empty() && denial.retry_after.is_none());
        assert_eq!(answer.key.unwrap().id, key.key.id, "a native caller may know which key it was");
    }
    keyward.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_of_another_environment_is_denied() {
    let keyward = Keyward::start().await;
    let issued = keyward.issue_scopes(&["messaging:send"]).await;
    for (environment, expected) in [
        ("live", None),
        ("test", Some(DenialReason::EnvironmentMismatch)),
        ("gone-by-now", Some(DenialReason::EnvironmentMismatch)),
    ] {
        let question =
            v1::CheckRequest { environment: environment.to_owned(), ..check(&issued.api_key, &[]) };
        assert_eq!(reason(&keyward.ask(question).await), expected, "{environment}");
    }
    keyward.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_bound_to_networks_is_good_from_there_only() {
    // S8
    let keyward = Keyward::start().await;
    let request = v1::IssueRequest {
        allowed_cidrs: strings(&["10.0.0.0/8", "2001:db8::/32", "192.0.2.7/32"]),
        ..holder_key(&["messaging:send"])
    };
    let issued = keyward.issue(request).await;
    let free = keyward.issue_scopes(&["messaging:send"]).await;
    let ask = async |api_key: &str, address: &str| {
        let context = v1::CheckContext { source_address: address.to_owned(), ..v1::CheckContext::default() };
        reason(&keyward.ask(v1::CheckRequest { context: Some(context), ..check(api_key, &[]) }).await)
    };
    for address in ["10.1.2.3", "10.255.255.255", "::ffff:10.1.2.3", "2001:db8::1", "192.0.2.7"] {
        assert_eq!(ask(&issued.api_key, address).await, None, "{address}");
    }
    for address in ["", "11.0.0.0", "9.255.255.255", "127.0.0.1", "2001:db9::", "192.0.2.8", "::10.1.2.3"] {
        let denied = ask(&issued.api_key, address).await;
        assert_eq!(denied, Some(DenialReason::AddressNotAllowed), "{address:?}");
        assert_eq!(ask(&free.api_key, address).await, None);
    }
    let denied = keyward.denied(&issued.api_key, &[]).await;
    assert_eq!(denied, Some(DenialReason::AddressNotAllowed), "no context at all");
    keyward.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn explain_names_every_condition_that_fails() {
    // S7, L12
    let keyward = Keyward::start().await;
    let (other, _) = keyward.register("other").await;
    let request = v1::IssueRequest {
        allowed_cidrs: strings(&["10.0.0.0/8"]),
        grants: vec![bound("storage:upload", &["space/a"])],
        ..holder_key(&["messaging:send"])
    };
    let issued = keyward.issue(request).await;
    keyward.rotate(&issued.key.id, Some(HOUR)).await;
    keyward.disable(&issued.key.id).await;
    keyward.clock.advance(HOUR);
    let question = v1::CheckRequest {
        workspace_id: other.id,
        environment: "test".to_owned(),
        resource: "space/b".to_owned(),
        mode: CheckMode::Explain.into(),
        ..check(&issued.api_key, &["storage:upload", "x:y", "z:z"])
    };
    let answer = keyward.ask_as_root(question.clone()).await;
    assert_eq!(reason(&answer), Some(DenialReason::KeyDisabled));
    let denial = answer.denial.unwrap();
    let failures: Vec<_> = denial.failures.iter().map(v1::DenialFailure::reason).collect();
    assert_eq!(
        failures,
        [
            DenialReason::KeyDisabled,
            DenialReason::KeyExpired,
            DenialReason::WorkspaceMismatch,
            DenialReason::EnvironmentMismatch,
            DenialReason::ScopeInsufficient,
            DenialReason::ResourceNotGranted,
            DenialReason::AddressNotAllowed,
        ]
    );
    assert!(denial.failures.iter().all(|failure| !failure.message.is_empty()));
    assert_eq!(denial.missing_scopes, ["x:y", "z:z"]);
    let peeked = v1::CheckRequest { mode: CheckMode::Peek.into(), ..question };
    assert!(keyward.ask(peeked).await.denial.unwrap().failures.is_empty(), "peek names the first only");

    let fine = keyward.issue_scopes(&["messaging:send"]).await;
    let question =
        v1::CheckRequest { mode: CheckMode::Explain.into(), ..check(&fine.api_key, &["messaging:send"]) };
    assert_eq!(reason(&keyward.ask_as_root(question).await), None);
    let unknown = v1::CheckRequest { mode: CheckMode::Explain.into(), ..check("nobody", &[]) };
    let denial = keyward.ask_as_root(unknown).await.denial.unwrap();
    assert_eq!(denial.failures[0].reason(), DenialReason::KeyUnknown);
    keyward.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn only_an_enforcing_check_that_is_allowed_leaves_a_last_use() {
    // K3, S7, L12
    let keyward = Keyward::start().await;
    let issued = keyward.issue_scopes(&["messaging:send"]).await;
    let last_use = async || keyward.show(&issued.key.id).await.last_use_time;
    for mode in [CheckMode::Peek, CheckMode::Explain] {
        let question = v1::CheckRequest { mode: mode.into(), ..check(&issued.api_key, &[]) };
        assert!(keyward.ask_as_root(question).await.allowed);
    }
    assert!(keyward.ask_as_root(peek(&issued.key.id, &[])).await.allowed);
    assert!(keyward.denied(&issued.api_key, &["other:scope"]).await.is_some());
    assert_eq!(last_use().await, None);

    keyward.clock.advance(Duration::from_millis(61_500));
    assert_eq!(keyward.denied(&issued.api_key, &[]).await, None);
    let minute = prost_types::Timestamp { seconds: crate::support::START_MS / 1_000 + 60, nanos: 0 };
    assert_eq!(last_use().await, Some(minute), "exact to the minute");
    keyward.clock.advance(HOUR);
    assert!(keyward.denied(&issued.api_key, &["other:scope"]).await.is_some());
    assert_eq!(last_use().await, Some(minute), "a denial is no use");
    let keyward = keyward.restart().await;
    assert_eq!(keyward.show(&issued.key.id).await.last_use_time, Some(minute));
    keyward.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn operators_ask_by_id_and_only_to_look() {
    let keyward = Keyward::start().await;
    let issued = keyward.issue_scopes(&["messaging:send"]).await;
    let answer = keyward.ask_as_root(peek(&issued.key.id, &["messaging:send"])).await;
    assert!(answer.allowed);
    assert!(answer.key.unwrap().secret.is_none(), "no secret was presented");
    let answer = keyward.ask_as_root(peek(&issued.key.id, &["other:scope"])).await;
    assert_eq!(reason(&answer), Some(DenialReason::ScopeInsufficient));
    for mode in [CheckMode::Unspecified, CheckMode::Enforce] {
        let question = v1::CheckRequest { mode: mode.into(), ..peek(&issued.key.id, &[]) };
        assert_field(keyward.keys().check(keyward.as_root(question.clone())).await, "key_id");
        refusal(keyward.keys().check(question).await, Code::Unauthenticated, "CALLER_MISSING");
    }
    let unknown = peek("key_00000000000000000000000000", &[]);
    refusal(keyward.keys().check(keyward.as_root(unknown)).await, Code::NotFound, "KEY_NOT_FOUND");
    keyward.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_administration_key_is_no_holders_key() {
    // X9
    let keyward = Keyward::start().await;
    let admin = keyward.issue_admin("", admin_rights(&["keys:check"], true)).await;
    for api_key in [&keyward.root, &admin.api_key] {
        for scopes in [&[][..], &["keys:check"]] {
            let answer = keyward.check(api_key, scopes).await;
            assert_eq!(reason(&answer), Some(DenialReason::KeyUnknown));
            assert!(answer.key.is_none());
        }
    }
    let by_id = keyward.keys().check(keyward.as_root(peek(&admin.key.id, &[]))).await;
    refusal(by_id, Code::NotFound, "KEY_NOT_FOUND");
    keyward.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_of_one_workspace_satisfies_no_check_of_another() {
    // T1
    let keyward = Keyward::start().await;
    let (mine, my_key) = keyward.register("mine").await;
    let (theirs, their_key) = keyward.register("theirs").await;
    let caller =
        keyward.issue_admin(&mine.id, admin_rights(&["keys:check", "keys:explain"], false)).await.api_key;
    let ask =
        async |caller: &str, question: v1::CheckRequest| keyward.keys().check(signed(caller, question)).await;
    let within = |api_key: &str, workspace: &str| v1::CheckRequest {
        workspace_id: workspace.to_owned(),
        ..check(api_key, &["messaging:send"])
    };

    let own = ask(&caller, within(&my_key.api_key, "")).await.unwrap().into_inner();
    assert!(own.allowed);
    assert!(ask(&caller, within(&my_key.api_key, &mine.id)).await.unwrap().into_inner().allowed);
    let foreign = ask(&caller, within(&their_key.api_key, "")).await.unwrap().into_inner();
    assert_eq!(reason(&foreign), Some(DenialReason::KeyUnknown));
    assert!(foreign.key.is_none(), "a bound caller learns nothing of a foreign key");
    let unknown = ask(&caller, within("nobody", "")).await.unwrap().into_inner();
    assert_eq!(foreign.denial, unknown.denial, "as of one that never existed");
    let asked = ask(&caller, within(&my_key.api_key, &theirs.id)).await;
    refusal(asked, Code::NotFound, "WORKSPACE_NOT_FOUND");
    let by_id = ask(&caller, peek(&their_key.key.id, &[])).await;
    refusal(by_id, Code::NotFound, "KEY_NOT_FOUND");
    assert!(ask(&caller, peek(&my_key.key.id, &[])).await.unwrap().into_inner().allowed);

    let global = ask(&keyward.root, within(&their_key.api_key, &mine.id)).await.unwrap().into_inner();
    assert_eq!(reason(&global), Some(DenialReason::WorkspaceMismatch));
    let open = keyward.ask(within(&their_key.api_key, &mine.id)).await;
    assert_eq!(reason(&open), Some(DenialReason::WorkspaceMismatch));
    assert!(keyward.ask(within(&their_key.api_key, &theirs.id)).await.allowed);
    assert!(keyward.ask(within(&their_key.api_key, "")).await.allowed);
    keyward.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revision_that_is_not_there_yet_is_awaited_and_then_unavailable() {
    let keyward = Keyward::start().await;
    let issued = keyward.issue_scopes(&["messaging:send"]).await;
    let at = |min_revision| v1::CheckRequest { min_revision, ..check(&issued.api_key, &[]) };
    assert!(keyward.ask(at(issued.key.revision)).await.allowed);
    for ahead in [issued.key.revision + 1, u64::MAX] {
        let status = refusal(keyward.keys().check(at(ahead)).await, Code::Unavailable, "REVISION_AHEAD");
        let details = tonic_types::StatusExt::get_details_retry_info(&status).unwrap();
        assert!(details.retry_delay.is_some());
    }
    let (mut asking, next) = (keyward.keys(), at(issued.key.revision + 1));
    let (answer, _) = tokio::join!(asking.check(next), keyward.issue_scopes(&["messaging:send"]));
    assert!(answer.unwrap().into_inner().allowed, "it came while the Check was waiting");
    keyward.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cost_has_a_bound_and_may_be_nothing() {
    let keyward = Keyward::start().await;
    let issued = keyward.issue_scopes(&["messaging:send"]).await;
    let costing = |cost| v1::CheckRequest { cost, ..check(&issued.api_key, &[]) };
    for cost in [Some(1_000_000_000_000), Some(0)] {
        assert!(keyward.ask(costing(cost)).await.allowed);
    }
    for cost in [None, Some(1)] {
        let denied = reason(&keyward.ask(costing(cost)).await);
        assert_eq!(denied, Some(DenialReason::RateLimited), "the greatest cost is the greatest limit");
    }
    for cost in [1_000_000_000_001, u64::MAX] {
        assert_field(keyward.keys().check(costing(Some(cost))).await, "cost");
    }
    keyward.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_at_its_bound_is_taken() {
    let keyward = Keyward::start().await;
    let issued = keyward.issue_scopes(&["a:*"]).await;
    let scopes: Vec<String> = (0..64).map(|place| format!("a:s{place}")).collect();
    let question = v1::CheckRequest {
        subject: Some(Subject::ApiKey(issued.api_key)),
        scopes: scopes.clone(),
        any_scopes: vec![v1::ScopeGroup { scopes: scopes[..8].to_vec() }; 16],
        resource: "r".repeat(256),
        context: Some(v1::CheckContext {
            source_address: "::1".to_owned(),
            method: "ü".repeat(64),
            path: "ü".repeat(8_192),
            user_agent: "東".repeat(8_192),
            request_id: "ü".repeat(128),
            host: "h".repeat(512),
        }),
        ..v1::CheckRequest::default()
    };
    assert!(keyward.ask(question).await.allowed);
    keyward.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_key_of_an_owner_says_nothing_about_another() {
    // K6
    let keyward = Keyward::start().await;
    let request = v1::IssueRequest { owner: "user:1".to_owned(), ..holder_key(&["messaging:send"]) };
    let kept = keyward.issue(request.clone()).await;
    let [revoked, rotated, disabled] = [
        keyward.issue(request.clone()).await,
        keyward.issue(request.clone()).await,
        keyward.issue(request).await,
    ];
    keyward.revoke(&revoked.key.id).await;
    keyward.rotate(&rotated.key.id, Some(Duration::ZERO)).await;
    keyward.disable(&disabled.key.id).await;
    for dead in [&revoked, &rotated, &disabled] {
        assert_ne!(keyward.denied(&dead.api_key, &[]).await, None);
    }
    assert_eq!(keyward.denied(&kept.api_key, &["messaging:send"]).await, None);
    assert_eq!(keyward.show(&kept.key.id).await.revision, kept.key.revision);
    keyward.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_goes_on_by_a_day_changes_nothing_for_a_key_without_end() {
    // K8
    let keyward = Keyward::start().await;
    let issued = keyward.issue_scopes(&["messaging:send"]).await;
    keyward.clock.advance(DAY * 36_500 + MS);
    assert_eq!(keyward.denied(&issued.api_key, &[]).await, None);
    keyward.stop().await;
}
