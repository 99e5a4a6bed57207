//! What answers calls: what decides, what changes, and what both are reached by.

use std::sync::Arc;

use super::{
    tasks::{Task, Tasks},
    threads::Threads,
};
use crate::{
    changes::{Changes, Parts},
    domain::{gateway::Gateway, time::Entropy},
    gateway::Desk,
    grpc::{
        api::Api,
        health::HealthService,
        lanes::Lanes,
        routes::{DescriptorError, routes},
    },
    health::HealthWatch,
    judge::{Judge, JudgeParts},
    ports::KeyStore,
    server::calls::Calls,
};

/// All of it.
pub(super) struct Services {
    judge: Arc<Judge>,
    changes: Arc<Changes>,
    lanes: Arc<Lanes>,
    desk: Arc<Desk>,
    health: HealthWatch,
}

impl Services {
    pub(super) fn new(
        parts: JudgeParts,
        store: Arc<dyn KeyStore>,
        entropy: Arc<dyn Entropy>,
        threads: &Threads,
        gateway: Gateway,
        health: HealthWatch,
    ) -> Self {
        let JudgeParts { index, counters, clock, keys, .. } = parts.clone();
        let judge = Arc::new(Judge::new(parts));
        let desk = Arc::new(Desk::new(Arc::clone(&judge), gateway, Arc::clone(&entropy)));
        let parts = Parts { judge: Arc::clone(&judge), store, counters, index, clock, entropy, keys };
        let changes = Arc::new(Changes::new(parts));
        let lanes = Lanes::new(&threads.runtimes());
        Self { judge, changes, lanes, desk, health }
    }

    /// What decides.
    pub(super) const fn judge(&self) -> &Arc<Judge> {
        &self.judge
    }

    /// What changes something.
    pub(super) const fn changes(&self) -> &Arc<Changes> {
        &self.changes
    }

    /// The places of administrative work.
    pub(super) const fn lanes(&self) -> &Arc<Lanes> {
        &self.lanes
    }

    /// Starts what writes usage and denials, and the ends that could not be written.
    pub(super) fn start_tasks(&self, tasks: &mut Tasks) {
        let (usage, changes) = (self.changes.usage_ledger(), Arc::clone(&self.changes));
        let denials = self.changes.denial_ledger();
        tasks.start(Task::Usage, |stop| async move {
            usage.run(stop).await;
            Ok(())
        });
        tasks.start(Task::Denials, |stop| async move {
            denials.run(stop).await;
            Ok(())
        });
        tasks.start(Task::Denied, |stop| async move {
            changes.tend_store(stop).await;
            Ok(())
        });
    }

    /// The calls, for one listener.
    pub(super) fn api(&self, check_is_open: bool) -> Arc<Api> {
        let (judge, changes) = (Arc::clone(&self.judge), Arc::clone(&self.changes));
        let (lanes, desk) = (Arc::clone(&self.lanes), Arc::clone(&self.desk));
        Arc::new(Api::new(judge, changes, lanes, check_is_open, desk, self.health.clone()))
    }

    /// Everything that gRPC serves.
    pub(super) fn routes(
        &self,
        check_is_open: bool,
        health: HealthService,
        message_bytes: usize,
    ) -> Result<impl Calls + Clone + use<>, DescriptorError> {
        let api = self.api(check_is_open);
        let api = || Arc::clone(&api);
        routes(api(), api(), api(), api(), api(), health, message_bytes)
    }
}
