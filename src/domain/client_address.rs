//! How the address that a request came from is found, where gateways and balancers stand between: whose word is believed.
//!
//! Who may ask is another setting ([`TrustedPeers`](super::network::TrustedPeers)). Where the
//! address cannot be read, no other address takes its place: keys that are bound to networks are denied then (S8, H9).

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use ipnet::IpNet;

use super::{parse::ParseError, text::HeaderName};

/// The header to which each proxy adds the address that it saw, at the right.
pub const FORWARDED_FOR: &str = "x-forwarded-for";

/// Proxies of the longest way that can be named.
const MAX_HOPS: u8 = 32;

/// Whose word on the address of a client is believed.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum ClientAddress {
    /// The gateway's: what it says itself, and in `x-forwarded-for` what trusted peers say.
    #[default]
    OfTheGateway,
    /// That of the proxies of these networks: each wrote into `x-forwarded-for` the address that it saw. No proxy is a
    /// client: a gateway that cannot read what a proxy wrote may take the proxy for one.
    Proxies(TrustedProxies),
    /// That of so many proxies in front of the gateway: so many addresses at the right of `x-forwarded-for` are theirs.
    Hops(Hops),
    /// That of the proxy that writes one address into this header, over the value that its client sent.
    Header(HeaderName),
}

impl ClientAddress {
    /// The header in which the address stands.
    #[must_use]
    pub fn header(&self) -> &str {
        match self {
            Self::OfTheGateway | Self::Proxies(_) | Self::Hops(_) => FORWARDED_FOR,
            Self::Header(name) => name.as_str(),
        }
    }
}

/// Networks of proxies. The empty list believes none but the gateway itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrustedProxies(Box<[IpNet]>);

impl TrustedProxies {
    /// Believes proxies of these networks.
    ///
    /// # Errors
    /// One of them is everybody.
    pub fn new(networks: Vec<IpNet>) -> Result<Self, ParseError> {
        if networks.iter().any(|network| network.prefix_len() == 0) {
            return Err(ParseError::new("networks of proxies, not of everybody"));
        }
        Ok(Self(networks.into()))
    }

    /// Whether a proxy of this address is believed.
    #[must_use]
    pub fn hold(&self, address: IpAddr) -> bool {
        self.0.iter().any(|network| network.contains(&address.to_canonical()))
    }
}

/// A number of proxies in front of a gateway.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hops(u8);

impl Hops {
    /// Takes 0 to 32.
    ///
    /// # Errors
    /// Any other number.
    pub fn new(number: i64) -> Result<Self, ParseError> {
        let number = u8::try_from(number).ok().filter(|number| *number <= MAX_HOPS);
        number.map(Self).ok_or(ParseError::new("a number of proxies, 0 to 32"))
    }
}

/// Why an address is not known.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AddressUnknown {
    /// It is none.
    #[error("{0} is no address")]
    Unreadable(Excerpt),
    /// Every address is that of a proxy.
    #[error("every address is that of a proxy in `gateway.trusted_proxies`")]
    OnlyProxies,
    /// Fewer proxies wrote than stand in front of the gateway.
    #[error("`gateway.trusted_hops` is {hops}, and {found} addresses are there")]
    TooFew {
        /// How many are said to be.
        hops: u8,
        /// How many addresses are there.
        found: usize,
    },
}

/// The beginning of a text that a client may have written, quoted, and without a secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Excerpt(String);

impl Excerpt {
    fn of(text: &str) -> Self {
        let holds_secret = super::secret::holds_secret(text);
        Self(if holds_secret { "…".to_owned() } else { text.chars().take(64).collect() })
    }
}

impl std::fmt::Display for Excerpt {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{:?}", self.0)
    }
}

/// Reads one address, as proxies write it: alone, with a port, or an IPv6 address in brackets, with a port or without.
///
/// # Errors
/// Anything else: a name, a zone, a list.
pub fn parse_address(text: &str) -> Result<IpAddr, AddressUnknown> {
    let text = text.trim_matches([' ', '\t']);
    let bracketed = || text.strip_prefix('[')?.strip_suffix(']')?.parse::<Ipv6Addr>().ok().map(IpAddr::V6);
    let with_port =
        || text.parse::<SocketAddr>().ok().filter(|_| !text.contains('%')).map(|socket| socket.ip());
    let address = text.parse().ok().or_else(bracketed).or_else(with_port);
    address
        .map(|address: IpAddr| address.to_canonical())
        .ok_or_else(|| AddressUnknown::Unreadable(Excerpt::of(text)))
}

/// The rightmost address that is not a proxy's: a client can write any address to the left of it.
///
/// # Errors
/// What is written there is no address, or all are proxies'.
pub fn past_proxies(chain: &[&str], proxies: &TrustedProxies) -> Result<IpAddr, AddressUnknown> {
    let found = past(chain, |address| proxies.hold(address))?;
    if proxies.hold(found) { Err(AddressUnknown::OnlyProxies) } else { Ok(found) }
}

/// The address that is furthest to the right and not believed. Where all are, the first.
///
/// # Errors
/// What is written there is no address.
pub fn past(chain: &[&str], is_believed: impl Fn(IpAddr) -> bool) -> Result<IpAddr, AddressUnknown> {
    let mut found = Err(AddressUnknown::Unreadable(Excerpt::of("")));
    for text in chain.iter().rev() {
        let address = parse_address(text)?;
        found = Ok(address);
        if !is_believed(address) {
            break;
        }
    }
    found
}

/// The address that the first of so many proxies wrote.
///
/// # Errors
/// There are not so many, or it is no address.
pub fn past_hops(chain: &[&str], Hops(hops): Hops) -> Result<IpAddr, AddressUnknown> {
    let text = chain.iter().rev().nth(usize::from(hops));
    parse_address(text.ok_or(AddressUnknown::TooFew { hops, found: chain.len() })?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(found: Result<IpAddr, AddressUnknown>) -> Result<String, String> {
        found.map(|address| address.to_string()).map_err(|why| why.to_string())
    }

    #[test]
    fn an_address_is_read_as_proxies_write_it() {
        // H9
        for (written, address) in [
            ("192.0.2.1", "192.0.2.1"),
            (" 192.0.2.1\t", "192.0.2.1"),
            ("192.0.2.1:1234", "192.0.2.1"),
            ("2001:db8::1", "2001:db8::1"),
            ("[2001:db8::1]", "2001:db8::1"),
            ("[2001:db8::1]:443", "2001:db8::1"),
            ("::ffff:192.0.2.1", "192.0.2.1"),
            ("[::ffff:192.0.2.1]:80", "192.0.2.1"),
        ] {
            assert_eq!(text(parse_address(written)).as_deref(), Ok(address), "{written}");
        }
        for bad in [
            "",
            "unknown",
            "_hidden",
            "localhost",
            "192.0.2.1:",
            "192.0.2.1:x",
            "192.0.2.1:65536",
            "192.0.2",
            "192.0.2.01",
            "192.0.2.1/32",
            "[192.0.2.1]",
            "[2001:db8::1",
            "2001:db8::1]",
            "[2001:db8::1]443",
            "[2001:db8::1]:",
            "[]",
            "fe80::1%eth0",
            "[fe80::1%1]:80",
            "\"192.0.2.1\"",
            "for=192.0.2.1",
            "192.0.2.1 192.0.2.2",
            "192.0.2.1,192.0.2.2",
            "192.0.2.1\0",
            "\u{661}92.0.2.1",
        ] {
            assert!(parse_address(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_proxy_is_passed_over_and_nothing_to_the_left_of_a_client_is_read() {
        // H9, S8
        let proxies = TrustedProxies::new(vec!["10.0.0.0/8".parse().unwrap()]).unwrap();
        let found = |chain: &[&str]| text(past_proxies(chain, &proxies));
        for (chain, expected) in [
            (&["192.0.2.1"][..], "192.0.2.1"),
            (&["1.1.1.1", "192.0.2.1", "10.0.0.7"], "192.0.2.1"),
            (&["unknown", "192.0.2.1:80", "::ffff:10.0.0.7"], "192.0.2.1"),
        ] {
            assert_eq!(found(chain).as_deref(), Ok(expected), "{chain:?}");
        }
        let all = ["10.0.0.9", "[::ffff:10.0.0.7]:1"];
        assert!(found(&all).unwrap_err().contains("gateway.trusted_proxies"));
        assert_eq!(text(past(&all, |address| proxies.hold(address))).as_deref(), Ok("10.0.0.9"));
        for chain in [&[][..], &[""], &["192.0.2.1", "unknown"], &["192.0.2.1", "x", "10.0.0.7"]] {
            assert!(found(chain).is_err(), "{chain:?}");
        }
        assert!(TrustedProxies::new(vec!["::/0".parse().unwrap()]).is_err());
    }

    #[test]
    fn hops_are_counted_from_the_right() {
        // H9
        let chain = ["1.1.1.1", "192.0.2.1", "10.0.0.7"];
        let found = |hops| text(past_hops(&chain, Hops::new(hops).unwrap()));
        assert_eq!(found(0).as_deref(), Ok("10.0.0.7"));
        assert_eq!(found(1).as_deref(), Ok("192.0.2.1"));
        assert_eq!(found(3).unwrap_err(), "`gateway.trusted_hops` is 3, and 3 addresses are there");
        assert!(Hops::new(-1).is_err() && Hops::new(33).is_err() && Hops::new(32).is_ok());
    }

    #[test]
    fn a_complaint_quotes_little_and_no_secret() {
        // K2
        let key = "kw_live_0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefg418bBM";
        assert_eq!(parse_address(key).unwrap_err().to_string(), "\"…\" is no address");
        assert_eq!(parse_address("a\n\u{1b}").unwrap_err().to_string(), "\"a\\n\\u{1b}\" is no address");
        assert!(parse_address(&"x".repeat(9_000)).unwrap_err().to_string().len() < 100);
    }
}
