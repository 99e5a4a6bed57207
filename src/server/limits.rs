//! Every bound of the server, in one place, each with its unit.

use std::time::Duration;

/// MiB that calls may hold over all connections, unless it is set otherwise.
pub const IN_FLIGHT_MIB: u64 = 128;

/// What a client may take, in connections, streams, bytes and time.
///
/// The defaults keep an idle connection under 64 KiB and an idle stream under 4 KiB, beyond the bytes that the
/// client really sent.
#[derive(Debug, Clone)]
pub struct ListenerLimits {
    /// Connections open at once, over all workers. The next one is closed right after its accept.
    pub max_connections: usize,
    /// Connections open at once from one IPv4 address, or from one IPv6 network of 64 bits, which is what one
    /// customer gets and can draw addresses from at will.
    pub max_connections_per_address: usize,

    /// From the accept to the last byte of the HTTP/2 preface.
    pub preface_deadline: Duration,
    /// From the accept to the head of the first call. A connection that asks nothing is told to go away.
    pub first_call_deadline: Duration,
    /// On a connection of HTTP/1.1, from the end of an answer to the last byte of the next head: longer than a gateway
    /// keeps an idle connection, so that it is the gateway who ends it.
    pub head_deadline: Duration,
    /// How long a connection may stay without an open call; between this and twice this, it is told to go away.
    pub idle_time: Duration,
    /// How long nothing may have been read before the peer is pinged.
    pub ping_interval: Duration,
    /// How long the peer may take to answer a ping.
    pub ping_timeout: Duration,
    /// How long a write may make no progress because the peer does not read.
    pub write_stall_deadline: Duration,
    /// On a connection of HTTP/1.1 that is to go away and has no open call, how long a request that was on its way is still
    /// answered, with `connection: close`: nothing else tells its client to send no other.
    pub last_request_grace: Duration,
    /// How long a connection that was told to go away, and has no open call, may take to close.
    pub farewell_deadline: Duration,
    /// How long a connection that was told to go away may take in all; at shutdown, how long the server drains.
    pub drain_deadline: Duration,

    /// From the head of a call to the head of its answer, reception of the request included. A client's
    /// `grpc-timeout` can shorten it. An answer must be taken within two to three times this, unless it is a stream
    /// that waits for something to say.
    pub call_deadline: Duration,

    /// Calls open at once on one connection; more are refused with `REFUSED_STREAM`. Twice what a busy gateway keeps
    /// in flight, and little enough that one connection cannot queue more than a few milliseconds of work.
    pub max_concurrent_streams: u32,
    /// Bytes of one call's metadata, counted as RFC 9113 §6.5.2 does. More is HTTP 431.
    pub header_list_bytes: u32,
    /// Bytes of one request's head on HTTP/1.1, with those of its body that came along. More is HTTP 431.
    pub http1_buffer_bytes: usize,
    /// Bytes that a client may send on one stream before they were read: HTTP/2's initial 64 KiB less one.
    pub stream_window_bytes: u32,
    /// The same for all streams of a connection: four full streams, so that one slow reader does not stop the others.
    pub connection_window_bytes: u32,
    /// Bytes of one frame; 16 KiB is the least that HTTP/2 allows.
    pub frame_bytes: u32,
    /// Streams of answers, as of a health watch, that wait for something to say, over all connections. More is
    /// `RESOURCE_EXHAUSTED`: one for each connection is enough, and no deadline ends them.
    pub max_lasting_answers: u64,
    /// Bytes of answer that wait on one stream for the peer's window.
    pub send_buffer_bytes: usize,
    /// Streams that were reset before they were taken up, at once; more closes the connection (rapid reset). Four times
    /// what may be open: callers whose deadlines pass while the process stands still reset all of theirs at once, and the
    /// calls of others on the connection must not end with them.
    pub max_pending_reset_streams: usize,
    /// Streams refused, or reset for the peer's errors, over a connection's life; more closes the connection. An honest
    /// client can have thousands refused at once, before it has read our settings, and hardly any later; a call that is
    /// refused counts twice if its message follows.
    pub max_error_reset_streams: usize,

    /// Work that a connection may make beyond its calls: a unit for each read and each frame of HTTP/2, for 256 bytes of a
    /// frame that is no data, and 17 for settings. Enough for `max_error_reset_streams` refused calls of two frames each.
    /// Calls, what they carry, and time give it back; a connection that has spent it is closed.
    pub work_beside_calls: u64,
    /// What a call gives back of it: more than its own frames, those by which its answer is read, and its cancellation. Its
    /// head and its body give back a unit for each 256 bytes, its answer one for each 128.
    pub work_per_call: u64,
    /// What a second gives back of it.
    pub work_per_second: u64,

    /// Bytes of one request message. More is `OUT_OF_RANGE`. A message is decoded before its caller is known, and many
    /// empty ones inside a small one take much memory for a moment: a thousand usual Checks fit, and not much more.
    pub message_bytes: usize,
    /// Bytes of one question of a gateway, which holds all headers of a request, and its body where the gateway was set
    /// to send it. More is a denial. It is decoded, judged and gone before the next one on the same worker.
    pub gateway_message_bytes: usize,
    /// Bytes that calls may hold over all connections: heads, messages as they arrive and as they are decoded, answers until
    /// they are written. More is `RESOURCE_EXHAUSTED`; see [`super::budget`].
    pub in_flight_bytes: u64,
}

impl Default for ListenerLimits {
    fn default() -> Self {
        Self {
            max_connections: 4096,
            max_connections_per_address: 1024,
            preface_deadline: Duration::from_secs(5),
            first_call_deadline: Duration::from_secs(10),
            head_deadline: Duration::from_secs(150),
            idle_time: Duration::from_secs(300),
            ping_interval: Duration::from_secs(30),
            ping_timeout: Duration::from_secs(10),
            write_stall_deadline: Duration::from_secs(10),
            last_request_grace: Duration::from_secs(1),
            farewell_deadline: Duration::from_secs(2),
            drain_deadline: Duration::from_secs(15),
            call_deadline: Duration::from_secs(10),
            max_concurrent_streams: 128,
            header_list_bytes: 16 << 10,
            http1_buffer_bytes: 64 << 10,
            stream_window_bytes: (64 << 10) - 1,
            connection_window_bytes: 256 << 10,
            frame_bytes: 16 << 10,
            max_lasting_answers: 4096,
            send_buffer_bytes: 64 << 10,
            max_pending_reset_streams: 4 * 128,
            max_error_reset_streams: 8_192,
            work_beside_calls: 3 * 8_192,
            work_per_call: 32,
            work_per_second: 64,
            message_bytes: 512 << 10,
            gateway_message_bytes: 1 << 20,
            in_flight_bytes: IN_FLIGHT_MIB << 20,
        }
    }
}

impl ListenerLimits {
    /// How often a worker looks at its connections: an eighth of the shortest time it watches over, so that none is
    /// exceeded by more, and at most once a second.
    pub(super) fn sweep_interval(&self) -> Duration {
        let shortest = [
            self.preface_deadline,
            self.first_call_deadline,
            self.idle_time,
            self.write_stall_deadline,
            self.farewell_deadline,
            self.call_deadline,
        ]
        .into_iter()
        .min()
        .unwrap_or_default();
        (shortest / 8).clamp(Duration::from_millis(5), Duration::from_secs(1))
    }
}
