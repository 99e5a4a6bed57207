//! A server whose log cannot be written answers as if it could (D11): on a full disk, into a pipe or a terminal whose reader
//! has gone, and into one whose reader does not read.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

#[path = "support/exchange.rs"]
mod exchange;
#[path = "support/mounts.rs"]
mod mounts;
#[path = "support/process.rs"]
mod process;
#[path = "support/skip.rs"]
#[allow(dead_code, unreachable_pub, reason = "one of its words is used here")]
mod skip;

use std::{
    fs::{File, OpenOptions},
    io,
    net::{SocketAddr, TcpListener},
    path::Path,
    process::{Child, Command, Stdio},
    time::Duration,
};

use crate::{
    exchange::{exchange, request},
    process::{PATIENCE, Server, keyward},
};

/// A server that may have no way to say where it listens.
struct Silent {
    child: Child,
    grpc: SocketAddr,
    http: SocketAddr,
}

fn free() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

/// What is served in this directory, by which `program` is the words before the server's own.
fn silent(mut command: Command, stderr: Stdio, dir: &Path) -> Silent {
    let (grpc, http) = (free(), free());
    let _bare = command.arg("serve").arg("--data-dir").arg(dir);
    let _bare = command.args(["--listen", &grpc.to_string(), "--http-listen", &http.to_string()]);
    let child = command.stdout(Stdio::null()).stderr(stderr).spawn().unwrap();
    Silent { child, grpc, http }
}

impl Silent {
    /// Waits until it answers, since no line says so.
    async fn until_it_serves(&mut self) {
        for _ in 0..PATIENCE.as_millis() / 20 {
            if tokio::net::TcpStream::connect(self.http).await.is_ok() {
                return;
            }
            assert_eq!(self.child.try_wait().unwrap(), None, "it ended");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("it does not serve");
    }

    /// Asks in ways that make lines, and sees that each question is answered.
    async fn is_asked(&self) {
        for path in ["/verify", "/verify?scopes=messaging:send&cost=x"] {
            let target = exchange(self.http, &request("GET", path, &[], "")).await;
            assert_eq!(target.status, 503, "{path}");
        }
        let body = "{\"api_key\": \"nobody's\"}";
        let json = [("content-type", "application/json")];
        let check = exchange(self.http, &request("POST", "/v1/check", &json, body)).await;
        assert_eq!(check.status, 200);
        assert!(tokio::net::TcpStream::connect(self.grpc).await.is_ok());
    }

    /// SIGTERM: it ends in order.
    fn stops(mut self) {
        let id = self.child.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &id]).status().unwrap().success());
        let ended = self.child.wait().unwrap();
        assert!(ended.success(), "{ended}");
    }
}

impl Drop for Silent {
    fn drop(&mut self) {
        // One that has ended and was waited for is not signalled again.
        let _ended_already = self.child.kill();
        let _ended_already = self.child.wait();
    }
}

/// Passes if the server that was here last ended in order, with its counts.
fn assert_ended_in_order(dir: &Path) {
    let log = Server::start(dir).stop();
    assert!(!log.contains("did not stop in order"), "{log}");
}

/// What a server does whose standard error is `stderr`, from the start on.
async fn serves(stderr: Stdio) {
    let dir = tempfile::tempdir().unwrap();
    let mut server = silent(keyward(), stderr, dir.path());
    server.until_it_serves().await;
    server.is_asked().await;
    server.stops();
    assert_ended_in_order(dir.path());
}

fn full_device() -> File {
    OpenOptions::new().write(true).open("/dev/full").unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_device_takes_lines_away_and_nothing_else() {
    // D11
    serves(full_device().into()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pipe_without_a_reader_takes_lines_away_and_nothing_else() {
    // D11
    let (reader, writer) = io::pipe().unwrap();
    drop(reader);
    serves(writer.into()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pipe_that_is_full_and_not_read_holds_nothing_up() {
    // D11
    let (reader, writer) = io::pipe().unwrap();
    let mut filler = writer.try_clone().unwrap();
    rustix::io::ioctl_fionbio(&filler, true).unwrap();
    while io::Write::write(&mut filler, &[b'x'; 4096]).is_ok() {}
    rustix::io::ioctl_fionbio(&filler, false).unwrap();
    serves(writer.into()).await;
    drop((reader, filler));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_file_system_takes_lines_away_and_nothing_else() {
    // D11
    let dir = tempfile::tempdir().unwrap();
    let script = "mount -t tmpfs -o size=4k none \"$0\" && { cat /dev/zero >\"$0/full\" 2>/dev/null || :; } && exec \"$@\" 2>\"$0/log\"";
    let place = dir.path().join("small");
    std::fs::create_dir(&place).unwrap();
    let Some(command) = mounts::behind(script, &place, &keyward()) else {
        return skip::say(mounts::NOT_HERE);
    };
    let data = dir.path().join("data");
    let mut server = silent(command, Stdio::null(), &data);
    server.until_it_serves().await;
    server.is_asked().await;
    server.stops();
    assert_ended_in_order(&data);
}

/// Reads until this was said, from a reader that others keep open.
fn until_said(reader: &mut impl io::Read, said: &str) {
    let mut heard = Vec::new();
    let mut piece = [0; 4096];
    while !String::from_utf8_lossy(&heard).contains(said) {
        let read = reader.read(&mut piece).unwrap();
        assert_ne!(read, 0, "{}", String::from_utf8_lossy(&heard));
        heard.extend_from_slice(&piece[..read]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_that_goes_away_later_takes_lines_away_and_nothing_else() {
    // D11
    let dir = tempfile::tempdir().unwrap();
    let (mut reader, writer) = io::pipe().unwrap();
    let mut server = silent(keyward(), writer.into(), dir.path());
    until_said(&mut reader, "serving gRPC");
    drop(reader);
    server.until_it_serves().await;
    server.is_asked().await;
    server.stops();
    assert_ended_in_order(dir.path());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_terminal_that_is_closed_takes_lines_away_and_nothing_else() {
    // D11
    use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
    let dir = tempfile::tempdir().unwrap();
    let terminal = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    grantpt(&terminal).unwrap();
    unlockpt(&terminal).unwrap();
    let name = ptsname(&terminal, Vec::new()).unwrap().into_string().unwrap();
    let end = OpenOptions::new().read(true).write(true).open(name).unwrap();
    let mut server = silent(keyward(), end.into(), dir.path());
    let mut terminal = File::from(terminal);
    until_said(&mut terminal, "serving gRPC");
    drop(terminal);
    server.until_it_serves().await;
    server.is_asked().await;
    server.stops();
    assert_ended_in_order(dir.path());
}

#[test]
fn sighup_ends_nothing_and_says_so() {
    // M5
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(dir.path());
    server.hang_up();
    server.until_logged("SIGHUP");
    assert_ended_in_order_of(server, dir.path());
}

fn assert_ended_in_order_of(server: Server, dir: &Path) {
    drop(server.stop());
    assert_ended_in_order(dir);
}

#[test]
fn a_filter_of_logs_that_would_silence_everything_stops_the_start() {
    // M5
    let dir = tempfile::tempdir().unwrap();
    for (filter, said) in [
        ("warning", "did you mean `warn`?"),
        ("info keyward=debug", "has a space"),
        ("debug=1", "is no level"),
    ] {
        let mut command = keyward();
        command
            .args(["serve", "--listen", "127.0.0.1:0", "--data-dir"])
            .arg(dir.path())
            .env("KEYWARD_LOG", filter);
        let ended = process::run(command, "");
        assert_eq!(ended.code, Some(1), "{filter}");
        assert!(
            ended.err.contains("KEYWARD_LOG must be") && ended.err.contains(said),
            "{filter}: {}",
            ended.err
        );
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0, "{filter}");
    }
}
