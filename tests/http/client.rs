//! Clients of plain HTTP: each answer is held against the description before a test sees it.

use std::{collections::BTreeMap, net::SocketAddr};

use bytes::Bytes;
use tokio::{net::TcpStream, time::timeout};

use crate::{
    description,
    exchange::{self, Connection, REQUEST_ID, exchange, without_request_id},
    process::PATIENCE,
    support::Keyward,
};

pub(crate) type Headers<'a> = &'a [(&'a str, &'a str)];

/// What HTTP itself adds.
const OF_THE_PROTOCOL: [&str; 3] = ["connection", "content-length", "date"];

/// An answer, without what HTTP itself adds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) body: String,
}

impl Reply {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }

    #[track_caller]
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap_or_else(|_| panic!("no JSON: {self:?}"))
    }

    /// The code of an error; empty where there is none.
    pub(crate) fn code(&self) -> String {
        if self.status == 200 {
            return String::new();
        }
        self.json()["error"]["code"].as_str().unwrap_or_default().to_owned()
    }
}

impl From<exchange::Reply> for Reply {
    fn from(reply: exchange::Reply) -> Self {
        let mut headers = BTreeMap::new();
        for (name, value) in reply.whole.headers {
            if !OF_THE_PROTOCOL.contains(&name.as_str()) {
                assert_eq!(headers.insert(name, value), None, "twice");
            }
        }
        Self { status: reply.status, headers, body: String::from_utf8(reply.whole.body).unwrap() }
    }
}

impl Reply {
    /// The same without the id of the request, which is another one each time.
    pub(crate) fn without_request_id(mut self) -> Self {
        let id = self.headers.remove(REQUEST_ID);
        self.body = without_request_id(&self.body, id.as_deref());
        for name in ["x-keyward-body", "grpc-message"] {
            if let Some(body) = self.headers.get_mut(name) {
                *body = without_request_id(body, id.as_deref());
            }
        }
        self
    }
}

/// Asks over HTTP/1.1, on a connection of its own: an answer without the id of its request.
pub(crate) async fn ask(
    keyward: &Keyward,
    method: &str,
    target: &str,
    headers: Headers<'_>,
    body: &str,
) -> Reply {
    ask_for_all(keyward, method, target, headers, body).await.without_request_id()
}

/// The same, with everything that the answer has.
pub(crate) async fn ask_for_all(
    keyward: &Keyward,
    method: &str,
    target: &str,
    headers: Headers<'_>,
    body: &str,
) -> Reply {
    let bytes = exchange::request(method, target, headers, body);
    let reply = exchange(keyward.service.http_address(), &bytes).await.into();
    description::assert_described(method, target, &reply);
    reply
}

/// The same on a connection that is kept.
pub(crate) async fn ask_on(
    connection: &mut Connection,
    method: &str,
    target: &str,
    headers: Headers<'_>,
) -> Reply {
    let bytes = exchange::request(method, target, headers, "");
    let reply = timeout(PATIENCE, connection.ask(&bytes)).await.unwrap().unwrap();
    let reply = Reply::from(reply.expect("an answer"));
    description::assert_described(method, target, &reply);
    reply.without_request_id()
}

/// Asks over HTTP/2, on a connection of its own.
pub(crate) async fn ask_h2(
    address: SocketAddr,
    method: &str,
    target: &str,
    headers: Headers<'_>,
    body: &str,
) -> Reply {
    let socket = TcpStream::connect(address).await.unwrap();
    let (mut send, connection) = h2::client::handshake(socket).await.unwrap();
    tokio::spawn(connection);
    let mut request = http::Request::builder().method(method).uri(format!("http://localhost{target}"));
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let (response, mut stream) = send.send_request(request.body(()).unwrap(), body.is_empty()).unwrap();
    if !body.is_empty() {
        // What is too long is answered before it was all sent.
        drop(stream.send_data(Bytes::copy_from_slice(body.as_bytes()), true));
    }
    let (head, mut body) = timeout(PATIENCE, response).await.unwrap().unwrap().into_parts();
    let mut bytes = Vec::new();
    while let Some(data) = body.data().await {
        let data = data.unwrap();
        body.flow_control().release_capacity(data.len()).unwrap();
        bytes.extend_from_slice(&data);
    }
    let mut known = BTreeMap::new();
    for (name, value) in &head.headers {
        if !OF_THE_PROTOCOL.contains(&name.as_str()) {
            assert_eq!(known.insert(name.to_string(), value.to_str().unwrap().to_owned()), None, "twice");
        }
    }
    let status = head.status.as_u16();
    let reply = Reply { status, headers: known, body: String::from_utf8(bytes).unwrap() };
    description::assert_described(method, target, &reply);
    reply.without_request_id()
}
