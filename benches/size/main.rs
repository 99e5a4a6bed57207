//! What Keyward takes of memory, disk and time by the number of its keys: `scripts/bench size`; Linux only.
//!
//! For each number of keys and each binary: a data directory of its own, whose keys the server issues over gRPC, one Issue a
//! key, in as many calls at once as it takes. Each key has a name, an owner of its own, three scopes, and two limits by its plan. Then the
//! server is started, used, changed and stopped, binaries in turn, so that what drifts drifts for all.
//! `docs/performance.md` says what each measure means.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::cast_precision_loss,
    clippy::as_conversions,
    reason = "a bench that cannot go on has nothing better to do"
)]

mod disk;
mod fill;
mod measures;
mod plan;
mod plot;
mod process;
mod report;
mod wire;

use std::{
    cell::Cell,
    env,
    io::{self, Write as _},
    rc::Rc,
    time::Duration,
};

use bytes::Bytes;
use tokio::{
    runtime::Builder,
    task::LocalSet,
    time::{Instant, sleep},
};

use crate::{
    disk::Kind,
    fill::{Filled, SCOPE},
    measures::Measure,
    plan::Plan,
    process::{Cpu, Home, Server},
    report::Column,
    wire::{Choice, Connections},
};

// As in the release binary.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const MIB: f64 = 1_048_576.0;
/// With how many keys the CPU time of a Check is compared.
const FEW: usize = 1_000;
/// How long a server is left alone before its memory is read.
const SETTLED: Duration = Duration::from_secs(2);

fn main() -> io::Result<()> {
    let args: Vec<String> = env::args().skip(1).collect();
    // `cargo test` runs benches too, without this flag.
    if !args.iter().any(|arg| arg == "--bench") {
        return writeln!(io::stdout(), "this is measured by scripts/bench size");
    }
    let plan = Plan::from_args(&args);
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let columns = runtime.block_on(measure(&plan))?;
    write!(io::stdout(), "{}", report::terminal(&columns))?;
    if let Some(file) = &plan.write {
        report::write(file, &columns, &plan)?;
    }
    Ok(())
}

/// One binary with so many keys.
struct Subject {
    home: Home,
    few: Home,
    keys: Rc<[Bytes]>,
    few_keys: Rc<[Bytes]>,
    column: Column,
}

async fn measure(plan: &Plan) -> io::Result<Vec<Column>> {
    let mut columns = Vec::new();
    for count in &plan.keys {
        let mut subjects = Vec::new();
        for (name, binary) in &plan.binaries {
            let home = |keys: usize| Home {
                binary: binary.clone(),
                directory: plan.place(&format!("{name}-{keys}")),
            };
            said(&format!("{name}: {count} keys are issued"))?;
            let filled = fill::fill(&home(*count), *count, plan.changes).await?;
            // Of their own, also where they are as many.
            let few_home = Home { directory: plan.place(&format!("{name}-few")), ..home(FEW) };
            let few = fill::fill(&few_home, FEW, 0).await?;
            let mut column = Column::new(name, *count);
            issued(&mut column, &filled, &home(*count))?;
            let checks =
                |filled: &Filled| filled.api_keys.iter().map(|key| wire::check(key, SCOPE)).collect();
            subjects.push(Subject {
                home: home(*count),
                few: few_home,
                keys: checks(&filled),
                few_keys: checks(&few),
                column,
            });
        }
        if !plan.fill_only {
            all_of(&mut subjects, plan).await?;
        }
        columns.extend(subjects.into_iter().map(|subject| subject.column));
    }
    Ok(columns)
}

fn said(text: &str) -> io::Result<()> {
    writeln!(io::stderr(), "{text}")
}

fn issued(column: &mut Column, filled: &Filled, home: &Home) -> io::Result<()> {
    let keys = column.keys as f64;
    column.set(Measure::Issued, keys / filled.seconds);
    column.set(Measure::MemoryIssued, filled.memory.resident as f64 / MIB);
    column.set(Measure::PeakIssuing, filled.memory.peak as f64 / MIB);
    let (parts, files) = disk::parts(&home.data())?;
    let of = |kind: Kind| parts.iter().filter(|part| part.kind == kind).map(|part| part.bytes).sum::<u64>();
    column.set(Measure::Rows, of(Kind::Rows) as f64 / keys);
    column.set(Measure::Log, of(Kind::Log) as f64 / keys);
    column.set(Measure::Indexes, of(Kind::Index) as f64 / keys);
    column.set(Measure::Files, files as f64 / MIB);
    column.parts = parts;
    Ok(())
}

async fn all_of(subjects: &mut [Subject], plan: &Plan) -> io::Result<()> {
    starts(subjects, plan, Measure::Start).await?;
    for subject in &mut *subjects {
        said(&format!("{}: {} keys are used", subject.column.name, subject.column.keys))?;
        used(subject, plan).await?;
    }
    starts(subjects, plan, Measure::StartUsed).await?;
    for subject in subjects {
        said(&format!("{}: the policy changes", subject.column.name))?;
        changed(subject, plan).await?;
    }
    Ok(())
}

/// Starts each server, in turn, and stops it.
async fn starts(subjects: &mut [Subject], plan: &Plan, measure: Measure) -> io::Result<()> {
    let mut times = vec![Vec::new(); subjects.len()];
    for _ in 0..plan.rounds {
        for (subject, times) in subjects.iter_mut().zip(&mut times) {
            let mut server = subject.home.serve()?;
            wire::until_allowed(&mut server, &subject.keys[subject.keys.len() / 2]).await;
            times.push(server.started.elapsed().as_secs_f64());
            if measure == Measure::Start {
                let peak = server.memory().peak as f64;
                subject.column.set(Measure::PeakStart, peak / MIB);
                subject.column.set(Measure::PeakStartAKey, peak / subject.column.keys as f64);
                sleep(SETTLED).await;
                subject.column.set(Measure::MemoryStarted, server.memory().resident as f64 / MIB);
            }
            server.stop()?;
        }
    }
    for (subject, times) in subjects.iter_mut().zip(times) {
        subject.column.set(measure, median(times));
    }
    Ok(())
}

/// Uses each key once, then keys in no order, beside a server with few keys, then stops both.
async fn used(subject: &mut Subject, plan: &Plan) -> io::Result<()> {
    let (mut many, mut few) = (subject.home.serve()?, subject.few.serve()?);
    wire::until_allowed(&mut many, &subject.keys[0]).await;
    wire::until_allowed(&mut few, &subject.few_keys[0]).await;
    each_once(&many, &subject.keys).await?;
    each_once(&few, &subject.few_keys).await?;
    sleep(SETTLED).await;
    let column = &mut subject.column;
    column.set(Measure::MemoryUsed, many.memory().resident as f64 / MIB);
    let (mut with_many, mut with_few) = (Vec::new(), Vec::new());
    for round in 0..u64::try_from(plan.rounds).unwrap() {
        with_many.push(in_no_order(&many, &subject.keys, plan.time, round).await?);
        with_few.push(in_no_order(&few, &subject.few_keys, plan.time, round).await?);
    }
    let all = |samples: &[(f64, f64)]| median(samples.iter().map(|(all, _)| *all).collect());
    column.set(Measure::Cpu, all(&with_many));
    column.set(Measure::CpuServing, median(with_many.iter().map(|(_, serving)| *serving).collect()));
    column.set(Measure::CpuRatio, all(&with_many) / all(&with_few));
    few.stop()?;
    // Once more, so that what each key did is as new as can be when the server is told to stop.
    each_once(&many, &subject.keys).await?;
    column.set(Measure::Stop, many.stop()?.as_secs_f64());
    Ok(())
}

async fn each_once(server: &Server, keys: &Rc<[Bytes]>) -> io::Result<()> {
    let (keys, place) = (Rc::clone(keys), Cell::new(0));
    let next = move || keys.get(place.replace(place.get() + 1)).cloned();
    asked(server, next).await.map(drop)
}

/// Microseconds of CPU time a Check: of the whole process, and of the threads that answer.
async fn in_no_order(
    server: &Server,
    keys: &Rc<[Bytes]>,
    time: Duration,
    round: u64,
) -> io::Result<(f64, f64)> {
    let random = |time: Duration| {
        let (keys, choice, end) = (Rc::clone(keys), Choice::new(round), Instant::now() + time);
        move || (Instant::now() < end).then(|| keys[choice.next(keys.len())].clone())
    };
    asked(server, random(time / 10)).await?;
    let before = server.cpu();
    let checks = asked(server, random(time)).await? as f64;
    let Cpu { all, serving } = server.cpu();
    let a_check =
        |after: Duration, before: Duration| after.saturating_sub(before).as_secs_f64() * 1e6 / checks;
    Ok((a_check(all, before.all), a_check(serving, before.serving)))
}

async fn asked(server: &Server, next: impl Fn() -> Option<Bytes> + 'static) -> io::Result<u64> {
    let ask = async { Ok(Connections::new(server.address, wire::CONNECTIONS).await?.ask_all(next).await) };
    LocalSet::new().run_until(ask).await
}

/// Takes a scope from 100,000 keys and gives it back, each after a preview.
async fn changed(subject: &mut Subject, plan: &Plan) -> io::Result<()> {
    let mut server = subject.home.serve()?;
    wire::until_allowed(&mut server, &subject.keys[0]).await;
    let root_key = subject.home.root_key()?;
    let (mut previews, mut takes, mut gives) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..plan.rounds {
        for has_more in [false, true] {
            let touched = u64::try_from(subject.column.keys.min(fill::CHANGED)).unwrap();
            let change = fill::apply(server.address, &root_key, has_more, touched).await;
            assert_eq!(change.keys, touched, "a change of the policy touched other keys");
            previews.push(change.preview.as_secs_f64());
            let times = if has_more { &mut gives } else { &mut takes };
            times.push(change.applying.as_secs_f64());
        }
    }
    subject.column.set(Measure::Preview, median(previews));
    subject.column.set(Measure::Take, median(takes));
    subject.column.set(Measure::Give, median(gives));
    server.stop().map(drop)
}

fn median(mut samples: Vec<f64>) -> f64 {
    samples.sort_by(f64::total_cmp);
    samples[samples.len() / 2]
}
