//! How a process stands: told by whoever looks at its parts, and read by every probe, over gRPC and over HTTP alike.
//!
//! It is *ready* while Checks are answered. It is *alive* while a restart would not help: what a restart does not mend (a full
//! disk, a sealed store, a view that is behind) never counts against that, and neither does an end that was asked for (M2).

mod conditions;

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::{sync::watch, time::Instant};

pub use self::conditions::{HealthCondition, HealthConditions};

/// Who looks at the parts does so every second. After so long without a look, the threads that follow the log and write
/// counts do nothing any more, and only a restart helps.
const STUCK_AFTER: Duration = Duration::from_secs(30);

/// Says how the process stands. The last one to be dropped ends every watch.
#[derive(Debug, Clone)]
pub struct HealthReporter {
    standing: Arc<watch::Sender<HealthConditions>>,
    looks: Arc<Looks>,
}

/// Hears it.
#[derive(Debug, Clone)]
pub struct HealthWatch {
    standing: watch::Receiver<HealthConditions>,
    looks: Arc<Looks>,
}

/// When the parts were looked at last.
#[derive(Debug)]
struct Looks {
    began: Instant,
    /// Milliseconds since then; written by who looks, read by probes.
    last: AtomicU64,
}

impl Looks {
    fn age(&self) -> Duration {
        Instant::now().duration_since(self.began)
    }

    fn note(&self) {
        self.last.store(u64::try_from(self.age().as_millis()).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    fn since_the_last(&self) -> Duration {
        self.age().saturating_sub(Duration::from_millis(self.last.load(Ordering::Relaxed)))
    }
}

/// A reporter, which says at first that the process is loading, and what hears it.
#[must_use]
pub fn health() -> (HealthReporter, HealthWatch) {
    let (sender, standing) = watch::channel(HealthCondition::Loading.into());
    let looks = Arc::new(Looks { began: Instant::now(), last: AtomicU64::new(0) });
    (
        HealthReporter { standing: Arc::new(sender), looks: Arc::clone(&looks) },
        HealthWatch { standing, looks },
    )
}

impl HealthReporter {
    /// Says how the process stands from now on. What drains goes on to do so.
    pub fn report(&self, conditions: HealthConditions) {
        self.looks.note();
        self.standing.send_if_modified(|standing| {
            let conditions =
                conditions.with(HealthCondition::Draining, standing.hold(HealthCondition::Draining));
            std::mem::replace(standing, conditions) != conditions
        });
    }

    /// Says that the process ends, whatever else there is to say of it.
    pub fn drain(&self) {
        self.standing.send_modify(|standing| *standing = standing.with(HealthCondition::Draining, true));
    }
}

impl HealthWatch {
    /// How it stands now.
    #[must_use]
    pub fn now(&self) -> HealthConditions {
        *self.standing.borrow()
    }

    /// The same, and nothing until then is news any more.
    pub fn news(&mut self) -> HealthConditions {
        *self.standing.borrow_and_update()
    }

    /// Waits for news; whether there will be any.
    pub async fn changed(&mut self) -> bool {
        self.standing.changed().await.is_ok()
    }

    /// Waits until the process ends.
    pub async fn drains(&mut self) {
        // Where nobody is left who says anything, it has ended.
        let _gone = self.standing.wait_for(|standing| standing.hold(HealthCondition::Draining)).await;
    }

    /// Whether a restart would not help.
    #[must_use]
    pub fn is_alive(&self) -> bool {
        // Nobody looks any more at what ends.
        self.now().hold(HealthCondition::Draining) || self.looks.since_the_last() < STUCK_AFTER
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn only_a_process_at_which_nobody_looks_is_not_alive() {
        // M2
        let (reporter, watch) = health();
        for one in HealthCondition::ALL.into_iter().filter(|one| *one != HealthCondition::Draining) {
            reporter.report(one.into());
            assert!(watch.is_alive(), "{one:?}");
            assert_eq!(watch.now(), one.into());
        }
        tokio::time::advance(STUCK_AFTER.saturating_sub(Duration::from_millis(1))).await;
        assert!(watch.is_alive());
        tokio::time::advance(Duration::from_millis(1)).await;
        assert!(!watch.is_alive());
        reporter.report(HealthConditions::NONE);
        assert!(watch.is_alive());
        reporter.drain();
        tokio::time::advance(STUCK_AFTER * 10).await;
        assert!(watch.is_alive(), "it was told to end, and takes its time");
    }

    #[test]
    fn what_drains_goes_on_to_drain() {
        // M2
        let (reporter, watch) = health();
        reporter.report(HealthConditions::NONE);
        assert!(watch.now().answer_checks());
        reporter.drain();
        reporter.report(HealthConditions::NONE);
        assert!(watch.now().hold(HealthCondition::Draining) && !watch.now().answer_checks());
    }
}
