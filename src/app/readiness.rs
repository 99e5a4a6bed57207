//! Looks at the parts of a process, and says how it stands to the probes that ask for it.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::{
    sync::watch,
    task::JoinHandle,
    time::{Instant, MissedTickBehavior, interval},
};

use crate::{
    domain::{
        revision::Revision,
        time::{ClockCondition, TrustedClock},
    },
    health::{HealthCondition, HealthConditions, HealthReporter},
    index::Index,
    ports::Taking,
    server::tls::Tls,
};

/// How often all of it is looked at.
const LOOK: Duration = Duration::from_secs(1);

/// For how long a view has been behind what is written.
#[derive(Debug)]
pub(super) struct ViewAge {
    began: Instant,
    /// Milliseconds since then, when it was seen last that the view had everything.
    current: AtomicU64,
}

impl ViewAge {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self { began: Instant::now(), current: AtomicU64::new(0) })
    }

    /// Notes whether the view has everything, and says for how long it has not.
    pub(super) fn look(&self, is_current: bool) -> Duration {
        let now = self.began.elapsed();
        if is_current {
            let ms = u64::try_from(now.as_millis()).unwrap_or(u64::MAX);
            self.current.fetch_max(ms, Ordering::Relaxed);
            return Duration::ZERO;
        }
        now.saturating_sub(Duration::from_millis(self.current.load(Ordering::Relaxed)))
    }
}

/// Looks, and tells, until it is dropped.
#[derive(Debug)]
pub(super) struct ReadinessProbe(JoinHandle<()>);

/// What is looked at.
pub(super) struct LookedAt {
    /// The view.
    pub(super) index: Arc<Index>,
    /// What the store takes.
    pub(super) taking: watch::Receiver<Taking>,
    /// What it has written.
    pub(super) revisions: watch::Receiver<Revision>,
    /// The time.
    pub(super) clock: Arc<TrustedClock>,
    /// For how long the view has been behind.
    pub(super) age: Arc<ViewAge>,
    /// The certificate in force.
    pub(super) tls: Option<Arc<Tls>>,
}

impl LookedAt {
    /// What is the case now; `goal` was written before the last look.
    fn conditions(&self, goal: Revision) -> HealthConditions {
        let (now, taking) = (self.clock.read(), *self.taking.borrow());
        self.age.look(self.index.revision() >= *self.revisions.borrow());
        let tls = self.tls.as_ref().map(|tls| tls.summary());
        HealthConditions::NONE
            .with(HealthCondition::NoLease, !self.index.lease().holds(|| now.steady))
            .with(HealthCondition::NoPolicy, self.index.policy_now().is_none())
            .with(HealthCondition::Sealed, taking == Taking::Nothing)
            .with(HealthCondition::Full, taking == Taking::Ends)
            .with(HealthCondition::Behind, self.index.revision() < goal)
            .with(HealthCondition::ClockDoubted, self.clock.condition() != ClockCondition::Sound)
            .with(HealthCondition::CertificateExpired, tls.is_some_and(|tls| tls.good_until <= now.time))
    }
}

impl ReadinessProbe {
    /// Tells from now on how a view that is loaded stands, and the store behind it. At once, so that a probe that connects
    /// then hears it.
    pub(super) fn begin(health: HealthReporter, mut at: LookedAt) -> Self {
        let mut goal = Revision::ZERO;
        health.report(at.conditions(goal));
        Self(tokio::spawn(async move {
            let mut looks = interval(LOOK);
            looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
            loop {
                let is_due = tokio::select! {
                    _ = looks.tick() => true,
                    changed = at.taking.changed() => if changed.is_err() { return } else { false },
                };
                health.report(at.conditions(goal));
                if is_due {
                    goal = *at.revisions.borrow();
                }
            }
        }))
    }
}

impl Drop for ReadinessProbe {
    fn drop(&mut self) {
        self.0.abort();
    }
}
