//! A whole life cycle, then a search of everything that stays: no secret, and nothing that turns back into one.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

#[path = "support/exchange.rs"]
mod exchange;
#[path = "support/process.rs"]
mod process;
mod support;

use std::{collections::HashMap, fs, path::Path, time::Duration};

use base64::{
    Engine as _,
    prelude::{BASE64_STANDARD_NO_PAD, BASE64_URL_SAFE_NO_PAD},
};
use exchange::{exchange, request};
use keyward::{
    domain::{
        audit::digest as sha256,
        root::{DerivedKeys, Root},
    },
    wire::v1::{self, check_request::Subject, import_row::Hash},
};
use prost::Message;
use ring::{digest, hmac};
use support::{
    Issued, Keyward, admin_rights, check, holder_key,
    log::Log,
    signed,
    verbs::{
        DAY, HOUR, by_id, by_possession, disabling, enabling, named, peek, refused, renaming, rotation,
        strings,
    },
};
use tonic::{Request, Response, Status};

/// What must not be found, by its first bytes.
#[derive(Default)]
struct Needles(HashMap<[u8; WINDOW], Vec<(String, Vec<u8>)>>);

const WINDOW: usize = 16;

impl Needles {
    fn add(&mut self, what: impl Into<String>, bytes: impl Into<Vec<u8>>) {
        let bytes = bytes.into();
        let first = bytes[..WINDOW].try_into().unwrap();
        self.0.entry(first).or_default().push((what.into(), bytes));
    }

    /// A secret: each 16 of its random characters in a row, and codings of the whole.
    fn add_secret(&mut self, whose: &str, api_key: &str) {
        let random = &api_key.as_bytes()[api_key.len() - 49..api_key.len() - 6];
        for (place, window) in random.windows(WINDOW).enumerate() {
            self.add(format!("{whose}: the secret from character {place}"), window);
        }
        self.add_codings(&format!("{whose}: the secret"), api_key.as_bytes());
        self.add_codings(&format!("{whose}: the random part"), random);
    }

    /// 32 bytes, as they are and as people write them.
    fn add_hash(&mut self, what: &str, hash: &[u8; 32]) {
        self.add(format!("{what}, raw"), hash.as_slice());
        self.add(format!("{what}, the second half"), &hash[16..]);
        self.add_codings(what, hash);
        let slot = u128::from_be_bytes(hash[..16].try_into().unwrap());
        self.add(format!("{what}, a number"), slot.to_string());
        self.add(format!("{what}, a list"), format!("{:?}", &hash[..]).trim_matches(['[', ']']));
    }

    fn add_codings(&mut self, what: &str, bytes: &[u8]) {
        let hex = hex(bytes);
        self.add(format!("{what}, in hex"), hex.clone());
        self.add(format!("{what}, in capital hex"), hex.to_uppercase());
        self.add(format!("{what}, in base 64"), BASE64_STANDARD_NO_PAD.encode(bytes));
        self.add(format!("{what}, in base 64 for URLs"), BASE64_URL_SAFE_NO_PAD.encode(bytes));
    }

    fn found_in(&self, haystack: &[u8]) -> Vec<String> {
        let mut begins = vec![false; 1 << 16];
        let pair = |bytes: &[u8]| usize::from(bytes[0]) << 8 | usize::from(bytes[1]);
        for first in self.0.keys() {
            begins[pair(first)] = true;
        }
        let mut found = Vec::new();
        for (place, window) in haystack.windows(WINDOW).enumerate().filter(|(_, window)| begins[pair(window)])
        {
            let known = self.0.get(window).into_iter().flatten();
            let here = known.filter(|(_, bytes)| haystack[place..].starts_with(bytes));
            found.extend(here.map(|(what, _)| what.clone()));
        }
        found
    }

    #[track_caller]
    fn assert_absent(&self, place: &str, haystack: &[u8]) {
        let found = self.found_in(haystack);
        assert!(found.is_empty(), "in {place}: {found:?}");
    }
}

fn hex(bytes: &[u8]) -> String {
    let digit = |digit: u8| char::from_digit(digit.into(), 16).unwrap();
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

/// What was told to clients, and why they were refused.
#[derive(Default)]
struct Told {
    answers: Vec<u8>,
    errors: Vec<u8>,
}

impl Told {
    fn answer(&mut self, answer: &impl Message) {
        answer.encode(&mut self.answers).unwrap();
    }

    #[track_caller]
    fn error<T>(&mut self, result: Result<Response<T>, Status>) {
        let status = refused(result);
        self.errors.extend_from_slice(status.message().as_bytes());
        self.errors.extend_from_slice(status.details());
        self.errors.extend_from_slice(format!("{:?}", status.metadata()).as_bytes());
    }
}

/// The secrets of a life cycle.
struct Secrets {
    /// Whose they are, and what proves them.
    lived: Vec<(String, String)>,
    /// One that was put into fields that are refused, or not kept.
    misplaced: String,
    /// One, mistyped, that somebody made part of a name: kept, because it is the user's data, but never said in an error or
    /// log.
    published: String,
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_is_in_one_answer_and_nowhere_else() {
    // K2, A5, M1
    let log = Log::start(tracing::Level::TRACE);
    let keyward = Keyward::start().await;
    let mut told = Told::default();
    let secrets = live(&keyward, &mut told).await;
    Box::pin(misplace(&keyward, &mut told, &secrets.misplaced)).await;
    publish(&keyward, &mut told, &secrets.published).await;
    read_everything(&keyward, &mut told).await;

    let running = files(&keyward.data_dir());
    let keyward = keyward.restart().await;
    assert!(keyward.denied(&secrets.misplaced, &[]).await.is_none());
    let dir = keyward.stop().await;
    let stopped = files(&dir.path().join("data"));

    let mut plain = Needles::default();
    let mut hashes = Needles::default();
    let mut keyed = Needles::default();
    let lookup = lookup(&dir.path().join("data"));
    let all = secrets.lived.iter().map(|(whose, api_key)| (whose.as_str(), api_key));
    for (whose, api_key) in all.chain([("misplaced", &secrets.misplaced)]) {
        plain.add_secret(whose, api_key);
        let unkeyed = sha256(api_key.as_bytes());
        hashes.add_hash(&format!("{whose}: SHA-256"), &unkeyed);
        keyed.add_hash(&format!("{whose}: the keyed hash"), &lookup.lookup.hash(&unkeyed));
    }
    let log = log.all();
    assert!(String::from_utf8_lossy(&log).contains("TRACE"), "everything was captured");
    assert!(told.answers.len() > 5_000 && told.errors.len() > 5_000);
    for (name, bytes) in running.iter().chain(&stopped) {
        plain.assert_absent(name, bytes);
        hashes.assert_absent(name, bytes);
        if !name.contains("keyward.db") {
            keyed.assert_absent(name, bytes);
        }
    }
    for (name, bytes) in [("the log", log.as_slice()), ("errors", &told.errors), ("answers", &told.answers)] {
        plain.assert_absent(name, bytes);
        hashes.assert_absent(name, bytes);
        keyed.assert_absent(name, bytes);
    }
    let mut published = Needles::default();
    published.add_secret("published", &secrets.published);
    published.assert_absent("the log", &log);
    published.assert_absent("errors", &told.errors);
    the_search_finds_what_is_there(&keyed, &published, &running, &stopped);
}

/// A search that finds nothing proves something only if it would have found it.
fn the_search_finds_what_is_there(
    keyed: &Needles,
    published: &Needles,
    running: &[(String, Vec<u8>)],
    stopped: &[(String, Vec<u8>)],
) {
    let found = |needles: &Needles, files: &[(String, Vec<u8>)]| {
        files.iter().flat_map(|(_, bytes)| needles.found_in(bytes)).collect::<Vec<_>>()
    };
    for files in [running, stopped] {
        assert!(found(keyed, files).iter().any(|what| what == "misplaced: the keyed hash, raw"));
        assert!(found(published, files).iter().any(|what| what.starts_with("published: the secret")));
    }
    assert!(running.iter().any(|(name, bytes)| name.ends_with("-wal") && !bytes.is_empty()), "with a WAL");
    let mut needles = Needles::default();
    needles.add_secret("a", "kw_live_0123456789abcdefghijABCDEFGHIJ0123456789abcCRCCRC");
    assert!(!needles.found_in(b"... 456789abcdefghijAB ...").is_empty());
    assert!(needles.found_in(b"... 456789abcdefghi ...").is_empty(), "15 characters are no proof");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_imported_is_kept_as_keyed_hashes_and_nothing_else() {
    // K2, A5
    const THEIRS: &str = "dGhlIG90aGVyIHN5c3RlbSdzIG93biBobWFjIHNlY3JldA";
    let log = Log::start(tracing::Level::TRACE);
    let keyward = Keyward::start().await;
    let mut told = Told::default();
    let token = |place: usize| format!("tok_{}-{place}-of-three-tokens", "Zx9Qm4Tr7Lw2Vb8Nc5Kd".repeat(2));
    let scheme = || v1::AddImportSchemeRequest {
        name: "acme".to_owned(),
        hmac_sha256_secret: THEIRS.as_bytes().to_vec(),
    };
    told.answer(keyward.keys().add_import_scheme(keyward.as_root(scheme())).await.unwrap().get_ref());
    let mut other = scheme();
    other.hmac_sha256_secret.reverse();
    told.error(keyward.keys().add_import_scheme(keyward.as_root(other)).await);

    let theirs = hmac::Key::new(hmac::HMAC_SHA256, THEIRS.as_bytes());
    let inner = [
        digest::digest(&digest::SHA256, token(0).as_bytes()).as_ref().to_vec(),
        digest::digest(&digest::SHA512, token(1).as_bytes()).as_ref().to_vec(),
        hmac::sign(&theirs, token(2).as_bytes()).as_ref().to_vec(),
    ];
    let hashes = [
        Hash::Sha256(inner[0].clone()),
        Hash::Sha512(inner[1].clone()),
        Hash::HmacSha256(v1::HmacSha256Hash { scheme: "acme".to_owned(), hash: inner[2].clone() }),
    ];
    let row = |place: usize, hash: &Hash| v1::ImportRow {
        line: u64::try_from(place).unwrap(),
        name: "moved".to_owned(),
        scopes: strings(&["messaging:send"]),
        prefix: "tok_".to_owned(),
        last_four: "kens".to_owned(),
        secret_bits: 200,
        hash: Some(hash.clone()),
        ..v1::ImportRow::default()
    };
    // In every wrong column first, then as they should be, then again.
    let mut rows = Vec::new();
    for (place, hash) in hashes.iter().enumerate() {
        let wrong = || row(place, hash);
        rows.extend([
            v1::ImportRow { name: token(place), ..wrong() },
            v1::ImportRow { description: token(place), ..wrong() },
            v1::ImportRow { owner: token(place), ..wrong() },
            v1::ImportRow { environment: token(place), ..wrong() },
            v1::ImportRow { prefix: token(place), ..wrong() },
            v1::ImportRow { last_four: token(place), ..wrong() },
            v1::ImportRow { scopes: vec![token(place)], ..wrong() },
            v1::ImportRow { metadata: [("a".to_owned(), token(place))].into(), ..wrong() },
            v1::ImportRow { hash: Some(Hash::Sha256Text(token(place))), ..wrong() },
            v1::ImportRow { hash: Some(Hash::Sha256Text(hex(&inner[place][1..]))), ..wrong() },
        ]);
    }
    let bad = rows.len();
    rows.extend(hashes.iter().enumerate().flat_map(|(place, hash)| [row(place, hash), row(place, hash)]));
    let request = v1::ImportKeysRequest { rows, ..v1::ImportKeysRequest::default() };
    let answer = keyward.keys().import_keys(keyward.as_root(request)).await.unwrap().into_inner();
    assert_eq!((answer.good, answer.results.len()), (3, bad + 6), "{answer:?}");
    told.answer(&answer);
    for place in 0..3 {
        let answer = keyward.check(&token(place), &["messaging:send"]).await;
        assert!(answer.allowed);
        told.answer(&answer);
        told.answer(&keyward.rotate(&answer.key.unwrap().id, Some(DAY)).await.key);
    }
    told.answer(&keyward.end(&token(0)).await.unwrap());
    let listed = keyward.keys().list_import_schemes(keyward.as_root(v1::ListImportSchemesRequest {})).await;
    told.answer(listed.unwrap().get_ref());
    read_everything(&keyward, &mut told).await;
    let running = files(&keyward.data_dir());
    let dir = keyward.restart().await.stop().await;
    let stopped = files(&dir.path().join("data"));

    let mut needles = Needles::default();
    needles.add("their secret", THEIRS);
    needles.add_codings("their secret", THEIRS.as_bytes());
    for (place, hash) in inner.iter().enumerate() {
        needles.add(format!("token {place}, its middle"), &token(place).as_bytes()[8..40]);
        needles.add_codings(&format!("token {place}"), token(place).as_bytes());
        for half in hash.chunks(32) {
            needles.add_hash(&format!("inner hash {place}"), &half.try_into().unwrap());
        }
    }
    let log = log.all();
    assert!(String::from_utf8_lossy(&log).contains("TRACE"), "everything was captured");
    for there in [token(1).as_bytes(), &inner[1], THEIRS.as_bytes()] {
        assert!(!needles.found_in(there).is_empty(), "a search that finds nothing proves nothing");
    }
    let told = [("the log", &log), ("answers", &told.answers), ("errors", &told.errors)];
    let files = running.iter().chain(&stopped).map(|(name, bytes)| (name.as_str(), bytes));
    for (name, bytes) in files.chain(told) {
        needles.assert_absent(name, bytes);
    }
}

/// Issue, use, rotate, revoke: everything that makes or takes a secret.
async fn live(keyward: &Keyward, told: &mut Told) -> Secrets {
    let mut lived = vec![("root".to_owned(), keyward.root.clone())];
    let mut note = |whose: &str, issued: &Issued| lived.push((whose.to_owned(), issued.api_key.clone()));
    let request = v1::IssueRequest { request_id: "once".to_owned(), ..holder_key(&["messaging:send"]) };
    let first = keyward.issue(request.clone()).await;
    note("first", &first);
    told.answer(&first.key);
    told.error(keyward.try_issue(&keyward.root, request).await);
    told.answer(&keyward.check(&first.api_key, &["messaging:send"]).await);
    told.answer(&keyward.check(&first.api_key, &["other:scope"]).await);
    let explain = v1::CheckRequest { mode: v1::CheckMode::Explain.into(), ..check(&first.api_key, &["x:y"]) };
    told.answer(&keyward.ask_as_root(explain).await);
    told.answer(&keyward.ask_as_root(peek(&first.key.id, &["x:y"])).await);

    let second = keyward.rotate(&first.key.id, Some(DAY)).await;
    note("second", &second);
    told.answer(&second.key);
    let third = keyward.rotate(&first.key.id, Some(DAY)).await;
    note("third", &third);
    told.error(keyward.keys().rotate(keyward.as_root(rotation(&first.key.id, Some(DAY)))).await);
    told.answer(&keyward.check(&first.api_key, &[]).await);
    told.answer(&keyward.end(&second.api_key).await.unwrap());
    told.answer(&keyward.check(&second.api_key, &[]).await);
    let fourth = keyward.rotate(&first.key.id, Some(Duration::ZERO)).await;
    note("fourth", &fourth);
    told.answer(&keyward.check(&first.api_key, &[]).await);
    told.answer(&keyward.end(&fourth.api_key).await.unwrap());
    told.answer(&keyward.check(&fourth.api_key, &[]).await);
    told.error(keyward.keys().rotate(keyward.as_root(rotation(&first.key.id, None))).await);

    let (workspace, registered) = keyward.register("Acme").await;
    note("registered", &registered);
    told.answer(&workspace);
    told.answer(&keyward.revoke(&registered.key.id).await);
    told.answer(&keyward.check(&registered.api_key, &[]).await);
    let admin = keyward.issue_admin(&workspace.id, admin_rights(&["keys:read"], false)).await;
    note("admin", &admin);
    told.error(keyward.keys().get_key(signed(&admin.api_key, named(&first.key.id))).await);
    told.error(keyward.try_issue(&admin.api_key, holder_key(&["a:a"])).await);
    told.answer(&keyward.check(&admin.api_key, &[]).await);
    let global = keyward.issue_admin("", admin_rights(&["keys:read"], true)).await;
    note("global admin", &global);
    told.answer(&keyward.end(&global.api_key).await.unwrap());
    let expiring = v1::IssueRequest { expire_time: Some(keyward.clock.after(HOUR)), ..holder_key(&["a:a"]) };
    let expired = keyward.issue(expiring).await;
    note("expired", &expired);
    let disabled = keyward.issue_scopes(&["a:a"]).await;
    note("disabled", &disabled);
    told.answer(&keyward.disable(&disabled.key.id).await);
    keyward.clock.advance(HOUR);
    told.answer(&keyward.check(&expired.api_key, &[]).await);
    told.answer(&keyward.check(&disabled.api_key, &[]).await);
    told.error(keyward.keys().enable_key(keyward.as_root(enabling(&expired.key.id))).await);

    let misplaced = keyward.issue_scopes(&["messaging:send"]).await.api_key;
    // Whole, it would be refused; with a wrong checksum it is a text like others.
    let mut published = keyward.issue_scopes(&["messaging:send"]).await.api_key;
    let last = published.pop().unwrap();
    published.push(if last == '0' { '1' } else { '0' });
    Secrets { lived, misplaced, published }
}

/// Puts a live secret where none belongs, in ways that are refused or that nothing is kept of.
async fn misplace(keyward: &Keyward, told: &mut Told, secret: &str) {
    let broken = format!("{secret}\n");
    let issue = || holder_key(&["a:a"]);
    for request in [
        v1::IssueRequest { workspace_id: secret.to_owned(), ..issue() },
        v1::IssueRequest { name: secret.to_owned(), ..issue() },
        v1::IssueRequest { name: format!("the key {secret}"), ..issue() },
        v1::IssueRequest { description: format!("key={secret}."), ..issue() },
        v1::IssueRequest { owner: secret.to_owned(), ..issue() },
        v1::IssueRequest { request_id: secret.to_owned(), ..issue() },
        v1::IssueRequest { metadata: [(secret.to_owned(), String::new())].into(), ..issue() },
        v1::IssueRequest { metadata: [("a".to_owned(), secret.to_owned())].into(), ..issue() },
        v1::IssueRequest { name: broken.clone(), ..issue() },
        v1::IssueRequest { description: broken.clone(), ..issue() },
        v1::IssueRequest { owner: broken.clone(), ..issue() },
        v1::IssueRequest { environment: secret.to_owned(), ..issue() },
        v1::IssueRequest { scopes: strings(&[secret]), ..issue() },
        v1::IssueRequest { scopes: strings(&[&format!("a:{secret}")]), ..issue() },
        v1::IssueRequest { grants: vec![support::verbs::bound("a:a", &[&broken])], ..issue() },
        v1::IssueRequest { allowed_cidrs: strings(&[secret]), ..issue() },
        v1::IssueRequest { metadata: [(broken.clone(), String::new())].into(), ..issue() },
        v1::IssueRequest { metadata: [("a".to_owned(), broken.clone())].into(), ..issue() },
        v1::IssueRequest { request_id: broken.clone(), ..issue() },
        v1::IssueRequest { admin: Some(admin_rights(&[secret], false)), ..issue() },
    ] {
        told.error(keyward.try_issue(&keyward.root, request).await);
    }
    let mut keys = keyward.keys();
    for id in [secret, &broken] {
        told.error(keys.get_key(keyward.as_root(named(id))).await);
        told.error(keys.rotate(keyward.as_root(rotation(id, None))).await);
        told.error(keys.revoke(keyward.as_root(by_id(id))).await);
        told.error(keys.disable_key(keyward.as_root(disabling(id))).await);
        told.error(keys.enable_key(keyward.as_root(enabling(id))).await);
        told.error(keys.update_key(keyward.as_root(renaming(id, "after"))).await);
        told.error(keys.check(keyward.as_root(peek(id, &[]))).await);
        let page_token = v1::ListKeysRequest { page_token: id.to_owned(), ..v1::ListKeysRequest::default() };
        told.error(keys.list_keys(keyward.as_root(page_token)).await);
        let mask = support::verbs::update(v1::Key::default(), &[id]);
        told.error(keys.update_key(keyward.as_root(mask)).await);
        let log = v1::QueryLogRequest { key_id: id.to_owned(), ..v1::QueryLogRequest::default() };
        told.error(keyward.audit().query_log(keyward.as_root(log)).await);
        let log = v1::QueryLogRequest { page_token: id.to_owned(), ..v1::QueryLogRequest::default() };
        told.error(keyward.audit().query_log(keyward.as_root(log)).await);
    }
    let revoke = v1::RevokeRequest { comment: broken.clone(), ..by_possession(secret) };
    told.error(keys.revoke(revoke).await);
    for presented in [secret[1..].to_owned(), broken.clone(), format!("{secret}{secret}")] {
        keyward.clock.advance(Duration::from_secs(1));
        told.answer(&keyward.check(&presented, &[]).await);
        told.answer(&keyward.end(&presented).await.unwrap());
    }
    let explain = v1::CheckRequest { mode: v1::CheckMode::Explain.into(), ..check(&broken, &["x:y"]) };
    told.answer(&keyward.ask_as_root(explain).await);
    misplace_in_checks_and_headers(keyward, told, secret, &broken).await;
    misplace_over_http(keyward, told, secret).await;
}

async fn misplace_in_checks_and_headers(keyward: &Keyward, told: &mut Told, secret: &str, broken: &str) {
    let mut keys = keyward.keys();
    let subject = Some(Subject::ApiKey("nobody".to_owned()));
    let question = || v1::CheckRequest { subject: subject.clone(), ..v1::CheckRequest::default() };
    for request in [
        v1::CheckRequest { scopes: strings(&[secret]), ..question() },
        v1::CheckRequest { resource: broken.to_owned(), ..question() },
        v1::CheckRequest { workspace_id: secret.to_owned(), ..question() },
        v1::CheckRequest { environment: secret.to_owned(), ..question() },
        v1::CheckRequest {
            context: Some(v1::CheckContext {
                source_address: secret.to_owned(),
                ..v1::CheckContext::default()
            }),
            ..question()
        },
    ] {
        told.error(keys.check(request).await);
    }
    let context = v1::CheckContext {
        method: secret.to_owned(),
        path: format!("/?api_key={secret}"),
        user_agent: secret.to_owned(),
        request_id: secret.to_owned(),
        ..v1::CheckContext::default()
    };
    told.answer(&keyward.ask(v1::CheckRequest { context: Some(context), ..question() }).await);
    for authorization in [
        format!("Bearer {secret}"),
        secret.to_owned(),
        format!("Basic {secret}"),
        format!("Bearer {secret}, Bearer {secret}"),
    ] {
        let mut request = Request::new(named("key_00000000000000000000000000"));
        request.metadata_mut().insert("authorization", authorization.parse().unwrap());
        request.metadata_mut().insert("cookie", format!("key={secret}").parse().unwrap());
        request.metadata_mut().insert("x-api-key", secret.parse().unwrap());
        told.error(keys.get_key(request).await);
    }
    let signed = format!("Bearer {secret}");
    told.error(keyward.call(&format!("keyward.v1.KeyService/{secret}"), &[&signed], Vec::new()).await);
    let half: Vec<u8> = [b"\x0a\xff\x01".as_slice(), secret.as_bytes()].concat();
    told.error(keyward.call("keyward.v1.KeyService/Check", &[&signed], half).await);
}

/// What is asked over plain HTTP, with a secret where one belongs and where none does.
async fn misplace_over_http(keyward: &Keyward, told: &mut Told, secret: &str) {
    let (forwarded, uri) = (("x-forwarded-method", "GET"), ("x-forwarded-uri", "/v1/messages"));
    let (bearer, url) = (format!("Bearer {secret}"), format!("/v1/{secret}?key={secret}"));
    let verify = "/verify?scopes=messaging:send";
    let headers: [&[(&str, &str)]; 8] = [
        &[forwarded, uri, ("authorization", &bearer)],
        &[forwarded, uri, ("x-api-key", secret), ("x-api-key", secret)],
        &[forwarded, ("x-forwarded-uri", &url), ("origin", secret)],
        &[("x-forwarded-method", secret), ("x-forwarded-host", secret), uri],
        &[forwarded, uri, ("x-forwarded-for", secret), ("cookie", secret), ("accept", secret)],
        &[forwarded, uri, ("x-keyward-caller", &bearer)],
        &[("x-forwarded-uri", secret)],
        &[forwarded, uri, (secret, secret)],
    ];
    let settings = ["scopes", "resource", "cost", "environment", "workspace_id", "body", secret];
    let from = [("x-forwarded-host", "api.example.com"), ("x-forwarded-for", "192.0.2.1")];
    let whole = headers.iter().map(|headers| [*headers, &from].concat());
    let mut requests: Vec<_> = headers
        .iter()
        .map(|headers| headers.to_vec())
        .chain(whole)
        .map(|headers| request("GET", verify, &headers, ""))
        .collect();
    for setting in settings {
        let target = format!("/verify?{setting}={secret}");
        requests.push(request(
            "GET",
            &target,
            &[forwarded, uri, from[0], from[1], ("x-api-key", secret)],
            "",
        ));
    }
    let json = [("content-type", "application/json"), ("authorization", &bearer)];
    for question in [
        format!(r#"{{"api_key":"{secret}","scopes":["messaging:send"]}}"#),
        format!(r#"{{"api_key":"{secret}","scopes":["{secret}"]}}"#),
        format!(r#"{{"api_key":["{secret}"]}}"#),
        format!(r#"{{"{secret}":"{secret}"}}"#),
        format!(r#"{{"key_id":"{secret}","mode":"PEEK"}}"#),
        format!(r#"{{"api_key":"nobody","context":{{"source_address":"{secret}"}}}}"#),
        secret.to_owned(),
    ] {
        requests.push(request("POST", "/v1/check", &json[..1], &question));
        requests.push(request("POST", "/v1/check", &json, &question));
    }
    requests.push(request("GET", &format!("/{secret}?{secret}"), &[], ""));
    requests.push(request(secret, "/v1/check", &[], ""));
    for request in requests {
        let reply = exchange(keyward.service.http_address(), &request).await;
        told.answers.extend_from_slice(format!("{reply:?}").as_bytes());
    }
}

/// Makes a secret part of texts that are kept.
async fn publish(keyward: &Keyward, told: &mut Told, secret: &str) {
    let request = v1::IssueRequest {
        name: secret.to_owned(),
        description: secret.to_owned(),
        owner: secret.to_owned(),
        metadata: [(secret.to_owned(), secret.to_owned())].into(),
        request_id: secret.to_owned(),
        ..holder_key(&["a:a"])
    };
    let issued = keyward.issue(request.clone()).await;
    told.error(keyward.try_issue(&keyward.root, request.clone()).await);
    let other = v1::IssueRequest { name: "other".to_owned(), ..request };
    told.error(keyward.try_issue(&keyward.root, other).await);
    let comment = v1::DisableKeyRequest { comment: secret.to_owned(), ..disabling(&issued.key.id) };
    keyward.keys().disable_key(keyward.as_root(comment)).await.unwrap();
    let comment = v1::RevokeRequest { comment: secret.to_owned(), ..by_id(&issued.key.id) };
    keyward.keys().revoke(keyward.as_root(comment)).await.unwrap();
    told.error(keyward.keys().enable_key(keyward.as_root(enabling(&issued.key.id))).await);
}

/// Every answer that shows what is kept.
async fn read_everything(keyward: &Keyward, told: &mut Told) {
    let log = v1::QueryLogRequest { page_size: 1_000, ..v1::QueryLogRequest::default() };
    let log = keyward.audit().query_log(keyward.as_root(log)).await.unwrap().into_inner();
    for record in &log.records {
        if !record.key_id.is_empty() {
            told.answer(&keyward.show(&record.key_id).await);
        }
    }
    told.answer(&log);
    let list = v1::ListKeysRequest { page_size: 1_000, ..v1::ListKeysRequest::default() };
    told.answer(&keyward.keys().list_keys(keyward.as_root(list)).await.unwrap().into_inner());
    let first = v1::ListKeysRequest { page_size: 1, ..v1::ListKeysRequest::default() };
    told.answer(&keyward.keys().list_keys(keyward.as_root(first)).await.unwrap().into_inner());
    let verified = keyward.audit().verify_log(keyward.as_root(v1::VerifyLogRequest {})).await.unwrap();
    told.answer(verified.get_ref());
}

/// Every file below a folder, with what it holds.
fn files(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
        } else {
            found.push((path.display().to_string(), fs::read(&path).unwrap()));
        }
    }
    found
}

/// The keys of a store, from the file of its roots.
fn lookup(data_dir: &Path) -> DerivedKeys {
    let text = fs::read_to_string(data_dir.join("roots")).unwrap();
    let line = text.lines().find(|line| !line.starts_with('#')).unwrap();
    let (number, hex) = line.split_once(' ').unwrap();
    let bytes: Vec<u8> =
        (0..32).map(|place| u8::from_str_radix(&hex[2 * place..2 * place + 2], 16).unwrap()).collect();
    let bytes: [u8; 32] = bytes.try_into().unwrap();
    DerivedKeys::new(&Root::kept(number.parse().unwrap(), bytes.into()), &[])
}
