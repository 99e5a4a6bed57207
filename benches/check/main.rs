//! What a Check costs the server in CPU time, as a ratio to a bare tonic call of the same message sizes.
//!
//! Each server is a process of its own, so that its CPU time can be read from `/proc` (Linux only); one load generator
//! asks them in turn, in the same run. The three servers:
//! `bare` is tonic's own server on one single-threaded runtime with a handler that returns a constant; `way in` is the
//! same handler behind `keyward::grpc` with one worker; `keyward` is the release binary with a data directory of its
//! own, 100,000 keys, and one worker too, unless `--workers` says another number. `scripts/bench` builds and runs it all; what is absent is left out and said.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a bench that cannot go on has nothing better to do"
)]

#[path = "../../tests/support/absent.rs"]
mod absent;
mod child;
mod keys;
mod load;
mod servers;

use std::{
    env,
    io::{self, Write as _},
    path::PathBuf,
    time::Duration,
};

use bytes::Bytes;
use tokio::runtime::Builder;

use crate::{
    child::{Server, cpu_time},
    load::{Load, framed_check, probe},
};

// As in the release binary: with another allocator the servers would not be comparable.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Connections, and calls in flight on each.
const LOADS: [Load; 2] = [Load { connections: 8, in_flight: 1 }, Load { connections: 8, in_flight: 8 }];

/// How long and how often.
#[derive(Debug)]
struct Plan {
    rounds: usize,
    time: Duration,
    keys: usize,
    workers: usize,
    keyward: Option<PathBuf>,
}

fn main() -> io::Result<()> {
    let args: Vec<String> = env::args().skip(1).collect();
    match args.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["bare-server", bytes] => servers::bare(bytes.parse().unwrap()),
        ["way-in-server", bytes] => servers::way_in(bytes.parse().unwrap()),
        // `cargo test` runs benches too, without this flag.
        args if args.contains(&"--bench") => {
            let runtime = Builder::new_current_thread().enable_all().build()?;
            runtime.block_on(measure(&Plan::from_args(args)))
        }
        _ => writeln!(io::stdout(), "this is measured by scripts/bench"),
    }
}

impl Plan {
    fn from_args(args: &[&str]) -> Self {
        let value = |name: &str| args.iter().skip_while(|arg| **arg != name).nth(1).copied();
        let number = |name: &str, default: usize| value(name).map_or(default, |text| text.parse().unwrap());
        let seconds = number("--seconds", 5);
        Self {
            rounds: number("--rounds", 5),
            time: Duration::from_secs(u64::try_from(seconds).unwrap()),
            keys: number("--keys", 100_000),
            workers: number("--workers", 1),
            keyward: value("--keyward").map(PathBuf::from),
        }
    }
}

async fn measure(plan: &Plan) -> io::Result<()> {
    let mut out = io::stdout();
    let (keyward, api_keys) = match &plan.keyward {
        Some(binary) => {
            let (server, api_keys, _root_key) = keys::keyward(binary, plan.keys, plan.workers).await?;
            (Some(server), api_keys)
        }
        None => (None, keys::made_up(plan.keys)),
    };
    let bodies: Vec<Bytes> = api_keys.iter().map(|api_key| framed_check(api_key, keys::SCOPE)).collect();
    let answer_bytes = match &keyward {
        Some(server) => probe(server.address, bodies[0].clone()).await,
        None => 200,
    };
    writeln!(
        out,
        "requests of {} bytes, answers of {answer_bytes}, {} keys, {} rounds of {:?} each",
        bodies[0].len() - 5,
        plan.keys,
        plan.rounds,
        plan.time
    )?;
    let mut servers = vec![
        ("bare", Server::of_this_binary("bare-server", answer_bytes)?),
        ("way in", Server::of_this_binary("way-in-server", answer_bytes)?),
    ];
    servers.extend(keyward.map(|server| ("keyward", server)));

    for load in LOADS {
        let medians = alternate(&servers, &bodies, load, plan).await;
        writeln!(out, "{} connections x {} in flight", load.connections, load.in_flight)?;
        let bare = medians[0].cpu;
        for ((name, _), median) in servers.iter().zip(&medians) {
            writeln!(
                out,
                "  {name:<8} {:>6.2} us of CPU a call, ratio {:.2}, {:>7.0} calls a second",
                median.cpu * 1e6,
                median.cpu / bare,
                median.rate
            )?;
        }
    }
    Ok(())
}

/// One server under one load.
#[derive(Debug, Clone, Copy)]
struct Sample {
    /// Seconds of CPU a call.
    cpu: f64,
    /// Calls a second.
    rate: f64,
}

/// Measures the servers in turn, round after round, so that what drifts drifts for all.
async fn alternate(servers: &[(&str, Server)], bodies: &[Bytes], load: Load, plan: &Plan) -> Vec<Sample> {
    let mut samples = vec![Vec::new(); servers.len()];
    for _ in 0..plan.rounds {
        for ((_, server), samples) in servers.iter().zip(&mut samples) {
            load.run(server.address, bodies, plan.time / 10).await;
            let before = cpu_time(server.process);
            let calls = load.run(server.address, bodies, plan.time).await;
            let cpu = cpu_time(server.process).saturating_sub(before);
            let calls = f64::from(u32::try_from(calls).unwrap());
            samples.push(Sample { cpu: cpu.as_secs_f64() / calls, rate: calls / plan.time.as_secs_f64() });
        }
    }
    samples.into_iter().map(median).collect()
}

fn median(mut samples: Vec<Sample>) -> Sample {
    samples.sort_by(|a, b| a.cpu.total_cmp(&b.cpu));
    samples[samples.len() / 2]
}
