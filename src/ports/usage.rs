//! What keys did, by the hour: as it is written, and as it is asked for.

use std::{borrow::Cow, sync::Arc};

use crate::domain::{
    id::KeyId,
    text::{EnvironmentName, Owner},
    workspace::Within,
};

/// What one key did in one hour, in one tier, with one outcome.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Usage {
    /// The key.
    pub key: KeyId,
    /// The hour: how many are over since 1970.
    pub hour: u32,
    /// The tier that was charged, or would have been; empty where the Check came to none.
    pub tier: Arc<str>,
    /// `ALLOWED`, or the reason of the denial.
    pub outcome: Cow<'static, str>,
    /// How many Checks.
    pub checks: u64,
    /// What they cost, where they were allowed.
    pub cost: u64,
}

/// Which usage to read.
#[derive(Debug, Clone)]
pub struct UsageFilter {
    /// Of keys of these workspaces.
    pub within: Within,
    /// Of this key.
    pub key: Option<KeyId>,
    /// Of keys of this owner.
    pub owner: Option<Owner>,
    /// Of keys of this environment.
    pub environment: Option<EnvironmentName>,
    /// From this hour on.
    pub from: u32,
    /// Before this hour. The last hour that there is, is never read.
    pub before: u32,
}

/// A place in a list of usage: the last row that was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UsagePosition {
    /// Its key.
    pub key: KeyId,
    /// Its hour.
    pub hour: u32,
    /// Its tier.
    pub tier: String,
    /// Its outcome; an empty one stands before all others.
    pub outcome: String,
}

impl From<&Usage> for UsagePosition {
    fn from(row: &Usage) -> Self {
        let (key, hour) = (row.key, row.hour);
        Self { key, hour, tier: row.tier.to_string(), outcome: row.outcome.clone().into_owned() }
    }
}

impl UsagePosition {
    /// Behind all that a key did.
    #[must_use]
    pub const fn behind(key: KeyId) -> Self {
        Self { key, hour: u32::MAX, tier: String::new(), outcome: String::new() }
    }

    /// Whether nothing of its key is left behind it.
    #[must_use]
    pub const fn is_behind_key(&self) -> bool {
        self.hour == u32::MAX
    }
}

/// Rows of usage, and where to go on.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct UsageRows {
    /// The rows. There can be fewer than asked for, and more behind them: one look takes so many keys, and no more.
    pub rows: Vec<Usage>,
    /// Behind which the next look goes on; `None` where nothing is left that matches.
    pub more: Option<UsagePosition>,
    /// How many rows were looked at: of keys, and of what they did.
    pub looked_at: usize,
}

/// A scope that a key used, or asked for and was denied: the first time and the last, to the hour.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScopeUse {
    /// The key.
    pub key: KeyId,
    /// The scope.
    pub scope: Arc<str>,
    /// Whether it was used, or denied.
    pub used: bool,
    /// The hour of the first time that is known.
    pub first_hour: u32,
    /// The hour of the last time.
    pub last_hour: u32,
}
