//! Every method of every service × every kind of caller, and what nobody may hand out. A method without a row fails.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

#[path = "admin_matrix/bounds.rs"]
mod bounds;
#[path = "admin_matrix/ceilings.rs"]
mod ceilings;
mod support;
#[path = "admin_matrix/tenants.rs"]
mod tenants;

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use futures_util::future::join_all;
use keyward::{
    domain::secret::{Prefix, SecretKey},
    wire::{
        self,
        v1::{self, change_keys_request::Action},
    },
};
use prost::Message as _;
use prost_reflect::DescriptorPool;
use support::{
    Issued, Keyward, SeededEntropy, admin_rights, check, error_reason, holder_key, policy, signed,
    verbs::{
        DAY, HOUR, MS, bound, by_id, by_possession, disabling, enabling, metadata, named, peek, refusal,
        renaming, rotation, strings, update,
    },
};
use tonic::{Code, Response, Status};

const ADMIN_SCOPES: [&str; 14] = [
    "keys:check",
    "keys:explain",
    "keys:read",
    "keys:issue",
    "keys:import",
    "keys:update",
    "keys:rotate",
    "keys:revoke",
    "workspaces:read",
    "workspaces:manage",
    "policy:read",
    "policy:apply",
    "audit:read",
    "admin:grant",
];

const ADD_MEMBER: &str = "keyward.v1.WorkspaceService/AddMember";

/// Who may use a method, beside the scopes that it needs.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Access {
    /// Anybody who brings no credential, or a good one: what counts is in the request.
    Possession,
    /// Where Checks are open, whoever brings no credential, else a caller of any workspace.
    Checker,
    /// The same, but it names a workspace, which must be the caller's.
    CheckerWithin,
    /// Callers whose workspace has what the request names.
    Within,
    /// Callers of any workspace, each of whom sees its own.
    Anywhere,
    /// Global callers.
    Global,
}

/// A request with a fault.
enum Spoilt {
    /// An id is none.
    Id(Vec<u8>),
    /// What it names is well-named, and the rest does not fit.
    Rest(Vec<u8>),
}

struct Row {
    method: &'static str,
    needs: &'static [&'static str],
    access: Access,
    good: Vec<u8>,
    spoilt: Vec<Spoilt>,
}

/// What there is to ask about; made anew by the test for each row, so that no row sees what another did.
struct Place {
    workspace: String,
    key: Issued,
    /// A workspace that nothing else is in.
    spare: String,
}

fn rows(place: &Place) -> Vec<Row> {
    let all = [
        check_rows(place),
        key_rows(place),
        bulk_rows(place),
        usage_rows(place),
        audit_rows(place),
        workspace_rows(place),
        status_rows(),
        state_rows(place),
        member_rows(place),
        import_rows(place),
        review_rows(place),
    ];
    all.into_iter().flatten().collect()
}

fn check_rows(Place { workspace, key, .. }: &Place) -> Vec<Row> {
    const CHECK: &str = "keyward.v1.KeyService/Check";
    const BATCH: &str = "keyward.v1.KeyService/BatchCheck";
    let batch = |request: v1::CheckRequest| {
        v1::BatchCheckRequest { requests: vec![request], ..v1::BatchCheckRequest::default() }.encode_to_vec()
    };
    let explain = |scopes: &[&str]| v1::CheckRequest {
        mode: v1::CheckMode::Explain.into(),
        ..check(&key.api_key, scopes)
    };
    let within =
        |scopes: &[&str]| v1::CheckRequest { workspace_id: workspace.clone(), ..check(&key.api_key, scopes) };
    let row = |method,
               needs,
               access,
               good: v1::CheckRequest,
               bad: v1::CheckRequest,
               bad_id: Option<v1::CheckRequest>| {
        let bytes = |request: v1::CheckRequest| {
            if method == BATCH { batch(request) } else { request.encode_to_vec() }
        };
        let mut spoilt = vec![Spoilt::Rest(bytes(bad))];
        spoilt.extend(bad_id.map(|bad_id| Spoilt::Id(bytes(bad_id))));
        Row { method, needs, access, good: bytes(good), spoilt }
    };
    let mut rows = Vec::new();
    for method in [CHECK, BATCH] {
        let plain = |scopes: &[&str]| check(&key.api_key, scopes);
        rows.push(row(method, &["keys:check"], Access::Checker, plain(&["a:b"]), plain(&["*"]), None));
        rows.push(row(
            method,
            &["keys:check"],
            Access::CheckerWithin,
            within(&["a:b"]),
            within(&["*"]),
            None,
        ));
        let (good, bad) = (explain(&["a:b"]), explain(&["*"]));
        rows.push(Row {
            access: Access::Within,
            ..row(
                method,
                &["keys:explain"],
                Access::Within,
                v1::CheckRequest { workspace_id: workspace.clone(), ..good },
                v1::CheckRequest { workspace_id: workspace.clone(), ..bad },
                None,
            )
        });
        let id = &key.key.id;
        rows.push(row(
            method,
            &["keys:explain"],
            Access::Within,
            peek(id, &["a:b"]),
            peek(id, &["*"]),
            Some(peek("key_", &[])),
        ));
    }
    rows
}

fn key_rows(Place { workspace, key, .. }: &Place) -> Vec<Row> {
    let id = &key.key.id;
    let bad = || "\0".to_owned();
    let issue = || v1::IssueRequest { workspace_id: workspace.clone(), ..holder_key(&["a:b"]) };
    let admin = || v1::IssueRequest {
        scopes: Vec::new(),
        admin: Some(admin_rights(&["admin:grant"], false)),
        ..issue()
    };
    let list = || v1::ListKeysRequest { workspace_id: workspace.clone(), ..v1::ListKeysRequest::default() };
    let row = |method, needs, good: Vec<u8>, id: Vec<u8>, rest: Option<Vec<u8>>| {
        let mut spoilt = vec![Spoilt::Id(id)];
        spoilt.extend(rest.map(Spoilt::Rest));
        Row { method, needs, access: Access::Within, good, spoilt }
    };
    vec![
        row(
            "keyward.v1.KeyService/Issue",
            &["keys:issue"],
            issue().encode_to_vec(),
            v1::IssueRequest { workspace_id: bad(), ..issue() }.encode_to_vec(),
            Some(v1::IssueRequest { name: bad(), ..issue() }.encode_to_vec()),
        ),
        row(
            "keyward.v1.KeyService/Issue",
            &["admin:grant"],
            admin().encode_to_vec(),
            v1::IssueRequest { workspace_id: bad(), ..admin() }.encode_to_vec(),
            Some(v1::IssueRequest { admin: Some(v1::AdminRights::default()), ..admin() }.encode_to_vec()),
        ),
        row(
            "keyward.v1.KeyService/Rotate",
            &["keys:rotate"],
            rotation(id, Some(Duration::ZERO)).encode_to_vec(),
            rotation("key_", None).encode_to_vec(),
            Some(v1::RotateRequest { request_id: bad(), ..rotation(id, None) }.encode_to_vec()),
        ),
        row(
            "keyward.v1.KeyService/Revoke",
            &["keys:revoke"],
            by_id(id).encode_to_vec(),
            v1::RevokeRequest::default().encode_to_vec(),
            Some(v1::RevokeRequest { comment: bad(), ..by_id(id) }.encode_to_vec()),
        ),
        Row {
            method: "keyward.v1.KeyService/Revoke",
            needs: &[],
            access: Access::Possession,
            good: by_possession(&key.api_key).encode_to_vec(),
            spoilt: vec![Spoilt::Rest(
                v1::RevokeRequest { comment: bad(), ..by_possession(&key.api_key) }.encode_to_vec(),
            )],
        },
        row(
            "keyward.v1.KeyService/GetKey",
            &["keys:read"],
            named(id).encode_to_vec(),
            named("").encode_to_vec(),
            None,
        ),
        row(
            "keyward.v1.KeyService/GetEffectiveRights",
            &["keys:read"],
            v1::GetEffectiveRightsRequest { key_id: id.clone() }.encode_to_vec(),
            v1::GetEffectiveRightsRequest { key_id: bad() }.encode_to_vec(),
            None,
        ),
        row(
            "keyward.v1.KeyService/ListKeys",
            &["keys:read"],
            list().encode_to_vec(),
            v1::ListKeysRequest { workspace_id: bad(), ..list() }.encode_to_vec(),
            Some(v1::ListKeysRequest { page_size: -1, ..list() }.encode_to_vec()),
        ),
        row(
            "keyward.v1.KeyService/UpdateKey",
            &["keys:update"],
            renaming(id, "after").encode_to_vec(),
            v1::UpdateKeyRequest::default().encode_to_vec(),
            Some(update(v1::Key { id: id.clone(), ..v1::Key::default() }, &["*"]).encode_to_vec()),
        ),
        row(
            "keyward.v1.KeyService/DisableKey",
            &["keys:update"],
            disabling(id).encode_to_vec(),
            disabling("").encode_to_vec(),
            Some(v1::DisableKeyRequest { comment: bad(), ..disabling(id) }.encode_to_vec()),
        ),
        row(
            "keyward.v1.KeyService/EnableKey",
            &["keys:update"],
            enabling(id).encode_to_vec(),
            enabling("").encode_to_vec(),
            Some(v1::EnableKeyRequest { comment: bad(), ..enabling(id) }.encode_to_vec()),
        ),
    ]
}

fn bulk_rows(Place { workspace, .. }: &Place) -> Vec<Row> {
    let asked = |action| v1::ChangeKeysRequest {
        workspace_id: workspace.clone(),
        action: Some(action),
        validate_only: true,
        ..v1::ChangeKeysRequest::default()
    };
    let row = |needs, good: v1::ChangeKeysRequest| Row {
        method: "keyward.v1.KeyService/ChangeKeys",
        needs,
        access: Access::Within,
        spoilt: vec![
            Spoilt::Id(
                v1::ChangeKeysRequest { workspace_id: "ws_".to_owned(), ..good.clone() }.encode_to_vec(),
            ),
            Spoilt::Rest(v1::ChangeKeysRequest { tag: "\0".to_owned(), ..good.clone() }.encode_to_vec()),
        ],
        good: good.encode_to_vec(),
    };
    vec![
        row(&["keys:update"], asked(Action::Disable(v1::DisableKeys {}))),
        row(&["keys:revoke"], asked(Action::Revoke(v1::RevokeKeys { reason: 0 }))),
    ]
}

fn usage_rows(Place { workspace, key, .. }: &Place) -> Vec<Row> {
    let bad = || "\0".to_owned();
    let of_all = || v1::GetUsageRequest { workspace_id: workspace.clone(), ..v1::GetUsageRequest::default() };
    let of_one = || v1::GetUsageRequest { key_id: key.key.id.clone(), ..v1::GetUsageRequest::default() };
    let row = |good: v1::GetUsageRequest, id: v1::GetUsageRequest, rest: v1::GetUsageRequest| Row {
        method: "keyward.v1.KeyService/GetUsage",
        needs: &["keys:read"],
        access: Access::Within,
        good: good.encode_to_vec(),
        spoilt: vec![Spoilt::Id(id.encode_to_vec()), Spoilt::Rest(rest.encode_to_vec())],
    };
    vec![
        row(
            of_all(),
            v1::GetUsageRequest { workspace_id: bad(), ..of_all() },
            v1::GetUsageRequest { page_size: -1, ..of_all() },
        ),
        row(
            of_one(),
            v1::GetUsageRequest { key_id: bad(), ..of_one() },
            v1::GetUsageRequest { owner: bad(), ..of_one() },
        ),
    ]
}

fn import_rows(Place { workspace, .. }: &Place) -> Vec<Row> {
    let import = || v1::ImportKeysRequest {
        workspace_id: workspace.clone(),
        rows: vec![v1::ImportRow::default()],
        ..v1::ImportKeysRequest::default()
    };
    let scheme = |name: &str| v1::AddImportSchemeRequest {
        name: name.to_owned(),
        hmac_sha256_secret: b"a secret of another system".to_vec(),
    };
    vec![
        Row {
            method: "keyward.v1.KeyService/ImportKeys",
            needs: &["keys:import"],
            access: Access::Within,
            good: import().encode_to_vec(),
            spoilt: vec![
                Spoilt::Id(
                    v1::ImportKeysRequest { workspace_id: "\0".to_owned(), ..import() }.encode_to_vec(),
                ),
                Spoilt::Rest(v1::ImportKeysRequest { rows: Vec::new(), ..import() }.encode_to_vec()),
            ],
        },
        Row {
            method: "keyward.v1.KeyService/AddImportScheme",
            needs: &["keys:import"],
            access: Access::Global,
            good: scheme("acme").encode_to_vec(),
            spoilt: vec![Spoilt::Rest(scheme("Not a name").encode_to_vec())],
        },
        Row {
            method: "keyward.v1.KeyService/ListImportSchemes",
            needs: &["keys:read"],
            access: Access::Global,
            good: Vec::new(),
            spoilt: Vec::new(),
        },
    ]
}

fn review_rows(Place { workspace, key, .. }: &Place) -> Vec<Row> {
    let id = || key.key.id.clone();
    let rotation = |key_id| v1::GetRotationRequest { key_id, ..v1::GetRotationRequest::default() };
    let too_long = Some(prost_types::Duration { seconds: i64::MAX, nanos: 0 });
    let grace = |key_id| v1::UpdateGraceRequest {
        key_id,
        grace: Some(prost_types::Duration { seconds: 3_600, nanos: 0 }),
        ..v1::UpdateGraceRequest::default()
    };
    let row = |method, needs, good: Vec<u8>, id: Vec<u8>, rest: Vec<u8>| Row {
        method,
        needs,
        access: Access::Within,
        good,
        spoilt: vec![Spoilt::Id(id), Spoilt::Rest(rest)],
    };
    let late = Some(prost_types::Timestamp { seconds: 4_000_000_000, nanos: 0 });
    let least = |key_id| v1::GetLeastPrivilegeRequest { key_id, since: None };
    let narrow =
        |key_id| v1::NarrowKeyRequest { key_id, validate_only: true, ..v1::NarrowKeyRequest::default() };
    let reviewing =
        |workspace_id| v1::StreamReviewKeysRequest { workspace_id, ..v1::StreamReviewKeysRequest::default() };
    let review = |workspace_id| v1::ReviewKeysRequest { workspace_id, ..v1::ReviewKeysRequest::default() };
    vec![
        row(
            "keyward.v1.KeyService/GetRotation",
            &["keys:read"],
            rotation(id()).encode_to_vec(),
            rotation("key_".to_owned()).encode_to_vec(),
            v1::GetRotationRequest { quiet_period: too_long, ..rotation(id()) }.encode_to_vec(),
        ),
        row(
            "keyward.v1.KeyService/UpdateGrace",
            &["keys:rotate"],
            grace(id()).encode_to_vec(),
            grace(String::new()).encode_to_vec(),
            v1::UpdateGraceRequest { grace: None, ..grace(id()) }.encode_to_vec(),
        ),
        row(
            "keyward.v1.KeyService/GetLeastPrivilege",
            &["keys:read"],
            least(id()).encode_to_vec(),
            least("key_".to_owned()).encode_to_vec(),
            v1::GetLeastPrivilegeRequest { since: late, ..least(id()) }.encode_to_vec(),
        ),
        row(
            "keyward.v1.KeyService/NarrowKey",
            &["keys:update"],
            narrow(id()).encode_to_vec(),
            narrow("key_".to_owned()).encode_to_vec(),
            v1::NarrowKeyRequest { since: late, ..narrow(id()) }.encode_to_vec(),
        ),
        row(
            "keyward.v1.KeyService/ReviewKeys",
            &["keys:read"],
            review(workspace.clone()).encode_to_vec(),
            review("\0".to_owned()).encode_to_vec(),
            v1::ReviewKeysRequest { page_size: -1, ..review(workspace.clone()) }.encode_to_vec(),
        ),
        row(
            "keyward.v1.KeyService/StreamReviewKeys",
            &["keys:read"],
            reviewing(workspace.clone()).encode_to_vec(),
            reviewing("\0".to_owned()).encode_to_vec(),
            v1::StreamReviewKeysRequest { page_token: "x".to_owned(), ..reviewing(workspace.clone()) }
                .encode_to_vec(),
        ),
    ]
}

fn audit_rows(Place { workspace, .. }: &Place) -> Vec<Row> {
    let denials =
        || v1::QueryDenialsRequest { workspace_id: workspace.clone(), ..v1::QueryDenialsRequest::default() };
    let log = || v1::QueryLogRequest { workspace_id: workspace.clone(), ..v1::QueryLogRequest::default() };
    vec![
        Row {
            method: "keyward.v1.AuditService/QueryLog",
            needs: &["audit:read"],
            access: Access::Within,
            good: log().encode_to_vec(),
            spoilt: vec![
                Spoilt::Id(v1::QueryLogRequest { workspace_id: "\0".to_owned(), ..log() }.encode_to_vec()),
                Spoilt::Rest(v1::QueryLogRequest { page_size: -1, ..log() }.encode_to_vec()),
            ],
        },
        Row {
            method: "keyward.v1.AuditService/QueryDenials",
            needs: &["audit:read"],
            access: Access::Within,
            good: denials().encode_to_vec(),
            spoilt: vec![
                Spoilt::Id(
                    v1::QueryDenialsRequest { workspace_id: "\0".to_owned(), ..denials() }.encode_to_vec(),
                ),
                Spoilt::Rest(
                    v1::QueryDenialsRequest { door: "window".to_owned(), ..denials() }.encode_to_vec(),
                ),
            ],
        },
    ]
}

fn workspace_rows(Place { workspace, .. }: &Place) -> Vec<Row> {
    let register = v1::RegisterWorkspaceRequest {
        name: "Acme".to_owned(),
        key: Some(holder_key(&["a:b"])),
        ..v1::RegisterWorkspaceRequest::default()
    };
    vec![
        Row {
            method: "keyward.v1.WorkspaceService/RegisterWorkspace",
            needs: &["workspaces:manage", "keys:issue"],
            access: Access::Global,
            good: register.encode_to_vec(),
            spoilt: vec![Spoilt::Rest(
                v1::RegisterWorkspaceRequest { name: String::new(), ..register }.encode_to_vec(),
            )],
        },
        Row {
            method: "keyward.v1.WorkspaceService/GetWorkspace",
            needs: &["workspaces:read"],
            access: Access::Within,
            good: v1::GetWorkspaceRequest { workspace_id: workspace.clone() }.encode_to_vec(),
            spoilt: vec![Spoilt::Id(
                v1::GetWorkspaceRequest { workspace_id: "ws_".to_owned() }.encode_to_vec(),
            )],
        },
        Row {
            method: "keyward.v1.WorkspaceService/UpdateWorkspace",
            needs: &["workspaces:manage"],
            access: Access::Within,
            good: renaming_workspace(workspace, &["name"]).encode_to_vec(),
            spoilt: vec![
                Spoilt::Id(renaming_workspace("ws_", &["name"]).encode_to_vec()),
                Spoilt::Rest(renaming_workspace(workspace, &[]).encode_to_vec()),
            ],
        },
        Row {
            method: "keyward.v1.PolicyService/GetPolicy",
            needs: &["policy:read"],
            access: Access::Global,
            good: Vec::new(),
            spoilt: Vec::new(),
        },
        Row {
            method: "keyward.v1.PolicyService/ListPolicyVersions",
            needs: &["policy:read"],
            access: Access::Global,
            good: Vec::new(),
            spoilt: vec![Spoilt::Rest(
                v1::ListPolicyVersionsRequest { page_size: -1, ..v1::ListPolicyVersionsRequest::default() }
                    .encode_to_vec(),
            )],
        },
        Row {
            method: "keyward.v1.PolicyService/ExplainRoute",
            needs: &["policy:read"],
            access: Access::Global,
            good: v1::ExplainRouteRequest { method: "GET".into(), host: "a".into(), path: "/".into() }
                .encode_to_vec(),
            spoilt: vec![Spoilt::Rest(Vec::new())],
        },
        Row {
            method: "keyward.v1.PolicyService/ValidatePolicy",
            needs: &["policy:read"],
            access: Access::Global,
            good: v1::ValidatePolicyRequest {
                document: Some(v1::validate_policy_request::Document::Toml(policy().to_toml())),
            }
            .encode_to_vec(),
            spoilt: vec![Spoilt::Rest(Vec::new())],
        },
        Row {
            method: "keyward.v1.PolicyService/ApplyPolicy",
            needs: &["policy:apply"],
            access: Access::Global,
            good: v1::ApplyPolicyRequest {
                document: Some(v1::apply_policy_request::Document::Toml(policy().to_toml())),
                expected_version: 1,
                ..v1::ApplyPolicyRequest::default()
            }
            .encode_to_vec(),
            spoilt: vec![Spoilt::Rest(Vec::new())],
        },
    ]
}

/// What tells how the store is, and whether its log holds.
fn status_rows() -> Vec<Row> {
    let verify = |method| Row {
        method,
        needs: &["audit:read"],
        access: Access::Global,
        good: Vec::new(),
        spoilt: Vec::new(),
    };
    vec![
        verify("keyward.v1.AuditService/VerifyLog"),
        verify("keyward.v1.AuditService/StreamVerifyLog"),
        Row {
            method: "keyward.v1.AuditService/GetStatus",
            needs: &["audit:read"],
            access: Access::Anywhere,
            good: Vec::new(),
            spoilt: Vec::new(),
        },
    ]
}

/// What brings workspaces in and out of use; the last of them for good.
fn state_rows(Place { spare, .. }: &Place) -> Vec<Row> {
    let bad = || "\0".to_owned();
    vec![
        Row {
            method: "keyward.v1.WorkspaceService/ListWorkspaces",
            needs: &["workspaces:read"],
            access: Access::Anywhere,
            good: Vec::new(),
            spoilt: vec![Spoilt::Rest(
                v1::ListWorkspacesRequest { page_size: -1, ..v1::ListWorkspacesRequest::default() }
                    .encode_to_vec(),
            )],
        },
        Row {
            method: "keyward.v1.WorkspaceService/SuspendWorkspace",
            needs: &["workspaces:manage"],
            access: Access::Global,
            good: v1::SuspendWorkspaceRequest { workspace_id: spare.clone(), comment: String::new() }
                .encode_to_vec(),
            spoilt: vec![
                Spoilt::Id(Vec::new()),
                Spoilt::Rest(
                    v1::SuspendWorkspaceRequest { workspace_id: spare.clone(), comment: bad() }
                        .encode_to_vec(),
                ),
            ],
        },
        Row {
            method: "keyward.v1.WorkspaceService/ResumeWorkspace",
            needs: &["workspaces:manage"],
            access: Access::Global,
            good: v1::ResumeWorkspaceRequest { workspace_id: spare.clone(), comment: String::new() }
                .encode_to_vec(),
            spoilt: vec![
                Spoilt::Id(Vec::new()),
                Spoilt::Rest(
                    v1::ResumeWorkspaceRequest { workspace_id: spare.clone(), comment: bad() }
                        .encode_to_vec(),
                ),
            ],
        },
        Row {
            method: "keyward.v1.WorkspaceService/CloseWorkspace",
            needs: &["workspaces:manage"],
            access: Access::Global,
            good: v1::CloseWorkspaceRequest {
                workspace_id: spare.clone(),
                ..v1::CloseWorkspaceRequest::default()
            }
            .encode_to_vec(),
            spoilt: vec![
                Spoilt::Id(Vec::new()),
                Spoilt::Rest(
                    v1::CloseWorkspaceRequest {
                        workspace_id: spare.clone(),
                        comment: bad(),
                        ..v1::CloseWorkspaceRequest::default()
                    }
                    .encode_to_vec(),
                ),
            ],
        },
    ]
}

/// About `ann`, who is a member, and `bob`, who is none.
fn member_rows(Place { workspace, .. }: &Place) -> Vec<Row> {
    let bad = || "\0".to_owned();
    let row = |method, needs, good: Vec<u8>, id: Vec<u8>, rest: Vec<u8>| Row {
        method,
        needs,
        access: Access::Within,
        good,
        spoilt: vec![Spoilt::Id(id), Spoilt::Rest(rest)],
    };
    let add = || v1::AddMemberRequest {
        workspace_id: workspace.clone(),
        subject: "bob".to_owned(),
        role: "viewer".to_owned(),
        expected_gains: None,
    };
    let change = || v1::UpdateMemberRequest {
        workspace_id: workspace.clone(),
        subject: "ann".to_owned(),
        role: "editor".to_owned(),
        expected_gains: None,
    };
    let show = || v1::GetMemberRequest { workspace_id: workspace.clone(), subject: "ann".to_owned() };
    let list =
        || v1::ListMembersRequest { workspace_id: workspace.clone(), ..v1::ListMembersRequest::default() };
    let remove = || v1::RemoveMemberRequest {
        workspace_id: workspace.clone(),
        subject: "ann".to_owned(),
        ..v1::RemoveMemberRequest::default()
    };
    vec![
        row(
            ADD_MEMBER,
            &["workspaces:manage"],
            add().encode_to_vec(),
            v1::AddMemberRequest { workspace_id: bad(), ..add() }.encode_to_vec(),
            v1::AddMemberRequest { role: bad(), ..add() }.encode_to_vec(),
        ),
        row(
            "keyward.v1.WorkspaceService/UpdateMember",
            &["workspaces:manage"],
            change().encode_to_vec(),
            v1::UpdateMemberRequest { workspace_id: bad(), ..change() }.encode_to_vec(),
            v1::UpdateMemberRequest { role: bad(), ..change() }.encode_to_vec(),
        ),
        row(
            "keyward.v1.WorkspaceService/GetMember",
            &["workspaces:read"],
            show().encode_to_vec(),
            v1::GetMemberRequest { workspace_id: bad(), ..show() }.encode_to_vec(),
            v1::GetMemberRequest { subject: bad(), ..show() }.encode_to_vec(),
        ),
        row(
            "keyward.v1.WorkspaceService/ListMembers",
            &["workspaces:read"],
            list().encode_to_vec(),
            v1::ListMembersRequest { workspace_id: bad(), ..list() }.encode_to_vec(),
            v1::ListMembersRequest { role: bad(), ..list() }.encode_to_vec(),
        ),
        row(
            "keyward.v1.WorkspaceService/RemoveMember",
            &["workspaces:manage"],
            remove().encode_to_vec(),
            v1::RemoveMemberRequest { workspace_id: bad(), ..remove() }.encode_to_vec(),
            v1::RemoveMemberRequest { comment: bad(), ..remove() }.encode_to_vec(),
        ),
    ]
}

fn renaming_workspace(id: &str, mask: &[&str]) -> v1::UpdateWorkspaceRequest {
    let workspace = v1::Workspace { id: id.to_owned(), name: "after".to_owned(), ..v1::Workspace::default() };
    let update_mask = Some(prost_types::FieldMask { paths: strings(mask) });
    v1::UpdateWorkspaceRequest { workspace: Some(workspace), update_mask, validate_only: false }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Nobody,
    /// Something was sent, and it is no usable administration key.
    Unusable,
    /// Everything but this scope.
    Lacking(&'static str),
    /// Bound to another workspace.
    Foreign,
    /// Bound to the workspace, with what is needed.
    Bound,
    /// Global, with what is needed.
    Global,
}

struct Caller {
    who: String,
    kind: Kind,
    authorization: Vec<String>,
}

impl Caller {
    fn new(who: impl Into<String>, kind: Kind, authorization: &[String]) -> Self {
        Self { who: who.into(), kind, authorization: authorization.to_vec() }
    }

    fn bearer(who: impl Into<String>, kind: Kind, api_key: &str) -> Self {
        Self::new(who, kind, &[format!("Bearer {api_key}")])
    }
}

/// What a caller is told who may not, whatever the request; `None` for one who may.
fn refusal_of(row: &Row, kind: Kind, open: bool) -> Option<(Code, &'static str)> {
    let checks = matches!(row.access, Access::Checker | Access::CheckerWithin);
    match kind {
        Kind::Unusable => Some((Code::Unauthenticated, "CALLER_INVALID")),
        _ if row.access == Access::Possession => None,
        Kind::Nobody if checks && open => None,
        Kind::Nobody => Some((Code::Unauthenticated, "CALLER_MISSING")),
        Kind::Lacking(_) => Some((Code::PermissionDenied, "ADMIN_SCOPE_MISSING")),
        Kind::Foreign | Kind::Bound if row.access == Access::Global => {
            Some((Code::PermissionDenied, "GLOBAL_CALLER_REQUIRED"))
        }
        Kind::Foreign | Kind::Bound | Kind::Global => None,
    }
}

/// Whether a caller who may use the method finds nothing of what the request names.
fn finds_nothing(row: &Row, kind: Kind) -> bool {
    kind == Kind::Foreign && matches!(row.access, Access::Within | Access::CheckerWithin)
}

/// A running Keyward and every kind of caller.
struct World {
    keyward: Keyward,
    workspace: String,
    other: String,
    spare: String,
    unusable: Vec<Caller>,
    lacking: BTreeMap<&'static str, String>,
}

impl World {
    async fn new(open: bool) -> Self {
        let keyward = if open { Keyward::start().await } else { Keyward::start_closed().await };
        let (workspace, _) = keyward.register("mine").await;
        let (other, _) = keyward.register("theirs").await;
        let (spare, _) = keyward.register("spare").await;
        let ann = v1::AddMemberRequest {
            workspace_id: workspace.id.clone(),
            subject: "ann".to_owned(),
            role: "owner".to_owned(),
            expected_gains: None,
        };
        keyward.workspaces().add_member(keyward.as_root(ann)).await.unwrap();
        let unusable = unusable(&keyward).await;
        let mut lacking = BTreeMap::new();
        for scope in ADMIN_SCOPES {
            let others: Vec<_> = ADMIN_SCOPES.into_iter().filter(|other| *other != scope).collect();
            lacking.insert(scope, keyward.issue_admin("", admin_rights(&others, true)).await.api_key);
        }
        Self { keyward, workspace: workspace.id, other: other.id, spare: spare.id, unusable, lacking }
    }

    /// A key that no call has touched.
    async fn place(&self) -> Place {
        let request = v1::IssueRequest { workspace_id: self.workspace.clone(), ..holder_key(&["a:b"]) };
        let (workspace, spare) = (self.workspace.clone(), self.spare.clone());
        let issued = self.keyward.issue(request).await;
        let key = self.keyward.rotate(&issued.key.id, Some(DAY)).await;
        // One that used nothing could not be narrowed.
        assert_eq!(self.keyward.ask_as_root(check(&key.api_key, &["a:b"])).await.denial, None);
        Place { workspace, key, spare }
    }

    async fn callers(&self, needs: &[&'static str]) -> Vec<Caller> {
        let mut callers = vec![Caller::new("nobody", Kind::Nobody, &[])];
        callers.extend(self.unusable.iter().map(|it| Caller::new(&it.who, it.kind, &it.authorization)));
        for need in needs {
            callers.push(Caller::bearer(format!("all but {need}"), Kind::Lacking(need), &self.lacking[need]));
        }
        let admin = async |workspace: &str, scopes: &[&str], global| {
            self.keyward.issue_admin(workspace, admin_rights(scopes, global)).await.api_key
        };
        let foreign = admin(&self.other, &ADMIN_SCOPES, false).await;
        callers.push(Caller::bearer("all, elsewhere", Kind::Foreign, &foreign));
        let needed = if needs.is_empty() { &["keys:read"][..] } else { needs };
        let bound = admin(&self.workspace, needed, false).await;
        callers.push(Caller::bearer("what is needed, bound", Kind::Bound, &bound));
        let global = admin("", needed, true).await;
        callers.push(Caller::bearer("what is needed, global", Kind::Global, &global));
        callers.push(Caller::bearer("root", Kind::Global, &self.keyward.root));
        callers.push(Caller::new(
            "root, in other case",
            Kind::Global,
            &[format!("bEARER {}", self.keyward.root)],
        ));
        callers
    }

    /// So that the next caller can add him too.
    async fn remove_bob(&self) {
        let bob = v1::RemoveMemberRequest {
            workspace_id: self.workspace.clone(),
            subject: "bob".to_owned(),
            ..v1::RemoveMemberRequest::default()
        };
        self.keyward.workspaces().remove_member(self.keyward.as_root(bob)).await.unwrap();
    }

    async fn call(&self, row: &Row, caller: &Caller, message: &[u8]) -> Result<Response<Vec<u8>>, Status> {
        // Revocations by possession come back by one a second.
        self.keyward.clock.advance(Duration::from_secs(1));
        let authorization: Vec<_> = caller.authorization.iter().map(String::as_str).collect();
        self.keyward.call(row.method, &authorization, message.to_vec()).await
    }
}

async fn unusable(keyward: &Keyward) -> Vec<Caller> {
    let all = || admin_rights(&ADMIN_SCOPES, true);
    let admin =
        || v1::IssueRequest { name: "a".to_owned(), admin: Some(all()), ..v1::IssueRequest::default() };
    let holder = keyward.issue_scopes(&["keys:read", "admin:grant"]).await;
    let expired = v1::IssueRequest { expire_time: Some(keyward.clock.after(HOUR)), ..admin() };
    let expired = keyward.issue(expired).await;
    let disabled = keyward.issue(admin()).await;
    keyward.disable(&disabled.key.id).await;
    let revoked = keyward.issue(admin()).await;
    keyward.revoke(&revoked.key.id).await;
    let replaced = keyward.issue(admin()).await;
    keyward.rotate(&replaced.key.id, Some(HOUR)).await;
    let ended = keyward.issue(admin()).await;
    keyward.rotate(&ended.key.id, Some(DAY)).await;
    keyward.end(&ended.api_key).await.unwrap();
    let elsewhere = v1::IssueRequest { allowed_cidrs: strings(&["10.0.0.0/8", "::1/128"]), ..admin() };
    let elsewhere = keyward.issue(elsewhere).await;
    keyward.clock.advance(HOUR);
    let entropy = SeededEntropy::new(0xDEAD);
    let unknown = SecretKey::generate(&Prefix::parse("kw_admin_").unwrap(), &entropy).unwrap().reveal();
    let root = &keyward.root;
    let signed = format!("Bearer {root}");
    let mut callers: Vec<_> = [
        ("a holder's key", holder.api_key.as_str()),
        ("an unknown key", &unknown),
        ("a malformed key", &root[..root.len() - 1]),
        ("no key", ""),
        ("a token of another system", "eyJhbGciOiJub25lIn0.e30."),
        ("an expired key", &expired.api_key),
        ("a disabled key", &disabled.api_key),
        ("a revoked key", &revoked.api_key),
        ("a key past its grace", &replaced.api_key),
        ("an ended secret", &ended.api_key),
        ("a key from the wrong network", &elsewhere.api_key),
    ]
    .into_iter()
    .map(|(who, api_key)| Caller::bearer(who, Kind::Unusable, api_key))
    .collect();
    for (who, authorization) in [
        ("two headers", vec![signed.clone(), signed.clone()]),
        ("two headers, the first of them bad", vec!["Bearer nobody".to_owned(), signed.clone()]),
        ("two joined", vec![format!("{signed}, {signed}")]),
        ("another scheme", vec![format!("Basic {root}")]),
        ("no scheme", vec![root.clone()]),
        ("two spaces", vec![format!("Bearer  {root}")]),
        ("a tab", vec![format!("Bearer\t{root}")]),
        ("an empty header", vec![String::new()]),
    ] {
        callers.push(Caller::new(who, Kind::Unusable, &authorization));
    }
    callers
}

fn methods() -> BTreeSet<String> {
    let pool = DescriptorPool::decode(wire::DESCRIPTOR_SET).unwrap();
    let services = pool.services().filter(|service| service.package_name() == "keyward.v1");
    let methods = services.flat_map(|service| service.methods().collect::<Vec<_>>());
    methods.map(|method| format!("{}/{}", method.parent_service().full_name(), method.name())).collect()
}

async fn walk(open: bool) {
    let world = World::new(open).await;
    let count = rows(&world.place().await).len();
    for place in 0..count {
        let row = rows(&world.place().await).swap_remove(place);
        for caller in world.callers(row.needs).await {
            let it = format!("{} ({:?}) by {} ({:?})", row.method, row.needs, caller.who, caller.kind);
            judge(&world, &row, &caller, open, &it).await;
        }
    }
    world.keyward.stop().await;
}

async fn judge(world: &World, row: &Row, caller: &Caller, open: bool, it: &str) {
    let before = world.keyward.revision().await;
    let told = |answer: Result<Response<Vec<u8>>, Status>| match answer {
        Ok(_) => None,
        Err(status) => {
            if let Kind::Lacking(scope) = caller.kind
                && status.code() == Code::PermissionDenied
            {
                assert_eq!(metadata(&status, "admin_scope").as_deref(), Some(scope), "{it}");
            }
            assert!(
                !caller
                    .authorization
                    .iter()
                    .any(|sent| !sent.is_empty() && format!("{status:?}").contains(sent.as_str()))
            );
            Some((status.code(), error_reason(&status)))
        }
    };
    let invalid = Some((Code::InvalidArgument, "FIELD_INVALID".to_owned()));
    let refusal = refusal_of(row, caller.kind, open).map(|(code, reason)| (code, reason.to_owned()));
    for spoilt in &row.spoilt {
        let (bytes, belongs) = match spoilt {
            Spoilt::Id(bytes) => (bytes, true),
            Spoilt::Rest(bytes) => (bytes, !finds_nothing(row, caller.kind)),
        };
        let answer = told(world.call(row, caller, bytes).await);
        if refusal.is_some() || belongs {
            let expected = refusal.clone().or(invalid.clone());
            assert_eq!(answer, expected, "{it}: whether one may comes before what is asked");
        } else {
            assert_eq!(
                answer.map(|(code, _)| code),
                Some(Code::NotFound),
                "{it}: reach comes before the rest"
            );
        }
    }
    let answer = told(world.call(row, caller, &row.good).await);
    if refusal.is_some() {
        assert_eq!(answer, refusal, "{it}");
    } else if finds_nothing(row, caller.kind) {
        assert_eq!(answer.map(|(code, _)| code), Some(Code::NotFound), "{it}");
    } else {
        assert_eq!(answer, None, "{it}");
        if row.method == ADD_MEMBER {
            world.remove_bob().await;
        }
        return;
    }
    assert_eq!(world.keyward.revision().await, before, "{it}: nothing was changed");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_method_has_a_row_and_every_row_a_method() {
    // X9, X4
    let keyward = Keyward::start().await;
    let (workspace, key) = keyward.register("mine").await;
    let rows = rows(&Place { spare: workspace.id.clone(), workspace: workspace.id, key });
    let declared: BTreeSet<_> = rows.iter().map(|row| row.method.to_owned()).collect();
    assert_eq!(declared, methods());
    let needed: BTreeSet<_> = rows.iter().flat_map(|row| row.needs).collect();
    let unneeded: Vec<_> = ADMIN_SCOPES.iter().filter(|scope| !needed.contains(scope)).collect();
    assert!(unneeded.is_empty(), "{unneeded:?} waits for its methods");
    keyward.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_method_takes_its_own_callers_and_no_others() {
    // X9, X4, O2, T1
    Box::pin(walk(true)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn where_checks_are_not_open_they_take_their_own_callers_too() {
    // X9, O1
    Box::pin(walk(false)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_path_that_is_not_exact_runs_nothing() {
    // X4
    let keyward = Keyward::start().await;
    let issued = keyward.issue_scopes(&["a:b"]).await;
    let signed = format!("Bearer {}", keyward.root);
    for method in [
        "keyward.v1.KeyService/revoke",
        "keyward.v1.KeyService/Revoke/",
        "keyward.v1.KeyService//Revoke",
        "/keyward.v1.KeyService/Revoke",
        "keyward.v1.KeyService/Revoke?a=b",
        "keyward.v1.KeyService/%52evoke",
        "keyward.v1.keyservice/Revoke",
        "KeyService/Revoke",
    ] {
        let message = by_id(&issued.key.id).encode_to_vec();
        let status = keyward.call(method, &[&signed], message).await.unwrap_err();
        assert_eq!(status.code(), Code::Unimplemented, "{method}");
    }
    assert_eq!(keyward.denied(&issued.api_key, &[]).await, None);
    keyward.stop().await;
}

/// `keys:issue`, `keys:update`, `keys:rotate`, `keys:revoke` and `admin:grant` in one workspace, under a ceiling.
fn narrow() -> v1::AdminRights {
    let scopes = ["keys:issue", "keys:update", "keys:rotate", "keys:revoke", "admin:grant"];
    let ceiling = v1::Ceiling {
        scopes: strings(&["storage:*", "messaging:send"]),
        grants: vec![bound("domains:manage", &["project/p1/*", "project/p2"])],
        environments: strings(&["test"]),
        max_lifetime: Some(prost_types::Duration { seconds: 86_400, nanos: 0 }),
        ..v1::Ceiling::default()
    };
    v1::AdminRights { ceiling: Some(ceiling), ..admin_rights(&scopes, false) }
}

/// A key at the very edge of [`narrow`].
fn at_the_edge(keyward: &Keyward) -> v1::IssueRequest {
    v1::IssueRequest {
        environment: "test".to_owned(),
        expire_time: Some(keyward.clock.after(DAY)),
        ..holder_key(&["storage:*", "messaging:send"])
    }
}

fn child(keyward: &Keyward, admin: v1::AdminRights) -> v1::IssueRequest {
    v1::IssueRequest {
        name: "child".to_owned(),
        expire_time: Some(keyward.clock.after(DAY)),
        admin: Some(admin),
        ..v1::IssueRequest::default()
    }
}

#[track_caller]
fn beyond<T>(answer: Result<Response<T>, Status>, part: &str) {
    let status = refusal(answer, Code::PermissionDenied, "CEILING_EXCEEDED");
    assert_eq!(metadata(&status, "part").as_deref(), Some(part));
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_issues_beyond_their_ceiling() {
    // X9, S6, S4, S3
    let keyward = Keyward::start().await;
    let (mine, _) = keyward.register("mine").await;
    let issuer = keyward.issue_admin(&mine.id, narrow()).await.api_key;
    let edge = || at_the_edge(&keyward);
    for fine in [
        edge(),
        v1::IssueRequest { scopes: strings(&["storage:read"]), ..edge() },
        v1::IssueRequest { grants: vec![bound("storage:*", &["space/*"])], ..edge() },
        v1::IssueRequest { grants: vec![bound("domains:manage", &["project/p1/*", "project/p2"])], ..edge() },
        v1::IssueRequest { grants: vec![bound("domains:manage", &["project/p1/d1"])], ..edge() },
        v1::IssueRequest { expire_time: Some(keyward.clock.after(MS)), ..edge() },
    ] {
        keyward.try_issue(&issuer, fine).await.unwrap();
    }
    let before = keyward.revision().await;
    for scopes in [
        &["project:read"][..],
        &["storage:read", "project:read"],
        &["messaging:*"],
        &["storages:read"],
        &["domains:manage"],
        &["domains:*"],
    ] {
        let request = v1::IssueRequest { scopes: strings(scopes), ..edge() };
        beyond(keyward.try_issue(&issuer, request).await, "grants");
    }
    for grant in [
        bound("domains:manage", &["project/p3"]),
        bound("domains:manage", &["project/p1/d1", "project/p3"]),
        bound("domains:manage", &["project/*"]),
        bound("domains:manage", &["*"]),
        bound("domains:manage", &["project/p1/d1/x"]),
        bound("domains:manage", &["project/p2/*"]),
        bound("domains:*", &["project/p1/d1"]),
        bound("domains:read", &["project/p1/d1"]),
    ] {
        let request = v1::IssueRequest { scopes: Vec::new(), grants: vec![grant], ..edge() };
        beyond(keyward.try_issue(&issuer, request).await, "grants");
    }
    for environment in ["", "live"] {
        let request = v1::IssueRequest { environment: environment.to_owned(), ..edge() };
        beyond(keyward.try_issue(&issuer, request).await, "environment");
    }
    for expire_time in [None, Some(keyward.clock.after(DAY + MS)), Some(keyward.clock.after(DAY * 3_650))] {
        beyond(keyward.try_issue(&issuer, v1::IssueRequest { expire_time, ..edge() }).await, "lifetime");
    }
    assert_eq!(keyward.revision().await, before);
    keyward.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_makes_an_administration_key_above_themselves() {
    // X9, S6
    let keyward = Keyward::start().await;
    let (mine, _) = keyward.register("mine").await;
    let issuer = keyward.issue_admin(&mine.id, narrow()).await.api_key;
    let with = |change: &dyn Fn(&mut v1::AdminRights)| {
        let mut admin = narrow();
        change(&mut admin);
        child(&keyward, admin)
    };
    let ceiling = |change: &dyn Fn(&mut v1::Ceiling)| with(&|admin| change(admin.ceiling.as_mut().unwrap()));
    for fine in [
        with(&|_| {}),
        with(&|admin| admin.ceiling = None),
        with(&|admin| admin.scopes = strings(&["keys:issue"])),
        ceiling(&|it| it.scopes = strings(&["storage:read"])),
    ] {
        keyward.try_issue(&issuer, fine).await.unwrap();
    }
    let before = keyward.revision().await;
    for scope in ADMIN_SCOPES.into_iter().filter(|scope| !narrow().scopes.contains(&(*scope).to_owned())) {
        let request = with(&|admin| admin.scopes = strings(&["keys:issue", scope]));
        beyond(keyward.try_issue(&issuer, request).await, "adminscopes");
    }
    beyond(keyward.try_issue(&issuer, with(&|admin| admin.global = true)).await, "global");
    for request in [
        ceiling(&|it| {
            it.any_grant = true;
            it.scopes.clear();
            it.grants.clear();
        }),
        ceiling(&|it| it.scopes.push("project:read".to_owned())),
        ceiling(&|it| it.scopes.push("messaging:*".to_owned())),
        ceiling(&|it| it.scopes.push("domains:manage".to_owned())),
        ceiling(&|it| it.grants = vec![bound("domains:manage", &["project/*"])]),
        ceiling(&|it| {
            it.any_environment = true;
            it.environments.clear();
        }),
        ceiling(&|it| it.environments.push("live".to_owned())),
        ceiling(&|it| it.environments.push("not-yet".to_owned())),
        ceiling(&|it| {
            it.any_lifetime = true;
            it.max_lifetime = None;
        }),
        ceiling(&|it| it.max_lifetime = Some(prost_types::Duration { seconds: 86_400, nanos: 1 })),
        ceiling(&|it| it.raise_limits = true),
    ] {
        beyond(keyward.try_issue(&issuer, request).await, "ceiling");
    }
    let longer = v1::IssueRequest { expire_time: Some(keyward.clock.after(DAY + MS)), ..with(&|_| {}) };
    beyond(keyward.try_issue(&issuer, longer).await, "lifetime");
    let endless = v1::IssueRequest { expire_time: None, ..with(&|_| {}) };
    beyond(keyward.try_issue(&issuer, endless).await, "lifetime");
    let issue_only = keyward.issue_admin(&mine.id, admin_rights(&["keys:issue"], false)).await.api_key;
    let refused = keyward.try_issue(&issue_only, with(&|_| {})).await;
    refusal(refused, Code::PermissionDenied, "ADMIN_SCOPE_MISSING");
    let grant_only = keyward.issue_admin(&mine.id, admin_rights(&["admin:grant"], false)).await.api_key;
    let refused = keyward.try_issue(&grant_only, at_the_edge(&keyward)).await;
    refusal(refused, Code::PermissionDenied, "ADMIN_SCOPE_MISSING");
    assert_eq!(keyward.revision().await, before + 2);
    keyward.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_has_no_ceiling_hands_out_nothing() {
    // X9
    let keyward = Keyward::start().await;
    let rights = v1::AdminRights { ceiling: None, ..admin_rights(&["keys:issue", "keys:rotate"], true) };
    let caller = keyward.issue_admin("", rights).await.api_key;
    let refused = keyward.try_issue(&caller, at_the_edge(&keyward)).await;
    beyond(refused, "lifetime");
    let issued = keyward.issue_scopes(&["storage:read"]).await;
    beyond(keyward.keys().rotate(signed(&caller, rotation(&issued.key.id, None))).await, "lifetime");
    keyward.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_changes_a_key_beyond_their_ceiling_or_takes_over_one_that_is() {
    // X9, S6, K8
    let keyward = Keyward::start().await;
    let (mine, _) = keyward.register("mine").await;
    let issuer = keyward.issue_admin(&mine.id, narrow()).await.api_key;
    let own = keyward.try_issue(&issuer, at_the_edge(&keyward)).await.unwrap().into_inner();
    let own = own.key.clone().unwrap();
    let attempt = async |key: v1::Key, mask: &[&str]| {
        keyward.keys().update_key(signed(&issuer, update(key, mask))).await
    };
    let blank = || v1::Key { id: own.id.clone(), ..v1::Key::default() };
    keyward.clock.advance(HOUR);
    let wide = v1::Key { scopes: strings(&["storage:read", "project:read"]), ..blank() };
    beyond(attempt(wide, &["scopes"]).await, "grants");
    let wide = v1::Key { grants: vec![bound("domains:manage", &["project/p3"])], ..blank() };
    beyond(attempt(wide, &["grants"]).await, "grants");
    let late = v1::Key { expire_time: Some(keyward.clock.after(DAY)), ..blank() };
    beyond(attempt(late, &["expire_time"]).await, "lifetime");
    beyond(attempt(blank(), &["expire_time"]).await, "lifetime");
    assert_eq!(keyward.show(&own.id).await, own, "nothing was changed");
    let sooner = v1::Key {
        scopes: strings(&["storage:read"]),
        expire_time: Some(keyward.clock.after(HOUR)),
        ..blank()
    };
    attempt(sooner, &["scopes", "expire_time"]).await.unwrap();
    keyward.keys().rotate(signed(&issuer, rotation(&own.id, None))).await.unwrap();

    let mine_too = |request: v1::IssueRequest| v1::IssueRequest { workspace_id: mine.id.clone(), ..request };
    for (request, part) in [
        (v1::IssueRequest { scopes: strings(&["project:read"]), ..at_the_edge(&keyward) }, "grants"),
        (v1::IssueRequest { environment: "live".to_owned(), ..at_the_edge(&keyward) }, "environment"),
        (v1::IssueRequest { expire_time: None, ..at_the_edge(&keyward) }, "lifetime"),
    ] {
        let wide = keyward.issue(mine_too(request)).await;
        beyond(keyward.keys().rotate(signed(&issuer, rotation(&wide.key.id, None))).await, part);
        assert_eq!(keyward.show(&wide.key.id).await.secrets.len(), 1);
        keyward.keys().update_key(signed(&issuer, renaming(&wide.key.id, "after"))).await.unwrap();
        keyward.keys().revoke(signed(&issuer, by_id(&wide.key.id))).await.unwrap();
    }
    keyward.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_beyond_the_callers_ceiling_can_be_renamed_and_switched_off_and_no_more() {
    // X9, S6
    let keyward = Keyward::start().await;
    let (mine, _) = keyward.register("mine").await;
    let rights = v1::AdminRights { scopes: strings(&["keys:update"]), ..narrow() };
    let updater = keyward.issue_admin(&mine.id, rights).await.api_key;
    for (request, part) in [
        (v1::IssueRequest { scopes: strings(&["project:read"]), ..at_the_edge(&keyward) }, "grants"),
        (v1::IssueRequest { environment: "live".to_owned(), ..at_the_edge(&keyward) }, "environment"),
        (v1::IssueRequest { expire_time: None, ..at_the_edge(&keyward) }, "lifetime"),
    ] {
        let wide = keyward
            .issue(v1::IssueRequest {
                workspace_id: mine.id.clone(),
                allowed_cidrs: strings(&["10.0.0.0/8"]),
                metadata: [("tier".to_owned(), "free".to_owned())].into(),
                ..request
            })
            .await;
        let id = &wide.key.id;
        let attempt = async |key: v1::Key, mask: &[&str]| {
            let key = v1::Key { id: id.clone(), ..key };
            keyward.keys().update_key(signed(&updater, update(key, mask))).await
        };
        let words = v1::Key {
            name: "after".to_owned(),
            description: "after".to_owned(),
            allowed_cidrs: strings(&["0.0.0.0/0"]),
            metadata: [("tier".to_owned(), "gold".to_owned())].into(),
            ..v1::Key::default()
        };
        for field in ["allowed_cidrs", "metadata"] {
            beyond(attempt(words.clone(), &[field]).await, part);
            beyond(attempt(v1::Key::default(), &[field]).await, part);
            beyond(attempt(words.clone(), &["name", field]).await, part);
        }
        assert_eq!(keyward.show(id).await, wide.key, "nothing was changed");
        attempt(words, &["name", "description"]).await.unwrap();
        let enable = async || keyward.keys().enable_key(signed(&updater, enabling(id))).await;
        beyond(enable().await, part);
        keyward.keys().disable_key(signed(&updater, disabling(id))).await.unwrap();
        beyond(enable().await, part);
        let shown = keyward.show(id).await;
        assert_eq!((shown.state(), shown.name.as_str()), (v1::KeyState::Disabled, "after"));
        assert_eq!((&shown.allowed_cidrs, &shown.metadata), (&wide.key.allowed_cidrs, &wide.key.metadata));
    }

    let edge = v1::IssueRequest { workspace_id: mine.id.clone(), ..at_the_edge(&keyward) };
    let edge = keyward.issue(edge).await.key;
    let wanted = v1::Key {
        id: edge.id.clone(),
        allowed_cidrs: strings(&["10.0.0.0/8"]),
        metadata: [("tier".to_owned(), "gold".to_owned())].into(),
        ..v1::Key::default()
    };
    let request = update(wanted, &["allowed_cidrs", "metadata"]);
    keyward.keys().update_key(signed(&updater, request)).await.unwrap();
    keyward.keys().disable_key(signed(&updater, disabling(&edge.id))).await.unwrap();
    keyward.keys().enable_key(signed(&updater, enabling(&edge.id))).await.unwrap();
    keyward.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_touches_an_administration_key_above_themselves() {
    // X9
    let keyward = Keyward::start().await;
    let (mine, _) = keyward.register("mine").await;
    let narrow_key = keyward.issue_admin(&mine.id, narrow()).await;
    let scopes = ["keys:update", "keys:rotate", "keys:revoke"];
    let no_granter = keyward.issue_admin(&mine.id, admin_rights(&scopes, false)).await.api_key;
    let above = keyward.issue_admin(&mine.id, admin_rights(&ADMIN_SCOPES, false)).await;
    let wider = v1::AdminRights { scopes: narrow().scopes, ..admin_rights(&["keys:read"], false) };
    let wider = keyward.issue_admin(&mine.id, wider).await;
    let global = keyward.issue_admin(&mine.id, admin_rights(&["keys:read"], true)).await;
    let before = keyward.revision().await;
    for (caller, target, code, reason) in [
        (&no_granter, &above, Code::PermissionDenied, "ADMIN_SCOPE_MISSING"),
        (&no_granter, &narrow_key, Code::PermissionDenied, "ADMIN_SCOPE_MISSING"),
        (&narrow_key.api_key, &above, Code::PermissionDenied, "CEILING_EXCEEDED"),
        (&narrow_key.api_key, &wider, Code::PermissionDenied, "CEILING_EXCEEDED"),
        (&above.api_key, &global, Code::NotFound, "KEY_NOT_FOUND"),
    ] {
        let id = &target.key.id;
        let mut keys = keyward.keys();
        refusal(keys.rotate(signed(caller, rotation(id, None))).await, code, reason);
        refusal(keys.revoke(signed(caller, by_id(id))).await, code, reason);
        refusal(keys.disable_key(signed(caller, disabling(id))).await, code, reason);
        refusal(keys.enable_key(signed(caller, enabling(id))).await, code, reason);
        refusal(keys.update_key(signed(caller, renaming(id, "after"))).await, code, reason);
    }
    assert_eq!(keyward.revision().await, before);
    let answer = keyward.keys().revoke(signed(&above.api_key, by_id(&narrow_key.key.id))).await;
    answer.unwrap();
    keyward.stop().await;
}

/// Ways to take a root key out of service.
async fn take_out(keyward: &Keyward, root: &Issued, way: usize) -> Result<(), Status> {
    let id = &root.key.id;
    let mut keys = keyward.keys();
    match way % 3 {
        0 => keys.revoke(signed(&root.api_key, by_id(id))).await.map(drop),
        1 => keys.disable_key(signed(&root.api_key, disabling(id))).await.map(drop),
        _ => {
            let expire_time = Some(keyward.clock.after(MS));
            let key = v1::Key { id: id.clone(), expire_time, ..v1::Key::default() };
            keys.update_key(signed(&root.api_key, update(key, &["expire_time"]))).await.map(drop)
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_root_key_that_ends_does_not_pass_for_one_that_stays() {
    // X9
    let keyward = Keyward::start().await;
    let root = keyward.root_id().await;
    let request = v1::IssueRequest {
        name: "for an hour".to_owned(),
        expire_time: Some(keyward.clock.after(HOUR)),
        admin: Some(admin_rights(&ADMIN_SCOPES, true)),
        ..v1::IssueRequest::default()
    };
    let brief = keyward.issue(request).await;
    let gone = keyward.keys().revoke(signed(&brief.api_key, by_id(&root))).await;
    refusal(gone, Code::FailedPrecondition, "LAST_ROOT_KEY");
    let off = keyward.keys().disable_key(signed(&brief.api_key, disabling(&root))).await;
    refusal(off, Code::FailedPrecondition, "LAST_ROOT_KEY");
    let key =
        v1::Key { id: root.clone(), expire_time: Some(keyward.clock.after(HOUR / 2)), ..v1::Key::default() };
    let ending = keyward.keys().update_key(signed(&brief.api_key, update(key, &["expire_time"]))).await;
    refusal(ending, Code::FailedPrecondition, "LAST_ROOT_KEY");
    keyward.update(v1::Key { id: brief.key.id.clone(), ..v1::Key::default() }, &["expire_time"]).await;
    keyward.keys().revoke(signed(&brief.api_key, by_id(&root))).await.unwrap();
    keyward.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_the_last_root_keys_one_stays_whatever_happens_at_once() {
    // X9
    for round in 0..9 {
        let keyward = Keyward::start().await;
        let root =
            Issued { key: keyward.show(&keyward.root_id().await).await, api_key: keyward.root.clone() };
        let mut roots = vec![root];
        for _ in 0..=round % 3 {
            roots.push(keyward.issue_admin("", admin_rights(&ADMIN_SCOPES, true)).await);
        }
        let calls = roots.iter().enumerate().map(|(place, root)| take_out(&keyward, root, round / 3 + place));
        let answers = join_all(calls).await;
        let refused: Vec<_> = answers.iter().filter_map(|answer| answer.as_ref().err()).collect();
        assert_eq!(refused.len(), 1, "round {round}: {refused:?}");
        assert_eq!(error_reason(refused[0]), "LAST_ROOT_KEY");
        keyward.clock.advance(HOUR);
        let mut usable = 0;
        for root in &roots {
            let request = v1::ListKeysRequest::default();
            usable += usize::from(keyward.keys().list_keys(signed(&root.api_key, request)).await.is_ok());
        }
        assert_eq!(usable, 1, "round {round}");
        keyward.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_last_root_keys_presented_at_once_are_both_ended() {
    // V3: nobody is told that a secret is dead which lives; `keyward recover` makes another.
    let keyward = Keyward::start().await;
    let second = keyward.issue_admin("", admin_rights(&ADMIN_SCOPES, true)).await;
    let (one, two) = tokio::join!(keyward.end(&keyward.root), keyward.end(&second.api_key));
    assert_eq!((one.unwrap(), two.unwrap()), (v1::RevokeResponse::default(), v1::RevokeResponse::default()));
    let mut usable = 0;
    for api_key in [&keyward.root, &second.api_key] {
        let request = v1::ListKeysRequest::default();
        usable += usize::from(keyward.keys().list_keys(signed(api_key, request)).await.is_ok());
    }
    assert_eq!(usable, 0);
    keyward.stop().await;
}
