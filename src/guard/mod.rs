//! A tower layer for other services: a request passes only if Keyward says that its API key may do this. It is there with
//! the feature `guard`, for axum, tonic and other servers of `http` requests.
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
mod needs;
mod reach;
mod service;

pub use self::{
    ask::{DEADLINE, Guard},
    needs::Needs,
    service::{GuardLayer, Guarded},
};
/// Who asks: an extension of each request that was let through on Keyward's word.
pub use crate::wire::v1::CheckedKey;
