//! Quotas: how much a workspace may keep and change, so that no tenant fills what all share (X6, D7).
//!
//! A quota is about what grows. A workspace that is above one keeps what it has, and what takes rights away never needs
//! room.

use jiff::tz::TimeZone;

use super::{Calendar, Limit, Policy, QuotasEntry, Subject, Window, faults::Faults};
use crate::domain::text::{Label, Plan};

/// The greatest value of a quota: a number that JSON keeps exactly.
const MOST: u64 = 1 << 53;

/// Something that is kept or changed, and may grow so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Quota {
    /// Keys of a workspace that are neither revoked nor expired.
    Keys,
    /// All keys of a workspace: revoked and expired ones stay, so that they are known.
    KeptKeys,
    /// What all keys of a workspace hold, in bytes.
    KeyBytes,
    /// Members of a workspace.
    Members,
    /// What the changes of a workspace write to the log in a day of UTC, in bytes.
    LogBytesPerDay,
    /// Workspaces, of the whole store.
    Workspaces,
    /// Import schemes, of the whole store.
    ImportSchemes,
}

impl Quota {
    /// Those of each workspace.
    pub const OF_WORKSPACE: [Self; 5] =
        [Self::Keys, Self::KeptKeys, Self::KeyBytes, Self::Members, Self::LogBytesPerDay];

    /// Every one.
    pub const ALL: [Self; 7] = [
        Self::Keys,
        Self::KeptKeys,
        Self::KeyBytes,
        Self::Members,
        Self::LogBytesPerDay,
        Self::Workspaces,
        Self::ImportSchemes,
    ];

    /// Its name in the document.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Keys => "keys",
            Self::KeptKeys => "kept_keys",
            Self::KeyBytes => "key_bytes",
            Self::Members => "members",
            Self::LogBytesPerDay => "log_bytes_per_day",
            Self::Workspaces => "workspaces",
            Self::ImportSchemes => "import_schemes",
        }
    }

    /// What it is where no document says otherwise.
    #[must_use]
    pub const fn by_default(self) -> u64 {
        match self {
            Self::Keys | Self::Members | Self::Workspaces => 1_000_000,
            Self::KeptKeys => 4_000_000,
            Self::KeyBytes => 2 << 30,
            Self::LogBytesPerDay => 4 << 30,
            Self::ImportSchemes => 100,
        }
    }
}

impl QuotasEntry {
    /// What it says of a quota.
    #[must_use]
    pub const fn of(&self, quota: Quota) -> Option<u64> {
        match quota {
            Quota::Keys => self.keys,
            Quota::KeptKeys => self.kept_keys,
            Quota::KeyBytes => self.key_bytes,
            Quota::Members => self.members,
            Quota::LogBytesPerDay => self.log_bytes_per_day,
            Quota::Workspaces => self.workspaces,
            Quota::ImportSchemes => self.import_schemes,
        }
    }

    const OF_STORE: [Quota; 2] = [Quota::Workspaces, Quota::ImportSchemes];

    /// Notes what is wrong; those of the whole store are no plan's to set.
    pub(super) fn check(&self, at: &str, of_plan: bool, faults: &mut Faults) {
        for quota in Quota::ALL {
            let Some(most) = self.of(quota) else { continue };
            let field = format!("{at}.{}", quota.as_str());
            if of_plan && Self::OF_STORE.contains(&quota) {
                faults.must(field, "in the policy's own `quotas` only: it is of the whole store");
            } else if !(1..=MOST).contains(&most) {
                faults.must(field, "1 to 9007199254740992");
            }
        }
    }
}

/// What is counted by the day: a limit of so many units in each day of UTC.
#[must_use]
pub fn daily(limit: u64) -> Limit {
    let window = Window::Calendar(Calendar::Day, TimeZone::UTC);
    Limit { name: Label::literal("bytes"), limit, window, per: Subject::Key }
}

impl Policy {
    /// How far something may grow: what the plan says, else the policy, else what is so by default. A plan that the policy
    /// does not declare says nothing.
    #[must_use]
    pub fn quota(&self, plan: Option<&Plan>, quota: Quota) -> u64 {
        let plans = &self.document().plans;
        let entry = plan.and_then(|plan| plans.iter().find(|entry| entry.name == plan.as_str()));
        let of_plan = entry.and_then(|entry| entry.quotas.as_ref()?.of(quota));
        let of_policy = || self.document().quotas.as_ref()?.of(quota);
        of_plan.or_else(of_policy).unwrap_or(quota.by_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::policy::{Document, Fault};

    fn policy(quotas: &str, of_plan: &str) -> Result<Policy, Vec<Fault>> {
        let small = include_str!("tests/small.toml");
        let document: Document = toml::from_str(small).unwrap();
        let mut document = Document { quotas: toml::from_str(quotas).unwrap(), ..document };
        document.plans[0].quotas = toml::from_str(of_plan).unwrap();
        Policy::new(document)
    }

    #[test]
    fn a_plans_quota_comes_before_the_policys_and_that_before_the_default() {
        let policy = policy("keys = 10\nmembers = 20", "keys = 5").unwrap();
        let first = Some(policy.first_plan());
        assert_eq!(policy.quota(first, Quota::Keys), 5);
        assert_eq!(policy.quota(first, Quota::Members), 20);
        assert_eq!(policy.quota(first, Quota::KeyBytes), Quota::KeyBytes.by_default());
        let gone = Plan::literal("gone");
        assert_eq!(policy.quota(Some(&gone), Quota::Keys), 10);
        assert_eq!(policy.quota(None, Quota::ImportSchemes), 100);
    }

    #[test]
    fn a_quota_that_admits_nothing_or_is_not_the_plans_is_named() {
        let faults = policy("keys = 0\nkey_bytes = 9007199254740993", "import_schemes = 5").unwrap_err();
        let fields: Vec<_> = faults.iter().map(|fault| fault.field.as_str()).collect();
        assert_eq!(fields, ["quotas.keys", "quotas.key_bytes", "plans[0].quotas.import_schemes"]);
    }
}
