//! Rows and blocks together are what was noted, whatever was brought together meanwhile, and wherever it was cut off.

use std::collections::BTreeMap;

use proptest::prelude::*;
use rusqlite::Connection;

use super::*;
use crate::{
    domain::{
        id::{KeyId, WorkspaceId},
        key::{Key, tests::key as a_key},
        revision::Revision,
        time::{Now, Steady, Timestamp},
        workspace::Within,
    },
    ports::{
        CountName, CountSink, LastUse, Note, PackedCounts, PermitsFound, ReplicaId, ScopeUse, Usage,
        UsageFilter,
    },
    store::{
        records::key::pack_key,
        sqlite::{
            notes,
            permit_rows::{self, NotedCounts, PermitRow},
            schema::{Conversions, migrate},
            scope_uses, usage, uses,
        },
    },
};

const KEYS: u8 = 12;

/// Small ones, so that there is always something to do.
const SMALL: Bounds = Bounds {
    merge_at: 1,
    merge_at_latest: 1,
    most_blocks: 1,
    rows_at: 400,
    rows_every: Duration::from_secs(3_600),
    late_at: 1,
    subjects_in_step: 2,
    bytes_in_sweep: 300,
    most_in_sweep: 1_000,
};

fn key(number: u8) -> KeyId {
    // Some share a part, and the last one's is the last.
    KeyId::from_bytes(
        [[0, 0, 7, 64, 255][usize::from(number % 5)], number, 0, 0].repeat(4).try_into().unwrap(),
    )
}

fn workspace() -> WorkspaceId {
    WorkspaceId::parse(&format!("ws_{:026}", 1)).unwrap()
}

fn database() -> Connection {
    let mut database = Connection::open_in_memory().unwrap();
    migrate(&mut database, [7; 32], Timestamp::EPOCH, Conversions::NOTHING).unwrap();
    for number in 0..KEYS {
        let insert = "INSERT INTO keys (id, workspace_id, created_ms, body, revision, root, code)
                      VALUES (?1, ?2, ?3, ?4, 1, 1, x'00')";
        let body = pack_key(&Key { id: key(number), ..a_key().unwrap() }, Revision(1)).unwrap();
        let values = (key(number).to_bytes(), workspace().to_bytes(), i64::from(number), body);
        database.execute(insert, values).unwrap();
    }
    database
}

/// What happens.
#[derive(Debug, Clone)]
enum Step {
    Usage {
        key: u8,
        hour: u32,
        tier: u8,
        allowed: bool,
        checks: u64,
        cost: u64,
    },
    Scope {
        key: u8,
        scope: u8,
        used: bool,
        hour: u32,
    },
    Use {
        key: u8,
        caller: bool,
        address: u8,
        minute: i64,
    },
    Take {
        key: u8,
        limit: u8,
        state: Option<u8>,
    },
    Keep,
    /// So many steps of bringing together.
    Sweep(u8),
    /// A step that is begun and not committed.
    CutOff,
    /// The process is killed between two transactions.
    Restart,
    /// An hour is over.
    Hour,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (0..KEYS, 0..3_u32, 0..2_u8, any::<bool>(), 1..200_u64, 0..70_000_u64).prop_map(
            |(key, hour, tier, allowed, checks, cost)| Step::Usage { key, hour, tier, allowed, checks, cost }),
        3 => (0..KEYS, 0..3_u8, any::<bool>(), 0..9_u32).prop_map(
            |(key, scope, used, hour)| Step::Scope { key, scope, used, hour }),
        3 => (0..KEYS, any::<bool>(), 0..4_u8, 0..9_i64).prop_map(
            |(key, caller, address, minute)| Step::Use { key, caller, address, minute }),
        4 => (0..KEYS, 0..3_u8, proptest::option::weighted(0.8, any::<u8>())).prop_map(
            |(key, limit, state)| Step::Take { key, limit, state }),
        1 => Just(Step::Keep),
        6 => (1..20_u8).prop_map(Step::Sweep),
        2 => Just(Step::CutOff),
        1 => Just(Step::Restart),
        1 => Just(Step::Hour),
    ]
}

type Seen<T> = BTreeMap<(KeyId, String), T>;

/// What is to be known.
#[derive(Debug, Default, PartialEq, Eq)]
struct Model {
    usage: Seen<(u64, u64)>,
    scopes: Seen<(u32, u32)>,
    uses: Seen<i64>,
    counts: Seen<Vec<u8>>,
}

struct World {
    database: Connection,
    pile: Pile,
    model: Model,
}

impl World {
    /// Writes as the writing thread does.
    fn write(&mut self, notes: &[Note], rows: &[PermitRow]) {
        let mut blocks = notes::to_blocks(notes.iter());
        blocks.extend(permit_rows::to_blocks(rows.iter()));
        let transaction = self.database.transaction().unwrap();
        for (kind, block) in &blocks {
            table::note(&transaction, *kind, block).unwrap();
        }
        permit_rows::put(&transaction, rows).unwrap();
        transaction.commit().unwrap();
        for (kind, block) in &blocks {
            self.pile.noted(*kind, block.len());
        }
        if rows.iter().any(|row| matches!(row, PermitRow::End(..))) {
            self.pile.look_again(&self.database).unwrap();
        }
    }

    fn take(&mut self, step: &Step) {
        match *step {
            Step::Usage { key: number, hour, tier, allowed, checks, cost } => {
                let outcome = if allowed { "ALLOWED" } else { "RATE_LIMITED" };
                let (key, tier) = (key(number), format!("tier {tier}"));
                let sum = self.model.usage.entry((key, format!("{hour} {tier} {outcome}"))).or_default();
                *sum = (sum.0 + checks, sum.1 + cost);
                let usage = Usage { key, hour, tier: tier.into(), outcome: outcome.into(), checks, cost };
                self.write(&[Note::Usage(vec![usage])], &[]);
            }
            Step::Scope { key: number, scope, used, hour } => {
                let (key, scope) = (key(number), format!("scope:{scope}"));
                let hours = self.model.scopes.entry((key, format!("{scope} {used}"))).or_insert((hour, hour));
                *hours = (hours.0.min(hour), hours.1.max(hour));
                let scope = ScopeUse { key, scope: scope.into(), used, first_hour: hour, last_hour: hour };
                self.write(&[Note::ScopeUses(vec![scope])], &[]);
            }
            Step::Use { key: number, caller, address, minute } => {
                let caller = caller.then(|| KeyId::from_bytes([9; 16]));
                let address: Option<std::net::IpAddr> = match address {
                    0 => None,
                    1 => Some("10.0.0.1".parse().unwrap()),
                    2 => Some("10.0.0.2".parse().unwrap()),
                    _ => Some("2001:db8::1".parse().unwrap()),
                };
                let time = Timestamp::from_ms(minute * 60_000).unwrap();
                let last = LastUse {
                    key: key(number),
                    generation: 1,
                    caller: caller.map(Into::into),
                    address,
                    time,
                };
                let known = self.model.uses.entry((last.key, format!("{caller:?} {address:?}"))).or_default();
                *known = (*known).max(time.as_ms());
                self.write(&[Note::LastUse(last)], &[]);
            }
            Step::Take { key: number, limit, state } => {
                let (key, limit) = (key(number), format!("tier/{limit}"));
                let count = CountName { payer: key.to_text(), limit: limit.clone() };
                let state = state.map(|byte| vec![byte; usize::from(byte)]);
                match &state {
                    Some(state) => drop(self.model.counts.insert((key, limit), state.clone())),
                    None => drop(self.model.counts.remove(&(key, limit))),
                }
                self.write(&[], &[PermitRow::Count(count, state)]);
            }
            Step::Keep => {
                let mut counts = PackedCounts::default();
                for ((key, limit), state) in &self.model.counts {
                    counts.push(&Payer::Key(*key), &limit.as_str().into(), state);
                }
                self.write(&[], &[PermitRow::Kept(counts)]);
                self.write(&[], &[PermitRow::End(ReplicaId::ONLY, None)]);
            }
            Step::Sweep(steps) => (0..steps).for_each(|_| self.sweep(true)),
            Step::CutOff => self.sweep(false),
            Step::Restart => self.pile = Pile::of(&self.database, SMALL).unwrap(),
            Step::Hour => self.pile.bounds.rows_every = Duration::ZERO,
        }
    }

    fn sweep(&mut self, commits: bool) {
        let transaction = self.database.transaction().unwrap();
        self.pile.step(&transaction).unwrap();
        if commits {
            transaction.commit().unwrap();
            self.pile.committed();
        } else {
            transaction.rollback().unwrap();
            self.pile.failed();
        }
        self.pile.bounds.rows_every = SMALL.rows_every;
    }

    /// What is read.
    fn read(&mut self) -> Model {
        let keys: Vec<_> = (0..KEYS).map(key).collect();
        let mut read = Model::default();
        let filter = UsageFilter {
            within: Within::One(workspace()),
            key: None,
            owner: None,
            environment: None,
            from: 0,
            before: u32::MAX,
        };
        for of in usage::read(&self.database, &filter, None, usize::MAX).unwrap().rows {
            let line = (of.key, format!("{} {} {}", of.hour, of.tier, of.outcome));
            assert_eq!(read.usage.insert(line, (of.checks, of.cost)), None);
        }
        for of in scope_uses::read(&self.database, &keys).unwrap().0 {
            let line = (of.key, format!("{} {}", of.scope, of.used));
            assert_eq!(read.scopes.insert(line, (of.first_hour, of.last_hour)), None);
        }
        for of in uses::read(&self.database, &keys).unwrap() {
            let line = (of.key, format!("{:?} {:?}", of.caller, of.address));
            assert_eq!(read.uses.insert(line, of.time.as_ms()), None);
        }
        let noted = NotedCounts::read(&self.database).unwrap();
        read.counts = self.counts(&noted);
        read
    }

    fn counts(&mut self, noted: &NotedCounts) -> Seen<Vec<u8>> {
        let counts = Counts::default();
        let parts: Vec<_> = PayerPart::all().collect();
        noted.show(&self.database, &parts, &counts).unwrap();
        counts.0.into_inner().unwrap()
    }
}

#[derive(Default)]
struct Counts(std::sync::Mutex<Seen<Vec<u8>>>);

impl CountSink for Counts {
    fn take(&self, payer: &Payer<'_>, limit: &str, state: &[u8]) {
        let Payer::Key(key) = payer else { panic!("{payer}") };
        let twice = self.0.lock().unwrap().insert((*key, limit.to_owned()), state.to_vec());
        assert_eq!(twice, None);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn rows_and_blocks_are_what_was_noted_in_whatever_order_they_are_brought_together(
        steps in prop::collection::vec(step(), 1..60)
    ) {
        // A4, L10, D1
        let database = database();
        let pile = Pile::of(&database, SMALL).unwrap();
        let mut world = World { database, pile, model: Model::default() };
        for step in &steps {
            world.take(step);
            let read = world.read();
            prop_assert_eq!(&read, &world.model, "after {:?}", step);
        }
        // As who starts reads it: part by part, while blocks are brought together.
        let noted = NotedCounts::read(&world.database).unwrap();
        let mut more = 0;
        while world.pile.is_due() && more < 10_000 {
            world.sweep(true);
            more += 1;
            if more % 5 == 1 {
                prop_assert_eq!(world.counts(&noted), world.model.counts.clone(), "after {} more", more);
            }
        }
        prop_assert_eq!(world.counts(&noted), world.model.counts.clone(), "what was noted is in what holds the parts");
        let read = world.read();
        prop_assert_eq!(&read, &world.model, "when everything is brought together");
        prop_assert!(more < 10_000, "it comes to an end");
    }
}

#[test]
fn in_the_end_there_are_rows_and_little_else() {
    // D7
    let database = database();
    let pile =
        Pile::of(&database, Bounds { bytes_in_sweep: 10_000, most_in_sweep: 10_000, ..SMALL }).unwrap();
    let mut world = World { database, pile, model: Model::default() };
    for round in 0..50 {
        for key in 0..KEYS {
            world.take(&Step::Usage { key, hour: round, tier: 0, allowed: true, checks: 1, cost: 1 });
        }
        world.take(&Step::Hour);
        while world.pile.is_due() {
            world.sweep(true);
        }
    }
    let one = |select: &str| world.database.query_row(select, [], |row| row.get::<_, i64>(0)).unwrap();
    assert_eq!(one("SELECT count(*) FROM usage"), 50 * i64::from(KEYS));
    assert!(one("SELECT count(*) FROM blocks") <= i64::from(KEYS));
    assert!(one("SELECT sum(length(bytes)) FROM blocks") < 400);
}

#[test]
fn old_rows_are_removed_bit_by_bit_the_oldest_first() {
    // D7
    let database = database();
    let pile = Pile::of(&database, Bounds::default()).unwrap();
    let mut world = World { database, pile, model: Model::default() };
    let of = |hour| {
        let (tier, outcome) = ("a".into(), "ALLOWED".into());
        Usage { key: key(1), hour, tier, outcome, checks: 1, cost: 1 }
    };
    world.write(&[Note::Usage((0..2_000).map(of).collect())], &[]);
    world.take(&Step::Hour);
    while world.pile.is_due() {
        world.sweep(true);
    }
    let left = |database: &Connection| {
        let rows = "SELECT count(*), min(hour) FROM usage";
        database.query_row(rows, [], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?))).unwrap()
    };
    assert_eq!(left(&world.database), (2_000, 0));
    for rows in [(976, 1_024), (500, 1_500), (500, 1_500)] {
        usage::forget(&world.database, 1_500).unwrap();
        assert_eq!(left(&world.database), rows);
    }
}

#[test]
fn what_another_replica_notes_is_not_counted_as_this_ones() {
    // D2: one process alone counts by this store, whatever the format has room for
    struct Nobody;
    impl CountSink for Nobody {
        fn take(&self, _: &Payer<'_>, _: &str, _: &[u8]) {}
    }
    let database = database();
    let (only, other) = (ReplicaId::ONLY, ReplicaId::numbered(1));
    let crash = Now { time: Timestamp::from_ms(7).unwrap(), steady: Steady::from_ms(8) };
    permit_rows::put(&database, &[PermitRow::End(other, Some(crash)), PermitRow::Begin(only)]).unwrap();
    let found = [only, other].map(|replica| permit_rows::taken(&database, replica).unwrap());
    assert_eq!(found[0], PermitsFound { in_order: false, crash: None });
    assert_eq!(found[1], PermitsFound { in_order: true, crash: Some(crash) });
    let parts: Vec<_> = PayerPart::all().collect();
    for (block, is_read) in [([2, 0, 0], true), ([2, 1, 0], false), ([3, 0, 0], false)] {
        table::note(&database, Kind::Counts, &block).unwrap();
        let noted = NotedCounts::read(&database);
        let shown = noted.and_then(|noted| noted.show(&database, &parts, &Nobody));
        assert_eq!(shown.is_ok(), is_read, "{block:?}");
        database.execute("DELETE FROM blocks", []).unwrap();
    }
}
