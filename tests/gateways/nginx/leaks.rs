//! What a wrong configuration lets through, as a real nginx shows it.

use crate::{
    exchange::{Reply, exchange, request},
    gateway::Running,
    house::{Holder, House},
    service::{OWN_LIMITS, OWN_STATUS, Seen},
};

/// What goes wrong, and on which path.
#[derive(Debug, Clone, Copy)]
pub(super) enum Leak {
    /// The service gets this header as the client wrote it, with a good key.
    Claim(&'static str, &'static str),
    /// A request without a key reaches the service.
    Unasked(&'static str),
    /// The same, on the second port.
    UnaskedBeside(&'static str),
    /// The same, for a client that writes this header.
    UnaskedFor(&'static str, (&'static str, &'static str)),
    /// The same, after somebody came with a key.
    UnaskedAfter(&'static str),
    /// The service does not learn who the holder is.
    Nobody(&'static str),
    /// A spent limit is not told as such.
    NotSpent(&'static str),
    /// The client is not told of its limits.
    NotTold(&'static str),
    /// The client is told of limits by the service.
    ToldByService(&'static str),
    /// The service's own 401 is not passed on.
    Replaced(&'static str),
    /// A client gets an answer on a path that is nginx's own.
    Reached(&'static str),
    /// The query is in the log.
    Logged(&'static str),
    /// It is not shown here: the check alone finds it.
    Unshown,
}

/// No Bearer, which would be a second key where it stands in `authorization`.
const FORGED: &str = "Basic forged";
const IN_QUERY: &str = "sk_of_another_system";

impl Leak {
    /// Whether this nginx shows it.
    pub(super) async fn shows(self, house: &House, running: &Running) -> bool {
        let key = house.key(Holder::Reader).await;
        let with_key = |path: &str| request("GET", path, &[("x-api-key", &key)], "");
        let plain = |path: &str| request("GET", path, &[], "");
        let address = running.address;
        match self {
            Self::Claim(path, name) => {
                let headers = [("x-api-key", key.as_str()), (name, FORGED)];
                let reply = exchange(address, &request("GET", path, &headers, "")).await;
                let name = name.to_lowercase();
                Seen::of(&reply).values(&name).iter().any(|value| value.starts_with(FORGED))
            }
            Self::Unasked(path) => reached(house, running.address, &plain(path)).await,
            Self::UnaskedBeside(path) => reached(house, running.second, &plain(path)).await,
            Self::UnaskedFor(path, header) => {
                reached(house, address, &request("GET", path, &[header], "")).await
            }
            Self::UnaskedAfter(path) => {
                reached(house, address, &with_key(path)).await && reached(house, address, &plain(path)).await
            }
            Self::Nobody(path) => Seen::of(&exchange(address, &with_key(path)).await).identity().is_empty(),
            Self::NotSpent(path) => {
                let spent = house.key(Holder::SpentHour).await;
                exchange(address, &request("GET", path, &[("x-api-key", &spent)], "")).await.status != 429
            }
            Self::NotTold(path) => !is_told(&exchange(address, &with_key(path)).await),
            Self::ToldByService(path) => {
                let reply = exchange(address, &with_key(&format!("{path}{OWN_LIMITS}"))).await;
                reply.limits.iter().any(|(_, value)| value == "9000")
            }
            Self::Replaced(path) => {
                let reply = exchange(address, &with_key(&format!("{path}{OWN_STATUS}401"))).await;
                reply.status != 401
            }
            Self::Reached(path) => exchange(address, &with_key(path)).await.status != 404,
            Self::Logged(path) => {
                exchange(address, &with_key(&format!("{path}?key={IN_QUERY}"))).await;
                // The line of the request after it: what came before is written.
                exchange(address, &plain("/v1/after")).await;
                running.log_with("/v1/after").await.contains(IN_QUERY)
            }
            Self::Unshown => true,
        }
    }
}

fn is_told(reply: &Reply) -> bool {
    reply.limits.iter().any(|(name, _)| name == "x-ratelimit-limit")
}

async fn reached(house: &House, address: std::net::SocketAddr, request: &[u8]) -> bool {
    let before = house.service.requests();
    exchange(address, request).await;
    house.service.requests() > before
}
