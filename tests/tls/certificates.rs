//! Certificates that a test makes for itself.

use std::{
    fs::{self, Permissions},
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
};

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, date_time_ymd};
use tempfile::TempDir;

/// An authority of a test's own, and the folder that a server's files lie in.
pub(crate) struct Authority {
    pub(crate) folder: TempDir,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    pub(crate) fn new() -> Self {
        Self::new_as(|_| ())
    }

    /// One whose own certificate ended long ago.
    pub(crate) fn ended() -> Self {
        Self::new_as(expired)
    }

    fn new_as(with: impl FnOnce(&mut CertificateParams)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        // A certificate whose subject is its issuer's is one that signs itself, to OpenSSL.
        params.distinguished_name.push(DnType::CommonName, "an authority of a test");
        with(&mut params);
        let key = KeyPair::generate().unwrap();
        let certificate = params.self_signed(&key).unwrap();
        fs::write(folder.path().join("ca.pem"), certificate.pem()).unwrap();
        Self { folder, issuer: Issuer::new(params, key) }
    }

    /// The file of its own certificate, for those who trust it.
    pub(crate) fn file(&self) -> PathBuf {
        self.folder.path().join("ca.pem")
    }

    /// Makes a certificate for this machine, with its key, under these names in the folder `at`.
    pub(crate) fn issue(&self, at: &Path) -> Files {
        self.issue_as(at, |_| ())
    }

    pub(crate) fn issue_as(&self, at: &Path, with: impl FnOnce(&mut CertificateParams)) -> Files {
        let mut params = CertificateParams::new(["127.0.0.1".to_owned(), "localhost".to_owned()]).unwrap();
        with(&mut params);
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        let files = Files { certificate: at.join("server.pem"), key: at.join("server.key") };
        fs::write(&files.certificate, certificate.pem()).unwrap();
        files.write_key(&key.serialize_pem());
        files
    }
}

/// Where a certificate and its key are.
pub(crate) struct Files {
    pub(crate) certificate: PathBuf,
    pub(crate) key: PathBuf,
}

impl Files {
    pub(crate) fn write_key(&self, pem: &str) {
        fs::write(&self.key, pem).unwrap();
        self.key_mode(0o600);
    }

    pub(crate) fn key_mode(&self, mode: u32) {
        fs::set_permissions(&self.key, Permissions::from_mode(mode)).unwrap();
    }

    pub(crate) fn flags(&self) -> [&str; 4] {
        let [certificate, key] = [&self.certificate, &self.key].map(|path| path.to_str().unwrap());
        ["--tls-cert", certificate, "--tls-key", key]
    }
}

/// One that ended long ago.
pub(crate) fn expired(params: &mut CertificateParams) {
    params.not_before = date_time_ymd(2020, 1, 1);
    params.not_after = date_time_ymd(2021, 1, 1);
}

/// One that begins long after.
pub(crate) fn not_yet(params: &mut CertificateParams) {
    params.not_before = date_time_ymd(2999, 1, 1);
    params.not_after = date_time_ymd(3000, 1, 1);
}
