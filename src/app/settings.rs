//! What a service is started with.

use std::{net::SocketAddr, num::NonZeroUsize, path::PathBuf, sync::Arc, time::Duration};

use crate::{
    domain::{
        admin::Actors,
        gateway::Gateway,
        policy::Policy,
        surfaces::Surfaces,
        time::{Clock, Entropy},
    },
    server::{limits::ListenerLimits, tls::TlsFiles},
    store::settings::StoreSettings,
    telemetry::LostLines,
};

/// What a Keyward is started with.
pub struct Settings {
    /// Where its files are.
    pub data_dir: PathBuf,
    /// Where its roots and its anchor are, and what is taken in without it.
    pub store: StoreSettings,
    /// Where gRPC is served.
    pub listen: SocketAddr,
    /// Where plain HTTP is served.
    pub http_listen: SocketAddr,
    /// What of it is on.
    pub http_surfaces: Surfaces,
    /// Where probes and metrics are served alone, in clear text.
    pub probes_listen: Option<SocketAddr>,
    /// The certificate that both are served with under TLS.
    pub tls: Option<TlsFiles>,
    /// Whether Check and BatchCheck need no caller.
    pub check_is_open: bool,
    /// The same over plain HTTP.
    pub http_check_is_open: bool,
    /// The policy that a new store begins with.
    pub policy: Policy,
    /// Where holders carry their keys when they come through a gateway.
    pub gateway: Gateway,
    /// Who may call without a key.
    pub actors: Actors,
    /// What a client may take.
    pub limits: ListenerLimits,
    /// How many threads serve connections.
    pub workers: NonZeroUsize,
    /// How long a Check waits until what it would use of a limit is written.
    pub count_wait: Duration,
    /// How many log lines were lost, for metrics.
    pub log_lines: LostLines,
    /// What the machine says of time.
    pub clock: Arc<dyn Clock>,
    /// Randomness.
    pub entropy: Arc<dyn Entropy>,
}
