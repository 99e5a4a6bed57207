//! A server under one of the examples, and what the example declares, read from its TOML by another way than the server's.

use keyward::wire::v1;
use toml::{Table, Value};
use tonic::{Response, Status};

use crate::support::{
    Issued, Keyward, check, holder_key,
    verbs::{DAY, strings},
};

pub(crate) const PLATFORMS: [&str; 4] =
    ["deployment-platform", "link-shortener", "messaging-platform", "site-builder"];

/// The text of an example.
pub(crate) fn example(name: &str) -> String {
    let path = format!("{}/examples/policies/{name}.toml", env!("CARGO_MANIFEST_DIR"));
    std::fs::read_to_string(path).unwrap()
}

/// A server under an example.
pub(crate) struct Platform {
    pub(crate) keyward: Keyward,
    pub(crate) document: Table,
    pub(crate) applied: v1::ApplyPolicyResponse,
}

impl Platform {
    /// A new server, and the example in force.
    pub(crate) async fn start(name: &str) -> Self {
        Self::put_in_force(Keyward::start().await, name).await
    }

    pub(crate) async fn put_in_force(keyward: Keyward, name: &str) -> Self {
        let toml = example(name);
        let applied = apply(&keyward, &toml).await.unwrap().into_inner();
        Self { keyward, document: toml.parse().unwrap(), applied }
    }

    /// Every declared scope.
    pub(crate) fn scopes(&self) -> Vec<String> {
        self.entries("scopes").map(|scope| name(scope).to_owned()).collect()
    }

    /// The scopes that no wildcard reaches.
    pub(crate) fn marked(&self) -> Vec<String> {
        let marked = self
            .entries("scopes")
            .filter(|scope| scope.get("not_by_wildcard").and_then(Value::as_bool).unwrap_or_default());
        marked.map(|scope| name(scope).to_owned()).collect()
    }

    /// The entries of a list of the document.
    pub(crate) fn entries(&self, list: &str) -> impl Iterator<Item = &Value> {
        self.document.get(list).and_then(Value::as_array).into_iter().flatten()
    }

    /// A request for a key that keeps the rules of every example.
    pub(crate) fn key(&self, scopes: &[&str]) -> v1::IssueRequest {
        v1::IssueRequest {
            name: "test-key".to_owned(),
            expire_time: Some(self.keyward.clock.after(30 * DAY)),
            ..holder_key(scopes)
        }
    }

    pub(crate) async fn issue(&self, scopes: &[&str]) -> Issued {
        self.keyward.issue(self.key(scopes)).await
    }

    pub(crate) async fn try_issue(
        &self,
        request: v1::IssueRequest,
    ) -> Result<Response<v1::IssueResponse>, Status> {
        self.keyward.try_issue(&self.keyward.root, request).await
    }

    /// A workspace on this plan, or on that of who asks for none, and its first key.
    pub(crate) async fn register(
        &self,
        plan: &str,
        scopes: &[&str],
    ) -> Result<Response<v1::RegisterWorkspaceResponse>, Status> {
        let request = v1::RegisterWorkspaceRequest {
            name: "Example Ltd".to_owned(),
            plan: plan.to_owned(),
            key: Some(self.key(scopes)),
            ..v1::RegisterWorkspaceRequest::default()
        };
        self.keyward.workspaces().register_workspace(self.keyward.as_root(request)).await
    }

    /// Those of all declared scopes that a presented key opens, one Check each; its limits are looked at, not used.
    pub(crate) async fn opened_by(&self, api_key: &str) -> Vec<String> {
        let scopes = self.scopes();
        let peek = |scope: &String| v1::CheckRequest {
            mode: v1::CheckMode::Peek.into(),
            ..check(api_key, &[scope])
        };
        let requests = scopes.iter().map(peek).collect();
        let batch = v1::BatchCheckRequest { requests, ..v1::BatchCheckRequest::default() };
        let answers = self.keyward.keys().batch_check(batch).await.unwrap().into_inner().responses;
        assert_eq!(answers.len(), scopes.len());
        let opened = scopes.into_iter().zip(&answers).filter(|(_, answer)| answer.allowed);
        opened.map(|(scope, _)| scope).collect()
    }
}

/// Puts a document in force in the place of whichever is.
pub(crate) async fn apply(
    keyward: &Keyward,
    toml: &str,
) -> Result<Response<v1::ApplyPolicyResponse>, Status> {
    keyward.apply_expecting_all(toml, "an example").await
}

/// What an entry of the document is called.
pub(crate) fn name(entry: &Value) -> &str {
    text(entry, "name")
}

/// A text of an entry.
pub(crate) fn text<'a>(entry: &'a Value, field: &str) -> &'a str {
    entry.get(field).and_then(Value::as_str).unwrap_or_default()
}

/// The resource part of a scope.
pub(crate) fn resource_of(scope: &str) -> &str {
    scope.split_once(':').unwrap().0
}

/// The limits of a tier by itself, and of a tier on a plan, as name, units and calendar.
pub(crate) fn limits_of(
    policy: &v1::Policy,
    plan: &str,
    tier: &str,
) -> Vec<(String, u64, v1::PolicyCalendar)> {
    let plan = policy.plans.iter().find(|known| known.name == plan).unwrap();
    let own = policy.tiers.iter().find(|known| known.name == tier).unwrap();
    let set = plan.tiers.iter().find(|known| known.tier == tier).map_or(&own.limits, |set| &set.limits);
    let all = set.iter().map(|limit| {
        let Some(v1::policy_limit::Window::Calendar(calendar)) = limit.window else { panic!("{limit:?}") };
        (limit.name.clone(), limit.limit, v1::PolicyCalendar::try_from(calendar).unwrap())
    });
    all.collect()
}

/// Those of `scopes` that `opened` should hold, in the order of the document.
pub(crate) fn only(scopes: &[&str]) -> Vec<String> {
    strings(scopes)
}
