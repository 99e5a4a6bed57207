//! Import of keys of other systems by hash, and the schemes by which those hash.

use std::time::Duration;

use base64::{
    Engine as _,
    prelude::{BASE64_STANDARD, BASE64_STANDARD_NO_PAD, BASE64_URL_SAFE},
};
use keyward::wire::v1::{
    self, AuditAction, CheckMode, DenialReason, ImportError, ImportKeysRequest, ImportResult, ImportRow,
    KeyState, SecretState, import_row::Hash,
};
use ring::{digest, hmac};
use tonic::{Code, Response, Status};

use crate::{
    overrides::update_workspace,
    support::{
        Keyward, admin_rights, check, holder_key, reason, signed,
        verbs::{DAY, MS, assert_field, by_id, ms, refusal, refused, strings},
    },
};

/// A token of another system, and its hashes as `sha256sum`, `openssl base64`, `sha512sum` and `openssl dgst -hmac` print them.
pub(crate) const TOKEN: &str = "sk_live_4eC39HqLyjWDarjtT1zdp7dcABCD";
pub(crate) const SHA256: &str = "de2a537f7f6c2d14ae46c2605270abe01561739a2dc6107af0b8d28cf40faa9b";
const SHA256_BASE64: &str = "3ipTf39sLRSuRsJgUnCr4BVhc5otxhB68LjSjPQPqps=";
pub(crate) const SHA512: &str = "faf7af3a64dbd9a5cd33dc9aa9a15047fb59f383435aeb16ec815714107ee808\
                      eab1bdf3e9faf0a4932f41053c3c865f4b10fb957d214380448b30b8b43b7bb8";
pub(crate) const HMAC: &str = "8627cda00b542a160de362cb33f3df2a00a52f430c8db39502e29782ec8dd340";
const THEIR_SECRET: &[u8] = b"a secret of the other system";

const UNKNOWN: Option<DenialReason> = Some(DenialReason::KeyUnknown);

pub(crate) fn unhex(text: &str) -> Vec<u8> {
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
}

pub(crate) fn sha256(token: &str) -> Hash {
    Hash::Sha256(digest::digest(&digest::SHA256, token.as_bytes()).as_ref().to_vec())
}

pub(crate) fn hmac_of(scheme: &str, hash: Vec<u8>) -> Hash {
    Hash::HmacSha256(v1::HmacSha256Hash { scheme: scheme.to_owned(), hash })
}

/// A row that is good.
pub(crate) fn row(line: u64, hash: Hash) -> ImportRow {
    ImportRow {
        line,
        name: format!("moved {line}"),
        scopes: strings(&["messaging:send"]),
        secret_bits: 160,
        hash: Some(hash),
        ..ImportRow::default()
    }
}

fn bound_to(resource: &str) -> v1::Grant {
    v1::Grant { scope: "storage:read".to_owned(), resources: vec![resource.to_owned()] }
}

pub(crate) fn rows(rows: Vec<ImportRow>) -> ImportKeysRequest {
    ImportKeysRequest { rows, ..ImportKeysRequest::default() }
}

fn adding(name: &str, secret: &[u8]) -> v1::AddImportSchemeRequest {
    v1::AddImportSchemeRequest { name: name.to_owned(), hmac_sha256_secret: secret.to_vec() }
}

impl Keyward {
    pub(crate) async fn try_import(
        &self,
        caller: &str,
        request: ImportKeysRequest,
    ) -> Result<Response<v1::ImportKeysResponse>, Status> {
        self.keys().import_keys(signed(caller, request)).await
    }

    pub(crate) async fn import_all(&self, request: ImportKeysRequest) -> v1::ImportKeysResponse {
        self.try_import(&self.root, request).await.unwrap().into_inner()
    }

    /// The id of the key of a row that must be good.
    pub(crate) async fn import(&self, row: ImportRow) -> String {
        let answer = self.import_all(rows(vec![row])).await;
        assert_eq!(answer.good, 1, "{answer:?}");
        answer.results[0].key_id.clone()
    }

    /// What is wrong with a row that must be bad.
    pub(crate) async fn bad(&self, row: ImportRow) -> ImportError {
        let mut answer = self.import_all(rows(vec![row])).await;
        assert_eq!((answer.good, answer.revision), (0, 0), "{answer:?}");
        answer.results.remove(0).error.unwrap()
    }

    pub(crate) async fn add_scheme(&self, name: &str) {
        self.keys().add_import_scheme(self.as_root(adding(name, THEIR_SECRET))).await.unwrap();
    }

    /// The schemes, each with its live secrets.
    async fn schemes(&self) -> Vec<(String, u64)> {
        let listed = self.keys().list_import_schemes(self.as_root(v1::ListImportSchemesRequest {})).await;
        let listed = listed.unwrap().into_inner().schemes;
        listed.into_iter().map(|scheme| (scheme.scheme, scheme.live_secrets)).collect()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_of_another_system_works_by_each_kind_of_hash() {
    // K6
    let digest = unhex(SHA256);
    let text = |text: String| Hash::Sha256Text(text);
    let kinds = [
        ("sha256", Hash::Sha256(digest.clone())),
        ("sha256", text(SHA256.to_owned())),
        ("sha256", text(SHA256.to_uppercase())),
        ("sha256", text(SHA256_BASE64.to_owned())),
        ("sha256", text(BASE64_STANDARD_NO_PAD.encode(&digest))),
        ("sha256", text(BASE64_URL_SAFE.encode(&digest))),
        ("sha512", Hash::Sha512(unhex(SHA512))),
        ("hmac-sha256:acme", hmac_of("acme", unhex(HMAC))),
    ];
    assert_eq!(BASE64_STANDARD.encode(&digest), SHA256_BASE64);
    for (scheme, hash) in kinds {
        let keyward = Keyward::start().await;
        keyward.add_scheme("acme").await;
        assert_eq!(keyward.denied(TOKEN, &["messaging:send"]).await, UNKNOWN);
        let id = keyward.import(row(1, hash)).await;
        assert_eq!(keyward.denied(TOKEN, &["messaging:send"]).await, None, "{scheme}");
        assert_eq!(keyward.denied(TOKEN, &["storage:read"]).await, Some(DenialReason::ScopeInsufficient));
        for other in [&TOKEN[1..], &TOKEN.to_lowercase(), SHA256, SHA256_BASE64, HMAC] {
            assert_eq!(keyward.denied(other, &[]).await, UNKNOWN, "{other}");
        }
        let key = keyward.show(&id).await;
        assert_eq!(key.secrets[0].scheme, scheme);

        let keyward = keyward.restart().await;
        assert_eq!(keyward.denied(TOKEN, &["messaging:send"]).await, None, "{scheme}, after a restart");
        keyward.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_imported_key_is_all_that_its_row_says() {
    // K1, K3, T3, A1
    let keyward = Keyward::start().await;
    let expires = keyward.clock.after(DAY);
    let id = keyward
        .import(ImportRow {
            description: "from the old gateway".to_owned(),
            owner: "ann".to_owned(),
            environment: "test".to_owned(),
            grants: vec![v1::Grant { scope: "storage:read".to_owned(), resources: strings(&["space/a"]) }],
            expire_time: Some(expires),
            allowed_cidrs: strings(&["10.0.0.0/8"]),
            metadata: [("team".to_owned(), "blue".to_owned())].into(),
            prefix: "sk_live_".to_owned(),
            last_four: "ABCD".to_owned(),
            ..row(7, sha256(TOKEN))
        })
        .await;
    let key = keyward.show(&id).await;
    assert_eq!((key.name.as_str(), key.description.as_str()), ("moved 7", "from the old gateway"));
    assert_eq!((key.owner.as_str(), key.environment.as_str()), ("ann", "test"));
    assert_eq!(
        (key.scopes, key.grants[0].resources.clone()),
        (strings(&["messaging:send"]), strings(&["space/a"]))
    );
    assert_eq!((key.expire_time, key.allowed_cidrs), (Some(expires), strings(&["10.0.0.0/8"])));
    assert_eq!((key.hint.as_str(), key.metadata["team"].as_str()), ("sk_live_…ABCD", "blue"));
    assert_eq!((key.secrets.len(), key.secrets[0].generation), (1, 1));
    assert_eq!(key.creator.unwrap().key_id, keyward.root_id().await);
    let record = keyward.newest_record().await;
    assert_eq!((record.action(), record.key_id.as_str()), (AuditAction::KeyImport, id.as_str()));
    let told: Vec<_> =
        record.changes.iter().map(|change| (change.field.as_str(), change.to.as_str())).collect();
    for change in [("name", "\"moved 7\""), ("secret.scheme", "\"sha256\""), ("secret.bits", "160")] {
        assert!(told.contains(&change), "{told:?}");
    }

    // K8, and it can be explained, disabled and revoked like any other.
    keyward.clock.advance(DAY);
    assert_eq!(keyward.denied(TOKEN, &[]).await, Some(DenialReason::KeyExpired));
    keyward.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn good_rows_come_in_and_bad_ones_are_told() {
    let keyward = Keyward::start().await;
    let before = keyward.revision().await;
    let mut asked: Vec<_> = (1..=600).map(|line| row(line, sha256(&format!("token-{line}")))).collect();
    for bad in [3, 300, 600] {
        asked[bad - 1].name = String::new();
    }
    let answer = keyward.import_all(rows(asked)).await;
    assert_eq!((answer.results.len(), answer.good), (600, 597));
    assert_eq!(answer.revision, before + 597, "each is a change of its own");
    for (line, result) in (1..).zip(&answer.results) {
        assert_eq!(result.line, line);
        let is_bad = [3, 300, 600].contains(&line);
        assert_eq!((result.error.is_some(), result.key_id.is_empty()), (is_bad, is_bad), "{result:?}");
        let expected = if is_bad { UNKNOWN } else { None };
        assert_eq!(keyward.denied(&format!("token-{line}"), &["messaging:send"]).await, expected, "{line}");
    }
    let fault = answer.results[2].error.clone().unwrap();
    assert_eq!((fault.field.as_str(), fault.reason.as_str()), ("name", "FIELD_INVALID"));
    assert!(fault.message.starts_with("must be 1 to 128 characters"), "{fault:?}");
    keyward.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_field_of_a_row_has_bounds() {
    // K1, S2
    let keyward = Keyward::start().await;
    let good = || row(1, sha256(TOKEN));
    let (long, past) = ("x".repeat(1_025), prost_types::Timestamp { seconds: 1, nanos: 0 });
    let text = |text: &str| Some(Hash::Sha256Text(text.to_owned()));
    for (field, bad) in [
        ("name", ImportRow { name: long.clone(), ..good() }),
        ("description", ImportRow { description: long.clone(), ..good() }),
        ("owner", ImportRow { owner: "a b".to_owned(), ..good() }),
        ("environment", ImportRow { environment: "moon".to_owned(), ..good() }),
        ("environment", ImportRow { environment: "admin".to_owned(), ..good() }),
        ("scopes", ImportRow { scopes: Vec::new(), ..good() }),
        ("scopes", ImportRow { scopes: strings(&["never:declared"]), ..good() }),
        ("scopes[0]", ImportRow { scopes: strings(&["*"]), ..good() }),
        (
            "grants[0].resources",
            ImportRow {
                grants: vec![v1::Grant { scope: "a:b".to_owned(), ..v1::Grant::default() }],
                ..good()
            },
        ),
        ("expire_time", ImportRow { expire_time: Some(past), ..good() }),
        ("allowed_cidrs[0]", ImportRow { allowed_cidrs: strings(&["10.0.0.0/33"]), ..good() }),
        ("metadata", ImportRow { metadata: [(String::new(), "x".to_owned())].into(), ..good() }),
        ("hash", ImportRow { hash: None, ..good() }),
        ("sha256", ImportRow { hash: Some(Hash::Sha256(vec![1; 31])), ..good() }),
        ("sha256_text", ImportRow { hash: text("abc"), ..good() }),
        ("sha256_text", ImportRow { hash: text(SHA512), ..good() }),
        ("sha512", ImportRow { hash: Some(Hash::Sha512(vec![1; 32])), ..good() }),
        ("hmac_sha256.hash", ImportRow { hash: Some(hmac_of("acme", vec![1; 31])), ..good() }),
        ("hmac_sha256.scheme", ImportRow { hash: Some(hmac_of("No Name", vec![1; 32])), ..good() }),
        ("prefix", ImportRow { prefix: "a".repeat(17), ..good() }),
        ("prefix", ImportRow { prefix: "a b".to_owned(), ..good() }),
        ("last_four", ImportRow { last_four: "abc".to_owned(), ..good() }),
        ("last_four", ImportRow { last_four: "abcde".to_owned(), ..good() }),
        ("secret_bits", ImportRow { secret_bits: 0, ..good() }),
        ("secret_bits", ImportRow { secret_bits: 4_097, ..good() }),
    ] {
        let fault = keyward.bad(bad).await;
        assert_eq!((fault.field.as_str(), fault.reason.as_str()), (field, "FIELD_INVALID"), "{fault:?}");
        assert!(fault.message.starts_with("must be "), "{fault:?}");
    }
    let unknown = keyward.bad(row(1, hmac_of("nobody", vec![1; 32]))).await;
    assert_eq!((unknown.field.as_str(), unknown.reason.as_str()), ("hmac_sha256.scheme", "SCHEME_NOT_FOUND"));
    assert_eq!(keyward.denied(TOKEN, &[]).await, UNKNOWN);

    let call = |request| keyward.try_import(&keyward.root, request);
    assert_field(call(rows(Vec::new())).await, "rows");
    assert_field(call(rows((0..1_001).map(|line| row(line, sha256("x"))).collect())).await, "rows");
    keyward.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_in_its_own_row_is_refused() {
    // K2
    let keyward = Keyward::start().await;
    keyward.add_scheme("acme").await;
    for hash in [sha256(TOKEN), Hash::Sha512(unhex(SHA512)), hmac_of("acme", unhex(HMAC))] {
        let good = || row(1, hash.clone());
        for (field, bad) in [
            ("name", ImportRow { name: TOKEN.to_owned(), ..good() }),
            ("description", ImportRow { description: format!("was {TOKEN} once"), ..good() }),
            ("owner", ImportRow { owner: TOKEN.to_owned(), ..good() }),
            ("metadata", ImportRow { metadata: [("old".to_owned(), TOKEN.to_owned())].into(), ..good() }),
            ("name", ImportRow { name: format!("token={TOKEN}"), ..good() }),
            (
                "description",
                ImportRow { description: format!("was \"{TOKEN}\", not now; {TOKEN}."), ..good() },
            ),
            ("owner", ImportRow { owner: format!("ann:{TOKEN},"), ..good() }),
            ("grants", ImportRow { grants: vec![bound_to(&format!("space/{TOKEN}"))], ..good() }),
        ] {
            let fault = keyward.bad(bad).await;
            assert_eq!(fault.field, field, "{fault:?}");
            assert!(!fault.message.contains(TOKEN), "{fault:?}");
        }
    }
    for (secret, prefix, last_four) in [
        ("short-one", "short-one", ""),
        ("shortest-of-1234", "shortest-of-", "1234"),
        ("shortest-of-1234", "shortest-of-12", "1234"),
    ] {
        let bad = ImportRow {
            prefix: prefix.to_owned(),
            last_four: last_four.to_owned(),
            ..row(1, sha256(secret))
        };
        assert_eq!(keyward.bad(bad).await.field, "prefix");
    }
    keyward.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_weak_secret_is_refused_unless_told_otherwise_and_then_ends_within_90_days() {
    let keyward = Keyward::start().await;
    let weak = |bits| ImportRow { secret_bits: bits, ..row(1, sha256(TOKEN)) };
    let fault = keyward.bad(weak(111)).await;
    assert_eq!((fault.field.as_str(), fault.reason.as_str()), ("secret_bits", "WEAK_SECRET"));
    let allowing = |row| ImportKeysRequest { allow_weak: true, ..rows(vec![row]) };

    let too_late = Some(keyward.clock.after(90 * DAY + MS));
    let answer = keyward.import_all(allowing(ImportRow { expire_time: too_late, ..weak(111) })).await;
    assert_eq!(answer.results[0].error.clone().unwrap().field, "expire_time");
    let last = keyward.clock.after(90 * DAY);
    for (token, expire_time) in
        [("absent", None), ("at the last", Some(last)), ("sooner", Some(keyward.clock.after(DAY)))]
    {
        let hash = Some(sha256(&token.replace(' ', "-")));
        let answer = keyward.import_all(allowing(ImportRow { hash, expire_time, ..weak(40) })).await;
        assert_eq!(answer.good, 1, "{token}: {answer:?}");
        let key = keyward.show(&answer.results[0].key_id).await;
        assert_eq!(key.expire_time, expire_time.or(Some(last)), "{token}");
        assert_eq!(key.secrets[0].scheme, "sha256,weak");
    }

    // Nor does an update let it live longer, before the secret is replaced.
    let id = keyward.import_all(allowing(weak(80))).await.results[0].key_id.clone();
    let until = |expire_time| v1::Key { id: id.clone(), expire_time, ..v1::Key::default() };
    for end in [None, too_late] {
        let longer = crate::support::verbs::update(until(end), &["expire_time"]);
        assert_field(keyward.keys().update_key(keyward.as_root(longer)).await, "key.expire_time");
    }
    keyward.rotate(&id, Some(DAY)).await;
    assert_eq!(keyward.update(until(None), &["expire_time"]).await.expire_time, None);
    let strong = keyward.import(ImportRow { secret_bits: 112, ..row(9, sha256("strong-enough")) }).await;
    assert_eq!(keyward.show(&strong).await.expire_time, None);
    keyward.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hash_stands_for_one_key_and_names_it_within_reach() {
    // T1
    let keyward = Keyward::start().await;
    let twice = keyward.import_all(rows(vec![row(4, sha256(TOKEN)), row(5, sha256(TOKEN))])).await;
    let [ImportResult { key_id, .. }, ImportResult { error: Some(fault), .. }] = twice.results.as_slice()
    else {
        panic!("{twice:?}")
    };
    assert_eq!((fault.field.as_str(), fault.reason.as_str()), ("hash", "HASH_EXISTS"));
    assert!(fault.message.contains("line 4"), "{fault:?}");
    let again = keyward.bad(row(1, Hash::Sha256Text(SHA256.to_owned()))).await;
    assert_eq!((again.reason.as_str(), &again.existing_key_id), ("HASH_EXISTS", key_id));

    // The hash of a secret of Keyward's own is its key's too.
    let own = keyward.issue_scopes(&["messaging:send"]).await;
    assert_eq!(keyward.bad(row(1, sha256(&own.api_key))).await.existing_key_id, own.key.id);

    keyward.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_imports_at_once_make_one_key_of_one_hash() {
    let keyward = Keyward::start().await;
    let both = futures_util::future::join_all(
        (0..8).map(|line| keyward.import_all(rows(vec![row(line, sha256(TOKEN))]))),
    )
    .await;
    assert_eq!(both.iter().map(|answer| answer.good).sum::<u32>(), 1);
    for fault in both.iter().filter_map(|answer| answer.results[0].error.as_ref()) {
        assert_eq!(fault.reason, "HASH_EXISTS");
    }
    keyward.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_are_taken_in_while_their_workspace_is_changed() {
    // K6, D1
    const ROWS: u32 = 32;
    let keyward = Keyward::start().await;
    let (mine, _) = keyward.register("mine").await;
    for round in 0..20 {
        let name = format!("round {round}");
        let workspace = v1::Workspace { id: mine.id.clone(), name, ..v1::Workspace::default() };
        let rename = update_workspace(&keyward, &keyward.root, workspace, &["name"]);
        let of_line = |line: u32| row(line.into(), sha256(&format!("token-{round}-{line}")));
        let request = ImportKeysRequest {
            workspace_id: mine.id.clone(),
            rows: (0..ROWS).map(of_line).collect(),
            ..ImportKeysRequest::default()
        };
        let (renamed, answer) = tokio::join!(rename, keyward.import_all(request));
        renamed.unwrap();
        let fault = answer.results.iter().find_map(|result| result.error.as_ref());
        assert!(fault.is_none(), "{fault:?}");
        assert_eq!((answer.good, answer.revision > 0), (ROWS, true));
    }
    keyward.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn many_imports_at_once_leave_room_for_other_changes() {
    const ROWS: u64 = 256;
    let keyward = Keyward::start().await;
    let own = keyward.issue_scopes(&["messaging:send"]).await;
    let imports = (0..24).map(async |import| {
        let of_line = |line| row(line, sha256(&format!("token-{import}-{line}")));
        keyward.try_import(&keyward.root, rows((0..ROWS).map(of_line).collect())).await
    });
    let (imported, _) = tokio::join!(futures_util::future::join_all(imports), keyward.revoke(&own.key.id));
    for answer in imported {
        // A slow machine does not get through all of them within the deadline of a call.
        let answer = answer.map(tonic::Response::into_inner).unwrap_or_default();
        let fault = answer.results.iter().find_map(|result| result.error.as_ref());
        assert!(fault.is_none(), "{fault:?}");
    }
    keyward.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_imports_beyond_their_ceiling_or_their_workspace() {
    // S6, X9, T1
    let keyward = Keyward::start().await;
    let (workspace, _) = keyward.register("other").await;
    let default = keyward.default_workspace().await;
    let narrow = v1::AdminRights {
        ceiling: Some(v1::Ceiling {
            scopes: strings(&["messaging:send"]),
            environments: strings(&["live"]),
            max_lifetime: Some(prost_types::Duration { seconds: 86_400, nanos: 0 }),
            ..v1::Ceiling::default()
        }),
        ..admin_rights(&["keys:import"], false)
    };
    let bound = keyward.issue_admin(&workspace.id, narrow).await.api_key;
    let within = || ImportRow { expire_time: Some(keyward.clock.after(DAY)), ..row(1, sha256(TOKEN)) };
    let asked = vec![
        ImportRow { scopes: strings(&["storage:read"]), ..within() },
        ImportRow { environment: "test".to_owned(), ..within() },
        ImportRow { expire_time: None, ..within() },
        within(),
    ];
    let answer = keyward.try_import(&bound, rows(asked)).await.unwrap().into_inner();
    let reasons: Vec<_> =
        answer.results.iter().map(|row| row.error.as_ref().map(|fault| fault.reason.as_str())).collect();
    let beyond = Some("CEILING_EXCEEDED");
    assert_eq!(reasons, [beyond, beyond, beyond, None]);
    assert_eq!(keyward.show(&answer.results[3].key_id).await.workspace_id, workspace.id);

    let elsewhere = ImportKeysRequest { workspace_id: default, ..rows(vec![within()]) };
    refusal(keyward.try_import(&bound, elsewhere).await, Code::NotFound, "WORKSPACE_NOT_FOUND");
    let holder = keyward.issue_scopes(&["messaging:send"]).await.api_key;
    let imported = keyward.try_import(&holder, rows(vec![within()])).await;
    refusal(imported, Code::Unauthenticated, "CALLER_INVALID");
    let imported = keyward.try_import(TOKEN, rows(vec![within()])).await;
    refusal(imported, Code::Unauthenticated, "CALLER_INVALID");
    let reader = keyward.issue_admin("", admin_rights(&["keys:read"], true)).await.api_key;
    let imported = keyward.try_import(&reader, rows(vec![within()])).await;
    refusal(imported, Code::PermissionDenied, "ADMIN_SCOPE_MISSING");
    keyward.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dry_run_judges_every_row_and_writes_nothing() {
    let keyward = Keyward::start().await;
    let before = keyward.revision().await;
    let asked = vec![
        row(1, sha256(TOKEN)),
        ImportRow { name: String::new(), ..row(2, sha256("other")) },
        row(3, sha256(TOKEN)),
    ];
    let dry = ImportKeysRequest { dry_run: true, ..rows(asked.clone()) };
    let answer = keyward.import_all(dry).await;
    assert_eq!((answer.good, answer.revision), (1, 0));
    assert!(answer.results.iter().all(|result| result.key_id.is_empty()));
    assert_eq!(keyward.revision().await, before);
    assert_eq!(keyward.denied(TOKEN, &[]).await, UNKNOWN);
    let wet = keyward.import_all(rows(asked)).await;
    let faults = |answer: &v1::ImportKeysResponse| -> Vec<Option<ImportError>> {
        answer.results.iter().map(|result| result.error.clone()).collect()
    };
    assert_eq!(faults(&wet), faults(&answer), "a dry run tells what the run would");
    assert_eq!(keyward.revision().await, before + 1);
    keyward.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_imported_key_is_rotated_into_the_native_format() {
    // R1, R2, L8
    let keyward = Keyward::start().await;
    keyward.add_scheme("acme").await;
    let id = keyward.import(row(1, hmac_of("acme", unhex(HMAC)))).await;
    let new = keyward.rotate(&id, Some(DAY)).await;
    assert!(new.api_key.starts_with("kw_live_") && new.key.id == id);
    let schemes: Vec<_> = new.key.secrets.iter().map(|secret| secret.scheme.as_str()).collect();
    assert_eq!(schemes, ["keyward-1", "hmac-sha256:acme"]);
    let old = keyward.check(TOKEN, &["messaging:send"]).await;
    assert_eq!(reason(&old), None);
    let secret = old.key.unwrap().secret.unwrap();
    assert_eq!((secret.generation, ms(secret.retiring_at)), (1, ms(Some(keyward.clock.after(DAY)))));

    let keyward = keyward.restart().await;
    keyward.clock.advance(DAY.checked_sub(MS).unwrap());
    assert_eq!(keyward.denied(TOKEN, &[]).await, None);
    keyward.clock.advance(MS);
    assert_eq!(keyward.denied(TOKEN, &[]).await, Some(DenialReason::KeyExpired));
    assert_eq!(keyward.denied(&new.api_key, &["messaging:send"]).await, None);
    assert_eq!(keyward.show(&id).await.secrets[1].state(), SecretState::Ended);

    let now = keyward.rotate(&id, Some(Duration::ZERO)).await;
    assert_eq!(keyward.denied(&now.api_key, &[]).await, None);
    keyward.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_holds_an_imported_secret_can_revoke_it_and_hears_nothing() {
    // V3, X7
    let keyward = Keyward::start().await;
    let id = keyward.import(row(1, sha256(TOKEN))).await;
    let known = keyward.end(TOKEN).await.unwrap();
    let unknown = keyward.end("sk_live_nobody").await.unwrap();
    assert_eq!((known.clone(), unknown), (v1::RevokeResponse::default(), v1::RevokeResponse::default()));
    assert_eq!(keyward.denied(TOKEN, &[]).await, Some(DenialReason::KeyRevoked));
    assert_eq!(keyward.show(&id).await.state(), KeyState::Revoked);

    // A retiring one ends only itself.
    let other = keyward.import(row(2, sha256("another-token"))).await;
    let new = keyward.rotate(&other, Some(DAY)).await;
    keyward.end("another-token").await.unwrap();
    assert_eq!(keyward.denied("another-token", &[]).await, Some(DenialReason::KeyExpired));
    assert_eq!(keyward.denied(&new.api_key, &[]).await, None);
    keyward.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_foreign_token_is_shaped_as_rfc_6750_says_or_refused() {
    // X2, K5
    let keyward = Keyward::start().await;
    let longest = "t".repeat(256);
    for token in ["a", "a+b/c==", "x.y-z~_", &longest] {
        keyward.import(row(1, sha256(token))).await;
        assert_eq!(keyward.denied(token, &["messaging:send"]).await, None, "{token}");
    }
    let too_long = "t".repeat(257);
    for token in [&too_long, "a b", "a,b", "=a", "ä"] {
        keyward.import(row(1, sha256(token))).await;
        let denied = keyward.denied(token, &["messaging:send"]).await;
        assert_eq!(denied, Some(DenialReason::CredentialsMalformed), "{token}");
    }
    keyward.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_scheme_is_added_once_by_a_global_caller_and_never_shown() {
    // X9
    let keyward = Keyward::start().await;
    assert_eq!(keyward.schemes().await, []);
    let add = |caller: &str, request| {
        let request = signed(caller, request);
        let mut keys = keyward.keys();
        async move { keys.add_import_scheme(request).await }
    };
    for (field, bad) in [
        ("name", adding("", b"x")),
        ("name", adding("Acme", b"x")),
        ("name", adding(&"a".repeat(33), b"x")),
        ("hmac_sha256_secret", adding("acme", b"")),
        ("hmac_sha256_secret", adding("acme", &[1; 1_025])),
    ] {
        assert_field(add(&keyward.root, bad).await, field);
    }
    let bound = keyward.issue_admin("", admin_rights(&["keys:import", "keys:read"], false)).await.api_key;
    refusal(add(&bound, adding("acme", b"x")).await, Code::PermissionDenied, "GLOBAL_CALLER_REQUIRED");
    let listed = keyward.keys().list_import_schemes(signed(&bound, v1::ListImportSchemesRequest {})).await;
    refusal(listed, Code::PermissionDenied, "GLOBAL_CALLER_REQUIRED");

    let added = add(&keyward.root, adding("acme", THEIR_SECRET)).await.unwrap().into_inner();
    assert_eq!(added.scheme.unwrap().scheme, "hmac-sha256:acme");
    let record = keyward.newest_record().await;
    assert_eq!((record.action(), record.revision), (AuditAction::SchemeAdd, added.revision));
    assert_eq!(record.changes[0].to, "\"acme\"");
    let again = refused(add(&keyward.root, adding("acme", b"another")).await);
    assert_eq!(again.code(), Code::AlreadyExists);
    assert_eq!(crate::support::error_reason(&again), "SCHEME_EXISTS");
    let retried = add(&keyward.root, adding("acme", THEIR_SECRET)).await.unwrap().into_inner();
    assert_eq!(retried.revision, added.revision, "the same again changes nothing");
    assert_eq!(keyward.revision().await, added.revision);
    assert_eq!(keyward.schemes().await, [("hmac-sha256:acme".to_owned(), 0)]);
    keyward.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn schemes_tell_how_many_live_secrets_depend_on_them() {
    let keyward = Keyward::start().await;
    keyward.add_scheme("acme").await;
    keyward.add_scheme("other").await;
    let theirs = hmac::Key::new(hmac::HMAC_SHA256, THEIR_SECRET);
    let hmac = |token: &str| hmac_of("acme", hmac::sign(&theirs, token.as_bytes()).as_ref().to_vec());
    let first = keyward.import(row(1, hmac("one"))).await;
    keyward.import(row(2, hmac("two"))).await;
    keyward.import(row(3, sha256("three"))).await;
    keyward.rotate(&first, Some(DAY)).await;
    let counts = |acme: u64, sha256: u64| {
        let scheme = |name: &str, count| (name.to_owned(), count);
        let mut all = vec![scheme("hmac-sha256:acme", acme), scheme("hmac-sha256:other", 0)];
        all.extend((sha256 > 0).then(|| scheme("sha256", sha256)));
        all
    };
    assert_eq!(keyward.schemes().await, counts(2, 1));
    keyward.clock.advance(DAY);
    assert_eq!(keyward.schemes().await, counts(1, 1), "a grace is over");
    keyward.end("three").await.unwrap();
    let keyward = keyward.restart().await;
    assert_eq!(keyward.schemes().await, counts(1, 0));
    keyward.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_imported_key_is_charged_explained_and_switched_like_any_other() {
    // L8, S7, V1
    let keyward = Keyward::start().await;
    let id = keyward.import(row(1, sha256(TOKEN))).await;
    let first = keyward.check(TOKEN, &["messaging:send"]).await;
    let new = keyward.rotate(&id, Some(DAY)).await.api_key;
    let second = keyward.check(&new, &["messaging:send"]).await;
    assert_eq!(second.limits[0].remaining + 1, first.limits[0].remaining, "one counter");
    let explain = v1::CheckRequest { mode: CheckMode::Explain.into(), ..check(TOKEN, &["storage:read"]) };
    assert_eq!(reason(&keyward.ask_as_root(explain).await), Some(DenialReason::ScopeInsufficient));
    keyward.disable(&id).await;
    assert_eq!(keyward.denied(TOKEN, &[]).await, Some(DenialReason::KeyDisabled));
    keyward.enable(&id).await;
    assert_eq!(keyward.denied(TOKEN, &[]).await, None);
    keyward.keys().revoke(keyward.as_root(by_id(&id))).await.unwrap();
    assert_eq!(keyward.denied(TOKEN, &[]).await, Some(DenialReason::KeyRevoked));
    assert_eq!(holder_key(&[]).admin, None);
    keyward.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_of_a_damaged_scheme_are_denied_and_the_others_are_not() {
    // D5
    let keyward = Keyward::start().await;
    keyward.add_scheme("acme").await;
    let id = keyward.import(row(1, hmac_of("acme", unhex(HMAC)))).await;
    keyward.import(row(2, sha256("another-token"))).await;
    let keyward = keyward
        .restart_after(|data_dir| {
            let connection = rusqlite::Connection::open(data_dir.join("keyward.db")).unwrap();
            connection.execute("UPDATE schemes SET body = replace(body, 'created', 'crested')", []).unwrap();
        })
        .await;
    assert_eq!(keyward.denied(TOKEN, &[]).await, UNKNOWN);
    assert_eq!(keyward.denied("another-token", &[]).await, None);
    let fault = keyward.bad(row(3, hmac_of("acme", vec![7; 32]))).await;
    assert_eq!(fault.reason, "SCHEME_NOT_FOUND");
    let again = keyward.keys().add_import_scheme(keyward.as_root(adding("acme", THEIR_SECRET))).await;
    assert_eq!(refused(again).code(), Code::DataLoss, "a damaged one is not written over");
    // A rotation takes its keys out of the dependence.
    let new = keyward.rotate(&id, Some(DAY)).await;
    assert_eq!(keyward.denied(&new.api_key, &["messaging:send"]).await, None);
    keyward.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_imported_by_two_kinds_of_hash_is_always_the_same_key() {
    // V1
    let keyward = Keyward::start().await;
    let first = keyward.import(row(1, Hash::Sha512(unhex(SHA512)))).await;
    keyward.import(row(2, sha256(TOKEN))).await;
    assert_eq!(keyward.check(TOKEN, &[]).await.key.unwrap().id, first);
    keyward.revoke(&first).await;
    assert_eq!(keyward.denied(TOKEN, &[]).await, Some(DenialReason::KeyRevoked));
    let keyward = keyward.restart().await;
    assert_eq!(keyward.denied(TOKEN, &[]).await, Some(DenialReason::KeyRevoked));
    keyward.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "a measurement"]
#[allow(clippy::print_stderr, clippy::disallowed_methods, reason = "what it is run for")]
async fn what_a_bogus_token_costs_with_and_without_schemes() {
    // X6
    let keyward = Keyward::start().await;
    let native = keyward.issue_scopes(&["messaging:send"]).await;
    let gone = native.api_key.clone();
    keyward.revoke(&native.key.id).await;
    let questions = |token: &dyn Fn(usize) -> String| v1::BatchCheckRequest {
        requests: (0..1_000).map(|place| check(&token(place), &["messaging:send"])).collect(),
        ..v1::BatchCheckRequest::default()
    };
    let foreign = questions(&|place| format!("sk_live_{place:040}"));
    let own = questions(&|_| gone.clone());
    let measure = async |what: &str| {
        for (kind, batch) in [("bogus foreign", &foreign), ("native", &own)] {
            let mut best = Duration::MAX;
            for _ in 0..20 {
                let begun = std::time::Instant::now();
                keyward.keys().batch_check(batch.clone()).await.unwrap();
                best = best.min(begun.elapsed());
            }
            eprintln!("{what}: {kind}: {:.2} us a question", best.as_secs_f64() * 1e3);
        }
    };
    measure("no scheme").await;
    keyward.import(row(1, sha256(TOKEN))).await;
    measure("one scheme").await;
    keyward.import(row(2, Hash::Sha512(unhex(SHA512)))).await;
    keyward.add_scheme("acme").await;
    keyward.import(row(3, hmac_of("acme", unhex(HMAC)))).await;
    measure("three schemes").await;
    keyward.stop().await;
}
