//! Two Keywards that are the same: same keys, same counts, same time. One is asked in one way and the other in another, and
//! what they answer must be the same to the byte.

use std::{collections::BTreeMap, time::Duration};

use keyward::{
    domain::policy::{LimitEntry, Policy},
    wire::{
        envoy::{
            config::core::v3::{Address, HeaderMap, HeaderValue, HeaderValueOption, SocketAddress, address},
            service::auth::v3::{
                AttributeContext, CheckRequest,
                attribute_context::{self, HttpRequest},
                authorization_client::AuthorizationClient,
                check_response::HttpResponse,
            },
        },
        v1,
    },
};

use crate::{
    client::{Headers, Reply, ask},
    support::{Issued, Keyward},
};

/// How often a question is asked again whose charge could not be written in time: nothing was charged then.
const RETRIES: usize = 100;

/// The same policy, whose default tier has these limits of the calendar alone: units, and of which window.
pub(crate) fn limited(policy: &Policy, limits: &[(u64, &str)]) -> Policy {
    let mut document = policy.document().clone();
    let calendar = |(limit, window): &(u64, &str)| LimitEntry {
        name: (*window).to_owned(),
        limit: *limit,
        calendar: Some((*window).to_owned()),
        ..LimitEntry::default()
    };
    document.tiers[0].limits = limits.iter().map(calendar).collect();
    document.plans.iter_mut().for_each(|plan| plan.limits.clear());
    Policy::new(document).unwrap()
}

/// A request that arrived at a gateway, and what the gateway's settings say of it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Asked<'a> {
    pub(crate) method: &'a str,
    pub(crate) path: &'a str,
    pub(crate) host: &'a str,
    pub(crate) headers: Headers<'a>,
    pub(crate) settings: Headers<'a>,
    pub(crate) from: &'a str,
}

impl Default for Asked<'_> {
    /// `GET https://api.example.com/v1/messages`, for which `messaging:send` is needed.
    fn default() -> Self {
        Self {
            method: "GET",
            path: "/v1/messages",
            host: "api.example.com",
            headers: &[],
            settings: &[("scopes", "messaging:send")],
            from: "203.0.113.7",
        }
    }
}

impl Asked<'_> {
    /// `/verify` with the settings.
    pub(crate) fn target(&self) -> String {
        let mut query = form_urlencoded::Serializer::new(String::new());
        query.extend_pairs(self.settings);
        format!("/verify?{}", query.finish())
    }

    /// The request's headers, and those by which a gateway tells of it.
    pub(crate) fn forwarded(&self) -> Vec<(&str, &str)> {
        let mut all = self.headers.to_vec();
        all.extend([
            ("x-forwarded-method", self.method),
            ("x-forwarded-uri", self.path),
            ("x-forwarded-host", self.host),
            ("x-forwarded-for", self.from),
        ]);
        all
    }

    fn to_envoy(self) -> CheckRequest {
        let raw = |(name, value): &(&str, &str)| HeaderValue {
            key: (*name).to_owned(),
            value: String::new(),
            raw_value: value.as_bytes().to_vec(),
        };
        let settings = self.settings.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned()));
        let socket = SocketAddress { address: self.from.to_owned(), ..SocketAddress::default() };
        let http = HttpRequest {
            method: self.method.to_owned(),
            path: self.path.to_owned(),
            host: self.host.to_owned(),
            header_map: Some(HeaderMap { headers: self.headers.iter().map(raw).collect() }),
            ..HttpRequest::default()
        };
        CheckRequest {
            attributes: Some(AttributeContext {
                source: Some(attribute_context::Peer {
                    address: Some(Address { address: Some(address::Address::SocketAddress(socket)) }),
                    ..attribute_context::Peer::default()
                }),
                request: Some(attribute_context::Request { time: None, http: Some(http) }),
                context_extensions: settings.collect(),
                ..AttributeContext::default()
            }),
        }
    }
}

/// Asks as a gateway does that speaks HTTP.
pub(crate) async fn ask_verify(keyward: &Keyward, asked: Asked<'_>) -> Reply {
    ask(keyward, "GET", &asked.target(), &asked.forwarded(), "").await
}

/// Asks as Envoy does; what it is told for the service and for the client stands together, as in an answer of HTTP.
pub(crate) async fn ask_envoy(keyward: &Keyward, asked: Asked<'_>) -> Reply {
    let mut client = AuthorizationClient::new(keyward.new_channel().await);
    let answer = client.check(asked.to_envoy()).await.unwrap().into_inner();
    let (status, options, body) = match answer.http_response.unwrap() {
        HttpResponse::OkResponse(ok) => {
            (200, [ok.headers, ok.response_headers_to_add].concat(), String::new())
        }
        HttpResponse::DeniedResponse(denied) => (denied.status.unwrap().code, denied.headers, denied.body),
        HttpResponse::ErrorResponse(_) => panic!("an error is what Envoy may let through"),
    };
    let mut headers = BTreeMap::new();
    for HeaderValueOption { header, .. } in options {
        let header = header.unwrap();
        assert_eq!(headers.insert(header.key, header.value), None, "twice");
    }
    Reply { status: status.try_into().unwrap(), headers, body }.without_request_id()
}

/// Twins: whatever is done to one is done to the other.
pub(crate) struct Twins {
    pub(crate) one: Keyward,
    pub(crate) other: Keyward,
}

impl Twins {
    pub(crate) async fn start(policy: Policy) -> Self {
        let same = Policy::new(policy.document().clone()).unwrap();
        let (one, other) = (Keyward::start_with(true, policy), Keyward::start_with(true, same));
        Self { one: Box::pin(one).await, other: Box::pin(other).await }
    }

    pub(crate) async fn issue(&self, request: v1::IssueRequest) -> Issued {
        let issued = self.one.issue(request.clone()).await;
        assert_eq!(self.other.issue(request).await.api_key, issued.api_key, "they draw the same numbers");
        issued
    }

    pub(crate) async fn rotate(&self, id: &str, grace: Option<Duration>) -> Issued {
        let rotated = self.one.rotate(id, grace).await;
        assert_eq!(self.other.rotate(id, grace).await.api_key, rotated.api_key);
        rotated
    }

    pub(crate) async fn revoke(&self, id: &str) {
        self.one.revoke(id).await;
        self.other.revoke(id).await;
    }

    pub(crate) async fn disable(&self, id: &str) {
        self.one.disable(id).await;
        self.other.disable(id).await;
    }

    pub(crate) fn advance(&self, by: Duration) {
        self.one.clock.advance(by);
        self.other.clock.advance(by);
    }

    /// What both answer to a gateway: one is asked as Envoy asks, the other by `/verify`.
    pub(crate) async fn ask(&self, asked: Asked<'_>, status: u16) -> Reply {
        let mut by_envoy = ask_envoy(&self.one, asked).await;
        let mut by_http = ask_verify(&self.other, asked).await;
        for _retry in 0..RETRIES {
            if by_envoy.status == 503 && status != 503 {
                by_envoy = ask_envoy(&self.one, asked).await;
            }
            if by_http.status == 503 && status != 503 {
                by_http = ask_verify(&self.other, asked).await;
            }
        }
        assert_eq!(by_http, by_envoy, "{asked:?}");
        assert_eq!(by_http.status, status, "{asked:?}: {by_http:?}");
        by_http
    }
}
