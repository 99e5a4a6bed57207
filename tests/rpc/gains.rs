//! No key gains a right unseen: what a policy gives to keys that live is counted, named, expected and kept (S10).

use std::{path::Path, sync::Arc, time::Duration};

use futures_util::future::join_all;
use keyward::{
    domain::policy::{Document, Policy, ScopeEntry},
    wire::v1::{self, DenialReason, apply_policy_request::Document as Applied},
};
use rusqlite::Connection;
use tonic::{Code, Response, Status};

use crate::support::{
    Issued, Keyward, admin_rights, holder_key,
    verbs::{DAY, bound, by_id, metadata, refusal, strings, toml},
};

const INSUFFICIENT: Option<DenialReason> = Some(DenialReason::ScopeInsufficient);

fn document() -> Document {
    Policy::default_document().unwrap().document().clone()
}

async fn start() -> Keyward {
    Keyward::start_with(true, Policy::default_document().unwrap()).await
}

fn with_scope(mut document: Document, name: &str) -> Document {
    document.scopes.push(ScopeEntry { name: name.to_owned(), ..ScopeEntry::default() });
    document
}

trait Gaining {
    async fn preview(&self, document: &Document) -> v1::PolicyEffect;
    async fn put(
        &self,
        document: &Document,
        expected_gains: Option<u64>,
    ) -> Result<Response<v1::ApplyPolicyResponse>, Status>;
    async fn log_of(&self, key: &str) -> Vec<v1::AuditRecord>;
    async fn fault(&self) -> Option<u64>;
}

impl Gaining for Keyward {
    async fn preview(&self, document: &Document) -> v1::PolicyEffect {
        self.judge(&toml(document)).await.unwrap().into_inner().effect.unwrap()
    }

    async fn put(
        &self,
        document: &Document,
        expected_gains: Option<u64>,
    ) -> Result<Response<v1::ApplyPolicyResponse>, Status> {
        let request = v1::ApplyPolicyRequest {
            document: Some(Applied::Toml(toml(document))),
            expected_version: self.in_force().await.version.unwrap().version,
            expected_gains,
            ..v1::ApplyPolicyRequest::default()
        };
        self.policies().apply_policy(self.as_root(request)).await
    }

    async fn log_of(&self, key: &str) -> Vec<v1::AuditRecord> {
        let request = v1::QueryLogRequest { key_id: key.to_owned(), ..v1::QueryLogRequest::default() };
        self.audit().query_log(self.as_root(request)).await.unwrap().into_inner().records
    }

    async fn fault(&self) -> Option<u64> {
        let found = self.audit().verify_log(self.as_root(v1::VerifyLogRequest {})).await.unwrap();
        found.into_inner().fault.map(|fault| fault.revision)
    }
}

/// The keys that a preview names, each with what it gains, by id.
fn named(effect: &v1::PolicyEffect) -> Vec<(&str, &[String])> {
    effect.gaining_keys.iter().map(|key| (key.key_id.as_str(), key.gained_scopes.as_slice())).collect()
}

fn sorted<'a>(keys: &[(&'a Issued, &'a [String])]) -> Vec<(&'a str, &'a [String])> {
    let mut all: Vec<_> = keys.iter().map(|(key, scopes)| (key.key.id.as_str(), *scopes)).collect();
    all.sort();
    all
}

#[tokio::test(flavor = "multi_thread")]
async fn a_declared_scope_under_a_wildcard_is_a_gain_that_is_counted_named_expected_and_found_by_each_key() {
    // S10, S4
    let keyward = start().await;
    let wide = keyward.issue_scopes(&["storage:*"]).await;
    let disabled = keyward.issue_scopes(&["storage:*", "messaging:send"]).await;
    keyward.disable(&disabled.key.id).await;
    let narrow = keyward.issue_scopes(&["storage:read"]).await;
    let revoked = keyward.issue_scopes(&["storage:*"]).await;
    keyward.revoke(&revoked.key.id).await;
    let ends = v1::IssueRequest { expire_time: Some(keyward.clock.after(DAY)), ..holder_key(&["storage:*"]) };
    let expired = keyward.issue(ends).await;
    keyward.clock.advance(DAY);
    keyward.issue_admin("", admin_rights(&["keys:read"], true)).await;

    let purge = with_scope(document(), "storage:purge");
    let gained = strings(&["storage:purge"]);
    let effect = keyward.preview(&purge).await;
    assert_eq!(named(&effect), sorted(&[(&wide, &gained), (&disabled, &gained)]), "who lives, and gains");
    assert_eq!((effect.gaining_key_count, effect.affected_key_count), (2, 0));

    let (before, revision) = (keyward.in_force().await, keyward.revision().await);
    for wrong in [None, Some(0), Some(1), Some(3), Some(u64::MAX)] {
        let refused = keyward.put(&purge, wrong).await;
        let status = refusal(refused, Code::FailedPrecondition, "GAINS_UNEXPECTED");
        let said = |name| metadata(&status, name).unwrap();
        assert_eq!((said("gaining_key_count"), said("gained_scopes")), ("2".to_owned(), gained[0].clone()));
        assert_eq!(said("expected_gains"), wrong.unwrap_or_default().to_string());
        let ids: Vec<_> = effect.gaining_keys.iter().map(|key| key.key_id.clone()).collect();
        assert_eq!(said("key_ids"), ids.join(" "));
        assert!(status.message().contains(&ids[0]) && status.message().contains("storage:purge"));
    }
    assert_eq!((keyward.in_force().await, keyward.revision().await), (before, revision));
    assert_eq!(
        keyward.denied(&wide.api_key, &gained.iter().map(String::as_str).collect::<Vec<_>>()).await,
        INSUFFICIENT
    );

    let applied = keyward.put(&purge, Some(2)).await.unwrap().into_inner();
    assert_eq!(
        applied.effect.unwrap().gaining_keys,
        effect.gaining_keys,
        "what was foretold is what was done"
    );
    assert_eq!(keyward.denied(&wide.api_key, &["storage:purge"]).await, None);
    let revision = applied.version.unwrap().revision;
    let keyward = keyward.restart().await;
    for key in [&wide, &disabled] {
        let found = keyward.log_of(&key.key.id).await;
        let entry = found.iter().find(|record| record.revision == revision).expect("found by the key");
        assert_eq!((entry.gaining_key_count, &entry.gained_by_key), (2, &gained));
        assert_eq!(entry.gains, [v1::GainedScopes { scopes: gained.clone(), key_count: 2 }]);
        assert_eq!((entry.policy_version, entry.key_id.as_str(), entry.group_id.as_str()), (2, "", ""));
    }
    for key in [&narrow, &revoked, &expired] {
        assert!(keyward.log_of(&key.key.id).await.iter().all(|record| record.revision != revision));
    }
    assert_eq!(keyward.fault().await, None);
    keyward.revoke(&wide.key.id).await;
    assert!(keyward.show(&disabled.key.id).await.revision < revision, "the key itself was not changed");
    keyward.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn each_way_in_which_a_document_gives_more_is_a_gain() {
    // S10, S3, S4, S5
    let keyward = start().await;
    let (workspace, _) = keyward.register("team").await;
    for (subject, role) in [("eve", "editor"), ("ann", "owner")] {
        let request = v1::AddMemberRequest {
            workspace_id: workspace.id.clone(),
            subject: subject.to_owned(),
            role: role.to_owned(),
            expected_gains: None,
        };
        keyward.workspaces().add_member(keyward.as_root(request)).await.unwrap();
    }
    let following = async |owner: &str, scopes: &[&str]| {
        let request = v1::IssueRequest {
            workspace_id: workspace.id.clone(),
            owner: owner.to_owned(),
            follows_owner_role: true,
            ..holder_key(scopes)
        };
        keyward.issue(request).await
    };
    let (editor, owner) = (following("eve", &[]).await, following("ann", &[]).await);
    let narrowed = following("eve", &["storage:read"]).await;
    let wide = keyward.issue_scopes(&["permissions:*"]).await;
    let both = v1::IssueRequest {
        grants: vec![bound("permissions:manage", &["team/a"])],
        ..holder_key(&["permissions:*"])
    };
    let both = keyward.issue(both).await;
    let exact = keyward.issue_scopes(&["exports:create"]).await;
    let audits = strings(&["permissions:audit"]);

    // A scope that wildcards reach from now on, for all resources where it was bound to some.
    let mut open = document();
    let marked = |scope: &mut ScopeEntry| scope.not_by_wildcard = scope.name == "permissions:audit";
    open.scopes.iter_mut().for_each(marked);
    let manages = strings(&["permissions:manage"]);
    let effect = keyward.preview(&open).await;
    assert_eq!(named(&effect), sorted(&[(&wide, &manages), (&both, &manages)]));
    assert_eq!(effect.affected_key_count, 0, "who has it for more resources has lost nothing");
    open.scopes.iter_mut().for_each(|scope| scope.not_by_wildcard = false);
    let two = strings(&["permissions:audit", "permissions:manage"]);
    assert_eq!(named(&keyward.preview(&open).await), sorted(&[(&wide, &two), (&both, &two)]));
    assert_eq!(two[..1], audits[..]);

    // A role that grows, by name, by everything, and by a scope that is new.
    let editors = document().roles.iter().position(|role| role.name == "editor").unwrap();
    let mut grown = document();
    grown.roles[editors].scopes.push("permissions:audit".to_owned());
    let gained = strings(&["permissions:audit"]);
    assert_eq!(named(&keyward.preview(&grown).await), sorted(&[(&editor, &gained)]));
    let mut all = document();
    all.roles[editors].scopes.clear();
    all.roles[editors].all_scopes = true;
    let effect = keyward.preview(&all).await;
    assert_eq!(
        (effect.gaining_key_count, effect.gaining_keys[0].key_id.as_str()),
        (1, editor.key.id.as_str())
    );
    let faxes = strings(&["faxes:send"]);
    let new = with_scope(document(), "faxes:send");
    assert_eq!(named(&keyward.preview(&new).await), sorted(&[(&owner, &faxes)]), "every scope that there is");

    // A scope that comes back works again in every key that still holds it.
    let mut without = document();
    without.scopes.retain(|scope| scope.name != "exports:create");
    without.roles.iter_mut().for_each(|role| role.scopes.retain(|scope| !scope.starts_with("exports:")));
    let lost = keyward.apply(&without).await.effect.unwrap();
    assert_eq!(lost.gaining_key_count, 0, "what only takes away asks for nothing");
    let exports = strings(&["exports:create"]);
    let effect = keyward.preview(&document()).await;
    let came_back: Vec<_> = named(&effect).into_iter().filter(|(id, _)| *id == exact.key.id).collect();
    assert_eq!(came_back, [(exact.key.id.as_str(), exports.as_slice())]);
    refusal(keyward.put(&document(), None).await, Code::FailedPrecondition, "GAINS_UNEXPECTED");
    assert!(!named(&effect).iter().any(|(id, _)| *id == narrowed.key.id), "its own scopes narrow it");
    keyward.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_document_that_gives_nobody_more_is_applied_as_before() {
    // S10
    let keyward = start().await;
    keyward.issue_scopes(&["storage:read"]).await;
    let faxes = with_scope(document(), "faxes:send");
    refusal(keyward.put(&faxes, Some(1)).await, Code::FailedPrecondition, "GAINS_UNEXPECTED");
    keyward.put(&faxes, None).await.unwrap();
    keyward.put(&document(), Some(0)).await.unwrap();
    // Limits and routes are no rights: the changes tell of them.
    let mut wider = document();
    wider.tiers[0].limits[0].limit *= 10;
    wider.plans[0].description = "wider".to_owned();
    let effect = keyward.put(&wider, None).await.unwrap().into_inner().effect.unwrap();
    assert_eq!((effect.change_count, effect.gaining_key_count), (2, 0));
    let entry = keyward.newest_record().await;
    assert_eq!((entry.gaining_key_count, entry.gains.len()), (0, 0));
    keyward.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_issued_widened_or_revoked_after_the_preview_are_counted_again() {
    // S10
    let keyward = start().await;
    let older = keyward.issue_scopes(&["storage:*"]).await;
    let other = keyward.issue_scopes(&["messaging:send"]).await;
    let purge = with_scope(document(), "storage:purge");
    assert_eq!(keyward.preview(&purge).await.gaining_key_count, 1);
    let counted = async |now: &str, expected| {
        let status =
            refusal(keyward.put(&purge, Some(expected)).await, Code::FailedPrecondition, "GAINS_UNEXPECTED");
        assert_eq!(metadata(&status, "gaining_key_count").as_deref(), Some(now));
    };
    keyward.issue_scopes(&["storage:*"]).await;
    counted("2", 1).await;
    let widened = v1::Key { id: other.key.id.clone(), scopes: strings(&["storage:*"]), ..v1::Key::default() };
    keyward.update(widened, &["scopes"]).await;
    counted("3", 2).await;
    keyward.revoke(&older.key.id).await;
    counted("2", 3).await;
    keyward.put(&purge, Some(2)).await.unwrap();
    keyward.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn no_key_gains_that_was_not_counted_however_many_are_issued_and_widened_meanwhile() {
    // S10
    let keyward = Arc::new(start().await);
    let others = join_all((0..40).map(|_| keyward.issue_scopes(&["messaging:send"]))).await;
    let purge = with_scope(document(), "storage:purge");
    let working = {
        let keyward = Arc::clone(&keyward);
        tokio::spawn(async move {
            let mut made = Vec::new();
            for other in others {
                let widened =
                    v1::Key { id: other.key.id, scopes: strings(&["storage:*"]), ..v1::Key::default() };
                let (widened, issued) =
                    tokio::join!(keyward.update(widened, &["scopes"]), keyward.issue_scopes(&["storage:*"]));
                made.extend([widened, issued.key]);
            }
            made
        })
    };
    let (mut tries, mut expected) = (0, 0);
    let applied = loop {
        tries += 1;
        match keyward.put(&purge, Some(expected)).await {
            Ok(applied) => break applied.into_inner(),
            Err(status) => expected = metadata(&status, "gaining_key_count").unwrap().parse().unwrap(),
        }
        tokio::task::yield_now().await;
    };
    let made = working.await.unwrap();
    let revision = applied.version.unwrap().revision;
    let mut counted = 0;
    for key in &made {
        let gained = keyward.log_of(&key.id).await.iter().any(|record| record.revision == revision);
        assert_eq!(gained, key.revision < revision, "{} at {}, after {tries} tries", key.id, key.revision);
        counted += u64::from(gained);
    }
    assert_eq!((counted, applied.effect.unwrap().gaining_key_count), (expected, expected));
    Arc::into_inner(keyward).unwrap().stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_key_that_is_widened_while_a_policy_is_applied_is_counted_or_comes_after_it() {
    // S10: each change begins when the number has just been told, so that it falls between counting and gaining if it can
    let keyward = start().await;
    let keys = join_all((0..60).map(|_| keyward.issue_scopes(&["messaging:send"]))).await;
    let (mut wider, mut outcomes) = (document(), [0_u32, 0]);
    for (round, other) in keys.into_iter().enumerate() {
        let next = with_scope(wider.clone(), &format!("storage:purge-{round}"));
        let expected = keyward.preview(&next).await.gaining_key_count;
        let widened = v1::Key { id: other.key.id, scopes: strings(&["storage:*"]), ..v1::Key::default() };
        let (applied, widened) =
            tokio::join!(keyward.put(&next, Some(expected)), keyward.update(widened, &["scopes"]));
        match applied {
            Ok(applied) => {
                let revision = applied.into_inner().version.unwrap().revision;
                assert!(widened.revision > revision, "round {round}: it gained unseen");
                wider = next;
                outcomes[0] += 1;
            }
            Err(status) => {
                assert_eq!(metadata(&status, "gaining_key_count"), Some((expected + 1).to_string()));
                outcomes[1] += 1;
            }
        }
    }
    assert_eq!(outcomes.iter().sum::<u32>(), 60, "applied before it was widened, or refused: {outcomes:?}");
    keyward.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_key_that_ends_while_a_policy_is_applied_is_not_counted_or_ends_after_it() {
    // S10, V1
    let keyward = start().await;
    let keys = join_all((0..60).map(|_| keyward.issue_scopes(&["storage:*"]))).await;
    let (mut wider, mut ended) = (document(), [0_u64, 0]);
    for (round, other) in keys.into_iter().enumerate() {
        let next = with_scope(wider.clone(), &format!("storage:purge-{round}"));
        let expected = keyward.preview(&next).await.gaining_key_count;
        let (mut keys, mut policies) = (keyward.keys(), keyward.policies());
        let revoking = keys.revoke(keyward.as_root(by_id(&other.key.id)));
        let request = v1::ApplyPolicyRequest {
            document: Some(Applied::Toml(toml(&next))),
            expected_version: keyward.in_force().await.version.unwrap().version,
            expected_gains: Some(expected),
            ..v1::ApplyPolicyRequest::default()
        };
        let (applied, revoked) = tokio::join!(policies.apply_policy(keyward.as_root(request)), revoking);
        let revoked = revoked.unwrap().into_inner().revision;
        match applied {
            Ok(applied) => {
                let revision = applied.into_inner().version.unwrap().revision;
                assert!(revoked > revision, "round {round}: a key that had ended was counted");
                (wider, ended[0]) = (next, ended[0] + 1);
            }
            Err(status) => {
                assert_eq!(metadata(&status, "gaining_key_count"), Some((expected - 1).to_string()));
                ended[1] += 1;
            }
        }
    }
    assert_eq!(ended.iter().sum::<u64>(), 60, "after it, or refused: {ended:?}");
    keyward.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_answer_names_a_thousand_keys_and_counts_all_and_the_list_has_all() {
    // S10
    let keyward = start().await;
    let mut ids = Vec::new();
    for _ in 0..11 {
        let made = join_all((0..100).map(|_| keyward.issue_scopes(&["storage:*"]))).await;
        ids.extend(made.into_iter().map(|made| made.key.id));
    }
    ids.sort();
    let purge = with_scope(document(), "storage:purge");
    let effect = keyward.preview(&purge).await;
    let first: Vec<_> = effect.gaining_keys.iter().map(|key| key.key_id.as_str()).collect();
    assert_eq!((effect.gaining_key_count, first), (1_100, ids[..1_000].iter().map(String::as_str).collect()));
    let revision = keyward.put(&purge, Some(1_100)).await.unwrap().into_inner().version.unwrap().revision;
    for id in [&ids[0], &ids[999], &ids[1_000], &ids[1_099]] {
        let found = keyward.log_of(id).await;
        assert_eq!(found.iter().filter(|record| record.revision == revision).count(), 1);
    }
    assert_eq!(keyward.fault().await, None);
    keyward.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_edited_list_of_gains_is_a_fault_of_its_entry() {
    // S10, A3
    let edits: [&str; 7] = [
        "DELETE FROM grouped_keys WHERE revision < 0",
        "UPDATE grouped_keys SET ids = substr(ids, 1, 16) WHERE revision < 0",
        "UPDATE grouped_keys SET states_before = zeroblob(8) WHERE revision < 0",
        "UPDATE grouped_keys SET first_id = x'00' WHERE revision < 0",
        "UPDATE grouped_keys SET revision = revision - 1 WHERE revision < 0",
        "UPDATE grouped_keys SET revision = -revision WHERE revision < 0",
        "INSERT INTO grouped_keys SELECT revision, zeroblob(16), zeroblob(16), zeroblob(8), code, root FROM grouped_keys WHERE revision < 0",
    ];
    for edit in edits {
        let keyward = start().await;
        for scopes in [&["storage:*"][..], &["templates:*"], &["storage:*", "templates:*"]] {
            keyward.issue_scopes(scopes).await;
        }
        let wider = with_scope(with_scope(document(), "storage:purge"), "templates:purge");
        let applied = keyward.put(&wider, Some(3)).await.unwrap().into_inner();
        let revision = applied.version.unwrap().revision;
        assert_eq!(keyward.fault().await, None);
        let alter = |data: &Path| {
            let database = Connection::open(data.join("keyward.db")).unwrap();
            assert!(database.execute(edit, []).unwrap() > 0, "{edit}");
        };
        let keyward = keyward.restart_after(alter).await;
        assert_eq!(keyward.fault().await, Some(revision), "{edit}");
        keyward.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_have_nothing_while_the_policy_is_damaged_so_that_all_of_them_gain_by_the_next() {
    // S10, D5
    let keyward = start().await;
    keyward.issue_scopes(&["storage:read"]).await;
    let following = keyward.issue_scopes(&["messaging:send"]).await;
    let alter = |data: &Path| {
        let database = Connection::open(data.join("keyward.db")).unwrap();
        database.execute("UPDATE policies SET code = zeroblob(32)", []).unwrap();
    };
    let keyward = keyward.restart_after(alter).await;
    let text = toml(&document());
    refusal(keyward.try_apply(&text, 0, "").await, Code::FailedPrecondition, "GAINS_UNEXPECTED");
    keyward.apply_expecting_all(&text, "mended").await.unwrap();
    assert_eq!(keyward.newest_record().await.gaining_key_count, 2);
    assert_eq!(keyward.denied(&following.api_key, &["messaging:send"]).await, None);
    keyward.clock.advance(Duration::from_secs(1));
    keyward.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_that_lets_keys_through_again_gives_them_all_that_they_have() {
    // S10
    let keyward = start().await;
    let starter = keyward.issue_scopes(&["storage:read", "messaging:send"]).await;
    let (workspace, other) = keyward.register("other").await;
    crate::overrides::set_plan(&keyward, &workspace.id, "pro").await;
    let mut closed = document();
    closed.plans[0].keys_denied = true;
    let effect = keyward.preview(&closed).await;
    let both = strings(&["messaging:send", "storage:read"]);
    assert_eq!((effect.gaining_key_count, effect.affected_key_count), (0, 1));
    assert_eq!(
        (&effect.affected_keys[0].key_id, &effect.affected_keys[0].lost_scopes),
        (&starter.key.id, &both)
    );
    keyward.put(&closed, None).await.unwrap();
    let suspended = Some(DenialReason::WorkspaceSuspended);
    assert_eq!(keyward.denied(&starter.api_key, &["storage:read"]).await, suspended);
    assert_eq!(keyward.denied(&starter.api_key, &[]).await, suspended, "whatever it asks for");
    assert_eq!(keyward.denied(&other.api_key, &["messaging:send"]).await, None);

    let effect = keyward.preview(&document()).await;
    assert_eq!(named(&effect), sorted(&[(&starter, &both)]));
    refusal(keyward.put(&document(), None).await, Code::FailedPrecondition, "GAINS_UNEXPECTED");
    // What is given to keys that stay denied is no gain.
    let wider = with_scope(closed, "storage:purge");
    assert_eq!(keyward.preview(&wider).await.gaining_key_count, 0);
    keyward.put(&document(), Some(1)).await.unwrap();
    assert_eq!(keyward.denied(&starter.api_key, &["storage:read"]).await, None);
    keyward.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_key_that_is_issued_while_its_owners_role_grows_is_counted_or_comes_after_it() {
    // S10, S5
    let keyward = start().await;
    let (workspace_id, subject) = (String::new(), "ann".to_owned());
    let role = |role: &str, expected_gains| v1::UpdateMemberRequest {
        workspace_id: workspace_id.clone(),
        subject: subject.clone(),
        role: role.to_owned(),
        expected_gains,
    };
    let adding =
        v1::AddMemberRequest { subject: subject.clone(), role: "viewer".to_owned(), ..Default::default() };
    keyward.workspaces().add_member(keyward.as_root(adding)).await.unwrap();
    let following =
        || v1::IssueRequest { owner: "ann".to_owned(), follows_owner_role: true, ..holder_key(&[]) };
    join_all((0..101).map(|_| keyward.issue(following()))).await;
    let mut outcomes = [0_u32, 0];
    for round in 0..30 {
        let expected = 101 + round;
        let mut workspaces = keyward.workspaces();
        let growing = workspaces.update_member(keyward.as_root(role("editor", Some(expected))));
        let (grown, issued) = tokio::join!(growing, keyward.issue(following()));
        match grown {
            Ok(grown) => {
                let revision = grown.into_inner().revision;
                assert!(issued.key.revision > revision, "round {round}: it gained unseen");
                keyward.workspaces().update_member(keyward.as_root(role("viewer", None))).await.unwrap();
                outcomes[0] += 1;
            }
            Err(status) => {
                let counted = metadata(&status, "gaining_key_count");
                assert_eq!(counted, Some((expected + 1).to_string()), "{status:?}");
                outcomes[1] += 1;
            }
        }
    }
    assert_eq!(outcomes.iter().sum::<u32>(), 30, "after it, or refused: {outcomes:?}");
    keyward.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_members_own_change_of_role_asks_only_beyond_a_hundred_keys() {
    // S10, S5
    let keyward = start().await;
    let of = |role: &str| (String::new(), "ann".to_owned(), role.to_owned());
    let add = async |role: &str, expected_gains| {
        let (workspace_id, subject, role) = of(role);
        let request = v1::AddMemberRequest { workspace_id, subject, role, expected_gains };
        keyward.workspaces().add_member(keyward.as_root(request)).await.map(|answer| answer.map(drop))
    };
    let update = async |role: &str, expected_gains| {
        let (workspace_id, subject, role) = of(role);
        let request = v1::UpdateMemberRequest { workspace_id, subject, role, expected_gains };
        keyward.workspaces().update_member(keyward.as_root(request)).await.map(|answer| answer.map(drop))
    };
    let remove = async || {
        let request =
            v1::RemoveMemberRequest { subject: "ann".to_owned(), ..v1::RemoveMemberRequest::default() };
        keyward.workspaces().remove_member(keyward.as_root(request)).await.unwrap();
    };
    add("viewer", None).await.unwrap();
    let following =
        || v1::IssueRequest { owner: "ann".to_owned(), follows_owner_role: true, ..holder_key(&[]) };
    let keys = join_all((0..100).map(|_| keyward.issue(following()))).await;
    // Narrowed to what both roles have: it gains nothing.
    keyward.issue(v1::IssueRequest { scopes: strings(&["storage:read"]), ..following() }).await;
    refusal(update("editor", Some(99)).await, Code::FailedPrecondition, "GAINS_UNEXPECTED");
    update("editor", None).await.unwrap();
    assert_eq!(keyward.newest_record().await.gaining_key_count, 0, "the entry names the member");
    update("viewer", None).await.unwrap();

    let last = keyward.issue(following()).await;
    let before = keyward.revision().await;
    for wrong in [None, Some(100), Some(102)] {
        let status = refusal(update("editor", wrong).await, Code::FailedPrecondition, "GAINS_UNEXPECTED");
        assert_eq!(metadata(&status, "gaining_key_count").as_deref(), Some("101"));
    }
    assert_eq!(keyward.revision().await, before);
    assert_eq!(
        keyward.denied(&last.api_key, &["storage:upload"]).await,
        Some(DenialReason::RoleInsufficient)
    );
    update("editor", Some(101)).await.unwrap();
    assert_eq!(keyward.denied(&last.api_key, &["storage:upload"]).await, None);
    let entry = keyward.newest_record().await;
    assert_eq!((entry.gaining_key_count, entry.member.as_str()), (101, "ann"));
    for key in [&keys[0], &keys[99], &last] {
        let found = keyward.log_of(&key.key.id).await;
        let gained = found.iter().find(|record| record.revision == entry.revision).unwrap();
        assert!(gained.gained_by_key.contains(&"storage:upload".to_owned()));
    }
    update("viewer", None).await.unwrap();

    // Who comes back brings all of them back.
    remove().await;
    refusal(add("viewer", None).await, Code::FailedPrecondition, "GAINS_UNEXPECTED");
    add("viewer", Some(102)).await.unwrap();
    assert_eq!(keyward.denied(&last.api_key, &["storage:read"]).await, None);
    assert_eq!(keyward.fault().await, None);
    keyward.stop().await;
}
