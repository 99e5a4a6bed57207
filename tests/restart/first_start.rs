//! The first start, `init`, `recover`, and who may listen where.

use std::{
    fs::{self, Permissions},
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
};

use keyward::wire::v1::{self, ActorKind, AuditAction, key_service_client::KeyServiceClient};
use tonic::{Code, transport::Channel};

use crate::{
    Client,
    process::{Ended, Server, keyward, run},
    read_key,
    support::{check, error_reason, holder_key, signed},
};

/// Runs a verb on a data directory to its end.
fn data(verb: &str, data_dir: &Path, root_key_file: Option<&Path>) -> Ended {
    let mut command = keyward();
    command.arg(verb).arg("--data-dir").arg(data_dir);
    if let Some(file) = root_key_file {
        command.arg("--root-key-file").arg(file);
    }
    if verb == "serve" {
        command.args(["--listen", "127.0.0.1:0"]);
    }
    run(command, "")
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

async fn can_issue(server: &Server, root: &str) -> bool {
    let client = Client::with(server, root).await;
    client.keys().issue(client.signed(holder_key(&["messaging:send"]))).await.is_ok()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn without_a_terminal_the_first_key_goes_to_a_file_of_mode_0600_and_only_its_path_is_logged() {
    // K2, O2
    let folder = tempfile::tempdir().unwrap();
    let data_dir = folder.path().join("data");
    let server = Server::start(&data_dir);
    let file = data_dir.join("root-key");
    assert_eq!(mode(&file), 0o600);
    assert_eq!(mode(&data_dir), 0o700);
    let root = read_key(&file);
    assert!(can_issue(&server, &root).await);
    let log = server.stop();
    assert!(log.contains(file.to_str().unwrap()), "{log}");
    assert!(!log.contains(&root), "the log holds the key");
    assert!(!log.contains("kw_admin_"), "the log holds the beginning of a key: {log}");

    let log = Server::start(&data_dir).stop();
    assert!(!log.contains("root-key"), "the second start makes no key: {log}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn the_first_key_goes_where_it_is_asked_for_and_never_over_a_file_that_is_there() {
    // K2
    let folder = tempfile::tempdir().unwrap();
    let data_dir = folder.path().join("data");
    let taken = folder.path().join("taken");
    fs::write(&taken, "something else\n").unwrap();
    let refused = data("serve", &data_dir, Some(&taken));
    assert_eq!(refused.code, Some(1), "{refused:?}");
    assert!(refused.err.contains(taken.to_str().unwrap()), "{refused:?}");
    assert!(!refused.err.contains("kw_admin_"), "{refused:?}");
    assert_eq!(fs::read_to_string(&taken).unwrap(), "something else\n");

    let asked = folder.path().join("asked-for");
    let server = Server::start_with(
        &data_dir,
        &["--listen", "127.0.0.1:0", "--root-key-file", asked.to_str().unwrap()],
    );
    assert_eq!(mode(&asked), 0o600);
    assert!(!data_dir.join("root-key").exists());
    assert!(can_issue(&server, &read_key(&asked)).await);
    server.stop();
}

/// Where a first start has its key before it is good.
fn unnamed(file: &Path) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(".new");
    name.into()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_key_that_a_start_left_before_it_was_good_does_not_stop_the_next_start() {
    // K2
    for asked in [false, true] {
        let folder = tempfile::tempdir().unwrap();
        let data_dir = folder.path().join("data");
        fs::create_dir(&data_dir).unwrap();
        fs::set_permissions(&data_dir, Permissions::from_mode(0o700)).unwrap();
        let file = if asked { folder.path().join("asked-for") } else { data_dir.join("root-key") };
        fs::write(unnamed(&file), "kw_admin_of_a_start_that_was_cut_off\n").unwrap();
        let mut flags = vec!["--listen", "127.0.0.1:0"];
        if asked {
            flags.extend(["--root-key-file", file.to_str().unwrap()]);
        }
        let server = Server::start_with(&data_dir, &flags);
        assert!(!unnamed(&file).exists());
        assert_eq!(mode(&file), 0o600, "not of the file that was there");
        assert!(can_issue(&server, &read_key(&file)).await);
        server.stop();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_key_that_is_good_gets_its_name_by_the_next_start() {
    // K2
    for asked in [false, true] {
        let folder = tempfile::tempdir().unwrap();
        let data_dir = folder.path().join("data");
        let file = if asked { folder.path().join("asked-for") } else { data_dir.join("root-key") };
        let made = data("init", &data_dir, Some(&file));
        assert_eq!(made.code, Some(0), "{made:?}");
        // As if the start had been cut off between the two.
        fs::rename(&file, unnamed(&file)).unwrap();
        let root = read_key(&unnamed(&file));

        let mut flags = vec!["--listen", "127.0.0.1:0"];
        if asked {
            flags.extend(["--root-key-file", file.to_str().unwrap()]);
        }
        let server = Server::start_with(&data_dir, &flags);
        assert!(!unnamed(&file).exists());
        assert_eq!((read_key(&file), mode(&file)), (root.clone(), 0o600));
        assert!(can_issue(&server, &root).await);
        let log = server.stop();
        assert!(log.contains(file.to_str().unwrap()) && !log.contains(&root), "{log}");

        // One beside a key that has its name is left alone, and replaces nothing.
        fs::write(unnamed(&file), "something else\n").unwrap();
        Server::start_with(&data_dir, &flags).stop();
        assert_eq!(read_key(&file), root);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn init_makes_the_store_that_serve_serves_and_makes_it_once() {
    // K2, O2
    let folder = tempfile::tempdir().unwrap();
    let data_dir = folder.path().join("data");
    let made = data("init", &data_dir, None);
    assert_eq!(made.code, Some(0), "{made:?}");
    assert_eq!(made.out, "");
    let root = read_key(&data_dir.join("root-key"));
    assert!(!made.err.contains(&root));
    let again = data("init", &data_dir, Some(&folder.path().join("second")));
    assert_eq!(again.code, Some(1), "{again:?}");
    assert!(again.err.contains("there is a store") && again.err.contains("keyward recover"), "{again:?}");
    assert!(!folder.path().join("second").exists());
    let server = Server::start(&data_dir);
    assert!(can_issue(&server, &root).await);
    server.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn recover_makes_a_key_that_works_and_the_log_tells() {
    // O2, A1
    let folder = tempfile::tempdir().unwrap();
    let data_dir = folder.path().join("data");
    assert_eq!(data("init", &data_dir, None).code, Some(0));
    let first_key = read_key(&data_dir.join("root-key"));

    let occupied = data("recover", &data_dir, None);
    assert_eq!(occupied.code, Some(1), "the file of the first key is still there: {occupied:?}");
    let file = folder.path().join("recovered");
    let second = data("recover", &data_dir, Some(&file));
    assert_eq!(second.code, Some(0), "{second:?}");
    assert_eq!(mode(&file), 0o600);
    let root = read_key(&file);
    assert!(!second.err.contains(&root) && second.out.is_empty());

    let server = Server::start(&data_dir);
    let client = Client::with(&server, &root).await;
    assert!(can_issue(&server, &root).await);
    let log = client.log().await;
    let actions: Vec<_> = log.iter().map(v1::AuditRecord::action).collect();
    let expected = [AuditAction::StoreInitialize, AuditAction::AdminRecover, AuditAction::KeyIssue];
    assert_eq!(actions, expected, "the recovery that was refused left nothing");
    assert_eq!(log[1].actor.as_ref().unwrap().kind(), ActorKind::System);
    assert_eq!(log[2].actor.as_ref().unwrap().key_id, log[1].key_id, "the recovered key is at work");

    // With two root keys, the lost one can be revoked; the last one cannot.
    let revoke = |key_id: &str| v1::RevokeRequest {
        target: Some(v1::revoke_request::Target::KeyId(key_id.to_owned())),
        ..v1::RevokeRequest::default()
    };
    client.keys().revoke(client.signed(revoke(&log[0].key_id))).await.unwrap();
    assert!(!can_issue(&server, &first_key).await);
    let last = client.keys().revoke(client.signed(revoke(&log[1].key_id))).await.unwrap_err();
    assert_eq!(error_reason(&last), "LAST_ROOT_KEY");
    server.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_last_root_key_that_was_presented_is_dead_and_recover_makes_another() {
    // V3, O2: what the command says holds
    let folder = tempfile::tempdir().unwrap();
    let data_dir = folder.path().join("data");
    let server = Server::start(&data_dir);
    let first = read_key(&data_dir.join("root-key"));
    let mut command = keyward();
    command.args(["revoke", "--presented", "--server", &server.url()]);
    let told = run(command, &first);
    assert!(told.out.contains("it is dead now"), "{told:?}");
    assert!(!can_issue(&server, &first).await);
    let log = server.stop();
    assert!(log.contains("nobody can administer until `keyward recover`"), "{log}");
    let file = folder.path().join("recovered");
    assert_eq!(data("recover", &data_dir, Some(&file)).code, Some(0));
    let server = Server::start(&data_dir);
    assert!(can_issue(&server, &read_key(&file)).await);
    assert!(!can_issue(&server, &first).await);
    server.stop();
}

#[test]
fn recover_makes_no_store_where_there_is_none() {
    // D5
    let folder = tempfile::tempdir().unwrap();
    let missing = folder.path().join("missing");
    let empty = folder.path().join("empty");
    fs::create_dir(&empty).unwrap();
    for place in [&missing, &empty] {
        let refused = data("recover", place, Some(&folder.path().join("key")));
        assert_eq!(refused.code, Some(1), "{refused:?}");
        assert!(refused.err.contains("there is no store"), "{refused:?}");
        assert!(!folder.path().join("key").exists());
    }
    assert!(!missing.exists());
    assert_eq!(fs::read_dir(&empty).unwrap().count(), 0, "a directory of somebody else's stays as it was");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn beyond_loopback_it_listens_only_when_told_in_as_many_words_and_then_demands_callers() {
    // O1
    let folder = tempfile::tempdir().unwrap();
    let data_dir = folder.path().join("data");
    let mut command = keyward();
    command.args(["serve", "--listen", "0.0.0.0:0", "--data-dir"]).arg(&data_dir);
    let refused = run(command, "");
    assert_eq!(refused.code, Some(1), "{refused:?}");
    assert!(refused.err.contains("--insecure-listen-beyond-loopback-without-tls"), "{refused:?}");
    assert!(!data_dir.exists(), "refused before anything is made");

    let flags = ["--listen", "0.0.0.0:0", "--insecure-listen-beyond-loopback-without-tls"];
    let server = Server::start_with(&data_dir, &flags);
    let root = read_key(&data_dir.join("root-key"));
    let channel = Channel::from_shared(server.url()).unwrap().connect().await.unwrap();
    let mut keys = KeyServiceClient::new(channel);
    let question = || check("kw_live_x", &["messaging:send"]);
    let anonymous = keys.check(question()).await.unwrap_err();
    assert_eq!(
        (anonymous.code(), error_reason(&anonymous).as_str()),
        (Code::Unauthenticated, "CALLER_MISSING")
    );
    let batch = v1::BatchCheckRequest { requests: vec![question()], ..v1::BatchCheckRequest::default() };
    assert_eq!(keys.batch_check(batch).await.unwrap_err().code(), Code::Unauthenticated);
    assert!(!keys.check(signed(&root, question())).await.unwrap().into_inner().allowed);
    let log = server.stop();
    assert!(log.contains("unencrypted"), "{log}");
}
