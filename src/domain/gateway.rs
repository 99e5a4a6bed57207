//! What a gateway in front of other services is set to.

use super::{
    network::TrustedPeers,
    parse::ParseError,
    text::{HeaderName, Realm},
};

/// What gateways tell of a request.
const TOLD_BY_GATEWAYS: [&str; 4] =
    ["x-forwarded-method", "x-forwarded-uri", "x-forwarded-host", "x-forwarded-for"];

/// Where holders carry their keys, and what becomes of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gateway {
    bearer_header: HeaderName,
    key_header: HeaderName,
    /// Whether the service behind gets the request without the credential.
    pub remove_credential: bool,
    /// What the challenge of a denial calls the protected services.
    pub realm: Realm,
    /// Whose word counts on where a request came from and what it was.
    pub trusted_peers: TrustedPeers,
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
        let trusted_peers = TrustedPeers::default();
        Ok(Self { bearer_header, key_header, remove_credential, realm, trusted_peers })
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
        }
    }
}
