//! Envoy's questions and the answers to them.
//!
//! Invariant: no answer without a status, and none that is made from a default: Envoy would take it for an allow.

use std::{collections::BTreeMap, net::IpAddr};

use prost_types::{Struct, Value, value::Kind};
use tonic::Code;

use crate::{
    domain::decision::Requirement,
    error::OperationError,
    gateway::{self, GatewayAnswer, GatewayRequest, Passed, RequestOrigin, StoppedRequest},
    http_answer::{Identity, StopStatus},
    judge::question::Door,
    wire::{
        envoy::{
            config::core::v3::{
                HeaderValue, HeaderValueOption, address::Address, header_value_option::HeaderAppendAction,
            },
            service::auth::v3::{
                AttributeContext, CheckRequest, CheckResponse, DeniedHttpResponse, OkHttpResponse,
                attribute_context::HttpRequest, check_response::HttpResponse,
            },
            r#type::v3::{HttpStatus, StatusCode},
        },
        google::rpc,
    },
};

/// What stands before the names of the headers of an identity; the metadata has the names without it.
const IDENTITY: &str = "x-keyward-";
/// Where Envoy's configuration tells which address Envoy believes: a namespace of its metadata, and the name in it.
const METADATA: &str = "keyward";
const CLIENT_ADDRESS: &str = "client_address";

/// The request that is asked about.
pub(in crate::grpc) fn request(asked: &CheckRequest) -> Option<(&AttributeContext, &HttpRequest)> {
    let attributes = asked.attributes.as_ref()?;
    Some((attributes, attributes.request.as_ref()?.http.as_ref()?))
}

impl GatewayRequest for HttpRequest {
    const DOOR: Door = Door::Envoy;

    fn host(&self) -> &str {
        &self.host
    }

    fn method(&self) -> &str {
        &self.method
    }

    fn path(&self) -> &str {
        &self.path
    }

    /// In each of the places where Envoy may put a header.
    fn values<'r>(&'r self, name: &'r str) -> impl Iterator<Item = &'r [u8]> {
        let texts = self.headers.iter().filter(move |(key, _)| key.eq_ignore_ascii_case(name));
        let raw = self.header_map.iter().flat_map(|map| &map.headers);
        let raw = raw.filter(move |header| header.key.eq_ignore_ascii_case(name));
        let raw = raw.flat_map(|header| [header.value.as_bytes(), header.raw_value.as_slice()]);
        texts.map(|(_, value)| value.as_bytes()).chain(raw)
    }
}

/// What the gateway's settings for the route say that a request from `address` needs.
///
/// # Errors
/// A setting that is not known, or not what it takes.
pub(in crate::grpc) fn said(
    attributes: &AttributeContext,
    address: Option<IpAddr>,
) -> Result<Requirement<'_>, OperationError> {
    let settings = attributes.context_extensions.iter().map(|(name, text)| (name.as_str(), text.as_str()));
    gateway::said("context_extensions", settings, address)
}

/// Where the gateway says that the request came from.
pub(in crate::grpc) fn origin(attributes: &AttributeContext) -> RequestOrigin<'_> {
    RequestOrigin::Envoy { peer: peer(attributes), believed: believed(attributes) }
}

/// The other end of Envoy's connection, apart from what Envoy makes of `x-forwarded-for`.
fn peer(attributes: &AttributeContext) -> Option<IpAddr> {
    match attributes.source.as_ref()?.address.as_ref()?.address.as_ref()? {
        Address::SocketAddress(socket) => {
            let address: IpAddr = socket.address.parse().ok()?;
            Some(address.to_canonical())
        }
        Address::Pipe(_) | Address::EnvoyInternalAddress(_) => None,
    }
}

/// The address that Envoy believes, where its configuration tells it. No client can write metadata.
fn believed(attributes: &AttributeContext) -> Option<&str> {
    let metadata = attributes.metadata_context.as_ref()?.filter_metadata.get(METADATA)?;
    let value = metadata.fields.get(CLIENT_ADDRESS)?;
    // One that is no text is an address that cannot be read.
    Some(if let Some(Kind::StringValue(text)) = &value.kind { text } else { "" })
}

/// What Envoy is to do.
pub(in crate::grpc) fn answer(outcome: GatewayAnswer) -> CheckResponse {
    match outcome {
        GatewayAnswer::Passed(passed) => pass(passed),
        GatewayAnswer::Stopped(stopped) => stop(stopped),
    }
}

/// Lets a request through, with the identity of its holder and without what has served.
fn pass(Passed { identity, spent, told }: Passed) -> CheckResponse {
    let metadata = metadata(None, Some(&identity));
    let mut headers = Vec::with_capacity(identity.len());
    let mut headers_to_remove = spent;
    for (name, value) in identity {
        match value {
            Some(value) => headers.push(header(name, value)),
            None => headers_to_remove.push(name.to_owned()),
        }
    }
    let response_headers_to_add = told.into_iter().map(|(name, value)| header(name, value)).collect();
    let ok =
        OkHttpResponse { headers, headers_to_remove, response_headers_to_add, ..OkHttpResponse::default() };
    CheckResponse {
        status: Some(status(Code::Ok)),
        dynamic_metadata: Some(metadata),
        http_response: Some(HttpResponse::OkResponse(ok)),
    }
}

/// Lets nothing through. The exact reason, and whose key it was, are for the operator's log.
fn stop(StoppedRequest { answer, reason, identity }: StoppedRequest) -> CheckResponse {
    let code = Code::from_i32(answer.status.grpc_code());
    let http = match answer.status {
        StopStatus::BadRequest => StatusCode::BadRequest,
        StopStatus::Unauthorized => StatusCode::Unauthorized,
        StopStatus::Forbidden => StatusCode::Forbidden,
        StopStatus::TooManyRequests => StatusCode::TooManyRequests,
        StopStatus::Unavailable => StatusCode::ServiceUnavailable,
    };
    let denied = DeniedHttpResponse {
        status: Some(HttpStatus { code: http.into() }),
        headers: answer.headers.into_iter().map(|(name, value)| header(name, value)).collect(),
        body: answer.body,
    };
    CheckResponse {
        status: Some(status(code)),
        dynamic_metadata: Some(metadata(Some(reason), identity.as_ref())),
        http_response: Some(HttpResponse::DeniedResponse(denied)),
    }
}

fn status(code: Code) -> rpc::Status {
    rpc::Status { code: code.into(), message: String::new(), details: Vec::new() }
}

/// A header in the place of every other of its name: of the client's in a request, of the service's in a response.
fn header(name: &str, value: String) -> HeaderValueOption {
    HeaderValueOption {
        header: Some(HeaderValue { key: name.to_owned(), value, raw_value: Vec::new() }),
        append_action: HeaderAppendAction::OverwriteIfExistsOrAdd.into(),
        ..HeaderValueOption::default()
    }
}

fn metadata(reason: Option<&str>, identity: Option<&Identity>) -> Struct {
    let text = |text: &str| Value { kind: Some(Kind::StringValue(text.to_owned())) };
    let known = identity.into_iter().flatten().filter_map(|(header, value)| {
        let name = header.strip_prefix(IDENTITY)?.replace('-', "_");
        Some((name, text(value.as_ref()?)))
    });
    let reason = reason.map(|reason| ("denial_reason".to_owned(), text(reason)));
    let fields: BTreeMap<String, Value> = known.filter(|(name, _)| name != "scopes").chain(reason).collect();
    Struct { fields }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::envoy::config::core::v3::HeaderMap;

    #[test]
    fn a_header_is_found_wherever_envoy_puts_it() {
        // X2
        let raw = |key: &str, value: &str, raw: &[u8]| HeaderValue {
            key: key.to_owned(),
            value: value.to_owned(),
            raw_value: raw.to_vec(),
        };
        let http = HttpRequest {
            headers: [("X-Api-Key".to_owned(), "a".to_owned())].into(),
            header_map: Some(HeaderMap {
                headers: vec![raw("x-api-key", "b", b""), raw("X-API-KEY", "", b"c"), raw("other", "d", b"")],
            }),
            ..HttpRequest::default()
        };
        let values: Vec<_> = http.values("x-api-key").filter(|value| !value.is_empty()).collect();
        assert_eq!(values, [b"a", b"b", b"c"]);
    }

    #[test]
    fn an_allow_has_a_status_and_names_what_must_go() {
        // H6 X1
        let some = |text: &str| Some(text.to_owned());
        let identity = [
            ("x-keyward-key-id", some("key_1")),
            ("x-keyward-workspace-id", some("ws_1")),
            ("x-keyward-owner", None),
            ("x-keyward-environment", some("live")),
            ("x-keyward-scopes", some("a:b")),
            ("x-keyward-plan", None),
        ];
        let told = vec![("x-ratelimit-limit", "7".to_owned()), ("x-ratelimit-latency", "0".to_owned())];
        let passed = Passed { identity, spent: vec!["x-api-key".to_owned()], told };
        let answer = answer(GatewayAnswer::Passed(passed));
        assert_eq!(answer.status.map(|status| status.code), Some(0));
        let Some(HttpResponse::OkResponse(ok)) = answer.http_response else { panic!("no allow") };
        assert_eq!(ok.headers_to_remove, ["x-api-key", "x-keyward-owner", "x-keyward-plan"]);
        assert_eq!(ok.headers.len(), 4);
        let client = ok.response_headers_to_add.into_iter().map(|told| told.header.unwrap().key);
        assert_eq!(client.collect::<Vec<_>>(), ["x-ratelimit-limit", "x-ratelimit-latency"]);
        let named: Vec<String> = answer.dynamic_metadata.unwrap().fields.into_keys().collect();
        assert_eq!(named, ["environment", "key_id", "workspace_id"]);
    }
}
