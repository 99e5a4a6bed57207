//! The networks that a key may be used from, and what counts as one source.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

use super::parse::ParseError;

/// Source networks (CIDR, RFC 4632 and RFC 4291). The empty list is no restriction, and is named so.
#[derive(Debug, Clone, PartialEq, Eq, Default, Hash)]
pub struct AllowedNetworks(Box<[IpNet]>);

impl AllowedNetworks {
    /// Takes at most 64 networks.
    ///
    /// # Errors
    /// More than 64 networks.
    pub fn new(mut networks: Vec<IpNet>) -> Result<Self, ParseError> {
        if networks.len() > 64 {
            return Err(ParseError::new("at most 64 networks"));
        }
        networks.sort();
        networks.dedup();
        Ok(Self(networks.into()))
    }

    /// Whether a request from `address` may use the key. An unknown address fits no restriction (S8).
    #[must_use]
    pub fn permit(&self, address: Option<IpAddr>) -> bool {
        let within = |address: IpAddr| self.0.iter().any(|network| network.contains(&address.to_canonical()));
        self.0.is_empty() || address.is_some_and(within)
    }

    /// Whether every address that `other` permits is permitted here too.
    #[must_use]
    pub fn cover(&self, other: &Self) -> bool {
        let within = |theirs: &IpNet| self.0.iter().any(|mine| mine.contains(theirs));
        self.0.is_empty() || !other.0.is_empty() && other.0.iter().all(within)
    }

    /// The networks, sorted.
    #[must_use]
    pub const fn as_slice(&self) -> &[IpNet] {
        &self.0
    }
}

/// The gateways whose word is believed: by the addresses that their connections come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrustedPeers(Box<[IpNet]>);

impl TrustedPeers {
    /// Trusts every peer that connects from these networks; without any network, no peer.
    ///
    /// # Errors
    /// One of them holds every address.
    pub fn new(networks: Vec<IpNet>) -> Result<Self, ParseError> {
        if networks.iter().any(|network| network.prefix_len() == 0) {
            return Err(ParseError::new("networks of gateways, not of everybody"));
        }
        Ok(Self(networks.into()))
    }

    /// Whether a peer of this address is trusted.
    #[must_use]
    pub fn holds(&self, address: IpAddr) -> bool {
        self.0.iter().any(|network| network.contains(&address.to_canonical()))
    }
}

impl Default for TrustedPeers {
    /// Loopback: every peer on this machine.
    fn default() -> Self {
        let v4 = Ipv4Net::new_assert(Ipv4Addr::new(127, 0, 0, 0), 8);
        let v6 = Ipv6Net::new_assert(Ipv6Addr::LOCALHOST, 128);
        Self(Box::new([v4.into(), v6.into()]))
    }
}

/// Reads one network.
///
/// # Errors
/// Anything but an address, `/` and a prefix length, with no bit set behind the prefix; IPv4 within IPv6.
pub fn parse_network(text: &str) -> Result<IpNet, ParseError> {
    const ALLOWED: ParseError = ParseError::new(
        "a network such as `10.0.0.0/8` or `2001:db8::/32`, with no bit set behind the prefix",
    );
    // std's parser of addresses is strict; ipnet's takes leading zeros, which others read as octal.
    let (address, length) = text.split_once('/').ok_or(ALLOWED)?;
    let address: IpAddr = address.parse().ok().ok_or(ALLOWED)?;
    let network = length.parse().ok().and_then(|length| IpNet::new(address, length).ok()).ok_or(ALLOWED)?;
    if network.prefix_len().to_string() != length {
        return Err(ALLOWED);
    }
    let canonical = network.addr().to_canonical() == network.addr();
    if network.trunc() == network && canonical { Ok(network) } else { Err(ALLOWED) }
}

/// Who counts as one where addresses are counted: an IPv4 address, however it is written, or an IPv6 network of 64 bits, which
/// is what one customer gets. `::1` stays what it is, so that it can be told to be this machine.
#[must_use]
pub fn source_of(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) if !v6.is_loopback() => {
            let [a, b, c, d, ..] = v6.segments();
            IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
        }
        one @ (IpAddr::V4(_) | IpAddr::V6(_)) => one,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_within_or_not() {
        // S8
        let networks = AllowedNetworks::new(vec![
            parse_network("10.0.0.0/8").unwrap(),
            parse_network("2001:db8::/32").unwrap(),
        ])
        .unwrap();
        let permit = |text: &str| networks.permit(Some(text.parse().unwrap()));
        assert!(permit("10.1.2.3"));
        assert!(permit("::ffff:10.1.2.3"));
        assert!(permit("2001:db8::1"));
        assert!(!permit("11.0.0.0"));
        assert!(!permit("2001:db9::1"));
        assert!(!networks.permit(None));
        assert!(AllowedNetworks::default().permit(None));
    }

    #[test]
    fn networks_cover_those_within_and_no_restriction_covers_all() {
        // S8, X9
        let networks = |texts: &[&str]| {
            AllowedNetworks::new(texts.iter().map(|text| parse_network(text).unwrap()).collect()).unwrap()
        };
        let (office, all) = (networks(&["10.0.0.0/8", "2001:db8::/32"]), networks(&[]));
        for within in [&["10.0.0.0/8"][..], &["10.1.0.0/16", "2001:db8:1::/48"]] {
            assert!(office.cover(&networks(within)) && all.cover(&networks(within)), "{within:?}");
        }
        for beyond in [&[][..], &["0.0.0.0/0"], &["10.1.0.0/16", "11.0.0.0/8"], &["::/0"], &["8.0.0.0/6"]] {
            assert!(!office.cover(&networks(beyond)), "{beyond:?}");
        }
        assert!(all.cover(&all) && office.cover(&office));
    }

    #[test]
    fn what_is_not_a_network_is_refused() {
        for bad in [
            "",
            "10.0.0.0",
            "10.0.0.1/8",
            "10.0.0.0/33",
            "::ffff:10.0.0.0/104",
            "a/8",
            "10.0.0.0/8 ",
            "010.0.0.0/8",
            "10.0.0.0/+8",
            "10.0.0.0/08",
        ] {
            assert!(parse_network(bad).is_err(), "{bad}");
        }
    }
}
