//! What a caller who is bound to a workspace sees of operators: that it was one, and neither who nor from where.

use keyward::wire::v1::{self, ActorKind, CheckMode};

use crate::support::{
    Issued, Keyward, admin_rights, check, holder_key, policy_with_routes, signed,
    verbs::{HOUR, by_id, named},
};

const READS: [&str; 5] = ["keys:check", "keys:explain", "keys:read", "policy:read", "audit:read"];

struct Tenant {
    keyward: Keyward,
    workspace: String,
    /// A caller of the workspace, who can read, and its key's id.
    reader: Issued,
    /// A caller of the workspace who may do everything there.
    own: Issued,
    operator: String,
}

impl Tenant {
    async fn start() -> Self {
        let keyward = Keyward::start_with(true, routes()).await;
        let workspace = keyward.register("mine").await.0.id;
        let reader = keyward.issue_admin(&workspace, admin_rights(&READS, false)).await;
        let all = ["keys:issue", "keys:revoke", "keys:rotate"];
        let own = keyward.issue_admin(&workspace, admin_rights(&all, false)).await;
        let operator = keyward.root_id().await;
        Self { keyward, workspace, reader, own, operator }
    }

    fn holder(&self) -> v1::IssueRequest {
        v1::IssueRequest {
            workspace_id: self.workspace.clone(),
            on_behalf_of: String::new(),
            ..holder_key(&["a:b"])
        }
    }

    async fn show(&self, caller: &str, id: &str) -> v1::Key {
        self.keyward.keys().get_key(signed(caller, named(id))).await.unwrap().into_inner().key.unwrap()
    }

    async fn records(&self, request: v1::QueryLogRequest) -> Vec<v1::AuditRecord> {
        let request = signed(&self.reader.api_key, request);
        self.keyward.audit().query_log(request).await.unwrap().into_inner().records
    }
}

fn routes() -> keyward::domain::policy::Policy {
    policy_with_routes(&[("GET", "/things", "a:b", "")])
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_tells_a_bound_caller_of_no_operator() {
    // T1, T3
    let tenant = Tenant::start().await;
    let keyward = &tenant.keyward;
    let by_operator = keyward.issue(tenant.holder()).await.key;
    let by_own = keyward.try_issue(&tenant.own.api_key, tenant.holder()).await.unwrap().into_inner();
    let own_key = by_own.key.clone().unwrap();
    let creator = |key: &v1::Key| key.creator.clone().unwrap();
    let shown = tenant.show(&tenant.reader.api_key, &by_operator.id).await;
    assert_eq!(creator(&shown), v1::Creator::default());
    assert_eq!(creator(&tenant.show(&keyward.root, &by_operator.id).await).key_id, tenant.operator);
    let own = creator(&tenant.show(&tenant.reader.api_key, &own_key.id).await);
    assert_eq!((own.key_id, own.workspace_id), (tenant.own.key.id.clone(), tenant.workspace.clone()));
    // A change of the caller's own answers the same.
    let rotation = crate::support::verbs::rotation(&by_operator.id, Some(HOUR));
    let rotated = keyward.keys().rotate(signed(&tenant.own.api_key, rotation)).await.unwrap().into_inner();
    assert_eq!(creator(rotated.key.as_ref().unwrap()), v1::Creator::default());
    let list = v1::ListKeysRequest::default();
    let listed = keyward.keys().list_keys(signed(&tenant.reader.api_key, list)).await.unwrap().into_inner();
    assert!(listed.keys.len() >= 3);
    assert!(listed.keys.iter().all(|key| creator(key).key_id != tenant.operator));

    keyward.revoke(&by_operator.id).await;
    let revocation = tenant.show(&tenant.reader.api_key, &by_operator.id).await.revocation.unwrap();
    assert_eq!((revocation.revoked_by.as_str(), revocation.by_operator), ("", true));
    let whole = tenant.show(&keyward.root, &by_operator.id).await.revocation.unwrap();
    assert_eq!((&whole.revoked_by, whole.by_operator), (&tenant.operator, false));
    keyward.keys().revoke(signed(&tenant.own.api_key, by_id(&own_key.id))).await.unwrap();
    let revocation = tenant.show(&tenant.reader.api_key, &own_key.id).await.revocation.unwrap();
    assert_eq!((&revocation.revoked_by, revocation.by_operator), (&tenant.own.key.id, false));
    tenant.keyward.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_check_tells_a_bound_caller_of_no_operator() {
    // T1, T3
    let tenant = Tenant::start().await;
    let keyward = &tenant.keyward;
    let by_operator = keyward.issue(tenant.holder()).await;
    let by_own = keyward.try_issue(&tenant.own.api_key, tenant.holder()).await.unwrap().into_inner();
    let creator = async |caller: &str, mode: CheckMode, api_key: &str| {
        let question = v1::CheckRequest { mode: mode.into(), ..check(api_key, &["a:b"]) };
        let answer = keyward.keys().check(signed(caller, question.clone())).await.unwrap().into_inner();
        let of = |answer: &v1::CheckResponse| answer.key.as_ref().unwrap().creator.clone().unwrap();
        for all_or_nothing in [false, true] {
            if all_or_nothing && mode != CheckMode::Enforce {
                continue;
            }
            let batch = v1::BatchCheckRequest { requests: vec![question.clone()], all_or_nothing };
            let batch = keyward.keys().batch_check(signed(caller, batch)).await.unwrap().into_inner();
            assert_eq!(of(&answer), of(&batch.responses[0]), "{all_or_nothing}");
        }
        of(&answer)
    };
    for mode in [CheckMode::Enforce, CheckMode::Peek, CheckMode::Explain] {
        let reader = &tenant.reader.api_key;
        assert_eq!(creator(reader, mode, &by_operator.api_key).await, v1::Creator::default());
        assert_eq!(creator(reader, mode, &by_own.api_key).await.key_id, tenant.own.key.id);
    }
    // The last use is exact to the minute.
    keyward.clock.advance(std::time::Duration::from_secs(60));
    let whole = creator(&keyward.root, CheckMode::Enforce, &by_operator.api_key).await;
    assert_eq!(whole.key_id, tenant.operator);
    // Who asked, with which secret.
    let rotation =
        v1::GetRotationRequest { key_id: by_operator.key.id.clone(), ..v1::GetRotationRequest::default() };
    let users = async |caller: &str| {
        let answer = keyward.keys().get_rotation(signed(caller, rotation.clone())).await.unwrap();
        let users = answer.into_inner().secrets.remove(0).users;
        users.into_iter().map(|user| (user.caller_key_id, user.by_operator)).collect::<Vec<_>>()
    };
    assert_eq!(users(&tenant.reader.api_key).await[0], (String::new(), true));
    assert_eq!(users(&keyward.root).await[0], (tenant.operator.clone(), false));
    keyward.clock.advance(std::time::Duration::from_secs(60));
    creator(&tenant.reader.api_key, CheckMode::Enforce, &by_operator.api_key).await;
    assert_eq!(users(&tenant.reader.api_key).await[0], (tenant.reader.key.id.clone(), false));
    tenant.keyward.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_log_tells_a_bound_caller_that_it_was_an_operator_and_no_more() {
    // T1, A2
    let tenant = Tenant::start().await;
    let keyward = &tenant.keyward;
    let by_operator = keyward.issue(tenant.holder()).await;
    let by_own = keyward.try_issue(&tenant.own.api_key, tenant.holder()).await.unwrap().into_inner();
    keyward.end(&by_operator.api_key).await.unwrap();
    let records =
        tenant.records(v1::QueryLogRequest { page_size: 100, ..v1::QueryLogRequest::default() }).await;
    let actor = |key: &str, action: v1::AuditAction| {
        let found = records.iter().find(|record| record.key_id == key && record.action() == action);
        found.unwrap().actor.clone().unwrap()
    };
    let nameless = v1::Actor { kind: ActorKind::Admin.into(), ..v1::Actor::default() };
    assert_eq!(actor(&by_operator.key.id, v1::AuditAction::KeyIssue), nameless);
    let own = actor(&by_own.key.as_ref().unwrap().id, v1::AuditAction::KeyIssue);
    assert_eq!((own.key_id.as_str(), own.address.as_str()), (tenant.own.key.id.as_str(), "127.0.0.1"));
    let holder = actor(&by_operator.key.id, v1::AuditAction::KeyRevoke);
    assert_eq!((holder.kind(), &holder.key_id), (ActorKind::Holder, &by_operator.key.id));
    let of = async |actor: &str| {
        let request =
            v1::QueryLogRequest { actor_key_id: actor.to_owned(), ..v1::QueryLogRequest::default() };
        tenant.records(request).await.len()
    };
    assert_eq!(of(&tenant.operator).await, 0, "a filter would tell who it was");
    assert_eq!(of(&tenant.own.key.id).await, 1);
    tenant.keyward.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn explain_tells_no_route_to_whom_explain_route_tells_none() {
    // T1, L12
    let tenant = Tenant::start().await;
    let keyward = &tenant.keyward;
    let key = keyward.issue(tenant.holder()).await.api_key;
    let context = v1::CheckContext {
        method: "GET".to_owned(),
        host: "api.example.com".to_owned(),
        path: "/things".to_owned(),
        ..v1::CheckContext::default()
    };
    let question =
        v1::CheckRequest { mode: CheckMode::Explain.into(), context: Some(context), ..check(&key, &["a:b"]) };
    let route = async |caller: &str| {
        let answer = keyward.keys().check(signed(caller, question.clone())).await.unwrap().into_inner();
        assert!(answer.allowed);
        let asked = v1::ExplainRouteRequest {
            method: "GET".to_owned(),
            host: "api.example.com".to_owned(),
            path: "/things".to_owned(),
        };
        let explained = keyward.policies().explain_route(signed(caller, asked)).await;
        assert_eq!(explained.is_ok(), answer.route.is_some());
        answer.route.is_some()
    };
    let global = async |scopes: &[&str]| keyward.issue_admin("", admin_rights(scopes, true)).await.api_key;
    assert!(!route(&tenant.reader.api_key).await, "bound to one workspace");
    assert!(!route(&global(&["keys:explain"]).await).await, "without policy:read");
    assert!(route(&global(&["keys:explain", "policy:read"]).await).await);
    assert!(route(&keyward.root).await);
    tenant.keyward.stop().await;
}
