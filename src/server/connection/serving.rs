//! The life of a connection: hyper serves it until it ends, or until its pulse orders the end.

use std::{
    error::Error,
    future::{Future as _, poll_fn},
    pin::{Pin, pin},
    sync::{Arc, atomic::Ordering},
    task::{Context, Poll},
};

use hyper::server::conn::http2;
use hyper_util::{
    rt::TokioExecutor,
    server::{conn::auto, graceful::GracefulConnection},
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    time::{Sleep, sleep},
};

use super::{Peer, Pulse};
use crate::server::{
    calls::Calls, gate::Gate, limits::ListenerLimits, protocol::Protocol, socket::Watched, speech,
    unread::Mended,
};

/// hyper's side of the limits.
#[derive(Debug, Clone)]
pub(in crate::server) enum Builder {
    Grpc(http2::Builder<TokioExecutor>),
    Http(auto::Builder<TokioExecutor>),
}

impl Builder {
    pub(in crate::server) fn new(protocol: Protocol, limits: &ListenerLimits) -> Self {
        match protocol {
            Protocol::Grpc => Self::Grpc(speech::grpc(limits)),
            Protocol::Http => Self::Http(speech::http(limits)),
        }
    }
}

/// Serves one connection to its end, or until its pulse orders the end.
pub(in crate::server) async fn serve<T, S>(
    builder: Builder,
    socket: T,
    peer: Peer,
    service: S,
    pulse: Arc<Pulse>,
) where
    T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    S: Calls,
{
    let socket = Watched::new(Mended::new(socket, service.unread()), Arc::clone(&pulse));
    let gate = Gate::new(service, peer.clone(), Arc::clone(&pulse));
    match builder {
        Builder::Grpc(builder) => attend(builder.serve_connection(socket, gate), &peer, &pulse).await,
        Builder::Http(builder) => attend(builder.serve_connection(socket, gate), &peer, &pulse).await,
    }
    if pulse.allowance.is_overdrawn() {
        pulse.shared.tell_of_no_progress(&peer);
    }
}

/// When a connection that is to go away is told so.
///
/// Over HTTP/2 at once: a GOAWAY lets calls that are on their way be answered. HTTP/1.1 has no such thing; hyper closes a
/// connection that has no call under way, and with it loses a request that is on its way. So every answer from then on says
/// `connection: close` ([`Pulse::says_close`]), and only who asks nothing for a while is closed without one.
#[derive(Debug, Default)]
struct Farewell {
    told: bool,
    grace: Option<Pin<Box<Sleep>>>,
}

impl Farewell {
    /// Whether the connection is to be told now; once.
    fn is_due(&mut self, pulse: &Pulse, cx: &mut Context<'_>) -> bool {
        if self.told || !pulse.go_away.load(Ordering::Relaxed) {
            return false;
        }
        self.told = pulse.speaks_http2() || {
            let grace = pulse.shared.limits.last_request_grace;
            self.grace.get_or_insert_with(|| Box::pin(sleep(grace))).as_mut().poll(cx).is_ready()
        };
        self.told
    }
}

/// Errors are the peer's, or the network's, and an operator cannot act on them: they are traced only.
async fn attend<C>(connection: C, peer: &Peer, pulse: &Pulse)
where
    C: GracefulConnection,
    C::Error: Into<Box<dyn Error + Send + Sync>>,
{
    let mut connection = pin!(connection);
    let mut farewell = Farewell::default();
    poll_fn(|cx| {
        pulse.connection.register(cx.waker());
        if pulse.close.load(Ordering::Relaxed) {
            if !farewell.told {
                // A GOAWAY, as far as the peer takes it now.
                connection.as_mut().graceful_shutdown();
                let _ended_or_not = connection.as_mut().poll(cx);
            }
            return Poll::Ready(());
        }
        if farewell.is_due(pulse, cx) {
            connection.as_mut().graceful_shutdown();
        }
        connection.as_mut().poll(cx).map(|result| {
            if let Err(error) = result {
                let error: Box<dyn Error + Send + Sync> = error.into();
                tracing::debug!(peer.address = %peer.address, %error, "a connection ended with an error");
            }
        })
    })
    .await;
}
