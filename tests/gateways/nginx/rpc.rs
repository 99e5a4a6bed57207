//! gRPC through nginx, with the client and the server of grpcio.

use std::{
    fs,
    io::{BufRead as _, BufReader, Write as _},
    path::Path,
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
};

use serde_json::{Value, json};
use tempfile::TempDir;

use super::{nginx, replacing};
use crate::{
    config::Changes,
    exchange::{exchange, request},
    gateway::Running,
    house::{Holder, House, STRANGER, policy},
    support::skip,
};

type Metadata<'a> = &'a [(&'a str, &'a str)];

/// A program of Python that is asked by lines, and answers each with one.
struct Program {
    child: Child,
    to: Option<ChildStdin>,
    from: BufReader<ChildStdout>,
}

impl Program {
    fn start(name: &str, text: &str, folder: &Path, arguments: &[&str]) -> Option<Self> {
        let (python, packages) = (skip::tool("python3")?, skip::installed("clients/python")?);
        fs::write(folder.join(name), text).unwrap();
        let mut command = Command::new(python);
        command.arg(name).args(arguments).current_dir(folder).env("PYTHONPATH", packages);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let (to, from) = (child.stdin.take(), BufReader::new(child.stdout.take().unwrap()));
        Some(Self { child, to, from })
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.from.read_line(&mut line).unwrap();
        line
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ended_already = self.child.kill();
        let _ended_already = self.child.wait();
    }
}

/// What came of a call.
struct Said(Value);

impl Said {
    fn code(&self) -> &str {
        self.0["code"].as_str().unwrap()
    }

    /// The values of a name in the metadata before or after the messages.
    fn values(&self, part: &str, name: &str) -> Vec<&str> {
        let pairs = self.0[part].as_array().unwrap().iter();
        pairs.filter(|pair| pair[0] == name).map(|pair| pair[1].as_str().unwrap()).collect()
    }

    /// The metadata that the service saw.
    fn seen(&self, name: &str) -> Vec<String> {
        let seen: Value = serde_json::from_str(self.0["answers"][0].as_str().unwrap()).unwrap();
        let pairs = seen.as_array().unwrap().iter();
        pairs.filter(|pair| pair[0] == name).map(|pair| pair[1].as_str().unwrap().to_owned()).collect()
    }
}

fn caller(folder: &TempDir, through: &Running) -> Option<Program> {
    let to = through.address.to_string();
    Program::start("rpc_caller.py", include_str!("rpc_caller.py"), folder.path(), &[&to])
}

/// A service and a caller with an nginx between them.
struct Line {
    running: Running,
    caller: Program,
    _service: Program,
    folder: TempDir,
}

impl Line {
    async fn through(house: &House, changes: Changes) -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let mut service =
            Program::start("rpc_service.py", include_str!("rpc_service.py"), folder.path(), &[])?;
        let rpc_port = service.line().trim().parse().unwrap();
        let running = nginx(house.behind(), &Changes { rpc_port, ..changes }).await?;
        let caller = caller(&folder, &running)?;
        Some(Self { running, caller, _service: service, folder })
    }

    fn call(&mut self, method: &str, metadata: Metadata<'_>, messages: &[&str]) -> Said {
        let method = format!("/example.v1.Templates/{method}");
        let call = json!({ "method": method, "metadata": metadata, "messages": messages });
        writeln!(self.caller.to.as_mut().unwrap(), "{call}").unwrap();
        let line = self.caller.line();
        Said(serde_json::from_str(&line).unwrap_or_else(|_| panic!("{line}: {}", self.running.log())))
    }

    /// How often nginx was asked for a method; everything that came is in the log when a later request is.
    async fn asked(&self, method: &str) -> usize {
        let later = format!("/after-{method}");
        exchange(self.running.address, &request("GET", &later, &[], "")).await;
        self.running.log_with(&later).await.matches(&format!("/example.v1.Templates/{method}\"")).count()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_goes_through_with_who_its_holder_is_and_what_it_claims_does_not() {
    // H4, H6, H10
    let house = House::alone(policy()).await;
    let Some(mut line) = Line::through(&house, Changes::default()).await else { return };
    let key = house.key(Holder::Reader).await;
    let metadata = [
        ("x-api-key", key.as_str()),
        ("x-keyward-owner", "mallory"),
        ("x-keyward-caller", "Bearer kw_admin_x"),
        ("x_keyward_owner", "mallory"),
        ("x-forwarded-for", "10.0.0.1"),
        ("x-own", "kept"),
    ];
    let said = line.call("List", &metadata, &["hello"]);
    assert_eq!(said.code(), "OK", "{}", said.0);
    for (name, values) in [
        ("x-keyward-owner", &["ann@example.com"][..]),
        ("x-keyward-environment", &["live"]),
        ("x-keyward-caller", &[]),
        ("x_keyward_owner", &[]),
        ("x-api-key", &[]),
        ("authorization", &[]),
        ("x-forwarded-for", &["127.0.0.1"]),
        ("x-own", &["kept"]),
    ] {
        assert_eq!(said.seen(name), values, "{name}: {}", said.0);
    }
    assert_eq!(said.seen("x-keyward-key-id").len(), 1, "{}", said.0);
    assert_eq!(said.values("initial", "x-ratelimit-latency").len(), 1, "{}", said.0);
    let large = "m".repeat(2 << 20);
    let bearer = format!("Bearer {key}");
    let said = line.call("Watch", &[("authorization", &bearer)], &["one", &large, "three"]);
    assert_eq!((said.code(), said.0["answers"].as_array().unwrap().len()), ("OK", 4));
    assert_eq!((&said.0["answers"][1], &said.0["answers"][3]), (&json!("one"), &json!("three")));
    house.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_denial_is_a_status_of_grpc_and_nobody_asks_again() {
    // H10
    let house = House::alone(policy()).await;
    let Some(mut line) = Line::through(&house, Changes::default()).await else { return };
    let (good, spent) = (house.key(Holder::Reader).await, house.key(Holder::SpentHour).await);
    let writer = house.key(Holder::Writer).await;
    let table: [(&str, Metadata<'_>, &str, &str); 8] = [
        ("Nobody", &[], "UNAUTHENTICATED", "CREDENTIALS_MISSING"),
        ("Stranger", &[("x-api-key", STRANGER)], "UNAUTHENTICATED", "CREDENTIALS_INVALID"),
        ("Other", &[("x-api-key", &writer)], "PERMISSION_DENIED", "SCOPE_INSUFFICIENT"),
        (
            "Two",
            &[("x-api-key", &good), ("authorization", "Bearer k")],
            "INVALID_ARGUMENT",
            "CREDENTIALS_AMBIGUOUS",
        ),
        (
            "Twice",
            &[("authorization", "Bearer k"), ("authorization", "Bearer l")],
            "INVALID_ARGUMENT",
            "REQUEST_MALFORMED",
        ),
        ("Spent", &[("x-api-key", &spent)], "RESOURCE_EXHAUSTED", "RATE_LIMITED"),
        ("Watch", &[("x-api-key", &spent)], "RESOURCE_EXHAUSTED", "RATE_LIMITED"),
        (
            "Problem",
            &[("x-api-key", &spent), ("accept", "application/problem+json")],
            "RESOURCE_EXHAUSTED",
            "RATE_LIMITED",
        ),
    ];
    for (method, metadata, code, reason) in table {
        let said = line.call(method, metadata, &["hello"]);
        assert_eq!(said.code(), code, "{method}: {}", said.0);
        let message = said.0["message"].as_str().unwrap();
        assert!(message.contains(&format!("\"{reason}\"")), "{method}: {}", said.0);
        assert_eq!(said.values("trailing", "grpc-retry-pushback-ms"), ["-1"], "{method}: {}", said.0);
        let is_spent = code == "RESOURCE_EXHAUSTED";
        assert_eq!(
            said.values("initial", "retry-after").len(),
            usize::from(is_spent),
            "{method}: {}",
            said.0
        );
        // As for any client: on 403 and 429.
        let is_known = is_spent || code == "PERMISSION_DENIED";
        assert_eq!(said.values("initial", "ratelimit").len(), usize::from(is_known), "{method}: {}", said.0);
        assert_eq!(line.asked(method).await, 1, "{method}: {}", line.running.log());
    }
    assert!(!line.running.log().contains("\"keyward_status\":\"200\""), "{}", line.running.log());
    house.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_outage_is_unavailable_whoever_is_away() {
    // H10, X1
    let house = House::alone(policy()).await;
    let dead = ("        server 127.0.0.1:8080;\n", "        server 127.0.0.1:1;\n");
    let changes = Changes { ready_when_open: true, ..replacing(&[dead]) };
    let Some(mut line) = Line::through(&house, changes).await else { return };
    let key = house.key(Holder::Reader).await;
    let said = line.call("Away", &[("x-api-key", &key)], &["hello"]);
    assert_eq!(said.code(), "UNAVAILABLE", "{}", said.0);
    assert!(said.0["message"].as_str().unwrap().contains("\"UNAVAILABLE\""), "{}", said.0);
    assert_eq!(said.values("initial", "retry-after"), ["1"], "{}", said.0);
    // nginx sends the status after the headers, and clients ask again only for what has none.
    assert_eq!(line.asked("Away").await, 1, "{}", line.running.log());

    let misspelt = vec![("exports:create", "enviroment", "live".to_owned())];
    let rpc = (
        "&scopes=templates:read;\n\n        # Everything else",
        "&scopes=templates:read&no=such;\n\n        # Everything else",
    );
    let changes = Changes { settings: misspelt, ..replacing(&[rpc]) };
    let Some(mut line) = Line::through(&house, changes).await else { return };
    let said = line.call("Wrong", &[("x-api-key", &key)], &["hello"]);
    assert_eq!(said.code(), "UNAVAILABLE", "{}", said.0);

    let gone = Changes { rpc_port: 1, ..Changes::default() };
    let Some(running) = nginx(house.behind(), &gone).await else { return };
    line.running = running;
    line.caller = caller(&line.folder, &line.running).unwrap();
    let said = line.call("Gone", &[("x-api-key", &key)], &["hello"]);
    assert_eq!(said.code(), "UNAVAILABLE", "{}", said.0);
    house.stop().await;
}
