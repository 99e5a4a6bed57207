//! Clients that begin a handshake and do not end it.

use std::{fs, sync::Arc, time::Duration};

use keyward::{
    domain::time::Timestamp,
    server::{
        limits::ListenerLimits,
        tls::{Tls, TlsFiles},
    },
};
use rcgen::generate_simple_self_signed;
use tokio::{io::AsyncWriteExt as _, net::TcpStream};

use crate::{bounds::until_connections, client::until_closed, handler::Server};

/// A server under TLS with a certificate of its own.
async fn secured(limits: ListenerLimits) -> Server {
    let folder = tempfile::tempdir().unwrap();
    let made = generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let files =
        TlsFiles { certificate: folder.path().join("server.pem"), key: folder.path().join("server.key") };
    fs::write(&files.certificate, made.cert.pem()).unwrap();
    fs::write(&files.key, made.signing_key.serialize_pem()).unwrap();
    fs::set_permissions(&files.key, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    let tls = Tls::load(files, Timestamp::from_ms(1_767_225_600_000).unwrap()).unwrap();
    Server::start_under(limits, Some(Arc::new(tls))).await
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
