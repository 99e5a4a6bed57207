//! Check is served by hand where it needs no wait, and by the generated service where it does: nobody can tell which.

use std::collections::BTreeMap;

use bytes::Bytes;
use h2::client::SendRequest;
use http::HeaderMap;
use keyward::wire::v1::{self, CheckMode, check_request::Subject};
use prost::Message as _;
use tokio::net::TcpStream;

use crate::{
    store_support::Seeded,
    support::{
        Keyward, admin_rights, check, holder_key,
        verbs::{HOUR, bound, strings, wire},
    },
};

/// All that came back.
#[derive(Debug, PartialEq)]
struct Heard {
    status: u16,
    headers: HeaderMap,
    body: Vec<u8>,
    trailers: Option<HeaderMap>,
}

struct Client(SendRequest<Bytes>);

impl Client {
    async fn of(keyward: &Keyward) -> Self {
        let socket = TcpStream::connect(keyward.address).await.unwrap();
        let (send, connection) = h2::client::handshake(socket).await.unwrap();
        tokio::spawn(connection);
        Self(send)
    }

    /// Asks twice, and says what was heard. A request that names its encoding is one for the generated service.
    async fn ask(&self, asked: &v1::CheckRequest, caller: Option<&str>) -> Heard {
        let message = asked.encode_to_vec();
        let by_hand = self.send(&framed(0, &message), caller, false).await;
        let generated = self.send(&framed(0, &message), caller, true).await;
        assert_eq!(by_hand, generated);
        by_hand
    }

    async fn send(&self, body: &[u8], caller: Option<&str>, names_encoding: bool) -> Heard {
        let mut request = http::Request::post("http://localhost/keyward.v1.KeyService/Check")
            .header("content-type", "application/grpc")
            .header("te", "trailers");
        if let Some(caller) = caller {
            request = request.header("authorization", format!("Bearer {caller}"));
        }
        if names_encoding {
            request = request.header("grpc-encoding", "identity");
        }
        let mut send = self.0.clone().ready().await.unwrap();
        let (response, mut stream) = send.send_request(request.body(()).unwrap(), false).unwrap();
        stream.send_data(Bytes::copy_from_slice(body), true).unwrap();
        let (head, mut body) = response.await.unwrap().into_parts();
        let mut bytes = Vec::new();
        while let Some(data) = body.data().await {
            let data = data.unwrap();
            body.flow_control().release_capacity(data.len()).unwrap();
            bytes.extend_from_slice(&data);
        }
        let trailers = body.trailers().await.unwrap();
        Heard { status: head.status.as_u16(), headers: head.headers, body: bytes, trailers }
    }
}

fn framed(flag: u8, message: &[u8]) -> Vec<u8> {
    [&[flag][..], &u32::try_from(message.len()).unwrap().to_be_bytes(), message].concat()
}

/// Keys that differ in whatever an answer tells of a key.
async fn keys(keyward: &Keyward) -> Vec<String> {
    let mut keys = Vec::new();
    let plain = holder_key(&["messaging:send"]);
    let labels = |count: usize, length: usize| -> BTreeMap<_, _> {
        (0..count).map(|number| (format!("label-{number}"), "\u{e9}".repeat(length))).collect()
    };
    for request in [
        plain.clone(),
        v1::IssueRequest { owner: "ann".to_owned(), metadata: labels(1, 0), ..plain.clone() },
        v1::IssueRequest { metadata: labels(3, 40), environment: "test".to_owned(), ..plain.clone() },
        v1::IssueRequest { metadata: labels(32, 256), ..plain.clone() },
        v1::IssueRequest {
            grants: vec![
                bound("storage:upload", &["space/a", "space/b"]),
                bound("storage:read", &["space/*"]),
            ],
            ..plain.clone()
        },
        v1::IssueRequest { expire_time: Some(keyward.clock.after(HOUR)), ..plain.clone() },
        v1::IssueRequest { allowed_cidrs: strings(&["192.0.2.0/24"]), ..plain.clone() },
    ] {
        keys.push(keyward.issue(request).await.api_key.clone());
    }
    let rotated = keyward.issue(plain.clone()).await;
    keys.push(rotated.api_key.clone());
    let rotate = v1::RotateRequest {
        key_id: rotated.key.id.clone(),
        grace_period: Some(wire(HOUR)),
        ..v1::RotateRequest::default()
    };
    keys.push(keyward.keys().rotate(keyward.as_root(rotate)).await.unwrap().get_ref().api_key.clone());
    let disabled = keyward.issue(plain).await;
    let off = v1::DisableKeyRequest { key_id: disabled.key.id.clone(), ..v1::DisableKeyRequest::default() };
    keyward.keys().disable_key(keyward.as_root(off)).await.unwrap();
    keys.push(disabled.api_key.clone());
    let (_workspace, first) = keyward.register("other").await;
    keys.push(first.api_key.clone());
    keys.extend(["", "nonsense"].map(ToOwned::to_owned));
    keys
}

/// A question that charges nothing, out of everything that can be asked.
fn question(seeds: &Seeded, key: &str) -> v1::CheckRequest {
    let one = |options: &[&str]| options[seeds.below(options.len())].to_owned();
    let declared =
        ["messaging:send", "messaging:send", "storage:upload", "storage:read", "storage:delete", "a:b"];
    let scope = || if seeds.below(16) == 0 { one(&["no-scope", ""]) } else { one(&declared) };
    let some = |most: usize| (0..seeds.below(most)).map(|_| scope()).collect();
    let group = |_| v1::ScopeGroup { scopes: [vec![scope()], some(2)].concat() };
    let context = v1::CheckContext {
        source_address: one(&["", "192.0.2.7", "192.0.2.7", "192.0.2.7", "nowhere"]),
        ..Default::default()
    };
    v1::CheckRequest {
        scopes: some(3),
        any_scopes: (0..seeds.below(2)).map(group).collect(),
        resource: one(&["", "", "", "", "space/a", "space/a", "space/c", "*"]),
        cost: [None, None, None, Some(0), Some(7), Some(1_000_000), Some(u64::MAX)][seeds.below(7)],
        workspace_id: one(&["", "", "", "", "", "", "ws_00000000000000000000000000", "ws_"]),
        environment: one(&["", "", "", "live", "live", "test", "#"]),
        mode: if seeds.below(5) == 0 { CheckMode::Explain } else { CheckMode::Peek }.into(),
        min_revision: [0, 0, 0, 1][seeds.below(4)],
        context: (seeds.below(2) == 0).then_some(context),
        ..check(key, &[])
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_serves_a_check_it_is_answered_in_the_same_bytes() {
    // X4, S7
    let keyward = Keyward::start().await;
    let (client, seeds, keys) = (Client::of(&keyward).await, Seeded::new(4), keys(&keyward).await);
    let bound = keyward.issue_admin("", admin_rights(&["keys:check", "keys:explain"], false)).await;
    let useless = keyward.issue_admin("", admin_rights(&["keys:read"], false)).await;
    let callers =
        [None, Some(keyward.root.as_str()), Some(&bound.api_key), Some(&useless.api_key), Some("?")];
    let (mut allowed, mut denied, mut refused) = (0, 0, 0);
    for turn in 0..2_000 {
        if turn == 1_500 {
            keyward.clock.advance(HOUR * 2);
        }
        let key = &keys[seeds.below(keys.len())];
        let caller = callers[[0, 0, 1, 2, 3, 4][seeds.below(6)]];
        let heard = client.ask(&question(&seeds, key), caller).await;
        match heard.body.get(5..).map(|message| v1::CheckResponse::decode(message).unwrap()) {
            Some(answer) if answer.allowed => allowed += 1,
            Some(_) => denied += 1,
            None => refused += 1,
        }
    }
    assert!(allowed > 50 && denied > 50 && refused > 50, "{allowed} {denied} {refused}");
    let ahead = v1::CheckRequest { min_revision: u64::MAX, ..check(&keys[0], &[]) };
    assert_eq!(client.ask(&ahead, None).await.headers["grpc-status"], "14");
    let by_id = v1::CheckRequest { subject: Some(Subject::KeyId("key_".to_owned())), ..check("", &[]) };
    client.ask(&by_id, Some(&keyward.root)).await;
    keyward.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_one_message_is_refused_as_everywhere() {
    // X4
    let keyward = Keyward::start().await;
    let issued = keyward.issue_scopes(&["messaging:send"]).await;
    let client = Client::of(&keyward).await;
    let message = check(&issued.api_key, &["messaging:send"]).encode_to_vec();
    let good = framed(0, &message);
    let status = async |body: &[u8]| {
        let heard = client.send(body, None, false).await;
        let from = heard.trailers.as_ref().unwrap_or(&heard.headers);
        from["grpc-status"].to_str().unwrap().parse::<i32>().unwrap()
    };
    assert_eq!(status(&good).await, 0);
    assert_eq!(status(&framed(0, &[])).await, 0, "nothing presented is a denial");
    for (what, bad) in [
        ("no frame", Vec::new()),
        ("half a prefix", vec![0; 3]),
        ("cut off", good[..good.len() - 1].to_vec()),
        ("compressed", framed(1, &message)),
        ("an unknown flag", framed(2, &message)),
        ("garbage", framed(0, &[0xff; 100])),
    ] {
        let code = status(&bad).await;
        assert!(code != 0, "{what}");
        let generated = client.send(&bad, None, true).await;
        assert_eq!(client.send(&bad, None, false).await, generated, "{what}");
    }
    keyward.stop().await;
}
