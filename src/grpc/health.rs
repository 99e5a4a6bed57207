//! `grpc.health.v1.Health`: whether Keyward serves, for probes and for clients that balance.
//!
//! tonic's own service ends a watch on an unknown service with `NOT_FOUND`, where the protocol wants
//! `SERVICE_UNKNOWN` and an open stream, and would keep watches open through a shutdown.

use std::{fmt, pin::Pin, sync::Arc};

use futures_util::{Stream, StreamExt as _, stream};
use jiff::fmt::rfc2822::DateTimePrinter;
use tonic::{
    Request, Response, Status,
    metadata::{Ascii, MetadataValue},
};
use tonic_health::pb::{
    HealthCheckRequest, HealthCheckResponse, health_check_response::ServingStatus, health_server::Health,
};

use crate::{
    domain::time::TrustedClock,
    health::{HealthCondition, HealthConditions, HealthWatch},
};

/// The name that answers whether changes are taken; what is sealed or full still answers Checks.
pub const CHANGES: &str = "keyward.changes";

/// Answers probes with what the reporter said last.
#[derive(Clone)]
pub struct HealthService {
    health: HealthWatch,
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

impl fmt::Debug for HealthService {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("HealthService").field("health", &self.health).finish_non_exhaustive()
    }
}

impl HealthService {
    /// Answers for these services, for the whole (`""`), and for [`CHANGES`].
    #[must_use]
    pub const fn new(health: HealthWatch, services: &'static [&'static str]) -> Self {
        Self { health, services, clock: None }
    }

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

fn status_of(subject: ProbeSubject, standing: HealthConditions) -> ServingStatus {
    let good = match subject {
        ProbeSubject::Readiness => standing.answer_checks(),
        ProbeSubject::Changes => standing.take_changes(),
        ProbeSubject::Unknown => return ServingStatus::ServiceUnknown,
    };
    if good { ServingStatus::Serving } else { ServingStatus::NotServing }
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
        let mut answer = Response::new(answer(status_of(subject, self.health.now())));
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
        let statuses = changes(self.health.clone(), move |standing| status_of(subject, standing));
        Ok(Response::new(statuses.map(|status| Ok(answer(status))).boxed()))
    }
}

/// The status now, each other one that follows, and the end at a drain: a last `NOT_SERVING` ends every watch, so that
/// connections can close.
fn changes(
    health: HealthWatch,
    status_of: impl Fn(HealthConditions) -> ServingStatus + Send,
) -> impl Stream<Item = ServingStatus> + Send {
    stream::unfold((health, None, status_of), |(mut health, mut last, status_of)| async move {
        loop {
            let now = health.news();
            let status = status_of(now);
            if last != Some(status) {
                last = Some(status);
                return Some((status, (health, last, status_of)));
            }
            if now.hold(HealthCondition::Draining) || !health.changed().await {
                return None;
            }
        }
    })
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;
    use crate::health::{HealthReporter, health};

    fn service(services: &'static [&'static str]) -> (HealthReporter, HealthService) {
        let (reporter, watch) = health();
        (reporter, HealthService::new(watch, services))
    }

    fn asking(service: &str) -> Request<HealthCheckRequest> {
        Request::new(HealthCheckRequest { service: service.into() })
    }

    #[tokio::test]
    async fn a_probe_hears_what_was_reported() {
        let (reporter, service) = service(&["keyward.v1.KeyService"]);
        for (conditions, expected) in [
            (HealthCondition::Loading.into(), ServingStatus::NotServing),
            (HealthConditions::NONE, ServingStatus::Serving),
            (HealthCondition::NoLease.into(), ServingStatus::NotServing),
            (HealthCondition::NoPolicy.into(), ServingStatus::NotServing),
            (HealthCondition::Behind.into(), ServingStatus::Serving),
            (HealthCondition::ClockDoubted.into(), ServingStatus::Serving),
            (HealthCondition::CertificateExpired.into(), ServingStatus::Serving),
            (HealthCondition::Draining.into(), ServingStatus::NotServing),
        ] {
            reporter.report(conditions);
            for name in ["", "keyward.v1.KeyService"] {
                let response = service.check(asking(name)).await.unwrap();
                assert_eq!(response.get_ref().status(), expected, "{name:?} {conditions:?}");
            }
        }
        let unknown = service.check(asking("keyward.v1.Other")).await.unwrap_err();
        assert_eq!(unknown.code(), tonic::Code::NotFound);
    }

    // M2
    #[tokio::test]
    async fn who_takes_no_changes_is_ready_all_the_same() {
        let (reporter, service) = service(&["keyward.v1.KeyService"]);
        let (good, bad) = (ServingStatus::Serving, ServingStatus::NotServing);
        for (conditions, ready, changes) in [
            (HealthCondition::Loading.into(), bad, bad),
            (HealthCondition::NoLease.into(), bad, bad),
            (HealthConditions::NONE, good, good),
            (HealthCondition::Sealed.into(), good, bad),
            (HealthCondition::Full.into(), good, bad),
            (HealthCondition::Behind.into(), good, good),
            (HealthCondition::Draining.into(), bad, bad),
            // What drains is told to end, and does not come back.
            (HealthConditions::NONE, bad, bad),
        ] {
            reporter.report(conditions);
            for (name, expected) in [("", ready), ("keyward.v1.KeyService", ready), (CHANGES, changes)] {
                let response = service.check(asking(name)).await.unwrap();
                assert_eq!(response.get_ref().status(), expected, "{name:?} {conditions:?}");
            }
        }
    }

    #[tokio::test]
    async fn a_watch_hears_changes_only_and_ends_at_the_drain() {
        let (reporter, service) = service(&[]);
        let mut watch = service.watch(asking("")).await.unwrap().into_inner();
        let mut next = async || watch.next().now_or_never();

        let status = |item: Option<Option<Result<HealthCheckResponse, Status>>>| {
            item.unwrap().unwrap().unwrap().status()
        };
        assert_eq!(status(next().await), ServingStatus::NotServing);
        reporter.report(HealthCondition::Loading.into());
        assert!(next().await.is_none(), "nothing has changed");
        reporter.report(HealthConditions::NONE);
        assert_eq!(status(next().await), ServingStatus::Serving);
        reporter.drain();
        assert_eq!(status(next().await), ServingStatus::NotServing);
        assert!(next().await.unwrap().is_none(), "the watch has ended");
    }

    #[tokio::test]
    async fn a_watch_on_an_unknown_service_stays_open_until_the_drain() {
        let (reporter, service) = service(&[]);
        let mut watch = service.watch(asking("keyward.v1.Other")).await.unwrap().into_inner();
        let first = watch.next().await.unwrap().unwrap();
        assert_eq!(first.status(), ServingStatus::ServiceUnknown);
        assert!(watch.next().now_or_never().is_none());
        reporter.drain();
        assert!(watch.next().await.is_none());
    }
}
