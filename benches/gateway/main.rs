//! What a request through Envoy costs in CPU time: Envoy's and Keyward's, beside the same Envoy on a route that asks nobody.
//!
//! Envoy runs the example's own configuration with one worker. Each program is a process of its own, whose CPU time is read from
//! `/proc` (Linux only). The rounds alternate between `open` (the route `/healthz`, where ext_authz is disabled) and
//! `asked` (`/v1/templates`, where Keyward decides). The service behind, a constant answer, and the load generator are not
//! counted. `scripts/bench gateway` builds and runs it all.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a bench that cannot go on has nothing better to do"
)]

#[path = "../check/child.rs"]
mod child;
#[path = "../../tests/envoy/config.rs"]
#[allow(dead_code, reason = "the tests change more of the example")]
mod config;
#[path = "../check/keys.rs"]
#[allow(dead_code, reason = "the other bench has a use for made-up keys")]
mod keys;
mod load;
mod service;

use std::{
    env, fs,
    io::{self, Write as _},
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Duration,
};

use keyward::server::listener::cores;
use tokio::{runtime::Builder, time::sleep};

use crate::{
    child::{Server, cpu_time},
    config::Config,
    load::{Load, is_allowed},
};

/// Connections with one request under way each.
const LOADS: [Load; 2] = [Load { connections: 8 }, Load { connections: 64 }];

/// How long and how often, and with which programs.
#[derive(Debug)]
struct Plan {
    rounds: usize,
    time: Duration,
    keys: usize,
    keyward: PathBuf,
    envoy: PathBuf,
}

fn main() -> io::Result<()> {
    let args: Vec<String> = env::args().skip(1).collect();
    match args.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["service", bytes] => service::serve(bytes.parse().unwrap()),
        // `cargo test` runs benches too, without this flag.
        args if args.contains(&"--bench") => {
            let runtime = Builder::new_current_thread().enable_all().build()?;
            runtime.block_on(measure(&Plan::from_args(args)))
        }
        _ => writeln!(io::stdout(), "this is measured by scripts/bench gateway"),
    }
}

impl Plan {
    fn from_args(args: &[&str]) -> Self {
        let value = |name: &str| args.iter().skip_while(|arg| **arg != name).nth(1).copied();
        let number = |name: &str, default: usize| value(name).map_or(default, |text| text.parse().unwrap());
        let program = |name: &str| PathBuf::from(value(name).expect(name));
        Self {
            rounds: number("--rounds", 5),
            time: Duration::from_secs(u64::try_from(number("--seconds", 5)).unwrap()),
            keys: number("--keys", 100_000),
            keyward: program("--keyward"),
            envoy: program("--envoy"),
        }
    }
}

/// CPU time and requests of one round.
#[derive(Debug, Clone, Copy)]
struct Sample {
    /// Seconds of Envoy's CPU a request.
    envoy: f64,
    /// Seconds of Keyward's CPU a request.
    keyward: f64,
    /// Requests a second.
    rate: f64,
}

async fn measure(plan: &Plan) -> io::Result<()> {
    let mut out = io::stdout();
    let (keyward, api_keys, _root_key) = keys::keyward(&plan.keyward, plan.keys, cores().get()).await?;
    let service = Server::of_this_binary("service", 200)?;
    let envoy = envoy(&plan.envoy, keyward.address, service.address)?;
    let open: Vec<_> = api_keys.iter().map(|api_key| load::request("/healthz", api_key)).collect();
    let asked: Vec<_> = api_keys.iter().map(|api_key| load::request("/v1/templates", api_key)).collect();
    until_allowed(envoy.address, &asked[0]).await?;
    assert!(!is_allowed(envoy.address, &load::request("/v1/templates", "nobody")).await, "nobody is asked");
    writeln!(
        out,
        "requests of {} bytes, {} keys, {} rounds of {:?} each, Envoy with one worker",
        asked[0].len(),
        plan.keys,
        plan.rounds,
        plan.time
    )?;
    for load in LOADS {
        let (mut bare, mut decided) = (Vec::new(), Vec::new());
        for _ in 0..plan.rounds {
            bare.push(sample(&envoy, &keyward, load, &open, plan.time).await);
            decided.push(sample(&envoy, &keyward, load, &asked, plan.time).await);
        }
        writeln!(out, "{} connections", load.connections)?;
        for (name, samples) in [("open", bare), ("asked", decided)] {
            let Sample { envoy, keyward, rate } = median(samples);
            writeln!(
                out,
                "  {name:<5} Envoy {:>6.2} us, Keyward {:>6.2} us of CPU a request: Keyward's share {:.1} %, {rate:.0} requests a second",
                envoy * 1e6,
                keyward * 1e6,
                100.0 * keyward / (envoy + keyward),
            )?;
        }
    }
    Ok(())
}

async fn sample(
    envoy: &Server,
    keyward: &Server,
    load: Load,
    requests: &[Vec<u8>],
    time: Duration,
) -> Sample {
    load.run(envoy.address, requests, time / 10).await;
    let cpu = || (cpu_time(envoy.process), cpu_time(keyward.process));
    let before = cpu();
    let count = load.run(envoy.address, requests, time).await;
    let after = cpu();
    let count = f64::from(u32::try_from(count).unwrap());
    let each = |before: Duration, after: Duration| after.saturating_sub(before).as_secs_f64() / count;
    Sample {
        envoy: each(before.0, after.0),
        keyward: each(before.1, after.1),
        rate: count / time.as_secs_f64(),
    }
}

/// The round in the middle, by CPU time of both.
fn median(mut samples: Vec<Sample>) -> Sample {
    samples.sort_by(|a, b| (a.envoy + a.keyward).total_cmp(&(b.envoy + b.keyward)));
    samples[samples.len() / 2]
}

fn envoy(program: &Path, keyward: SocketAddr, service: SocketAddr) -> io::Result<Server> {
    let files = tempfile::tempdir()?;
    let file = files.path().join("envoy.yaml");
    let address = keys::free_address()?;
    let config = Config::default().between(keyward, service).listening(address.port(), 0);
    fs::write(&file, config.text())?;
    let child = Command::new(program)
        .args(["--disable-hot-restart", "--concurrency", "1", "--log-level", "error", "-c"])
        .arg(file)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .spawn()?;
    Ok(Server::new(child, address, files))
}

async fn until_allowed(envoy: SocketAddr, request: &[u8]) -> io::Result<()> {
    for _ in 0..500 {
        if is_allowed(envoy, request).await {
            return Ok(());
        }
        sleep(Duration::from_millis(20)).await;
    }
    Err(io::Error::other("Envoy let nothing through within 10 s"))
}
