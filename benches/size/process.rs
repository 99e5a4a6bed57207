//! A server as a process of its own, on a data directory that outlives it, and what `/proc` says of it.

use std::{
    fs, io,
    net::{SocketAddr, TcpListener},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

use rustix::process::{Pid, Signal, kill_process};
use tokio::time::Instant;

/// Where one server has its files.
#[derive(Debug, Clone)]
pub(crate) struct Home {
    pub(crate) binary: PathBuf,
    pub(crate) directory: PathBuf,
}

impl Home {
    pub(crate) fn data(&self) -> PathBuf {
        self.directory.join("data")
    }

    pub(crate) fn root_key(&self) -> io::Result<String> {
        Ok(fs::read_to_string(self.directory.join("root-key"))?.trim().to_owned())
    }

    /// Starts the server; the time of a start counts from here.
    pub(crate) fn serve(&self) -> io::Result<Server> {
        let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        let log = fs::File::create(self.directory.join("server.log"))?;
        let started = Instant::now();
        let child = Command::new(&self.binary)
            .arg("serve")
            .arg("--data-dir")
            .arg(self.data())
            .arg("--root-key-file")
            .arg(self.directory.join("root-key"))
            .args(["--listen", &address.to_string(), "--http-listen", "127.0.0.1:0"])
            .stdin(Stdio::null())
            .stdout(Stdio::from(log.try_clone()?))
            .stderr(Stdio::from(log))
            .spawn()?;
        Ok(Server { address, started, child })
    }
}

/// A server under measurement; killed when dropped.
#[derive(Debug)]
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    pub(crate) started: Instant,
    child: Child,
}

impl Server {
    pub(crate) fn lives(&mut self) -> bool {
        self.child.try_wait().is_ok_and(|ended| ended.is_none())
    }

    /// What the process takes of memory now, and what it took at most, in bytes (proc(5), `/proc/[pid]/status`).
    pub(crate) fn memory(&self) -> Memory {
        let status =
            fs::read_to_string(format!("/proc/{}/status", self.child.id())).expect("a server has died");
        let field = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
            1_024 * line.split_whitespace().next().unwrap().parse::<u64>().unwrap()
        };
        Memory { resident: field("VmRSS:"), peak: field("VmHWM:") }
    }

    /// User and system time of all threads, and of those that answer calls (proc(5), `/proc/[pid]/stat`, in 1/100 s).
    pub(crate) fn cpu(&self) -> Cpu {
        let process = self.child.id();
        let of = |path: &Path| ticks(&fs::read_to_string(path).unwrap_or_default());
        let all = of(Path::new(&format!("/proc/{process}/stat")));
        let threads = fs::read_dir(format!("/proc/{process}/task")).expect("a server has died");
        let threads = threads.map(|thread| thread.unwrap().path());
        let serves = |thread: &PathBuf| {
            fs::read_to_string(thread.join("comm")).is_ok_and(|name| name.starts_with("keyward-grpc"))
        };
        let serving = threads.filter(serves).map(|thread| of(&thread.join("stat"))).sum();
        Cpu { all, serving }
    }

    /// Ends the server as an operator does, and says how long that took.
    pub(crate) fn stop(mut self) -> io::Result<Duration> {
        let process = Pid::from_child(&self.child);
        let told = Instant::now();
        kill_process(process, Signal::TERM)?;
        let status = self.child.wait()?;
        assert!(status.success(), "a server stopped with {status}");
        Ok(told.elapsed())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself; then there is nothing to do.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

#[derive(Debug, Clone, Copy)]
pub(crate) struct Memory {
    pub(crate) resident: u64,
    pub(crate) peak: u64,
}

#[derive(Debug, Clone, Copy)]
pub(crate) struct Cpu {
    pub(crate) all: Duration,
    pub(crate) serving: Duration,
}

fn ticks(stat: &str) -> Duration {
    // The second field is a name in parentheses, which may hold anything.
    let Some((_, fields)) = stat.rsplit_once(')') else { return Duration::ZERO };
    let ticks: u64 =
        fields.split_whitespace().skip(11).take(2).map(|field| field.parse::<u64>().unwrap()).sum();
    Duration::from_millis(ticks * 10)
}
