//! Certificates in a file: read, and held against the time.

use std::{net::IpAddr, path::Path};

use rustls::pki_types::{CertificateDer, pem::PemObject as _};
use x509_parser::{
    certificate::X509Certificate,
    extensions::GeneralName,
    oid_registry::{Oid, asn1_rs::oid},
    prelude::FromDer as _,
    public_key::PublicKey,
    time::ASN1Time,
};

use super::error::TlsError;
use crate::domain::{
    admin::{ProvenClient, ProvenName},
    time::Timestamp,
};

pub(super) const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";
const FEWEST_RSA_BITS: usize = 2048;
const P_521: Oid<'static> = oid!(1.3.132.0.35);
pub(super) const KEYS: &str = "a key of P-256, P-384, Ed25519, or RSA with 2048 to 8192 bits";

/// The certificates that the file `path` holds in PEM: one or more.
pub(super) fn read(path: &Path, pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let malformed = malformed(path);
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

/// Whose the first of these certificates is, and when the first of all ends.
pub(super) fn validity(
    path: &Path,
    chain: &[CertificateDer<'_>],
    now: Timestamp,
) -> Result<(String, Timestamp), TlsError> {
    let malformed = malformed(path);
    let mut whose = None;
    let mut good_until: Option<Timestamp> = None;
    for der in chain {
        let (_rest, certificate) = X509Certificate::from_der(der)
            .map_err(|why| malformed(format!("a certificate of it cannot be read: {why}")))?;
        let subject = name_of(&certificate);
        if whose.is_none() {
            weak(&certificate).map_err(&malformed)?;
        }
        let (begins, ends) =
            (time(certificate.validity().not_before), time(certificate.validity().not_after));
        if now < begins {
            return Err(TlsError::NotYet { path: path.to_owned(), subject, begins });
        }
        if now >= ends {
            return Err(TlsError::Expired { path: path.to_owned(), subject, ended: ends });
        }
        good_until = Some(good_until.map_or(ends, |until| until.min(ends)));
        whose.get_or_insert(subject);
    }
    Ok((whose.unwrap_or_default(), good_until.unwrap_or(now)))
}

/// What the first of a client's certificates, which the handshake has judged, says of the client. A name that could not be an
/// actor's is none; a certificate that cannot be read says that it has ended.
pub(in crate::server) fn proven(chain: Option<&[CertificateDer<'_>]>) -> Option<ProvenClient> {
    let first = chain?.first()?;
    let Ok((_rest, certificate)) = X509Certificate::from_der(first) else {
        return Some(ProvenClient { names: Vec::new(), ends: Timestamp::EPOCH });
    };
    let names = certificate.subject_alternative_name().ok().flatten();
    let names = names.map(|names| names.value.general_names.iter().filter_map(proven_name).collect());
    Some(ProvenClient { names: names.unwrap_or_default(), ends: time(certificate.validity().not_after) })
}

fn proven_name(name: &GeneralName<'_>) -> Option<ProvenName> {
    match name {
        GeneralName::URI(uri) => ProvenName::uri(uri).ok(),
        GeneralName::DNSName(name) => ProvenName::dns(name).ok(),
        GeneralName::OtherName(..)
        | GeneralName::RFC822Name(_)
        | GeneralName::X400Address(_)
        | GeneralName::DirectoryName(_)
        | GeneralName::EDIPartyName(_)
        | GeneralName::IPAddress(_)
        | GeneralName::RegisteredID(_)
        | GeneralName::Invalid(..) => None,
    }
}

/// That a file does not hold what it should.
pub(super) fn malformed(path: &Path) -> impl Fn(String) -> TlsError {
    move |why| TlsError::Malformed { path: path.to_owned(), why }
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
