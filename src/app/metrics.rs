//! Gathers metrics from every part, when somebody asks for them.

use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};

use tokio::sync::watch;

use super::readiness::ViewAge;
use crate::{
    domain::revision::Revision,
    grpc::lanes::Lanes,
    health::{HealthCondition, HealthWatch},
    index::Index,
    judge::{
        Judge,
        tally::{BOUNDS, DecisionTally},
    },
    metrics::{Exposition, Histogram, Metrics, MetricsFormat, as_f64, families as of},
    ports::{COMMIT_BOUNDS, GROUP_BOUNDS, Lifecycle, StoreFigures},
    server::{counts::ServerCounts, figures::ListenerFigures, tls::Tls},
    system::ProcessFigures,
    telemetry::LostLines,
};

/// A listener's name, and how it is.
type Named = (&'static str, ListenerFigures);

type CounterOf = fn(&ServerCounts) -> u64;
type RefusalsOf = fn(&ServerCounts) -> Vec<(&'static str, u64)>;

/// Where metrics come from.
pub(super) struct MetricSources {
    pub(super) judge: Arc<Judge>,
    pub(super) lanes: Arc<Lanes>,
    pub(super) life: Arc<dyn Lifecycle>,
    pub(super) health: HealthWatch,
    pub(super) index: Arc<Index>,
    pub(super) revisions: watch::Receiver<Revision>,
    pub(super) age: Arc<ViewAge>,
    pub(super) tls: Option<Arc<Tls>>,
    pub(super) log_lines: LostLines,
    /// There once they serve.
    pub(super) listeners: OnceLock<Vec<Named>>,
}

impl MetricSources {
    /// Shows these listeners from now on.
    pub(super) fn show(&self, listeners: Vec<Named>) {
        let _only_once = self.listeners.set(listeners);
    }

    fn listeners(&self) -> &[Named] {
        self.listeners.get().map_or(&[], Vec::as_slice)
    }

    fn of_the_view(&self, to: &mut Exposition) {
        let now = self.health.now();
        for condition in HealthCondition::ALL {
            let labels = [("condition", condition.name())];
            to.count(&of::CONDITION, &labels, u64::from(now.hold(condition)));
        }
        let (keys, workspaces) = self.index.sizes();
        to.count(&of::KEYS, &[], as_u64(keys));
        to.count(&of::WORKSPACES, &[], as_u64(workspaces));
        // The view first: what is written meanwhile must not make it look too old.
        let written = *self.revisions.borrow();
        let view = self.index.revision();
        to.count(&of::INDEX_REVISION, &[], view.0);
        to.count(&of::STORE_REVISION, &[], written.0.max(view.0));
        to.sample(&of::INDEX_AGE, &[], self.age.look(view >= written).as_secs_f64());
    }

    fn of_listeners(&self, to: &mut Exposition) {
        for (name, listener) in self.listeners() {
            to.count(&of::CONNECTIONS, &[("listener", name)], as_u64(listener.connections()));
        }
        let counted: [(_, CounterOf); 3] = [
            (&of::ACCEPTED, |counts| counts.connections_admitted.value()),
            (&of::ACCEPT_FAILURES, |counts| counts.accepts_failed.value()),
            (&of::PANICS, |counts| counts.panics.value()),
        ];
        for (family, value) in counted {
            for (name, listener) in self.listeners() {
                to.count(family, &[("listener", name)], value(listener.counts()));
            }
        }
        let refused: [(_, RefusalsOf); 2] =
            [(&of::CONNECTIONS_REFUSED, refused_connections), (&of::CALLS_REFUSED, refused_calls)];
        for (family, refused) in refused {
            for (name, listener) in self.listeners() {
                for (reason, count) in refused(listener.counts()) {
                    to.count(family, &[("listener", name), ("reason", reason)], count);
                }
            }
        }
        if let Some((_, listener)) = self.listeners().first() {
            to.count(&of::CALL_MEMORY, &[], listener.budget().taken());
            to.count(&of::CALL_MEMORY_LIMIT, &[], listener.budget().limit());
        }
    }
}

impl Metrics for MetricSources {
    fn expose(&self, format: MetricsFormat) -> String {
        let mut to = Exposition::new(format);
        to.count(&of::BUILD, &[("version", env!("CARGO_PKG_VERSION"))], 1);
        self.of_the_view(&mut to);
        of_decisions(&mut to, &self.judge.tally());
        of_the_store(&mut to, &self.life.figures());
        for (family, value) in [(&of::LANE_CALLS, 0), (&of::LANE_CAPACITY, 1)] {
            for (lane, taken, capacity) in self.lanes.figures() {
                to.count(family, &[("lane", lane)], as_u64(if value == 0 { taken } else { capacity }));
            }
        }
        self.of_listeners(&mut to);
        to.count(&of::WRONG_CALLERS, &[], self.judge.wrong_callers_seen().count);
        for ((reason, call), count) in self.judge.refused_calls() {
            to.count(&of::CALLS_DENIED, &[("reason", reason), ("call", call)], count);
        }
        to.count(&of::LOG_LINES_LOST, &[], self.log_lines.count());
        if let Some(tls) = &self.tls {
            let seconds = u64::try_from(tls.summary().good_until.as_ms() / 1_000).unwrap_or(0);
            to.count(&of::CERTIFICATE_EXPIRY, &[], seconds);
        }
        of_the_process(&mut to, ProcessFigures::read());
        to.finish()
    }
}

fn of_decisions(to: &mut Exposition, tally: &DecisionTally) {
    for decided in tally.decisions() {
        let labels = [
            ("reason", decided.reason),
            ("environment", &decided.environment),
            ("tier", &decided.tier),
            ("door", decided.door.name()),
        ];
        to.count(&of::DECISIONS, &labels, decided.count);
    }
    let bounds = BOUNDS.map(seconds_of_nanos);
    for (door, durations) in tally.durations() {
        let (counts, sum) = (durations.buckets.as_slice(), durations.sum.as_secs_f64());
        let histogram = Histogram { bounds: &bounds, counts, sum };
        to.histogram(&of::DURATION, &[("door", door.name())], histogram);
    }
    for (door, count) in tally.undecided_counts() {
        to.count(&of::UNDECIDED, &[("door", door.name())], count);
    }
    for (limit, count) in tally.limit_refusals() {
        to.count(&of::LIMIT_REFUSALS, &[("limit", &limit)], count);
    }
}

fn of_the_store(to: &mut Exposition, store: &StoreFigures) {
    to.count(&of::COMMITS, &[], store.commits);
    to.count(&of::COMMIT_FAILURES, &[], store.failures);
    let bounds = COMMIT_BOUNDS.map(|micros| Duration::from_micros(micros).as_secs_f64());
    let times = Histogram { bounds: &bounds, counts: &store.times, sum: store.time.as_secs_f64() };
    to.histogram(&of::COMMIT_DURATION, &[], times);
    let bounds = GROUP_BOUNDS.map(as_f64);
    let groups = Histogram { bounds: &bounds, counts: &store.groups, sum: as_f64(store.works) };
    to.histogram(&of::GROUP_SIZE, &[], groups);
    to.count(&of::WRITE_QUEUE, &[], as_u64(store.waiting));
    to.count(&of::WRITE_QUEUE_CAPACITY, &[], as_u64(store.capacity));
}

fn of_the_process(to: &mut Exposition, process: ProcessFigures) {
    for (family, value) in [
        (&of::PROCESS_CPU, process.cpu_seconds),
        (&of::PROCESS_MEMORY, process.resident_bytes.map(as_f64)),
        (&of::PROCESS_VIRTUAL, process.virtual_bytes.map(as_f64)),
        (&of::PROCESS_FDS, process.open_fds.map(as_f64)),
        (&of::PROCESS_MAX_FDS, process.max_fds.map(as_f64)),
        (&of::PROCESS_START, process.start_seconds),
    ] {
        if let Some(value) = value {
            to.sample(family, &[], value);
        }
    }
}

fn refused_connections(counts: &ServerCounts) -> Vec<(&'static str, u64)> {
    let each = [
        ("full", &counts.connections_refused_full),
        ("source", &counts.connections_refused_source),
        ("displaced", &counts.connections_displaced),
        ("handshake", &counts.handshakes_failed),
        ("no-preface", &counts.connections_without_preface),
        ("no-call", &counts.connections_without_call),
        ("idle", &counts.connections_idle),
        ("stalled", &counts.connections_stalled),
        ("answer-untaken", &counts.connections_with_answer_untaken),
        ("half-open", &counts.connections_half_open),
        ("overdue", &counts.connections_overdue),
        ("no-progress", &counts.connections_without_progress),
        ("too-dear", &counts.connections_too_dear),
    ];
    each.map(|(reason, counter)| (reason, counter.value())).to_vec()
}

fn refused_calls(counts: &ServerCounts) -> Vec<(&'static str, u64)> {
    let each = [
        ("malformed", &counts.calls_refused),
        ("expired", &counts.calls_expired),
        ("over-budget", &counts.requests_over_budget),
        ("too-many-streams", &counts.answers_over_cap),
    ];
    each.map(|(reason, counter)| (reason, counter.value())).to_vec()
}

fn seconds_of_nanos(nanos: u64) -> f64 {
    Duration::from_nanos(nanos).as_secs_f64()
}

fn as_u64(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}
