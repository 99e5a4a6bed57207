//! A Check in JSON is the Check of gRPC: the same answer, field by field.

use std::time::Duration;

use keyward::wire::v1::{self, CheckMode, check_request::Subject};
use serde_json::{Value, json};

use crate::{
    client::ask,
    description,
    support::{
        check, holder_key, policy_with_routes,
        verbs::{DAY, HOUR, bound, strings},
    },
    twins::{Twins, limited},
};

async fn start() -> Twins {
    let routes = policy_with_routes(&[
        ("GET", "/v1/messages", "messaging:send", ""),
        ("", "/v1/{any=**}", "denied", ""),
        ("POST", "/v1/messages", "public", ""),
    ]);
    Twins::start(limited(&routes, &[(1_000, "hour"), (2_000, "day")])).await
}

/// A question as JSON has it, with what is set alone.
fn to_json(asked: &v1::CheckRequest) -> Value {
    let mut question = json!({});
    let mut put = |name: &str, value: Value, is_set: bool| {
        if is_set {
            question[name] = value;
        }
    };
    match &asked.subject {
        Some(Subject::ApiKey(key)) => put("api_key", json!(key), true),
        Some(Subject::KeyId(id)) => put("key_id", json!(id), true),
        None => {}
    }
    let groups: Vec<Value> = asked.any_scopes.iter().map(|group| json!({ "scopes": group.scopes })).collect();
    put("scopes", json!(asked.scopes), !asked.scopes.is_empty());
    put("any_scopes", json!(groups), !groups.is_empty());
    put("resource", json!(asked.resource), !asked.resource.is_empty());
    put("cost", json!(asked.cost), asked.cost.is_some());
    put("workspace_id", json!(asked.workspace_id), !asked.workspace_id.is_empty());
    put("environment", json!(asked.environment), !asked.environment.is_empty());
    let mode = asked.mode().as_str_name().trim_start_matches("CHECK_MODE_");
    put("mode", json!(mode), asked.mode != 0);
    put("min_revision", json!(asked.min_revision), asked.min_revision != 0);
    if let Some(context) = &asked.context {
        let v1::CheckContext { source_address, method, path, user_agent, request_id, host } = context;
        let context = json!({
            "source_address": source_address, "method": method, "path": path, "user_agent": user_agent,
            "request_id": request_id, "host": host,
        });
        put("context", context, true);
    }
    question
}

fn time(time: Option<prost_types::Timestamp>) -> Value {
    let text =
        |time: prost_types::Timestamp| jiff::Timestamp::new(time.seconds, time.nanos).unwrap().to_string();
    time.map_or(Value::Null, |time| Value::from(text(time)))
}

/// Of whole seconds, as all of these are.
fn duration(duration: Option<prost_types::Duration>) -> Value {
    let text = |duration: prost_types::Duration| {
        assert_eq!(duration.nanos, 0);
        format!("{}s", duration.seconds)
    };
    duration.map_or(Value::Null, |duration| Value::from(text(duration)))
}

fn reason(reason: i32) -> &'static str {
    v1::DenialReason::try_from(reason).unwrap().as_str_name().trim_start_matches("DENIAL_REASON_")
}

/// What an answer of gRPC is in JSON, written down a second time.
fn expected(answer: &v1::CheckResponse) -> Value {
    let failure =
        |failure: &v1::DenialFailure| json!({ "reason": reason(failure.reason), "message": failure.message });
    let denial = answer.denial.as_ref().map(|denial| {
        json!({
            "reason": reason(denial.reason),
            "message": denial.message,
            "missing_scopes": denial.missing_scopes,
            "retry_after": duration(denial.retry_after),
            "failures": denial.failures.iter().map(failure).collect::<Vec<_>>(),
        })
    });
    let key = answer.key.as_ref().map(|key| {
        let creator = key.creator.as_ref().map(|creator| {
            json!({
                "key_id": creator.key_id,
                "owner": creator.owner,
                "workspace_id": creator.workspace_id,
                "on_behalf_of": creator.on_behalf_of,
            })
        });
        let grant = |grant: &v1::Grant| json!({ "scope": grant.scope, "resources": grant.resources });
        let secret = key.secret.as_ref().map(
            |secret| json!({ "generation": secret.generation, "retiring_at": time(secret.retiring_at) }),
        );
        json!({
            "id": key.id,
            "workspace_id": key.workspace_id,
            "owner": key.owner,
            "creator": creator,
            "environment": key.environment,
            "scopes": key.scopes,
            "grants": key.grants.iter().map(grant).collect::<Vec<_>>(),
            "plan": key.plan,
            "metadata": key.metadata,
            "secret": secret,
        })
    });
    let limit = |limit: &v1::LimitState| {
        json!({
            "name": limit.name,
            "limit": limit.limit,
            "remaining": limit.remaining,
            "reset_time": time(limit.reset_time),
            "window": duration(limit.window),
        })
    };
    let route = |route: &v1::PolicyRoute| {
        let access = route.access().as_str_name().trim_start_matches("POLICY_ROUTE_ACCESS_").to_owned();
        json!({
            "host": route.host,
            "method": route.method,
            "path": route.path,
            "scopes": route.scopes,
            "resource": route.resource,
            "cost": route.cost,
            "access": access,
        })
    };
    let other = |other: &v1::RouteNotTaken| json!({ "route": other.route.as_ref().map(route), "field": other.field, "why": other.why });
    let explanation = answer.route.as_ref().map(|found| {
        json!({
            "route": found.route.as_ref().map(route),
            "field": found.field,
            "resource": found.resource,
            "why": found.why,
            "others": found.others.iter().map(other).collect::<Vec<_>>(),
        })
    });
    json!({
        "route": explanation,
        "allowed": answer.allowed,
        "denial": denial,
        "key": key,
        "limits": answer.limits.iter().map(limit).collect::<Vec<_>>(),
        "degraded": answer.degraded,
        "revision": answer.revision,
    })
}

/// Asks one twin in each way, as root; tells the reason of a denial.
async fn ask_both(twins: &Twins, asked: v1::CheckRequest) -> String {
    let mut by_grpc = twins.one.keys().check(twins.one.as_root(asked.clone())).await;
    for _retry in 0..100 {
        if by_grpc.is_err() {
            by_grpc = twins.one.keys().check(twins.one.as_root(asked.clone())).await;
        }
    }
    let by_grpc = by_grpc.unwrap().into_inner();
    let question = to_json(&asked);
    assert_eq!(description::question_faults(&question, &mut description::Shown::new()), [""; 0]);
    let caller = format!("Bearer {}", twins.other.root);
    let headers = [("content-type", "application/json; charset=utf-8"), ("authorization", &caller)];
    let mut by_http = ask(&twins.other, "POST", "/v1/check", &headers, &question.to_string()).await;
    for _retry in 0..100 {
        if by_http.status == 503 {
            by_http = ask(&twins.other, "POST", "/v1/check", &headers, &question.to_string()).await;
        }
    }
    assert_eq!(by_http.status, 200, "{question}: {by_http:?}");
    assert_eq!(by_http.json(), expected(&by_grpc), "{question}");
    assert_eq!(by_grpc.allowed, by_grpc.denial.is_none());
    by_grpc.denial.map(|denial| reason(denial.reason).to_owned()).unwrap_or_default()
}

fn from(asked: v1::CheckRequest, source_address: &str) -> v1::CheckRequest {
    let context = v1::CheckContext {
        source_address: source_address.to_owned(),
        method: "GET".to_owned(),
        path: "/v1/messages".to_owned(),
        user_agent: "a \"client\"\n\u{1f511}".to_owned(),
        request_id: "1".to_owned(),
        host: "api.example.com:443".to_owned(),
    };
    v1::CheckRequest { context: Some(context), ..asked }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_question_has_the_answer_that_grpc_gives() {
    // S7, H2
    let twins = Box::pin(start()).await;
    let (other, _) = twins.one.register("other").await;
    twins.other.register("other").await;
    let issued = twins.issue(v1::IssueRequest {
        owner: "user_1".to_owned(),
        grants: vec![bound("storage:upload", &["bucket_1", "shared/*"])],
        allowed_cidrs: strings(&["203.0.113.0/24"]),
        metadata: [("team".to_owned(), "\"blue\" \u{e9}".to_owned())].into(),
        ..holder_key(&["messaging:send", "templates:*"])
    });
    let issued = issued.await;
    let asked = |scopes: &[&str]| from(check(&issued.api_key, scopes), "203.0.113.7");
    let with = |mode: CheckMode, asked: v1::CheckRequest| v1::CheckRequest { mode: mode.into(), ..asked };
    let group = |scopes: &[&str]| v1::ScopeGroup { scopes: strings(scopes) };
    let by_id =
        || v1::CheckRequest { subject: Some(Subject::KeyId(issued.key.id.clone())), ..asked(&["x:y"]) };
    let revision = twins.one.revision().await;
    let any = vec![group(&["templates:read", "a:b"]), group(&["messaging:send"])];
    let no_group = vec![group(&["a:b", "c:d"])];
    let nobody = v1::CheckRequest { subject: None, ..asked(&[]) };
    for (place, (question, denied)) in [
        (asked(&["messaging:send"]), ""),
        (asked(&[]), ""),
        (v1::CheckRequest { resource: "shared/a".to_owned(), ..asked(&["storage:upload"]) }, ""),
        (v1::CheckRequest { any_scopes: any, ..asked(&[]) }, ""),
        (v1::CheckRequest { cost: Some(0), min_revision: revision, ..asked(&["messaging:send"]) }, ""),
        (v1::CheckRequest { cost: Some(7), environment: "live".to_owned(), ..asked(&[]) }, ""),
        (v1::CheckRequest { workspace_id: issued.key.workspace_id.clone(), ..asked(&[]) }, ""),
        (with(CheckMode::Enforce, asked(&["messaging:send"])), ""),
        (with(CheckMode::Peek, asked(&["messaging:send"])), ""),
        (with(CheckMode::Explain, asked(&["messaging:send"])), ""),
        (with(CheckMode::Explain, from(by_id(), "")), "SCOPE_INSUFFICIENT"),
        (with(CheckMode::Peek, by_id()), "SCOPE_INSUFFICIENT"),
        (asked(&["messaging:send", "storage:delete"]), "SCOPE_INSUFFICIENT"),
        (v1::CheckRequest { any_scopes: no_group, ..asked(&[]) }, "SCOPE_INSUFFICIENT"),
        (asked(&["storage:upload"]), "RESOURCE_NOT_GRANTED"),
        (v1::CheckRequest { environment: "test".to_owned(), ..asked(&[]) }, "ENVIRONMENT_MISMATCH"),
        (v1::CheckRequest { workspace_id: other.id, ..asked(&[]) }, "WORKSPACE_MISMATCH"),
        (from(asked(&[]), "198.51.100.7"), "ADDRESS_NOT_ALLOWED"),
        (from(asked(&[]), ""), "ADDRESS_NOT_ALLOWED"),
        (nobody, "CREDENTIALS_MISSING"),
        (check("", &[]), "CREDENTIALS_MISSING"),
        (check("kw_live_0", &[]), "CREDENTIALS_MALFORMED"),
        (check("k\u{e4}\u{0}\"\\", &[]), "CREDENTIALS_MALFORMED"),
        (check(&twins.one.root, &[]), "KEY_UNKNOWN"),
        (check("another-systems-token", &["messaging:send"]), "KEY_UNKNOWN"),
        (v1::CheckRequest { cost: Some(1_001), ..asked(&[]) }, "RATE_LIMITED"),
    ]
    .into_iter()
    .enumerate()
    {
        assert_eq!(ask_both(&twins, question).await, denied, "question {place}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_state_of_a_key_has_the_answer_that_grpc_gives() {
    // R4, L9
    let twins = Box::pin(start()).await;
    let issue = || twins.issue(holder_key(&["messaging:send"]));
    let (revoked, disabled, replaced, spent) = (issue().await, issue().await, issue().await, issue().await);
    let expire_time = Some(twins.one.clock.after(HOUR));
    let expiring = twins.issue(v1::IssueRequest { expire_time, ..holder_key(&["messaging:send"]) }).await;
    twins.revoke(&revoked.key.id).await;
    twins.disable(&disabled.key.id).await;
    let rotated = twins.rotate(&replaced.key.id, Some(DAY)).await;
    let send = |key: &str| check(key, &["messaging:send"]);
    let costing = |cost| v1::CheckRequest { cost: Some(cost), ..send(&spent.api_key) };
    for (question, denied) in [
        (send(&revoked.api_key), "KEY_REVOKED"),
        (send(&disabled.api_key), "KEY_DISABLED"),
        (send(&replaced.api_key), ""),
        (send(&rotated.api_key), ""),
        (send(&expiring.api_key), ""),
        (costing(1_000), ""),
        (costing(1), "RATE_LIMITED"),
        (v1::CheckRequest { mode: CheckMode::Explain.into(), ..costing(1) }, "RATE_LIMITED"),
    ] {
        assert_eq!(ask_both(&twins, question).await, denied);
    }
    twins.advance(HOUR + Duration::from_millis(500));
    assert_eq!(ask_both(&twins, send(&expiring.api_key)).await, "KEY_EXPIRED");
    assert_eq!(ask_both(&twins, costing(1_000)).await, "");
    twins.advance(HOUR);
    assert_eq!(ask_both(&twins, costing(1)).await, "QUOTA_EXCEEDED");
    twins.advance(DAY);
    assert_eq!(ask_both(&twins, send(&replaced.api_key)).await, "KEY_EXPIRED", "its grace is over");
}
