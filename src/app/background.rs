//! Threads for work over all keys, which give way to Checks: the system runs them where nobody else wants the core.

use std::io;

use tokio::runtime::{Builder, Handle, Runtime};

/// How much less than others they may have: a tenth of their share of a core that all want, and all of one that nobody wants.
#[cfg(target_os = "linux")]
const NICE: i32 = 10;

/// One such thread, and its runtime. What is under way when this is dropped is left where it is.
pub(super) struct Background {
    runtime: Option<Runtime>,
    handle: Handle,
}

impl Background {
    pub(super) fn start(name: &str) -> io::Result<Self> {
        let runtime = Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name(name)
            .on_thread_start(give_way)
            .enable_all()
            .build()?;
        let handle = runtime.handle().clone();
        Ok(Self { runtime: Some(runtime), handle })
    }

    pub(super) const fn handle(&self) -> &Handle {
        &self.handle
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        // Where tokio runs already, nobody may wait for a runtime.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// On Linux this is the calling thread's own; elsewhere it would be the whole process's.
#[cfg(target_os = "linux")]
fn give_way() {
    if let Err(error) = rustix::process::setpriority_process(None, NICE) {
        tracing::debug!(%error, "work over all keys has the same share of the cores as Checks");
    }
}

#[cfg(not(target_os = "linux"))]
fn give_way() {}
