//! Envoy's questions and the answers to them.
//!
//! Invariant: no answer without a status, and none that is made from a default: Envoy would take it for an allow.

use std::{collections::BTreeMap, net::IpAddr};

use prost_types::{Struct, Value, value::Kind};
use tonic::Code;

use super::{
    check::{bounded, environment, resource},
    within, workspace_id,
};
use crate::{
    domain::{
        carried,
        decision::{Denial, MAX_SCOPES, Requirement},
        gateway::Gateway,
        parse::ParseError,
        scope::Scope,
    },
    http_answer::{Header, HttpAnswer, Identity, StopStatus},
    operations::error::OperationError,
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

/// The request that is asked about.
pub(in crate::grpc) fn request(asked: &CheckRequest) -> Option<(&AttributeContext, &HttpRequest)> {
    let attributes = asked.attributes.as_ref()?;
    Some((attributes, attributes.request.as_ref()?.http.as_ref()?))
}

/// The credential that a request carries.
pub(in crate::grpc) fn presented<'a>(http: &'a HttpRequest, gateway: &Gateway) -> Result<&'a str, Denial> {
    carried::credential(values(http, gateway.bearer_header()), values(http, gateway.key_header()))
}

/// The headers of a request that hold its credential.
pub(in crate::grpc) fn spent(http: &HttpRequest, gateway: &Gateway) -> Vec<String> {
    let bearer = values(http, gateway.bearer_header()).any(carried::is_bearer);
    let bearer = bearer.then(|| gateway.bearer_header().to_owned());
    bearer.into_iter().chain([gateway.key_header().to_owned()]).collect()
}

/// Every value of a header, in each of the places where Envoy may put it.
fn values<'a>(http: &'a HttpRequest, name: &str) -> impl Iterator<Item = &'a [u8]> {
    let texts = http.headers.iter().filter(move |(key, _)| key.eq_ignore_ascii_case(name));
    let raw = http.header_map.iter().flat_map(|map| &map.headers);
    let raw = raw.filter(move |header| header.key.eq_ignore_ascii_case(name));
    let raw = raw.flat_map(|header| [header.value.as_bytes(), header.raw_value.as_slice()]);
    texts.map(|(_, value)| value.as_bytes()).chain(raw)
}

/// What the gateway's settings for the route say that a request needs.
///
/// # Errors
/// A setting that is not known, or not what it takes.
pub(in crate::grpc) fn requirement(attributes: &AttributeContext) -> Result<Requirement<'_>, OperationError> {
    let mut requirement = Requirement { address: client(attributes), ..Requirement::default() };
    for (name, text) in &attributes.context_extensions {
        match name.as_str() {
            "scopes" => requirement.scopes = scopes(text)?,
            "resource" => requirement.resource = resource("context_extensions", text)?,
            "environment" => requirement.environment = environment("context_extensions", text)?,
            "workspace_id" => requirement.workspace = workspace_id("context_extensions.workspace_id", text)?,
            "cost" => requirement.cost = Some(cost(text)?),
            _ => {
                let known = ParseError::new("`scopes`, `resource`, `cost`, `environment` or `workspace_id`");
                let name: String = name.chars().take(64).collect();
                return Err(OperationError::invalid(format!("context_extensions[{name:?}]"), known));
            }
        }
    }
    Ok(requirement)
}

fn scopes(text: &str) -> Result<Vec<Scope<'_>>, OperationError> {
    let each = text.split(' ').filter(|scope| !scope.is_empty()).map(Scope::parse);
    let scopes: Result<Vec<_>, _> = each.take(MAX_SCOPES.saturating_add(1)).collect();
    let scopes = within("context_extensions.scopes", scopes)?;
    if scopes.len() > MAX_SCOPES {
        return Err(OperationError::invalid(
            "context_extensions.scopes",
            ParseError::new("at most 64 scopes"),
        ));
    }
    Ok(scopes)
}

fn cost(text: &str) -> Result<u64, OperationError> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let number = text.parse().ok().filter(|_| digits).ok_or(ParseError::new("a number of digits only"));
    within("context_extensions.cost", number.and_then(bounded))
}

/// Where the gateway says that the request came from.
fn client(attributes: &AttributeContext) -> Option<IpAddr> {
    match attributes.source.as_ref()?.address.as_ref()?.address.as_ref()? {
        Address::SocketAddress(socket) => {
            let address: IpAddr = socket.address.parse().ok()?;
            Some(address.to_canonical())
        }
        Address::Pipe(_) | Address::EnvoyInternalAddress(_) => None,
    }
}

/// Lets a request through, with the identity of its holder and without `spent`. The client is told `told`.
pub(in crate::grpc) fn allowed(identity: Identity, spent: Vec<String>, told: Vec<Header>) -> CheckResponse {
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

/// Adds a header to what the client gets, whatever the answer is.
pub(in crate::grpc) fn tell_client(answer: &mut CheckResponse, (name, value): Header) {
    match &mut answer.http_response {
        Some(HttpResponse::OkResponse(ok)) => ok.response_headers_to_add.push(header(name, value)),
        Some(HttpResponse::DeniedResponse(denied)) => denied.headers.push(header(name, value)),
        // Nothing here makes one.
        Some(HttpResponse::ErrorResponse(_)) | None => {}
    }
}

/// Lets nothing through. The exact reason, and whose key it was, are for the operator's log.
pub(in crate::grpc) fn stopped(
    answer: HttpAnswer,
    reason: &str,
    identity: Option<&Identity>,
) -> CheckResponse {
    let (code, http) = match answer.status {
        StopStatus::BadRequest => (Code::InvalidArgument, StatusCode::BadRequest),
        StopStatus::Unauthorized => (Code::Unauthenticated, StatusCode::Unauthorized),
        StopStatus::Forbidden => (Code::PermissionDenied, StatusCode::Forbidden),
        StopStatus::TooManyRequests => (Code::ResourceExhausted, StatusCode::TooManyRequests),
        StopStatus::Unavailable => (Code::Unavailable, StatusCode::ServiceUnavailable),
    };
    let denied = DeniedHttpResponse {
        status: Some(HttpStatus { code: http.into() }),
        headers: answer.headers.into_iter().map(|(name, value)| header(name, value)).collect(),
        body: answer.body,
    };
    CheckResponse {
        status: Some(status(code)),
        dynamic_metadata: Some(metadata(Some(reason), identity)),
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
    use crate::domain::text::{HeaderName, Realm};

    fn with_headers(headers: &[(&str, &str)]) -> HttpRequest {
        let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        HttpRequest { headers: headers.collect(), ..HttpRequest::default() }
    }

    #[test]
    fn a_spent_credential_is_removed_wherever_it_stands_and_nothing_else() {
        // H6
        let gateway = Gateway::default();
        for (headers, removed) in [
            (&[("Authorization", "bearer k")][..], &["authorization", "x-api-key"][..]),
            (&[("x-api-key", "k")], &["x-api-key"]),
            (&[("authorization", "Basic dTpw"), ("x-api-key", "k")], &["x-api-key"]),
            (&[("authorization", "Bearer k"), ("x-api-key", "k")], &["authorization", "x-api-key"]),
        ] {
            assert_eq!(spent(&with_headers(headers), &gateway), removed, "{headers:?}");
        }
    }

    #[test]
    fn the_headers_of_a_credential_are_the_operators_choice() {
        // H1
        let name = |text| HeaderName::parse(text).unwrap();
        let gateway =
            Gateway::new(name("x-forwarded-authorization"), name("api-key"), true, Realm::default()).unwrap();
        let http = with_headers(&[("X-Forwarded-Authorization", "Bearer k"), ("authorization", "Bearer o")]);
        assert_eq!(presented(&http, &gateway), Ok("k"));
        assert_eq!(
            presented(&with_headers(&[("x-api-key", "k")]), &gateway),
            Err(Denial::CredentialsMissing)
        );
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
        let told = vec![("x-ratelimit-limit", "7".to_owned())];
        let mut answer = allowed(identity, vec!["x-api-key".to_owned()], told);
        tell_client(&mut answer, ("x-ratelimit-latency", "0".to_owned()));
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
