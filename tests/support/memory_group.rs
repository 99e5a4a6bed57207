//! A process with a bound on its memory, as a container has it: a memory group of the system's.
#![allow(dead_code, unreachable_pub, reason = "each test binary uses a part of this")]
#![allow(clippy::unwrap_used, missing_docs, clippy::missing_panics_doc, reason = "tests")]

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use crate::process::follow;

/// What says that a test ran without one, and what it looked at instead.
pub const NOT_HERE: &str = "NO MEMORY GROUP can be made here: the process's own peak (VmHWM) is looked at instead of a bound that kills it";

/// A memory group; removed when dropped, when its processes must have ended.
#[derive(Debug)]
pub struct MemoryGroup {
    folder: PathBuf,
    peak: &'static str,
}

impl MemoryGroup {
    /// A group of so many bytes; None where the system lets us make none.
    pub fn new(name: &str, bytes: u64) -> Option<Self> {
        let name = format!("keyward-test-{name}-{}", std::process::id());
        let version_1 = ("/sys/fs/cgroup/memory", "memory.limit_in_bytes", "memory.max_usage_in_bytes");
        let version_2 = ("/sys/fs/cgroup", "memory.max", "memory.peak");
        [version_1, version_2].into_iter().find_map(|(root, limit, peak)| {
            let folder = Path::new(root).join(&name);
            fs::create_dir(&folder).ok()?;
            let group = Self { folder, peak };
            // In a folder that is no group, or one without this controller, there is no such file.
            let is_bound = group.folder.join(limit).exists()
                && fs::write(group.folder.join(limit), bytes.to_string()).is_ok();
            (is_bound && group.folder.join("cgroup.procs").exists()).then_some(group)
        })
    }

    /// The same command, whose process is in the group from its beginning.
    pub fn around(&self, program: &Command) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", "echo $$ > \"$0\" && exec \"$@\""]).arg(self.folder.join("cgroup.procs"));
        follow(&mut command, program);
        command
    }

    /// The most that it has taken, what the system keeps of files for it included.
    pub fn peak(&self) -> Option<u64> {
        fs::read_to_string(self.folder.join(self.peak)).ok()?.trim().parse().ok()
    }
}

impl Drop for MemoryGroup {
    fn drop(&mut self) {
        // A process that has just ended is in it for a moment.
        for _ in 0..1_000 {
            if fs::remove_dir(&self.folder).is_ok() {
                return;
            }
            std::thread::park_timeout(std::time::Duration::from_millis(1));
        }
    }
}
