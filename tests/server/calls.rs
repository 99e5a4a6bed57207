//! What a call is told when its handler fails it.

use std::{
    convert::Infallible,
    future::{Ready, ready},
    num::NonZeroUsize,
    sync::Arc,
    task::Poll,
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use http_body::Frame;
use http_body_util::StreamBody;
use hyper::body::Incoming;
use keyward::{
    grpc::{health::HealthService, routes::HEALTH_NAMES},
    health::{HealthCondition, health},
    server::{
        budget::Budget,
        calls::{Calls, TakenRequest},
        connection::Peer,
        failure::CallFailure,
        limits::ListenerLimits,
        listener::Listener,
        protocol::Protocol,
        request_body::RequestBody,
    },
    wire::envoy::service::auth::v3::{CheckResponse, check_response::HttpResponse},
};
use prost::Message as _;
use tonic::{Code, Status, body::Body, transport::Endpoint};
use tonic_health::pb::{
    HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient,
};
use tonic_types::StatusExt as _;

use crate::{
    client::{Answer, CHECK, H2, framed, honest, post, read_answer, with_header},
    handler::{ANSWER, NEVER, PANIC, PANIC_AT_ONCE, PANIC_LATER, Server, check_request, one},
};

fn short_calls() -> ListenerLimits {
    ListenerLimits { call_deadline: Duration::from_millis(100), ..ListenerLimits::default() }
}

fn reason(status: &Status) -> String {
    let info = status.get_details_error_info().unwrap();
    assert_eq!(info.domain, "keyward");
    info.reason
}

// X8
#[tokio::test]
async fn a_panic_is_internal_and_counted_and_the_connection_lives_on() {
    let server = Server::start(ListenerLimits::default()).await;
    let mut client = honest(server.address()).await;
    for (count, what) in [(1, PANIC), (2, PANIC_LATER), (3, PANIC_AT_ONCE)] {
        let status = client.check(check_request(what)).await.unwrap_err();
        assert_eq!((status.code(), status.message()), (Code::Internal, "internal error"));
        assert_eq!(reason(&status), "INTERNAL");
        assert_eq!(server.running.counts().panics.value(), count);
        client.check(check_request(ANSWER)).await.unwrap();
    }
    assert_eq!(server.running.counts().connections_admitted.value(), 1);
}

/// Speaks gRPC as the service inside does, and answers with a stream that panics.
struct PanicsInItsStream<S>(S);

impl<S: Calls<Body = Body>> Calls for PanicsInItsStream<S> {
    type Body = Body;
    type Future = Ready<Result<Response<Body>, Infallible>>;

    fn admit(
        &self,
        request: &Request<Incoming>,
        limits: &ListenerLimits,
    ) -> Result<TakenRequest, Response<Body>> {
        self.0.admit(request, limits)
    }

    fn call(&self, _request: Request<RequestBody>) -> Self::Future {
        let stream = futures_util::stream::poll_fn(|_| -> Poll<Option<Result<Frame<Bytes>, Status>>> {
            std::panic::panic_any("in a stream")
        });
        ready(Ok(Response::new(Body::new(StreamBody::new(stream)))))
    }

    fn failed(&self, failure: CallFailure, path: Option<&str>, took: Duration) -> Response<Body> {
        self.0.failed(failure, path, took)
    }

    fn cut_off(failure: CallFailure) -> Option<HeaderMap> {
        S::cut_off(failure)
    }
}

// X8
#[tokio::test]
async fn a_panic_in_a_stream_of_answers_ends_it_with_internal() {
    let listener = Listener::bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let routes = Server::routes(
        &Arc::default(),
        HealthService::new(health().1, HEALTH_NAMES),
        &ListenerLimits::default(),
    );
    let service = move |_peer: &Peer| PanicsInItsStream(routes.clone());
    let limits = ListenerLimits::default();
    let running = listener
        .serve(Budget::new(limits.in_flight_bytes), Protocol::Grpc, NonZeroUsize::MIN, limits, service)
        .unwrap();
    let h2 = H2::connect(running.local_addr()).await;
    for count in 1..3 {
        let answer = h2.check(ANSWER).await.unwrap();
        assert_eq!(answer.code(), Code::Internal);
        assert_eq!(running.counts().panics.value(), count);
    }
}

#[tokio::test]
async fn a_handler_that_never_answers_is_given_up_at_our_deadline() {
    let server = Server::start(short_calls()).await;
    let mut client = honest(server.address()).await;
    let status = client.check(check_request(NEVER)).await.unwrap_err();
    assert_eq!(status.code(), Code::DeadlineExceeded);
    assert_eq!(reason(&status), "DEADLINE_EXCEEDED");
    one(&server.handler.dropped).await;
    client.check(check_request(ANSWER)).await.unwrap();
    assert_eq!(server.running.counts().connections_half_open.value(), 0, "the client is not to blame");
    assert_eq!(server.running.counts().connections_admitted.value(), 1);
}

#[tokio::test]
async fn a_client_can_ask_for_less_time_and_not_for_more() {
    let server = Server::start(ListenerLimits::default()).await;
    let h2 = H2::connect(server.address()).await;
    let request = with_header(post(CHECK), "grpc-timeout", "30m");
    let answer = h2.call(request, framed(&check_request(NEVER))).await.unwrap();
    assert_eq!(answer.code(), Code::DeadlineExceeded);

    let strict = Server::start(short_calls()).await;
    let h2 = H2::connect(strict.address()).await;
    let request = with_header(post(CHECK), "grpc-timeout", "99999999H");
    let answer = h2.call(request, framed(&check_request(NEVER))).await.unwrap();
    assert_eq!(answer.code(), Code::DeadlineExceeded);
}

// X5
#[tokio::test]
async fn a_request_that_does_not_arrive_is_given_up_and_its_connection_closed() {
    let server = Server::start(short_calls()).await;
    let h2 = H2::connect(server.address()).await;
    let (response, mut stream) = h2.open(post(CHECK)).await.unwrap();
    let whole = framed(&check_request(ANSWER));
    stream.send_data(whole.slice(..whole.len() - 1), false).unwrap();
    let answer = read_answer(response).await.unwrap();
    assert_eq!(answer.code(), Code::DeadlineExceeded);
    drop(stream);
    drop(h2.ended().await);
    assert_eq!(server.running.counts().connections_half_open.value(), 1);
}

#[tokio::test]
async fn a_stream_of_answers_outlives_the_deadline_of_calls() {
    let server = Server::start(short_calls()).await;
    let endpoint = Endpoint::from_shared(format!("http://{}", server.address())).unwrap();
    let mut health = HealthClient::new(endpoint.connect().await.unwrap());
    let mut watch = health.watch(HealthCheckRequest::default()).await.unwrap().into_inner();
    assert_eq!(watch.message().await.unwrap().unwrap().status(), ServingStatus::Serving);

    let mut client = honest(server.address()).await;
    for _ in 0..2 {
        client.check(check_request(NEVER)).await.unwrap_err();
    }
    server.health.report(HealthCondition::Loading.into());
    assert_eq!(watch.message().await.unwrap().unwrap().status(), ServingStatus::NotServing);
}

#[tokio::test]
async fn a_client_that_goes_takes_its_calls_along() {
    let server = Server::start(ListenerLimits::default()).await;
    let h2 = H2::connect(server.address()).await;
    let (response, mut stream) = h2.open(post(CHECK)).await.unwrap();
    stream.send_data(framed(&check_request(NEVER)), true).unwrap();
    one(&server.handler.entered).await;
    stream.send_reset(h2::Reason::CANCEL);
    one(&server.handler.dropped).await;
    drop(response);

    let (_response, mut stream) = h2.open(post(CHECK)).await.unwrap();
    stream.send_data(framed(&check_request(NEVER)), true).unwrap();
    one(&server.handler.entered).await;
    h2.connection.abort();
    one(&server.handler.dropped).await;
}

const ENVOY: &str = "/envoy.service.auth.v3.Authorization/Check";

/// Passes if the answer is a 503 to pass on, inside an answer that is no error.
#[track_caller]
fn assert_unavailable(answer: &Answer) {
    assert_eq!((answer.status, answer.code()), (http::StatusCode::OK, Code::Ok), "{answer:?}");
    let message = CheckResponse::decode(answer.body.get(5..).unwrap()).unwrap();
    assert_eq!(message.status.as_ref().map(|status| status.code), Some(14));
    let Some(HttpResponse::DeniedResponse(denied)) = &message.http_response else { panic!("no denial") };
    assert_eq!(denied.status.as_ref().map(|status| status.code), Some(503));
    assert!(denied.body.contains("\"code\":\"UNAVAILABLE\""), "{}", denied.body);
}

// X1 X8
#[tokio::test]
async fn a_panic_under_envoy_is_a_503_answer_and_counted() {
    let server = Server::start(ListenerLimits::default()).await;
    let h2 = H2::connect(server.address()).await;
    for count in 1..3 {
        assert_unavailable(&h2.call(post(ENVOY), Bytes::from_static(&[0; 5])).await.unwrap());
        assert_eq!(server.running.counts().panics.value(), count);
    }
    assert_eq!(h2.check(ANSWER).await.unwrap().code(), Code::Ok, "the connection lives on");
}

// X1
#[tokio::test]
async fn an_answer_without_a_status_never_reaches_envoy() {
    let server = Server::start(ListenerLimits::default()).await;
    let h2 = H2::connect(server.address()).await;
    assert_unavailable(&h2.call(post(ENVOY), Bytes::from_static(&[9; 5])).await.unwrap());
    assert_eq!(server.running.counts().panics.value(), 0);
}

// X1
#[tokio::test]
async fn whatever_keeps_a_call_from_its_handler_is_a_503_answer_to_envoy() {
    let limits = ListenerLimits { in_flight_bytes: 30_000, ..short_calls() };
    let server = Server::start(limits).await;
    let h2 = H2::connect(server.address()).await;
    let malformed = with_header(post(ENVOY), "grpc-timeout", "soon");
    assert_unavailable(&h2.call(malformed, Bytes::from_static(&[0; 5])).await.unwrap());

    let (over_budget, mut stream) = h2.open(post(ENVOY)).await.unwrap();
    // Of a message of 500,000 bytes.
    let begun = [&[0, 0, 0x07, 0xa1, 0x20][..], &vec![0; 60_000]].concat();
    stream.send_data(Bytes::from(begun), false).unwrap();
    assert_unavailable(&read_answer(over_budget).await.unwrap());
    assert_eq!(server.running.counts().requests_over_budget.value(), 1);

    let h2 = H2::connect(server.address()).await;
    let (half_open, _stream) = h2.open(post(ENVOY)).await.unwrap();
    assert_unavailable(&read_answer(half_open).await.unwrap());
    assert_eq!(server.running.counts().calls_expired.value(), 1);
}

// X4
#[tokio::test]
async fn what_is_no_call_of_the_one_method_of_envoy_is_refused_as_any_other() {
    let server = Server::start(ListenerLimits::default()).await;
    let h2 = H2::connect(server.address()).await;
    for path in ["?a=b", "/", "%20", "x"].map(|tail| format!("{ENVOY}{tail}")) {
        let answer = h2.call(post(&path), Bytes::from_static(&[0; 5])).await.unwrap();
        assert_eq!(answer.code(), Code::Unimplemented, "{path}");
    }
    assert_eq!(server.running.counts().panics.value(), 0);
}
