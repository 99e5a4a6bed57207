//! What is a call at all.

use std::sync::atomic::Ordering;

use bytes::Bytes;
use http::{Method, Request, StatusCode};
use keyward::{
    server::limits::ListenerLimits,
    wire::v1::{BatchCheckRequest, QueryLogRequest, audit_service_client::AuditServiceClient},
};
use tonic::{Code, transport::Endpoint};
use tonic_types::StatusExt as _;

use crate::{
    client::{CHECK, H2, framed, honest, post, with_header},
    handler::{ANSWER, Server, check_request},
};

#[tokio::test]
async fn an_honest_call_is_answered_and_its_peer_is_known() {
    let server = Server::start(ListenerLimits::default()).await;
    let mut client = honest(server.address()).await;
    assert!(client.check(check_request(ANSWER)).await.unwrap().get_ref().allowed);
    assert_ne!(server.handler.peer_port.load(Ordering::Relaxed), 0);
    assert_eq!(server.running.counts().connections_admitted.value(), 1);
}

#[tokio::test]
async fn each_service_is_reached() {
    let server = Server::start(ListenerLimits::default()).await;
    let channel =
        Endpoint::from_shared(format!("http://{}", server.address())).unwrap().connect().await.unwrap();
    AuditServiceClient::new(channel.clone()).query_log(QueryLogRequest::default()).await.unwrap();
    let workspaces = post("/keyward.v1.WorkspaceService/RegisterWorkspace");
    let h2 = H2::connect(server.address()).await;
    let answer = h2.call(workspaces, framed(&QueryLogRequest::default())).await.unwrap();
    assert_eq!(answer.grpc().unwrap().message(), "not here");

    let request = tonic_health::pb::HealthCheckRequest { service: "keyward.v1.KeyService".into() };
    let mut health = tonic_health::pb::health_client::HealthClient::new(channel);
    let status = health.check(request).await.unwrap().get_ref().status();
    assert_eq!(status, tonic_health::pb::health_check_response::ServingStatus::Serving);
}

// O3
#[tokio::test]
async fn reflection_of_both_versions_shows_our_messages_and_the_details_of_errors() {
    use tonic_reflection::pb::{v1, v1alpha};
    let server = Server::start(ListenerLimits::default()).await;
    let channel =
        Endpoint::from_shared(format!("http://{}", server.address())).unwrap().connect().await.unwrap();

    for symbol in ["keyward.v1.KeyService", "google.rpc.ErrorInfo", "grpc.health.v1.Health"] {
        let request = v1::ServerReflectionRequest {
            host: String::new(),
            message_request: Some(v1::server_reflection_request::MessageRequest::FileContainingSymbol(
                symbol.into(),
            )),
        };
        let mut client = v1::server_reflection_client::ServerReflectionClient::new(channel.clone());
        let requests = futures_util::stream::iter([request]);
        let mut answers = client.server_reflection_info(requests).await.unwrap().into_inner();
        let answer = answers.message().await.unwrap().unwrap().message_response.unwrap();
        assert!(
            matches!(
                answer,
                v1::server_reflection_response::MessageResponse::FileDescriptorResponse(ref files)
                    if !files.file_descriptor_proto.is_empty()
            ),
            "{symbol}"
        );
    }

    let request = v1alpha::ServerReflectionRequest {
        host: String::new(),
        message_request: Some(
            v1alpha::server_reflection_request::MessageRequest::ListServices(String::new()),
        ),
    };
    let mut client = v1alpha::server_reflection_client::ServerReflectionClient::new(channel);
    let mut answers =
        client.server_reflection_info(futures_util::stream::iter([request])).await.unwrap().into_inner();
    let answer = answers.message().await.unwrap().unwrap().message_response.unwrap();
    assert!(matches!(
        answer,
        v1alpha::server_reflection_response::MessageResponse::ListServicesResponse(ref list)
            if list.service.iter().any(|service| service.name == "keyward.v1.KeyService")
    ));
}

// X4
#[tokio::test]
async fn another_method_than_post_is_405_whatever_else_it_says() {
    let server = Server::start(ListenerLimits::default()).await;
    let h2 = H2::connect(server.address()).await;
    for method in [Method::GET, Method::HEAD, Method::PUT, Method::DELETE, Method::OPTIONS] {
        let mut request = post(CHECK);
        *request.method_mut() = method.clone();
        let answer = h2.call(request, Bytes::new()).await.unwrap();
        assert_eq!(answer.status, StatusCode::METHOD_NOT_ALLOWED, "{method}");
        assert_eq!(answer.headers["allow"], "POST");
    }
    let connect = Request::connect("localhost:1").body(()).unwrap();
    let answer = h2.call(connect, Bytes::new()).await.unwrap();
    assert_eq!(answer.status, StatusCode::METHOD_NOT_ALLOWED);
    assert_eq!(server.running.counts().calls_refused.value(), 6);
    assert_eq!(h2.check(ANSWER).await.unwrap().code(), Code::Ok, "the connection lives on");
}

// X4
#[tokio::test]
async fn another_content_type_than_grpc_is_415() {
    let server = Server::start(ListenerLimits::default()).await;
    let h2 = H2::connect(server.address()).await;
    for content_type in
        ["application/json", "application/grpc-web", "application/grpc-web-text", "text/plain"]
    {
        let request = with_header(post(CHECK), "content-type", content_type);
        let answer = h2.call(request, framed(&check_request(ANSWER))).await.unwrap();
        assert_eq!(answer.status, StatusCode::UNSUPPORTED_MEDIA_TYPE, "{content_type}");
    }
    for content_type in ["application/grpc", "application/grpc+proto", "application/grpc;x=y"] {
        let request = with_header(post(CHECK), "content-type", content_type);
        let answer = h2.call(request, framed(&check_request(ANSWER))).await.unwrap();
        assert_eq!((answer.status, answer.code()), (StatusCode::OK, Code::Ok), "{content_type}");
    }
}

// X4
#[tokio::test]
async fn a_method_is_reached_by_its_exact_path_only() {
    let server = Server::start(ListenerLimits::default()).await;
    let h2 = H2::connect(server.address()).await;
    for path in [
        "/keyward.v1.KeyService/Check?",
        "/keyward.v1.KeyService/Check?a=b",
        "/keyward.v1.KeyService/%43heck",
        "/keyward.v1.KeyService%2fCheck",
        "/keyward.v1.KeyService/Check/",
        "/keyward.v1.KeyService//Check",
        "//keyward.v1.KeyService/Check",
        "/keyward.v1.KeyService/check",
        "/keyward.v1.KeyService/../KeyService/Check",
        "/keyward.v1.KeyService/;Check",
        "/keyward.v1.KeyService",
        "/keyward.v1.Other/Check",
        "/",
    ] {
        let answer = h2.call(post(path), framed(&check_request(ANSWER))).await.unwrap();
        assert_eq!((answer.status, answer.code()), (StatusCode::OK, Code::Unimplemented), "{path}");
    }
}

// X5
#[tokio::test]
async fn too_much_metadata_is_431() {
    let server = Server::start(ListenerLimits::default()).await;
    let h2 = H2::connect(server.address()).await;
    let fits = with_header(post(CHECK), "x-filler", &"a".repeat(15 << 10));
    assert_eq!(h2.call(fits, framed(&check_request(ANSWER))).await.unwrap().code(), Code::Ok);
    let large = with_header(post(CHECK), "x-filler", &"a".repeat(17 << 10));
    let answer = h2.call(large, framed(&check_request(ANSWER))).await.unwrap();
    assert_eq!(answer.status, StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE);
    assert_eq!(h2.check(ANSWER).await.unwrap().code(), Code::Ok, "the connection lives on");
}

// X5
#[tokio::test]
async fn a_message_over_the_limit_is_refused_before_it_is_read() {
    let limits = ListenerLimits { message_bytes: 100_000, ..ListenerLimits::default() };
    let server = Server::start(limits).await;
    let mut client = honest(server.address()).await;
    let batch = |bytes: usize| BatchCheckRequest {
        requests: vec![check_request(&"a".repeat(bytes))],
        ..BatchCheckRequest::default()
    };
    client.batch_check(batch(99_000)).await.unwrap();
    assert_eq!(client.batch_check(batch(101_000)).await.unwrap_err().code(), Code::OutOfRange);

    let h2 = H2::connect(server.address()).await;
    let announced = Bytes::from_static(&[0, 0xff, 0xff, 0xff, 0xff]);
    let answer = h2.call(post(CHECK), announced).await.unwrap();
    assert_eq!(answer.code(), Code::OutOfRange, "nothing is set aside for what is announced");
}

#[tokio::test]
async fn a_malformed_timeout_is_an_invalid_argument_with_a_reason() {
    let server = Server::start(ListenerLimits::default()).await;
    let h2 = H2::connect(server.address()).await;
    for timeout in ["", "1", "1s", "-1S", "123456789S"] {
        let request = with_header(post(CHECK), "grpc-timeout", timeout);
        let status = h2.call(request, framed(&check_request(ANSWER))).await.unwrap().grpc().unwrap();
        assert_eq!(status.code(), Code::InvalidArgument, "{timeout:?}");
        let info = status.get_details_error_info().unwrap();
        assert_eq!((info.domain.as_str(), info.reason.as_str()), ("keyward", "FIELD_INVALID"));
    }
}
