//! Servers as child processes, and the CPU time that they have used.

use std::{
    env, fs, io,
    io::{BufRead as _, BufReader},
    net::SocketAddr,
    process::{Child, Command, Stdio},
    time::Duration,
};

/// A server under measurement; killed when dropped.
#[derive(Debug)]
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    pub(crate) process: u32,
    child: Child,
    /// Removed after the process has gone.
    _files: Option<tempfile::TempDir>,
}

impl Server {
    /// This program again, in another role; it says its address on its standard output.
    pub(crate) fn of_this_binary(role: &str, answer_bytes: usize) -> io::Result<Self> {
        let mut child = Command::new(env::current_exe()?)
            .args([role, &answer_bytes.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line)?;
        Ok(Self { address: line.trim().parse().unwrap(), process: child.id(), child, _files: None })
    }

    pub(crate) fn new(child: Child, address: SocketAddr, files: tempfile::TempDir) -> Self {
        Self { address, process: child.id(), child, _files: Some(files) }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself; then there is nothing to do.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// User and system time of all threads of a process (proc(5), `/proc/[pid]/stat`, fields 14 and 15, in 1/100 s).
pub(crate) fn cpu_time(process: u32) -> Duration {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).expect("a server has died");
    // The second field is a name in parentheses, which may hold anything.
    let (_, fields) = stat.rsplit_once(')').unwrap();
    let ticks: u64 =
        fields.split_whitespace().skip(11).take(2).map(|field| field.parse::<u64>().unwrap()).sum();
    Duration::from_millis(ticks * 10)
}
