//! Actors: callers that the configuration names, who prove who they are by their connection and send no key (O2).

use std::{
    collections::{HashMap, HashSet},
    net::IpAddr,
    sync::Arc,
};

use super::{AdminCaller, AdminIdentity, AdminRights, Sight};
use crate::domain::{
    caller_id::ActorId, id::WorkspaceId, network::AllowedNetworks, parse::ParseError, time::Timestamp,
};

/// A name that the other end of a connection has proved to be its own.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum ProvenName {
    /// A URI of its certificate, such as a SPIFFE id.
    Uri(String),
    /// A DNS name of its certificate, in lower case.
    Dns(String),
}

impl ProvenName {
    /// Takes a URI as certificates have it; it is compared byte by byte.
    ///
    /// # Errors
    /// It has no scheme, is longer than 2,048 bytes (the longest SPIFFE id), or has a byte that no URI has.
    pub fn uri(text: &str) -> Result<Self, ParseError> {
        const ALLOWED: ParseError = ParseError::new(
            "a URI of up to 2,048 visible ASCII characters, such as `spiffe://example.org/billing`",
        );
        let scheme = text.split_once(':').map(|(scheme, _)| scheme).unwrap_or_default();
        let has_scheme = scheme.starts_with(|letter: char| letter.is_ascii_alphabetic())
            && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte));
        let is_uri = has_scheme && text.len() <= 2048 && text.bytes().all(|byte| byte.is_ascii_graphic());
        if is_uri { Ok(Self::Uri(text.to_owned())) } else { Err(ALLOWED) }
    }

    /// Takes the name of one host. One with `*` in it stands for many, which nobody is.
    ///
    /// # Errors
    /// It is no name of one host.
    pub fn dns(text: &str) -> Result<Self, ParseError> {
        const ALLOWED: ParseError =
            ParseError::new("the name of one host, such as `billing.example.org`, without `*`");
        let is_label = |label: &str| {
            let inner = label.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte));
            inner && (1..=63).contains(&label.len()) && !label.starts_with('-') && !label.ends_with('-')
        };
        let is_name = text.len() <= 253 && text.split('.').all(is_label);
        if is_name { Ok(Self::Dns(text.to_ascii_lowercase())) } else { Err(ALLOWED) }
    }
}

/// What the certificate of a client says of it. The handshake has judged it; it can end while the connection lasts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProvenClient {
    /// The names that can be an actor's.
    pub names: Vec<ProvenName>,
    /// When the certificate ends.
    pub ends: Timestamp,
}

/// An actor, and what it may.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamedActor {
    /// Who it is, for the log.
    pub id: ActorId,
    /// The workspace that it is bound to, or `None` for a global one.
    pub workspace: Option<WorkspaceId>,
    /// What it may, and hand out; as global as `workspace` says.
    pub rights: Arc<AdminRights>,
    /// From where.
    pub networks: Arc<AllowedNetworks>,
}

/// Who of them is meant by which name.
#[derive(Debug, Default)]
pub struct Actors {
    by_name: HashMap<ProvenName, Arc<NamedActor>>,
}

/// Why who came without a key is no actor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unproven {
    /// No name of the certificate is an actor's.
    #[error("the client certificate names no actor of the configuration, and no administration key was sent")]
    Unmapped,
    /// Its names are those of several.
    #[error("the client certificate names several actors of the configuration: give it the names of one")]
    Ambiguous,
    /// It has ended since the handshake.
    #[error("the client certificate has expired since the connection began: connect with a new one")]
    Expired,
    /// The actor may not call from there.
    #[error("the actor `{0}` may not call from this address")]
    Elsewhere(ActorId),
}

impl Actors {
    /// Names actors.
    ///
    /// # Errors
    /// Two have one name; answers its place.
    pub fn new(all: impl IntoIterator<Item = (ProvenName, Arc<NamedActor>)>) -> Result<Self, usize> {
        let mut by_name = HashMap::new();
        for (place, (name, actor)) in all.into_iter().enumerate() {
            if by_name.insert(name, actor).is_some() {
                return Err(place);
            }
        }
        Ok(Self { by_name })
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.by_name.is_empty()
    }

    /// How many there are.
    #[must_use]
    pub fn count(&self) -> usize {
        let ids: HashSet<_> = self.by_name.values().map(|actor| actor.id).collect();
        ids.len()
    }

    /// The actor of this id.
    #[must_use]
    pub fn by_id(&self, id: ActorId) -> Option<&NamedActor> {
        self.by_name.values().find(|actor| actor.id == id).map(|actor| &**actor)
    }

    /// Who of them has proved to be there.
    ///
    /// # Errors
    /// Nobody, or more than one; its certificate has ended; it may not call from this address.
    pub fn caller(
        &self,
        client: &ProvenClient,
        address: Option<IpAddr>,
        now: Timestamp,
    ) -> Result<AdminCaller, Unproven> {
        let mut meant = client.names.iter().filter_map(|name| self.by_name.get(name));
        let actor = meant.next().ok_or(Unproven::Unmapped)?;
        if meant.any(|other| other.id != actor.id) {
            return Err(Unproven::Ambiguous);
        }
        if now >= client.ends {
            return Err(Unproven::Expired);
        }
        AdminCaller::of_actor(actor, address).ok_or(Unproven::Elsewhere(actor.id))
    }
}

impl Sight {
    /// Whether the caller may know of this actor: it is bound to the same workspace, or the caller to none.
    #[must_use]
    pub fn reaches_actor(self, actor: &NamedActor) -> bool {
        self.bound_to.is_none_or(|workspace| actor.workspace == Some(workspace))
    }
}

impl AdminCaller {
    /// Takes an actor that has proved who it is, if it may call from there.
    fn of_actor(actor: &NamedActor, address: Option<IpAddr>) -> Option<Self> {
        actor.networks.permit(address).then(|| Self {
            identity: AdminIdentity::Actor { id: actor.id, workspace: actor.workspace },
            rights: Arc::clone(&actor.rights),
            networks: Arc::clone(&actor.networks),
            expires: None,
            address,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::network::parse_network;

    fn at(ms: i64) -> Timestamp {
        Timestamp::from_ms(ms).unwrap()
    }

    fn actor(id: &str, networks: &[&str]) -> Arc<NamedActor> {
        let networks = networks.iter().map(|text| parse_network(text).unwrap()).collect();
        Arc::new(NamedActor {
            id: ActorId::parse(id).unwrap(),
            workspace: None,
            rights: Arc::new(AdminRights::everything()),
            networks: Arc::new(AllowedNetworks::new(networks).unwrap()),
        })
    }

    #[test]
    fn a_certificate_is_one_actor_or_none() {
        // O2
        let (uri, dns) = (ProvenName::uri("spiffe://a/b").unwrap(), ProvenName::dns("B.example").unwrap());
        let (one, other) = (actor("one", &["10.0.0.0/8"]), actor("other", &[]));
        let actors = Actors::new([(uri.clone(), one), (dns.clone(), other)]).unwrap();
        let caller = |names: &[&ProvenName], address: &str, now| {
            let names = names.iter().map(|name| (*name).clone()).collect();
            let client = ProvenClient { names, ends: at(10) };
            actors.caller(&client, address.parse().ok(), at(now)).map(|caller| caller.id().to_string())
        };
        assert_eq!(caller(&[&uri], "10.0.0.1", 9).as_deref(), Ok("actor:one"));
        assert_eq!(caller(&[&uri, &uri], "10.0.0.1", 9).as_deref(), Ok("actor:one"));
        assert_eq!(
            caller(&[&ProvenName::Dns("b.example".to_owned())], "::1", 9).as_deref(),
            Ok("actor:other")
        );
        for (names, address, now, why) in [
            (&[][..], "10.0.0.1", 9, Unproven::Unmapped),
            (&[&ProvenName::Dns("spiffe://a/b".to_owned())], "10.0.0.1", 9, Unproven::Unmapped),
            (&[&ProvenName::Uri("spiffe://a/B".to_owned())], "10.0.0.1", 9, Unproven::Unmapped),
            (&[&uri, &dns], "10.0.0.1", 9, Unproven::Ambiguous),
            (&[&uri], "10.0.0.1", 10, Unproven::Expired),
            (&[&uri], "11.0.0.1", 9, Unproven::Elsewhere(ActorId::parse("one").unwrap())),
            (&[&uri], "", 9, Unproven::Elsewhere(ActorId::parse("one").unwrap())),
        ] {
            assert_eq!(caller(names, address, now), Err(why));
        }
        let twice = [(uri.clone(), actor("one", &[])), (uri, actor("one", &[]))];
        assert_eq!(Actors::new(twice).err(), Some(1));
    }

    #[test]
    fn a_name_that_could_be_read_in_two_ways_or_stands_for_many_is_refused() {
        // O2
        let long = format!("a:{}", "b".repeat(2047));
        for bad in ["", "billing", "//a/b", ":a", "1a:b", "spiffe://a b", "spiffe://ä", "a b:c", &long] {
            assert!(ProvenName::uri(bad).is_err(), "{bad}");
        }
        let long = "a.".repeat(126) + "ab";
        for bad in ["", "*.example", "a..b", ".a", "a.", "a b", "ä.example", "-a", "a-", "a/b", &long] {
            assert!(ProvenName::dns(bad).is_err(), "{bad}");
        }
    }
}
