//! Fair shares: what one tenant sends, however much and of whatever kind, holds up no other tenant's Checks and no operator's
//! revocations.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use futures_util::future::join_all;
use keyward::wire::v1::{
    self, DisableKeys, RevokeKeys, audit_service_client::AuditServiceClient, change_keys_request::Action,
    import_row::Hash, key_service_client::KeyServiceClient, workspace_service_client::WorkspaceServiceClient,
};
use tonic::{Code, Status, transport::Channel};

use crate::support::{
    Issued, Keyward, admin_rights, check, error_reason, holder_key, signed, skip::say, verbs::metadata,
};

const SCOPE: &str = "messaging:send";

/// More than a workspace's share, over connections that hold so many.
const CONNECTIONS: usize = 2;
const CALLS_OF_EACH: usize = 45;

/// What a tenant sends all the time.
#[derive(Debug, Clone, Copy)]
enum Flood {
    WrongCounts,
    Previews,
    Reviews,
    NamePatterns,
    DryRuns,
    LogPages,
    Lists,
    Updates,
    Revocations,
    Removals,
    Roles,
}

const FLOODS: [Flood; 11] = [
    Flood::WrongCounts,
    Flood::Previews,
    Flood::Reviews,
    Flood::NamePatterns,
    Flood::DryRuns,
    Flood::LogPages,
    Flood::Lists,
    Flood::Updates,
    Flood::Revocations,
    Flood::Removals,
    Flood::Roles,
];

/// A tenant with many keys, and its administration key.
struct Tenant {
    keys: Vec<String>,
    admin: String,
    number: AtomicU64,
}

impl Tenant {
    async fn with_keys(keyward: &Keyward, count: usize) -> (String, Self) {
        let (workspace, first) = keyward.register("busy").await;
        let scopes = [
            "keys:read",
            "keys:issue",
            "keys:import",
            "keys:update",
            "keys:revoke",
            "workspaces:read",
            "workspaces:manage",
            "audit:read",
        ];
        let admin = keyward.issue_admin(&workspace.id, admin_rights(&scopes, false)).await.api_key;
        let issued = join_all((0..count).map(|_| {
            keyward.issue(v1::IssueRequest { workspace_id: workspace.id.clone(), ..holder_key(&[SCOPE]) })
        }));
        let issued = issued.await;
        let member = v1::AddMemberRequest {
            workspace_id: workspace.id.clone(),
            subject: "ann".to_owned(),
            role: "viewer".to_owned(),
            ..v1::AddMemberRequest::default()
        };
        keyward.workspaces().add_member(keyward.as_root(member)).await.unwrap();
        // More than a change of one member's role is a small thing with.
        join_all((0..101).map(|_| {
            keyward.issue(v1::IssueRequest {
                workspace_id: workspace.id.clone(),
                owner: "ann".to_owned(),
                follows_owner_role: true,
                ..holder_key(&["storage:read"])
            })
        }))
        .await;
        let keys = issued.into_iter().chain([first]).map(|issued| issued.key.id).collect();
        (workspace.id, Self { keys, admin, number: AtomicU64::new(0) })
    }

    /// Sends one call.
    async fn send(&self, flood: Flood, workspace: &str, channel: &Channel) -> Result<(), Status> {
        let number = self.number.fetch_add(1, Ordering::Relaxed);
        let key = || self.keys[usize::try_from(number).unwrap() % self.keys.len()].clone();
        let mut keys = KeyServiceClient::new(channel.clone());
        let mut workspaces = WorkspaceServiceClient::new(channel.clone());
        let admin = &self.admin;
        let disable = v1::ChangeKeysRequest {
            action: Some(Action::Disable(DisableKeys {})),
            ..v1::ChangeKeysRequest::default()
        };
        match flood {
            Flood::WrongCounts => {
                let wrong = v1::ChangeKeysRequest { expected_count: 1_000_000, ..disable };
                keys.change_keys(signed(admin, wrong)).await.map(drop)
            }
            Flood::Previews => {
                let preview = v1::ChangeKeysRequest { validate_only: true, ..disable };
                keys.change_keys(signed(admin, preview)).await.map(drop)
            }
            Flood::Reviews => {
                keys.review_keys(signed(admin, v1::ReviewKeysRequest::default())).await.map(drop)
            }
            Flood::NamePatterns => {
                let asked = v1::UpdateWorkspaceRequest {
                    workspace: Some(v1::Workspace {
                        id: workspace.to_owned(),
                        key_rules: Some(v1::WorkspaceKeyRules {
                            name_pattern: r"(?i)\w{0,200}\w{0,200}\w{0,200}\w{0,200}".repeat(6),
                            ..v1::WorkspaceKeyRules::default()
                        }),
                        ..v1::Workspace::default()
                    }),
                    update_mask: Some(prost_types::FieldMask { paths: vec!["key_rules".to_owned()] }),
                    validate_only: false,
                };
                workspaces.update_workspace(signed(admin, asked)).await.map(drop)
            }
            Flood::DryRuns => keys.import_keys(signed(admin, dry_run(number))).await.map(drop),
            Flood::LogPages => {
                let asked = v1::QueryLogRequest { page_size: 1_000, ..v1::QueryLogRequest::default() };
                AuditServiceClient::new(channel.clone()).query_log(signed(admin, asked)).await.map(drop)
            }
            Flood::Lists => {
                let asked = v1::ListKeysRequest {
                    page_size: 1_000,
                    never_used: true,
                    ..v1::ListKeysRequest::default()
                };
                keys.list_keys(signed(admin, asked)).await.map(drop)
            }
            Flood::Updates => {
                let changed = v1::Key {
                    id: key(),
                    metadata: [("note".to_owned(), format!("{number} {}", "x".repeat(200)))].into(),
                    ..v1::Key::default()
                };
                let asked = v1::UpdateKeyRequest {
                    key: Some(changed),
                    update_mask: Some(prost_types::FieldMask { paths: vec!["metadata".to_owned()] }),
                    lifetime: None,
                };
                keys.update_key(signed(admin, asked)).await.map(drop)
            }
            Flood::Revocations => keys.revoke(signed(admin, by_id(&key()))).await.map(drop),
            Flood::Removals => {
                let asked = v1::RemoveMemberRequest {
                    subject: "nobody".to_owned(),
                    ..v1::RemoveMemberRequest::default()
                };
                workspaces.remove_member(signed(admin, asked)).await.map(drop)
            }
            Flood::Roles => {
                let asked = v1::UpdateMemberRequest {
                    subject: "ann".to_owned(),
                    role: ["viewer", "editor"][usize::from(number.is_multiple_of(2))].to_owned(),
                    ..v1::UpdateMemberRequest::default()
                };
                workspaces.update_member(signed(admin, asked)).await.map(drop)
            }
        }
    }
}

fn by_id(key: &str) -> v1::RevokeRequest {
    v1::RevokeRequest {
        target: Some(v1::revoke_request::Target::KeyId(key.to_owned())),
        ..v1::RevokeRequest::default()
    }
}

/// A hundred rows of the longest texts, all of words that could be tokens.
fn dry_run(number: u64) -> v1::ImportKeysRequest {
    let word = |place: u64| format!("{number:016}{place:016}");
    let rows = (0..100).map(|line| v1::ImportRow {
        line,
        name: "moved".to_owned(),
        description: (0..30).map(word).collect::<Vec<_>>().join(" "),
        scopes: vec![SCOPE.to_owned()],
        secret_bits: 160,
        hash: Some(Hash::Sha256(line.to_be_bytes().repeat(4))),
        ..v1::ImportRow::default()
    });
    v1::ImportKeysRequest { rows: rows.collect(), dry_run: true, ..v1::ImportKeysRequest::default() }
}

/// Answers to a tenant's calls, by the reason of a refusal; empty is no refusal.
type Told = BTreeMap<String, u64>;

/// Sends calls of a kind over many connections until told to stop.
async fn flood(
    keyward: &Keyward,
    tenant: &Arc<Tenant>,
    workspace: &str,
    kind: Flood,
    stop: &Arc<AtomicBool>,
) -> Vec<tokio::task::JoinHandle<Told>> {
    let mut senders = Vec::new();
    for _ in 0..CONNECTIONS {
        let channel = keyward.new_channel().await;
        for _ in 0..CALLS_OF_EACH {
            let (tenant, workspace, stop) = (Arc::clone(tenant), workspace.to_owned(), Arc::clone(stop));
            let channel = channel.clone();
            senders.push(tokio::spawn(async move {
                let mut told = Told::new();
                while !stop.load(Ordering::Relaxed) {
                    let reason = match tenant.send(kind, &workspace, &channel).await {
                        Ok(()) => String::new(),
                        Err(status) => {
                            if status.code() == Code::ResourceExhausted
                                && error_reason(&status) == "SHARE_TAKEN"
                            {
                                let whose = metadata(&status, "share_of");
                                assert_eq!(whose, Some(format!("workspace {workspace}")));
                                let share = metadata(&status, "share");
                                assert!(!matches!(kind, Flood::Roles) || share.as_deref() == Some("2"));
                            }
                            error_reason(&status)
                        }
                    };
                    *told.entry(reason).or_default() += 1;
                }
                told
            }));
        }
    }
    senders
}

/// What an operator does in the meantime: all of it must be done.
async fn end_keys(keyward: &Keyward, others: &[Issued], owner: &str) {
    for victim in others {
        keyward.keys().revoke(keyward.as_root(by_id(&victim.key.id))).await.unwrap();
        keyward
            .keys()
            .get_key(keyward.as_root(v1::GetKeyRequest { key_id: victim.key.id.clone(), presented: None }))
            .await
            .unwrap();
        assert!(keyward.denied(&victim.api_key, &[SCOPE]).await.is_some());
    }
    let all = v1::ChangeKeysRequest {
        owner: owner.to_owned(),
        action: Some(Action::Revoke(RevokeKeys { reason: 1 })),
        ..v1::ChangeKeysRequest::default()
    };
    let preview = v1::ChangeKeysRequest { validate_only: true, ..all.clone() };
    let seen = keyward.keys().change_keys(keyward.as_root(preview)).await.unwrap().into_inner();
    assert_eq!(seen.count, 2);
    let confirmed = v1::ChangeKeysRequest { expected_count: 2, ..all };
    keyward.keys().change_keys(keyward.as_root(confirmed)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_one_tenant_sends_holds_up_no_check_and_no_revocation() {
    // X5, V1, V2, T1, M2
    let keyward = Arc::new(Keyward::start().await);
    let (workspace, tenant) = Tenant::with_keys(&keyward, 100).await;
    let tenant = Arc::new(tenant);
    let honest = keyward.issue_scopes(&[SCOPE]).await.api_key;
    for kind in FLOODS {
        let owner = format!("{kind:?}");
        let of_owner = || v1::IssueRequest { owner: owner.clone(), ..holder_key(&[SCOPE]) };
        let victims = join_all((0..8).map(|_| keyward.issue_scopes(&[SCOPE]))).await;
        join_all((0..2).map(|_| keyward.issue(of_owner()))).await;

        let stop = Arc::new(AtomicBool::new(false));
        let senders = flood(&keyward, &tenant, &workspace, kind, &stop).await;
        let failed = Arc::new(Mutex::new(Vec::new()));
        let checks = {
            let (keyward, stop, failed, honest) =
                (Arc::clone(&keyward), Arc::clone(&stop), Arc::clone(&failed), honest.clone());
            let mut keys = KeyServiceClient::new(keyward.new_channel().await);
            tokio::spawn(async move {
                let mut done = 0_u64;
                while !stop.load(Ordering::Relaxed) {
                    match keys.check(check(&honest, &[SCOPE])).await {
                        Ok(answer) if answer.get_ref().allowed => done += 1,
                        other => failed.lock().unwrap().push(format!("{other:?}")),
                    }
                }
                done
            })
        };
        end_keys(&keyward, &victims, &owner).await;
        stop.store(true, Ordering::Relaxed);
        let done = checks.await.unwrap();
        let mut told = Told::new();
        for sender in senders {
            for (reason, count) in sender.await.unwrap() {
                *told.entry(reason).or_default() += count;
            }
        }
        say(&format!("{kind:?}: {done} Checks beside {told:?}"));
        assert_eq!(*failed.lock().unwrap(), Vec::<String>::new(), "{kind:?}");
        assert!(done > 0, "{kind:?}");
        assert!(told.contains_key("SHARE_TAKEN"), "{kind:?}: {told:?}");
        for outage in ["OVERLOADED", "STORE_UNAVAILABLE", "INTERNAL"] {
            assert!(!told.contains_key(outage), "{kind:?}: {told:?}");
        }
    }
}
