//! What the tests of counters have in common: a world of keys under limits, with time in the test's hands, that is counted
//! by a back end which may stop in order or crash.

#![allow(dead_code, unused_imports, reason = "each test binary uses a part of it")]
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "tests")]

pub(crate) mod by_value;
pub(crate) mod cases;
pub(crate) mod random;
pub(crate) mod wrong;

pub(crate) use self::by_value::ByValue;

use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use keyward::{
    counters::memory::{MemoryCounters, MemorySlot},
    domain::{
        credentials::RetiringSecret,
        id::KeyId,
        key::Key,
        policy::{Policy, TierSet},
        revision::Revision,
        text::{Comment, EnvironmentName, Owner},
        time::{Clock, Now, Timestamp, TrustedClock},
        workspace::Workspace,
    },
    index::{Found, Index},
    ports::{
        Bill, Charge, ChargeAll, Counters, LimitState, Permits, PolicyVersion, PolicyView, ReplicaId, View,
    },
};
use tokio::runtime::{Builder, Runtime};

use crate::store_support::{Place, Seeded, at, key, secret, workspace};

/// A back end under test, in an empty place of its own.
pub(crate) trait Backend: Send + 'static {
    fn new() -> Self;

    /// An index as this back end needs it. One that goes by the bill alone keeps nothing in it.
    fn index() -> Index {
        Index::default()
    }

    /// A process begins to count, from what those before it have left.
    fn open(&mut self, index: &Arc<Index>, clock: &Arc<TrustedClock>) -> Arc<dyn Counters>;

    /// It stops in order. Nobody has its counters any more.
    fn close(&mut self);

    /// It ends as after `kill -9`. Nobody has its counters any more.
    fn crash(&mut self);

    /// Nothing can be written any more.
    fn break_store(&mut self);
}

/// Counting in memory, over a real store.
pub(crate) struct Memory {
    place: Place,
    process: Option<(Runtime, Arc<MemoryCounters>)>,
}

impl Backend for Memory {
    fn new() -> Self {
        Self { place: Place::new(), process: None }
    }

    fn index() -> Index {
        Index::with_slots::<MemorySlot>()
    }

    fn open(&mut self, index: &Arc<Index>, clock: &Arc<TrustedClock>) -> Arc<dyn Counters> {
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let permits: Arc<dyn Permits> = Arc::new(self.place.open());
        let counters = runtime
            .block_on(MemoryCounters::open((permits, ReplicaId::ONLY), Arc::clone(index), Arc::clone(clock)))
            .unwrap();
        let counters = Arc::new(counters);
        self.process = Some((runtime, Arc::clone(&counters)));
        counters
    }

    fn close(&mut self) {
        let (runtime, counters) = self.process.take().unwrap();
        runtime.block_on(counters.close()).unwrap();
    }

    fn crash(&mut self) {
        // What writes is cut off wherever it waits; a write that has reached the store is done or not, as in a crash.
        let (runtime, counters) = self.process.take().unwrap();
        drop(runtime);
        drop(counters);
    }

    fn break_store(&mut self) {
        // Another file in the place of the database is noticed, and the store is sealed.
        let database = self.place.database();
        std::fs::rename(&database, database.with_extension("gone")).unwrap();
    }
}

/// Both clocks of the machine.
pub(crate) struct Hands {
    boot: AtomicI64,
    skew: AtomicI64,
}

impl Clock for Hands {
    fn wall(&self) -> Timestamp {
        at(self.boot.load(Ordering::SeqCst) + self.skew.load(Ordering::SeqCst))
    }

    fn boot(&self) -> Duration {
        Duration::from_millis(self.boot.load(Ordering::SeqCst).try_into().unwrap())
    }
}

/// Keys under limits.
pub(crate) struct World<B: Backend> {
    backend: B,
    hands: Arc<Hands>,
    entropy: Seeded,
    workspace: Workspace,
    keys: Vec<Key>,
    policy: Arc<PolicyVersion>,
    revision: u64,
    process: Option<Process>,
    /// The latest time that a process believed.
    mark: Option<Timestamp>,
}

/// What there is while a process runs.
#[derive(Clone)]
pub(crate) struct Process {
    pub(crate) index: Arc<Index>,
    pub(crate) clock: Arc<TrustedClock>,
    pub(crate) counters: Arc<dyn Counters>,
}

/// What became of a charge.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Verdict {
    Charged(Vec<LimitState>),
    Refused(Vec<LimitState>),
}

impl Verdict {
    pub(crate) const fn passed(&self) -> bool {
        matches!(self, Self::Charged(_))
    }

    pub(crate) fn states(&self) -> &[LimitState] {
        let (Self::Charged(states) | Self::Refused(states)) = self;
        states
    }

    /// How long until it passes; `None` for never.
    #[track_caller]
    pub(crate) fn wait(&self) -> Option<i64> {
        assert!(!self.passed(), "{self:?}");
        let failing = self.states().iter().filter(|state| !state.passes);
        let waits: Option<Vec<_>> = failing.map(|state| state.wait).collect();
        waits?.into_iter().max().map(|wait| i64::try_from(wait.as_millis()).unwrap())
    }
}

pub(crate) fn ms(text: &str) -> i64 {
    let time: jiff::Timestamp = text.parse().unwrap();
    time.as_millisecond()
}

pub(crate) fn policy(limits: &str) -> Arc<PolicyVersion> {
    let text = format!(
        "environments = [{{ name = 'live', prefix = 'kw_live_' }}, {{ name = 'test', prefix = 'kw_test_' }}]
         scopes = [{{ name = 'files:read' }}]
         plans = [{{ name = 'starter' }}]
         tiers = [{{ name = 'default', limits = [{limits}] }}]"
    );
    Arc::new(PolicyVersion {
        version: 1,
        policy: Policy::from_toml(&text).unwrap_or_else(|faults| panic!("{limits}: {faults:?}")),
        applied: at(1_000),
        applied_by: None,
        applied_by_owner: None,
        comment: Comment::parse("").unwrap(),
        revision: Revision(1),
    })
}

/// The first key: of nobody, in `live`.
pub(crate) const FIRST: usize = 0;

impl<B: Backend> World<B> {
    /// One key under these limits, and a process that counts.
    pub(crate) fn new(limits: &str) -> Self {
        Self::starting("2026-01-01T00:00:00Z", limits)
    }

    pub(crate) fn starting(time: &str, limits: &str) -> Self {
        let entropy = Seeded::new(1);
        let mut world = Self {
            backend: B::new(),
            hands: Arc::new(Hands { boot: AtomicI64::new(5_000), skew: AtomicI64::new(ms(time) - 5_000) }),
            workspace: workspace(&entropy),
            entropy,
            keys: Vec::new(),
            policy: policy(limits),
            revision: 1,
            process: None,
            mark: None,
        };
        world.key("", "live");
        world.start();
        world
    }

    /// Adds a key.
    pub(crate) fn key(&mut self, owner: &str, environment: &str) -> usize {
        self.key_of(owner, environment, 1_000)
    }

    pub(crate) fn key_of(&mut self, owner: &str, environment: &str, created: i64) -> usize {
        let key = Key {
            owner: (!owner.is_empty()).then(|| Owner::parse(owner).unwrap()),
            environment: EnvironmentName::parse(environment).unwrap(),
            created: at(created),
            ..key(&self.entropy, self.workspace.id)
        };
        self.keys.push(key);
        self.refresh(self.keys.len() - 1);
        self.keys.len() - 1
    }

    /// Gives a key a new secret; the old one stays for an hour.
    pub(crate) fn rotate(&mut self, place: usize) {
        let credentials = &mut self.keys[place].credentials;
        let new = secret(&self.entropy, credentials.current.generation + 1);
        let old = std::mem::replace(&mut credentials.current, new);
        credentials.retiring.insert(0, RetiringSecret { secret: old, end: at(253_402_300_799_999) });
        self.refresh(place);
    }

    fn refresh(&mut self, place: usize) {
        self.revision += 1;
        self.keys[place].revision = Revision(self.revision);
        if let Some(process) = &self.process {
            let keys = vec![self.keys[place].clone()];
            process.index.apply(View { revision: Some(Revision(self.revision)), keys, ..View::default() });
        }
    }

    /// Puts other limits in force, after what stands was written under the old ones.
    pub(crate) fn limits(&mut self, limits: &str) {
        let process = self.process.clone().unwrap();
        wait(process.counters.settle()).unwrap();
        self.limits_at_once(limits);
    }

    pub(crate) fn limits_at_once(&mut self, limits: &str) {
        self.policy = policy(limits);
        let policy = Some(PolicyView::Sound(Arc::clone(&self.policy)));
        if let Some(process) = &self.process {
            process.index.apply(View { policy, ..View::default() });
        }
    }

    /// Starts a process.
    pub(crate) fn start(&mut self) {
        let index = Arc::new(B::index());
        index.apply(View {
            groups: Vec::new(),
            members: Vec::new(),
            removed_members: Vec::new(),
            revision: Some(Revision(self.revision)),
            workspaces: vec![self.workspace.clone()],
            kept: Vec::new(),
            keys: self.keys.clone(),
            policy: Some(PolicyView::Sound(Arc::clone(&self.policy))),
            schemes: Vec::new(),
            damaged: Vec::new(),
        });
        let hands: Arc<dyn Clock> = Arc::<Hands>::clone(&self.hands);
        let clock = Arc::new(TrustedClock::new(hands, self.mark));
        let counters = self.backend.open(&index, &clock);
        self.process = Some(Process { index, clock, counters });
    }

    pub(crate) fn stop(&mut self) {
        self.mark = Some(self.process.take().unwrap().clock.mark());
        self.backend.close();
    }

    pub(crate) fn crash(&mut self) {
        self.mark = Some(self.process.take().unwrap().clock.mark());
        self.backend.crash();
    }

    /// The clock's mark is forgotten, as by an operator who repairs it.
    pub(crate) fn forget_mark(&mut self) {
        self.mark = None;
    }

    pub(crate) fn restart(&mut self) {
        self.stop();
        self.start();
    }

    pub(crate) fn crash_and_start(&mut self) {
        self.crash();
        self.start();
    }

    /// Time passes.
    pub(crate) fn pass(&self, ms: i64) {
        self.hands.boot.fetch_add(ms, Ordering::SeqCst);
    }

    /// The wall clock is set.
    pub(crate) fn leap(&self, ms: i64) {
        self.hands.skew.fetch_add(ms, Ordering::SeqCst);
    }

    pub(crate) fn now(&self) -> i64 {
        self.hands.wall().as_ms()
    }

    pub(crate) fn process(&self) -> Process {
        self.process.clone().unwrap()
    }

    pub(crate) fn id(&self, place: usize) -> KeyId {
        self.keys[place].id
    }

    pub(crate) fn found(&self, place: usize) -> Found {
        self.process.as_ref().unwrap().index.by_id(self.keys[place].id).unwrap()
    }

    /// The key, by its current secret and by those before it.
    #[allow(clippy::vec_box, reason = "so that each has a place of its own")]
    pub(crate) fn found_by_secrets(&self, place: usize) -> Vec<Box<Found>> {
        let index = &self.process.as_ref().unwrap().index;
        let secrets = self.keys[place].credentials.iter();
        secrets.map(|(secret, _)| Box::new(index.by_hash(&secret.hash).unwrap())).collect()
    }

    pub(crate) fn charge(&self, place: usize, cost: u64) -> Verdict {
        self.process.as_ref().unwrap().charge(&self.found(place), cost)
    }

    #[track_caller]
    pub(crate) fn allow(&self, place: usize, cost: u64) -> Vec<LimitState> {
        let verdict = self.charge(place, cost);
        assert!(verdict.passed(), "{cost} at {}: {verdict:?}", at(self.now()));
        verdict.states().to_vec()
    }

    #[track_caller]
    pub(crate) fn refuse(&self, place: usize, cost: u64) -> Verdict {
        let verdict = self.charge(place, cost);
        assert!(!verdict.passed(), "{cost} at {}: {verdict:?}", at(self.now()));
        verdict
    }

    /// All of these, or none: the place of the one that was refused.
    pub(crate) fn charge_all(&self, of: &[(usize, u64)]) -> Result<(), usize> {
        let found: Vec<_> = of.iter().map(|(place, _)| self.found(*place)).collect();
        let process = self.process.as_ref().unwrap();
        let asked = found.iter().zip(of);
        let bills: Vec<_> =
            asked.map(|(found, (_, cost))| process.index.bill(found, TierSet::only(0), *cost)).collect();
        process.charge_all(&bills)
    }

    /// The index of the process.
    pub(crate) fn index(&self) -> Arc<Index> {
        Arc::clone(&self.process.as_ref().unwrap().index)
    }

    pub(crate) fn peek(&self, place: usize) -> Vec<LimitState> {
        let process = self.process.as_ref().unwrap();
        let found = self.found(place);
        let bill = process.index.bill(&found, TierSet::only(0), 1);
        process.when_written(|now| process.counters.peek(&bill, now)).into_states()
    }

    /// What is left of each limit of a key.
    pub(crate) fn left(&self, place: usize) -> Vec<u64> {
        self.peek(place).iter().map(|state| state.remaining).collect()
    }

    /// How every limit of every key stands.
    pub(crate) fn everything(&self) -> Vec<Vec<LimitState>> {
        (0..self.keys.len()).map(|place| self.peek(place)).collect()
    }
}

impl<B: Backend> Drop for World<B> {
    fn drop(&mut self) {
        if self.process.take().is_some() {
            self.backend.crash();
        }
    }
}

impl Process {
    pub(crate) fn charge(&self, found: &Found, cost: u64) -> Verdict {
        let bill = self.index.bill(found, TierSet::only(0), cost);
        self.when_written(|now| match self.counters.charge(&bill, now) {
            Charge::Charged(passing) => Some(Verdict::Charged(passing.into_states())),
            Charge::Refused(refusal) => Some(Verdict::Refused(refusal.into_parts().1)),
            Charge::Unwritten => None,
        })
    }

    pub(crate) fn charge_all(&self, bills: &[Bill<'_>]) -> Result<(), usize> {
        self.when_written(|now| match self.counters.charge_all(bills, now) {
            ChargeAll::Charged(_) => Some(Ok(())),
            ChargeAll::Refused(place, _) => Some(Err(place)),
            ChargeAll::Unwritten => None,
        })
    }

    /// Tries again after each write, for as long as it takes on a busy machine.
    fn when_written<T>(&self, mut attempt: impl FnMut(&Now) -> Option<T>) -> T {
        if let Some(done) = attempt(&self.clock.read()) {
            return done;
        }
        let mut written = self.counters.written();
        for _time in 0..10_000 {
            if let Some(done) = attempt(&self.clock.read()) {
                return done;
            }
            wait(async {
                tokio::time::timeout(Duration::from_secs(60), written.changed()).await.unwrap().unwrap();
            });
        }
        panic!("it was written again and again, and never enough");
    }
}

/// Waits for a future, on a thread that has nothing else to do.
pub(crate) fn wait<T>(future: impl Future<Output = T>) -> T {
    Builder::new_current_thread().enable_time().build().unwrap().block_on(future)
}
