//! Clients that show a certificate of their own, or none.

use std::{fs, path::PathBuf, process::Command, sync::Arc};

use rustls::{
    ClientConfig, HandshakeKind, ProtocolVersion, RootCertStore, SupportedProtocolVersion,
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject as _},
    version::{TLS12, TLS13},
};
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};
use tokio_rustls::TlsConnector;

use super::{Secured, refused};
use crate::{
    certificates::{Authority, Files, expired},
    process::{Ended, keyward, run},
    skip,
};

/// How a client of HTTP/2 begins: the preface, and settings that set nothing.
const OPENING: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";

/// A server that believes an authority of clients, and certificates for them.
struct Mutual {
    secured: Secured,
    /// Whose clients are let in.
    clients: Authority,
    folder: TempDir,
}

impl Mutual {
    fn start(further: &[&str]) -> Self {
        let clients = Authority::new();
        let file = clients.file();
        let mut flags = vec!["--client-ca", file.to_str().unwrap()];
        flags.extend(further);
        Self { secured: Secured::start_with(&flags), clients, folder: tempfile::tempdir().unwrap() }
    }

    /// A certificate of this authority in a folder of its own.
    fn issue(&self, authority: &Authority, with: impl FnOnce(&mut rcgen::CertificateParams)) -> Files {
        let count = fs::read_dir(self.folder.path()).unwrap().count();
        let at = self.folder.path().join(count.to_string());
        fs::create_dir(&at).unwrap();
        authority.issue_as(&at, with)
    }

    /// Asks with the administration key, under this certificate or none.
    fn list(&self, shown: Option<&Files>) -> Ended {
        let mut command = keyward();
        command.arg("list").arg("--ca-file").arg(self.secured.authority.file());
        command.arg("--admin-key-file").arg(self.secured.data.path().join("data/root-key"));
        command.arg("--server").arg(format!("https://127.0.0.1:{}", self.secured.server.address.port()));
        if let Some(files) = shown {
            command.arg("--client-cert").arg(&files.certificate).arg("--client-key").arg(&files.key);
        }
        run(command, "")
    }

    /// A client that remembers its sessions.
    fn remembering(&self, version: &'static SupportedProtocolVersion, shown: &Files) -> TlsConnector {
        let mut trusted = RootCertStore::empty();
        trusted.add(CertificateDer::from_pem_file(self.secured.authority.file()).unwrap()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config =
            ClientConfig::builder_with_provider(provider).with_protocol_versions(&[version]).unwrap();
        let certificate = CertificateDer::from_pem_file(&shown.certificate).unwrap();
        let key = PrivateKeyDer::from_pem_file(&shown.key).unwrap();
        let mut config =
            config.with_root_certificates(trusted).with_client_auth_cert(vec![certificate], key).unwrap();
        config.alpn_protocols = vec![b"h2".to_vec()];
        TlsConnector::from(Arc::new(config))
    }

    /// Shakes hands, and hears what the server says first, which comes behind any ticket.
    async fn shake(&self, client: &TlsConnector) -> (HandshakeKind, ProtocolVersion) {
        let socket = TcpStream::connect(self.secured.server.address).await.unwrap();
        let mut stream = client.connect(ServerName::try_from("127.0.0.1").unwrap(), socket).await.unwrap();
        stream.write_all(OPENING).await.unwrap();
        stream.read_exact(&mut [0; 9]).await.unwrap();
        let session = stream.get_ref().1;
        (session.handshake_kind().unwrap(), session.protocol_version().unwrap())
    }
}

#[test]
fn a_client_shows_a_good_certificate_or_none() {
    // M3
    let mutual = Mutual::start(&[]);
    let good = mutual.issue(&mutual.clients, |_| ());
    for shown in [Some(&good), None] {
        let listed = mutual.list(shown);
        assert_eq!(listed.code, Some(0), "{listed:?}");
    }
    let stranger = Authority::new();
    for bad in [
        mutual.issue(&stranger, |_| ()),
        // Who may vouch for the server vouches for no client.
        mutual.issue(&mutual.secured.authority, |_| ()),
        mutual.issue(&mutual.clients, expired),
    ] {
        let listed = mutual.list(Some(&bad));
        assert_eq!(listed.code, Some(1), "{listed:?}");
        assert!(!listed.err.contains("BEGIN"), "{listed:?}");
    }
}

#[test]
fn where_a_certificate_is_required_a_key_is_not_enough_and_neither_is_a_certificate() {
    // M3, O1
    let mutual = Mutual::start(&["--require-client-cert"]);
    let good = mutual.issue(&mutual.clients, |_| ());
    assert_eq!(mutual.list(Some(&good)).code, Some(0));
    mutual.secured.server.until_logged("a client of gRPC must show a certificate of these authorities");
    let listed = mutual.list(None);
    assert_eq!(listed.code, Some(1), "{listed:?}");

    let mut command = keyward();
    command.arg("list").arg("--ca-file").arg(mutual.secured.authority.file());
    command.arg("--client-cert").arg(&good.certificate).arg("--client-key").arg(&good.key);
    command.arg("--server").arg(format!("https://127.0.0.1:{}", mutual.secured.server.address.port()));
    let keyless = run(command, "");
    assert!(keyless.code == Some(1) && keyless.err.contains("administration key"), "{keyless:?}");
}

#[test]
fn grpcurl_shows_a_certificate() {
    // O3, M3
    let Some(grpcurl) = skip::tool("grpcurl") else { return };
    let mutual = Mutual::start(&["--require-client-cert"]);
    let good = mutual.issue(&mutual.clients, |_| ());
    let asked = |shown: &[(&str, &PathBuf)]| {
        let mut command = Command::new(&grpcurl);
        command.arg("-cacert").arg(mutual.secured.authority.file());
        for (flag, file) in shown {
            command.arg(flag).arg(file);
        }
        command.args(["-d", r#"{"api_key": "kw_live_none"}"#, &mutual.secured.server.address.to_string()]);
        let answer = command.arg("keyward.v1.KeyService/Check").output().unwrap();
        String::from_utf8(answer.stdout).unwrap()
    };
    let answer = asked(&[("-cert", &good.certificate), ("-key", &good.key)]);
    assert!(answer.contains("CREDENTIALS_MALFORMED"), "{answer}");
    assert_eq!(asked(&[]), "");
}

#[tokio::test]
async fn no_session_is_resumed_where_clients_are_asked_for_certificates() {
    // M3
    let mutual = Mutual::start(&[]);
    let good = mutual.issue(&mutual.clients, |_| ());
    for version in [&TLS12, &TLS13] {
        let client = mutual.remembering(version, &good);
        for _ in 0..3 {
            assert_eq!(mutual.shake(&client).await, (HandshakeKind::Full, version.version));
        }
    }
    // The same client resumes where none is asked.
    let open = Mutual { secured: Secured::start(), ..mutual };
    for (version, reload) in [(&TLS12, 1), (&TLS13, 2)] {
        let client = open.remembering(version, &good);
        assert_eq!(open.shake(&client).await.0, HandshakeKind::Full);
        assert_eq!(open.shake(&client).await, (HandshakeKind::Resumed, version.version));
        // A reload carries no session over.
        open.secured.authority.issue(open.secured.authority.folder.path());
        open.secured.server.hang_up();
        open.secured.server.until_logged_times("a new certificate is in force", reload);
        assert_eq!(open.shake(&client).await, (HandshakeKind::Full, version.version));
    }
}

#[test]
fn new_authorities_of_clients_are_put_in_force_while_serving_and_broken_ones_are_not() {
    // M3, M5
    let mutual = Mutual::start(&["--require-client-cert"]);
    let (file, server) = (mutual.clients.file(), &mutual.secured.server);
    let old = mutual.issue(&mutual.clients, |_| ());
    for (contents, said) in [
        (String::new(), "ca.pem: it holds no certificate in PEM"),
        ("\u{feff}".to_owned() + &fs::read_to_string(&file).unwrap(), "byte order mark"),
        (fs::read_to_string(Authority::ended().file()).unwrap(), "expired at 2021-01-01"),
    ] {
        fs::write(&file, contents).unwrap();
        server.hang_up();
        server.until_logged(said);
        assert_eq!(mutual.list(Some(&old)).code, Some(0), "{said}");
    }
    let next = Authority::new();
    let new = mutual.issue(&next, |_| ());
    assert_eq!(mutual.list(Some(&new)).code, Some(1));
    fs::write(&file, fs::read(next.file()).unwrap()).unwrap();
    server.hang_up();
    server.until_logged("a new certificate is in force");
    assert_eq!(mutual.list(Some(&new)).code, Some(0));
    assert_eq!(mutual.list(Some(&old)).code, Some(1));
}

#[test]
fn authorities_that_cannot_be_believed_stop_the_start_with_the_file_and_the_reason() {
    // M3
    let authority = Authority::new();
    let files = authority.issue(authority.folder.path());
    let empty = authority.folder.path().join("clients.pem");
    fs::write(&empty, "").unwrap();
    let absent = authority.folder.path().join("absent.pem");
    let ended = Authority::ended();
    for (file, said) in [
        (&empty, "clients.pem: it holds no certificate in PEM"),
        (&absent, "absent.pem"),
        (&ended.file(), "ca.pem: the certificate of "),
        (&files.key, "server.key: it holds no certificate"),
    ] {
        let mut flags = files.flags().to_vec();
        flags.extend(["--client-ca", file.to_str().unwrap()]);
        let why = refused(&flags);
        assert!(why.contains(said), "{why}");
    }
    let file = authority.file();
    assert!(refused(&["--client-ca", file.to_str().unwrap()]).contains("--tls-cert"));
    let mut flags = files.flags().to_vec();
    flags.push("--require-client-cert");
    assert!(refused(&flags).contains("--client-ca"));
}
