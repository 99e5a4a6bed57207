//! An older copy of the database, or one without its anchor: told from the newest at the start, and by the commands that
//! need no server.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Duration,
};

use keyward::{
    domain::audit::digest,
    wire::v1::{self, AuditAction, RevokeRequest, revoke_request::Target},
};

use crate::{
    Client,
    process::{Ended, PATIENCE, Server, keyward, run},
    support::holder_key,
    verify_offline,
};

const SLOT: usize = 4096;

/// A data directory, its server and what was issued there.
struct Place {
    folder: tempfile::TempDir,
}

impl Place {
    fn new() -> Self {
        Self { folder: tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap() }
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    fn file(&self, name: &str) -> PathBuf {
        self.data().join(name)
    }

    fn anchor(&self) -> PathBuf {
        self.file("keyward.anchor")
    }

    fn start(&self) -> Server {
        Server::start(&self.data())
    }

    /// A server that must not start: what it says.
    fn refused(&self, flags: &[&str]) -> String {
        let mut command = keyward();
        command.args(["serve", "--listen", "127.0.0.1:0", "--data-dir"]).arg(self.data()).args(flags);
        let Ended { code, err, .. } = ended(command);
        assert_eq!(code, Some(1), "{err}");
        assert!(!err.contains("serving gRPC"), "{err}");
        err
    }

    /// A command that works on the directory without a server.
    fn offline(&self, words: &[&str]) -> Ended {
        let mut command = keyward();
        command.args(words).arg("--data-dir").arg(self.data());
        run(command, "")
    }

    /// Changes the database behind Keyward's back.
    fn tamper(&self, sql: &str) {
        rusqlite::Connection::open(self.file("keyward.db")).unwrap().execute_batch(sql).unwrap();
    }

    /// What counts of the files, as they are now; SQLite makes its own two beside the database as it likes.
    fn digests(&self) -> Vec<(PathBuf, [u8; 32])> {
        let files = self.files().into_iter();
        let files = files.filter(|(file, _)| !file.to_str().unwrap().contains(".db-"));
        files.map(|(file, bytes)| (file, digest(&bytes))).collect()
    }

    /// Every file as it is now.
    fn files(&self) -> Vec<(PathBuf, Vec<u8>)> {
        let mut files: Vec<_> =
            fs::read_dir(self.data()).unwrap().map(|entry| entry.unwrap().path()).collect();
        files.sort();
        files.into_iter().map(|file| (file.clone(), fs::read(file).unwrap())).collect()
    }
}

/// What a command says that must end by itself; one that goes on is killed, and has no exit code.
fn ended(mut command: Command) -> Ended {
    let mut child = command.stdin(Stdio::null()).spawn().unwrap();
    for _ in 0..PATIENCE.as_millis() {
        if child.try_wait().unwrap().is_some() {
            break;
        }
        std::thread::park_timeout(Duration::from_millis(1));
    }
    let _ended_already = child.kill();
    let output = child.wait_with_output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Ended { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
}

fn put_back(files: &[(PathBuf, Vec<u8>)]) {
    for (file, bytes) in files {
        fs::write(file, bytes).unwrap();
    }
}

/// The newest revision that the anchor's file says, as it stands there.
fn anchored(path: &Path) -> u64 {
    let bytes = fs::read(path).unwrap();
    let slot = |slot: &[u8]| u64::from_be_bytes(slot[16..24].try_into().unwrap());
    bytes.chunks(SLOT).map(slot).max().unwrap()
}

async fn issue(client: &Client) -> (String, String) {
    let issue = client.signed(holder_key(&["messaging:send"]));
    let issued = client.keys().issue(issue).await.unwrap().into_inner();
    (issued.key.as_ref().unwrap().id.clone(), issued.api_key.clone())
}

async fn revoke(client: &Client, id: &str) {
    let target = Some(Target::KeyId(id.to_owned()));
    let request = RevokeRequest { target, ..RevokeRequest::default() };
    client.keys().revoke(client.signed(request)).await.unwrap();
}

async fn allowed(client: &Client, api_key: &str) -> bool {
    let subject = Some(v1::check_request::Subject::ApiKey(api_key.to_owned()));
    let request = v1::CheckRequest { subject, ..v1::CheckRequest::default() };
    client.keys().check(client.signed(request)).await.unwrap().into_inner().allowed
}

/// A store that was stopped in order with one key, and its string.
async fn with_one_key() -> (Place, String, String) {
    let place = Place::new();
    let server = place.start();
    let (id, api_key) = issue(&Client::of(&server, &place.data()).await).await;
    server.stop();
    (place, id, api_key)
}

/// Revokes the key, and stops in order; where the log ends then.
async fn revoked(place: &Place, id: &str) -> u64 {
    let server = place.start();
    let client = Client::of(&server, &place.data()).await;
    revoke(&client, id).await;
    server.stop();
    anchored(&place.anchor())
}

/// Nothing offline passes such a directory over, and nothing is changed in it.
fn assert_told(place: &Place, said: &str) {
    let before = place.digests();
    let refused = place.refused(&[]);
    assert!(refused.contains(said), "{refused}");
    assert!(refused.contains("--accept-rollback"), "{refused}");
    let verified = place.offline(&["audit", "verify"]);
    assert_eq!(verified.code, Some(4), "{verified:?}");
    assert!(verified.out.contains(said), "{verified:?}");
    let looked = place.offline(&["doctor"]);
    assert!(looked.out.contains(said) && looked.out.contains("no server starts"), "{looked:?}");
    let recovered = place.offline(&["recover"]);
    assert_eq!(recovered.code, Some(1), "{recovered:?}");
    assert!(recovered.err.contains(said), "{recovered:?}");
    assert_eq!(place.digests(), before, "nothing was changed");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_older_copy_of_the_database_is_refused_until_it_is_taken_in() {
    // D5, A1
    let (place, id, api_key) = with_one_key().await;
    let older = fs::read(place.file("keyward.db")).unwrap();
    let end = anchored(&place.anchor());
    let newest = revoked(&place, &id).await;
    assert!(newest > end);

    fs::write(place.file("keyward.db"), older).unwrap();
    assert_told(&place, &format!("older than its anchor, which knows revision {newest}"));
    let other = newest.to_string();
    assert!(place.refused(&["--accept-rollback", &other]).contains("older than its anchor"), "another end");

    let accepted = end.to_string();
    let flags = ["--listen", "127.0.0.1:0", "--accept-rollback", &accepted];
    let server = Server::start_with(&place.data(), &flags);
    let client = Client::of(&server, &place.data()).await;
    assert!(allowed(&client, &api_key).await, "as the log said then");
    let entry = client.log().await.pop().unwrap();
    assert_eq!((entry.action(), entry.revision), (AuditAction::RollbackAccept, end + 1));
    let revisions = entry.changes.iter().find(|change| change.field == "revision").unwrap();
    assert_eq!((revisions.from.as_str(), revisions.to.as_str()), (other.as_str(), accepted.as_str()));
    assert!(entry.changes.iter().any(|change| change.field == "accepted_by_user" && !change.to.is_empty()));
    revoke(&client, &id).await;
    server.kill();
    verify_offline(&place.data());
    // A flag that was left behind takes nothing in any more.
    let server = Server::start_with(&place.data(), &flags);
    server.until_logged("--accept-rollback had nothing to take in");
    assert!(!allowed(&Client::of(&server, &place.data()).await, &api_key).await);
    server.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_without_its_wal_is_refused() {
    // D5, D1: the revocation was acknowledged, and stood in the WAL only
    let (place, id, api_key) = with_one_key().await;
    let server = place.start();
    let client = Client::of(&server, &place.data()).await;
    revoke(&client, &id).await;
    server.kill();
    let kept = place.files();
    fs::remove_file(place.file("keyward.db-wal")).unwrap();
    fs::remove_file(place.file("keyward.db-shm")).unwrap();
    assert_told(&place, "older than its anchor");
    put_back(&kept);
    let server = place.start();
    assert!(!allowed(&Client::of(&server, &place.data()).await, &api_key).await);
    server.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_was_acknowledged_is_anchored() {
    // D5, D1: before anybody hears of it, so that kill -9 changes nothing
    let place = Place::new();
    let server = place.start();
    let client = Client::of(&server, &place.data()).await;
    let size = fs::metadata(place.anchor()).unwrap().len();
    for _ in 0..50 {
        let before = anchored(&place.anchor());
        let (id, _) = issue(&client).await;
        assert!(anchored(&place.anchor()) > before);
        revoke(&client, &id).await;
        assert!(anchored(&place.anchor()) > before + 1);
    }
    assert_eq!(fs::metadata(place.anchor()).unwrap().len(), size, "no byte more");
    server.kill();
    let looked = place.offline(&["doctor"]).out;
    let end = anchored(&place.anchor());
    assert!(looked.contains(&format!("revision {end}, as it must be")), "{looked}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_anchor_that_lies_behind_is_brought_up_and_a_torn_slot_does_not_count() {
    // D2, D5: what a power cut may leave
    let (place, id, api_key) = with_one_key().await;
    let behind = fs::read(place.anchor()).unwrap();
    let newest = revoked(&place, &id).await;
    fs::write(place.anchor(), behind).unwrap();
    let looked = place.offline(&["doctor"]).out;
    assert!(looked.contains("behind the log"), "{looked}");
    verify_offline(&place.data());
    let server = place.start();
    assert_eq!(anchored(&place.anchor()), newest);
    assert!(!allowed(&Client::of(&server, &place.data()).await, &api_key).await);
    server.stop();

    let whole = fs::read(place.anchor()).unwrap();
    for slot in 0..2 {
        let mut torn = whole.clone();
        torn[slot * SLOT + 20..slot * SLOT + 60].fill(0);
        fs::write(place.anchor(), torn).unwrap();
        verify_offline(&place.data());
        place.start().stop();
        fs::write(place.anchor(), &whole).unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_anchor_that_is_missing_garbled_or_anothers_is_refused_by_name() {
    // D5
    let (place, _, _) = with_one_key().await;
    let whole = fs::read(place.anchor()).unwrap();

    fs::remove_file(place.anchor()).unwrap();
    assert_told(&place, "its anchor is missing");
    for garbled in [&b""[..], b"nonsense", &vec![0; 2 * SLOT], &whole[..10]] {
        fs::write(place.anchor(), garbled).unwrap();
        assert_told(&place, "its anchor cannot be read");
    }
    // Of a store with other roots.
    let (other, _, _) = with_one_key().await;
    fs::copy(other.anchor(), place.anchor()).unwrap();
    assert_told(&place, "another store's");
    // Of the same store, which went on elsewhere from a copy.
    fs::write(place.anchor(), &whole).unwrap();
    let files = place.files();
    let server = place.start();
    issue(&Client::of(&server, &place.data()).await).await;
    server.stop();
    let elsewhere = fs::read(place.anchor()).unwrap();
    fs::write(place.anchor(), &whole).unwrap();
    put_back(&files);
    let server = place.start();
    issue(&Client::of(&server, &place.data()).await).await;
    server.stop();
    let right = fs::read(place.anchor()).unwrap();
    fs::write(place.anchor(), elsewhere).unwrap();
    assert_told(&place, "its log is not the one that its anchor knows");
    fs::write(place.anchor(), right).unwrap();
    place.start().stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_database_notes_that_it_has_an_anchor_and_an_older_one_gets_it() {
    // D5, D8
    let (place, id, _) = with_one_key().await;
    let older = fs::read(place.file("keyward.db")).unwrap();
    // As the version before left it.
    place.tamper("DELETE FROM meta WHERE name = 'anchor'");
    fs::remove_file(place.anchor()).unwrap();
    assert!(place.offline(&["doctor"]).out.contains("none yet; the next start makes it"));
    verify_offline(&place.data());
    let newest = revoked(&place, &id).await;
    let whole = fs::read(place.anchor()).unwrap();
    fs::remove_file(place.anchor()).unwrap();
    assert_told(&place, "its anchor is missing");
    fs::write(place.anchor(), whole).unwrap();

    let kept = fs::read(place.file("keyward.db")).unwrap();
    place.tamper("UPDATE meta SET value = zeroblob(40) WHERE name = 'anchor'");
    assert_told(&place, "was edited");
    // An older copy that notes nothing is compared all the same.
    fs::write(place.file("keyward.db"), older).unwrap();
    place.tamper("DELETE FROM meta WHERE name = 'anchor'");
    assert_told(&place, &format!("which knows revision {newest}"));
    fs::write(place.file("keyward.db"), kept).unwrap();
    place.start().stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn its_place_is_a_setting_and_what_cannot_be_written_ends_nothing() {
    // D5, D3
    let (place, _, _) = with_one_key().await;
    let disk = place.folder.path().join("disk");
    fs::create_dir(&disk).unwrap();
    let moved = disk.join("anchor");
    let flags = ["--listen", "127.0.0.1:0", "--anchor", moved.to_str().unwrap()];
    assert!(place.refused(&flags[2..]).contains("its anchor is missing"));
    fs::rename(place.anchor(), &moved).unwrap();
    let server = Server::start_with(&place.data(), &flags);
    let client = Client::of(&server, &place.data()).await;
    let other = Place::new();
    assert!(other.refused(&flags[2..]).contains("cannot be read"), "of another store");

    fs::rename(&disk, place.folder.path().join("unplugged")).unwrap();
    for _ in 0..3 {
        let (id, api_key) = issue(&client).await;
        revoke(&client, &id).await;
        assert!(!allowed(&client, &api_key).await);
    }
    let told = server.log().matches("the anchor cannot be written").count();
    assert_eq!(told, 1, "once: {}", server.log());
    fs::rename(place.folder.path().join("unplugged"), &disk).unwrap();
    issue(&client).await;
    server.until_logged("the anchor is written again");
    let log = server.stop();
    assert!(log.contains("changes go on"), "{log}");

    assert!(place.refused(&[]).contains(&format!("was kept in {} before", moved.display())));
    verify_offline(&place.data());
    let looked = place.offline(&["doctor"]).out;
    assert!(looked.contains(moved.to_str().unwrap()) && looked.contains("as it must be"), "{looked}");
    Server::start_with(&place.data(), &flags).stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn recover_and_the_doctor_take_a_restored_database_in_too() {
    // D5, O2
    for words in [["recover", "--accept-rollback"], ["doctor", "--accept-rollback"]] {
        let (place, _, _) = with_one_key().await;
        fs::remove_file(place.anchor()).unwrap();
        fs::remove_file(place.file("root-key")).unwrap();
        let end = rusqlite::Connection::open(place.file("keyward.db")).unwrap();
        let end: i64 = end.query_row("SELECT max(revision) FROM log", [], |row| row.get(0)).unwrap();
        let done = place.offline(&[words[0], words[1], &end.to_string()]);
        assert_eq!(done.code, Some(0), "{done:?}");
        verify_offline(&place.data());
        place.start().stop();
    }
}
