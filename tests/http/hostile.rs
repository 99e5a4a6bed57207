//! HTTP/1.1 as no proper client writes it: each request gets a refusal, an end or its own answer, and never that of
//! another.

use std::fmt::Write as _;

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};

use crate::{client::ask_h2, process::PATIENCE, support::Keyward};

/// The last request of a connection, which is 404.
const LAST: &str = "GET /last HTTP/1.1\r\nhost: k\r\nconnection: close\r\n\r\n";

/// A Keyward, and a key that it lets through.
struct House {
    keyward: Keyward,
    key: String,
}

/// The statuses of all answers on a connection, and how many of them let something through.
#[derive(Debug, PartialEq, Eq)]
struct Seen {
    statuses: Vec<u16>,
    allowed: usize,
}

impl House {
    async fn build() -> Self {
        let keyward = Keyward::start().await;
        let key = keyward.issue_scopes(&["messaging:send"]).await.api_key;
        Self { keyward, key }
    }

    /// Sends these bytes on a connection of their own, and reads until its end.
    async fn send(&self, bytes: &[u8]) -> Seen {
        let mut socket = TcpStream::connect(self.keyward.service.http_address()).await.unwrap();
        // Who refuses a request may close before all of it was sent.
        let _closed_early = socket.write_all(bytes).await;
        read_to_end(socket).await
    }

    /// A question of a gateway about a request with this key; `more` are lines of its head.
    fn question(start: &str, key: &str, more: &str) -> String {
        format!(
            "{start}\r\nhost: k\r\nx-forwarded-method: GET\r\nx-forwarded-uri: /v1/messages\r\n\
             x-forwarded-host: k\r\nx-forwarded-for: 192.0.2.1\r\nx-api-key: {key}\r\n{more}\r\n"
        )
    }

    fn good(&self) -> String {
        Self::question("GET /verify?scopes=messaging:send HTTP/1.1", &self.key, "")
    }
}

async fn read_to_end(mut socket: TcpStream) -> Seen {
    let mut answers = Vec::new();
    // A reset is as good an end as any.
    drop(timeout(PATIENCE, socket.read_to_end(&mut answers)).await.expect("the connection did not end"));
    let answers = String::from_utf8(answers).unwrap();
    let heads = answers.split("HTTP/1.").skip(1);
    let statuses = heads.map(|head| head.split(' ').nth(1).unwrap().parse().unwrap()).collect();
    Seen { statuses, allowed: answers.matches("x-keyward-key-id").count() }
}

/// A question about a request that is denied.
fn bad(more: &str) -> String {
    House::question("POST /verify?scopes=messaging:send HTTP/1.1", "k", more)
}

#[track_caller]
fn assert_seen(seen: &Seen, statuses: &[u16], what: &str) {
    assert_eq!(seen.statuses, statuses, "{what:?}");
    assert_eq!(seen.allowed, statuses.iter().filter(|status| **status == 200).count(), "{what:?}");
}

#[tokio::test]
async fn no_request_is_hidden_in_the_body_of_another() {
    // X2, X5
    let house = House::build().await;
    let inner = house.good();
    let length = inner.len();
    let chunks = format!("0\r\n\r\n{inner}{LAST}");
    // Where the end of a body could be read in two ways, the connection ends with the answer.
    for head in [
        format!("content-length: {length}\r\ntransfer-encoding: chunked\r\n"),
        format!("transfer-encoding: chunked\r\ncontent-length: {length}\r\n"),
        format!("Transfer-Encoding: Chunked\r\nContent-Length: {}\r\n", length + 5),
    ] {
        assert_seen(&house.send(format!("{}{chunks}", bad(&head)).as_bytes()).await, &[401], &head);
    }
    for head in [
        "transfer-encoding: identity\r\n",
        "transfer-encoding: chunked, identity\r\n",
        "transfer-encoding: xchunked\r\n",
        "transfer-encoding: chunked\r\ntransfer-encoding: identity\r\n",
        "transfer-encoding: \x0bchunked\r\n",
        "transfer-encoding : chunked\r\n",
        "transfer-encoding\r\n",
        "x: y\r\n transfer-encoding: chunked\r\n",
        "content-length: 5\r\ncontent-length: 6\r\n",
        "content-length: 5, 6\r\n",
        "content-length: +5\r\n",
        "content-length: -5\r\n",
        "content-length: 0x5\r\n",
        "content-length: 5 5\r\n",
        "content-length:\r\n",
        "content-length : 5\r\n",
        "content-length: 18446744073709551616\r\n",
    ] {
        assert_seen(&house.send(format!("{}{chunks}", bad(head)).as_bytes()).await, &[400], head);
    }
    // A body that is read in one way only is one; whether the connection goes on behind it is the server's.
    for head in [format!("content-length: {length}\r\n"), format!("content-length: {length}\r\n").repeat(2)] {
        let seen = house.send(format!("{}{inner}{LAST}", bad(&head)).as_bytes()).await;
        assert!([&[401][..], &[401, 404]].contains(&seen.statuses.as_slice()), "{head:?}: {seen:?}");
    }
}

#[tokio::test]
async fn a_body_in_chunks_that_are_none_is_refused() {
    let house = House::build().await;
    let head = "POST /v1/check HTTP/1.1\r\nhost: k\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n";
    let inner = house.good();
    for (chunks, status) in [
        ("2\r\n{}\r\n0\r\n\r\n", 200),
        ("1;x=y\r\n{\r\n1\r\n}\r\n0\r\nx-trailer: y\r\n\r\n", 200),
        ("x\r\n{}\r\n0\r\n\r\n", 400),
        ("-2\r\n{}\r\n0\r\n\r\n", 400),
        ("2\r\n{}0\r\n\r\n", 400),
        ("2\r\n{}\r\nfffffffffffffffff\r\n", 400),
        ("\r\n", 400),
        (&format!("2;{}\r\n{{}}\r\n0\r\n\r\n", "x".repeat(100_000)), 400),
        (&format!("2\r\n{{}}\r\n0\r\n{}\r\n", "x: y\r\n".repeat(10_000)), 400),
    ] {
        let bytes = format!("{head}{chunks}{}{LAST}", if status == 200 { "" } else { &inner });
        let seen = house.send(bytes.as_bytes()).await;
        assert_eq!((seen.statuses[0], seen.allowed), (status, 0), "{chunks:?}: {seen:?}");
        assert!(status == 200 || seen.statuses.len() == 1, "{chunks:?}: {seen:?}");
    }
}

/// All that is written on a connection on which these bytes were sent.
async fn raw(keyward: &Keyward, bytes: &[u8]) -> String {
    let mut socket = TcpStream::connect(keyward.service.http_address()).await.unwrap();
    let _closed_early = socket.write_all(bytes).await;
    let mut answers = Vec::new();
    drop(timeout(PATIENCE, socket.read_to_end(&mut answers)).await.expect("the connection did not end"));
    String::from_utf8(answers).unwrap()
}

#[tokio::test]
async fn a_control_in_a_header_gets_a_whole_answer_of_our_own() {
    // H5, X2
    let house = House::build().await;
    let body =
        r#"{"success":false,"error":{"code":"REQUEST_MALFORMED","message":"The request is malformed."}}"#;
    let good = house.good();
    for byte in (0..=0x1f_u8).chain([0x7f]).filter(|byte| *byte != b'\t') {
        for target in ["/verify?scopes=messaging:send", "/v1/check", "/elsewhere"] {
            for line in [
                [b"x-api-key: k", &[byte][..], b"k\r\n"].concat(),
                [b"x-other: ", &[byte][..], b"k\r\n"].concat(),
                [b"x", &[byte][..], b"y: k\r\n"].concat(),
            ] {
                let head = format!("GET {target} HTTP/1.1\r\nhost: k\r\n");
                let request = [head.as_bytes(), &line, b"\r\n"].concat();
                let answer = raw(&house.keyward, &request).await;
                let what = format!("{byte:#x} {target}: {answer}");
                // An LF alone is the end of a line, and then what stands behind it is one, or a line that is none.
                let (answered, said) = answer.split_once("\r\n\r\n").unwrap();
                assert!(answered.starts_with("HTTP/1.1 400 Bad Request\r\n"), "{what}");
                assert_eq!(said, body, "{what}");
                for header in [
                    format!("\r\ncontent-length: {}", body.len()),
                    format!("\r\nx-keyward-body: {body}"),
                    "\r\ncontent-type: application/json".to_owned(),
                    "\r\ncache-control: no-store".to_owned(),
                    "\r\nwww-authenticate: Bearer realm=\"keyward\", error=\"invalid_request\"".to_owned(),
                    "\r\nx-ratelimit-latency: 0".to_owned(),
                    "\r\nconnection: close".to_owned(),
                ] {
                    assert_eq!(answered.matches(&header).count(), 1, "{header:?} {what}");
                }
            }
        }
        // Behind a good request on the same connection, each has its own answer.
        let line = [b"x: ", &[byte][..], b"y\r\n\r\n"].concat();
        let both = [good.as_bytes(), b"GET / HTTP/1.1\r\nhost: k\r\n", &line].concat();
        let answers = raw(&house.keyward, &both).await;
        assert!(
            answers.starts_with("HTTP/1.1 200 OK\r\n") && answers.ends_with(body),
            "{byte:#x}: {answers}"
        );
    }
    // A tab may stand in a value, and is no part of a key.
    let tab = House::question("GET /verify?scopes=messaging:send HTTP/1.1", "k\tk", "connection: close\r\n");
    assert!(raw(&house.keyward, tab.as_bytes()).await.contains("CREDENTIALS_INVALID"));
}

/// What the library below HTTP/2 does, and nothing of ours can change: docs/http.md says so.
#[tokio::test]
async fn a_control_in_a_header_ends_a_connection_of_http2() {
    let keyward = Keyward::start().await;
    for address in [keyward.service.http_address(), keyward.address] {
        for byte in [0, 1, b'\n', b'\r', 0x1f, 0x7f] {
            let value = [b'k', byte];
            // :method GET, :scheme http, :path /, then one field with its name and value.
            let block = [&[0x82, 0x86, 0x84, 0, 1, b'x', 2][..], &value].concat();
            let length = u8::try_from(block.len()).unwrap();
            let bytes = [
                b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec(),
                vec![0, 0, 0, 4, 0, 0, 0, 0, 0],
                vec![0, 0, length, 1, 5, 0, 0, 0, 1],
                block,
            ];
            let mut socket = TcpStream::connect(address).await.unwrap();
            socket.write_all(&bytes.concat()).await.unwrap();
            let mut answer = Vec::new();
            drop(timeout(PATIENCE, socket.read_to_end(&mut answer)).await.expect("it goes on"));
            assert!(kinds(&answer).contains(&7), "no GOAWAY for {byte:#x}: {answer:?}");
        }
    }
}

/// The kinds of these frames.
fn kinds(mut bytes: &[u8]) -> Vec<u8> {
    let mut kinds = Vec::new();
    while let [_, high, low, kind, _, _, _, _, _, rest @ ..] = bytes {
        kinds.push(*kind);
        bytes = rest.get(usize::from(*high) << 8 | usize::from(*low)..).unwrap_or_default();
    }
    kinds
}

#[tokio::test]
async fn a_head_that_is_malformed_is_400_and_the_end() {
    // X2, X5
    let house = House::build().await;
    let key = &house.key;
    let good = |start: &str, more: &str| House::question(start, key, more);
    let start = "GET /verify?scopes=messaging:send HTTP/1.1";
    for head in [
        good(start, " folded: x\r\n"),
        good(start, "\tfolded\r\n"),
        good(start, "no colon\r\n"),
        good(start, ": no name\r\n"),
        good(start, "a b: c\r\n"),
        good(start, "x\0y: z\r\n"),
        good(start, "x: y\0z\r\n"),
        good(start, "x: y\rz\r\n"),
        good(start, "x\u{e4}: y\r\n"),
        good("GET /verify?scopes=messaging:send", ""),
        good("GET /verify?scopes=messaging:send HTTP/0.9", ""),
        good("GET /verify?scopes=messaging:send HTTP/2.0", ""),
        good("GET /verify?scopes=messaging:send HTTP/1.11", ""),
        good("GET /verify?scopes=messaging:send http/1.1", ""),
        good("GET /verify?scopes=messaging:send HTTP/1.1 x", ""),
        good("GET /verify ?scopes=messaging:send HTTP/1.1", ""),
        good("GET verify?scopes=messaging:send HTTP/1.1", ""),
        good("GET  HTTP/1.1", ""),
        good("G\u{e4}T /verify HTTP/1.1", ""),
        good("/verify HTTP/1.1", ""),
        "\x16\x03\x01\x02\x00\x01\x00\x01\u{7f}\r\n\r\n".to_owned(),
        "SSH-2.0-x\r\n\r\n".to_owned(),
    ] {
        let seen = house.send(format!("{head}{}", house.good()).as_bytes()).await;
        assert_seen(&seen, &[400], &head);
    }
}

#[tokio::test]
async fn a_target_in_another_form_is_its_path() {
    // X3
    let house = House::build().await;
    for (start, status) in [
        ("GET http://other.example/verify?scopes=messaging:send HTTP/1.1", 200),
        ("GET /verify?scopes=messaging:send#/../x HTTP/1.1", 200),
        ("GET http://other.example/verifyx?scopes=messaging:send HTTP/1.1", 404),
        ("GET http://other.example HTTP/1.1", 404),
        ("GET other.example:80 HTTP/1.1", 404),
        ("CONNECT other.example:443 HTTP/1.1", 405),
        ("OPTIONS * HTTP/1.1", 404),
        ("GET /verify%3fscopes=messaging:send HTTP/1.1", 404),
    ] {
        let seen = house.send(House::question(start, &house.key, "connection: close\r\n").as_bytes()).await;
        assert_seen(&seen, &[status], start);
    }
}

#[tokio::test]
async fn requests_sent_at_once_get_their_own_answers_in_their_order() {
    let house = House::build().await;
    let (good, bad) = (house.good(), bad(""));
    let seen = house.send(format!("{bad}{good}{bad}{bad}{good}{LAST}").as_bytes()).await;
    assert_seen(&seen, &[401, 200, 401, 401, 200, 404], "pipelined");
    let many = house.send(format!("{}{LAST}", good.repeat(1_000)).as_bytes()).await;
    assert_eq!((many.allowed, many.statuses.len()), (1_000, 1_001));
}

#[tokio::test]
async fn who_has_said_all_and_closes_his_side_still_hears_the_answer() {
    let house = House::build().await;
    let check = "POST /v1/check HTTP/1.1\r\nhost: k\r\ncontent-type: application/json\r\ncontent-length: ";
    for (request, statuses) in [
        (house.good(), &[200][..]),
        (house.good().repeat(2), &[200, 200]),
        (format!("{check}2\r\n\r\n{{}}"), &[200]),
        (format!("{check}3\r\n\r\n{{}}"), &[400]),
        ("GET /verify HTTP/1.1\r\nhost: k\r\n".to_owned(), &[]),
        (String::new(), &[]),
    ] {
        let mut socket = TcpStream::connect(house.keyward.service.http_address()).await.unwrap();
        socket.write_all(request.as_bytes()).await.unwrap();
        socket.shutdown().await.unwrap();
        assert_eq!(read_to_end(socket).await.statuses, statuses, "{request:?}");
    }
}

#[tokio::test]
async fn older_versions_upgrades_and_expectations_change_no_answer() {
    let house = House::build().await;
    let old = House::question("GET /verify?scopes=messaging:send HTTP/1.0", &house.key, "");
    assert_seen(&house.send(format!("{old}{}", house.good()).as_bytes()).await, &[200], "1.0 is one request");
    let chunked = House::question("GET /verify HTTP/1.0", &house.key, "transfer-encoding: chunked\r\n");
    assert_seen(&house.send(format!("{chunked}0\r\n\r\n").as_bytes()).await, &[400], "1.0 has no chunks");
    let line_feeds = format!("{}{LAST}", house.good().replace("\r\n", "\n"));
    assert_seen(&house.send(line_feeds.as_bytes()).await, &[200, 404], "RFC 9112 section 2.2 allows this");
    for head in [
        "connection: upgrade, http2-settings\r\nupgrade: h2c\r\nhttp2-settings: AAMAAABkAARAAAAAAAIAAAAA\r\n",
        "connection: upgrade\r\nupgrade: websocket\r\nsec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==\r\n",
        "expect: 100-continue\r\n",
        "expect: something else\r\n",
    ] {
        let one = House::question("GET /verify?scopes=messaging:send HTTP/1.1", &house.key, head);
        assert_seen(&house.send(format!("{one}{LAST}").as_bytes()).await, &[200, 404], head);
    }
    let connect = House::question("CONNECT /verify?scopes=messaging:send HTTP/1.1", &house.key, "");
    let after = format!("{connect}{}{LAST}", house.good());
    assert_seen(&house.send(after.as_bytes()).await, &[405, 200, 404], "no tunnel");
    let expecting = bad("content-length: 1000\r\nexpect: 100-continue\r\n");
    assert_seen(&house.send(expecting.as_bytes()).await, &[401], "nobody wants that body");
    let check =
        "POST /v1/check HTTP/1.1\r\nhost: k\r\ncontent-type: application/json\r\ncontent-length: 2\r\n";
    let expecting = format!("{check}expect: 100-continue\r\n\r\n{{}}{LAST}");
    let seen = house.send(expecting.as_bytes()).await.statuses;
    assert!([&[100, 200, 404][..], &[200, 404]].contains(&seen.as_slice()), "{seen:?}");
}

#[tokio::test]
async fn a_head_that_is_too_long_is_431_and_the_end() {
    // X5
    let house = House::build().await;
    let start = "GET /verify?scopes=messaging:send HTTP/1.1";
    let filler = |bytes: usize| format!("x-filler: {}\r\n", "a".repeat(bytes));
    let fits = House::question(start, &house.key, &filler(60_000));
    assert_seen(&house.send(format!("{fits}{LAST}").as_bytes()).await, &[200, 404], "60,000 bytes");
    let mut fields = String::new();
    (0..97).for_each(|field| write!(fields, "x-{field}: y\r\n").unwrap());
    for head in [
        House::question(start, &house.key, &filler(70_000)),
        House::question(start, &house.key, &filler(1_000).repeat(70)),
        House::question(start, &house.key, &fields),
        House::question(
            &format!("GET /verify?scopes=messaging:send&x={} HTTP/1.1", "a".repeat(70_000)),
            &house.key,
            "",
        ),
        "a".repeat(70_000),
    ] {
        let seen = house.send(format!("{head}{}", house.good()).as_bytes()).await;
        let is_refused = matches!(seen.statuses.as_slice(), [] | [400 | 414 | 431]);
        assert!(is_refused && seen.allowed == 0, "{}: {seen:?}", &head[..60]);
    }
    let (long, address) = ("a".repeat(17 << 10), house.keyward.service.http_address());
    assert_eq!(ask_h2(address, "GET", "/verify", &[("x-filler", &long)], "").await.status, 431);
}

#[tokio::test]
async fn random_bytes_let_nothing_through() {
    // X1
    let house = House::build().await;
    let mut state = 0x2545_F491_4F6C_DD1D_u64;
    let mut random = move |below: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        usize::try_from(state % u64::try_from(below).unwrap()).unwrap()
    };
    for case in 0..300 {
        let mut bytes = bad("content-length: 0\r\n").into_bytes();
        for _change in 0..=random(6) {
            let place = random(bytes.len());
            match random(3) {
                0 => bytes[place] = u8::try_from(random(256)).unwrap(),
                1 => bytes.insert(place, b"\r\n :,;\0\xff\t"[random(9)]),
                _ => drop(bytes.remove(place)),
            }
        }
        bytes.extend_from_slice(format!("\r\n\r\n{LAST}").repeat(2).as_bytes());
        let seen = house.send(&bytes).await;
        let expected = |status: &u16| [400, 401, 403, 404, 405, 414, 431, 503].contains(status);
        assert!(seen.allowed == 0 && seen.statuses.iter().all(expected), "{case}: {seen:?}");
    }
}
