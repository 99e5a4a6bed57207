//! The gateways of `examples/`: their programs, their files, and how the one is started with the other.

use std::{
    fs,
    net::{SocketAddr, TcpListener},
    path::Path,
    process::{Child, Command, Stdio},
    time::Duration,
};

use tempfile::TempDir;
use tokio::time::{sleep, timeout};

use crate::{
    config::{Behind, Changes},
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
    pub(crate) files: &'static [(&'static str, &'static str)],
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
    files: &[
        ("nginx.conf", include_str!("../../examples/nginx/nginx.conf")),
        ("keyward-http.conf", include_str!("../../examples/nginx/keyward-http.conf")),
        ("keyward-server.conf", include_str!("../../examples/nginx/keyward-server.conf")),
        ("keyward-ask.conf", include_str!("../../examples/nginx/keyward-ask.conf")),
        ("keyward-proxy.conf", include_str!("../../examples/nginx/keyward-proxy.conf")),
        ("keyward-grpc.conf", include_str!("../../examples/nginx/keyward-grpc.conf")),
        ("keyward-client.conf", include_str!("../../examples/nginx/keyward-client.conf")),
        ("keyward-cors.conf", include_str!("../../examples/nginx/keyward-cors.conf")),
        ("keyward-origins.conf", include_str!("../../examples/nginx/keyward-origins.conf")),
    ],
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

impl Gateway {
    pub(crate) fn is_envoy(&self) -> bool {
        self.name == ENVOY.name
    }
}

/// A running one; killed when dropped.
pub(crate) struct Running {
    pub(crate) gateway: &'static Gateway,
    pub(crate) address: SocketAddr,
    /// A second port that is its own.
    pub(crate) second: SocketAddr,
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
            match timeout(PATIENCE, running.until_ready(changes.without_keyward || changes.ready_when_open))
                .await
            {
                Ok(true) => return running,
                Ok(false) => {}
                Err(late) => panic!("{} is not ready: {late}: {}", gateway.name, running.log()),
            }
        }
        panic!("{} does not start", gateway.name);
    }

    /// Starts one whose files have a fault of which it writes this: nobody waits for good answers.
    pub(crate) async fn start_with_fault(
        gateway: &'static Gateway,
        program: &Path,
        behind: Behind,
        changes: &Changes,
        fault: &str,
    ) -> Self {
        let running = Self::spawn(gateway, program, behind, changes);
        running.log_with(fault).await;
        running
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
        command.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log);
        let child = command.spawn().unwrap();
        let [address, second] = ports.map(|port| ([127, 0, 0, 1], port).into());
        Self { gateway, address, second, child, files }
    }

    /// Whether it answers; if not, it has ended. A question without a key shows that it reaches Keyward, too: Envoy waits for
    /// its first health check.
    async fn until_ready(&mut self, when_open: bool) -> bool {
        let question = request("GET", "/v1/templates", &[], "");
        let open = request("GET", "/healthz", &[], "");
        let mut is_open = false;
        loop {
            if self.child.try_wait().unwrap().is_some() {
                assert!(self.log().contains("ddress already in use"), "it has ended: {}", self.log());
                return false;
            }
            if is_open && when_open {
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

    /// Where its files are.
    pub(crate) fn folder(&self) -> &Path {
        self.files.path()
    }

    /// Its process, to be sent signals.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
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
            // nginx takes its workers along only if it is told to end.
            let signal = if self.gateway.name == NGINX.name { "-TERM" } else { "-KILL" };
            let _ended_already = Command::new("kill").args([signal, &self.child.id().to_string()]).status();
        }
        let _ended_already = self.child.wait();
    }
}

/// Two ports that nobody listens on at the moment.
fn free_ports() -> [u16; 2] {
    let listeners = [(); 2].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
    listeners.map(|listener| listener.local_addr().unwrap().port())
}
