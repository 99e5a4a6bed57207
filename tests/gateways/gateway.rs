//! The gateways of `examples/`: their programs, their files, and how the one is started with the other.

use std::{
    fs,
    net::{SocketAddr, TcpListener},
    os::unix::process::CommandExt as _,
    path::Path,
    process::{Child, Command, Stdio},
    time::Duration,
};

use tempfile::TempDir;
use tokio::time::{sleep, timeout};

use crate::{
    exchange::{request, try_exchange},
    process::PATIENCE,
};

const LOG: &str = "log";
/// Between two looks at a process that is not ready.
const A_MOMENT: Duration = Duration::from_millis(10);
/// How often a port may be taken by another before it is used.
const STARTS: u32 = 3;

/// A gateway and its example.
#[derive(Debug)]
pub(crate) struct Gateway {
    /// As it calls itself.
    pub(crate) name: &'static str,
    pub(crate) program: &'static str,
    /// Within the folder of the files.
    arguments: &'static [&'static str],
    pub(crate) readme: &'static str,
    files: &'static [(&'static str, &'static str)],
}

pub(crate) const ENVOY: Gateway = Gateway {
    name: "Envoy",
    program: "envoy",
    arguments: &["-c", "envoy.yaml", "--disable-hot-restart", "--concurrency", "1", "--log-level", "warning"],
    readme: include_str!("../../examples/envoy/README.md"),
    files: &[("envoy.yaml", include_str!("../../examples/envoy/envoy.yaml"))],
};
pub(crate) const NGINX: Gateway = Gateway {
    name: "nginx",
    program: "nginx",
    arguments: &["-p", ".", "-c", "nginx.conf"],
    readme: include_str!("../../examples/nginx/README.md"),
    files: &[("nginx.conf", include_str!("../../examples/nginx/nginx.conf"))],
};
pub(crate) const CADDY: Gateway = Gateway {
    name: "Caddy",
    program: "caddy",
    arguments: &["run", "--config", "Caddyfile"],
    readme: include_str!("../../examples/caddy/README.md"),
    files: &[("Caddyfile", include_str!("../../examples/caddy/Caddyfile"))],
};
pub(crate) const TRAEFIK: Gateway = Gateway {
    name: "Traefik",
    program: "traefik",
    arguments: &["--configFile=traefik.yaml"],
    readme: include_str!("../../examples/traefik/README.md"),
    files: &[
        ("traefik.yaml", include_str!("../../examples/traefik/traefik.yaml")),
        ("routes.yaml", include_str!("../../examples/traefik/routes.yaml")),
    ],
};
pub(crate) const ALL: [&Gateway; 4] = [&ENVOY, &NGINX, &CADDY, &TRAEFIK];

/// What stands behind a gateway.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Behind {
    pub(crate) grpc: SocketAddr,
    pub(crate) verify: SocketAddr,
    pub(crate) service: SocketAddr,
}

/// What a test changes in an example.
#[derive(Debug, Clone, Default)]
pub(crate) struct Changes {
    /// Nobody of use stands where Keyward should: its time is as short as the example says, not as long as a debug build on
    /// a busy machine may need.
    pub(crate) without_keyward: bool,
    /// A setting that is added to the question of the route that needs this scope: its name and its value.
    pub(crate) settings: Vec<(&'static str, &'static str, String)>,
}

impl Gateway {
    pub(crate) fn is_envoy(&self) -> bool {
        self.name == ENVOY.name
    }

    /// Its files between these, with other ports than the example's, and with nothing else changed but what is asked for.
    fn between(&self, behind: Behind, ports: [u16; 2], changes: &Changes) -> Vec<(&'static str, String)> {
        let [gateway, admin] = ports;
        let ports = [
            ("10000", gateway),
            ("9901", admin),
            ("50051", behind.grpc.port()),
            ("8080", behind.verify.port()),
            ("8000", behind.service.port()),
        ];
        let mut files: Vec<_> = self.files.iter().map(|(name, text)| (*name, (*text).to_owned())).collect();
        for (_, text) in &mut files {
            // First to what no port looks like, so that no new port is taken for an old one.
            for (place, (old, _)) in ports.iter().enumerate() {
                *text = text.replace(old, &format!("<{place}>"));
            }
            for (place, (_, new)) in ports.iter().enumerate() {
                *text = text.replace(&format!("<{place}>"), &new.to_string());
            }
            if !changes.without_keyward {
                for short in ["250ms", "500ms", "0.25s", "0.5s"] {
                    *text = text.replace(short, "60s");
                }
            }
        }
        for (scope, name, value) in &changes.settings {
            let (before, setting) = if self.is_envoy() {
                (format!("{{ scopes: {scope}"), format!(", {name}: {value}"))
            } else {
                (format!("scopes={scope}"), format!("&{name}={value}"))
            };
            let found: usize = files.iter().map(|(_, text)| text.matches(&before).count()).sum();
            assert_eq!(found, 1, "{} does not have it once: {before}", self.name);
            for (_, text) in &mut files {
                *text = text.replace(&before, &format!("{before}{setting}"));
            }
        }
        files
    }
}

/// A running one; killed when dropped.
pub(crate) struct Running {
    pub(crate) gateway: &'static Gateway,
    pub(crate) address: SocketAddr,
    child: Child,
    files: TempDir,
}

impl Running {
    /// Starts one and waits until it answers.
    pub(crate) async fn start(
        gateway: &'static Gateway,
        program: &Path,
        behind: Behind,
        changes: &Changes,
    ) -> Self {
        for _ in 0..STARTS {
            let mut running = Self::spawn(gateway, program, behind, changes);
            match timeout(PATIENCE, running.until_ready(changes.without_keyward)).await {
                Ok(true) => return running,
                Ok(false) => {}
                Err(late) => panic!("{} is not ready: {late}: {}", gateway.name, running.log()),
            }
        }
        panic!("{} does not start", gateway.name);
    }

    fn spawn(gateway: &'static Gateway, program: &Path, behind: Behind, changes: &Changes) -> Self {
        let files = tempfile::tempdir().unwrap();
        let ports = free_ports();
        for (name, text) in gateway.between(behind, ports, changes) {
            fs::write(files.path().join(name), text).unwrap();
        }
        let log = fs::File::create(files.path().join(LOG)).unwrap();
        let mut command = Command::new(program);
        command.args(gateway.arguments).current_dir(files.path()).env("HOME", files.path());
        command.process_group(0).stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log);
        let child = command.spawn().unwrap();
        Self { gateway, address: ([127, 0, 0, 1], ports[0]).into(), child, files }
    }

    /// Whether it answers; if not, it has ended. A question without a key shows that it reaches Keyward, too: Envoy waits for
    /// its first health check.
    async fn until_ready(&mut self, without_keyward: bool) -> bool {
        let question = request("GET", "/v1/templates", &[], "");
        let open = request("GET", "/healthz", &[], "");
        let mut is_open = false;
        loop {
            if self.child.try_wait().unwrap().is_some() {
                assert!(self.log().contains("ddress already in use"), "it has ended: {}", self.log());
                return false;
            }
            if is_open && without_keyward {
                return true;
            } else if is_open {
                let reply = try_exchange(self.address, &question).await;
                if reply.is_some_and(|reply| reply.status == 401) {
                    return true;
                }
            } else {
                is_open = try_exchange(self.address, &open).await.is_some_and(|reply| reply.status == 200);
            }
            sleep(A_MOMENT).await;
        }
    }

    /// All that it has written.
    pub(crate) fn log(&self) -> String {
        String::from_utf8_lossy(&fs::read(self.files.path().join(LOG)).unwrap()).into_owned()
    }

    /// The same, as soon as it holds this.
    pub(crate) async fn log_with(&self, text: &str) -> String {
        let written = async {
            while !self.log().contains(text) {
                sleep(A_MOMENT).await;
            }
        };
        assert!(timeout(PATIENCE, written).await.is_ok(), "no {text} in {}", self.log());
        self.log()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Ok(None) = self.child.try_wait() {
            // With the workers of nginx.
            let group = format!("-{}", self.child.id());
            let _ended_already = Command::new("kill").args(["-KILL", "--", &group]).status();
        }
        let _ended_already = self.child.wait();
    }
}

/// Two ports that nobody listens on at the moment.
fn free_ports() -> [u16; 2] {
    let listeners = [(); 2].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
    listeners.map(|listener| listener.local_addr().unwrap().port())
}
