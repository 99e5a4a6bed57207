//! The files of a certificate and its private key, and what can be wrong with them.

use std::{
    fs::File,
    io::{self, Read as _},
    net::IpAddr,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
};

use rustls::{
    crypto::ring::sign::any_supported_type,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
    sign::CertifiedKey,
};
use x509_parser::{
    certificate::X509Certificate,
    extensions::GeneralName,
    oid_registry::{Oid, asn1_rs::oid},
    prelude::FromDer as _,
    public_key::PublicKey,
    time::ASN1Time,
};
use zeroize::Zeroizing;

use super::error::TlsError;
use crate::domain::{audit::digest, time::Timestamp};

/// Longer than any chain.
const LONGEST: u64 = 1 << 20;
/// Read, write and execute for those who are neither the owner nor in the group. The group is left alone: platforms that
/// mount secrets give them to a group of the container's own.
const OTHERS: u32 = 0o007;
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";
const FEWEST_RSA_BITS: usize = 2048;
const P_521: Oid<'static> = oid!(1.3.132.0.35);
const KEYS: &str = "a key of P-256, P-384, Ed25519, or RSA with 2048 to 8192 bits";

/// Where a certificate and its private key are, both in PEM.
#[derive(Debug, Clone)]
pub struct TlsFiles {
    /// The certificate, and behind it those that lead to one that clients trust.
    pub certificate: PathBuf,
    /// Its private key.
    pub key: PathBuf,
}

/// What both files held at one moment.
pub(super) struct Contents {
    certificate: Vec<u8>,
    key: Zeroizing<Vec<u8>>,
}

/// A certificate that can be served.
pub(super) struct Served {
    pub(super) key: CertifiedKey,
    /// When the first of its chain ends.
    pub(super) good_until: Timestamp,
    /// Whose it is, for people.
    pub(super) subject: String,
}

impl TlsFiles {
    /// Reads both.
    pub(super) fn read(&self) -> Result<Contents, TlsError> {
        let certificate = read(&self.certificate, false)?.to_vec();
        Ok(Contents { certificate, key: read(&self.key, true)? })
    }

    /// What both hold, if it can be served at this time.
    pub(super) fn judge(&self, contents: &Contents, now: Timestamp) -> Result<Served, TlsError> {
        let chain = self.chain(&contents.certificate)?;
        let (subject, good_until) = self.validity(&chain, now)?;
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
        Ok(Served { key, good_until, subject })
    }

    fn chain(&self, pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, TlsError> {
        let malformed = malformed(&self.certificate);
        if pem.starts_with(BYTE_ORDER_MARK) {
            return Err(malformed("it begins with a byte order mark: save it without one".to_owned()));
        }
        let chain = CertificateDer::pem_slice_iter(pem).collect::<Result<Vec<_>, _>>();
        let chain = chain.map_err(|why| malformed(format!("it is no PEM: {why}")))?;
        if chain.is_empty() {
            return Err(malformed("it holds no certificate in PEM (-----BEGIN CERTIFICATE-----)".to_owned()));
        }
        Ok(chain)
    }

    /// Whose the first of a chain is, and when the first of all ends.
    fn validity(
        &self,
        chain: &[CertificateDer<'_>],
        now: Timestamp,
    ) -> Result<(String, Timestamp), TlsError> {
        let path = || self.certificate.clone();
        let mut whose = None;
        let mut good_until: Option<Timestamp> = None;
        for der in chain {
            let unread = |why: String| TlsError::Malformed { path: path(), why };
            let (_rest, certificate) = X509Certificate::from_der(der)
                .map_err(|why| unread(format!("a certificate of it cannot be read: {why}")))?;
            let subject = name_of(&certificate);
            if whose.is_none() {
                weak(&certificate).map_err(unread)?;
            }
            let (begins, ends) =
                (time(certificate.validity().not_before), time(certificate.validity().not_after));
            if now < begins {
                return Err(TlsError::NotYet { path: path(), subject, begins });
            }
            if now >= ends {
                return Err(TlsError::Expired { path: path(), subject, ended: ends });
            }
            good_until = Some(good_until.map_or(ends, |until| until.min(ends)));
            whose.get_or_insert(subject);
        }
        Ok((whose.unwrap_or_default(), good_until.unwrap_or(now)))
    }
}

impl Contents {
    /// What tells these contents from others.
    pub(super) fn digest(&self) -> [u8; 32] {
        digest(&[digest(&self.certificate), digest(&self.key)].concat())
    }
}

fn malformed(path: &Path) -> impl Fn(String) -> TlsError {
    move |why| TlsError::Malformed { path: path.to_owned(), why }
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

/// What is wrong with the key of a certificate that ours would refuse with less words.
fn weak(certificate: &X509Certificate<'_>) -> Result<(), String> {
    let info = certificate.public_key();
    let curve = info.algorithm.parameters.as_ref().and_then(|parameters| parameters.as_oid().ok());
    if curve.is_some_and(|curve| curve == P_521) {
        return Err(format!("its key is of the curve P-521, which is not supported: use {KEYS}"));
    }
    match info.parsed() {
        Ok(PublicKey::RSA(key)) if key.key_size() < FEWEST_RSA_BITS => {
            Err(format!("its key is RSA with {} bits, which is too few: use {KEYS}", key.key_size()))
        }
        Ok(_) | Err(_) => Ok(()),
    }
}

/// Whom a certificate names: the first name that clients look at, or else its subject.
fn name_of(certificate: &X509Certificate<'_>) -> String {
    let names = certificate.subject_alternative_name().ok().flatten();
    let first = names.and_then(|names| names.value.general_names.iter().find_map(shown));
    first.unwrap_or_else(|| certificate.subject().to_string()).escape_debug().to_string()
}

fn shown(name: &GeneralName<'_>) -> Option<String> {
    if let GeneralName::DNSName(name) | GeneralName::URI(name) = name {
        return Some((*name).to_owned());
    }
    let GeneralName::IPAddress(bytes) = name else { return None };
    let four = <[u8; 4]>::try_from(*bytes).map(IpAddr::from);
    four.or_else(|_| <[u8; 16]>::try_from(*bytes).map(IpAddr::from)).ok().map(|ip| ip.to_string())
}

/// The time of a certificate; one that no calendar has makes it an expired one.
fn time(time: ASN1Time) -> Timestamp {
    Timestamp::from_ms(time.timestamp().saturating_mul(1_000)).unwrap_or(Timestamp::EPOCH)
}
