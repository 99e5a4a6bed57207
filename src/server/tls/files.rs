//! The files of a certificate, its private key and the authorities of clients, and what can be wrong with them.

use std::{
    fs::File,
    io::{self, Read as _},
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
};

use rustls::{
    crypto::ring::sign::any_supported_type,
    pki_types::{PrivateKeyDer, pem::PemObject as _},
    sign::CertifiedKey,
};
use zeroize::Zeroizing;

use super::{
    chain::{self, BYTE_ORDER_MARK, KEYS, malformed},
    clients::{ClientCa, Clients},
    error::TlsError,
};
use crate::domain::{audit::digest, time::Timestamp};

/// Longer than any chain.
const LONGEST: u64 = 1 << 20;
/// Read, write and execute for those who are neither the owner nor in the group. The group is left alone: platforms that
/// mount secrets give them to a group of the container's own.
const OTHERS: u32 = 0o007;

/// Where a certificate and its private key are, both in PEM.
#[derive(Debug, Clone)]
pub struct TlsFiles {
    /// The certificate, and behind it those that lead to one that clients trust.
    pub certificate: PathBuf,
    /// Its private key.
    pub key: PathBuf,
    /// Whose word on the certificates of gRPC clients is believed; with `None` no client is asked for one.
    pub clients: Option<ClientCa>,
}

/// What the files held at one moment.
pub(super) struct Contents {
    certificate: Vec<u8>,
    key: Zeroizing<Vec<u8>>,
    clients: Option<Vec<u8>>,
}

/// A certificate that can be served.
pub(super) struct Served {
    pub(super) key: CertifiedKey,
    /// When the first of its chain ends.
    pub(super) good_until: Timestamp,
    /// Whose it is, for people.
    pub(super) subject: String,
    /// Who judges the certificates of clients, if they are asked for any.
    pub(super) clients: Option<Clients>,
}

impl TlsFiles {
    /// Reads all.
    pub(super) fn read(&self) -> Result<Contents, TlsError> {
        let public = |path: &Path| Ok(read(path, false)?.to_vec());
        let clients = self.clients.as_ref().map(|clients| public(&clients.file)).transpose()?;
        Ok(Contents { certificate: public(&self.certificate)?, key: read(&self.key, true)?, clients })
    }

    /// What they hold, if it can be served at this time.
    pub(super) fn judge(&self, contents: &Contents, now: Timestamp) -> Result<Served, TlsError> {
        let chain = chain::read(&self.certificate, &contents.certificate)?;
        let (subject, good_until) = chain::validity(&self.certificate, &chain, now)?;
        let key = private_key(&contents.key).map_err(malformed(&self.key))?;
        let signing = any_supported_type(&key).map_err(|_unsupported| {
            let why = format!("the private key is of a kind that is not supported: use {KEYS}");
            TlsError::Malformed { path: self.key.clone(), why }
        })?;
        let key = CertifiedKey::new(chain, signing);
        key.keys_match().map_err(|_foreign| TlsError::Foreign {
            certificate: self.certificate.clone(),
            key: self.key.clone(),
        })?;
        let clients = self.clients.as_ref().zip(contents.clients.as_deref());
        let clients = clients.map(|(clients, pem)| clients.judge(pem, now)).transpose()?;
        Ok(Served { key, good_until, subject, clients })
    }
}

impl Contents {
    /// What tells these contents from others.
    pub(super) fn digest(&self) -> [u8; 32] {
        let clients = self.clients.as_deref().unwrap_or_default();
        digest(&[digest(&self.certificate), digest(&self.key), digest(clients)].concat())
    }
}

fn read(path: &Path, is_secret: bool) -> Result<Zeroizing<Vec<u8>>, TlsError> {
    let unreadable = |why| TlsError::Unreadable { path: path.to_owned(), why };
    let file = File::open(path).map_err(unreadable)?;
    let metadata = file.metadata().map_err(unreadable)?;
    let mode = metadata.permissions().mode() & 0o7777;
    if is_secret && mode & OTHERS != 0 {
        return Err(TlsError::Exposed { path: path.to_owned(), mode });
    }
    if metadata.len() > LONGEST {
        return Err(unreadable(io::Error::other("it is longer than 1 MiB")));
    }
    // Room for all, so that no copy is left behind when it grows.
    let length = usize::try_from(metadata.len()).unwrap_or_default();
    let mut bytes = Zeroizing::new(Vec::with_capacity(length.saturating_add(1)));
    file.take(LONGEST).read_to_end(&mut bytes).map_err(unreadable)?;
    Ok(bytes)
}

fn private_key(pem: &[u8]) -> Result<PrivateKeyDer<'static>, String> {
    let has = |words: &str| pem.windows(words.len()).any(|window| window == words.as_bytes());
    if pem.starts_with(BYTE_ORDER_MARK) {
        return Err("it begins with a byte order mark: save it without one".to_owned());
    }
    if has("ENCRYPTED") {
        let hint = "`openssl pkey -in FILE -out NEW` writes it without one";
        return Err(format!("the private key is encrypted, and nobody could type its pass phrase: {hint}"));
    }
    if has("BEGIN OPENSSH PRIVATE KEY") {
        return Err("it is a key of SSH, and no private key of a certificate".to_owned());
    }
    PrivateKeyDer::from_pem_slice(pem).map_err(|why| format!("it holds no private key in PEM: {why}"))
}
