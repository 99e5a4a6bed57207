//! A real Keyward for tests: real gRPC over a socket, real files in a temporary folder, with time and randomness in the
//! test's hands.
#![allow(dead_code, unreachable_pub, reason = "each test binary uses a part of this")]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::missing_panics_doc,
    missing_docs,
    reason = "tests"
)]

pub mod log;
pub mod skip;
pub mod verbs;

use std::{
    net::SocketAddr,
    num::NonZeroUsize,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicI64, AtomicU64, Ordering},
    },
    time::Duration,
};

use keyward::{
    app::{Destination, Service, Settings, StopReason},
    domain::{
        admin::Actors,
        gateway::Gateway,
        network::TrustedPeers,
        policy::{Policy, RouteEntry, ScopeEntry},
        surfaces::Surfaces,
        time::{Clock, Entropy, EntropyUnavailable, Timestamp},
    },
    server::limits::ListenerLimits,
    store::settings::StoreSettings,
    telemetry::LostLines,
    wire::v1::{
        self, audit_service_client::AuditServiceClient, key_service_client::KeyServiceClient,
        policy_service_client::PolicyServiceClient, workspace_service_client::WorkspaceServiceClient,
    },
};
use tempfile::TempDir;
use tonic::{Request, Status, transport::Channel};
use tonic_health::pb::health_client::HealthClient;
use tonic_types::StatusExt as _;

/// How long a Check may wait for a disk that other tests keep busy.
const SLOW_DISK: Duration = Duration::from_secs(5);

/// 2026-01-01T00:00:00Z: when every test begins.
pub const START_MS: i64 = 1_767_225_600_000;

/// What the messaging platform declares (S2).
pub const FIFTEEN_SCOPES: [&str; 15] = [
    "messaging:send",
    "storage:upload",
    "storage:read",
    "storage:delete",
    "webhooks:manage",
    "templates:read",
    "templates:write",
    "permissions:check",
    "permissions:manage",
    "permissions:audit",
    "identity:resolve",
    "events:manage",
    "events:read",
    "exports:create",
    "domains:manage",
];

/// A clock that stands still until the test moves it.
pub struct ManualClock {
    /// What the boot clock shows, in milliseconds.
    boot: AtomicI64,
    /// How far the wall clock is ahead of that: one value for each, so that no reader sees half a step of `advance`.
    skew: AtomicI64,
    /// How much time passes with each look at the boot clock, in milliseconds.
    tick: AtomicI64,
}

impl ManualClock {
    pub fn new() -> Self {
        Self { boot: AtomicI64::new(0), skew: AtomicI64::new(START_MS), tick: AtomicI64::new(0) }
    }

    /// From now on so much time passes with each look at the clock, as if work between two looks took as long.
    pub fn tick(&self, by: Duration) {
        self.tick.store(i64::try_from(by.as_millis()).unwrap(), Ordering::SeqCst);
    }

    /// Time passes.
    pub fn advance(&self, by: Duration) {
        self.boot.fetch_add(i64::try_from(by.as_millis()).unwrap(), Ordering::SeqCst);
    }

    /// Somebody sets the wall clock, ahead or back; no time passes.
    pub fn leap(&self, by_ms: i64) {
        self.skew.fetch_add(by_ms, Ordering::SeqCst);
    }

    /// What the wall clock shows.
    pub fn now_ms(&self) -> i64 {
        self.boot.load(Ordering::SeqCst) + self.skew.load(Ordering::SeqCst)
    }

    /// The time from now on, for the wire.
    pub fn after(&self, by: Duration) -> prost_types::Timestamp {
        let ms = self.now_ms() + i64::try_from(by.as_millis()).unwrap();
        prost_types::Timestamp {
            seconds: ms.div_euclid(1_000),
            nanos: i32::try_from(ms.rem_euclid(1_000) * 1_000_000).unwrap(),
        }
    }
}

impl Clock for ManualClock {
    fn wall(&self) -> Timestamp {
        Timestamp::from_ms(self.now_ms()).unwrap()
    }

    fn boot(&self) -> Duration {
        let tick = self.tick.load(Ordering::SeqCst);
        Duration::from_millis((self.boot.fetch_add(tick, Ordering::SeqCst) + tick).try_into().unwrap())
    }
}

/// `SplitMix64` from a seed: the same test draws the same keys.
pub struct SeededEntropy(AtomicU64);

impl SeededEntropy {
    pub fn new(seed: u64) -> Self {
        Self(AtomicU64::new(seed))
    }
}

impl Entropy for SeededEntropy {
    fn fill(&self, bytes: &mut [u8]) -> Result<(), EntropyUnavailable> {
        for chunk in bytes.chunks_mut(8) {
            let mut word = self.0.fetch_add(0x9E37_79B9_7F4A_7C15, Ordering::Relaxed);
            word = (word ^ (word >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
            word = (word ^ (word >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
            word ^= word >> 31;
            chunk.copy_from_slice(&word.to_le_bytes()[..chunk.len()]);
        }
        Ok(())
    }
}

/// A running Keyward and its first administration key.
pub struct Keyward {
    pub service: Service,
    pub address: SocketAddr,
    pub clock: Arc<ManualClock>,
    pub root: String,
    channel: Channel,
    check_is_open: bool,
    dir: TempDir,
    /// Moves on with each start, so that a restarted process draws other numbers.
    seed: u64,
}

impl Keyward {
    /// A new one, open for Checks as on loopback.
    pub async fn start() -> Self {
        Self::start_with(true, policy()).await
    }

    /// A new one that demands callers, as beyond loopback.
    pub async fn start_closed() -> Self {
        Self::start_with(false, policy()).await
    }

    pub async fn start_with(check_is_open: bool, policy: Policy) -> Self {
        Self::start_behind(Gateway::default(), check_is_open, policy).await
    }

    pub async fn start_behind(gateway: Gateway, check_is_open: bool, policy: Policy) -> Self {
        Self::start_as(gateway, check_is_open, policy, ListenerLimits::default()).await
    }

    /// A new one, open for Checks, that takes no more of clients than this.
    pub async fn start_within(limits: ListenerLimits) -> Self {
        Self::start_as(Gateway::default(), true, policy(), limits).await
    }

    async fn start_as(gateway: Gateway, check_is_open: bool, policy: Policy, limits: ListenerLimits) -> Self {
        let dir = TempDir::new().unwrap();
        let clock = Arc::new(ManualClock::new());
        let service = Box::pin(launch(dir.path(), &clock, 1, check_is_open, policy, gateway, limits)).await;
        let root = std::fs::read_to_string(root_key_file(dir.path())).unwrap().trim_end().to_owned();
        let address = service.address();
        let channel = connect(address).await;
        Self { service, address, clock, root, channel, check_is_open, dir, seed: 1 }
    }

    /// Ends it in order and starts it again on the same files, at the time its clock shows.
    pub async fn restart(self) -> Self {
        self.restart_after(|_data_dir| ()).await
    }

    /// The same, with its files changed in between.
    pub async fn restart_after(self, change: impl FnOnce(&Path)) -> Self {
        let Self { service, clock, root, check_is_open, dir, seed, .. } = self;
        service.shutdown(StopReason::Asked).await.unwrap();
        change(&data_dir(dir.path()));
        Self::resume(dir, clock, root, check_is_open, seed + 1).await
    }

    /// Starts on files that are there, whose root key is this.
    pub async fn resume(
        dir: TempDir,
        clock: Arc<ManualClock>,
        root: String,
        check_is_open: bool,
        seed: u64,
    ) -> Self {
        let (gateway, limits) = (Gateway::default(), ListenerLimits::default());
        let service =
            Box::pin(launch(dir.path(), &clock, seed, check_is_open, policy(), gateway, limits)).await;
        let address = service.address();
        let channel = connect(address).await;
        Self { service, address, clock, root, channel, check_is_open, dir, seed }
    }

    /// Ends it in order; its files stay as long as what is returned.
    pub async fn stop(self) -> TempDir {
        self.service.shutdown(StopReason::Asked).await.unwrap();
        self.dir
    }

    pub fn data_dir(&self) -> PathBuf {
        data_dir(self.dir.path())
    }

    /// A connection of its own.
    pub async fn new_channel(&self) -> Channel {
        connect(self.address).await
    }

    pub fn keys(&self) -> KeyServiceClient<Channel> {
        KeyServiceClient::new(self.channel.clone())
    }

    pub fn workspaces(&self) -> WorkspaceServiceClient<Channel> {
        WorkspaceServiceClient::new(self.channel.clone())
    }

    pub fn policies(&self) -> PolicyServiceClient<Channel> {
        PolicyServiceClient::new(self.channel.clone())
    }

    pub fn audit(&self) -> AuditServiceClient<Channel> {
        AuditServiceClient::new(self.channel.clone())
    }

    pub fn health(&self) -> HealthClient<Channel> {
        HealthClient::new(self.channel.clone())
    }

    /// A request that the root key sends.
    pub fn as_root<T>(&self, message: T) -> Request<T> {
        signed(&self.root, message)
    }

    /// Issues a key as root.
    pub async fn issue(&self, request: v1::IssueRequest) -> Issued {
        Issued::from(self.keys().issue(self.as_root(request)).await.unwrap().into_inner())
    }

    /// Issues a key with these scopes as root.
    pub async fn issue_scopes(&self, scopes: &[&str]) -> Issued {
        self.issue(holder_key(scopes)).await
    }

    /// Issues an administration key as root.
    pub async fn issue_admin(&self, workspace_id: &str, admin: v1::AdminRights) -> Issued {
        self.issue(v1::IssueRequest {
            workspace_id: workspace_id.to_owned(),
            name: "operator".to_owned(),
            admin: Some(admin),
            ..v1::IssueRequest::default()
        })
        .await
    }

    /// Registers a workspace as root; its first key has `messaging:send`.
    pub async fn register(&self, name: &str) -> (v1::Workspace, Issued) {
        let request = v1::RegisterWorkspaceRequest {
            name: name.to_owned(),
            key: Some(holder_key(&["messaging:send"])),
            ..v1::RegisterWorkspaceRequest::default()
        };
        let mut answer =
            self.workspaces().register_workspace(self.as_root(request)).await.unwrap().into_inner();
        let workspace = answer.workspace.take().unwrap();
        (workspace, Issued { key: answer.key.take().unwrap(), api_key: std::mem::take(&mut answer.api_key) })
    }

    /// Checks a presented key for scopes, with nothing else asked.
    pub async fn check(&self, api_key: &str, scopes: &[&str]) -> v1::CheckResponse {
        self.keys().check(check(api_key, scopes)).await.unwrap().into_inner()
    }

    /// The reason that a Check of a presented key is denied for; `None` if it is allowed.
    pub async fn denied(&self, api_key: &str, scopes: &[&str]) -> Option<v1::DenialReason> {
        reason(&self.check(api_key, scopes).await)
    }

    /// The newest record of the log.
    pub async fn newest_record(&self) -> v1::AuditRecord {
        let request = v1::QueryLogRequest { page_size: 1, ..v1::QueryLogRequest::default() };
        self.audit().query_log(self.as_root(request)).await.unwrap().into_inner().records.remove(0)
    }
}

/// The default policy with scopes whose names tests can remember, and without limits that matter.
pub fn policy() -> Policy {
    let mut document = Policy::default_document().unwrap().document().clone();
    let mut declare = |name: &str| {
        document.scopes.push(ScopeEntry { name: name.to_owned(), ..ScopeEntry::default() });
    };
    include_str!("scopes.txt").lines().for_each(&mut declare);
    // As many and as long as some tests need.
    (0..64).for_each(|place| declare(&format!("a:s{place}")));
    (0..100).for_each(|place| declare(&format!("r{place:03}:{}", "a".repeat(60))));
    (0..255).for_each(|place| declare(&format!("resource{place}:{}", "a".repeat(64))));
    roomy(&Policy::new(document).unwrap())
}

/// The usual headers, and gateways that are believed from these networks.
pub fn gateway_trusting(networks: &[&str]) -> Gateway {
    let mut gateway = Gateway::default();
    let networks = networks.iter().map(|network| network.parse().unwrap()).collect();
    gateway.trusted_peers = TrustedPeers::new(networks).unwrap();
    gateway
}

/// A policy with limits that nothing reaches: for what is about something else.
pub fn roomy(policy: &Policy) -> Policy {
    let mut document = policy.document().clone();
    let of_plans = document.plans.iter_mut().flat_map(|plan| {
        plan.limits.iter_mut().chain(plan.tiers.iter_mut().flat_map(|tier| &mut tier.limits))
    });
    let of_tiers = document.tiers.iter_mut().flat_map(|tier| &mut tier.limits);
    of_tiers.chain(of_plans).for_each(|limit| limit.limit = 1_000_000_000_000);
    Policy::new(document).unwrap()
}

/// The default policy, and more, with routes: of a method (or none), a path, the scopes that are needed (with spaces between) or else the
/// access, and a resource (or none).
pub fn policy_with_routes(routes: &[(&str, &str, &str, &str)]) -> Policy {
    let mut document = policy().document().clone();
    let routes = routes.iter().map(|(method, path, needed, resource)| {
        let is_access = matches!(*needed, "public" | "denied");
        let scopes = needed.split(' ').filter(|_| !is_access).map(str::to_owned).collect();
        RouteEntry {
            method: (*method).to_owned(),
            path: (*path).to_owned(),
            scopes,
            resource: (*resource).to_owned(),
            access: if is_access { (*needed).to_owned() } else { String::new() },
            ..RouteEntry::default()
        }
    });
    document.routes.extend(routes);
    Policy::new(document).unwrap()
}

/// A key and its secret.
#[derive(Clone)]
pub struct Issued {
    pub key: v1::Key,
    pub api_key: String,
}

impl From<v1::IssueResponse> for Issued {
    fn from(mut answer: v1::IssueResponse) -> Self {
        Self { key: answer.key.take().unwrap(), api_key: std::mem::take(&mut answer.api_key) }
    }
}

/// A request for a holder's key with these scopes.
pub fn holder_key(scopes: &[&str]) -> v1::IssueRequest {
    v1::IssueRequest {
        name: "test key".to_owned(),
        scopes: scopes.iter().map(|scope| (*scope).to_owned()).collect(),
        ..v1::IssueRequest::default()
    }
}

/// Admin rights under a ceiling of everything.
pub fn admin_rights(scopes: &[&str], global: bool) -> v1::AdminRights {
    v1::AdminRights {
        scopes: scopes.iter().map(|scope| (*scope).to_owned()).collect(),
        global,
        ceiling: Some(v1::Ceiling {
            any_grant: true,
            any_environment: true,
            any_lifetime: true,
            raise_limits: true,
            ..v1::Ceiling::default()
        }),
    }
}

/// A Check of a presented key for scopes.
pub fn check(api_key: &str, scopes: &[&str]) -> v1::CheckRequest {
    v1::CheckRequest {
        subject: Some(v1::check_request::Subject::ApiKey(api_key.to_owned())),
        scopes: scopes.iter().map(|scope| (*scope).to_owned()).collect(),
        ..v1::CheckRequest::default()
    }
}

/// A request with a caller's key.
pub fn signed<T>(api_key: &str, message: T) -> Request<T> {
    let mut request = Request::new(message);
    request.metadata_mut().insert("authorization", format!("Bearer {api_key}").parse().unwrap());
    request
}

/// Why a Check was denied; `None` if it was allowed.
pub fn reason(answer: &v1::CheckResponse) -> Option<v1::DenialReason> {
    assert_eq!(answer.allowed, answer.denial.is_none(), "an answer is one or the other");
    answer.denial.as_ref().map(|denial| v1::DenialReason::try_from(denial.reason).unwrap())
}

/// The reason of an error's ErrorInfo.
pub fn error_reason(status: &Status) -> String {
    let info = status.get_details_error_info().unwrap_or_else(|| panic!("no ErrorInfo: {status:?}"));
    assert_eq!(info.domain, "keyward");
    info.reason
}

/// The field that an `INVALID_ARGUMENT` names.
pub fn named_field(status: &Status) -> String {
    assert_eq!(status.code(), tonic::Code::InvalidArgument, "{status:?}");
    let violations = status.get_details_bad_request().unwrap().field_violations;
    violations.first().unwrap().field.clone()
}

fn data_dir(folder: &Path) -> PathBuf {
    folder.join("data")
}

fn root_key_file(folder: &Path) -> PathBuf {
    folder.join("root-key")
}

async fn launch(
    folder: &Path,
    clock: &Arc<ManualClock>,
    seed: u64,
    check_is_open: bool,
    policy: Policy,
    gateway: Gateway,
    limits: ListenerLimits,
) -> Service {
    let settings = Settings {
        data_dir: data_dir(folder),
        store: StoreSettings::default(),
        listen: "127.0.0.1:0".parse().unwrap(),
        http_listen: "127.0.0.1:0".parse().unwrap(),
        tls: None,
        check_is_open,
        http_check_is_open: check_is_open,
        http_surfaces: if check_is_open { Surfaces::ALL } else { "probes,verify,check".parse().unwrap() },
        probes_listen: None,
        policy,
        gateway,
        actors: Actors::default(),
        limits,
        workers: NonZeroUsize::new(2).unwrap(),
        count_wait: SLOW_DISK,
        log_lines: LostLines::default(),
        clock: Arc::<ManualClock>::clone(clock),
        entropy: Arc::new(SeededEntropy::new(seed.wrapping_mul(0xA076_1D64_78BD_642F))),
    };
    Service::start(settings, &Destination::File(root_key_file(folder))).await.unwrap()
}

async fn connect(address: SocketAddr) -> Channel {
    Channel::from_shared(format!("http://{address}")).unwrap().connect().await.unwrap()
}
