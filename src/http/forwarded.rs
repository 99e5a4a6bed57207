//! The request that a gateway tells of in `X-Forwarded-*` headers, which are believed only from peers that are configured.
//!
//! There is one dialect: what a gateway does not overwrite, its client could write.

use std::net::IpAddr;

use http::HeaderMap;

use crate::{
    domain::{network::TrustedPeers, parse::ParseError},
    gateway::{GatewayRequest, Unreadable},
    operations::error::OperationError,
};

const METHOD: &str = "x-forwarded-method";
const URI: &str = "x-forwarded-uri";
const HOST: &str = "x-forwarded-host";
const FOR: &str = "x-forwarded-for";

/// A request that arrived at a gateway.
pub(super) struct Forwarded<'a> {
    method: &'a str,
    uri: &'a str,
    host: &'a str,
    /// Those that the client sent, as far as the gateway passes them on.
    headers: &'a HeaderMap,
    /// Where it came from, as far as that is known.
    pub(super) address: Option<IpAddr>,
}

impl<'a> Forwarded<'a> {
    /// Reads what `peer` says.
    ///
    /// # Errors
    /// It is not believed, or does not say what must be said.
    pub(super) fn read(
        headers: &'a HeaderMap,
        peer: IpAddr,
        trusted: &TrustedPeers,
    ) -> Result<Self, Unreadable> {
        if !trusted.holds(peer) {
            let why = ParseError::owned(format!("a list that holds {}, which asked", peer.to_canonical()));
            return Err(Unreadable::Setup(OperationError::invalid("gateway.trusted_peers", why)));
        }
        Ok(Self {
            method: one(headers, METHOD)?.ok_or_else(|| missing(METHOD))?,
            uri: one(headers, URI)?.ok_or_else(|| missing(URI))?,
            host: one(headers, HOST)?.ok_or_else(|| missing(HOST))?,
            headers,
            address: address(headers, trusted)?,
        })
    }
}

impl GatewayRequest for Forwarded<'_> {
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

fn missing(name: &'static str) -> Unreadable {
    let why = ParseError::new("there, and written by the gateway over whatever its client sent");
    Unreadable::Setup(OperationError::invalid(name, why))
}

/// The address that is furthest to the right and no trusted peer's: those to the left of it, anybody can write. Where all
/// are trusted peers', the first. `None` where what is written there is no address.
fn address(headers: &HeaderMap, trusted: &TrustedPeers) -> Result<Option<IpAddr>, Unreadable> {
    if !headers.contains_key(FOR) {
        return Err(missing(FOR));
    }
    let lines = headers.get_all(FOR).iter().map(|line| line.to_str().unwrap_or_default());
    let texts: Vec<&str> = lines.flat_map(|line| line.split(',')).collect();
    let mut found = None;
    for text in texts.into_iter().rev() {
        let Ok(address) = text.trim_matches([' ', '\t']).parse::<IpAddr>() else { return Ok(None) };
        found = Some(address.to_canonical());
        if !trusted.holds(address) {
            break;
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(lines: &[(&'static str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(*name, value.parse().unwrap());
        }
        headers
    }

    #[test]
    fn the_address_is_the_last_that_a_trusted_peer_wrote() {
        // S8
        let trusted = TrustedPeers::new(vec!["10.0.0.0/8".parse().unwrap()]).unwrap();
        let found = |lines: &[&str]| {
            let lines: Vec<_> = lines.iter().map(|line| (FOR, *line)).collect();
            address(&headers(&lines), &trusted).ok().flatten().map(|address| address.to_string())
        };
        for (lines, expected) in [
            (&[][..], None),
            (&["192.0.2.1"], Some("192.0.2.1")),
            (&["1.1.1.1, 192.0.2.1"], Some("192.0.2.1")),
            (&["1.1.1.1, 192.0.2.1, 10.0.0.7"], Some("192.0.2.1")),
            (&["1.1.1.1", "192.0.2.1,10.0.0.7"], Some("192.0.2.1")),
            (&["10.0.0.9, 10.0.0.7"], Some("10.0.0.9")),
            (&["::ffff:192.0.2.1"], Some("192.0.2.1")),
            (&["2001:db8::1"], Some("2001:db8::1")),
            (&["192.0.2.1, unknown"], None),
            (&["unknown, 192.0.2.1"], Some("192.0.2.1")),
            (&["192.0.2.1:80"], None),
            (&[""], None),
        ] {
            assert_eq!(found(lines).as_deref(), expected, "{lines:?}");
        }
    }

    #[test]
    fn only_trusted_peers_are_believed_and_only_when_they_are_clear() {
        let trusted = TrustedPeers::default();
        let read =
            |headers: &HeaderMap, peer: &str| match Forwarded::read(headers, peer.parse().unwrap(), &trusted)
            {
                Ok(request) => Ok(format!("{} {}{}", request.method, request.host, request.uri)),
                Err(Unreadable::Malformed) => Err("malformed".to_owned()),
                Err(Unreadable::Setup(error)) => Err(error.to_string()),
            };
        let whole = [(METHOD, "GET"), (URI, "/a?b"), (HOST, "example.com"), (FOR, "192.0.2.1")];
        assert_eq!(read(&headers(&whole), "127.0.0.1").as_deref(), Ok("GET example.com/a?b"));
        assert_eq!(read(&headers(&whole), "::1").as_deref(), Ok("GET example.com/a?b"));
        assert!(read(&headers(&whole), "10.0.0.1").unwrap_err().contains("gateway.trusted_peers"));
        for name in [METHOD, URI, HOST, FOR] {
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
