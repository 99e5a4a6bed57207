//! TLS for both listeners: one certificate, looked at anew while it is served.
//!
//! A new one that cannot be served leaves the old one in force, and so does a file that is gone. Connections keep what they
//! began with.

mod chain;
mod clients;
mod error;
mod files;

use std::{fmt, sync::Arc};

use arc_swap::ArcSwap;
use rustls::{
    ServerConfig,
    crypto::ring::default_provider,
    server::{NoServerSessionStorage, ResolvesServerCert},
    sign::SingleCertAndKey,
};

pub(super) use self::chain::proven;
pub use self::{clients::ClientCa, error::TlsError, files::TlsFiles};
use self::{clients::Clients, files::Served};
use super::protocol::Protocol;
use crate::domain::time::Timestamp;

const HTTP2: &[u8] = b"h2";
const HTTP1: &[u8] = b"http/1.1";

/// A certificate in force, and the files that the next one comes from.
pub struct Tls {
    files: TlsFiles,
    in_force: ArcSwap<InForce>,
}

/// What connections are served with.
struct InForce {
    grpc: Arc<ServerConfig>,
    http: Arc<ServerConfig>,
    summary: CertificateSummary,
    /// What the files held.
    digest: [u8; 32],
}

/// What there is to say of a certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertificateSummary {
    /// Whose it is: the first name that clients look at.
    pub subject: String,
    /// When the first certificate of its chain ends.
    pub good_until: Timestamp,
}

impl Tls {
    /// Reads a certificate, its key, and the authorities of clients.
    ///
    /// # Errors
    /// They cannot be served at this time.
    pub fn load(files: TlsFiles, now: Timestamp) -> Result<Self, TlsError> {
        let contents = files.read()?;
        let in_force = InForce::new(files.judge(&contents, now)?, contents.digest())?;
        Ok(Self { files, in_force: ArcSwap::from_pointee(in_force) })
    }

    /// Looks at the files, and puts what is new there in force; `None` where nothing is.
    ///
    /// # Errors
    /// What is new cannot be served at this time, and what was in force stays.
    pub fn look(&self, now: Timestamp) -> Result<Option<CertificateSummary>, TlsError> {
        let contents = self.files.read()?;
        let digest = contents.digest();
        if self.in_force.load().digest == digest {
            return Ok(None);
        }
        let in_force = InForce::new(self.files.judge(&contents, now)?, digest)?;
        let summary = in_force.summary.clone();
        self.in_force.store(Arc::new(in_force));
        Ok(Some(summary))
    }

    /// What is in force.
    #[must_use]
    pub fn summary(&self) -> CertificateSummary {
        self.in_force.load().summary.clone()
    }

    /// Whose word on the certificates of gRPC clients is believed, if they are asked for any.
    #[must_use]
    pub const fn client_ca(&self) -> Option<&ClientCa> {
        self.files.clients.as_ref()
    }

    /// What a new connection is served with.
    pub(super) fn config(&self, protocol: Protocol) -> Arc<ServerConfig> {
        let in_force = self.in_force.load();
        Arc::clone(match protocol {
            Protocol::Grpc => &in_force.grpc,
            Protocol::Http => &in_force.http,
        })
    }
}

impl fmt::Debug for Tls {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Tls").field("files", &self.files).finish_non_exhaustive()
    }
}

impl InForce {
    fn new(served: Served, digest: [u8; 32]) -> Result<Self, TlsError> {
        let Served { key, good_until, subject, clients } = served;
        // Served whatever name a client asks for: Envoy, nginx and Caddy ask for none where they have an address.
        let key: Arc<dyn ResolvesServerCert> = Arc::new(SingleCertAndKey::from(key));
        let config = |protocols: &[&[u8]], clients: Option<Clients>| {
            let config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
                .with_safe_default_protocol_versions()
                .map_err(TlsError::Refused)?;
            let asks_clients = clients.is_some();
            let config = match clients {
                None => config.with_no_client_auth(),
                Some(clients) => config.with_client_cert_verifier(clients),
            };
            let mut config = config.with_cert_resolver(Arc::clone(&key));
            if asks_clients {
                // A resumed session would be taken for the client's without a look at its certificate.
                config.session_storage = Arc::new(NoServerSessionStorage {});
                config.send_tls13_tickets = 0;
            }
            config.alpn_protocols = protocols.iter().map(|name| name.to_vec()).collect();
            Ok(Arc::new(config))
        };
        Ok(Self {
            grpc: config(&[HTTP2], clients)?,
            http: config(&[HTTP2, HTTP1], None)?,
            summary: CertificateSummary { subject, good_until },
            digest,
        })
    }
}
