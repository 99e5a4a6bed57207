//! Whether Checks are answered, and whether changes are taken, told to the probes that ask for it.

use std::{sync::Arc, time::Duration};

use tokio::{
    sync::watch,
    task::JoinHandle,
    time::{MissedTickBehavior, interval},
};

use crate::{
    domain::time::TrustedClock,
    grpc::health::{HealthReporter, Serving},
    index::Index,
    ports::Taking,
};

/// How often it is looked whether there is a policy to decide by, and a lease to act upon.
const LOOK: Duration = Duration::from_secs(1);

/// Looks, and tells, until it is dropped.
#[derive(Debug)]
pub(super) struct ReadinessProbe(JoinHandle<()>);

impl ReadinessProbe {
    /// Tells from now on how a view that is loaded stands, and the store behind it. At once, so that a probe that connects
    /// then hears it.
    pub(super) fn begin(
        health: HealthReporter,
        index: Arc<Index>,
        mut taking: watch::Receiver<Taking>,
        clock: Arc<TrustedClock>,
    ) -> Self {
        let tell = move |taking: &Taking| {
            let serving = if !index.lease().holds(|| clock.read().steady) {
                Serving::NoLease
            } else if index.policy_now().is_some() {
                Serving::Yes
            } else {
                Serving::No
            };
            health.report(serving);
            health.report_changes(*taking == Taking::Everything);
        };
        tell(&taking.borrow_and_update());
        Self(tokio::spawn(async move {
            let mut looks = interval(LOOK);
            looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
            loop {
                tokio::select! {
                    _ = looks.tick() => {}
                    changed = taking.changed() => if changed.is_err() { return },
                }
                tell(&taking.borrow_and_update());
            }
        }))
    }
}

impl Drop for ReadinessProbe {
    fn drop(&mut self) {
        self.0.abort();
    }
}
