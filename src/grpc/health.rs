//! `grpc.health.v1.Health`: whether Keyward serves, for probes and for clients that balance.
//!
//! tonic's own service ends a watch on an unknown service with `NOT_FOUND`, where the protocol wants
//! `SERVICE_UNKNOWN` and an open stream, and would keep watches open through a shutdown.

use std::{pin::Pin, sync::Arc};

use futures_util::{Stream, StreamExt as _, stream};
use tokio::sync::watch;
use tonic::{Request, Response, Status};
use tonic_health::pb::{
    HealthCheckRequest, HealthCheckResponse, health_check_response::ServingStatus, health_server::Health,
};

/// How the whole of Keyward stands; its services share one fate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Serving {
    /// Calls are answered.
    Yes,
    /// Calls would fail for now: the view is behind, or loading.
    No,
    /// Not any more: a last `NOT_SERVING` ends every watch, so that connections can close.
    Draining,
}

/// Says how Keyward stands. The last one to be dropped ends every watch.
#[derive(Debug, Clone)]
pub struct HealthReporter {
    serving: Arc<watch::Sender<Serving>>,
}

/// Answers probes with what the reporter said last.
#[derive(Debug, Clone)]
pub struct HealthService {
    serving: watch::Receiver<Serving>,
    services: &'static [&'static str],
}

/// A reporter, at first of `Serving::No`, and the service that answers for these services and for the whole, `""`.
#[must_use]
pub fn health(services: &'static [&'static str]) -> (HealthReporter, HealthService) {
    let (sender, serving) = watch::channel(Serving::No);
    (HealthReporter { serving: Arc::new(sender) }, HealthService { serving, services })
}

impl HealthReporter {
    /// Says how Keyward stands from now on.
    pub fn report(&self, serving: Serving) {
        self.serving.send_replace(serving);
    }
}

impl HealthService {
    fn knows(&self, service: &str) -> bool {
        service.is_empty() || self.services.contains(&service)
    }
}

fn answer(status: ServingStatus) -> HealthCheckResponse {
    HealthCheckResponse { status: status.into() }
}

fn status_of(serving: Serving) -> ServingStatus {
    match serving {
        Serving::Yes => ServingStatus::Serving,
        Serving::No | Serving::Draining => ServingStatus::NotServing,
    }
}

#[tonic::async_trait]
impl Health for HealthService {
    async fn check(
        &self,
        request: Request<HealthCheckRequest>,
    ) -> Result<Response<HealthCheckResponse>, Status> {
        if !self.knows(&request.get_ref().service) {
            return Err(Status::not_found("there is no such service"));
        }
        Ok(Response::new(answer(status_of(*self.serving.borrow()))))
    }

    type WatchStream = Pin<Box<dyn Stream<Item = Result<HealthCheckResponse, Status>> + Send>>;

    async fn watch(
        &self,
        request: Request<HealthCheckRequest>,
    ) -> Result<Response<Self::WatchStream>, Status> {
        let known = self.knows(&request.get_ref().service);
        let statuses = changes(self.serving.clone(), move |serving| {
            if known { status_of(serving) } else { ServingStatus::ServiceUnknown }
        });
        Ok(Response::new(statuses.map(|status| Ok(answer(status))).boxed()))
    }
}

/// The status now, each other one that follows, and the end at a drain.
fn changes(
    serving: watch::Receiver<Serving>,
    status_of: impl Fn(Serving) -> ServingStatus + Send,
) -> impl Stream<Item = ServingStatus> + Send {
    stream::unfold((serving, None, status_of), |(mut serving, mut last, status_of)| async move {
        loop {
            let now = *serving.borrow_and_update();
            let status = status_of(now);
            if last != Some(status) {
                last = Some(status);
                return Some((status, (serving, last, status_of)));
            }
            if now == Serving::Draining || serving.changed().await.is_err() {
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
