//! Calls of administration, and how many of them were refused.

use std::{
    collections::BTreeMap,
    net::IpAddr,
    sync::{Mutex, PoisonError},
};

use super::super::import_alarm::Told;
use crate::domain::{time::Timestamp, usage::minute_of};

/// What a caller asks for who must say who he is, and from where.
#[derive(Debug, Clone, Copy)]
pub struct AskedAs {
    /// The call; a gateway's is Check.
    pub call: &'static str,
    /// Where it came from: the address of the connection.
    pub address: Option<IpAddr>,
}

/// How many calls were refused since the start, by their reason and the call, and what was told of them in the log.
#[derive(Default)]
pub(in crate::judge) struct RefusedCalls {
    told: Mutex<Told>,
    counts: Mutex<BTreeMap<(&'static str, &'static str), u64>>,
}

impl RefusedCalls {
    /// How many were not told in the log before this one; `None` where this one is not to be told: ten a minute are.
    pub(in crate::judge) fn untold(&self, now: Timestamp) -> Option<u64> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner).next(minute_of(now))
    }

    /// Counts one.
    pub(in crate::judge) fn count(&self, reason: &'static str, call: &'static str) {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let count = counts.entry((reason, call)).or_default();
        *count = count.saturating_add(1);
    }

    /// How many there were, by their reason and the call.
    pub(in crate::judge) fn counts(&self) -> Vec<((&'static str, &'static str), u64)> {
        let counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        counts.iter().map(|(labels, count)| (*labels, *count)).collect()
    }
}

/// Of a caller who is bound to a workspace and names what is in another: he is told that it is not there.
pub const OUT_OF_REACH: &str = "OUT_OF_REACH";

/// Of what is not a usable administration key.
pub(in crate::judge) const CALLER_INVALID: &str = "CALLER_INVALID";

/// Where a call came from, for the log.
pub(in crate::judge) fn shown(source: Option<IpAddr>) -> String {
    source.map_or_else(|| "unix".to_owned(), |source| source.to_string())
}
