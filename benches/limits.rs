//! What the limits of a Check cost in process, beside the look-up of its key: `scripts/bench limits [KEYS]`.
//!
//! Every key is known and has been used. Each round looks random keys up, first without a charge, then with a charge of
//! two calendar limits; the difference is what the limits cost. Then what a million used keys take in memory.
#![allow(
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::cast_precision_loss,
    clippy::as_conversions,
    missing_docs,
    reason = "a benchmark"
)]

#[path = "../tests/store_support/mod.rs"]
mod store_support;

use std::{hint::black_box, sync::Arc, time::Duration};

use keyward::{
    counters::memory::{MemoryCounters, MemorySlot},
    domain::{
        policy::{LimitEntry, Policy, TierSet},
        revision::Revision,
        secret::KeyHash,
        text::Comment,
        time::{Timestamp, TrustedClock},
    },
    index::Index,
    ports::{Charge, Counters, Permits, PolicyVersion, PolicyView, ReplicaId, View},
    system::SystemClock,
};
use store_support::{Place, Seeded, key, workspace};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const CALLS: usize = 2_000_000;

fn main() {
    let keys = std::env::args().skip(1).find_map(|argument| argument.parse().ok()).unwrap_or(100_000);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    runtime.block_on(measure(keys));
}

/// Two calendar limits, so large that nothing is denied and little is written.
fn policy() -> Policy {
    let mut document = Policy::default_document().unwrap().document().clone();
    let limit = |name: &str| LimitEntry {
        name: name.to_owned(),
        limit: 1_000_000_000_000,
        calendar: Some(name.to_owned()),
        ..LimitEntry::default()
    };
    document.tiers[0].limits = vec![limit("hour"), limit("day")];
    Policy::new(document).unwrap()
}

fn index(keys: usize) -> (Arc<Index>, Vec<KeyHash>) {
    let entropy = Seeded::new(1);
    let workspace = workspace(&entropy);
    let keys: Vec<_> = (0..keys).map(|_| key(&entropy, workspace.id)).collect();
    let hashes = keys.iter().map(|key| key.credentials.current.hash).collect();
    let version = PolicyVersion {
        version: 1,
        policy: policy(),
        applied: Timestamp::EPOCH,
        applied_by: None,
        applied_by_owner: None,
        comment: Comment::parse("").unwrap(),
        revision: Revision(1),
    };
    let index = Index::with_slots::<MemorySlot>();
    index.apply(View {
        groups: Vec::new(),
        members: Vec::new(),
        removed_members: Vec::new(),
        revision: Some(Revision(1)),
        workspaces: vec![workspace],
        kept: Vec::new(),
        keys,
        policy: Some(PolicyView::Sound(Arc::new(version))),
        schemes: Vec::new(),
        damaged: Vec::new(),
    });
    (Arc::new(index), hashes)
}

async fn measure(keys: usize) {
    let (index, hashes) = index(keys);
    let place = Place::new();
    let permits: Arc<dyn Permits> = Arc::new(place.open());
    let clock = Arc::new(TrustedClock::new(Arc::new(SystemClock), None));
    let before = resident();
    let counters = MemoryCounters::open((permits, ReplicaId::ONLY), Arc::clone(&index), Arc::clone(&clock))
        .await
        .unwrap();
    let tiers = TierSet::only(0);
    let charge = |hash: &KeyHash| {
        let found = index.by_hash(hash).unwrap();
        let now = clock.read();
        let Charge::Charged(states) = counters.charge(&index.bill(&found, tiers, 1), &now) else {
            panic!("not charged")
        };
        black_box(states);
    };
    hashes.iter().for_each(charge);
    let used = resident().saturating_sub(before);
    println!("{keys} used keys with two calendar limits: {:.0} bytes a key", used as f64 / keys as f64);

    let mut seed = 1_u64;
    let order: Vec<usize> = (0..CALLS)
        .map(|_| {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            usize::try_from(seed >> 33).unwrap() % hashes.len()
        })
        .collect();
    for round in 1..=5 {
        let bare = timed(&order, |place| {
            black_box(index.by_hash(&hashes[place]).unwrap().key().expires);
            black_box(clock.read());
        });
        let charged = timed(&order, |place| charge(&hashes[place]));
        let cost = charged.saturating_sub(bare);
        println!(
            "round {round}: look-up and clock {bare:?}, with two limits {charged:?}: {cost:?} for the limits"
        );
    }
    let hot = vec![order[0]; CALLS];
    let bare = timed(&hot, |place| {
        black_box(index.by_hash(&hashes[place]).unwrap().key().expires);
        black_box(clock.read());
    });
    let charged = timed(&hot, |place| charge(&hashes[place]));
    println!("one key: look-up and clock {bare:?}, with two limits {charged:?}");
}

fn timed(order: &[usize], mut call: impl FnMut(usize)) -> Duration {
    let start = cpu();
    for place in order {
        call(*place);
    }
    cpu().saturating_sub(start) / u32::try_from(order.len()).unwrap()
}

/// The CPU time of this thread: what else the machine does is none of it.
fn cpu() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec.try_into().unwrap(), time.tv_nsec.try_into().unwrap())
}

/// Bytes of memory that this process has.
fn resident() -> u64 {
    let pages = std::fs::read_to_string("/proc/self/statm").unwrap();
    pages.split(' ').nth(1).unwrap().parse::<u64>().unwrap() * 4_096
}
