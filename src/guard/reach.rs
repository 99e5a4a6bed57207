//! Whether a Keyward was there to ask: this tells an absent one from one that is there and does not decide.
//!
//! An answer of any kind is a sign of life; so is a connection, even where nothing comes over it. Only where no
//! connection could be made is Keyward away.

use std::{
    error::Error,
    io::{self, ErrorKind},
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll},
};

use bytes::Bytes;
use http::{Request, Response};
use http_body::{Body, Frame, SizeHint};
use tonic::{ConnectError, Status, transport::Channel};
use tower_service::Service;

/// Set as soon as a question was taken by a connection: then a server is there. An extension of the question.
#[derive(Clone, Default)]
pub(super) struct Reached(Arc<AtomicBool>);

impl Reached {
    pub(super) fn is_set(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}

/// Whether an error says that no connection could be made. One that was made and then refused (its TLS does not fit, or it
/// is one too many) has a server at its other end, and an unknown name can be a mistake.
pub(super) fn is_absence(status: &Status) -> bool {
    let mut failed_to_connect = false;
    let mut next: Option<&(dyn Error + 'static)> = status.source();
    while let Some(error) = next {
        failed_to_connect |= error.is::<ConnectError>();
        if let Some(error) = error.downcast_ref::<io::Error>() {
            return failed_to_connect && nobody_there(error.kind());
        }
        next = match error.downcast_ref::<ConnectError>() {
            Some(ConnectError(within)) => Some(&**within),
            None => error.source(),
        };
    }
    false
}

fn nobody_there(kind: ErrorKind) -> bool {
    let kinds = [
        ErrorKind::ConnectionRefused,
        ErrorKind::HostUnreachable,
        ErrorKind::NetworkUnreachable,
        ErrorKind::TimedOut,
        // Of a Unix socket.
        ErrorKind::NotFound,
    ];
    kinds.contains(&kind)
}

/// A channel that notes whether a connection took the question.
#[derive(Clone)]
pub(super) struct Noting(pub(super) Channel);

impl Service<Request<tonic::body::Body>> for Noting {
    type Response = Response<tonic::body::Body>;
    type Error = <Channel as Service<Request<tonic::body::Body>>>::Error;
    type Future = <Channel as Service<Request<tonic::body::Body>>>::Future;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.0.poll_ready(context)
    }

    fn call(&mut self, request: Request<tonic::body::Body>) -> Self::Future {
        let reached = request.extensions().get::<Reached>().cloned().unwrap_or_default();
        self.0.call(request.map(|body| tonic::body::Body::new(NotingBody { body, reached })))
    }
}

/// A question that notes when a connection asks for its bytes, which happens only once there is one.
struct NotingBody {
    body: tonic::body::Body,
    reached: Reached,
}

impl Body for NotingBody {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        self.reached.0.store(true, Ordering::Release);
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
