//! What Checks wait while all keys are disabled or enabled in one change, as a ratio to what they wait in between, in the
//! same run; and how long the change takes from the call to its answer. Half of the quiet beside the other half tells how
//! much of a ratio is noise; and what Checks wait while a thread of no server keeps a core as busy and as long, at the same
//! nice value, how much of it any work would cost on this machine.
//!
//! The server is the release binary, a process of its own. Checks come at a steady rate on connections of their own, and
//! what one waits is counted from when it was due, so that a server that stands still is not asked less. The change is
//! called from a thread of its own. `scripts/bench bulk` builds and runs it.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a bench that cannot go on has nothing better to do"
)]

#[path = "../check/child.rs"]
#[expect(dead_code, reason = "another bench uses the rest")]
mod child;
#[path = "../check/keys.rs"]
#[expect(dead_code, reason = "another bench uses the rest")]
mod keys;
#[path = "../check/load.rs"]
#[expect(dead_code, reason = "another bench uses the rest")]
mod load;

use std::{
    cell::{Cell, RefCell},
    env,
    io::{self, Write as _},
    net::SocketAddr,
    path::PathBuf,
    rc::Rc,
    thread,
    time::Duration,
};

use bytes::Bytes;
use keyward::wire::v1::{
    ChangeKeysRequest, DisableKeys, EnableKeys, change_keys_request::Action,
    key_service_client::KeyServiceClient,
};
use tokio::{
    runtime::Builder,
    sync::oneshot,
    task::{JoinSet, LocalSet},
    time::{Instant, MissedTickBehavior, interval, sleep},
};
use tonic::transport::{Channel, Endpoint};

// As in the release binary.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const CONNECTIONS: usize = 8;
/// Between two Checks of a connection.
const PACE: Duration = Duration::from_millis(20);
/// How late the timer may be before it is the server's fault.
const TIMER: Duration = Duration::from_millis(2);
/// How long Checks are left alone before and after each change.
const QUIET: Duration = Duration::from_secs(2);

fn main() -> io::Result<()> {
    let args: Vec<String> = env::args().skip(1).collect();
    // `cargo test` runs benches too, without this flag.
    if !args.iter().any(|arg| arg == "--bench") {
        return writeln!(io::stdout(), "this is measured by scripts/bench bulk");
    }
    let value = |name: &str| args.iter().skip_while(|arg| *arg != name).nth(1);
    let number = |name: &str, default: usize| value(name).map_or(default, |text| text.parse().unwrap());
    let binary = PathBuf::from(value("--keyward").expect("scripts/bench names the binary"));
    let (rounds, count) = (number("--rounds", 10), number("--keys", 100_000));
    let runtime = Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let (server, api_keys, root_key) = keys::keyward(&binary, count, number("--workers", 2)).await?;
        let bodies: Vec<Bytes> = api_keys.iter().map(|key| load::framed_check(key, keys::SCOPE)).collect();
        LocalSet::new().run_until(measure(server.address, bodies.into(), root_key, rounds)).await
    })
}

/// What is going on while a Check is under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Quiet,
    OtherQuiet,
    Change,
    Spin,
    /// Between the two, and at the beginning.
    Unmeasured,
}

/// What Checks waited, by the phase in which they were due or answered.
#[derive(Default)]
struct Waits {
    quiet: RefCell<Vec<Duration>>,
    /// Every other stretch of quiet.
    other_quiet: RefCell<Vec<Duration>>,
    change: RefCell<Vec<Duration>>,
    spin: RefCell<Vec<Duration>>,
}

async fn measure(server: SocketAddr, bodies: Rc<[Bytes]>, root_key: String, rounds: usize) -> io::Result<()> {
    let (phase, waits) = (Rc::new(Cell::new(Phase::Unmeasured)), Rc::new(Waits::default()));
    let mut connections = JoinSet::new();
    let mut askers = JoinSet::new();
    for connection in 0..CONNECTIONS {
        let send = load::connect(server, &mut connections).await;
        askers.spawn_local(ask(send, Rc::clone(&bodies), connection, Rc::clone(&phase), Rc::clone(&waits)));
    }
    sleep(QUIET).await;
    let (mut changes, mut previews) = (Vec::new(), Vec::new());
    for round in 0..rounds {
        for action in [Action::Disable(DisableKeys {}), Action::Enable(EnableKeys {})] {
            phase.set(Phase::Quiet);
            sleep(QUIET / 2).await;
            phase.set(Phase::OtherQuiet);
            sleep(QUIET / 2).await;
            phase.set(Phase::Change);
            let (preview, change) = change_all(server, root_key.clone(), action, bodies.len()).await;
            phase.set(Phase::Unmeasured);
            sleep(QUIET / 7).await;
            phase.set(Phase::Spin);
            spin(preview + change).await;
            phase.set(Phase::Unmeasured);
            sleep(QUIET / 7).await;
            previews.push(preview);
            changes.push(change);
        }
        // The first round warms up.
        if round == 0 {
            (changes, previews) = (Vec::new(), Vec::new());
            waits.quiet.borrow_mut().clear();
            waits.other_quiet.borrow_mut().clear();
            waits.change.borrow_mut().clear();
            waits.spin.borrow_mut().clear();
        }
    }
    askers.abort_all();
    let mut out = io::stdout();
    writeln!(out, "{} keys, {CONNECTIONS} connections, a Check each {PACE:?}", bodies.len())?;
    let (quiet, other) = (waits.quiet.take(), waits.other_quiet.take());
    let noise = p99(other.clone()).as_secs_f64() / p99(quiet.clone()).as_secs_f64();
    let quiet = report(&mut out, "quiet", [quiet, other].concat())?;
    let busy = report(&mut out, "change", waits.change.take())?;
    let spun = report(&mut out, "spin", waits.spin.take())?;
    let ratio = |p99: Duration| p99.as_secs_f64() / quiet.as_secs_f64();
    writeln!(
        out,
        "ratio of the p99: {:.2} (half of the quiet to the other half: {noise:.2}; a busy core without a change: {:.2})",
        ratio(busy),
        ratio(spun)
    )?;
    for (name, mut times) in [("preview", previews), ("change, call to answer", changes)] {
        times.sort_unstable();
        writeln!(
            out,
            "{name}: median {:.1?}, longest {:.1?}",
            times[times.len() / 2],
            times.last().unwrap()
        )?;
    }
    Ok(())
}

async fn ask(
    send: h2::client::SendRequest<Bytes>,
    bodies: Rc<[Bytes]>,
    connection: usize,
    phase: Rc<Cell<Phase>>,
    waits: Rc<Waits>,
) {
    let mut ticks = interval(PACE);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
    let mut place = connection * 7_919;
    loop {
        let due = ticks.tick().await;
        let now = Instant::now();
        let begun = if now.duration_since(due) < TIMER { now } else { due };
        let before = phase.get();
        place = (place + 104_729) % bodies.len();
        load::call(send.clone(), bodies[place].clone()).await;
        let waited = begun.elapsed();
        match (before, phase.get()) {
            (Phase::Change, _) | (_, Phase::Change) => waits.change.borrow_mut().push(waited),
            (Phase::Spin, _) | (_, Phase::Spin) => waits.spin.borrow_mut().push(waited),
            (Phase::Quiet, Phase::Quiet) => waits.quiet.borrow_mut().push(waited),
            (Phase::OtherQuiet, Phase::OtherQuiet) => waits.other_quiet.borrow_mut().push(waited),
            _ => {}
        }
    }
}

/// Previews and changes all keys, from a thread of its own.
async fn change_all(
    server: SocketAddr,
    root_key: String,
    action: Action,
    count: usize,
) -> (Duration, Duration) {
    let (done, answered) = oneshot::channel();
    thread::spawn(move || {
        let runtime = Builder::new_current_thread().enable_all().build().unwrap();
        done.send(runtime.block_on(call_twice(server, &root_key, action, count))).unwrap();
    });
    answered.await.unwrap()
}

/// Keeps a core busy for so long, as little in the way of others as the server's work over all keys is.
async fn spin(length: Duration) {
    let (done, spun) = oneshot::channel();
    thread::spawn(move || {
        #[cfg(target_os = "linux")]
        rustix::process::setpriority_process(None, 10).unwrap();
        let end = Instant::now() + length;
        while Instant::now() < end {}
        done.send(()).unwrap();
    });
    spun.await.unwrap();
}

async fn call_twice(
    server: SocketAddr,
    root_key: &str,
    action: Action,
    count: usize,
) -> (Duration, Duration) {
    let channel = Endpoint::from_shared(format!("http://{server}")).unwrap().connect().await.unwrap();
    let mut client = KeyServiceClient::new(channel);
    let request =
        ChangeKeysRequest { action: Some(action), validate_only: true, ..ChangeKeysRequest::default() };
    let preview = timed(&mut client, root_key, request.clone(), count).await;
    let expected_count = u64::try_from(count).unwrap();
    let request = ChangeKeysRequest { validate_only: false, expected_count, ..request };
    (preview, timed(&mut client, root_key, request, count).await)
}

async fn timed(
    client: &mut KeyServiceClient<Channel>,
    root_key: &str,
    request: ChangeKeysRequest,
    count: usize,
) -> Duration {
    let start = Instant::now();
    let answer = client.change_keys(keys::signed(root_key, request)).await.unwrap().into_inner();
    assert_eq!(usize::try_from(answer.count), Ok(count));
    start.elapsed()
}

fn p99(mut waits: Vec<Duration>) -> Duration {
    waits.sort_unstable();
    waits[(waits.len() - 1) * 99 / 100]
}

fn report(out: &mut impl io::Write, name: &str, mut waits: Vec<Duration>) -> io::Result<Duration> {
    waits.sort_unstable();
    let at = |share: usize| waits[(waits.len() - 1) * share / 1_000];
    writeln!(
        out,
        "{name:<7} {:>7} Checks: median {:.2?}, p99 {:.2?}, p99.9 {:.2?}, longest {:.2?}",
        waits.len(),
        at(500),
        at(990),
        at(999),
        at(1_000)
    )?;
    Ok(at(990))
}
