//! The clock's mark: the latest time that was believed, kept so that no restart goes behind it; and the alarms of the
//! clock, each logged once.

use std::{sync::Arc, time::Duration};

use serde_json::Value;
use tokio::sync::watch;

use crate::{
    changes::support::entry::change,
    domain::{
        audit::{Action, Actor, LogEntry},
        time::{ClockCondition, Timestamp, TrustedClock},
    },
    ports::{KeyStore, Mutation, Note, Rows, StoredMark},
};

const WRITE_EVERY: Duration = Duration::from_secs(10);

/// How old the stored mark may be, as long as it can be written; a commit takes its time.
pub const GREATEST_AGE: Duration = Duration::from_secs(11);

/// Writes the mark, and watches how the clock is.
pub struct ClockWatch {
    store: Arc<dyn KeyStore>,
    clock: Arc<TrustedClock>,
    written: Option<Timestamp>,
    /// What was logged last.
    told: ClockCondition,
    /// Whether the last mark could not be written, and that was logged.
    failing: bool,
}

impl ClockWatch {
    /// Watches `clock`, and keeps its mark in `store`.
    #[must_use]
    pub fn new(store: Arc<dyn KeyStore>, clock: Arc<TrustedClock>) -> Self {
        Self { store, clock, written: None, told: ClockCondition::Sound, failing: false }
    }

    /// Looks now and every ten seconds, until `stop` says true or is gone; then once more.
    pub async fn run(mut self, mut stop: watch::Receiver<bool>) {
        let mut stopped = false;
        loop {
            self.tell();
            self.write().await;
            if stopped {
                return;
            }
            stopped = tokio::time::timeout(WRITE_EVERY, stop.wait_for(|stop| *stop)).await.is_ok();
        }
    }

    /// Logs how the clock is where that is another condition than it was.
    fn tell(&mut self) {
        let condition = self.clock.condition();
        if std::mem::discriminant(&condition) == std::mem::discriminant(&self.told) {
            return;
        }
        self.told = condition;
        match condition {
            ClockCondition::Sound => tracing::info!("the machine's clock is believed again"),
            ClockCondition::Behind(behind) => tracing::error!(
                behind_ms = behind.as_millis(),
                time = %self.clock.mark(),
                "the machine's clock is behind a time that was believed before; time stands there until the clock has \
                 passed it: set the clock right, or, if the time that was believed is the false one, stop keyward and \
                 run `keyward doctor --reset-clock`"
            ),
            ClockCondition::Doubted(ahead) => tracing::error!(
                ahead_ms = ahead.as_millis(),
                time = %self.clock.mark(),
                "the machine's clock has leapt ahead; it is believed once it has stayed there for a minute: if it is \
                 wrong, set it right before"
            ),
        }
    }

    async fn write(&mut self) {
        let _seen = self.clock.now();
        let mark = self.clock.mark();
        if self.written == Some(mark) {
            return;
        }
        match self.store.note(vec![Note::ClockMark(mark)]).await {
            Ok(()) => (self.written, self.failing) = (Some(mark), false),
            Err(_) if self.failing => {}
            Err(error) => {
                self.failing = true;
                tracing::warn!(%error, "the clock's mark could not be written; it is tried again every ten seconds");
            }
        }
    }
}

/// The change that sets the mark to `now`, over any earlier one.
#[must_use]
pub fn reset(from: StoredMark, now: Timestamp) -> Mutation {
    let from = match from {
        StoredMark::Missing => Value::Null,
        StoredMark::At(time) => time.to_string().into(),
        StoredMark::Edited => "edited".into(),
    };
    let mut entry = LogEntry::new(now, Actor::System, Action::ClockReset);
    entry.changes = vec![change("clock_mark", from, now.to_string())];
    Mutation::new(entry, Rows { clock_mark: Some(now), ..Rows::default() })
}
