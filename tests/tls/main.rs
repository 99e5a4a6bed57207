//! TLS from outside: the real binary with certificates that the test made, and clients that trust them or do not.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod actors;
mod certificates;
mod clients;
#[path = "../support/process.rs"]
mod process;
#[allow(dead_code, unreachable_pub, reason = "it belongs to all tests")]
#[path = "../support/skip.rs"]
mod skip;

use std::{fs, net::SocketAddr, path::Path, process::Command, sync::Arc};

use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, ServerName, pem::PemObject as _},
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};
use tokio_rustls::{TlsConnector, client::TlsStream};

use certificates::{Authority, Files, expired, not_yet};
use process::{Ended, Server, keyward, run};

/// A server that speaks TLS, with an authority of its own, and its administration key.
struct Secured {
    authority: Authority,
    files: Files,
    server: Server,
    data: tempfile::TempDir,
}

impl Secured {
    fn start() -> Self {
        Self::start_with(&[])
    }

    fn start_with(further: &[&str]) -> Self {
        let authority = Authority::new();
        let files = authority.issue(authority.folder.path());
        let data = tempfile::tempdir().unwrap();
        let mut flags = vec!["--listen", "127.0.0.1:0"];
        flags.extend(files.flags());
        flags.extend(further);
        let server = Server::start_with(&data.path().join("data"), &flags);
        Self { authority, files, server, data }
    }

    /// Runs a command of the command line against it, trusting this authority.
    fn run(&self, authority: &Path, scheme: &str, words: &[&str], input: &str) -> Ended {
        let mut command = keyward();
        command.args(words).arg("--ca-file").arg(authority);
        command.arg("--admin-key-file").arg(self.data.path().join("data/root-key"));
        command.arg("--server").arg(format!("{scheme}://127.0.0.1:{}", self.server.address.port()));
        run(command, input)
    }

    /// Shakes hands as a client that offers these protocols of HTTP.
    async fn connect(
        &self,
        address: SocketAddr,
        protocols: &[&[u8]],
    ) -> std::io::Result<TlsStream<TcpStream>> {
        let mut trusted = RootCertStore::empty();
        let authority = CertificateDer::from_pem_file(self.authority.file()).unwrap();
        trusted.add(authority).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config =
            ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
        let mut config = config.with_root_certificates(trusted).with_no_client_auth();
        config.alpn_protocols = protocols.iter().map(|name| name.to_vec()).collect();
        let socket = TcpStream::connect(address).await.unwrap();
        // An address: no name is sent.
        let name = ServerName::try_from("127.0.0.1").unwrap();
        TlsConnector::from(Arc::new(config)).connect(name, socket).await
    }
}

#[test]
fn the_command_line_asks_over_tls_whom_it_trusts_and_nobody_else() {
    // M3, O1
    let secured = Secured::start();
    let ca = secured.authority.file();
    let made = secured.run(&ca, "https", &["issue", "a key", "--scope", "messaging:send"], "");
    assert_eq!(made.code, Some(0), "{made:?}");
    let checked = secured.run(&ca, "https", &["check", "--scope", "messaging:send"], &made.out);
    assert_eq!(checked.code, Some(0), "{checked:?}");
    let stranger = Authority::new();
    let refused = secured.run(&stranger.file(), "https", &["list"], "");
    assert!(refused.code == Some(1) && refused.err.contains("invalid peer certificate"), "{refused:?}");
    let clear = secured.run(&ca, "http", &["list"], "");
    assert_ne!(clear.code, Some(0), "{clear:?}");
    let log = secured.server.stop();
    assert!(log.contains("both listeners speak TLS"), "{log}");
    assert!(!log.contains("-plaintext"), "{log}");
}

#[test]
fn grpcurl_asks_over_tls() {
    // O3, M3
    let Some(grpcurl) = skip::tool("grpcurl") else { return };
    let secured = Secured::start();
    let mut command = Command::new(grpcurl);
    command.arg("-cacert").arg(secured.authority.file());
    command.args(["-d", r#"{"api_key": "kw_live_none"}"#, &secured.server.address.to_string()]);
    let answer = command.arg("keyward.v1.KeyService/Check").output().unwrap();
    let answer = String::from_utf8(answer.stdout).unwrap();
    assert!(answer.contains("CREDENTIALS_MALFORMED"), "{answer}");
}

#[tokio::test]
async fn each_listener_agrees_on_a_protocol_and_serves_whoever_names_no_host() {
    // M3
    let secured = Secured::start();
    let (grpc, http) = (secured.server.address, secured.server.http_address);
    for (address, offered, agreed) in [
        (grpc, &[&b"h2"[..]][..], Some(&b"h2"[..])),
        (grpc, &[b"http/1.1", b"h2"], Some(b"h2")),
        (grpc, &[], None),
        (http, &[b"h2", b"http/1.1"], Some(b"h2")),
        (http, &[b"http/1.1"], Some(b"http/1.1")),
        (http, &[], None),
    ] {
        let stream = secured.connect(address, offered).await.unwrap();
        assert_eq!(stream.get_ref().1.alpn_protocol(), agreed, "{offered:?}");
    }
    assert!(secured.connect(grpc, &[b"http/1.1"]).await.is_err(), "gRPC is spoken over HTTP/2 alone");

    let mut stream = secured.connect(http, &[b"http/1.1"]).await.unwrap();
    let request = "GET /openapi.json HTTP/1.1\r\nhost: keyward\r\nconnection: close\r\n\r\n";
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    // Without a close of TLS the end would be an error.
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
}

#[tokio::test]
async fn a_new_certificate_is_put_in_force_while_serving_and_a_broken_one_is_not() {
    // M3, M5
    let secured = Secured::start();
    let served = async || {
        let stream = secured.connect(secured.server.address, &[b"h2"]).await.unwrap();
        stream.get_ref().1.peer_certificates().unwrap()[0].to_vec()
    };
    let in_file = || CertificateDer::from_pem_file(&secured.files.certificate).unwrap().to_vec();
    let first = served().await;
    assert_eq!(first, in_file());

    secured.authority.issue(secured.authority.folder.path());
    secured.server.hang_up();
    secured.server.until_logged("a new certificate is in force");
    let second = served().await;
    assert_eq!(second, in_file());
    assert_ne!(second, first);

    let elsewhere = tempfile::tempdir().unwrap();
    let other = secured.authority.issue(elsewhere.path());
    for (what, said) in [
        (fs::read_to_string(&other.key).unwrap(), "is not that of the certificate"),
        ("-----BEGIN ENCRYPTED PRIVATE KEY-----\n".to_owned(), "is encrypted"),
        (String::new(), "it holds no private key in PEM"),
    ] {
        secured.files.write_key(&what);
        secured.server.hang_up();
        secured.server.until_logged(said);
        assert_eq!(served().await, second, "{said}");
    }
    secured.server.hang_up();
    secured.server.until_logged("is still refused");
    fs::remove_file(&secured.files.key).unwrap();
    secured.server.hang_up();
    secured.server.until_logged("No such file or directory");
    assert_eq!(served().await, second);
    secured.authority.issue_as(secured.authority.folder.path(), expired);
    secured.server.hang_up();
    secured.server.until_logged("expired at 2021-01-01");
    assert_eq!(served().await, second);

    secured.authority.issue(secured.authority.folder.path());
    secured.server.hang_up();
    for _ in 0..process::PATIENCE.as_millis() {
        if secured.server.log().matches("a new certificate is in force").count() == 2 {
            break;
        }
        std::thread::park_timeout(std::time::Duration::from_millis(1));
    }
    assert_eq!(served().await, in_file());
    let log = secured.server.stop();
    assert_eq!(log.matches("the one in force stays").count(), 5, "{log}");
    assert!(!log.contains("BEGIN"), "{log}");
}

/// Starts a server that must not start, and gives what it says.
fn refused(flags: &[&str]) -> String {
    let data = tempfile::tempdir().unwrap();
    let mut command = keyward();
    command
        .args(["serve", "--listen", "127.0.0.1:0", "--data-dir"])
        .arg(data.path().join("data"))
        .args(flags);
    let ended = run(command, "");
    assert!(ended.code.is_some_and(|code| code != 0), "{ended:?}");
    assert!(!data.path().join("data").exists(), "nothing was made: {flags:?}");
    ended.err
}

#[test]
fn what_cannot_be_served_stops_the_start_with_the_file_and_the_reason() {
    // M3
    let authority = Authority::new();
    let folder = authority.folder.path();
    let files = authority.issue(folder);
    let good = (fs::read_to_string(&files.certificate).unwrap(), fs::read_to_string(&files.key).unwrap());
    let fixture = |name: &str| {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/tls");
        fs::read_to_string(folder.join(name)).unwrap()
    };
    let marked = |text: &str| format!("\u{feff}{text}");
    for (certificate, key, file, said) in [
        (marked(&good.0), good.1.clone(), "server.pem", "byte order mark"),
        (good.0.clone(), marked(&good.1), "server.key", "byte order mark"),
        ("no PEM".to_owned(), good.1.clone(), "server.pem", "holds no certificate"),
        (good.1.clone(), good.1.clone(), "server.pem", "holds no certificate"),
        (good.0.clone(), good.0.clone(), "server.key", "holds no private key"),
        (fixture("p-521.pem"), good.1.clone(), "server.pem", "P-521, which is not supported"),
        (fixture("rsa-1024.pem"), good.1.clone(), "server.pem", "RSA with 1024 bits"),
        (good.0.clone(), "-----BEGIN ENCRYPTED PRIVATE KEY-----".to_owned(), "server.key", "is encrypted"),
        (good.0.clone(), "-----BEGIN OPENSSH PRIVATE KEY-----".to_owned(), "server.key", "a key of SSH"),
    ] {
        fs::write(&files.certificate, certificate).unwrap();
        files.write_key(&key);
        let why = refused(&files.flags());
        assert!(why.contains(said) && why.contains(file), "{why}");
    }
    authority.issue(folder);
    files.key_mode(0o644);
    let why = refused(&files.flags());
    assert!(why.contains("has the mode 644") && why.contains("server.key"), "{why}");
    let ends = |said: &str| {
        let why = refused(&files.flags());
        assert!(why.contains(said) && why.contains("127.0.0.1"), "{why}");
    };
    authority.issue_as(folder, expired);
    ends("expired at 2021-01-01T00:00:00");
    authority.issue_as(folder, not_yet);
    ends("not good before 2999-01-01T00:00:00");
    let [_, certificate, _, key] = files.flags();
    assert!(refused(&["--tls-cert", certificate]).contains("--tls-key"));
    assert!(refused(&["--tls-key", key]).contains("--tls-cert"));
}

#[test]
fn beyond_loopback_tls_is_enough_and_its_lack_is_refused() {
    // O1
    let authority = Authority::new();
    let files = authority.issue(authority.folder.path());
    let why = refused(&["--http-listen", "0.0.0.0:0"]);
    assert!(why.contains("give --tls-cert and --tls-key"), "{why}");
    let data = tempfile::tempdir().unwrap();
    let mut flags = vec!["--listen", "0.0.0.0:0"];
    flags.extend(files.flags());
    let server = Server::start_with(&data.path().join("data"), &flags);
    let mut command = keyward();
    command.arg("check").arg("--ca-file").arg(authority.file());
    command.arg("--server").arg(format!("https://127.0.0.1:{}", server.address.port()));
    let nobody = run(command, "kw_live_none\n");
    assert!(
        nobody.err.contains("UNAUTHENTICATED") || nobody.err.contains("administration key"),
        "{nobody:?}"
    );
    let log = server.stop();
    assert!(!log.contains("unencrypted"), "{log}");
}
