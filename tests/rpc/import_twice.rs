//! One token in more than one import: which key has it, what ends it, and who learns of that.

use std::time::Duration;

use keyward::wire::v1::{
    self, ActorKind, AuditAction, CheckMode, DenialReason, FindingKind, ImportKeysRequest, KeyState,
    SecretState, check_request::Subject, import_row::Hash,
};
use tonic::Code;

use crate::{
    import::{HMAC, SHA512, TOKEN, hmac_of, row, rows, sha256, unhex},
    support::{
        Keyward, admin_rights, check, holder_key, policy, reason, signed,
        verbs::{DAY, refusal},
    },
};

const UNKNOWN: Option<DenialReason> = Some(DenialReason::KeyUnknown);
const EXPIRED: Option<DenialReason> = Some(DenialReason::KeyExpired);
const REVOKED: Option<DenialReason> = Some(DenialReason::KeyRevoked);

/// What a tenant's key that may import has beside that.
const SCOPES: [&str; 7] =
    ["keys:import", "keys:check", "keys:explain", "keys:read", "keys:rotate", "keys:revoke", "audit:read"];

/// A workspace, and a key that may import into it and look at what is there.
struct Tenant {
    workspace: String,
    key: String,
}

fn sha512(token: &str) -> Hash {
    Hash::Sha512(ring::digest::digest(&ring::digest::SHA512, token.as_bytes()).as_ref().to_vec())
}

impl Keyward {
    async fn tenant(&self, name: &str) -> Tenant {
        let (workspace, _) = self.register(name).await;
        let key = self.issue_admin(&workspace.id, admin_rights(&SCOPES, false)).await.api_key;
        Tenant { workspace: workspace.id, key }
    }

    async fn try_import_by(&self, tenant: &Tenant, hash: Hash, dry_run: bool) -> v1::ImportResult {
        let request = ImportKeysRequest { dry_run, ..rows(vec![row(1, hash)]) };
        let mut answer = self.try_import(&tenant.key, request).await.unwrap().into_inner();
        answer.results.remove(0)
    }

    /// The key of a hash that a tenant imports.
    async fn import_by(&self, tenant: &Tenant, hash: Hash) -> String {
        let result = self.try_import_by(tenant, hash, false).await;
        assert_eq!(result.error, None);
        result.key_id
    }

    async fn check_by(&self, tenant: &Tenant, token: &str) -> v1::CheckResponse {
        self.keys().check(signed(&tenant.key, check(token, &["messaging:send"]))).await.unwrap().into_inner()
    }

    async fn show_by(&self, tenant: &Tenant, id: &str) -> v1::Key {
        let request = v1::GetKeyRequest { key_id: id.to_owned(), presented: None };
        self.keys().get_key(signed(&tenant.key, request)).await.unwrap().into_inner().key.unwrap()
    }

    /// What a global caller is told of a key: in itself, in the list, by its rights and in the review.
    async fn marks(&self, tenant: &Tenant, caller: &str, id: &str) -> [String; 4] {
        let key_id = || id.to_owned();
        let workspace_id = || tenant.workspace.clone();
        let mut keys = self.keys();
        let shown = keys
            .get_key(signed(caller, v1::GetKeyRequest { key_id: key_id(), presented: None }))
            .await
            .unwrap();
        let list = v1::ListKeysRequest { workspace_id: workspace_id(), ..v1::ListKeysRequest::default() };
        let listed = keys.list_keys(signed(caller, list)).await.unwrap().into_inner().keys;
        let listed = listed.into_iter().find(|key| key.id == id).unwrap();
        let rights = v1::GetEffectiveRightsRequest { key_id: key_id() };
        let rights = keys.get_effective_rights(signed(caller, rights)).await.unwrap().into_inner();
        assert!(!rights.usable || rights.earlier_import_key_id.is_empty());
        let review =
            v1::ReviewKeysRequest { workspace_id: workspace_id(), ..v1::ReviewKeysRequest::default() };
        let review = keys.review_keys(signed(caller, review)).await.unwrap().into_inner();
        let reviewed = review.keys.into_iter().find(|key| key.key_id == id);
        let findings = reviewed.into_iter().flat_map(|key| key.findings);
        let found = findings.filter(|finding| finding.kind() == FindingKind::ImportedTwice);
        [
            shown.into_inner().key.unwrap().earlier_import_key_id,
            listed.earlier_import_key_id,
            rights.earlier_import_key_id,
            found.map(|finding| finding.words).collect(),
        ]
    }
}

fn key_of(answer: &v1::CheckResponse) -> Option<String> {
    answer.key.as_ref().map(|key| key.id.clone())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_ends_in_every_key_that_has_it() {
    // V3, A1
    let keyward = Keyward::start().await;
    keyward.add_scheme("acme").await;
    let [one, two, three, four] = ["one", "two", "three", "four"].map(|name| keyward.tenant(name));
    let (one, two, three, four) = (one.await, two.await, three.await, four.await);
    let first = keyward.import_by(&one, Hash::Sha512(unhex(SHA512))).await;
    let second = keyward.import_by(&two, sha256(TOKEN)).await;
    let same_hash = keyward.import_by(&three, sha256(TOKEN)).await;
    let rotated = keyward.import_by(&four, hmac_of("acme", unhex(HMAC))).await;
    let new = keyward.rotate(&rotated, Some(DAY)).await;
    let before = keyward.revision().await;

    assert_eq!(keyward.end(TOKEN).await.unwrap(), v1::RevokeResponse::default());
    for key in [&first, &second, &same_hash] {
        assert_eq!(keyward.show(key).await.state(), KeyState::Revoked);
    }
    assert_eq!(keyward.show(&rotated).await.secrets[1].state(), SecretState::Ended);
    assert_eq!(
        keyward.denied(&new.api_key, &["messaging:send"]).await,
        None,
        "a retiring secret ends only itself"
    );
    let request = v1::QueryLogRequest { page_size: 10, ..v1::QueryLogRequest::default() };
    let records = keyward.audit().query_log(keyward.as_root(request)).await.unwrap().into_inner().records;
    let records: Vec<_> = records.into_iter().filter(|record| record.revision > before).collect();
    let mut of: Vec<_> = records.iter().map(|record| record.key_id.clone()).collect();
    of.sort();
    let mut expected = vec![first.clone(), second, same_hash, rotated.clone()];
    expected.sort();
    assert_eq!(of, expected, "one record for each");
    for record in &records {
        let actor = record.actor.clone().unwrap();
        assert_eq!((actor.kind(), actor.key_id), (ActorKind::Holder, record.key_id.clone()));
        let ended = record.key_id == rotated;
        let action = if ended { AuditAction::SecretEnd } else { AuditAction::KeyRevoke };
        assert_eq!(record.action(), action);
    }
    keyward.end(TOKEN).await.unwrap();
    assert_eq!(keyward.revision().await, before + 4, "the same again ends nothing");

    let keyward = keyward.restart().await;
    assert_eq!(keyward.denied(TOKEN, &[]).await, REVOKED);
    for tenant in [&two, &three, &four] {
        assert_eq!(reason(&keyward.check_by(tenant, TOKEN).await), UNKNOWN);
    }
    keyward.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_crash_left_over_is_ended_by_the_same_call_again() {
    // V3, D1
    let keyward = Keyward::start().await;
    let (one, two, three) =
        (keyward.tenant("one").await, keyward.tenant("two").await, keyward.tenant("three").await);
    let keys = [
        keyward.import_by(&one, sha512(TOKEN)).await,
        keyward.import_by(&two, sha256(TOKEN)).await,
        keyward.import_by(&three, sha256(TOKEN)).await,
    ];
    // As if a first call had come so far.
    keyward.revoke(&keys[1]).await;
    let revision = keyward.revision().await;
    keyward.end(TOKEN).await.unwrap();
    assert_eq!(keyward.revision().await, revision + 2);
    for id in &keys {
        assert_eq!(keyward.show(id).await.state(), KeyState::Revoked);
    }
    keyward.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_rotation_and_no_import_brings_a_token_back() {
    // V3, R2, K9
    let keyward = Keyward::start().await;
    let (one, two, three) =
        (keyward.tenant("one").await, keyward.tenant("two").await, keyward.tenant("three").await);
    let first = keyward.import_by(&one, Hash::Sha512(unhex(SHA512))).await;
    let second = keyward.import_by(&two, sha256(TOKEN)).await;
    keyward.rotate(&second, Some(DAY)).await;
    keyward.rotate(&first, Some(DAY)).await;
    assert_eq!(keyward.denied(TOKEN, &["messaging:send"]).await, None, "in its grace");
    keyward.end(TOKEN).await.unwrap();
    for _ in 0..4 {
        for key in [&first, &second] {
            keyward.rotate(key, Some(Duration::ZERO)).await;
        }
        assert_eq!(keyward.denied(TOKEN, &[]).await, EXPIRED);
    }
    let keyward = keyward.restart().await;
    for key in [&first, &second] {
        let schemes: Vec<_> = keyward
            .show(key)
            .await
            .secrets
            .into_iter()
            .map(|secret| (secret.scheme, secret.generation))
            .collect();
        assert_eq!((schemes.len(), schemes[3].1), (4, 1), "{schemes:?}");
        let new = keyward.rotate(key, Some(DAY)).await;
        let again = keyward.rotate(key, Some(DAY)).await;
        for key in [&new, &again] {
            assert_eq!(keyward.denied(&key.api_key, &["messaging:send"]).await, None);
        }
    }
    // Neither by the hash that it had, nor by another.
    for hash in [sha256(TOKEN), sha512(TOKEN)] {
        keyward.import_by(&three, hash).await;
        assert_eq!(keyward.denied(TOKEN, &[]).await, EXPIRED);
        assert_eq!(reason(&keyward.check_by(&three, TOKEN).await), UNKNOWN);
    }
    keyward.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_imports_the_older_has_the_token_and_a_tenant_sees_its_own_alone() {
    // T1
    let keyward = Keyward::start().await;
    let (one, two) = (keyward.tenant("one").await, keyward.tenant("two").await);
    // By its name, the scheme of the younger comes first.
    let older = keyward.import_by(&one, Hash::Sha512(unhex(SHA512))).await;
    let younger = keyward.import_by(&two, sha256(TOKEN)).await;
    keyward.disable(&older).await;
    keyward.enable(&older).await;
    assert_eq!(keyward.marks(&two, &keyward.root, &younger).await, [""; 4], "nobody has presented it");
    let anywhere = keyward.check(TOKEN, &["messaging:send"]).await;
    assert_eq!((reason(&anywhere), key_of(&anywhere)), (None, Some(older.clone())));
    let own = keyward.check_by(&one, TOKEN).await;
    assert_eq!((reason(&own), key_of(&own)), (None, Some(older.clone())));
    let other = keyward.check_by(&two, TOKEN).await;
    assert_eq!((reason(&other), key_of(&other)), (UNKNOWN, None));
    let keyward = keyward.restart().await;
    keyward.revoke(&older).await;
    assert_eq!(keyward.denied(TOKEN, &[]).await, REVOKED, "whatever becomes of it");
    assert_eq!(reason(&keyward.check_by(&two, TOKEN).await), UNKNOWN);

    let words = format!("its token is that of {older}, which was imported first");
    let marks = keyward.marks(&two, &keyward.root, &younger).await;
    assert_eq!(marks, [&older, &older, &older, words.as_str()]);
    assert_eq!(keyward.marks(&one, &keyward.root, &older).await, [""; 4]);
    assert_eq!(keyward.marks(&two, &two.key, &younger).await, [""; 4], "a tenant is told nothing of others");
    let explain = |mode: CheckMode| v1::CheckRequest {
        subject: Some(Subject::KeyId(younger.clone())),
        mode: mode.into(),
        ..check("", &["messaging:send"])
    };
    let answer = keyward.ask_as_root(explain(CheckMode::Explain)).await;
    assert_eq!((reason(&answer), answer.denial.unwrap().failures.len()), (UNKNOWN, 1));
    let mine = keyward.keys().check(signed(&two.key, explain(CheckMode::Peek))).await.unwrap().into_inner();
    assert_eq!(reason(&mine), None);
    // With a secret of Keyward's own the key is like any other.
    let new = keyward.rotate(&younger, None).await;
    assert_eq!(keyward.denied(&new.api_key, &["messaging:send"]).await, None);
    assert_eq!(reason(&keyward.ask_as_root(explain(CheckMode::Peek)).await), None);
    keyward.stop().await;
}

/// A key of a tenant as it shows, without what differs between any two.
fn plain(key: v1::Key) -> v1::Key {
    v1::Key { id: String::new(), revision: 0, ..key }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_import_of_a_hash_that_others_have_tells_a_tenant_nothing() {
    // T1
    let keyward = Keyward::start().await;
    let (one, two) = (keyward.tenant("one").await, keyward.tenant("two").await);
    let theirs = keyward.import_by(&one, sha256(TOKEN)).await;
    let native = keyward.issue_scopes(&["messaging:send"]).await;
    let nobodys = keyward.import_by(&two, sha256("nobodys-token")).await;
    let expected = plain(keyward.show_by(&two, &nobodys).await);
    let first_record = keyward.newest_record().await;
    for secret in [TOKEN, &native.api_key, &keyward.root] {
        let dry = keyward.try_import_by(&two, sha256(secret), true).await;
        assert_eq!((dry.key_id.as_str(), dry.error), ("", None));
        let taken = keyward.import_by(&two, sha256(secret)).await;
        assert_eq!(plain(keyward.show_by(&two, &taken).await), expected);
        let record = keyward.newest_record().await;
        assert_eq!((record.action(), &record.changes), (AuditAction::KeyImport, &first_record.changes));
        assert_eq!(keyward.marks(&two, &two.key, &taken).await, [""; 4]);
        assert!(keyward.marks(&two, &keyward.root, &taken).await.iter().all(|mark| !mark.is_empty()));
        for dry_run in [true, false] {
            let again = keyward.try_import_by(&two, sha256(secret), dry_run).await.error.unwrap();
            assert_eq!((again.reason.as_str(), &again.existing_key_id), ("HASH_EXISTS", &taken));
        }
        // Who reaches all is told instead of being given a key that works for nobody.
        let known = keyward.bad(row(1, sha256(secret))).await;
        assert_eq!(known.reason, "HASH_EXISTS");
        keyward.rotate(&taken, Some(DAY)).await;
        keyward.keys().revoke(signed(&two.key, crate::support::verbs::by_id(&taken))).await.unwrap();
    }
    let keyward = keyward.restart().await;
    assert_eq!(key_of(&keyward.check(TOKEN, &["messaging:send"]).await), Some(theirs));
    assert_eq!(keyward.denied(&native.api_key, &["messaging:send"]).await, None);
    assert_eq!(reason(&keyward.check_by(&two, TOKEN).await), UNKNOWN);
    keyward.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_of_keywards_own_is_nobody_elses_by_its_hash() {
    // V3, K9
    let keyward = Keyward::start().await;
    let ended = keyward.issue_scopes(&["messaging:send"]).await;
    for _ in 0..3 {
        keyward.rotate(&ended.key.id, Some(Duration::ZERO)).await;
    }
    assert_eq!(keyward.denied(&ended.api_key, &[]).await, UNKNOWN);
    let tenant = keyward.tenant("one").await;
    for hash in [sha256(&ended.api_key), sha512(&ended.api_key)] {
        keyward.import_by(&tenant, hash).await;
        assert_eq!(keyward.denied(&ended.api_key, &[]).await, UNKNOWN);
        assert_eq!(reason(&keyward.check_by(&tenant, &ended.api_key).await), UNKNOWN);
    }
    let root = keyward.issue_admin("", admin_rights(&["keys:read"], true)).await;
    keyward.rotate(&root.key.id, Some(Duration::ZERO)).await;
    keyward.rotate(&root.key.id, Some(Duration::ZERO)).await;
    keyward.rotate(&root.key.id, Some(Duration::ZERO)).await;
    keyward.import_by(&tenant, sha256(&root.api_key)).await;
    let id = v1::GetKeyRequest { key_id: ended.key.id.clone(), presented: None };
    refusal(keyward.keys().get_key(signed(&root.api_key, id)).await, Code::Unauthenticated, "CALLER_INVALID");
    keyward.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn import_has_a_scope_of_its_own_and_whoever_gives_it_to_a_tenant_is_told_why_not() {
    // X9, S6
    let keyward = Keyward::start().await;
    let (workspace, _) = keyward.register("one").await;
    let issuer = keyward.issue_admin(&workspace.id, admin_rights(&["keys:issue"], false)).await.api_key;
    let refused = keyward.try_import(&issuer, rows(vec![row(1, sha256(TOKEN))])).await;
    refusal(refused, Code::PermissionDenied, "ADMIN_SCOPE_MISSING");
    let importer = admin_rights(&["keys:import"], true);
    let importer = keyward.issue_admin("", importer).await.api_key;
    keyward.try_import(&importer, rows(vec![row(1, sha256(TOKEN))])).await.unwrap();
    let refused = keyward.try_issue(&importer, holder_key(&["messaging:send"])).await;
    refusal(refused, Code::PermissionDenied, "ADMIN_SCOPE_MISSING");

    let warnings = async |admin: Option<v1::AdminRights>| {
        let scopes = if admin.is_none() { vec!["messaging:send".to_owned()] } else { Vec::new() };
        let request =
            v1::IssueRequest { name: "any".to_owned(), scopes, admin, ..v1::IssueRequest::default() };
        keyward.keys().issue(keyward.as_root(request)).await.unwrap().into_inner().warnings.clone()
    };
    assert_eq!(warnings(None).await.len(), 0);
    assert_eq!(warnings(Some(admin_rights(&["keys:import"], true))).await.len(), 0);
    assert_eq!(warnings(Some(admin_rights(&["keys:issue"], false))).await.len(), 0);
    let told = warnings(Some(admin_rights(&["keys:issue", "keys:import"], false))).await;
    assert!(told.len() == 1 && told[0].contains("`keys:import`"), "{told:?}");
    keyward.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_policy_whose_keys_begin_like_imported_ones_leaves_those_as_they_were() {
    // K1, K4, S10
    let keyward = Keyward::start().await;
    assert_eq!(keyward.denied("kw_live_abc", &[]).await, Some(DenialReason::CredentialsMalformed));
    let id = keyward.import(row(1, sha256(TOKEN))).await;
    let mut document = policy().document().clone();
    let live = document.environments.iter_mut().find(|environment| environment.name == "live").unwrap();
    live.prefix = "sk_live_".to_owned();
    let effect = keyward.judge(&crate::support::verbs::toml(&document)).await.unwrap().into_inner();
    assert_eq!(effect.effect.unwrap().affected_key_count, 0);
    keyward.apply(&document).await;
    let new = keyward.issue_scopes(&["messaging:send"]).await;
    assert!(new.api_key.starts_with("sk_live_"));
    let passes = async |token: &str| {
        let answer = keyward.check(token, &["messaging:send"]).await;
        (reason(&answer), key_of(&answer))
    };
    assert_eq!(passes(TOKEN).await, (None, Some(id.clone())));
    assert_eq!(passes(&new.api_key).await, (None, Some(new.key.id.clone())));
    let rights = v1::GetEffectiveRightsRequest { key_id: id.clone() };
    let rights = keyward.keys().get_effective_rights(keyward.as_root(rights)).await.unwrap().into_inner();
    assert!(rights.usable);
    // A typing error is a token of another system now, and as unknown as any.
    let typed = format!("{}{}", &new.api_key[..new.api_key.len() - 1], '-');
    assert_eq!(keyward.denied(&typed, &[]).await, UNKNOWN);
    let next =
        keyward.import(v1::ImportRow { prefix: "sk_live_".to_owned(), ..row(2, sha256("sk_live_x")) }).await;
    assert_eq!(passes("sk_live_x").await, (None, Some(next)));
    keyward.end(TOKEN).await.unwrap();
    assert_eq!(keyward.denied(TOKEN, &[]).await, REVOKED);
    keyward.stop().await;
}
