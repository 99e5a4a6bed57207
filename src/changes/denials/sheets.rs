//! Sheets of denials in memory: those that are not whole yet, and those that are not written.

use std::collections::BTreeMap;

use crate::{
    domain::denial_sums::{DenialNames, MOST_NAMES, add_totals},
    judge::denials::DenialsTaken,
    ports::{DenialPlace, DenialSheet, DenialSums, SheetKind},
};

/// Minutes whose totals wait to be written, and hours whose names do, at the most: a day.
const MOST_MINUTES: usize = 1_440;
const MOST_HOURS: usize = 24;

/// Sheets of the present.
#[derive(Debug, Default)]
pub(super) struct OpenSheets {
    /// What was taken out of the book and is in no whole sheet yet.
    pub(super) news: BTreeMap<DenialPlace, DenialSums>,
    /// Sheets as they are to be stored.
    pub(super) whole: BTreeMap<DenialPlace, WholeSheet>,
}

/// A sheet as it is to be stored.
#[derive(Debug)]
pub(super) struct WholeSheet {
    pub(super) sums: DenialSums,
    /// Whether the store has another.
    pub(super) is_unwritten: bool,
}

impl DenialSums {
    /// Nothing, of a kind.
    pub(super) fn of(kind: SheetKind) -> Self {
        match kind {
            SheetKind::MinuteTotals | SheetKind::HourTotals => Self::Totals(BTreeMap::new()),
            SheetKind::HourNames | SheetKind::DayNames => Self::Names(Box::new(DenialNames::of(MOST_NAMES))),
        }
    }

    /// Adds others of the same kind.
    pub(super) fn add(&mut self, other: Self) {
        match (self, other) {
            (Self::Totals(totals), Self::Totals(others)) => add_totals(totals, others),
            (Self::Names(names), Self::Names(others)) => names.merge(*others),
            (Self::Totals(_), Self::Names(_)) | (Self::Names(_), Self::Totals(_)) => {}
        }
    }

    /// How many denials they are.
    pub(super) fn count(&self) -> u64 {
        match self {
            Self::Totals(totals) => totals.values().fold(0, |sum, count| sum.saturating_add(*count)),
            Self::Names(names) => names.sources.sum(),
        }
    }
}

impl OpenSheets {
    /// Takes in what a thread counted.
    pub(super) fn take(&mut self, taken: DenialsTaken) {
        for (minute, totals) in taken.totals {
            let place = DenialPlace { kind: SheetKind::MinuteTotals, start: minute };
            self.put(place, DenialSums::Totals(totals));
        }
        for (hour, names) in taken.names {
            let place = DenialPlace { kind: SheetKind::HourNames, start: hour };
            self.put(place, DenialSums::Names(Box::new(names)));
        }
    }

    fn put(&mut self, place: DenialPlace, sums: DenialSums) {
        self.news.entry(place).or_insert_with(|| DenialSums::of(place.kind)).add(sums);
    }

    /// Adds the news to the whole sheets that they are of; answers the places of those that are not at hand.
    pub(super) fn enter(&mut self) -> Vec<DenialPlace> {
        let mut missing = Vec::new();
        for (place, sums) in std::mem::take(&mut self.news) {
            if let Some(whole) = self.whole.get_mut(&place) {
                whole.sums.add(sums);
                whole.is_unwritten = true;
            } else {
                missing.push(place);
                self.news.insert(place, sums);
            }
        }
        missing
    }

    /// The sheets that are to be written, as they stand.
    pub(super) fn unwritten(&self) -> Vec<DenialSheet> {
        let unwritten = self.whole.iter().filter(|(_, whole)| whole.is_unwritten);
        unwritten.map(|(place, whole)| DenialSheet { place: *place, sums: whole.sums.to_stored() }).collect()
    }

    /// These are written; those that ended before `now` go.
    pub(super) fn written(&mut self, places: impl IntoIterator<Item = DenialPlace>, now: u32) {
        for place in places {
            if let Some(whole) = self.whole.get_mut(&place) {
                whole.is_unwritten = false;
            }
        }
        self.whole.retain(|place, whole| whole.is_unwritten || place.end() >= now);
    }

    /// Gives up the oldest where there are too many that could not be written; how many denials that were, by minutes and by
    /// names.
    pub(super) fn give_up(&mut self) -> u64 {
        let mut lost = 0_u64;
        for (kind, most) in [(SheetKind::MinuteTotals, MOST_MINUTES), (SheetKind::HourNames, MOST_HOURS)] {
            lost = lost.saturating_add(give_up_of(&mut self.whole, kind, most, |whole| whole.sums.count()));
            lost = lost.saturating_add(give_up_of(&mut self.news, kind, most, DenialSums::count));
        }
        lost
    }
}

fn give_up_of<S>(
    sheets: &mut BTreeMap<DenialPlace, S>,
    kind: SheetKind,
    most: usize,
    count: impl Fn(&S) -> u64,
) -> u64 {
    let places: Vec<_> = sheets.keys().filter(|place| place.kind == kind).copied().collect();
    let over = places.len().saturating_sub(most);
    let gone = places.into_iter().take(over).filter_map(|place| sheets.remove(&place));
    gone.fold(0, |lost, sheet| lost.saturating_add(count(&sheet)))
}

impl DenialSums {
    /// What is kept of them.
    pub(super) fn to_stored(&self) -> Self {
        match self {
            Self::Totals(totals) => Self::Totals(totals.clone()),
            Self::Names(names) => Self::Names(Box::new(names.to_stored())),
        }
    }
}
