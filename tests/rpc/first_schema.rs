//! A store that was made before there were policies.

use std::{fs, os::unix::fs::PermissionsExt as _, path::Path, sync::Arc};

use keyward::{
    domain::{
        admin::AdminRights,
        credentials::{Credentials, Secret},
        grant::{Grant, Grants},
        key::Key,
        scope::ScopePattern,
        secret::{Prefix, SecretKey},
    },
    ports::{KeyStore as _, Lifecycle as _},
    store::data_dir::DataDir,
    wire::v1::{self, ActorKind, AuditAction, DenialReason},
};
use rusqlite::Connection;
use tempfile::TempDir;

use crate::{
    store_support::{Seeded, at, key, stored},
    support::{
        Keyward, ManualClock, holder_key, policy,
        verbs::{DAY, assert_field, peek, strings},
    },
};

/// Lays the fixture down.
fn lay(data_dir: &Path) {
    DataDir::open(data_dir).unwrap();
    let roots = data_dir.join("roots");
    fs::write(&roots, include_str!("../fixtures/roots-v1")).unwrap();
    fs::set_permissions(&roots, fs::Permissions::from_mode(0o600)).unwrap();
    let database = Connection::open(data_dir.join("keyward.db")).unwrap();
    database.execute_batch(include_str!("../fixtures/store-v1.sql")).unwrap();
}

/// Adds a root key and a holder's key with scopes, as they were made before there were policies; returns what to
/// present for each.
async fn add_keys(data_dir: &Path) -> [String; 2] {
    let entropy = Seeded::new(8);
    let opened =
        keyward::store::sqlite::SqliteStore::open(&DataDir::open(data_dir).unwrap(), &entropy, at(1_000));
    let (store, keys) = opened.unwrap();
    let view = store.whole().await.unwrap();
    assert!(view.policy.is_none());
    let workspace = view.workspaces[0].id;
    let with = |prefix: &str, of: fn(Key) -> Key| {
        let secret = SecretKey::generate(&Prefix::parse(prefix).unwrap(), &entropy).unwrap();
        let first = Secret {
            generation: 1,
            scheme: keyward::domain::scheme::Scheme::Native,
            hash: secret.hash(&keys.lookup),
            root: keys.lookup.root(),
            hint: secret.hint(),
            created: at(1_000),
        };
        (of(Key { credentials: Credentials::new(first), ..key(&entropy, workspace) }), secret.reveal())
    };
    let (root, presented_root) =
        with("kw_admin_", |key| Key { admin: Some(AdminRights::everything().into()), ..key });
    let (holder, presented) = with("kw_live_", |key| {
        let grants = ["storage:read", "storage:rename", "exports:*"]
            .map(|scope| Grant::unbound(ScopePattern::parse(scope).unwrap()));
        Key { grants: Arc::new(Grants::new(grants.into()).unwrap()), ..key }
    });
    stored(&store, &root).await;
    stored(&store, &holder).await;
    store.close().await.unwrap();
    [presented_root, presented]
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_without_a_policy_adopts_the_first_at_a_start_and_its_keys_work() {
    // D8, S2
    let dir = TempDir::new().unwrap();
    let data_dir = dir.path().join("data");
    lay(&data_dir);
    let [root, holder] = add_keys(&data_dir).await;
    let keyward = Keyward::resume(dir, Arc::new(ManualClock::new()), root, true, 5).await;

    let adopted = keyward.in_force().await;
    let version = adopted.version.clone().unwrap();
    assert_eq!((version.version, version.applied_by.as_str(), version.comment.as_str()), (1, "", ""));
    assert_eq!(adopted.toml, policy().to_toml());
    let record = keyward.newest_record().await;
    assert_eq!((record.action(), record.policy_version), (AuditAction::PolicyApply, 1));
    assert_eq!((record.revision, record.actor.unwrap().kind()), (version.revision, ActorKind::System));
    let verified =
        keyward.audit().verify_log(keyward.as_root(v1::VerifyLogRequest::default())).await.unwrap();
    assert_eq!(verified.into_inner().fault, None);

    let insufficient = Some(DenialReason::ScopeInsufficient);
    for (scope, denial) in [
        ("storage:read", None),
        ("exports:create", None),
        ("storage:rename", insufficient),
        ("storage:upload", insufficient),
    ] {
        assert_eq!(keyward.denied(&holder, &[scope]).await, denial, "{scope}");
    }
    // The fixture's; none of it is the default one.
    let workspace_id = "ws_0jnrr26yrqvwa67jz1whck43eq".to_owned();
    let of_the_workspace =
        v1::ListKeysRequest { workspace_id: workspace_id.clone(), ..v1::ListKeysRequest::default() };
    let listed = keyward.keys().list_keys(keyward.as_root(of_the_workspace)).await.unwrap();
    let keys = listed.into_inner().keys;
    let shown = keys.iter().find(|key| !key.scopes.is_empty()).unwrap();
    assert_eq!(shown.inert_scopes, strings(&["storage:rename"]));
    let laptop = keys.iter().find(|key| key.name == "Zoë’s laptop").unwrap();
    assert!(keyward.ask_as_root(peek(&laptop.id, &[])).await.allowed);
    let rotated = keyward.rotate(&laptop.id, None).await;
    assert_eq!(keyward.denied(&rotated.api_key, &[]).await, None);

    let new = |scope: &str| v1::IssueRequest { workspace_id: workspace_id.clone(), ..holder_key(&[scope]) };
    keyward.issue(new("storage:read")).await;
    assert_field(keyward.try_issue(&keyward.root, new("storage:rename")).await, "scopes");

    keyward.clock.advance(DAY);
    let revision = keyward.revision().await;
    let keyward = keyward.restart().await;
    assert_eq!(keyward.in_force().await, adopted, "once");
    assert_eq!(keyward.revision().await, revision);
    assert_eq!(keyward.denied(&holder, &["storage:read"]).await, None);
    keyward.stop().await;
}
