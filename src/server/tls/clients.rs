//! Whose word on the certificates of clients is believed.

use std::{path::PathBuf, sync::Arc};

use rustls::{
    RootCertStore,
    crypto::ring::default_provider,
    server::{WebPkiClientVerifier, danger::ClientCertVerifier},
};

use super::{
    chain::{self, malformed},
    error::TlsError,
};
use crate::domain::time::Timestamp;

/// What judges the certificates of clients, in every handshake.
pub(super) type Clients = Arc<dyn ClientCertVerifier>;

/// The authorities that clients' certificates come from.
#[derive(Debug, Clone)]
pub struct ClientCa {
    /// Where their own certificates are, in PEM.
    pub file: PathBuf,
    /// Whether a client without a certificate is turned away; one that shows a certificate must always show a good one.
    pub is_required: bool,
}

impl ClientCa {
    /// What judges clients by these contents of the file, if they can be used at this time: an authority that has expired is
    /// refused here, for nothing looks at its dates later.
    pub(super) fn judge(&self, pem: &[u8], now: Timestamp) -> Result<Clients, TlsError> {
        let authorities = chain::read(&self.file, pem)?;
        chain::validity(&self.file, &authorities, now)?;
        let malformed = malformed(&self.file);
        let mut trusted = RootCertStore::empty();
        for authority in authorities {
            trusted
                .add(authority)
                .map_err(|why| malformed(format!("a certificate of it cannot be trusted: {why}")))?;
        }
        let verifier =
            WebPkiClientVerifier::builder_with_provider(Arc::new(trusted), Arc::new(default_provider()));
        let verifier = if self.is_required { verifier } else { verifier.allow_unauthenticated() };
        verifier.build().map_err(|why| malformed(why.to_string()))
    }
}
