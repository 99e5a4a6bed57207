//! The real binary as a process of its own: started on a free port, told to stop or killed by its own id, its log kept.
#![allow(dead_code, unreachable_pub, reason = "each test binary uses a part of this")]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::missing_panics_doc,
    missing_docs,
    reason = "tests"
)]

use std::{
    io::{BufRead as _, BufReader, Write as _},
    net::SocketAddr,
    path::Path,
    process::{Child, ChildStderr, Command, ExitStatus, Stdio},
    sync::{Arc, Mutex, mpsc},
    thread::JoinHandle,
    time::Duration,
};

/// How long anything that must happen soon may take on a busy machine, before the test fails.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// What would make a process do other than its test says.
const VARIABLES: [&str; 22] = [
    "CREDENTIALS_DIRECTORY",
    "KEYWARD_ADMIN_KEY",
    "KEYWARD_ADMIN_KEY_FILE",
    "KEYWARD_ANCHOR",
    "KEYWARD_CA_FILE",
    "KEYWARD_CLIENT_CA",
    "KEYWARD_CLIENT_CERT",
    "KEYWARD_CLIENT_KEY",
    "KEYWARD_CONFIG",
    "KEYWARD_DATA_DIR",
    "KEYWARD_HTTP_SURFACES",
    "KEYWARD_LISTEN",
    "KEYWARD_LOG",
    "KEYWARD_PROBES_LISTEN",
    "KEYWARD_ROOT_KEY_FILE",
    "KEYWARD_ROOTS_COMMAND",
    "KEYWARD_ROOTS_CREDENTIAL",
    "KEYWARD_ROOTS_FILE",
    "KEYWARD_SERVER",
    "KEYWARD_TLS_CERT",
    "KEYWARD_TLS_KEY",
    "KEYWARD_ZONEINFO",
];

/// The binary, with no setting of the machine's own; plain HTTP on a free port. Where other tests keep the disk busy, a
/// Check waits longer than by default for what it uses to be written.
pub fn keyward() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_keyward"));
    for variable in VARIABLES {
        command.env_remove(variable);
    }
    command.env_remove("NO_COLOR");
    command.env("KEYWARD_HTTP_LISTEN", "127.0.0.1:0");
    command.env("KEYWARD_COUNT_WAIT_MS", "5000");
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// The program, which hears of a file that gets too long by an error and not by a signal.
pub fn hardened(program: &Command) -> Command {
    let mut command = Command::new("sh");
    command.args(["-c", r#"trap "" XFSZ; exec "$0" "$@""#]);
    follow(&mut command, program);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// Puts a program behind a command that runs it, with its arguments and its environment.
pub fn follow(command: &mut Command, program: &Command) {
    command.arg(program.get_program()).args(program.get_args());
    for (name, value) in program.get_envs() {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
}

/// What a run that ended has left.
#[derive(Debug)]
pub struct Ended {
    pub code: Option<i32>,
    pub out: String,
    pub err: String,
}

/// Runs a command to its end, with this on its standard input.
pub fn run(mut command: Command, input: &str) -> Ended {
    let mut child = command.stdin(Stdio::piped()).spawn().unwrap();
    // A program that does not want the input may be gone already.
    let _not_wanted = child.stdin.take().unwrap().write_all(input.as_bytes());
    let ended = child.wait_with_output().unwrap();
    Ended {
        code: ended.status.code(),
        out: String::from_utf8(ended.stdout).unwrap(),
        err: String::from_utf8(ended.stderr).unwrap(),
    }
}

/// A server process that serves; killed when dropped.
pub struct Server {
    child: Child,
    /// Where gRPC is served.
    pub address: SocketAddr,
    /// Where plain HTTP is served.
    pub http_address: SocketAddr,
    log: Arc<Mutex<String>>,
    reader: Option<JoinHandle<()>>,
}

impl Server {
    /// Starts one on these files and on a free port of loopback, and waits until it serves.
    pub fn start(data_dir: &Path) -> Self {
        Self::start_with(data_dir, &["--listen", "127.0.0.1:0"])
    }

    pub fn start_with(data_dir: &Path, flags: &[&str]) -> Self {
        let mut command = keyward();
        command.arg("serve").arg("--data-dir").arg(data_dir).args(flags);
        Self::start_by(command)
    }

    /// The same by a command of the test's own.
    pub fn start_by(command: Command) -> Self {
        Self::start_until(command, Stage::Serving)
    }

    /// Starts one, and waits until it is so far.
    pub fn start_until(mut command: Command, stage: Stage) -> Self {
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let log = Arc::new(Mutex::new(String::new()));
        let (reached, seen) = mpsc::channel();
        let stderr = child.stderr.take().unwrap();
        let kept = Arc::clone(&log);
        let reader = std::thread::spawn(move || keep(stderr, &kept, stage, &reached));
        let Ok((address, http_address)) = seen.recv_timeout(PATIENCE) else {
            child.kill().unwrap();
            child.wait().unwrap();
            panic!("it does not serve: {}", log.lock().unwrap());
        };
        Self { child, address, http_address, log, reader: Some(reader) }
    }

    /// Where clients reach it.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.address.port())
    }

    /// What it has logged so far.
    pub fn log(&self) -> String {
        self.log.lock().unwrap().clone()
    }

    /// How much memory of its own it has in use.
    pub fn resident_bytes(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let kib = status.lines().find_map(|line| line.strip_prefix("RssAnon:")?.strip_suffix("kB"));
        kib.unwrap().trim().parse::<u64>().unwrap() << 10
    }

    /// The most memory that it has had in use, the pages of its program included.
    pub fn peak_bytes(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let kib = status.lines().find_map(|line| line.strip_prefix("VmHWM:")?.strip_suffix("kB"));
        kib.unwrap().trim().parse::<u64>().unwrap() << 10
    }

    /// SIGKILL: it gets no chance to do anything any more.
    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// SIGTERM, without waiting for the end.
    pub fn terminate(&self) {
        self.signal("-TERM");
    }

    /// SIGHUP.
    pub fn hang_up(&self) {
        self.signal("-HUP");
    }

    /// SIGSTOP: it stands still until it is told to go on.
    pub fn stand_still(&self) {
        self.signal("-STOP");
    }

    /// SIGCONT.
    pub fn go_on(&self) {
        self.signal("-CONT");
    }

    /// From now on no file of its gets longer than this: a write beyond it fails, as one does that a quota or a broken disk
    /// refuses. It must have been started by [`hardened`].
    pub fn limit_files(&self, bytes: Option<u64>) {
        let bytes = bytes.map_or_else(|| "unlimited".to_owned(), |bytes| bytes.to_string());
        let of = ["--pid", &self.child.id().to_string()];
        let limit = format!("--fsize={bytes}:");
        assert!(Command::new("prlimit").args(of).arg(limit).status().unwrap().success());
    }

    fn signal(&self, signal: &str) {
        let id = self.child.id().to_string();
        assert!(Command::new("kill").args([signal, &id]).status().unwrap().success());
    }

    /// Waits until it has logged this.
    pub fn until_logged(&self, said: &str) {
        self.until_logged_times(said, 1);
    }

    /// Waits until it has logged this so many times.
    pub fn until_logged_times(&self, said: &str, times: usize) {
        for _ in 0..PATIENCE.as_millis() {
            if self.log().matches(said).count() >= times {
                return;
            }
            std::thread::park_timeout(Duration::from_millis(1));
        }
        panic!("not logged {times} times: {said}\n{}", self.log());
    }

    /// Waits for its end, and gives all that it has logged.
    pub fn wait(mut self) -> (ExitStatus, String) {
        let status = self.child.wait().unwrap();
        self.reader.take().unwrap().join().unwrap();
        (status, self.log())
    }

    /// SIGTERM and a clean end.
    pub fn stop(self) -> String {
        self.terminate();
        let (status, log) = self.wait();
        assert!(status.success(), "{status}: {log}");
        log
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // One that has ended and was waited for is not signalled again.
        let _ended_already = self.child.kill();
        let _ended_already = self.child.wait();
    }
}

/// Starts a server on these files and kills it before it says that it serves.
pub fn start_and_kill(data_dir: &Path, spins: u32) {
    let mut command = keyward();
    command.args(["serve", "--listen", "127.0.0.1:0", "--data-dir"]).arg(data_dir);
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    for _ in 0..spins {
        std::thread::yield_now();
    }
    child.kill().unwrap();
    child.wait().unwrap();
}

/// Starts a server on these files and kills it as soon as `is_so_far`, or when it has ended.
pub fn start_and_kill_when(data_dir: &Path, is_so_far: impl Fn() -> bool) {
    let mut command = keyward();
    command.args(["serve", "--listen", "127.0.0.1:0", "--data-dir"]).arg(data_dir);
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    while !is_so_far() && child.try_wait().unwrap().is_none() {
        std::thread::yield_now();
    }
    child.kill().unwrap();
    child.wait().unwrap();
}

/// How far a start has come.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// It has its ports, and does not listen on them.
    Bound,
    /// It answers.
    Serving,
}

impl Stage {
    /// The addresses of gRPC and of plain HTTP, by the lines that have come.
    fn addresses(self, lines: &str) -> Option<(SocketAddr, SocketAddr)> {
        let after = |line: &str, name: &str| line.split_once(name)?.1.split_whitespace().next()?.parse().ok();
        let said = |words: &str, name: &str| {
            lines.lines().find(|line| line.contains(words)).map(|line| after(line, name))
        };
        let (grpc, http) = match self {
            Self::Bound => (said("starting:", "grpc.bound="), said("starting:", "http.bound=")),
            Self::Serving => (said("serving gRPC", "listen="), said("serving plain HTTP", "listen=")),
        };
        Some((grpc??, http??))
    }
}

fn keep(
    stderr: ChildStderr,
    log: &Mutex<String>,
    stage: Stage,
    reached: &mpsc::Sender<(SocketAddr, SocketAddr)>,
) {
    let mut is_reached = false;
    for line in BufReader::new(stderr).lines() {
        let line = line.unwrap();
        let mut log = log.lock().unwrap();
        log.push_str(&line);
        log.push('\n');
        if let Some(addresses) = stage.addresses(&log).filter(|_| !is_reached) {
            is_reached = true;
            // Nobody waits for it any more if the test has failed.
            let _nobody = reached.send(addresses);
        }
    }
}
