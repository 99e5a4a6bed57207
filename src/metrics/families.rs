//! Every family of metrics that there is: its name, its kind, its labels, and what it says. docs/monitoring.md has the same table.

/// What kind of thing is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MetricKind {
    /// A number that only grows while the process lives.
    Counter,
    /// A number of the moment.
    Gauge,
    /// Values in buckets.
    Histogram,
    /// What does not change, in labels; its number is one.
    Info,
}

impl MetricKind {
    /// Its name in both formats, but for the last in that of Prometheus.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
            Self::Info => "info",
        }
    }

    /// What follows the name of the family in that of a sample.
    #[must_use]
    pub const fn suffix(self) -> &'static str {
        match self {
            Self::Counter => "_total",
            Self::Gauge | Self::Histogram => "",
            Self::Info => "_info",
        }
    }
}

/// Samples of one name.
#[derive(Debug)]
pub struct Family {
    /// Its name, without what its kind adds.
    pub name: &'static str,
    /// Its kind.
    pub kind: MetricKind,
    /// What it says: one sentence without its full stop.
    pub help: &'static str,
    /// The labels of each sample.
    pub labels: &'static [&'static str],
}

impl Family {
    /// What it is counted in, where its name says so.
    #[must_use]
    pub fn unit(&self) -> Option<&'static str> {
        ["seconds", "bytes"].into_iter().find(|unit| self.name.ends_with(unit))
    }
}

/// Declares families, and the list of them.
macro_rules! families {
    ($($constant:ident: $kind:ident $name:literal [$($label:literal),*] $help:literal;)*) => {
        $(
            #[doc = $help]
            pub static $constant: Family =
                Family { name: $name, kind: MetricKind::$kind, help: $help, labels: &[$($label),*] };
        )*

        /// All of them, in the order in which they are told.
        pub static FAMILIES: &[&Family] = &[$(&$constant),*];
    };
}

families! {
    BUILD: Info "keyward_build" ["version"] "The version that runs";
    CONDITION: Gauge "keyward_condition" ["condition"] "Whether a condition of /readyz?verbose is the case";
    DECISIONS: Counter "keyward_decisions" ["reason", "environment", "tier", "door"]
        "Enforcing decisions by their reason, the environment and tier of the key, and the door";
    DURATION: Histogram "keyward_check_duration_seconds" ["door"]
        "How long calls took from the question to the answer, a batch as one call";
    UNDECIDED: Counter "keyward_undecided" ["door"] "Questions that Keyward could not answer";
    LIMIT_REFUSALS: Counter "keyward_limit_refusals" ["limit"] "Refusals by a spent limit, which its tier and its own name name";
    KEYS: Gauge "keyward_keys" [] "Keys in memory, revoked and expired ones among them";
    WORKSPACES: Gauge "keyward_workspaces" [] "Workspaces in memory";
    INDEX_REVISION: Gauge "keyward_index_revision" [] "The revision of the log that Checks are decided by";
    STORE_REVISION: Gauge "keyward_store_revision" [] "The newest revision of the log that is written";
    INDEX_AGE: Gauge "keyward_index_age_seconds" [] "For how long memory has been behind the log; 0 while it is not";
    COMMITS: Counter "keyward_commits" [] "Transactions that are durable";
    COMMIT_FAILURES: Counter "keyward_commit_failures" [] "Transactions that were not written, or whose fate was unknown";
    COMMIT_DURATION: Histogram "keyward_commit_duration_seconds" [] "How long durable transactions took to write";
    GROUP_SIZE: Histogram "keyward_commit_group_size" [] "How many changes and notes a transaction took together";
    WRITE_QUEUE: Gauge "keyward_write_queue_length" [] "Changes and notes that wait for the thread that writes";
    WRITE_QUEUE_CAPACITY: Gauge "keyward_write_queue_capacity" [] "How many may wait before more are refused";
    LANE_CALLS: Gauge "keyward_lane_calls" ["lane"] "Administrative calls under way, by their lane";
    LANE_CAPACITY: Gauge "keyward_lane_capacity" ["lane"] "How many may be under way in a lane";
    CONNECTIONS: Gauge "keyward_connections_open" ["listener"] "Connections that are open";
    ACCEPTED: Counter "keyward_connections_accepted" ["listener"] "Connections that were taken in";
    CONNECTIONS_REFUSED: Counter "keyward_connections_refused" ["listener", "reason"]
        "Connections that were refused or ended because they broke a bound";
    CALLS_REFUSED: Counter "keyward_calls_refused" ["listener", "reason"]
        "Calls that were refused or ended before their handler answered";
    ACCEPT_FAILURES: Counter "keyward_accept_failures" ["listener"]
        "Connections that could not be accepted for want of descriptors or memory";
    PANICS: Counter "keyward_panics" ["listener"] "Panics, each of them a defect";
    CALL_MEMORY: Gauge "keyward_call_memory_bytes" [] "Memory that calls in flight hold";
    CALL_MEMORY_LIMIT: Gauge "keyward_call_memory_limit_bytes" [] "Memory that calls in flight may hold";
    WRONG_CALLERS: Counter "keyward_wrong_callers" [] "What was sent as an administration key and is none";
    CALLS_DENIED: Counter "keyward_admin_calls_denied" ["reason", "call"]
        "Calls that were refused because of who called, or what the caller may do or reach";
    LOG_LINES_LOST: Counter "keyward_log_lines_lost" [] "Log lines that could not be written";
    CERTIFICATE_EXPIRY: Gauge "keyward_certificate_expiry_timestamp_seconds" []
        "When the certificate in force ends, in seconds since 1970";
    PROCESS_CPU: Counter "process_cpu_seconds" [] "Processor time that the process has used";
    PROCESS_MEMORY: Gauge "process_resident_memory_bytes" [] "Memory of the process that is resident";
    PROCESS_VIRTUAL: Gauge "process_virtual_memory_bytes" [] "Address space of the process";
    PROCESS_FDS: Gauge "process_open_fds" [] "Descriptors that are open";
    PROCESS_MAX_FDS: Gauge "process_max_fds" [] "Descriptors that may be open";
    PROCESS_START: Gauge "process_start_time_seconds" [] "When the process began, in seconds since 1970";
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn names_follow_the_conventions_and_none_is_of_two() {
        // M1: the library for Rust would add a full stop to a help text; Prometheus' own have none.
        let mut names = BTreeSet::new();
        for family in FAMILIES {
            assert!(names.insert(family.name), "{}", family.name);
            let is_ours = family.name.starts_with("keyward_") || family.name.starts_with("process_");
            assert!(is_ours && family.name.bytes().all(|byte| byte == b'_' || byte.is_ascii_lowercase()));
            assert!(!family.help.ends_with('.') && !family.help.contains(['\n', '\\']), "{}", family.help);
            for suffix in ["_total", "_info", "_count", "_sum", "_bucket", "_ms", "_created"] {
                assert!(!family.name.ends_with(suffix), "{}", family.name);
            }
            assert!(!family.labels.iter().any(|label| ["key", "key_id", "le"].contains(label)));
        }
    }
}
