//! Keyward behind TLS, its own and that of a gateway which asks its clients for a certificate.

use std::{net::SocketAddr, path::Path, sync::Arc};

use rustls::{
    RootCertStore, ServerConfig,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
    server::WebPkiClientVerifier,
};
use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
    time::timeout,
};
use tokio_rustls::TlsAcceptor;

use crate::{
    certificates::{Authority, Files},
    example::{Example, Recipe},
    exchange::{exchange, request},
    house::READ,
    process::{PATIENCE, Server, keyward, run},
};

/// What a program is told of certificates, and how it then answers.
struct Case<'a> {
    trusted: Option<&'a Path>,
    shown: Option<&'a Files>,
    status: u16,
}

pub(crate) async fn trusted(recipe: &Recipe) {
    let (authority, stranger) = (Authority::new(), Authority::new());
    let ours = authority.issue(authority.folder.path());
    let strange = stranger.issue(stranger.folder.path());
    let (ca, strange_ca) = (authority.file(), stranger.file());
    let data = tempfile::tempdir().unwrap();
    let mut flags = vec!["--listen", "127.0.0.1:0"];
    flags.extend(ours.flags());
    let server = Server::start_with(data.path(), &flags);
    let key = issue(&server, &ca, data.path());

    let case = |trusted, shown, status| Case { trusted, shown, status };
    for case in [case(Some(&ca), None, 200), case(Some(&strange_ca), None, 503), case(None, None, 503)] {
        if !answers(recipe, server.address, &case, &key).await {
            return;
        }
    }
    server.stop();

    let plain = Server::start_with(data.path(), &["--listen", "127.0.0.1:0"]);
    let gateway = asks_for_certificates(&authority, &ours, plain.address).await;
    for case in
        [case(Some(&ca), Some(&ours), 200), case(Some(&ca), Some(&strange), 503), case(Some(&ca), None, 503)]
    {
        answers(recipe, gateway, &case, &key).await;
    }
    plain.stop();
}

/// Whether there is such a program; if so, it answers as the case says, though it is to let requests through where nobody is.
async fn answers(recipe: &Recipe, keyward: SocketAddr, case: &Case<'_>, key: &str) -> bool {
    let file = |path: &Path| path.to_str().unwrap().to_owned();
    let mut settings = vec![("FAIL_OPEN", "yes".to_owned())];
    settings.extend(case.trusted.map(|path| ("KEYWARD_CA_FILE", file(path))));
    if let Some(shown) = case.shown {
        settings.push(("KEYWARD_CLIENT_CERT", file(&shown.certificate)));
        settings.push(("KEYWARD_CLIENT_KEY", file(&shown.key)));
    }
    let settings: Vec<_> = settings.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let Some(example) = Example::start(recipe, keyward, &settings) else { return false };
    let headers = [("x-api-key", key), ("connection", "close")];
    let asked = async {
        loop {
            let reply = exchange(example.address, &request("GET", "/v1/templates", &headers, "")).await;
            // A machine that is busy can make the first answers too late.
            if reply.status == case.status {
                return reply;
            }
            assert_eq!(reply.status, 503, "{reply:?}");
        }
    };
    let reply = timeout(PATIENCE, asked).await.unwrap();
    if reply.status == 200 {
        assert_ne!(reply.json()["key"], serde_json::Value::Null, "let through unchecked: {reply:?}");
    }
    let log = example.stop();
    assert!(!log.contains("unchecked") && !log.contains(key), "{log}");
    true
}

fn issue(server: &Server, ca: &Path, data: &Path) -> String {
    let mut command = keyward();
    command.args(["issue", "a key", "--scope", READ, "--ca-file"]).arg(ca);
    command.arg("--admin-key-file").arg(data.join("root-key"));
    command.arg("--server").arg(format!("https://127.0.0.1:{}", server.address.port()));
    let made = run(command, "");
    assert_eq!(made.code, Some(0), "{made:?}");
    made.out.trim_end().to_owned()
}

/// A gateway of TLS in front of this Keyward, for those alone who have a certificate of this authority.
async fn asks_for_certificates(authority: &Authority, own: &Files, keyward: SocketAddr) -> SocketAddr {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut trusted = RootCertStore::empty();
    trusted.add(CertificateDer::from_pem_file(authority.file()).unwrap()).unwrap();
    let judge = WebPkiClientVerifier::builder_with_provider(Arc::new(trusted), Arc::clone(&provider));
    let chain = vec![CertificateDer::from_pem_file(&own.certificate).unwrap()];
    let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let mut config = config
        .with_client_cert_verifier(judge.build().unwrap())
        .with_single_cert(chain, PrivateKeyDer::from_pem_file(&own.key).unwrap())
        .unwrap();
    config.alpn_protocols = vec![b"h2".to_vec()];
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                // Who shows no certificate, or a stranger's, gets no further.
                let Ok(mut held) = acceptor.accept(socket).await else { return };
                let mut behind = TcpStream::connect(keyward).await.unwrap();
                let _ended_by_either = copy_bidirectional(&mut held, &mut behind).await;
            });
        }
    });
    address
}
