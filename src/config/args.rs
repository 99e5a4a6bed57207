//! The flags of the commands that work on a data directory; each has its environment variable.

use std::{net::SocketAddr, num::NonZeroUsize, path::PathBuf};

use clap::{Args, Subcommand};

use super::listen;
use crate::domain::surfaces::Surfaces;

/// Where the roots are kept, for every command that needs them.
#[derive(Args, Clone, Debug, Default)]
#[group(multiple = false)]
pub struct RootsArgs {
    /// The file, of mode 0600, that holds the roots, best on another disk than the data [default: roots in the data directory]
    #[arg(long, value_name = "FILE", env = "KEYWARD_ROOTS_FILE")]
    pub roots_file: Option<PathBuf>,
    /// The systemd credential that holds the roots: `LoadCredential=` or `LoadCredentialEncrypted=` of its unit
    #[arg(long, value_name = "NAME", env = "KEYWARD_ROOTS_CREDENTIAL")]
    pub roots_credential: Option<String>,
    /// The command that writes the roots on its standard output, such as the client of a secret store. It is run without a
    /// shell, and has 60 seconds
    #[arg(long, value_name = "COMMAND", env = "KEYWARD_ROOTS_COMMAND")]
    pub roots_command: Option<String>,
}

/// What every command on a data directory takes.
#[derive(Args, Clone, Debug)]
pub struct DataArgs {
    /// The directory that holds the database and the roots
    #[arg(long, value_name = "DIR", env = "KEYWARD_DATA_DIR", default_value = "keyward-data")]
    pub data_dir: PathBuf,
    /// Where the anchor is, best on another disk: it tells an older copy of the database from the newest [default: keyward.anchor
    /// in the data directory]
    #[arg(long, value_name = "FILE", env = "KEYWARD_ANCHOR")]
    pub anchor: Option<PathBuf>,
    /// Where the roots are.
    #[command(flatten)]
    pub roots: RootsArgs,
    /// The configuration file
    #[arg(long, value_name = "FILE", env = "KEYWARD_CONFIG")]
    pub config: Option<PathBuf>,
    /// The policy document, in TOML, that a new store begins with; later ones are put in force with `keyward policy apply`
    #[arg(long, value_name = "FILE", env = "KEYWARD_POLICY")]
    pub policy: Option<PathBuf>,
    /// A zoneinfo directory, such as /usr/share/zoneinfo, whose time zones are used in place of those built in
    #[arg(long, value_name = "DIR", env = "KEYWARD_ZONEINFO")]
    pub zoneinfo: Option<PathBuf>,
    /// Writes the new administration key to this new file, of mode 0600, and not to the terminal
    #[arg(long, value_name = "FILE", env = "KEYWARD_ROOT_KEY_FILE")]
    pub root_key_file: Option<PathBuf>,
}

/// Run the server; the first start makes the data directory
#[derive(Args, Clone, Debug)]
pub struct ServeArgs {
    /// Where the files are.
    #[command(flatten)]
    pub data: DataArgs,
    /// The address that gRPC is served on
    #[arg(long, value_name = "IP:PORT", env = "KEYWARD_LISTEN", default_value = "127.0.0.1:50051")]
    #[arg(value_parser = listen::address)]
    pub listen: SocketAddr,
    /// The address that plain HTTP is served on: /verify for gateways, /v1/check in JSON, probes and metrics
    #[arg(long, value_name = "IP:PORT", env = "KEYWARD_HTTP_LISTEN", default_value = "127.0.0.1:8080")]
    #[arg(value_parser = listen::address)]
    pub http_listen: SocketAddr,
    /// What of plain HTTP is on, with commas between: probes, metrics, verify, check [default: all on loopback, probes and
    /// verify beyond it]
    #[arg(long, value_name = "LIST", env = "KEYWARD_HTTP_SURFACES")]
    pub http_surfaces: Option<Surfaces>,
    /// A further address for probes and metrics alone, in clear text wherever it is [default: none]
    #[arg(long, value_name = "IP:PORT", env = "KEYWARD_PROBES_LISTEN", value_parser = listen::address)]
    pub probes_listen: Option<SocketAddr>,
    /// Threads that serve connections; each connection stays with one of them [default: as many as there are cores]
    #[arg(long, value_name = "N", env = "KEYWARD_WORKERS")]
    pub workers: Option<NonZeroUsize>,
    /// How long a Check may wait until what it uses of a limit is written, 1 to 5000: longer than a commit of the disk takes
    #[arg(long, value_name = "MS", env = "KEYWARD_COUNT_WAIT_MS", default_value = "50")]
    #[arg(value_parser = clap::value_parser!(u16).range(1..=5000))]
    pub count_wait_ms: u16,
    /// Memory that calls in flight may take over all connections: questions, headers and answers by what they cost, 16 to
    /// 1048576. What is beyond is refused at once. The process needs about as much again, and more for very many keys
    #[arg(long, value_name = "MIB", env = "KEYWARD_IN_FLIGHT_MIB", default_value = "128")]
    #[arg(value_parser = clap::value_parser!(u64).range(16..=1_048_576))]
    pub in_flight_mib: u64,
    /// The certificate that both listeners serve TLS with, in PEM, those that lead to a trusted one behind it. Needs --tls-key.
    /// Both files are read anew at SIGHUP and every 10 seconds
    #[arg(long, value_name = "FILE", env = "KEYWARD_TLS_CERT", requires = "tls_key")]
    pub tls_cert: Option<PathBuf>,
    /// The private key of that certificate, in PEM, unencrypted
    #[arg(long, value_name = "FILE", env = "KEYWARD_TLS_KEY", requires = "tls_cert")]
    pub tls_key: Option<PathBuf>,
    /// The certificates, in PEM, of those whose word on the certificates of gRPC clients is believed: a client may then show
    /// one, and one that is not good ends the connection. Read anew like --tls-cert
    #[arg(long, value_name = "FILE", env = "KEYWARD_CLIENT_CA", requires = "tls_cert")]
    pub client_ca: Option<PathBuf>,
    /// Turns away gRPC clients that show no certificate
    #[arg(long, requires = "client_ca")]
    pub require_client_cert: bool,
    /// Serves beyond loopback without encryption: whoever is on the network can read keys and ask in others' names
    #[arg(long)]
    pub insecure_listen_beyond_loopback_without_tls: bool,
    /// Takes the database in as it is, though it is older than its anchor or has none, if its log ends at this revision;
    /// the log says so. Keys that were revoked since are good again: revoke them
    #[arg(long, value_name = "REVISION")]
    pub accept_rollback: Option<u64>,
    /// Keeps no copy of the database as it was when this program brings it to a newer schema
    #[arg(long)]
    pub no_upgrade_copy: bool,
}

/// Work with the roots of stores
#[derive(Subcommand, Clone, Debug)]
pub enum RootsCommand {
    /// Make the roots of a new store that are to be kept outside its data directory
    New(NewRootsArgs),
    /// Add a further root to a store's file of roots; SIGHUP, or the next start, lays it over the store
    Rotate(StoreRootsArgs),
    /// Say how a store stands to its roots, whether a server runs or not
    Status(StoreRootsArgs),
    /// Take the oldest root out of a store's file of roots, once nothing stands under it
    Destroy(DestroyRootArgs),
}

/// What the commands on the roots of one store take.
#[derive(Args, Clone, Debug)]
pub struct StoreRootsArgs {
    /// The directory that holds the database and the roots
    #[arg(long, value_name = "DIR", env = "KEYWARD_DATA_DIR", default_value = "keyward-data")]
    pub data_dir: PathBuf,
    /// Where the roots are.
    #[command(flatten)]
    pub roots: RootsArgs,
}

/// Take the oldest root out of a store's file of roots, once nothing stands under it
#[derive(Args, Clone, Debug)]
pub struct DestroyRootArgs {
    /// The number of the root
    #[arg(value_name = "NUMBER")]
    pub root: u32,
    /// Which store.
    #[command(flatten)]
    pub store: StoreRootsArgs,
}

/// Make the roots of a new store that are to be kept outside its data directory
#[derive(Args, Clone, Debug)]
pub struct NewRootsArgs {
    /// The new file, of mode 0600; `-` for standard output, such as a pipe into a secret store
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// Makes a further root of this number, for a store whose roots are kept by others: one line, to be put behind those of the
    /// older roots
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(2..))]
    pub number: Option<u32>,
}

/// Make the data directory and the first administration key
#[derive(Args, Clone, Debug)]
pub struct InitArgs {
    /// Where the files are.
    #[command(flatten)]
    pub data: DataArgs,
}

/// Look at a data directory and this machine's clock
#[derive(Args, Clone, Debug)]
pub struct DoctorArgs {
    /// The directory that holds the database and the roots
    #[arg(long, value_name = "DIR", env = "KEYWARD_DATA_DIR", default_value = "keyward-data")]
    pub data_dir: PathBuf,
    /// Where the anchor is [default: where it was]
    #[arg(long, value_name = "FILE", env = "KEYWARD_ANCHOR")]
    pub anchor: Option<PathBuf>,
    /// Where the roots are.
    #[command(flatten)]
    pub roots: RootsArgs,
    /// The zoneinfo directory that the server is given, if it is
    #[arg(long, value_name = "DIR", env = "KEYWARD_ZONEINFO")]
    pub zoneinfo: Option<PathBuf>,
    /// Sets the clock's mark to this machine's time, with an entry in the log; no server may run. Keys that expired
    /// between this time and the mark are good again
    #[arg(long)]
    pub reset_clock: bool,
    /// Takes the database in as it is, though it is older than its anchor or has none, if its log ends at this revision;
    /// the log says so. Keys that were revoked since are good again: revoke them
    #[arg(long, value_name = "REVISION")]
    pub accept_rollback: Option<u64>,
}

/// Make a new administration key on this machine, while no server runs
#[derive(Args, Clone, Debug)]
pub struct RecoverArgs {
    /// Where the files are.
    #[command(flatten)]
    pub data: DataArgs,
    /// Takes the database in as it is, though it is older than its anchor or has none, if its log ends at this revision;
    /// the log says so. Keys that were revoked since are good again: revoke them
    #[arg(long, value_name = "REVISION")]
    pub accept_rollback: Option<u64>,
}
