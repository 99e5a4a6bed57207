//! What speaks against a process, each by its name.

/// Something that its operator should know of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HealthCondition {
    /// Not everything that is stored is in memory yet.
    Loading,
    /// There is no policy to decide by.
    NoPolicy,
    /// The lease of the view has ended: changes may have been made elsewhere that are not in it.
    NoLease,
    /// It was told to end.
    Draining,
    /// The store takes no change.
    Sealed,
    /// The disk is full: the store takes only what takes rights away.
    Full,
    /// A change that was written is not in memory yet, a second later.
    Behind,
    /// The machine's clock is not believed.
    ClockDoubted,
    /// The certificate in force has ended.
    CertificateExpired,
}

impl HealthCondition {
    /// All of them, in the order in which they are told.
    pub const ALL: [Self; 9] = [
        Self::Loading,
        Self::NoPolicy,
        Self::NoLease,
        Self::Draining,
        Self::Sealed,
        Self::Full,
        Self::Behind,
        Self::ClockDoubted,
        Self::CertificateExpired,
    ];

    /// Its name, for people and for metrics.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Loading => "loading",
            Self::NoPolicy => "no-policy",
            Self::NoLease => "no-lease",
            Self::Draining => "draining",
            Self::Sealed => "sealed",
            Self::Full => "full",
            Self::Behind => "behind",
            Self::ClockDoubted => "clock-not-believed",
            Self::CertificateExpired => "certificate-expired",
        }
    }

    /// Whether Checks are not answered because of it (M2).
    #[must_use]
    pub const fn stops_checks(self) -> bool {
        match self {
            Self::Loading | Self::NoPolicy | Self::NoLease | Self::Draining => true,
            Self::Sealed | Self::Full | Self::Behind | Self::ClockDoubted | Self::CertificateExpired => false,
        }
    }

    /// Whether some changes are not taken because of it.
    #[must_use]
    pub const fn stops_changes(self) -> bool {
        self.stops_checks() || matches!(self, Self::Sealed | Self::Full)
    }

    const fn bit(self) -> u16 {
        1 << match self {
            Self::Loading => 0,
            Self::NoPolicy => 1,
            Self::NoLease => 2,
            Self::Draining => 3,
            Self::Sealed => 4,
            Self::Full => 5,
            Self::Behind => 6,
            Self::ClockDoubted => 7,
            Self::CertificateExpired => 8,
        }
    }
}

/// Those that are the case.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct HealthConditions(u16);

impl HealthConditions {
    /// All is well.
    pub const NONE: Self = Self(0);

    /// These, and this one where `is_so`.
    #[must_use]
    pub const fn with(self, condition: HealthCondition, is_so: bool) -> Self {
        if is_so { Self(self.0 | condition.bit()) } else { self }
    }

    /// Whether this is the case.
    #[must_use]
    pub const fn hold(self, condition: HealthCondition) -> bool {
        self.0 & condition.bit() != 0
    }

    /// Each that is the case.
    pub fn iter(self) -> impl Iterator<Item = HealthCondition> {
        HealthCondition::ALL.into_iter().filter(move |condition| self.hold(*condition))
    }

    /// Whether Checks are answered.
    #[must_use]
    pub fn answer_checks(self) -> bool {
        !self.iter().any(HealthCondition::stops_checks)
    }

    /// Whether every change is taken.
    #[must_use]
    pub fn take_changes(self) -> bool {
        !self.iter().any(HealthCondition::stops_changes)
    }
}

impl From<HealthCondition> for HealthConditions {
    fn from(condition: HealthCondition) -> Self {
        Self::NONE.with(condition, true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_condition_stands_for_itself_alone() {
        // M2
        for one in HealthCondition::ALL {
            let alone = HealthConditions::from(one);
            assert_eq!(alone.iter().collect::<Vec<_>>(), [one]);
            assert_eq!(alone.answer_checks(), !one.stops_checks(), "{one:?}");
            assert_eq!(alone.take_changes(), !one.stops_changes(), "{one:?}");
        }
        assert!(HealthConditions::NONE.answer_checks() && HealthConditions::NONE.take_changes());
    }
}
