//! What a gateway in front of other services is set to.

use super::{
    client_address::{ClientAddress, FORWARDED_FOR},
    network::TrustedPeers,
    parse::ParseError,
    text::{HeaderName, Realm},
};

/// What gateways tell of a request.
const TOLD_BY_GATEWAYS: [&str; 4] =
    ["x-forwarded-method", "x-forwarded-uri", "x-forwarded-host", FORWARDED_FOR];

/// Where holders carry their keys, and what becomes of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gateway {
    bearer_header: HeaderName,
    key_header: HeaderName,
    /// Whether the service behind gets the request without the credential.
    pub remove_credential: bool,
    /// What the challenge of a denial calls the protected services.
    pub realm: Realm,
    /// Who may ask: whose word counts on what a request was.
    pub trusted_peers: TrustedPeers,
    client_address: ClientAddress,
}

impl Gateway {
    /// Puts the settings together.
    ///
    /// # Errors
    /// Both headers are the same, or one is a header in which gateways tell of a request.
    pub fn new(
        bearer_header: HeaderName,
        key_header: HeaderName,
        remove_credential: bool,
        realm: Realm,
    ) -> Result<Self, ParseError> {
        if bearer_header == key_header {
            return Err(ParseError::new("another header than `bearer_header`"));
        }
        if [&bearer_header, &key_header].iter().any(|header| TOLD_BY_GATEWAYS.contains(&header.as_str())) {
            return Err(ParseError::new("a header that no gateway writes"));
        }
        Ok(Self { bearer_header, key_header, remove_credential, realm, ..Self::default() })
    }

    /// Believes this on where a request came from.
    ///
    /// # Errors
    /// It is a header that has another meaning.
    pub fn believing(self, client_address: ClientAddress) -> Result<Self, ParseError> {
        let taken = [self.bearer_header(), self.key_header()];
        let told = TOLD_BY_GATEWAYS.into_iter().filter(|told| *told != FORWARDED_FOR);
        if taken.into_iter().chain(told).any(|taken| taken == client_address.header()) {
            return Err(ParseError::new("a header that holds nothing else"));
        }
        Ok(Self { client_address, ..self })
    }

    /// Whose word is believed on where a request came from.
    #[must_use]
    pub const fn client_address(&self) -> &ClientAddress {
        &self.client_address
    }

    /// The header of `Bearer <key>`.
    #[must_use]
    pub fn bearer_header(&self) -> &str {
        self.bearer_header.as_str()
    }

    /// The header that holds a key alone.
    #[must_use]
    pub fn key_header(&self) -> &str {
        self.key_header.as_str()
    }
}

impl Default for Gateway {
    fn default() -> Self {
        Self {
            bearer_header: HeaderName::authorization(),
            key_header: HeaderName::x_api_key(),
            remove_credential: false,
            realm: Realm::default(),
            trusted_peers: TrustedPeers::default(),
            client_address: ClientAddress::default(),
        }
    }
}
