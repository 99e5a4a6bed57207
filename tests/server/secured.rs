//! TLS under the test's own clock, and clients that begin a handshake and do not end it.

use std::{fs, os::unix::fs::PermissionsExt as _, path::Path, sync::Arc, time::Duration};

use keyward::{
    domain::time::Timestamp,
    server::{
        limits::ListenerLimits,
        tls::{Tls, TlsError, TlsFiles},
    },
};
use rcgen::{CertificateParams, KeyPair, date_time_ymd};
use tokio::{io::AsyncWriteExt as _, net::TcpStream};

use crate::{bounds::until_connections, client::until_closed, handler::Server};

const NOW_MS: i64 = 1_767_225_600_000;

fn at(ms: i64) -> Timestamp {
    Timestamp::from_ms(ms).unwrap()
}

/// Writes a certificate with its key that is good from the first of January of this year on.
fn write(folder: &Path, from_year: i32) -> TlsFiles {
    let (certificate, key) = (folder.join("server.pem"), folder.join("server.key"));
    let files = TlsFiles { certificate, key, clients: None };
    let mut params = CertificateParams::new(["localhost".to_owned()]).unwrap();
    params.not_before = date_time_ymd(from_year, 1, 1);
    let key = KeyPair::generate().unwrap();
    fs::write(&files.certificate, params.self_signed(&key).unwrap().pem()).unwrap();
    fs::write(&files.key, key.serialize_pem()).unwrap();
    fs::set_permissions(&files.key, fs::Permissions::from_mode(0o600)).unwrap();
    files
}

/// A server under TLS with a certificate of its own.
async fn secured(limits: ListenerLimits) -> Server {
    let folder = tempfile::tempdir().unwrap();
    let tls = Tls::load(write(folder.path(), 2020), at(NOW_MS)).unwrap();
    Server::start_under(limits, Some(Arc::new(tls))).await
}

// M3
#[test]
fn a_certificate_that_is_not_good_yet_is_taken_when_its_time_comes() {
    let folder = tempfile::tempdir().unwrap();
    let tls = Tls::load(write(folder.path(), 2020), at(NOW_MS)).unwrap();
    let before = tls.summary();
    write(folder.path(), 2030);
    for _ in 0..2 {
        assert!(matches!(tls.look(at(NOW_MS)), Err(TlsError::NotYet { .. })));
        assert_eq!(tls.summary(), before);
    }
    let year_ms = 365 * 24 * 60 * 60 * 1_000;
    assert!(tls.look(at(NOW_MS + 5 * year_ms)).unwrap().is_some());
    assert!(tls.look(at(NOW_MS + 5 * year_ms)).unwrap().is_none(), "it is in force");
}

// X5
#[tokio::test]
async fn a_handshake_that_is_not_ended_is_closed_in_time_and_gives_its_place_back() {
    let preface_deadline = Duration::from_millis(100);
    let server = secured(ListenerLimits { preface_deadline, ..ListenerLimits::default() }).await;
    let mut silent = TcpStream::connect(server.address()).await.unwrap();
    let mut begun = TcpStream::connect(server.address()).await.unwrap();
    // The head of a record, and the beginning of what a client says first.
    begun.write_all(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03").await.unwrap();
    until_closed(&mut silent).await;
    until_closed(&mut begun).await;
    let counts = server.running.counts();
    assert_eq!(counts.connections_without_preface.value(), 2);
    assert_eq!(counts.handshakes_failed.value(), 0);
    until_connections(&server, 0).await;
}

// X5
#[tokio::test]
async fn clear_text_under_tls_is_closed_at_once() {
    let server = secured(ListenerLimits::default()).await;
    for bytes in [&b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"[..], b"GET / HTTP/1.1\r\nhost: x\r\n\r\n"] {
        let mut socket = TcpStream::connect(server.address()).await.unwrap();
        socket.write_all(bytes).await.unwrap();
        until_closed(&mut socket).await;
    }
    // Counted when the connection has been let go.
    until_connections(&server, 0).await;
    assert_eq!(server.running.counts().handshakes_failed.value(), 2);
}
