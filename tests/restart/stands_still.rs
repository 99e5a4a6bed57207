//! A process that stands still for a while, as one does whose machine is moved or whose group is throttled.

use std::{net::SocketAddr, time::Duration};

use bytes::{BufMut as _, Bytes, BytesMut};
use futures_util::future::join_all;
use h2::{Reason, client::SendRequest};
use prost::Message as _;
use tokio::{net::TcpStream, time::timeout};

use crate::{
    process::{PATIENCE, Server},
    support::check,
};

const CALLERS: usize = 64;
const CALLS_OF_EACH: usize = 2;
const CALLS_AFTERWARDS: usize = 120;
const DEADLINE: Duration = Duration::from_millis(200);

/// The one connection; the library is used directly, since a channel would make another in the place of a broken one.
async fn connect(address: SocketAddr) -> SendRequest<Bytes> {
    let socket = TcpStream::connect(address).await.unwrap();
    let (send, connection) = h2::client::handshake(socket).await.unwrap();
    tokio::spawn(connection);
    send
}

/// A Check; `None` if it was not answered by this time, and is cancelled then, as callers do.
async fn ask(connection: &SendRequest<Bytes>, deadline: Duration) -> Result<Option<()>, h2::Error> {
    let message = check("kw_live_nobodys", &["messaging:send"]).encode_to_vec();
    let mut frame = BytesMut::new();
    frame.put_u8(0);
    frame.put_u32(u32::try_from(message.len()).unwrap());
    frame.put_slice(&message);
    let request = http::Request::post("http://localhost/keyward.v1.KeyService/Check")
        .header("content-type", "application/grpc")
        .header("te", "trailers")
        .body(())
        .unwrap();
    let (answer, mut stream) = connection.clone().ready().await?.send_request(request, false)?;
    stream.send_data(frame.freeze(), true)?;
    let Ok(answer) = timeout(deadline, answer).await else {
        stream.send_reset(Reason::CANCEL);
        return Ok(None);
    };
    let mut body = answer?.into_body();
    while let Some(data) = body.data().await {
        drop(data?);
    }
    let trailers = body.trailers().await?.unwrap();
    assert_eq!(trailers["grpc-status"], "0");
    Ok(Some(()))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn callers_whose_deadlines_passed_while_it_stood_still_take_nobodys_connection() {
    // X5, D10
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(&folder.path().join("data"));
    let connection = connect(server.address).await;
    assert_eq!(ask(&connection, PATIENCE).await.unwrap(), Some(()));

    server.stand_still();
    let callers = (0..CALLERS).map(|_| async {
        for _ in 0..CALLS_OF_EACH {
            assert_eq!(ask(&connection, DEADLINE).await.unwrap(), None, "it stands still");
        }
    });
    join_all(callers).await;

    server.go_on();
    let afterwards = join_all((0..CALLS_AFTERWARDS).map(|_| ask(&connection, PATIENCE))).await;
    let failed: Vec<_> = afterwards.into_iter().filter(|answer| !matches!(answer, Ok(Some(())))).collect();
    assert!(failed.is_empty(), "{} of {CALLS_AFTERWARDS} failed: {:?}", failed.len(), failed.first());
    server.stop();
}
