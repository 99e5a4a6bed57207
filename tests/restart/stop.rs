//! How a process ends when it is told to, and that there is one at a time.

use tokio::sync::watch;

use crate::{
    Client,
    exchange::{Connection, request},
    process::{PATIENCE, Server, keyward, run},
    support::holder_key,
    verify_offline,
};

const CALLERS: usize = 16;
const MOST_CALLS: usize = 100_000;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_sigterm_what_is_in_flight_is_answered_and_the_exit_code_is_0() {
    // D10, D1
    let folder = tempfile::tempdir().unwrap();
    let data_dir = folder.path().join("data");
    let server = Server::start(&data_dir);
    let first = watch::Sender::new(0_usize);
    let mut callers = Vec::new();
    for _caller in 0..CALLERS {
        let client = Client::of(&server, &data_dir).await;
        let first = first.clone();
        callers.push(tokio::spawn(async move {
            let mut issued = Vec::new();
            for _call in 0..MOST_CALLS {
                let Ok(answer) = client.keys().issue(client.signed(holder_key(&["messaging:send"]))).await
                else {
                    break;
                };
                issued.push(answer.into_inner().key.take().unwrap().id);
                first.send_modify(|calls| *calls += 1);
            }
            issued
        }));
    }
    first.subscribe().wait_for(|calls| *calls >= 2 * CALLERS).await.unwrap();
    server.terminate();
    let (status, log) = server.wait();
    assert_eq!(status.code(), Some(0), "{log}");
    let mut answered = Vec::new();
    for caller in callers {
        answered.extend(caller.await.unwrap());
    }
    verify_offline(&data_dir);

    let server = Server::start(&data_dir);
    let client = Client::of(&server, &data_dir).await;
    let mut stored: Vec<_> = client.all_keys().await.into_iter().filter(|key| key.admin.is_none()).collect();
    stored.sort_by(|a, b| a.id.cmp(&b.id));
    answered.sort();
    let stored: Vec<_> = stored.into_iter().map(|key| key.id).collect();
    assert_eq!(stored, answered, "a change without its answer, or an answer without its change");
    server.stop();
}

const KEPT: usize = 32;

/// Asks on one connection until an answer says that it is the last; how many there were.
async fn ask_until_told(address: std::net::SocketAddr, asked: watch::Sender<usize>) -> usize {
    let json = [("content-type", "application/json")];
    let check = request("POST", "/v1/check", &json, r#"{"api_key":"kw_live_nobodys"}"#);
    let mut connection = Connection::open(address).await.unwrap();
    for call in 1..MOST_CALLS {
        let answer = tokio::time::timeout(PATIENCE, connection.ask(&check)).await.unwrap();
        let Ok(Some(reply)) = answer else { panic!("request {call} was lost: {answer:?}") };
        assert_eq!(reply.status, 200);
        asked.send_modify(|calls| *calls += 1);
        if reply.message.header("connection") == Some("close") {
            return call;
        }
    }
    panic!("it was never told");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_sigterm_no_request_on_a_kept_connection_is_lost() {
    // D10
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(&folder.path().join("data"));
    let asked = watch::Sender::new(0_usize);
    let callers: Vec<_> =
        (0..KEPT).map(|_| tokio::spawn(ask_until_told(server.http_address, asked.clone()))).collect();
    asked.subscribe().wait_for(|calls| *calls >= 10 * KEPT).await.unwrap();
    server.terminate();
    for caller in callers {
        assert!(caller.await.unwrap() > 1);
    }
    let (status, log) = server.wait();
    assert_eq!(status.code(), Some(0), "{log}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_process_on_the_same_files_is_refused_and_the_first_goes_on() {
    // D5
    let folder = tempfile::tempdir().unwrap();
    let data_dir = folder.path().join("data");
    let server = Server::start(&data_dir);
    let client = Client::of(&server, &data_dir).await;
    for verb in ["serve", "init", "recover"] {
        let mut second = keyward();
        second
            .args([verb, "--data-dir"])
            .arg(&data_dir)
            .env("KEYWARD_ROOT_KEY_FILE", folder.path().join("other"));
        if verb == "serve" {
            second.args(["--listen", "127.0.0.1:0"]);
        }
        let refused = run(second, "");
        assert_eq!(refused.code, Some(1), "{refused:?}");
        let said = format!("{} is in use by another keyward process", data_dir.display());
        assert!(refused.err.contains(&said), "{refused:?}");
        assert!(!folder.path().join("other").exists(), "{verb} made a key");
    }
    client.keys().issue(client.signed(holder_key(&["messaging:send"]))).await.unwrap();
    server.stop();
}

#[test]
fn a_port_that_is_taken_is_named_before_a_file_is_made() {
    // K2
    let folder = tempfile::tempdir().unwrap();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let data_dir = folder.path().join("data");
    for (flag, other) in [("--listen", "--http-listen"), ("--http-listen", "--listen")] {
        let mut command = keyward();
        command.args(["serve", flag, &address, other, "127.0.0.1:0", "--data-dir"]).arg(&data_dir);
        let refused = run(command, "");
        assert_eq!(refused.code, Some(1), "{refused:?}");
        assert!(refused.err.contains(&format!("cannot listen on {address}")), "{refused:?}");
        assert!(!data_dir.exists());
    }
    Server::start(&data_dir).stop();
    assert!(data_dir.join("root-key").exists());
}
