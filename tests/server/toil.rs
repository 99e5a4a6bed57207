//! Frames that bring no call forward: so many, and not more; honest clients never notice.

use bytes::BytesMut;
use futures_util::future::join_all;
use keyward::{
    server::limits::ListenerLimits,
    wire::v1::{BatchCheckRequest, CheckRequest},
};
use tonic::Code;

use crate::{
    client::{CHECK, ENHANCE_YOUR_CALM, Frames, H2, Seen, framed, honest, post},
    handler::{ANSWER, PATIENCE, Server, check_request},
    http2::{DATA, GOAWAY, PING, PRIORITY, RST_STREAM, SETTINGS, WINDOW_UPDATE, put_frame},
};

const BATCH: &str = "/keyward.v1.KeyService/BatchCheck";
const ALLOWED: u64 = 1_000;

/// So little beside calls that whoever makes some is found out, and nothing for the time that a test takes.
fn strict(work_beside_calls: u64) -> ListenerLimits {
    ListenerLimits { work_beside_calls, work_per_second: 1, ..ListenerLimits::default() }
}

/// Sends these frames, `times`, and a Check behind them; says with what the server ended it, or `None` if it answered.
async fn end_of(server: &Server, times: usize, put: impl Fn(&mut BytesMut, u32)) -> Option<u32> {
    let mut client = Frames::connect(server.address()).await;
    let mut bytes = BytesMut::new();
    let open = client.put_half_open(&mut bytes);
    for _ in 0..times {
        put(&mut bytes, open);
    }
    client.put_check(&mut bytes);
    let last = open + 2;
    // Who is let go cannot send it all, and what is answered must be read meanwhile.
    let (mut reader, mut writer) = client.split();
    let sending = tokio::spawn(async move {
        let _not_all = tokio::io::AsyncWriteExt::write_all(&mut writer, &bytes).await;
        writer
    });
    let mut end = Some(0);
    loop {
        match reader.next().await {
            Seen::GoAway { code } => end = Some(code),
            Seen::Headers(stream) if stream == last => {
                end = None;
                break;
            }
            Seen::Closed => break,
            Seen::Headers(_) | Seen::Data { .. } | Seen::Reset { .. } | Seen::Other => {}
        }
    }
    drop(tokio::time::timeout(PATIENCE, sending).await.expect("it is not read any more"));
    end
}

type Put = fn(&mut BytesMut, u32);

// X5
#[tokio::test]
async fn frames_that_bring_no_call_forward_end_their_connection() {
    let server = Server::start(strict(ALLOWED)).await;
    let kinds: [(&str, usize, Put); 9] = [
        ("priority", 1, |out, _| put_frame(out, PRIORITY, 0, 9, &[0, 0, 0, 0, 1])),
        ("window of the connection", 1, |out, _| put_frame(out, WINDOW_UPDATE, 0, 0, &[0, 0, 0, 1])),
        ("window of a stream", 1, |out, open| put_frame(out, WINDOW_UPDATE, 0, open, &[0, 0, 0, 1])),
        ("ping", 1, |out, _| put_frame(out, PING, 0, 0, &[0; 8])),
        ("answer to a ping", 1, |out, _| put_frame(out, PING, 1, 0, &[0; 8])),
        ("unknown", 1, |out, _| put_frame(out, 0x77, 0, 0, b"")),
        ("long unknown", 60, |out, _| put_frame(out, 0x77, 0, 0, &[0; 15_000])),
        ("settings", 17, |out, _| put_frame(out, SETTINGS, 0, 0, &[0, 4, 0, 0, 0xff, 0xff])),
        ("reset of what has ended", 1, |out, open| put_frame(out, RST_STREAM, 0, open, &[0, 0, 0, 8])),
    ];
    let mut ended = 0;
    for (name, cost, put) in kinds {
        let few = usize::try_from(ALLOWED).unwrap() / cost / 2;
        assert_eq!(end_of(&server, few, put).await, None, "{few} frames of {name}");
        assert_eq!(end_of(&server, 3 * few, put).await, Some(ENHANCE_YOUR_CALM), "{} of {name}", 3 * few);
        ended += 1;
        assert_eq!(server.running.counts().connections_without_progress.value(), ended, "{name}");
    }
    // The library has a bound of its own for these: a hundred.
    let empty: [Put; 2] = [
        |out, open| put_frame(out, DATA, 0, open, b""),
        |out, open| put_frame(out, DATA, 8, open, &[9, 0, 0, 0, 0, 0, 0, 0, 0, 0]),
    ];
    for put in empty {
        assert_eq!(end_of(&server, 100, put).await, None);
        assert_eq!(end_of(&server, 3_000, put).await, Some(ENHANCE_YOUR_CALM));
    }
    let goaway: Put = |out, _| put_frame(out, GOAWAY, 0, 0, &[0; 8]);
    assert_ne!(end_of(&server, 3_000, goaway).await, None, "the client said that it goes");
    let mut client = honest(server.address()).await;
    client.check(check_request(ANSWER)).await.unwrap();
}

// X5
#[tokio::test]
async fn by_default_as_many_frames_are_borne_as_refused_calls_may_have() {
    let server = Server::start(ListenerLimits::default()).await;
    let put: Put = |out, _| put_frame(out, PRIORITY, 0, 9, &[0, 0, 0, 0, 1]);
    assert_eq!(end_of(&server, 16_384, put).await, None);
    assert_eq!(end_of(&server, 40_000, put).await, Some(ENHANCE_YOUR_CALM));
}

/// Reads one answer, and makes room again for each piece of it as a careful client does: of its stream and the connection.
async fn take_answer(client: &mut Frames, stream: u32) -> usize {
    let (mut heads, mut taken) = (0, 0);
    while heads < 2 {
        match client.next().await {
            Seen::Headers(of) if of == stream => heads += 1,
            Seen::Data { stream: of, bytes } => {
                taken += bytes;
                let mut room = BytesMut::new();
                for of in [0, of] {
                    put_frame(&mut room, WINDOW_UPDATE, 0, of, &u32::try_from(bytes).unwrap().to_be_bytes());
                }
                client.write(&room).await.unwrap();
            }
            end @ (Seen::GoAway { .. } | Seen::Closed) => panic!("{end:?}"),
            Seen::Headers(_) | Seen::Reset { .. } | Seen::Other => {}
        }
    }
    taken
}

// X5
#[tokio::test]
async fn what_honest_clients_send_beside_their_calls_is_earned_by_them() {
    let server = Server::start(strict(200)).await;
    let mut client = Frames::connect(server.address()).await;
    for call in 0..500 {
        let mut bytes = BytesMut::new();
        Frames::put_ping(&mut bytes);
        put_frame(&mut bytes, PRIORITY, 0, 9, &[0, 0, 0, 0, 1]);
        if call % 3 == 0 {
            let cancelled = client.put_half_open(&mut bytes);
            Frames::put_reset(&mut bytes, cancelled);
        }
        let stream = client.put_call(CHECK, &check_request(ANSWER), &mut bytes);
        client.write(&bytes).await.unwrap();
        take_answer(&mut client, stream).await;
    }

    // Large answers into small windows, and large questions in small pieces.
    let mut client = Frames::connect_with_window(server.address(), 512).await;
    let batch =
        BatchCheckRequest { requests: vec![CheckRequest::default(); 20_000], ..BatchCheckRequest::default() };
    for _ in 0..10 {
        let mut bytes = BytesMut::new();
        let stream = client.put_call(BATCH, &batch, &mut bytes);
        client.write(&bytes).await.unwrap();
        assert!(take_answer(&mut client, stream).await >= 40_000);
    }
    let mut client = Frames::connect(server.address()).await;
    for _ in 0..10 {
        let mut bytes = BytesMut::new();
        let question = check_request(&"a".repeat(20_000));
        let stream = client.put_call_in_pieces(CHECK, &question, 300, &mut bytes);
        client.write(&bytes).await.unwrap();
        take_answer(&mut client, stream).await;
    }

    let clients = join_all((0..4).map(|_| honest(server.address()))).await;
    join_all(clients.into_iter().flat_map(|client| vec![client; 16]).map(|mut client| async move {
        for _ in 0..50 {
            client.check(check_request(ANSWER)).await.unwrap();
        }
    }))
    .await;
    assert_eq!(server.running.counts().connections_without_progress.value(), 0);
}

// X5
#[tokio::test]
async fn a_reader_that_makes_room_for_a_byte_at_a_time_is_let_go() {
    let server = Server::start(strict(ALLOWED)).await;
    let mut client = Frames::connect_without_window(server.address()).await;
    let batch =
        BatchCheckRequest { requests: vec![CheckRequest::default(); 20_000], ..BatchCheckRequest::default() };
    let mut bytes = BytesMut::new();
    let stream = client.put_call(BATCH, &batch, &mut bytes);
    client.write(&bytes).await.unwrap();
    let mut room = BytesMut::new();
    put_frame(&mut room, WINDOW_UPDATE, 0, stream, &[0, 0, 0, 1]);
    let mut pieces = 0;
    loop {
        match client.next().await {
            Seen::Closed => break,
            Seen::GoAway { code } => assert_eq!(code, ENHANCE_YOUR_CALM),
            Seen::Headers(_) | Seen::Data { .. } => {
                pieces += 1;
                let _closed_meanwhile = client.write(&room).await;
            }
            Seen::Reset { .. } | Seen::Other => {}
        }
    }
    assert!((300..2_000).contains(&pieces), "{pieces}");
    assert_eq!(server.running.counts().connections_without_progress.value(), 1);
}

// X5
#[tokio::test]
async fn a_message_in_pieces_of_a_byte_is_let_go_and_one_in_usual_pieces_is_not() {
    let server = Server::start(strict(ALLOWED)).await;
    let whole = framed(&check_request(&"a".repeat(20_000)));
    for (bytes, expected) in [(1_000, true), (1, false)] {
        let h2 = H2::connect(server.address()).await;
        let (response, mut stream) = h2.open(post(CHECK)).await.unwrap();
        for piece in whole.chunks(bytes) {
            // A stream that has ended meanwhile takes no more.
            drop(stream.send_data(bytes::Bytes::copy_from_slice(piece), false));
        }
        drop(stream.send_data(bytes::Bytes::new(), true));
        let answer = crate::client::read_answer(response).await;
        assert_eq!(answer.is_ok_and(|answer| answer.code() == Code::Ok), expected, "{bytes}");
    }
}
