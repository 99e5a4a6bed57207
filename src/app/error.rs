//! Why the program could not do what it was started for: each message says what to do next.

use std::{io, net::SocketAddr, path::PathBuf};

use crate::{
    changes::support::initialize::InitializeError,
    config::{ConfigError, zoneinfo::ZoneinfoError},
    grpc::routes::DescriptorError,
    ports::StoreError,
    server::{listener::ListenerError, tls::TlsError},
    store::{data_dir::DataDirError, sqlite::OpenError},
    telemetry::{FilterError, LoggingError},
};

/// Why the program could not do what it was started for.
#[derive(Debug, thiserror::Error)]
pub enum AppError {
    /// The configuration.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The zoneinfo directory.
    #[error(transparent)]
    Zoneinfo(#[from] ZoneinfoError),
    /// `KEYWARD_LOG`.
    #[error(
        "KEYWARD_LOG must be a level (off, error, warn, info, debug, trace) or a list of `target=level`: {0}"
    )]
    LogFilter(FilterError),
    /// The address is not on loopback, and the operator has not said that this is meant.
    #[error(
        "{0} can be reached from other machines, and there is no TLS: give --tls-cert and --tls-key, listen on 127.0.0.1, or \
         say --insecure-listen-beyond-loopback-without-tls"
    )]
    BeyondLoopback(SocketAddr),
    /// Nobody could be one of the actors.
    #[error(
        "the configuration file has [[actors]], which are known by client certificates, and no client is asked for one: give \
         --client-ca, or take them out"
    )]
    ActorsWithoutCertificates,
    /// The certificate cannot be served.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The store cannot be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A file for a secret cannot be written.
    #[error(transparent)]
    Directory(#[from] DataDirError),
    /// The file that a new administration key was to be written to is there, and is not replaced.
    #[error(
        "{} is there already, and is not replaced: move it away, or name another file with --root-key-file",
        .0.display()
    )]
    KeyFileExists(PathBuf),
    /// Roots are to be written on a terminal, which keeps what it shows.
    #[error("roots are not shown on a terminal: name a file, or pipe them into where they are kept")]
    RootsOnTerminal,
    /// Standard output takes no roots.
    #[error("the new roots could not be written: {0}; what was written of them is worth nothing")]
    RootsUnwritten(io::Error),
    /// A new root is at hand that no server has laid over the store yet.
    #[error("root {0} is at hand already, and waits for the server: send it SIGHUP, or restart it")]
    RootWaits(u32),
    /// Rows stand under an older root.
    #[error(
        "{0} rows still stand under an older root: a server that runs writes them anew; `keyward roots status` says how far it is"
    )]
    RowsLeft(u64),
    /// The root is not the one that can go.
    #[error(
        "root {root} cannot go: only the oldest root at hand can, which is {oldest}, and never the newest, which is {newest}"
    )]
    NotOldestRoot {
        /// The one asked for.
        root: u32,
        /// The oldest.
        oldest: u32,
        /// The newest.
        newest: u32,
    },
    /// The roots are kept where only the operator can change them.
    #[error(
        "{why}: put the line of `keyward roots new --number {number} -` behind those that are there, and send the server SIGHUP, or restart it"
    )]
    RootsKeptByOthers {
        /// Where they are.
        why: String,
        /// The number of the next root.
        number: u32,
    },
    /// There is nothing to recover.
    #[error("there is no store in {}: `keyward serve` or `keyward init` makes one", .0.display())]
    NotInitialized(PathBuf),
    /// There is a store already.
    #[error("there is a store in {} already; `keyward serve` serves it, `keyward recover` makes a new key for it", .0.display())]
    AlreadyInitialized(PathBuf),
    /// The first administration key cannot be made.
    #[error(transparent)]
    Initialize(#[from] InitializeError),
    /// The key was made, but could not be shown.
    #[error("the new administration key could not be shown: {0}; run `keyward recover` for another")]
    Shown(io::Error),
    /// The address cannot be bound.
    #[error("cannot listen on {address}: {why}; --listen and --http-listen choose other addresses")]
    Bind {
        /// The address.
        address: SocketAddr,
        /// What the system says.
        why: io::Error,
    },
    /// The port is one that the system keeps.
    #[error(
        "cannot listen on {0}: the system keeps this port for the superuser (net.ipv4.ip_unprivileged_port_start); choose one \
         from 1024 on, or give the process CAP_NET_BIND_SERVICE"
    )]
    ReservedPort(SocketAddr),
    /// Two listeners would be on one address.
    #[error("{flag} {address} and {other_flag} {other_address} are one address: give each a port of its own")]
    SameAddress {
        /// The flag of the one.
        flag: &'static str,
        /// What it says.
        address: SocketAddr,
        /// The flag of the other.
        other_flag: &'static str,
        /// What that says.
        other_address: SocketAddr,
    },
    /// A thread, a runtime or a signal cannot be had.
    #[error("the operating system refuses a thread or a signal: {0}")]
    Runtime(io::Error),
    /// The embedded descriptors are broken.
    #[error(transparent)]
    Descriptors(#[from] DescriptorError),
    /// A part of the server died, or did not end.
    #[error(transparent)]
    Listener(#[from] ListenerError),
    /// A part died while serving.
    #[error("{0}; the process ends, because it could not tell any more what is true")]
    Died(String),
    /// A second signal came while calls in flight were finishing.
    #[error("told twice to stop: calls in flight were cut off")]
    Aborted,
}

impl From<LoggingError> for AppError {
    fn from(error: LoggingError) -> Self {
        match error {
            LoggingError::Filter(error) => Self::LogFilter(error),
            LoggingError::Thread(error) => Self::Runtime(error),
        }
    }
}
