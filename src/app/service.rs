//! A whole Keyward at work: what died of it, and how it ends in order.

use std::{net::SocketAddr, sync::Arc};

use tokio::task::JoinHandle;

use super::{
    error::AppError, listeners::Serving, new_roots::RootsTender, reach::Exposure, readiness::ReadinessProbe,
    tasks::Tasks, threads::Threads,
};
use crate::{
    health::HealthReporter,
    ports::{Lifecycle, StoreError, WriterState},
    server::{
        listener::Running,
        tls::{CertificateSummary, ClientCa, Tls},
    },
};

/// A Keyward at work.
pub struct Service {
    /// The store, for its end.
    pub(super) life: Arc<dyn Lifecycle>,
    /// Who changes the roots.
    pub(super) roots: Arc<RootsTender>,
    pub(super) tasks: Tasks,
    pub(super) threads: Threads,
    pub(super) serving: Serving,
    pub(super) health: HealthReporter,
    pub(super) readiness: ReadinessProbe,
    pub(super) follower: JoinHandle<Result<(), StoreError>>,
    pub(super) is_new: bool,
    pub(super) check_is_open: bool,
    pub(super) reach: Exposure,
    pub(super) tls: Option<Arc<Tls>>,
}

/// Why a service stopped serving.
#[derive(Debug)]
pub enum StopReason {
    /// It was asked to.
    Asked,
    /// A part died.
    Died(String),
}

impl Service {
    /// Where gRPC is served.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.serving.grpc.local_addr()
    }

    /// Where plain HTTP is served.
    #[must_use]
    pub fn http_address(&self) -> SocketAddr {
        self.serving.http.local_addr()
    }

    /// Where probes and metrics are served alone.
    #[must_use]
    pub fn probes_address(&self) -> Option<SocketAddr> {
        self.serving.probes.as_ref().map(Running::local_addr)
    }

    /// Says that it serves, and what to try first.
    pub fn announce(&self) {
        let address = self.address();
        if let Some(CertificateSummary { subject, good_until }) = self.tls.as_ref().map(|tls| tls.summary()) {
            tracing::info!(%subject, %good_until, "both listeners speak TLS with this certificate");
        }
        if let Some(ClientCa { file, is_required }) = self.tls.as_ref().and_then(|tls| tls.client_ca()) {
            let client_ca = file.display();
            if *is_required {
                tracing::info!(%client_ca, "a client of gRPC must show a certificate of these authorities");
            } else {
                tracing::info!(%client_ca, "a client of gRPC may show a certificate of these authorities, or none");
            }
        }
        let actors = self.roots.index.actors().count();
        if actors > 0 {
            tracing::info!(actors, "actors of the configuration may call without a key");
        }
        let clear = if self.tls.is_some() { " -cacert CA" } else { " -plaintext" };
        let caller = if self.check_is_open { "" } else { " -H 'authorization: Bearer kw_admin_…'" };
        tracing::info!(listen = %self.http_address(), "serving plain HTTP: {}", self.reach.http_surfaces());
        if let Some(address) = self.probes_address() {
            tracing::info!(listen = %address, "serving probes and metrics alone");
        }
        tracing::info!(listen = %address, "serving gRPC; a first Check, with whatever key:");
        tracing::info!(
            "grpcurl{clear}{caller} -d '{{\"api_key\": \"kw_live_…\", \"scopes\": [\"messaging:send\"]}}' {address} \
             keyward.v1.KeyService/Check"
        );
        for line in self.reach.lines(address, self.http_address(), self.probes_address()) {
            tracing::info!("{line}");
        }
        if self.is_new {
            tracing::info!(
                "make a key: keyward issue 'first key' --scope messaging:send --admin-key-file FILE"
            );
        }
    }

    /// Reads the roots anew, and takes those that are new, or does without those that are gone, while calls go on; whether anything
    /// changed.
    ///
    /// # Errors
    /// They cannot be read, are another store's, or one is missing that is in use; the store takes no change now. Those in force stay.
    pub async fn take_roots(&self) -> Result<bool, AppError> {
        self.roots.look().await
    }

    /// Waits until a part dies; while all is well, for ever.
    pub async fn died(&mut self) -> StopReason {
        let mut writer = self.life.writer_state();
        let why = tokio::select! {
            part = self.serving.died() => part,
            ended = &mut self.follower => match ended {
                Ok(Ok(())) => "the follower of the log ended".to_owned(),
                Ok(Err(error)) => format!("the log cannot be followed: {error}"),
                Err(error) => format!("the follower of the log died: {error}"),
            },
            task = self.tasks.died() => task,
            _ended = writer.wait_for(|state| *state == WriterState::Ended) => "the store's writer died".to_owned(),
        };
        StopReason::Died(why)
    }

    /// Stops accepting, lets calls in flight finish, writes what is to be written, and closes the store.
    ///
    /// # Errors
    /// Something died before or does not end in order.
    pub async fn shutdown(self, stopped: StopReason) -> Result<(), AppError> {
        let Self { life, tasks, threads, serving, health, readiness, follower, .. } = self;
        health.drain();
        drop((health, readiness));
        let drained = serving.shutdown().await;
        let written = tasks.stop().await;
        follower.abort();
        drop(threads);
        let closed = life.close().await;
        drained?;
        written?;
        closed?;
        match stopped {
            StopReason::Asked => Ok(()),
            StopReason::Died(why) => Err(AppError::Died(why)),
        }
    }
}
