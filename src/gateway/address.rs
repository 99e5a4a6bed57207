//! Where a request came from, as far as a trusted source says so (S8, H9).

use std::{borrow::Cow, net::IpAddr};

use super::request::GatewayRequest;
use crate::domain::{
    client_address::{
        AddressUnknown, ClientAddress, FORWARDED_FOR, parse_address, past, past_hops, past_proxies,
    },
    gateway::Gateway,
};

/// Where an Envoy tells the address that it believes.
const BELIEVED_BY_ENVOY: &str = "metadata_context: keyward.client_address";

/// What is known of where a request came from, beside its headers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RequestOrigin<'a> {
    /// Nothing: the gateway has written `x-forwarded-for`, with the address that it saw at the right.
    Forwarded,
    /// What Envoy tells in words of its own.
    Envoy {
        /// The other end of its connection; `None` if that is no address.
        peer: Option<IpAddr>,
        /// The address that it believes, if its configuration tells that.
        believed: Option<&'a str>,
    },
}

/// Why it is not known where a request came from.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum OriginUnknown {
    /// What is written there tells no address.
    #[error("`{place}`: {why}")]
    Untold { place: String, why: AddressUnknown },
    /// The header is not there, though the gateway should have written it.
    #[error("`{0}` is not there once: the gateway writes it, and passes it on to Keyward")]
    NotThere(String),
    /// Envoy has not added what it saw.
    #[error("`x-forwarded-for` does not end with the address that Envoy saw: `use_remote_address` adds it")]
    NotAdded,
}

/// The address of a request; none where Envoy knows of no address at all.
///
/// # Errors
/// It cannot be read, or the peer that says it is not believed.
pub(super) fn origin(
    settings: &Gateway,
    request: &impl GatewayRequest,
    known: RequestOrigin<'_>,
) -> Result<Option<IpAddr>, OriginUnknown> {
    let rule = settings.client_address();
    let lines = if is_heard(known, rule) { lines(request, rule.header()) } else { Vec::new() };
    let chain: Vec<&str> = lines.iter().flat_map(|line| line.split(',')).collect();
    let found = match (known, rule) {
        (_, ClientAddress::Header(name)) => match lines.as_slice() {
            [one] => parse_address(one),
            _ => return Err(OriginUnknown::NotThere(name.as_str().to_owned())),
        },
        (RequestOrigin::Forwarded, ClientAddress::OfTheGateway) => {
            past(&chain, |address| settings.trusted_peers.holds(address))
        }
        (RequestOrigin::Forwarded, ClientAddress::Proxies(proxies)) => past_proxies(&chain, proxies),
        (RequestOrigin::Forwarded, ClientAddress::Hops(hops)) => past_hops(&chain, *hops),
        (RequestOrigin::Envoy { peer, believed }, ClientAddress::OfTheGateway) => {
            return of_envoy(peer, believed);
        }
        (RequestOrigin::Envoy { peer, .. }, ClientAddress::Proxies(proxies)) => match peer {
            Some(peer) if proxies.hold(peer) && chain.is_empty() => {
                return Err(OriginUnknown::NotThere(FORWARDED_FOR.to_owned()));
            }
            Some(peer) if proxies.hold(peer) => past_proxies(&chain, proxies),
            Some(_) | None => return Ok(peer),
        },
        (RequestOrigin::Envoy { peer, .. }, ClientAddress::Hops(hops)) => {
            let added = chain.last().and_then(|text| parse_address(text).ok());
            if peer.is_none() || added != peer {
                return Err(OriginUnknown::NotAdded);
            }
            past_hops(&chain, *hops)
        }
    };
    found.map(Some).map_err(|why| OriginUnknown::Untold { place: rule.header().to_owned(), why })
}

/// Whether the header counts: an Envoy whose own word is believed tells the address beside it, and so most requests do.
const fn is_heard(known: RequestOrigin<'_>, rule: &ClientAddress) -> bool {
    !matches!((known, rule), (RequestOrigin::Envoy { .. }, ClientAddress::OfTheGateway))
}

/// The values of a header that say something.
fn lines<'r>(request: &'r impl GatewayRequest, header: &'r str) -> Vec<Cow<'r, str>> {
    request.values(header).filter(|line| !line.is_empty()).map(String::from_utf8_lossy).collect()
}

/// What Envoy says: the address that it believes, or else that of its connection.
fn of_envoy(peer: Option<IpAddr>, believed: Option<&str>) -> Result<Option<IpAddr>, OriginUnknown> {
    let Some(text) = believed else { return Ok(peer) };
    let untold = |why| OriginUnknown::Untold { place: BELIEVED_BY_ENVOY.to_owned(), why };
    parse_address(text).map(Some).map_err(untold)
}

/// Whether the header is there in which the gateway should have written the address.
#[must_use]
pub fn tells_origin(settings: &Gateway, request: &impl GatewayRequest) -> bool {
    let lines = request.values(settings.client_address().header()).count();
    match settings.client_address() {
        ClientAddress::OfTheGateway | ClientAddress::Proxies(_) | ClientAddress::Hops(_) => lines > 0,
        ClientAddress::Header(_) => lines == 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{
        client_address::{Hops, TrustedProxies},
        text::HeaderName,
    };
    use crate::gateway::tests::WithHeaders;

    fn found(
        rule: &ClientAddress,
        lines: &[(&'static str, &'static str)],
        known: RequestOrigin<'_>,
    ) -> String {
        let settings = Gateway::default().believing(rule.clone()).unwrap();
        match origin(&settings, &WithHeaders(lines), known) {
            Ok(address) => address.map_or_else(|| "nobody".to_owned(), |address| address.to_string()),
            Err(why) => format!("error: {why}"),
        }
    }

    const CHAIN: (&str, &str) = (FORWARDED_FOR, "1.1.1.1, 192.0.2.1, 10.0.0.7");
    const FORGED: (&str, &str) = ("x-seen-from", "1.1.1.1");

    fn rules() -> [ClientAddress; 4] {
        let proxies = TrustedProxies::new(vec!["10.0.0.0/8".parse().unwrap()]).unwrap();
        [
            ClientAddress::OfTheGateway,
            ClientAddress::Proxies(proxies),
            ClientAddress::Hops(Hops::new(1).unwrap()),
            ClientAddress::Header(HeaderName::parse("x-seen-from").unwrap()),
        ]
    }

    #[test]
    fn each_setting_believes_its_own_over_http() {
        // H9
        let all = rules().map(|rule| found(&rule, &[CHAIN, FORGED], RequestOrigin::Forwarded));
        assert_eq!(all, ["10.0.0.7", "192.0.2.1", "192.0.2.1", "1.1.1.1"]);
        let twice =
            rules().map(|rule| found(&rule, &[CHAIN, CHAIN, FORGED, FORGED], RequestOrigin::Forwarded));
        assert_eq!(twice[..3], ["10.0.0.7", "192.0.2.1", "192.0.2.1"]);
        assert!(twice[3].contains("`x-seen-from` is not there once"), "{}", twice[3]);
    }

    #[test]
    fn each_setting_believes_its_own_of_envoy() {
        // H9
        let peer = |text: &str| Some(text.parse().unwrap());
        let [envoys, proxies, hops, header] = rules();
        let plain = RequestOrigin::Envoy { peer: peer("10.0.0.7"), believed: None };
        let told = |text| RequestOrigin::Envoy { peer: peer("10.0.0.7"), believed: Some(text) };
        let direct = RequestOrigin::Envoy { peer: peer("192.0.2.9"), believed: None };
        let pipe = RequestOrigin::Envoy { peer: None, believed: None };
        for (rule, lines, known, expected) in [
            (&envoys, &[CHAIN][..], plain, "10.0.0.7"),
            (&envoys, &[CHAIN], told("192.0.2.1"), "192.0.2.1"),
            (&envoys, &[CHAIN], told("[2001:db8::1]:443"), "2001:db8::1"),
            (&envoys, &[CHAIN], pipe, "nobody"),
            (&proxies, &[CHAIN], plain, "192.0.2.1"),
            (&proxies, &[(FORWARDED_FOR, "1.1.1.1, 192.0.2.1")], plain, "192.0.2.1"),
            (&proxies, &[CHAIN], told("9.9.9.9"), "192.0.2.1"),
            (&proxies, &[CHAIN], direct, "192.0.2.9"),
            (&proxies, &[CHAIN], pipe, "nobody"),
            (&hops, &[CHAIN], plain, "192.0.2.1"),
            (&header, &[CHAIN, FORGED], plain, "1.1.1.1"),
        ] {
            assert_eq!(found(rule, lines, known), expected, "{rule:?} {lines:?} {known:?}");
        }
        for (rule, lines, known, named) in [
            (&envoys, &[CHAIN][..], told("-"), "metadata_context: keyward.client_address"),
            (&proxies, &[], plain, "`x-forwarded-for` is not there"),
            (&proxies, &[(FORWARDED_FOR, "1.1.1.1, x, 10.0.0.7")], plain, "\"x\" is no address"),
            (&proxies, &[(FORWARDED_FOR, "10.0.0.7")], plain, "gateway.trusted_proxies"),
            (&hops, &[], plain, "use_remote_address"),
            (&hops, &[(FORWARDED_FOR, "1.1.1.1, 192.0.2.1")], plain, "use_remote_address"),
            (&hops, &[(FORWARDED_FOR, "10.0.0.7")], plain, "gateway.trusted_hops"),
            (&hops, &[CHAIN], pipe, "use_remote_address"),
            (&header, &[CHAIN], plain, "x-seen-from"),
            (&header, &[("x-seen-from", "1.1.1.1,192.0.2.1")], plain, "is no address"),
        ] {
            let why = found(rule, lines, known);
            assert!(why.starts_with("error: ") && why.contains(named), "{rule:?} {lines:?} {known:?}: {why}");
        }
    }
}
