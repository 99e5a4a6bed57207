//! kill -9 at a random moment while clients spend limits, again and again on the same files: nothing is admitted twice, and
//! little is wasted.

use std::{
    collections::HashMap,
    hash::{BuildHasher as _, RandomState},
    path::Path,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
};

use keyward::wire::v1::{
    self, CheckMode, DenialReason, check_request::Subject, key_service_client::KeyServiceClient,
};
use tokio::{sync::watch, time::timeout};
use tonic::transport::Channel;

use crate::{
    Client,
    facts::Dice,
    kill::{number, tell},
    process::{PATIENCE, Server},
    support::{check, holder_key, reason},
};

/// Unless `KEYWARD_SPEND_ROUNDS` asks for more.
const ROUNDS: u64 = 5;
/// For so long a stop goes on before it is killed.
const MOST_TURNS: usize = 20_000;
/// Then every limit is spent.
const ROUNDS_WITH_THE_SAME_FILES: u64 = 5;
const CONNECTIONS: usize = 8;
/// Answers in a round before its end, at most.
const MOST_ANSWERS: usize = 400;

/// A scope of each tier, what its limit admits, and whether its window ends with the calendar.
const TIERS: [(&str, u64, bool); 4] = [
    ("files:read", 500, true),
    ("files:write", 40, true),
    ("files:list", 300, false),
    ("files:scan", 2_000, false),
];

const POLICY: &str = "
    environments = [{ name = 'live', prefix = 'kw_live_' }]
    scopes = [{ name = 'files:read' }, { name = 'files:write' }, { name = 'files:list' }, { name = 'files:scan' }]
    plans = [{ name = 'starter' }]

    [[tiers]]
    name = 'default'
    limits = [{ name = 'day', limit = 500, calendar = 'day' }]

    [[tiers]]
    name = 'writes'
    scopes = ['files:write']
    limits = [{ name = 'hour', limit = 40, calendar = 'hour' }]

    [[tiers]]
    name = 'lists'
    scopes = ['files:list']
    limits = [{ name = 'rolling', limit = 300, rolling = '30d' }]

    [[tiers]]
    name = 'scans'
    scopes = ['files:scan']
    limits = [{ name = 'bucket', limit = 2000, bucket = { refill = 1, every = '366d' } }]
";

/// Allows that were acknowledged, by tier and by the end of the window, where there is one.
type Allowed = Arc<Mutex<HashMap<(usize, i64), u64>>>;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_limit_is_spent_twice_whenever_the_server_is_killed_and_little_is_wasted() {
    // L6, L8, L10, R3
    let rounds = number("KEYWARD_SPEND_ROUNDS").unwrap_or(ROUNDS);
    let seed = number("KEYWARD_KILL_SEED").unwrap_or_else(|| RandomState::new().hash_one(0));
    tell(&format!("KEYWARD_KILL_SEED={seed} draws the same moments"));
    let mut dice = Dice(seed);
    for _files in 0..rounds.div_ceil(ROUNDS_WITH_THE_SAME_FILES) {
        spend_and_kill(&mut dice).await;
    }
}

async fn spend_and_kill(dice: &mut Dice) {
    let folder = tempfile::tempdir().unwrap();
    let (data_dir, policy) = (folder.path().join("data"), folder.path().join("policy.toml"));
    std::fs::write(&policy, POLICY).unwrap();
    let start =
        || Server::start_with(&data_dir, &["--listen", "127.0.0.1:0", "--policy", policy.to_str().unwrap()]);
    let server = start();
    let client = Client::of(&server, &data_dir).await;
    let scopes = TIERS.map(|(scope, ..)| scope);
    let mut issued = client.keys().issue(client.signed(holder_key(&scopes))).await.unwrap().into_inner();
    let key_id = issued.key.take().unwrap().id;
    let mut secrets = vec![std::mem::take(&mut issued.api_key)];
    server.stop();

    let allowed = Allowed::default();
    let (mut kills, mut stops) = (0, 0);
    for round in 0..ROUNDS_WITH_THE_SAME_FILES {
        let server = start();
        if round == 1 {
            secrets.push(rotate(&server, &data_dir, &key_id).await);
        }
        let enough = dice.below(MOST_ANSWERS);
        let load = Load::start(&server, &secrets, &allowed).await;
        load.answered(enough).await;
        if dice.below(4) == 0 {
            load.end().await;
            let before = remaining(&server, &secrets[0]).await;
            server.stop();
            let server = start();
            let after = remaining(&server, &secrets[0]).await;
            for (before, after) in before.iter().zip(&after) {
                assert!(before == after || before.1 != after.1, "a stop in order wastes nothing");
            }
            server.kill();
            stops += 1;
        } else if dice.below(2) == 0 {
            // In the middle of its stop, wherever that is.
            load.end().await;
            server.terminate();
            for _turn in 0..dice.below(MOST_TURNS) {
                tokio::task::yield_now().await;
            }
            server.kill();
        } else {
            server.kill();
            load.end().await;
        }
        kills += 1;
    }

    let server = start();
    let load = Load::start(&server, &secrets, &allowed).await;
    timeout(PATIENCE, async {
        while remaining(&server, &secrets[0]).await.iter().any(|(left, _)| *left > 0) {
            tokio::task::yield_now().await;
        }
    })
    .await
    .unwrap();
    load.end().await;
    server.stop();
    judge(&allowed, kills);
    tell(&format!("{kills} kills, {stops} stops: {:?}", allowed.lock().unwrap()));
}

fn judge(allowed: &Allowed, kills: u64) {
    let allowed = allowed.lock().unwrap();
    for (tier, (scope, limit, _)) in TIERS.iter().enumerate() {
        let windows: Vec<_> =
            allowed.iter().filter(|((of, _), _)| *of == tier).map(|(_, sum)| *sum).collect();
        for sum in &windows {
            assert!(sum <= limit, "{sum} of {limit} were allowed: {scope}");
        }
        let block = limit.div_ceil(100).max(16).min(*limit);
        // What was charged and not answered any more is lost to the client too.
        let lost = kills * (2 * block + u64::try_from(CONNECTIONS).unwrap());
        let sum: u64 = windows.iter().sum();
        assert!(windows.len() > 1 || sum + lost >= *limit, "{} of {limit} are wasted: {scope}", limit - sum);
    }
}

async fn rotate(server: &Server, data_dir: &Path, key_id: &str) -> String {
    let client = Client::of(server, data_dir).await;
    let request = v1::RotateRequest { key_id: key_id.to_owned(), ..v1::RotateRequest::default() };
    let mut answer = client.keys().rotate(client.signed(request)).await.unwrap().into_inner();
    std::mem::take(&mut answer.api_key)
}

/// What is left of each tier's limit, and when its window ends, where it ends with the calendar.
async fn remaining(server: &Server, secret: &str) -> Vec<(u64, i64)> {
    let mut keys = KeyServiceClient::new(connect(server).await);
    let mut all = Vec::new();
    for (tier, (scope, ..)) in TIERS.iter().enumerate() {
        let peek = v1::CheckRequest { mode: CheckMode::Peek.into(), ..check(secret, &[scope]) };
        let answer = keys.check(peek).await.unwrap().into_inner();
        all.push((answer.limits[0].remaining, window(tier, &answer)));
    }
    all
}

async fn connect(server: &Server) -> Channel {
    Channel::from_shared(server.url()).unwrap().connect().await.unwrap()
}

fn window(tier: usize, answer: &v1::CheckResponse) -> i64 {
    if TIERS[tier].2 { answer.limits[0].reset_time.unwrap().seconds } else { 0 }
}

/// Clients that spend every limit with every secret, until the server is gone or they are told to stop.
struct Load {
    stop: Arc<AtomicBool>,
    answers: watch::Receiver<usize>,
    tasks: Vec<tokio::task::JoinHandle<()>>,
}

impl Load {
    async fn start(server: &Server, secrets: &[String], allowed: &Allowed) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let answers = Arc::new(watch::Sender::new(0));
        let turn = Arc::new(AtomicUsize::new(0));
        let mut tasks = Vec::new();
        for _connection in 0..CONNECTIONS {
            let mut keys = KeyServiceClient::new(connect(server).await);
            let (stop, answers, turn) = (Arc::clone(&stop), Arc::clone(&answers), Arc::clone(&turn));
            let (allowed, secrets) = (Arc::clone(allowed), secrets.to_vec());
            tasks.push(tokio::spawn(async move {
                while !stop.load(Ordering::SeqCst) {
                    let turn = turn.fetch_add(1, Ordering::SeqCst);
                    let secret = &secrets[turn / TIERS.len() % secrets.len()];
                    spend(&mut keys, turn % TIERS.len(), secret, &allowed).await;
                    answers.send_modify(|answers| *answers += 1);
                }
            }));
        }
        Self { stop, answers: answers.subscribe(), tasks }
    }

    async fn answered(&self, enough: usize) {
        let mut answers = self.answers.clone();
        timeout(PATIENCE, answers.wait_for(|answers| *answers >= enough)).await.unwrap().unwrap();
    }

    async fn end(self) {
        self.stop.store(true, Ordering::SeqCst);
        for task in self.tasks {
            task.await.unwrap();
        }
    }
}

async fn spend(keys: &mut KeyServiceClient<Channel>, tier: usize, secret: &str, allowed: &Allowed) {
    let request = v1::CheckRequest {
        subject: Some(Subject::ApiKey(secret.to_owned())),
        ..check(secret, &[TIERS[tier].0])
    };
    // Whoever could not be answered has been allowed nothing.
    let Ok(answer) = keys.check(request).await else { return tokio::task::yield_now().await };
    let answer = answer.into_inner();
    match reason(&answer) {
        None => *allowed.lock().unwrap().entry((tier, window(tier, &answer))).or_default() += 1,
        Some(DenialReason::RateLimited | DenialReason::QuotaExceeded) => {}
        Some(other) => panic!("{other:?}"),
    }
}
