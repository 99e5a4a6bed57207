//! A tower layer for other services: a request passes only if Keyward says that its API key may do this. It is there with
//! the feature `guard`, for axum, tonic and whatever else serves `http` requests.
//!
//! ```ignore
//! // Lazily: Keyward need not be there when the service starts, and the channel comes back by itself.
//! let keyward = Channel::from_static("http://127.0.0.1:50051").connect_lazy();
//! let guard = Guard::new(keyward);
//! let read = guard.requires(&["templates:read"])?;
//! let send = guard.requires(&["messaging:send"])?;
//! let app = Router::new()
//!     .route("/v1/templates", get(templates).layer(read))
//!     .route("/v1/messages", post(messages).layer(send));
//!
//! async fn templates(Extension(key): Extension<CheckedKey>) -> String {
//!     format!("templates of {}", key.owner)
//! }
//! ```
//!
//! Invariants: each request is one Check, of at most two tries and [`DEADLINE`] together; no answer is kept; what is
//! not certainly allowed does not pass, unless [`Guard::letting_through_while_away`] was said, and then only while
//! Keyward is away: while no connection to it can be made. A denial is answered from the one table, [`http_answer`](crate::http_answer); to a gRPC call, with
//! the gRPC status for it.

mod answer;
mod ask;
mod reach;
mod service;

use std::{net::IpAddr, sync::Arc, time::Duration};

use http::request::Parts;
use tonic::{
    metadata::{Ascii, MetadataValue, errors::InvalidMetadataValue},
    transport::Channel,
};

use self::reach::Noting;
pub use self::service::{GuardLayer, Guarded};
/// Who asks: an extension of each request that was let through on Keyward's word.
pub use crate::wire::v1::CheckedKey;
use crate::{
    domain::{parse::ParseError, scope::ScopeText},
    wire::v1::key_service_client::KeyServiceClient,
};

/// How long a request waits for Keyward at most, both tries together.
pub const DEADLINE: Duration = Duration::from_millis(200);

/// Asks one Keyward, over one channel. Cheap to clone.
#[derive(Clone)]
pub struct Guard {
    keys: KeyServiceClient<Noting>,
    caller: Option<MetadataValue<Ascii>>,
    lets_through_while_away: bool,
    source: fn(&Parts) -> Option<IpAddr>,
}

impl Guard {
    /// Asks the Keyward at the end of this channel, as nobody in particular, and fails closed.
    #[must_use]
    pub fn new(keyward: Channel) -> Self {
        let keys = KeyServiceClient::new(Noting(keyward));
        Self { keys, caller: None, lets_through_while_away: false, source: |_| None }
    }

    /// Asks with an administration key that has `keys:check`, which Keyward wants where it listens beyond loopback.
    ///
    /// # Errors
    /// The key has characters that no key has.
    pub fn calling_with(mut self, admin_key: &str) -> Result<Self, InvalidMetadataValue> {
        let mut caller: MetadataValue<Ascii> = format!("Bearer {admin_key}").parse()?;
        caller.set_sensitive(true);
        self.caller = Some(caller);
        Ok(self)
    }

    /// While Keyward is away, whoever presents one credential passes unchecked, with a warning in the log, instead of a
    /// 503. Such a request has no [`CheckedKey`].
    ///
    /// It is away where no connection to it can be made. One that is there and does not decide, because it cannot (its error
    /// says so), is too slow, or closes the connection, is a 503 all the same. A host that died without a word keeps its
    /// connections until the channel notices: set `http2_keep_alive_interval` of the channel for that, and
    /// `connect_timeout` as long as you like.
    #[must_use]
    pub fn letting_through_while_away(mut self) -> Self {
        self.lets_through_while_away = true;
        self
    }

    /// Where a request came from; without this nobody knows, and keys that are bound to networks are denied.
    #[must_use]
    pub fn source(mut self, source: fn(&Parts) -> Option<IpAddr>) -> Self {
        self.source = source;
        self
    }

    /// The layer for what needs all of these scopes; with none, a key that is in order.
    ///
    /// # Errors
    /// One of them is no scope.
    pub fn requires(&self, scopes: &[&str]) -> Result<GuardLayer, ParseError> {
        let needs = Needs::parse(scopes)?;
        Ok(self.requires_by(move |_| Some(needs.clone())))
    }

    /// The layer for what needs something else for each request. Where that is `None`, the request is denied.
    #[must_use]
    pub fn requires_by(&self, needs: impl Fn(&Parts) -> Option<Needs> + Send + Sync + 'static) -> GuardLayer {
        GuardLayer::new(self.clone(), Arc::new(needs))
    }
}

/// The scopes that a request needs, all of them. Cheap to clone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Needs(Arc<[ScopeText]>);

impl Needs {
    /// Takes well-formed scopes.
    ///
    /// # Errors
    /// One of them is no scope.
    pub fn parse(scopes: &[&str]) -> Result<Self, ParseError> {
        scopes.iter().map(|scope| ScopeText::parse(scope)).collect::<Result<_, _>>().map(Self)
    }
}
