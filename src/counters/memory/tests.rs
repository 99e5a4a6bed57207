//! Tests of what only this back end can do wrong, over a store that fails when it is told to.

mod restarts;

use std::{collections::BTreeMap, num::NonZeroU32, sync::atomic::AtomicU32};

use super::*;
use crate::{
    domain::{
        credentials::{Credentials, Secret},
        id::KeyId,
        key::{Key, tests::at, tests::key, tests::secret},
        limit::Replicas,
        policy::{LimitEntry, LimitOverrides, LimitOverridesEntry, PlanTierEntry, Policy, TierSet},
        revision::Revision,
        secret::KeyHash,
        text::{Comment, Owner},
        time::{Clock, Timestamp},
        workspace::tests::workspace,
    },
    index::tests::Known,
    ports::{
        CountName, CountSink, GiveBack, KeptCounts, PackedCounts, Payer, PayerPart, PolicyVersion,
        PolicyView, Take, View,
    },
};

/// What is stored under a subject and a limit.
type Counts = BTreeMap<CountName, Option<Vec<u8>>>;

/// Keeps counts, unless it fails.
#[derive(Default)]
struct Rows {
    counts: Mutex<Counts>,
    is_complete: AtomicBool,
    fails: AtomicBool,
    cannot_be_read: AtomicBool,
    /// How many units of each count are granted at most, where that is not what is asked for.
    grants: Mutex<Option<u64>>,
    /// How many others take of the same.
    others: AtomicU32,
    /// How many counts were kept as they are, each time.
    kept: Mutex<Vec<usize>>,
}

impl Rows {
    fn write(&self, rows: Vec<(CountName, Option<Vec<u8>>)>) -> Result<(), StoreError> {
        if self.fails.load(Ordering::SeqCst) {
            return Err(StoreError::Unavailable("it fails".to_owned()));
        }
        self.counts.lock().unwrap().extend(rows);
        Ok(())
    }
}

struct KeptRows<'r>(&'r Rows);

impl KeptCounts for KeptRows<'_> {
    fn show(&self, parts: Vec<PayerPart>, sink: Arc<dyn CountSink>) -> Pending<'_, ()> {
        Box::pin(async move {
            if self.0.cannot_be_read.load(Ordering::SeqCst) {
                return Err(StoreError::Unavailable("it fails".to_owned()));
            }
            for (CountName { payer, limit }, state) in &*self.0.counts.lock().unwrap() {
                let payer = Payer::stored_under(payer);
                if let Some(state) = state.as_ref().filter(|_| parts.contains(&PayerPart::of(&payer))) {
                    sink.take(&payer, limit, state);
                }
            }
            Ok(())
        })
    }
}

impl Permits for Rows {
    fn taken(&self, _: ReplicaId) -> Pending<'_, PermitsFound> {
        let in_order = self.is_complete.load(Ordering::SeqCst);
        Box::pin(async move { Ok(PermitsFound { in_order, crash: None }) })
    }

    fn kept(&self, _: ReplicaId) -> Pending<'_, Box<dyn KeptCounts + '_>> {
        let kept: Box<dyn KeptCounts + '_> = Box::new(KeptRows(self));
        Box::pin(async { Ok(kept) })
    }

    fn begin(&self, _: ReplicaId) -> Pending<'_, ()> {
        Box::pin(async {
            self.write(Vec::new())?;
            self.is_complete.store(false, Ordering::SeqCst);
            Ok(())
        })
    }

    fn take(&self, _: ReplicaId, sorted: Vec<Take>) -> Pending<'_, Vec<u64>> {
        assert!(sorted.is_sorted_by(|one, next| one.count < next.count), "{sorted:?}");
        Box::pin(async move {
            let most = self.grants.lock().unwrap().unwrap_or(u64::MAX);
            let granted = sorted.iter().map(|take| take.units.min(most)).collect();
            self.write(sorted.into_iter().map(|take| (take.count, Some(take.state))).collect())?;
            Ok(granted)
        })
    }

    fn give_back(&self, _: ReplicaId, sorted: Vec<GiveBack>) -> Pending<'_, ()> {
        assert!(sorted.is_sorted_by(|one, next| one.count < next.count), "{sorted:?}");
        let written = self.write(sorted.into_iter().map(|back| (back.count, back.state)).collect());
        Box::pin(async { written })
    }

    fn keep(&self, _: ReplicaId, kept: PackedCounts) -> Pending<'_, ()> {
        let counts = kept.iter().map(|(payer, limit, state)| {
            let count = CountName { payer: payer.to_string(), limit: limit.to_string() };
            (count, Some(state.to_vec()))
        });
        let counts: Vec<_> = counts.collect();
        let count = counts.len();
        let written = self.write(counts);
        if written.is_ok() {
            self.kept.lock().unwrap().push(count);
        }
        Box::pin(async { written })
    }

    fn end(&self, _: ReplicaId, _: Option<Now>) -> Pending<'_, ()> {
        Box::pin(async {
            self.write(Vec::new())?;
            self.is_complete.store(true, Ordering::SeqCst);
            Ok(())
        })
    }

    fn replicas(&self) -> Replicas {
        Replicas::new(NonZeroU32::MIN.saturating_add(self.others.load(Ordering::SeqCst)))
    }

    fn accepting(&self) -> watch::Receiver<Taking> {
        watch::channel(Taking::Everything).1
    }
}

/// Stands still until it is moved, in seconds.
#[derive(Default)]
struct Hand(AtomicU32);

impl Clock for Hand {
    fn wall(&self) -> Timestamp {
        at(1_767_225_600_000 + 1_000 * i64::from(self.0.load(Ordering::SeqCst)))
    }

    fn boot(&self) -> Duration {
        Duration::from_secs(self.0.load(Ordering::SeqCst).into())
    }
}

struct World {
    store: Arc<Rows>,
    hand: Arc<Hand>,
    key: Key,
    workspace_is_sound: bool,
}

/// A secret of the key at this place.
fn secret_of(place: u32) -> Secret {
    let mut hash = [7; 32];
    hash[..4].copy_from_slice(&place.to_be_bytes());
    Secret { hash: KeyHash::stored(hash), ..secret(1) }
}

impl World {
    fn new() -> Self {
        let store = Rows { is_complete: AtomicBool::new(true), ..Rows::default() };
        Self { store: Arc::new(store), hand: Arc::default(), key: key().unwrap(), workspace_is_sound: true }
    }

    /// A process that counts, from what those before it have left, and the key in it.
    async fn open(&self) -> (MemoryCounters, Known, Now) {
        let (counters, index, clock) = self.open_index().await;
        assert!(counters.parts.complete().await);
        (counters, Known::of(&index, self.key.id), clock.read())
    }

    /// A version of the policy whose only tier has this limit beside one of 1,000 a day.
    fn policy(&self, version: u64, another: &str) -> PolicyView {
        let text = format!(
            "environments = [{{ name = '{}', prefix = 'kw_live_' }}]
             scopes = [{{ name = 'files:read' }}]
             plans = [{{ name = 'starter' }}]
             tiers = [{{ name = 'default', limits = [{{ name = 'day', limit = 1000, calendar = 'day' }}{another}] }}]",
            self.key.environment.as_str()
        );
        let policy = PolicyVersion {
            version,
            policy: Policy::from_toml(&text).unwrap(),
            applied: at(1_000),
            applied_by: None,
            applied_by_owner: None,
            comment: Comment::parse("").unwrap(),
            revision: Revision(version),
        };
        PolicyView::Sound(Arc::new(policy))
    }

    async fn open_index(&self) -> (MemoryCounters, Arc<Index>, Arc<TrustedClock>) {
        let index = Arc::new(Index::with_slots::<MemorySlot>());
        let policy = self.policy(1, "");
        let workspaces =
            if self.workspace_is_sound { vec![workspace(self.key.workspace)] } else { Vec::new() };
        index.apply(View {
            policy: Some(policy),
            workspaces,
            keys: vec![self.key.clone()],
            ..View::default()
        });
        let clock = Arc::new(TrustedClock::new(Arc::<Hand>::clone(&self.hand), None));
        let permits: (Arc<dyn Permits>, _) = (Arc::<Rows>::clone(&self.store), ReplicaId::ONLY);
        let counters = MemoryCounters::open(permits, Arc::clone(&index), Arc::clone(&clock)).await.unwrap();
        (counters, index, clock)
    }
}

/// Charges the only tier, and waits for as many writes as that needs.
async fn charge(counters: &MemoryCounters, found: &Known, now: &Now, cost: u64) {
    let mut written = counters.written();
    while counters.charge(&found.bill(TierSet::only(0), cost), now) == Charge::Unwritten {
        written.changed().await.unwrap();
    }
}

fn left(counters: &MemoryCounters, found: &Known, now: &Now) -> u64 {
    counters.peek(&found.bill(TierSet::only(0), 1), now).unwrap().into_states()[0].remaining
}

#[tokio::test(start_paused = true)]
async fn what_is_over_is_dropped_with_its_row() {
    // D7
    let world = World::new();
    let rows = || {
        let counts = world.store.counts.lock().unwrap();
        counts.values().filter(|state| state.is_some()).count()
    };
    let (counters, found, now) = world.open().await;
    charge(&counters, &found, &now, 600).await;
    tokio::time::sleep(Duration::from_secs(300)).await;
    assert_eq!((rows(), left(&counters, &found, &now)), (1, 400), "the day is not over");
    world.hand.0.store(86_400, Ordering::SeqCst);
    tokio::time::sleep(Duration::from_secs(300)).await;
    assert_eq!(rows(), 0);
    assert_eq!(left(&counters, &found, &now), 1_000, "nothing is counted any more");
    counters.close().await.unwrap();
    assert!(world.store.is_complete.load(Ordering::SeqCst));
}

/// Long enough for what is over to be noticed, and then dropped.
const SWEPT: Duration = Duration::from_secs(300);

#[tokio::test(start_paused = true)]
async fn accounts_that_nobody_uses_are_forgotten_once_their_window_is_over_and_not_before() {
    // D7 L6
    let world = World::new();
    let (counters, index, clock) = world.open_index().await;
    let shared = ", { name = 'of-owner', limit = 10, calendar = 'day', per = 'owner' }";
    index.apply(View { policy: Some(world.policy(2, shared)), ..View::default() });
    let keys: Vec<_> = (0..200_u32)
        .map(|place| {
            let owner = Some(Owner::parse(&format!("owner-{place}")).unwrap());
            let mut id = [0; 16];
            id[..4].copy_from_slice(&place.to_be_bytes());
            Key {
                id: KeyId::from_bytes(id),
                owner,
                credentials: Credentials::new(secret_of(place)),
                ..world.key.clone()
            }
        })
        .collect();
    index.apply(View { keys: keys.clone(), ..View::default() });
    let now = clock.read();
    for key in &keys {
        charge(&counters, &Known::of(&index, key.id), &now, 10).await;
    }
    assert!(index.account_count() >= 200);

    index.apply(View { policy: Some(world.policy(3, "")), ..View::default() });
    tokio::time::sleep(SWEPT).await;
    assert!(index.account_count() >= 200, "their day is not over");
    index.apply(View { policy: Some(world.policy(4, shared)), ..View::default() });
    let found = Known::of(&index, keys[7].id);
    let bill = found.bill(TierSet::only(0), 1);
    assert!(matches!(counters.charge(&bill, &now), Charge::Refused(_)), "no budget twice in one window");
    drop(found);

    index.apply(View { policy: Some(world.policy(5, "")), ..View::default() });
    world.hand.0.store(86_400, Ordering::SeqCst);
    tokio::time::sleep(SWEPT).await;
    assert_eq!(index.account_count(), 0);
    assert_eq!(world.store.counts.lock().unwrap().values().filter(|state| state.is_some()).count(), 0);
    counters.close().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn names_of_limits_that_came_and_went_are_forgotten() {
    // D7 X6
    let world = World::new();
    let (counters, index, clock) = world.open_index().await;
    let ids = index.limit_ids();
    for round in 0..6_000_u64 {
        let limit = LimitEntry {
            name: format!("made-up-{round}"),
            limit: 100,
            calendar: Some("day".to_owned()),
            ..LimitEntry::default()
        };
        let tiers = vec![PlanTierEntry { tier: "default".to_owned(), limits: vec![limit] }];
        let entry = LimitOverridesEntry { tiers, ..LimitOverridesEntry::default() };
        let limits = Some(Arc::new(LimitOverrides::kept(entry).unwrap()));
        let key = Key { limits, revision: Revision(round), ..world.key.clone() };
        index.apply(View { keys: vec![key], ..View::default() });
        if round == 0 {
            charge(&counters, &Known::of(&index, world.key.id), &clock.read(), 60).await;
        }
        if round % 1_000 == 999 {
            tokio::time::sleep(SWEPT).await;
        }
    }
    let left = ids.len();
    assert!(left <= 2_100, "{left}");
    // Of the first something is counted still: it has its number, and its limit goes on with what was used.
    assert!(ids.known("default/made-up-0/key/day").is_some());
    world.hand.0.store(86_400, Ordering::SeqCst);
    tokio::time::sleep(SWEPT).await;
    assert!(ids.known("default/made-up-0/key/day").is_none() || left < 1_100);
    counters.close().await.unwrap();
}

#[tokio::test]
async fn under_no_limit_nothing_is_let_through() {
    // L1
    let world = World::new();
    let (counters, found, now) = world.open().await;
    for tiers in [TierSet::default(), TierSet::only(1)] {
        let bill = found.bill(tiers, 1);
        assert_eq!(counters.charge(&bill, &now), Charge::Unwritten);
        let with_another = [found.bill(TierSet::only(0), 5), bill];
        assert_eq!(counters.charge_all(&with_another, &now), ChargeAll::Unwritten);
    }
    assert_eq!(left(&counters, &found, &now), 1_000);
}

#[tokio::test]
async fn a_key_of_a_workspace_that_cannot_be_trusted_is_not_let_through() {
    // L1, L5: the limits of its plan are unknown, and those of the tier may be wider
    let world = World { workspace_is_sound: false, ..World::new() };
    let (counters, found, now) = world.open().await;
    assert_eq!(counters.charge(&found.bill(TierSet::only(0), 1), &now), Charge::Unwritten);
}

#[tokio::test]
async fn no_more_is_used_than_was_granted() {
    // L6, L10
    let world = World::new();
    let (counters, found, now) = world.open().await;
    *world.store.grants.lock().unwrap() = Some(5);
    let mut written = counters.written();
    // Sixteen units need no permit, and the last of them asks for more.
    charge(&counters, &found, &now, 16).await;
    let one = found.bill(TierSet::only(0), 1);
    for round in 0..4 {
        written.changed().await.unwrap();
        for unit in 0..5 {
            assert!(matches!(counters.charge(&one, &now), Charge::Charged(_)), "{round}: {unit}");
        }
        assert_eq!(counters.charge(&one, &now), Charge::Unwritten, "{round}");
    }
}

#[tokio::test]
async fn beside_others_nothing_is_used_before_it_is_granted() {
    // L6, L10: what needs no permit would be there once for each of them
    let world = World::new();
    world.store.others.store(99, Ordering::SeqCst);
    let (counters, found, now) = world.open().await;
    let mut written = counters.written();
    let bill = |cost| found.bill(TierSet::only(0), cost);
    assert_eq!(counters.charge(&bill(1), &now), Charge::Unwritten);
    written.changed().await.unwrap();
    for unit in 0..5 {
        assert!(matches!(counters.charge(&bill(1), &now), Charge::Charged(_)), "each has 5: {unit}");
    }
    assert_eq!(counters.charge(&bill(1), &now), Charge::Unwritten);
    world.store.others.store(0, Ordering::SeqCst);
    written.changed().await.unwrap();
    assert!(matches!(counters.charge(&bill(1), &now), Charge::Charged(_)));
    written.changed().await.unwrap();
    assert!(matches!(counters.charge(&bill(32), &now), Charge::Charged(_)));
}
