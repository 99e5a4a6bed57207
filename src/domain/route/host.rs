//! Hosts, as a route names them and a request brings them.

use std::{cmp::Ordering, net::Ipv6Addr};

use super::path::NotCanonical;
use crate::domain::parse::ParseError;

/// The host that a route is for: a name or an IPv4 address, without a port.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HostName(Box<str>);

impl HostName {
    /// Takes a host name in lower case.
    ///
    /// # Errors
    /// An empty or over-long name or label, a port, upper case, other characters, a dot at either end.
    pub fn parse(text: &str) -> Result<Self, ParseError> {
        if is_host_name(text) && !text.bytes().any(|byte| byte.is_ascii_uppercase()) {
            Ok(Self(text.into()))
        } else {
            Err(ParseError::new(
                "a host name in lower case without a port: labels of 1 to 63 characters of a-z 0-9 - _ divided by `.`, no `-` at the end of any, at most 253 characters in all",
            ))
        }
    }

    /// The host as it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Where this stands to the host of a request, whose case means nothing (RFC 9110 §4.2.3).
    pub(super) fn compare(&self, host: RequestHost<'_>) -> Ordering {
        self.0.bytes().cmp(host.0.bytes().map(|byte| byte.to_ascii_lowercase()))
    }
}

/// The host of a request, its port cut off. An IPv6 address stays in its brackets, where it equals no host of a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct RequestHost<'a>(&'a str);

impl<'a> RequestHost<'a> {
    /// Takes the `host` of a request, or its `:authority`. A user, a dot at the end and an empty port are refused:
    /// each would be the name of a host that is written in another way.
    pub(super) fn parse(authority: &'a str) -> Result<Self, NotCanonical> {
        let (host, port) = match authority.rsplit_once(':') {
            Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
            _ => (authority, None),
        };
        if port.is_none_or(is_port) && (is_host_name(host) || is_bracketed(host)) {
            Ok(Self(host))
        } else {
            Err(NotCanonical)
        }
    }
}

fn is_host_name(text: &str) -> bool {
    text.len() <= 253
        && text.split('.').all(|label| {
            (1..=63).contains(&label.len())
                && !label.starts_with('-')
                && !label.ends_with('-')
                && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
        })
}

fn is_bracketed(text: &str) -> bool {
    text.strip_prefix('[')
        .and_then(|inner| inner.strip_suffix(']'))
        .is_some_and(|inner| inner.parse::<Ipv6Addr>().is_ok())
}

fn is_port(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit()) && text.len() <= 5 && text.parse::<u16>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_of_a_route_is_an_exact_name() {
        for good in ["a", "api.example.com", "xn--bcher-kva.example", "10.0.0.1", "my_service", "a-b.c"] {
            assert_eq!(HostName::parse(good).unwrap().as_str(), good);
        }
        let (label, name) = ("x".repeat(64), "x.".repeat(127) + "x");
        for bad in [
            "", ".", "A.b", "a.", ".a", "a..b", "a:80", "-a", "a-", "a b", "*.a", "a/b", "[::1]", "ä", "a\0",
            &label, &name,
        ] {
            assert!(HostName::parse(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_host_of_a_request_is_compared_without_its_port_and_case() {
        let route = HostName::parse("api.example.com").unwrap();
        for same in ["api.example.com", "API.Example.com", "api.example.com:80", "api.example.com:65535"] {
            assert!(route.compare(RequestHost::parse(same).unwrap()).is_eq(), "{same}");
        }
        for other in ["api.example.co", "api.example.comx", "example.com:80", "[::1]", "[::1]:80", "10.0.0.1"]
        {
            assert!(route.compare(RequestHost::parse(other).unwrap()).is_ne(), "{other}");
        }
    }

    #[test]
    fn a_malformed_host_of_a_request_is_refused() {
        for bad in [
            "",
            ":80",
            "a:",
            "a:+80",
            "a:65536",
            "a:000080",
            "a:x",
            "a:80:80",
            "a.",
            "a..b",
            "u@a",
            "a/b",
            "a b",
            "a,b",
            "a#",
            "a?",
            "a%2e",
            "ä",
            "a\0",
            "::1",
            "[::1",
            "[]",
            "[::1]x",
            "[::1]:",
            "[fe80::1%25eth0]",
            "[a]",
            "]",
        ] {
            assert_eq!(RequestHost::parse(bad), Err(NotCanonical), "{bad:?}");
        }
    }
}
