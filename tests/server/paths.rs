//! A path is a method's exactly, or no method is run.

use std::sync::atomic::Ordering;

use bytes::BytesMut;
use keyward::server::limits::ListenerLimits;

use crate::{
    client::{CHECK, Frames, Seen, framed},
    handler::{ANSWER, Server, check_request},
    hpack::Text,
    http2::{CONTINUATION, DATA, END_HEADERS, END_STREAM, HEADERS, put_frame},
};

const PROTOCOL_ERROR: u32 = 1;

/// What came of a call.
#[derive(Debug, PartialEq, Eq)]
enum Outcome {
    Answered,
    Refused,
}

/// A client that makes one call after the other on a connection.
struct Client {
    frames: Frames,
}

impl Client {
    async fn connect(server: &Server) -> Self {
        Self { frames: Frames::connect(server.address()).await }
    }

    /// Calls with these bytes as the field of the path, the block being cut behind the first `cut` bytes of it.
    async fn call(&mut self, path: &[u8], cut: usize) -> Outcome {
        let stream = self.frames.new_stream();
        let ahead = [&[0x83, 0x86, 0x01][..], &Text::Plain.of("localhost")].concat(); // :method POST, :scheme http, :authority
        let behind =
            [&[0x0f, 0x10][..], &Text::Huffman.of("application/grpc"), b"\x00\x01x\x04/x#y"].concat();
        let block = [&ahead[..], path, &behind].concat();
        let (first, last) = block.split_at(ahead.len() + cut);
        let mut out = BytesMut::new();
        put_frame(&mut out, HEADERS, 0, stream, first);
        put_frame(&mut out, CONTINUATION, END_HEADERS, stream, last);
        put_frame(&mut out, DATA, END_STREAM, stream, &framed(&check_request(ANSWER)));
        self.frames.write(&out).await.unwrap();
        loop {
            match self.frames.next().await {
                Seen::Headers(of) if of == stream => return Outcome::Answered,
                Seen::Reset { stream: of, code } if of == stream => {
                    assert_eq!(code, PROTOCOL_ERROR);
                    return Outcome::Refused;
                }
                seen @ (Seen::GoAway { .. } | Seen::Closed) => panic!("{seen:?}"),
                Seen::Headers(_) | Seen::Data { .. } | Seen::Reset { .. } | Seen::Other => {}
            }
        }
    }
}

/// The ways to write the name of a path: numbered, spelt out, kept or not, never to be kept.
fn names() -> Vec<Vec<u8>> {
    let spelt = [Text::Plain, Text::Huffman].map(|text| text.of(":path"));
    let mut names: Vec<_> = [0x04, 0x05, 0x14, 0x44, 0x45].map(|name| vec![name]).into();
    names.extend(
        [0x00, 0x10, 0x40]
            .iter()
            .flat_map(|kind| spelt.each_ref().map(|name| [&[*kind], &name[..]].concat())),
    );
    names
}

// X4
#[tokio::test]
async fn a_path_with_a_fragment_runs_no_method() {
    let server = Server::start(ListenerLimits::default()).await;
    for name in names() {
        for text in [Text::Plain, Text::Huffman] {
            let mut client = Client::connect(&server).await;
            let field = |path: &str| [&name[..], &text.of(path)].concat();
            let exact = field(CHECK);
            assert_eq!(client.call(&exact, 0).await, Outcome::Answered, "{name:x?}, {text:?}");
            server.handler.peer_port.store(0, Ordering::Relaxed);
            for fragment in ["#", "#x", "#/keyward.v1.KeyService/Revoke", "##"] {
                let marked = field(&format!("{CHECK}{fragment}"));
                for cut in [0, 1, marked.len() / 2, marked.len() - 1, marked.len()] {
                    let outcome = client.call(&marked, cut).await;
                    assert_eq!(outcome, Outcome::Refused, "{name:x?}, {text:?}, {fragment}, cut at {cut}");
                }
            }
            assert_eq!(
                server.handler.peer_port.load(Ordering::Relaxed),
                0,
                "{name:x?}, {text:?}: it was run"
            );
            assert_eq!(client.call(&exact, 1).await, Outcome::Answered, "{name:x?}, {text:?}");
        }
    }
}

// X4
#[tokio::test]
async fn a_path_that_was_kept_is_the_same_the_next_time() {
    let server = Server::start(ListenerLimits::default()).await;
    let mut client = Client::connect(&server).await;
    let marked = [&[0x44][..], &Text::Huffman.of(&format!("{CHECK}#x"))].concat();
    let exact = [&[0x44][..], &Text::Huffman.of(CHECK)].concat();
    assert_eq!(client.call(&marked, 0).await, Outcome::Refused);
    assert_eq!(client.call(&[0x80 + 62], 0).await, Outcome::Refused, "the same by its index");
    assert_eq!(client.call(&exact, 0).await, Outcome::Answered);
    assert_eq!(client.call(&[0x80 + 62], 0).await, Outcome::Answered);
    assert_eq!(client.call(&[0x80 + 63], 0).await, Outcome::Refused, "the older one");
    // The name alone from what was kept, and another value: 62 is 15 and 47.
    let named = |path: &str| [&[0x0f, 47][..], &Text::Plain.of(path)].concat();
    assert_eq!(client.call(&named(CHECK), 0).await, Outcome::Answered);
    assert_eq!(client.call(&named(&format!("{CHECK}#")), 0).await, Outcome::Refused);
    // More than the table holds, and all is gone.
    for number in 0..100 {
        let other =
            [&[0x40][..], &Text::Plain.of("x-other"), &Text::Huffman.of(&format!("/{number}#"))].concat();
        assert_eq!(client.call(&[&exact[..], &other].concat(), 0).await, Outcome::Answered);
    }
    assert_eq!(client.call(&marked, 0).await, Outcome::Refused);
}

// X4
#[tokio::test]
async fn a_stream_that_depends_on_itself_keeps_no_path() {
    let server = Server::start(ListenerLimits::default()).await;
    let mut client = Client::connect(&server).await;
    let exact = [&[0x44][..], &Text::Huffman.of(CHECK)].concat();
    assert_eq!(client.call(&exact, 0).await, Outcome::Answered);
    let mut out = BytesMut::new();
    let stream = client.frames.new_stream();
    let itself = [&stream.to_be_bytes()[..], &[16]].concat();
    let other = [&itself[..], &[0x40], &Text::Plain.of("x"), &Text::Plain.of("y")].concat();
    put_frame(&mut out, HEADERS, END_HEADERS | 0x20, stream, &other);
    client.frames.write(&out).await.unwrap();
    let named = [&[0x0f, 47][..], &Text::Plain.of(&format!("{CHECK}#"))].concat();
    assert_eq!(client.call(&named, 0).await, Outcome::Refused);
}
