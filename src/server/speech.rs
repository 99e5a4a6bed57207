//! hyper's side of the limits, for what a connection can speak.

use hyper::server::conn::http2;
use hyper_util::{
    rt::{TokioExecutor, TokioTimer},
    server::conn::auto,
};

use super::limits::ListenerLimits;

/// The limits of HTTP/2, in the words that hyper's two builders have in common, though in no trait.
macro_rules! limit_http2 {
    ($builder:expr, $limits:expr) => {
        $builder
            .timer(TokioTimer::new())
            .initial_stream_window_size($limits.stream_window_bytes)
            .initial_connection_window_size($limits.connection_window_bytes)
            .max_frame_size($limits.frame_bytes)
            .max_concurrent_streams($limits.max_concurrent_streams)
            .max_header_list_size($limits.header_list_bytes)
            .max_send_buf_size($limits.send_buffer_bytes)
            .max_pending_accept_reset_streams($limits.max_pending_reset_streams)
            .max_local_error_reset_streams($limits.max_error_reset_streams)
            .keep_alive_interval($limits.ping_interval)
            .keep_alive_timeout($limits.ping_timeout)
    };
}

/// HTTP/2 alone, for gRPC.
pub(super) fn grpc(limits: &ListenerLimits) -> http2::Builder<TokioExecutor> {
    let mut builder = http2::Builder::new(TokioExecutor::new());
    // gRPC has no use for a date, and it is bytes in each answer.
    limit_http2!(builder, limits).auto_date_header(false);
    builder
}

/// HTTP/1.1, or HTTP/2.
pub(super) fn http(limits: &ListenerLimits) -> auto::Builder<TokioExecutor> {
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        // A client that has closed its side of the connection still gets the answer (RFC 9112 section 9.6).
        .half_close(true)
        .header_read_timeout(limits.head_deadline)
        .max_buf_size(limits.http1_buffer_bytes);
    limit_http2!(builder.http2(), limits);
    builder
}
