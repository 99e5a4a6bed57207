//! The request that a gateway tells of in `X-Forwarded-*` headers, which are believed only from peers that are configured.
//!
//! There is one dialect: what a gateway does not overwrite, its client could write.

use std::net::IpAddr;

use http::HeaderMap;

use crate::{
    domain::{gateway::Gateway, parse::ParseError},
    error::OperationError,
    gateway::{GatewayRequest, Unreadable, tells_origin},
    judge::question::Door,
};

const METHOD: &str = "x-forwarded-method";
const URI: &str = "x-forwarded-uri";
const HOST: &str = "x-forwarded-host";

/// A request that arrived at a gateway.
pub(super) struct Forwarded<'a> {
    method: &'a str,
    uri: &'a str,
    host: &'a str,
    /// Those that the client sent, as far as the gateway passes them on.
    headers: &'a HeaderMap,
}

impl<'a> Forwarded<'a> {
    /// Reads what `peer` says.
    ///
    /// # Errors
    /// It is not believed, or does not say what must be said.
    pub(super) fn read(headers: &'a HeaderMap, peer: IpAddr, settings: &Gateway) -> Result<Self, Unreadable> {
        if !settings.trusted_peers.holds(peer) {
            let why = ParseError::owned(format!("a list that holds {}, which asked", peer.to_canonical()));
            return Err(Unreadable::Setup(OperationError::invalid("gateway.trusted_peers", why)));
        }
        let request = Self {
            method: one(headers, METHOD)?.ok_or_else(|| missing(METHOD))?,
            uri: one(headers, URI)?.ok_or_else(|| missing(URI))?,
            host: one(headers, HOST)?.ok_or_else(|| missing(HOST))?,
            headers,
        };
        if tells_origin(settings, &request) {
            Ok(request)
        } else {
            Err(missing(settings.client_address().header()))
        }
    }
}

impl GatewayRequest for Forwarded<'_> {
    const DOOR: Door = Door::Verify;

    fn host(&self) -> &str {
        self.host
    }

    fn method(&self) -> &str {
        self.method
    }

    fn path(&self) -> &str {
        self.uri
    }

    fn values<'r>(&'r self, name: &'r str) -> impl Iterator<Item = &'r [u8]> {
        self.headers.get_all(name).iter().map(http::HeaderValue::as_bytes)
    }
}

/// The one value of a header that the gateway writes.
fn one<'a>(headers: &'a HeaderMap, name: &'static str) -> Result<Option<&'a str>, Unreadable> {
    let mut values = headers.get_all(name).iter();
    let Some(value) = values.next() else { return Ok(None) };
    if values.next().is_some() {
        return Err(missing(name));
    }
    // A client can put other bytes than ASCII into a path.
    value.to_str().map(Some).map_err(|_not_ascii| Unreadable::Malformed)
}

fn missing(name: &str) -> Unreadable {
    let why = ParseError::new("there, and written by the gateway over whatever its client sent");
    Unreadable::Setup(OperationError::invalid(name, why))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::client_address::FORWARDED_FOR;

    fn headers(lines: &[(&'static str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(*name, value.parse().unwrap());
        }
        headers
    }

    #[test]
    fn only_trusted_peers_are_believed_and_only_when_they_are_clear() {
        let settings = Gateway::default();
        let read = |headers: &HeaderMap, peer: &str| match Forwarded::read(
            headers,
            peer.parse().unwrap(),
            &settings,
        ) {
            Ok(request) => Ok(format!("{} {}{}", request.method, request.host, request.uri)),
            Err(Unreadable::Malformed) => Err("malformed".to_owned()),
            Err(Unreadable::Setup(error)) => Err(error.to_string()),
        };
        let whole = [(METHOD, "GET"), (URI, "/a?b"), (HOST, "example.com"), (FORWARDED_FOR, "192.0.2.1")];
        assert_eq!(read(&headers(&whole), "127.0.0.1").as_deref(), Ok("GET example.com/a?b"));
        assert_eq!(read(&headers(&whole), "::1").as_deref(), Ok("GET example.com/a?b"));
        assert!(read(&headers(&whole), "10.0.0.1").unwrap_err().contains("gateway.trusted_peers"));
        for name in [METHOD, URI, HOST, FORWARDED_FOR] {
            let lines: Vec<_> = whole.into_iter().filter(|(written, _)| *written != name).collect();
            assert!(read(&headers(&lines), "127.0.0.1").unwrap_err().contains(name), "{name}");
        }
        for name in [METHOD, URI, HOST] {
            let lines = [&whole[..], &[(name, "/b")]].concat();
            assert!(read(&headers(&lines), "127.0.0.1").unwrap_err().contains(name), "{name}");
        }
        let foreign = [(METHOD, "GET"), (URI, "/\u{e4}")];
        assert_eq!(read(&headers(&foreign), "127.0.0.1"), Err("malformed".to_owned()));
    }
}
