//! SIGHUP puts a new root in force, and does without an old one, wherever the roots are kept; and a server that is killed on the way
//! loses nothing.

use std::{
    fs::{self, Permissions},
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
};

use keyward::wire::v1::{self, AuditAction, import_row::Hash};
use ring::digest;

use crate::{
    Client,
    process::{Server, keyward},
    read_key,
    rotation::{done, imported, put, under, until_rewritten},
    verify_offline,
};

const IN_FORCE: &str = "SIGHUP: the roots at hand are in force";
const REFUSED: &str = "SIGHUP: the roots are refused; those in force stay";

fn line(number: u32) -> String {
    format!("{number} {}\n", format!("{number:02x}").repeat(32))
}

/// A server whose roots come from where these flags say.
fn serve(data_dir: &Path, flags: &[&str], credentials: &Path) -> Server {
    let mut command = keyward();
    command.args(["serve", "--listen", "127.0.0.1:0", "--data-dir"]).arg(data_dir).args(flags);
    command.env("CREDENTIALS_DIRECTORY", credentials);
    Server::start_by(command)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn at_sighup_a_root_comes_or_goes_from_a_file_a_credential_or_a_command() {
    // D5, K2, M5
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("keyward.roots");
    let command = format!("cat '{}'", file.display());
    let of_file = file.to_str().unwrap();
    for (place, flags) in
        [["--roots-file", of_file], ["--roots-credential", "keyward.roots"], ["--roots-command", &command]]
            .iter()
            .enumerate()
    {
        let data_dir = folder.path().join(format!("data-{place}"));
        put(&file, &line(1));
        let server = serve(&data_dir, flags, folder.path());
        let client = Client::with(&server, &read_key(&data_dir.join("root-key"))).await;
        let mut holders = client.fill().await;
        server.hang_up();
        server.until_logged("SIGHUP: the roots have not changed");

        put(&file, &[line(1), line(2)].concat());
        server.hang_up();
        server.until_logged(IN_FORCE);
        client.assert_all(&holders, "under root 2").await;
        holders.good.push(client.holder().await.1);
        assert_eq!(client.log().await.iter().filter(|it| it.action() == AuditAction::RootAdd).count(), 1);
        until_rewritten(&server, &data_dir, 2);

        // What a start would refuse is refused, and changes nothing.
        let foreign = line(1).replace("01", "ab");
        for (times, bad, why) in [
            (1, "no root\n".to_owned(), "is malformed"),
            (2, line(1), "does not belong to"),
            (3, [foreign, line(2)].concat(), "does not belong to"),
            (4, [line(1), line(2), line(3), line(4)].concat(), "one at a time"),
            (5, String::new(), "is malformed"),
        ] {
            put(&file, &bad);
            server.hang_up();
            server.until_logged_times(REFUSED, times);
            let log = server.log();
            let said = log.lines().rfind(|line| line.contains(REFUSED)).unwrap();
            assert!(said.contains(why), "{bad}: {said}");
            client.assert_all(&holders, why).await;
        }
        fs::remove_file(&file).unwrap();
        server.hang_up();
        server.until_logged_times(REFUSED, 6);
        client.assert_all(&holders, "without a file").await;

        put(&file, &line(2));
        server.hang_up();
        server.until_logged_times(IN_FORCE, 2);
        client.assert_all(&holders, "without root 1").await;
        holders.good.push(client.holder().await.1);
        assert!(client.verify_log().await.fault.is_none());
        let newest = client.log().await;
        assert_eq!(newest.iter().filter(|it| it.action() == AuditAction::RootDestroy).count(), 1);
        let log = server.stop();
        for root in 1..=4 {
            assert!(!log.contains(&line(root)[2..66]), "the log holds a root");
        }
        let server = serve(&data_dir, flags, folder.path());
        let client = Client::with(&server, &read_key(&data_dir.join("root-key"))).await;
        client.assert_all(&holders, "after a restart").await;
        server.stop();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn rotate_and_destroy_take_effect_at_sighup_and_status_says_so_of_a_store_that_is_served() {
    // D5, M4
    let folder = tempfile::tempdir().unwrap();
    let data_dir = folder.path().join("data");
    let server = Server::start(&data_dir);
    let client = Client::of(&server, &data_dir).await;
    let (_, first) = client.holder().await;
    assert!(done(&["rotate"], &data_dir).contains("Send SIGHUP to the server"));
    assert!(done(&["status"], &data_dir).contains("root 2    is at hand"));
    server.hang_up();
    server.until_logged(IN_FORCE);
    let status = done(&["status"], &data_dir);
    assert!(status.contains("root 2    in force since revision"), "{status}");
    until_rewritten(&server, &data_dir, 2);
    let (_, second) = client.holder().await;
    let status = done(&["status"], &data_dir);
    assert!(
        status.contains("nothing stands under it") && status.contains("; 1 secrets start at it"),
        "{status}"
    );
    assert!(done(&["destroy", "1"], &data_dir).contains("SIGHUP"));
    server.hang_up();
    server.until_logged_times(IN_FORCE, 2);
    assert!(done(&["status"], &data_dir).contains("root 1    destroyed"));
    for key in [&first, &second] {
        assert!(client.allows(key).await);
    }
    server.stop();
    verify_offline(&data_dir);
}

/// So many that they are written anew in some ten steps.
const MANY: u64 = 2_000;

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn kill_9_around_a_root_that_comes_while_keys_are_served_loses_no_secret_and_no_end() {
    // D1, D5, K2, V1
    let folder = tempfile::tempdir().unwrap();
    let prepared = folder.path().join("prepared");
    let server = crate::start_roomy(&prepared);
    let client = Client::of(&server, &prepared).await;
    let tokens: Vec<String> = (0..MANY).map(|at| format!("sk_test_of_another_system_{at:06}")).collect();
    for (place, some) in tokens.chunks(500).enumerate() {
        let rows = some.iter().zip(u64::try_from(place).unwrap() * 500..).map(|(token, line)| {
            let hash = digest::digest(&digest::SHA256, token.as_bytes()).as_ref().to_vec();
            imported(line, Hash::Sha256(hash))
        });
        client.import(rows.collect()).await;
    }
    server.stop();
    done(&["rotate"], &prepared);
    let both = fs::read_to_string(prepared.join("roots")).unwrap();
    let one: String =
        both.lines().filter(|line| !line.starts_with("2 ")).flat_map(|line| [line, "\n"]).collect();
    for moment in [Moment::Asked, Moment::Noted, Moment::Begun, Moment::HalfWay, Moment::InForce] {
        let data_dir = copied(&prepared, &folder.path().join(format!("{moment:?}")));
        put(&data_dir.join("roots"), &one);
        let server = Server::start(&data_dir);
        let client = Client::of(&server, &data_dir).await;
        put(&data_dir.join("roots"), &both);
        server.hang_up();
        // An end that was acknowledged, before the root or behind it.
        let revoke = v1::RevokeRequest {
            target: Some(v1::revoke_request::Target::ApiKey(tokens[0].clone())),
            ..v1::RevokeRequest::default()
        };
        client.keys().revoke(client.signed(revoke)).await.unwrap();
        moment.wait(&server, &data_dir);
        server.kill();
        verify_offline(&data_dir);
        let server = Server::start(&data_dir);
        let client = Client::of(&server, &data_dir).await;
        assert!(!client.allows(&tokens[0]).await, "{moment:?}: an end is lost");
        for token in tokens.iter().skip(1).step_by(7) {
            assert!(client.allows(token).await, "{moment:?}: {token}");
        }
        assert_eq!(client.log().await.iter().filter(|it| it.action() == AuditAction::RootAdd).count(), 1);
        until_rewritten(&server, &data_dir, 2);
        server.stop();
        verify_offline(&data_dir);
    }
}

/// When the server is killed.
#[derive(Debug, Clone, Copy)]
enum Moment {
    /// Somewhere on the way.
    Asked,
    /// The root is noted.
    Noted,
    /// The first rows are written anew.
    Begun,
    /// Half of them are.
    HalfWay,
    /// Memory has it, too.
    InForce,
}

impl Moment {
    fn wait(self, server: &Server, data_dir: &Path) {
        let rows = match self {
            Self::Asked => return,
            Self::Noted => return server.until_logged("a new root is in force"),
            Self::InForce => return server.until_logged(IN_FORCE),
            Self::Begun => 1,
            Self::HalfWay => i64::try_from(MANY).unwrap() / 2,
        };
        while under(data_dir, 2) < rows {
            std::thread::yield_now();
        }
    }
}

fn copied(from: &Path, to: &Path) -> PathBuf {
    fs::create_dir(to).unwrap();
    fs::set_permissions(to, Permissions::from_mode(0o700)).unwrap();
    for file in fs::read_dir(from).unwrap().map(|file| file.unwrap()) {
        if file.file_type().unwrap().is_file() {
            fs::copy(file.path(), to.join(file.file_name())).unwrap();
        }
    }
    to.to_owned()
}
