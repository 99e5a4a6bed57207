//! `grpc.health.v1.Health`: whether Keyward serves, for probes and for clients that balance.
//!
//! tonic's own service ends a watch on an unknown service with `NOT_FOUND`, where the protocol wants
//! `SERVICE_UNKNOWN` and an open stream, and would keep watches open through a shutdown.

use std::{fmt, pin::Pin, sync::Arc};

use futures_util::{Stream, StreamExt as _, stream};
use jiff::fmt::rfc2822::DateTimePrinter;
use tokio::sync::watch;
use tonic::{
    Request, Response, Status,
    metadata::{Ascii, MetadataValue},
};
use tonic_health::pb::{
    HealthCheckRequest, HealthCheckResponse, health_check_response::ServingStatus, health_server::Health,
};

use crate::domain::time::TrustedClock;

/// The name that answers whether changes are taken; what is sealed or full still answers Checks.
pub const CHANGES: &str = "keyward.changes";

/// Whether Keyward is ready; its services share one fate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Serving {
    /// Checks are answered.
    Yes,
    /// Checks would fail for now: the view is loading, or there is no policy to decide by.
    No,
    /// Checks fail for now: the lease of the view has ended, so that changes may have been made elsewhere that are not in it. Where
    /// the store is this process's alone, a lease is for ever.
    NoLease,
    /// Not any more: a last `NOT_SERVING` ends every watch, so that connections can close.
    Draining,
}

/// How Keyward stands.
#[derive(Debug, Clone, Copy)]
struct ServerStanding {
    serving: Serving,
    takes_changes: bool,
}

/// Says how Keyward stands. The last one to be dropped ends every watch.
#[derive(Debug, Clone)]
pub struct HealthReporter {
    standing: Arc<watch::Sender<ServerStanding>>,
}

/// Answers probes with what the reporter said last.
#[derive(Clone)]
pub struct HealthService {
    standing: watch::Receiver<ServerStanding>,
    services: &'static [&'static str],
    clock: Option<Arc<TrustedClock>>,
}

/// What a probe asks about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ProbeSubject {
    /// Whether Checks are answered.
    Readiness,
    /// Whether changes are taken.
    Changes,
    /// Nothing that is here.
    Unknown,
}

/// A reporter, at first of `Serving::No` and of no changes, and the service that answers for these services, for the whole
/// (`""`), and for [`CHANGES`].
#[must_use]
pub fn health(services: &'static [&'static str]) -> (HealthReporter, HealthService) {
    let (sender, standing) = watch::channel(ServerStanding { serving: Serving::No, takes_changes: false });
    (HealthReporter { standing: Arc::new(sender) }, HealthService { standing, services, clock: None })
}

impl HealthReporter {
    /// Says whether Keyward is ready from now on. Who drains is not ready any more.
    pub fn report(&self, serving: Serving) {
        self.standing.send_if_modified(|standing| {
            let changes = standing.serving != serving && standing.serving != Serving::Draining;
            if changes {
                standing.serving = serving;
            }
            changes
        });
    }

    /// Says whether changes are taken from now on.
    pub fn report_changes(&self, takes_changes: bool) {
        self.standing.send_if_modified(|standing| {
            std::mem::replace(&mut standing.takes_changes, takes_changes) != takes_changes
        });
    }
}

impl fmt::Debug for HealthService {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("HealthService").field("standing", &self.standing).finish_non_exhaustive()
    }
}

impl HealthService {
    /// The same with `date` in the answers to probes (RFC 9110 §6.6.1): the time by which everything is decided here. Clients whose
    /// own clock is wrong count durations from it.
    #[must_use]
    pub fn with_clock(self, clock: Arc<TrustedClock>) -> Self {
        Self { clock: Some(clock), ..self }
    }

    fn date(&self) -> Option<MetadataValue<Ascii>> {
        let now = jiff::Timestamp::from_millisecond(self.clock.as_ref()?.now().as_ms()).ok()?;
        DateTimePrinter::new().timestamp_to_rfc9110_string(&now).ok()?.parse().ok()
    }

    fn subject(&self, service: &str) -> ProbeSubject {
        match service {
            "" => ProbeSubject::Readiness,
            CHANGES => ProbeSubject::Changes,
            name if self.services.contains(&name) => ProbeSubject::Readiness,
            _ => ProbeSubject::Unknown,
        }
    }
}

fn answer(status: ServingStatus) -> HealthCheckResponse {
    HealthCheckResponse { status: status.into() }
}

fn status_of(subject: ProbeSubject, standing: ServerStanding) -> ServingStatus {
    let good = match subject {
        ProbeSubject::Readiness => true,
        ProbeSubject::Changes => standing.takes_changes,
        ProbeSubject::Unknown => return ServingStatus::ServiceUnknown,
    };
    match standing.serving {
        Serving::Yes if good => ServingStatus::Serving,
        Serving::Yes | Serving::No | Serving::NoLease | Serving::Draining => ServingStatus::NotServing,
    }
}

#[tonic::async_trait]
impl Health for HealthService {
    async fn check(
        &self,
        request: Request<HealthCheckRequest>,
    ) -> Result<Response<HealthCheckResponse>, Status> {
        let subject = self.subject(&request.get_ref().service);
        if subject == ProbeSubject::Unknown {
            return Err(Status::not_found("there is no such service"));
        }
        let mut answer = Response::new(answer(status_of(subject, *self.standing.borrow())));
        if let Some(date) = self.date() {
            answer.metadata_mut().insert("date", date);
        }
        Ok(answer)
    }

    type WatchStream = Pin<Box<dyn Stream<Item = Result<HealthCheckResponse, Status>> + Send>>;

    async fn watch(
        &self,
        request: Request<HealthCheckRequest>,
    ) -> Result<Response<Self::WatchStream>, Status> {
        let subject = self.subject(&request.get_ref().service);
        let statuses = changes(self.standing.clone(), move |standing| status_of(subject, standing));
        Ok(Response::new(statuses.map(|status| Ok(answer(status))).boxed()))
    }
}

/// The status now, each other one that follows, and the end at a drain.
fn changes(
    standing: watch::Receiver<ServerStanding>,
    status_of: impl Fn(ServerStanding) -> ServingStatus + Send,
) -> impl Stream<Item = ServingStatus> + Send {
    stream::unfold((standing, None, status_of), |(mut standing, mut last, status_of)| async move {
        loop {
            let now = *standing.borrow_and_update();
            let status = status_of(now);
            if last != Some(status) {
                last = Some(status);
                return Some((status, (standing, last, status_of)));
            }
            if now.serving == Serving::Draining || standing.changed().await.is_err() {
                return None;
            }
        }
    })
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;

    fn asking(service: &str) -> Request<HealthCheckRequest> {
        Request::new(HealthCheckRequest { service: service.into() })
    }

    #[tokio::test]
    async fn a_probe_hears_what_was_reported() {
        let (reporter, service) = health(&["keyward.v1.KeyService"]);
        for (serving, expected) in [
            (Serving::No, ServingStatus::NotServing),
            (Serving::Yes, ServingStatus::Serving),
            (Serving::NoLease, ServingStatus::NotServing),
            (Serving::Yes, ServingStatus::Serving),
            (Serving::Draining, ServingStatus::NotServing),
        ] {
            reporter.report(serving);
            for name in ["", "keyward.v1.KeyService"] {
                let response = service.check(asking(name)).await.unwrap();
                assert_eq!(response.get_ref().status(), expected, "{name:?} {serving:?}");
            }
        }
        let unknown = service.check(asking("keyward.v1.Other")).await.unwrap_err();
        assert_eq!(unknown.code(), tonic::Code::NotFound);
    }

    // M2
    #[tokio::test]
    async fn who_takes_no_changes_is_ready_all_the_same() {
        let (reporter, service) = health(&["keyward.v1.KeyService"]);
        reporter.report_changes(true);
        for (serving, takes_changes, ready, changes) in [
            (Serving::No, true, ServingStatus::NotServing, ServingStatus::NotServing),
            (Serving::NoLease, true, ServingStatus::NotServing, ServingStatus::NotServing),
            (Serving::Yes, true, ServingStatus::Serving, ServingStatus::Serving),
            (Serving::Yes, false, ServingStatus::Serving, ServingStatus::NotServing),
            (Serving::Draining, true, ServingStatus::NotServing, ServingStatus::NotServing),
            // What drains is told to end, and does not come back.
            (Serving::Yes, true, ServingStatus::NotServing, ServingStatus::NotServing),
        ] {
            reporter.report(serving);
            reporter.report_changes(takes_changes);
            for (name, expected) in [("", ready), ("keyward.v1.KeyService", ready), (CHANGES, changes)] {
                let response = service.check(asking(name)).await.unwrap();
                assert_eq!(response.get_ref().status(), expected, "{name:?} {serving:?} {takes_changes}");
            }
        }
    }

    #[tokio::test]
    async fn a_watch_hears_changes_only_and_ends_at_the_drain() {
        let (reporter, service) = health(&[]);
        let mut watch = service.watch(asking("")).await.unwrap().into_inner();
        let mut next = async || watch.next().now_or_never();

        let status = |item: Option<Option<Result<HealthCheckResponse, Status>>>| {
            item.unwrap().unwrap().unwrap().status()
        };
        assert_eq!(status(next().await), ServingStatus::NotServing);
        reporter.report(Serving::No);
        assert!(next().await.is_none(), "nothing has changed");
        reporter.report(Serving::Yes);
        assert_eq!(status(next().await), ServingStatus::Serving);
        reporter.report(Serving::Draining);
        assert_eq!(status(next().await), ServingStatus::NotServing);
        assert!(next().await.unwrap().is_none(), "the watch has ended");
    }

    #[tokio::test]
    async fn a_watch_on_an_unknown_service_stays_open_until_the_drain() {
        let (reporter, service) = health(&[]);
        let mut watch = service.watch(asking("keyward.v1.Other")).await.unwrap().into_inner();
        let first = watch.next().await.unwrap().unwrap();
        assert_eq!(first.status(), ServingStatus::ServiceUnknown);
        assert!(watch.next().now_or_never().is_none());
        reporter.report(Serving::Draining);
        assert!(watch.next().await.is_none());
    }
}
