//! A store gets a new root, and later does without its old one: every secret stays good, and every head of the log verifies.

use std::{fs, path::Path};

use keyward::wire::v1::{
    self, AuditAction, ImportKeysRequest, ImportRow, import_row::Hash, key_service_client::KeyServiceClient,
};
use ring::digest;
use rusqlite::Connection;
use tonic::transport::Channel;

use crate::{
    Client,
    process::{Ended, Server, Stage, keyward, run},
    support::{check, holder_key},
    verify_offline,
};

const TOKEN: &str = "sk_live_4eC39HqLyjWDarjtT1zdp7dcABCD";
const HMAC_TOKEN: &str = "another_systems_token_0123456789";
const THEIR_SECRET: &[u8] = b"a secret of the other system";

/// Every table whose rows say under which root they stand.
const ROOTED: [&str; 11] = [
    "keys",
    "workspaces",
    "members",
    "schemes",
    "policies",
    "group_changes",
    "removed_members",
    "distrusted",
    "people",
    "grouped_keys",
    "log",
];

fn roots(verb: &[&str], data_dir: &Path) -> Ended {
    let mut command = keyward();
    command.arg("roots").args(verb).arg("--data-dir").arg(data_dir);
    run(command, "")
}

pub(crate) fn done(verb: &[&str], data_dir: &Path) -> String {
    let ended = roots(verb, data_dir);
    assert_eq!(ended.code, Some(0), "{verb:?}: {ended:?}");
    ended.out
}

fn refused(verb: &[&str], data_dir: &Path) -> String {
    let ended = roots(verb, data_dir);
    assert_eq!((ended.code, ended.out.as_str()), (Some(1), ""), "{verb:?}: {ended:?}");
    ended.err
}

fn digits(data_dir: &Path, root: u32) -> String {
    let text = fs::read_to_string(data_dir.join("roots")).unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix(&format!("{root} ")));
    line.unwrap().to_owned()
}

/// Waits until a server says that no row stands under any root but the newest.
pub(crate) fn until_rewritten(server: &Server, data_dir: &Path, newest: u32) {
    server.until_logged("every row stands under the newest root");
    for root in 1..newest {
        assert_eq!(under(data_dir, root), 0, "{}", done(&["status"], data_dir));
    }
}

/// Secrets of every kind, as one store has them.
pub(crate) struct Holders {
    pub(crate) good: Vec<String>,
    dead: Vec<String>,
}

impl Client {
    pub(crate) async fn holder(&self) -> (v1::Key, String) {
        let issued =
            self.keys().issue(self.signed(holder_key(&["messaging:send"]))).await.unwrap().into_inner();
        (issued.key.clone().unwrap(), issued.api_key.clone())
    }

    async fn rotated(&self, key_id: &str) -> String {
        let request = v1::RotateRequest { key_id: key_id.to_owned(), ..v1::RotateRequest::default() };
        self.keys().rotate(self.signed(request)).await.unwrap().into_inner().api_key.clone()
    }

    pub(crate) async fn import(&self, rows: Vec<ImportRow>) -> Vec<v1::ImportResult> {
        let request = ImportKeysRequest { rows, ..ImportKeysRequest::default() };
        self.keys().import_keys(self.signed(request)).await.unwrap().into_inner().results
    }

    pub(crate) async fn allows(&self, api_key: &str) -> bool {
        self.keys().check(check(api_key, &["messaging:send"])).await.unwrap().into_inner().allowed
    }

    /// Makes keys with a secret of each kind: native, retiring, imported in two ways, revoked, disabled together.
    pub(crate) async fn fill(&self) -> Holders {
        let (_, plain) = self.holder().await;
        let (rotated, retiring) = self.holder().await;
        let current = self.rotated(&rotated.id).await;
        let (revoked, dead) = self.holder().await;
        let revoke = v1::RevokeRequest {
            target: Some(v1::revoke_request::Target::KeyId(revoked.id)),
            ..v1::RevokeRequest::default()
        };
        self.keys().revoke(self.signed(revoke)).await.unwrap();
        let scheme =
            v1::AddImportSchemeRequest { name: "acme".to_owned(), hmac_sha256_secret: THEIR_SECRET.to_vec() };
        self.keys().add_import_scheme(self.signed(scheme)).await.unwrap();
        let imported = self.import(vec![by_sha256(TOKEN), by_hmac(HMAC_TOKEN)]).await;
        assert!(imported.iter().all(|row| !row.key_id.is_empty()), "{imported:?}");
        Holders {
            good: vec![plain, retiring, current, TOKEN.to_owned(), HMAC_TOKEN.to_owned()],
            dead: vec![dead],
        }
    }

    pub(crate) async fn assert_all(&self, holders: &Holders, when: &str) {
        for good in &holders.good {
            assert!(self.allows(good).await, "{when}: {good}");
        }
        for dead in &holders.dead {
            assert!(!self.allows(dead).await, "{when}: {dead}");
        }
    }
}

fn by_sha256(token: &str) -> ImportRow {
    let hash = digest::digest(&digest::SHA256, token.as_bytes()).as_ref().to_vec();
    imported(1, Hash::Sha256(hash))
}

fn by_hmac(token: &str) -> ImportRow {
    let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, THEIR_SECRET);
    let hash = ring::hmac::sign(&key, token.as_bytes()).as_ref().to_vec();
    imported(2, Hash::HmacSha256(v1::HmacSha256Hash { scheme: "acme".to_owned(), hash }))
}

pub(crate) fn imported(line: u64, hash: Hash) -> ImportRow {
    ImportRow {
        line,
        name: format!("moved {line}"),
        scopes: vec!["messaging:send".to_owned()],
        secret_bits: 160,
        hash: Some(hash),
        ..ImportRow::default()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_new_root_is_laid_over_every_secret_and_the_old_one_can_be_destroyed() {
    // K2, D5, A6
    let folder = tempfile::tempdir().unwrap();
    let data_dir = folder.path().join("data");
    let server = Server::start(&data_dir);
    let client = Client::of(&server, &data_dir).await;
    let mut holders = client.fill().await;
    let first = digits(&data_dir, 1);
    assert!(refused(&["destroy", "1"], &data_dir).contains("only the oldest root at hand can"));

    // While the server runs, which is not told of it: it is laid over the store by the next start.
    assert!(done(&["rotate"], &data_dir).contains("root 2 is in"));
    assert!(refused(&["rotate"], &data_dir).contains("waits for the server"));
    assert!(done(&["status"], &data_dir).contains("root 2    is at hand"));
    client.assert_all(&holders, "before the restart").await;
    server.stop();
    let server = Server::start(&data_dir);
    let client = Client::of(&server, &data_dir).await;
    client.assert_all(&holders, "after the restart").await;
    until_rewritten(&server, &data_dir, 2);
    client.assert_all(&holders, "after all rows are rewritten").await;

    // Old keys are changed, and new ones made.
    let (made, made_key) = client.holder().await;
    holders.good.push(made_key);
    holders.good.push(client.rotated(&made.id).await);
    let old = client.all_keys().await.into_iter().find(|key| key.name == "moved 1").unwrap();
    holders.good.push(client.rotated(&old.id).await);
    let again = client.import(vec![by_sha256(TOKEN)]).await;
    assert!(again[0].error.is_some(), "imported before the rotation: {again:?}");
    let (_, gone) = client.holder().await;
    let revoke = v1::RevokeRequest {
        target: Some(v1::revoke_request::Target::ApiKey(holders.good.remove(0))),
        ..v1::RevokeRequest::default()
    };
    holders.dead.push(match &revoke.target {
        Some(v1::revoke_request::Target::ApiKey(api_key)) => api_key.clone(),
        _ => gone,
    });
    KeyServiceClient::<Channel>::new(client.channel.clone()).revoke(revoke).await.unwrap();
    client.assert_all(&holders, "after changes").await;

    // The old root goes.
    assert!(done(&["status"], &data_dir).contains("nothing stands under it"));
    assert!(done(&["destroy", "1"], &data_dir).contains("root 1 is taken out"));
    assert!(!fs::read_to_string(data_dir.join("roots")).unwrap().contains(&first));
    server.stop();
    let server = Server::start(&data_dir);
    let client = Client::of(&server, &data_dir).await;
    client.assert_all(&holders, "after the old root is gone").await;
    assert!(client.verify_log().await.fault.is_none());
    let actions: Vec<_> = client.log().await.iter().map(v1::AuditRecord::action).collect();
    let of_roots = [AuditAction::RootAdd, AuditAction::RootDestroy];
    let of_roots: Vec<_> = actions.into_iter().filter(|action| of_roots.contains(action)).collect();
    assert_eq!(of_roots, [AuditAction::RootAdd, AuditAction::RootDestroy]);
    assert!(done(&["status"], &data_dir).contains("root 1    destroyed"));
    let log = server.stop();
    assert!(!log.contains(&first) && !log.contains(&digits(&data_dir, 2)), "the log holds a root");
    verify_offline(&data_dir);
    nothing_of_the_old_root_is_in_clear(&data_dir, &first);

    // And nothing is read or repaired at the next start.
    let server = Server::start(&data_dir);
    let client = Client::of(&server, &data_dir).await;
    client.assert_all(&holders, "at a start like any other").await;
    let newest = client.log().await.pop().unwrap();
    assert_eq!(newest.action(), AuditAction::RootDestroy);
    server.stop();
}

/// The derived keys of a destroyed root are in the database under seal alone.
fn nothing_of_the_old_root_is_in_clear(data_dir: &Path, digits: &str) {
    let bytes: Vec<u8> =
        (0..32).map(|at| u8::from_str_radix(&digits[2 * at..2 * at + 2], 16).unwrap()).collect();
    let derive = |purpose: &[u8]| {
        let mut derived = [0; 32];
        let salt = ring::hkdf::Salt::new(ring::hkdf::HKDF_SHA256, b"keyward/1");
        let info = [purpose];
        let expanded = salt.extract(&bytes);
        expanded.expand(&info, ring::hkdf::HKDF_SHA256).unwrap().fill(&mut derived).unwrap();
        derived
    };
    let secrets =
        [bytes.clone(), derive(b"lookup").to_vec(), derive(b"layers").to_vec(), derive(b"rows").to_vec()];
    for file in fs::read_dir(data_dir).unwrap().map(|file| file.unwrap().path()).filter(|path| path.is_file())
    {
        let held = fs::read(&file).unwrap();
        for secret in &secrets {
            let is_there = held.windows(16).any(|window| *window == secret[..16]);
            assert!(!is_there, "{} holds a key of the old root", file.display());
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_root_that_is_needed_or_wrong_stops_the_start_and_a_fourth_start_is_refused() {
    // D5
    let folder = tempfile::tempdir().unwrap();
    let data_dir = folder.path().join("data");
    let server = Server::start(&data_dir);
    let client = Client::of(&server, &data_dir).await;
    let (_, first_key) = client.holder().await;
    server.stop();
    let file = data_dir.join("roots");
    let before = fs::read_to_string(&file).unwrap();

    // Two at once.
    let line = |number: u32, digit: &str| format!("{number} {}\n", digit.repeat(64));
    put(&file, &format!("{before}{}{}", line(2, "2"), line(3, "3")));
    assert!(start_refused(&data_dir).contains("one at a time"));
    put(&file, &before);

    done(&["rotate"], &data_dir);
    let both = fs::read_to_string(&file).unwrap();
    let server = Server::start(&data_dir);
    until_rewritten(&server, &data_dir, 2);
    server.stop();
    // The newest is missing; the older one is another; an older store's roots.
    put(&file, &before);
    assert!(start_refused(&data_dir).contains("does not belong to"));
    let second = both.lines().find(|line| line.starts_with("2 ")).unwrap();
    put(&file, &format!("{}{second}\n", line(1, "1")));
    assert!(start_refused(&data_dir).contains("does not belong to"));
    // The older one is missing while a row stands under it.
    put(&file, &both);
    Connection::open(data_dir.join("keyward.db"))
        .unwrap()
        .execute("UPDATE log SET root = 1 WHERE revision = 1", [])
        .unwrap();
    put(&file, &format!("{second}\n"));
    assert!(start_refused(&data_dir).contains("root 1 is missing, and 1 rows still stand under it"));
    Connection::open(data_dir.join("keyward.db"))
        .unwrap()
        .execute("UPDATE log SET root = 2 WHERE revision = 1", [])
        .unwrap();
    put(&file, &both);

    // Secrets that start at three roots.
    let mut all = vec![first_key];
    for newest in [2, 3] {
        let server = Server::start(&data_dir);
        let client = Client::of(&server, &data_dir).await;
        all.push(client.holder().await.1);
        until_rewritten(&server, &data_dir, newest);
        for key in &all {
            assert!(client.allows(key).await, "root {newest}");
        }
        server.stop();
        if newest == 2 {
            done(&["rotate"], &data_dir);
        }
    }
    let refused = refused(&["rotate"], &data_dir);
    assert!(
        refused.contains("secrets start at 3 roots already") && refused.contains("at root 1"),
        "{refused}"
    );
    let three = fs::read_to_string(&file).unwrap();
    put(&file, &format!("{three}{}", line(4, "4")));
    assert!(start_refused(&data_dir).contains("secrets start at 3 roots already"));
    put(&file, &three);
    Server::start(&data_dir).stop();
    verify_offline(&data_dir);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_root_at_which_no_secret_starts_is_none_of_those_that_a_further_one_is_refused_for() {
    let folder = tempfile::tempdir().unwrap();
    let data_dir = folder.path().join("data");
    let mut all = Vec::new();
    for newest in 1..=4 {
        let server = Server::start(&data_dir);
        let client = Client::of(&server, &data_dir).await;
        if newest < 3 {
            all.push(client.holder().await.1);
        }
        for key in &all {
            assert!(client.allows(key).await, "root {newest}");
        }
        if newest > 1 {
            until_rewritten(&server, &data_dir, newest);
        }
        let last = client.log().await.pop().unwrap();
        let dropped: Vec<_> =
            last.changes.iter().filter(|change| change.field == "lookup_key_of_root").collect();
        assert_eq!(dropped.len(), usize::from(newest == 4), "{last:?}");
        server.stop();
        if newest < 4 {
            done(&["rotate"], &data_dir);
        }
    }
    let status = done(&["status"], &data_dir);
    assert!(status.contains("root 3") && status.contains("0 secrets start at it"), "{status}");
    verify_offline(&data_dir);
}

pub(crate) fn put(file: &Path, text: &str) {
    use std::os::unix::fs::PermissionsExt as _;
    fs::write(file, text).unwrap();
    fs::set_permissions(file, fs::Permissions::from_mode(0o600)).unwrap();
}

fn start_refused(data_dir: &Path) -> String {
    let mut command = keyward();
    command
        .args(["serve", "--listen", "127.0.0.1:0", "--http-listen", "127.0.0.1:0", "--data-dir"])
        .arg(data_dir);
    let ended = run(command, "");
    assert_eq!(ended.code, Some(1), "{ended:?}");
    ended.err
}

/// So many that they are written anew in some forty steps.
const MANY: u64 = 5_000;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kill_9_between_any_steps_leaves_each_row_under_one_root_or_the_other_and_every_secret_good() {
    // D1, D5, K2
    let folder = tempfile::tempdir().unwrap();
    let data_dir = folder.path().join("data");
    let server = crate::start_roomy(&data_dir);
    let client = Client::of(&server, &data_dir).await;
    let tokens: Vec<String> = (0..MANY).map(|at| format!("sk_test_of_another_system_{at:06}")).collect();
    for (place, some) in tokens.chunks(500).enumerate() {
        let rows = some.iter().zip(u64::try_from(place).unwrap() * 500..).map(|(token, line)| {
            let hash = digest::digest(&digest::SHA256, token.as_bytes()).as_ref().to_vec();
            imported(line, Hash::Sha256(hash))
        });
        let results = client.import(rows.collect()).await;
        assert!(results.iter().all(|row| row.error.is_none()), "{:?}", results.first());
    }
    server.stop();
    done(&["rotate"], &data_dir);
    let total = under(&data_dir, 1);
    for part in 1..6 {
        // Killed while it writes rows anew, before it serves or behind that.
        let mut command = keyward();
        command.args(["serve", "--listen", "127.0.0.1:0", "--data-dir"]).arg(&data_dir);
        let server = Server::start_until(command, Stage::Bound);
        while under(&data_dir, 2) < total * part / 6 {
            std::thread::yield_now();
        }
        server.kill();
        verify_offline(&data_dir);
        assert!(under(&data_dir, 1) > 0, "it was too quick to be killed in the middle of it");
    }
    // Now rows stand under both.
    let server = crate::start_roomy(&data_dir);
    let client = Client::of(&server, &data_dir).await;
    for token in &tokens {
        assert!(client.allows(token).await, "{token}");
    }
    until_rewritten(&server, &data_dir, 2);
    server.stop();
    done(&["destroy", "1"], &data_dir);
    let server = crate::start_roomy(&data_dir);
    let client = Client::of(&server, &data_dir).await;
    for token in &tokens {
        assert!(client.allows(token).await, "{token}");
    }
    assert!(client.verify_log().await.fault.is_none());
    // No start had to read the log for what it found.
    assert!(client.log().await.iter().all(|record| record.action() != AuditAction::DamageFind));
    server.stop();
}

/// How many rows stand under a root.
pub(crate) fn under(data_dir: &Path, root: u32) -> i64 {
    let connection = Connection::open(data_dir.join("keyward.db")).unwrap();
    let count = |table: &&str| -> i64 {
        let count = format!("SELECT count(*) FROM {table} WHERE root = {root}");
        connection.query_row(&count, [], |row| row.get(0)).unwrap()
    };
    ROOTED.iter().map(count).sum()
}
