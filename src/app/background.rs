//! Threads for administration, apart from those that Checks need. Work over many keys gives way to Checks: the system runs it where
//! no other thread wants the core.

use std::io;

use tokio::runtime::{Builder, Handle, Runtime};

/// How much less of a core they get that others want too.
#[derive(Debug, Clone, Copy)]
pub(super) enum CoreShare {
    /// As much as other threads.
    Whole,
    /// A quarter of what others get, and all of a core that no other thread wants.
    Quarter,
    /// A tenth, and all of a core that no other thread wants.
    Tenth,
}

/// Some such threads, and their runtime. What is under way when this is dropped is left where it is.
pub(super) struct Background {
    runtime: Option<Runtime>,
    handle: Handle,
}

impl Background {
    pub(super) fn start(name: &str, threads: usize, share: CoreShare) -> io::Result<Self> {
        let runtime = Builder::new_multi_thread()
            .worker_threads(threads)
            .thread_name(name)
            .on_thread_start(move || give_way(share))
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
        // Where tokio runs already, a thread may not wait for a runtime.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// On Linux this is the calling thread's own; elsewhere it would be the whole process's.
#[cfg(target_os = "linux")]
fn give_way(share: CoreShare) {
    let nice = match share {
        CoreShare::Whole => return,
        CoreShare::Quarter => 6,
        CoreShare::Tenth => 10,
    };
    if let Err(error) = rustix::process::setpriority_process(None, nice) {
        tracing::debug!(%error, "administration has the same share of the cores as Checks");
    }
}

#[cfg(not(target_os = "linux"))]
fn give_way(_share: CoreShare) {}
