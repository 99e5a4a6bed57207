//! Sums of denials, as they are stored: each sheet is of one kind, and of one piece of time.

use crate::domain::{
    denial_sums::{DenialNames, DenialTotals},
    usage::{MINUTES_A_DAY, MINUTES_AN_HOUR},
};

/// What a sheet is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SheetKind {
    /// The totals of a minute.
    MinuteTotals,
    /// Those of an hour, in the place of those of its minutes.
    HourTotals,
    /// Who was denied in an hour.
    HourNames,
    /// The same of a day, in the place of those of its hours.
    DayNames,
}

impl SheetKind {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::MinuteTotals, Self::HourTotals, Self::HourNames, Self::DayNames];

    /// How many minutes such a sheet is of.
    #[must_use]
    pub const fn minutes(self) -> u32 {
        match self {
            Self::MinuteTotals => 1,
            Self::HourTotals | Self::HourNames => MINUTES_AN_HOUR,
            Self::DayNames => MINUTES_A_DAY,
        }
    }

    /// Its number in the store.
    #[must_use]
    pub const fn number(self) -> u8 {
        match self {
            Self::MinuteTotals => 0,
            Self::HourTotals => 1,
            Self::HourNames => 2,
            Self::DayNames => 3,
        }
    }
}

/// Which sheet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DenialPlace {
    /// What it is of.
    pub kind: SheetKind,
    /// Its first minute: how many are over since 1970.
    pub start: u32,
}

impl DenialPlace {
    /// The minute behind its last.
    #[must_use]
    pub const fn end(self) -> u32 {
        self.start.saturating_add(self.kind.minutes())
    }
}

/// What a sheet says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DenialSums {
    /// How often each was denied.
    Totals(DenialTotals),
    /// Who was denied most.
    Names(Box<DenialNames>),
}

/// A sheet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DenialSheet {
    /// Which.
    pub place: DenialPlace,
    /// What it says.
    pub sums: DenialSums,
}

/// Which sheets to read: those of one kind that begin in a span of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DenialFilter {
    /// What they are of.
    pub kind: SheetKind,
    /// From this minute on.
    pub from: u32,
    /// Before this one.
    pub before: u32,
    /// Whether the newest come first.
    pub newest_first: bool,
}
