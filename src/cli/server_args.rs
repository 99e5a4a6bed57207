//! The flags of the commands that work on a data directory. What they do is wired in `app`.

use std::{net::SocketAddr, path::PathBuf};

use clap::Args;

/// Where Keyward keeps its files.
#[derive(Args, Clone, Debug)]
pub struct DataDirArgs {
    /// The directory that holds the database and the pepper
    #[arg(long, value_name = "DIR", env = "KEYWARD_DATA_DIR", default_value = "keyward-data")]
    pub data_dir: PathBuf,
}

/// Where the first administration key goes.
#[derive(Args, Clone, Debug)]
pub struct RootKeyArgs {
    /// Writes the first administration key to this new file, of mode 0600, and not to the terminal
    #[arg(long, value_name = "FILE", env = "KEYWARD_ROOT_KEY_FILE")]
    pub root_key_file: Option<PathBuf>,
}

/// Run the server; the first start makes the data directory
#[derive(Args, Clone, Debug)]
pub struct ServeArgs {
    /// Where the files are.
    #[command(flatten)]
    pub data: DataDirArgs,
    /// Where the first administration key goes.
    #[command(flatten)]
    pub root_key: RootKeyArgs,
    /// The address that gRPC is served on
    #[arg(long, value_name = "IP:PORT", env = "KEYWARD_LISTEN", default_value = "127.0.0.1:50051")]
    pub listen: SocketAddr,
    /// The configuration file
    #[arg(long, value_name = "FILE", env = "KEYWARD_CONFIG")]
    pub config: Option<PathBuf>,
    /// Serves beyond loopback without encryption: whoever is on the network can read keys and ask in others' names
    #[arg(long)]
    pub insecure_listen_beyond_loopback_without_tls: bool,
}

/// Make the data directory and the first administration key
#[derive(Args, Clone, Debug)]
pub struct InitArgs {
    /// Where the files are.
    #[command(flatten)]
    pub data: DataDirArgs,
    /// Where the first administration key goes.
    #[command(flatten)]
    pub root_key: RootKeyArgs,
}

/// Make a new administration key on this machine, while no server runs
#[derive(Args, Clone, Debug)]
pub struct RecoverArgs {
    /// Where the files are.
    #[command(flatten)]
    pub data: DataDirArgs,
    /// Where the new administration key goes.
    #[command(flatten)]
    pub root_key: RootKeyArgs,
}
