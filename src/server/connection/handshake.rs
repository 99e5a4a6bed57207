//! The beginning of a connection under TLS, within the deadline that a preface has.

use std::{
    future::{Future as _, poll_fn},
    pin::pin,
    sync::{Arc, atomic::Ordering},
    task::Poll,
};

use rustls::ServerConfig;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::{TlsAcceptor, server::TlsStream};

use super::{Peer, Pulse};

/// Plaintext of ours that a connection keeps while its peer takes none: two records.
const MOST_UNSENT_BYTES: usize = 32 << 10;

/// Shakes hands; `None` where the peer cannot, or its pulse orders the end first.
pub(in crate::server) async fn shake_hands<T>(
    config: Arc<ServerConfig>,
    socket: T,
    peer: &Peer,
    pulse: &Pulse,
) -> Option<TlsStream<T>>
where
    T: AsyncRead + AsyncWrite + Unpin,
{
    let acceptor = TlsAcceptor::from(config);
    let bounded = |session: &mut rustls::ServerConnection| session.set_buffer_limit(Some(MOST_UNSENT_BYTES));
    let mut shaking = pin!(acceptor.accept_with(socket, bounded));
    let shaken = poll_fn(|cx| {
        pulse.connection.register(cx.waker());
        if pulse.close.load(Ordering::Relaxed) {
            Poll::Ready(None)
        } else {
            shaking.as_mut().poll(cx).map(Some)
        }
    });
    match shaken.await? {
        Ok(stream) => Some(stream),
        // The peer's doing, or the network's.
        Err(error) => {
            pulse.shared.counts.handshakes_failed.increment();
            tracing::debug!(peer.address = %peer.address, %error, "a handshake failed");
            None
        }
    }
}
