//! What a million keys cost in memory, and what their use costs beside it. Run by hand: `cargo test --test counters_memory -- --ignored --nocapture`.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, reason = "tests")]

mod counters_support;
mod store_support;

use std::sync::Arc;

use counters_support::{Backend as _, Memory, policy};
use keyward::{
    counters::memory::MemorySlot,
    domain::{
        id::KeyId,
        policy::TierSet,
        revision::Revision,
        time::{Clock, Timestamp, TrustedClock},
    },
    index::Index,
    ports::{Charge, PolicyView, View},
};
use store_support::{Seeded, at, key, workspace};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const KEYS: usize = 1_000_000;
/// Of a key that was used: its counts, and what they stand in.
const MOST_BYTES: usize = 200;
/// Of a key that nobody uses.
const MOST_BYTES_KEPT: usize = 210;

struct Still;

impl Clock for Still {
    fn wall(&self) -> Timestamp {
        at(1_767_225_600_000)
    }

    fn boot(&self) -> std::time::Duration {
        std::time::Duration::from_secs(1)
    }
}

/// What this process has resident once the allocator has given back what was freed: it keeps that for a second, and gives it back when
/// the next large block is freed, which a service sees to all the time.
fn settled() -> usize {
    for _tenth in 0..15 {
        #[expect(clippy::disallowed_methods, reason = "the allocator goes by the clock of the machine")]
        std::thread::sleep(std::time::Duration::from_millis(100));
        drop(std::hint::black_box(Vec::<u8>::with_capacity(1 << 20)));
    }
    resident()
}

fn resident() -> usize {
    let status = std::fs::read_to_string("/proc/self/statm").unwrap();
    status.split(' ').nth(1).unwrap().parse::<usize>().unwrap() * 4_096
}

#[test]
fn an_account_is_small() {
    // Two counts stand in it: there is no list on the heap beside it, but for a third.
    assert!(size_of::<MemorySlot>() <= 40);
}

#[test]
#[ignore = "a measurement: it takes a gigabyte, and a minute"]
#[allow(clippy::print_stderr, reason = "what it is run for")]
fn a_million_keys_and_their_use_cost_no_more_than_was_promised() {
    let entropy = Seeded::new(1);
    let workspace = workspace(&entropy);
    let index = Arc::new(Index::with_slots::<MemorySlot>());
    let day_and_hour = "{ name = 'day', limit = 5000, calendar = 'day' }, { name = 'hour', limit = 1000, calendar = 'hour' }";
    index.apply(View {
        groups: Vec::new(),
        members: Vec::new(),
        removed_members: Vec::new(),
        revision: Some(Revision(1)),
        workspaces: vec![workspace.clone()],
        kept: Vec::new(),
        keys: Vec::new(),
        policy: Some(PolicyView::Sound(policy(day_and_hour))),
        schemes: Vec::new(),
        damaged: Vec::new(),
    });
    let mut ids = vec![KeyId::from_bytes([1; 16]); KEYS];
    ids.clear();
    let empty = settled();
    for _chunk in 0..KEYS / 1_000 {
        let keys: Vec<_> = (0..1_000).map(|_| key(&entropy, workspace.id)).collect();
        ids.extend(keys.iter().map(|key| key.id));
        index.apply(View { keys, ..View::default() });
    }
    let kept = settled().saturating_sub(empty) / KEYS;
    let clock = Arc::new(TrustedClock::new(Arc::new(Still), None));
    let mut backend = Memory::new();
    let counters = backend.open(&index, &clock);
    let now = clock.read();
    let before = settled();
    for id in &ids {
        let found = index.by_id(*id).unwrap();
        // What was counted before the start is looked for first, part by part.
        while !matches!(counters.charge(&index.bill(&found, TierSet::only(0), 1), &now), Charge::Charged(_)) {
            std::thread::yield_now();
        }
    }
    let more = settled().saturating_sub(before);
    let bytes = more / KEYS;
    eprintln!("{kept} bytes a key, and {bytes} more with its first use");
    assert!(kept <= MOST_BYTES_KEPT, "{kept} bytes a key");
    assert!(bytes <= MOST_BYTES, "{bytes} bytes a key");
    drop(counters);
    backend.crash();
}
