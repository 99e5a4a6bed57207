//! Envoy as a process of its own, on ports that the system chooses; killed when dropped.

use std::{
    fs,
    net::SocketAddr,
    path::Path,
    process::{Child, Command, Stdio},
    time::Duration,
};

use tempfile::TempDir;
use tokio::time::{sleep, timeout};

use crate::{
    config::Config,
    exchange::{exchange, request, try_exchange},
    process::PATIENCE,
};

const ACCESS_LOG: &str = "access-log";
const LOG: &str = "log";
/// Between two looks at a process that is not ready.
const A_MOMENT: Duration = Duration::from_millis(10);

/// A running Envoy.
pub(crate) struct Envoy {
    pub(crate) address: SocketAddr,
    child: Child,
    files: TempDir,
}

impl Envoy {
    /// Starts one and waits until it is ready: its cluster of Keywards has had its first health check then.
    pub(crate) async fn start(program: &Path, config: &Config) -> Self {
        let files = tempfile::tempdir().unwrap();
        let file = |name: &str| files.path().join(name);
        fs::write(file("envoy.yaml"), config.clone().listening(0, 0).with_patience().text()).unwrap();
        let child = Command::new(program)
            .arg("-c")
            .arg(file("envoy.yaml"))
            .arg("--admin-address-path")
            .arg(file("admin"))
            .args(["--disable-hot-restart", "--concurrency", "1", "--log-level", "warning"])
            .args(["--file-flush-interval-msec", "10"])
            .stdin(Stdio::null())
            .stdout(fs::File::create(file(ACCESS_LOG)).unwrap())
            .stderr(fs::File::create(file(LOG)).unwrap())
            .spawn()
            .unwrap();
        let mut envoy = Self { address: ([127, 0, 0, 1], 0).into(), child, files };
        let Ok(address) = timeout(PATIENCE, envoy.until_ready()).await else {
            panic!("Envoy is not ready: {}", envoy.read(LOG));
        };
        envoy.address = address;
        envoy
    }

    /// The lines of the access log, as soon as there are so many.
    pub(crate) async fn access_log(&self, lines: usize) -> Vec<serde_json::Value> {
        let written = async {
            while self.read(ACCESS_LOG).matches('\n').count() < lines {
                sleep(A_MOMENT).await;
            }
        };
        timeout(PATIENCE, written).await.unwrap();
        self.read(ACCESS_LOG).lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// Everything that it has written.
    pub(crate) fn logs(&self) -> String {
        self.read(ACCESS_LOG) + &self.read(LOG)
    }

    /// Where it listens.
    async fn until_ready(&mut self) -> SocketAddr {
        let admin: SocketAddr = loop {
            assert!(self.child.try_wait().unwrap().is_none(), "Envoy has ended: {}", self.read(LOG));
            if let Ok(address) = self.read("admin").parse() {
                break address;
            }
            sleep(A_MOMENT).await;
        };
        let ready = request("GET", "/ready", &[], "");
        while try_exchange(admin, &ready).await.is_none_or(|reply| reply.status != 200) {
            sleep(A_MOMENT).await;
        }
        let listeners = exchange(admin, &request("GET", "/listeners?format=json", &[], "")).await.json();
        let address = &listeners["listener_statuses"][0]["local_address"]["socket_address"];
        let port = address["port_value"].as_u64().unwrap();
        ([127, 0, 0, 1], u16::try_from(port).unwrap()).into()
    }

    fn read(&self, name: &str) -> String {
        let bytes = fs::read(self.files.path().join(name)).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }
}

impl Drop for Envoy {
    fn drop(&mut self) {
        // One that has ended is not signalled again.
        let _ended_already = self.child.kill();
        let _ended_already = self.child.wait();
    }
}
