//! Why a certificate cannot be served: each message names the file and says what to do.

use std::{io, path::PathBuf};

use crate::domain::time::Timestamp;

/// Why a certificate and its key cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read.
    #[error("cannot read {}: {why}", .path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system says.
        why: io::Error,
    },
    /// The key can be read by every user of the machine.
    #[error(
        "{} has the mode {mode:o}, so that every user of this machine can read the private key: chmod 600", .path.display()
    )]
    Exposed {
        /// The key.
        path: PathBuf,
        /// Its mode.
        mode: u32,
    },
    /// A file holds something else.
    #[error("{}: {why}", .path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What it should hold.
        why: String,
    },
    /// A certificate of the chain has expired.
    #[error("{}: the certificate of {subject} expired at {ended}: have it renewed", .path.display())]
    Expired {
        /// The file.
        path: PathBuf,
        /// Whose certificate it is.
        subject: String,
        /// When it ended.
        ended: Timestamp,
    },
    /// A certificate of the chain is not good yet.
    #[error(
        "{}: the certificate of {subject} is not good before {begins}; is this machine's clock right?", .path.display()
    )]
    NotYet {
        /// The file.
        path: PathBuf,
        /// Whose certificate it is.
        subject: String,
        /// When it begins.
        begins: Timestamp,
    },
    /// The key is another certificate's.
    #[error("the private key in {} is not that of the certificate in {}", .key.display(), .certificate.display())]
    Foreign {
        /// The certificate.
        certificate: PathBuf,
        /// The key.
        key: PathBuf,
    },
    /// The library refuses to serve it.
    #[error("TLS cannot be served: {0}")]
    Refused(rustls::Error),
}
