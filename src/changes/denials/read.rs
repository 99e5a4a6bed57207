//! Reading denials: how many there were by time and reason, or who was denied most.

use std::{cmp::Reverse, hash::Hash, net::IpAddr};

use super::{keeping::first_kept, ledger::DenialLedger};
use crate::{
    changes::{Changes, support::cursor},
    domain::{
        admin::{AdminPermit, ReadAudit},
        denial_sums::{
            Busiest, DenialLabel, DenialNames, DeniedCredential, DeniedName, MOST_NAMES, TimesSeen,
        },
        id::WorkspaceId,
        parse::ParseError,
        time::Timestamp,
        usage::{MINUTES_A_DAY, minute_of, start_of_minute},
    },
    error::OperationError,
    ports::{DenialFilter, DenialPlace, DenialSums, SheetKind},
};

/// Sheets of totals, and of names, that are read from the store at once.
const TOTALS_AT_ONCE: usize = 64;
const NAMES_AT_ONCE: usize = 4;

/// What denials are told by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DenialGrouping {
    /// By time and reason.
    Time,
    /// By where they came from.
    Source,
    /// By what was sent.
    Credential,
    /// By the workspace of the key or the caller.
    Workspace,
}

/// A question about denials.
#[derive(Debug, Clone)]
pub struct DenialQuery {
    /// Of keys and callers of this workspace; `None` is all, and what was about no workspace.
    pub workspace: Option<WorkspaceId>,
    /// From the minute on that this is in; `None` is 24 hours before the end.
    pub start: Option<Timestamp>,
    /// Before this; `None` is now.
    pub end: Option<Timestamp>,
    /// For this reason.
    pub reason: Option<String>,
    /// By this door.
    pub door: Option<String>,
    /// What to tell them by.
    pub grouping: DenialGrouping,
}

/// Who was denied.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum DenialWho {
    /// That is not what they are told by.
    Anybody,
    /// Where they came from.
    Source(Option<IpAddr>),
    /// What was sent.
    Credential(DeniedCredential),
    /// All those who are not named, and for whatever reason.
    Others,
}

/// Denials that are alike.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DenialRow {
    /// When the first of them can have been, and for how many minutes they are counted.
    pub span: (Timestamp, u32),
    /// What was denied; `None` of others.
    pub label: Option<DenialLabel>,
    /// The workspace of the key or the caller.
    pub workspace: Option<WorkspaceId>,
    /// Who was denied.
    pub who: DenialWho,
    /// How many there were.
    pub seen: TimesSeen,
}

/// A page of denials.
#[derive(Debug)]
pub struct DenialAnswer {
    /// By time the newest first, else the most first, and in the end all others together.
    pub rows: Vec<DenialRow>,
    /// The token that asks for the next page; empty after the last.
    pub next_page_token: String,
}

/// Whole minutes, from one on and before another.
#[derive(Debug, Clone, Copy)]
struct MinuteRange {
    from: u32,
    before: u32,
}

/// Where a page begins: so many rows behind the beginning of a sheet.
#[derive(Debug, Clone, Copy)]
struct DenialCursor {
    range: MinuteRange,
    /// Among the two kinds.
    kind: usize,
    start: u32,
    row: usize,
}

impl Changes {
    /// What was denied, all of it until now.
    ///
    /// # Errors
    /// The times make no span; the page token is not one of this question. The store.
    pub async fn query_denials(
        &self,
        permit: AdminPermit<ReadAudit>,
        query: DenialQuery,
        page_token: &str,
        page_size: usize,
    ) -> Result<DenialAnswer, OperationError> {
        let list = format!("denials {:?} {query:?}", permit.bound_to());
        let now = minute_of(self.clock.now());
        let place = self.denial_place(&list, page_token)?;
        let range = match &place {
            Some(place) => place.range,
            None => query.range(now)?,
        };
        let look = DenialLook { ledger: &self.denials, query: &query, range, now };
        match query.grouping {
            DenialGrouping::Time => {
                let (rows, more) = look.by_time(place, page_size).await?;
                let token = more.map(|DenialCursor { kind, start, row, .. }| {
                    let place = format!("{},{},{kind},{start},{row}", range.from, range.before);
                    cursor::seal(&self.keys.now().cursors, &list, &place)
                });
                Ok(DenialAnswer { rows, next_page_token: token.unwrap_or_default() })
            }
            DenialGrouping::Source => {
                look.by_names(page_size, |names| &names.sources, |name| DenialWho::Source(*name)).await
            }
            DenialGrouping::Credential => {
                let who = |name: &DeniedCredential| DenialWho::Credential(name.clone());
                look.by_names(page_size, |names| &names.credentials, who).await
            }
            DenialGrouping::Workspace => {
                look.by_names(page_size, |names| &names.workspaces, |()| DenialWho::Anybody).await
            }
        }
    }

    fn denial_place(&self, list: &str, token: &str) -> Result<Option<DenialCursor>, OperationError> {
        cursor::begin(&self.keys.now().cursors, list, token, |text| {
            let mut parts = text.split(',');
            let mut number = || parts.next()?.parse::<u32>().ok();
            let range = MinuteRange { from: number()?, before: number()? };
            let (kind, start, row) = (number()?, number()?, number()?);
            let size = |number| usize::try_from(number).ok();
            Some(DenialCursor { range, kind: size(kind)?, start, row: size(row)? })
        })
    }
}

impl DenialQuery {
    fn range(&self, now: u32) -> Result<MinuteRange, OperationError> {
        let before = match self.end {
            None => now.saturating_add(1),
            Some(end) => minute_of(end).saturating_add(u32::from(start_of_minute(minute_of(end)) < end)),
        };
        let from = self.start.map_or_else(|| before.saturating_sub(MINUTES_A_DAY), minute_of);
        if from >= before || self.start.zip(self.end).is_some_and(|(start, end)| start >= end) {
            let (field, why) = match self.end {
                None => ("start_time", "before now, or come with an end_time"),
                Some(_) => ("end_time", "after start_time and after 1970"),
            };
            return Err(OperationError::invalid(field, ParseError::new(why)));
        }
        Ok(MinuteRange { from, before })
    }

    /// Whether these are asked for.
    fn is_of(&self, label: &DenialLabel, workspace: Option<WorkspaceId>) -> bool {
        self.reason.as_ref().is_none_or(|asked| *asked == label.reason)
            && self.door.as_ref().is_none_or(|asked| *asked == label.door)
            && self.workspace.is_none_or(|asked| Some(asked) == workspace)
    }
}

/// A look at what is kept.
struct DenialLook<'l> {
    ledger: &'l DenialLedger,
    query: &'l DenialQuery,
    range: MinuteRange,
    now: u32,
}

impl DenialLook<'_> {
    /// Sheets of a kind that have a minute of what is asked for. What is too old to be kept may still be there.
    fn filter(&self, kind: SheetKind, newest_first: bool) -> DenialFilter {
        let from = self.range.from.saturating_sub(kind.minutes().saturating_sub(1));
        let from = from.max(first_kept(kind, self.now));
        DenialFilter { kind, from, before: self.range.before, newest_first }
    }

    /// Totals, the newest first. Of one workspace they are told by hours: it is one of the names that are kept.
    async fn by_time(
        &self,
        place: Option<DenialCursor>,
        size: usize,
    ) -> Result<(Vec<DenialRow>, Option<DenialCursor>), OperationError> {
        let (kinds, at_once) = match self.query.workspace {
            None => ([SheetKind::MinuteTotals, SheetKind::HourTotals], TOTALS_AT_ONCE),
            Some(_) => ([SheetKind::HourNames, SheetKind::DayNames], NAMES_AT_ONCE),
        };
        let mut rows = Vec::new();
        let (first, mut begin) =
            place.map_or((0, None), |place| (place.kind, Some((place.start, place.row))));
        for (at, kind) in kinds.into_iter().enumerate().skip(first) {
            let mut filter = self.filter(kind, true);
            let mut skipped = 0;
            if let Some((start, row)) = begin.take() {
                filter.before = filter.before.min(start.saturating_add(1));
                skipped = row;
            }
            loop {
                let sheets = self.ledger.sheets(filter, at_once).await?;
                let is_last = sheets.len() < at_once;
                for (place, sums) in sheets {
                    filter.before = place.start;
                    for (row, of_sheet) in self.rows(place, sums).into_iter().enumerate().skip(skipped) {
                        if rows.len() == size {
                            let more = DenialCursor { range: self.range, kind: at, start: place.start, row };
                            return Ok((rows, Some(more)));
                        }
                        rows.push(of_sheet);
                    }
                    skipped = 0;
                }
                if is_last {
                    break;
                }
            }
        }
        Ok((rows, None))
    }

    /// What a sheet says by reason, in the order of its labels.
    fn rows(&self, place: DenialPlace, sums: DenialSums) -> Vec<DenialRow> {
        let mut seen: Vec<(DenialLabel, Option<WorkspaceId>, TimesSeen)> = match sums {
            DenialSums::Totals(totals) => {
                let exact = |count| TimesSeen { count, missed: 0 };
                totals.into_iter().map(|(label, count)| (label, None, exact(count))).collect()
            }
            DenialSums::Names(names) => {
                let known = names.workspaces.named();
                known.map(|(name, seen)| (name.label.clone(), name.workspace, seen)).collect()
            }
        };
        seen.retain(|(label, workspace, _)| self.query.is_of(label, *workspace));
        seen.sort_unstable_by(|one, other| one.0.cmp(&other.0));
        let span = (start_of_minute(place.start), place.kind.minutes());
        let row = |(label, workspace, seen)| DenialRow {
            span,
            label: Some(label),
            workspace,
            who: DenialWho::Anybody,
            seen,
        };
        seen.into_iter().map(row).collect()
    }

    /// Who was denied most, and all others together.
    async fn by_names<N: Clone + Eq + Hash + Ord>(
        &self,
        size: usize,
        of: impl Fn(&DenialNames) -> &Busiest<DeniedName<N>>,
        who: impl Fn(&N) -> DenialWho,
    ) -> Result<DenialAnswer, OperationError> {
        let mut all = Busiest::of(MOST_NAMES.saturating_mul(4));
        let (mut sum, mut first, mut last) = (0_u64, self.range.before, self.range.from);
        for kind in [SheetKind::HourNames, SheetKind::DayNames] {
            let mut filter = self.filter(kind, false);
            loop {
                let sheets = self.ledger.sheets(filter, NAMES_AT_ONCE).await?;
                let is_last = sheets.len() < NAMES_AT_ONCE;
                for (place, sums) in sheets {
                    filter.from = place.start.saturating_add(1);
                    let DenialSums::Names(names) = sums else { continue };
                    (first, last) = (first.min(place.start), last.max(place.end()));
                    sum = sum.saturating_add(self.sum(&names));
                    let mut of_sheet = of(&names).clone();
                    of_sheet.retain(|name| self.query.is_of(&name.label, name.workspace));
                    all.merge(of_sheet);
                }
                if is_last {
                    break;
                }
            }
        }
        let span = (start_of_minute(first), last.saturating_sub(first));
        let mut named: Vec<_> = all.named().collect();
        named.sort_unstable_by_key(|(name, seen)| (Reverse(seen.count), *name));
        named.truncate(size);
        let told = named.iter().fold(0_u64, |told, (_, seen)| told.saturating_add(seen.count));
        let row = |(name, seen): &(&DeniedName<N>, TimesSeen)| DenialRow {
            span,
            label: Some(name.label.clone()),
            workspace: name.workspace,
            who: who(&name.name),
            seen: *seen,
        };
        let mut rows: Vec<_> = named.iter().map(row).collect();
        let others = sum.saturating_sub(told);
        if others > 0 {
            let seen = TimesSeen { count: others, missed: 0 };
            rows.push(DenialRow { span, label: None, workspace: None, who: DenialWho::Others, seen });
        }
        Ok(DenialAnswer { rows, next_page_token: String::new() })
    }

    /// How many denials of a sheet are asked for.
    fn sum(&self, names: &DenialNames) -> u64 {
        let DenialQuery { workspace, reason, door, .. } = self.query;
        if workspace.is_none() && reason.is_none() && door.is_none() {
            return names.workspaces.sum();
        }
        let of = names.workspaces.named().filter(|(name, _)| self.query.is_of(&name.label, name.workspace));
        of.fold(0, |sum, (_, seen)| sum.saturating_add(seen.count))
    }
}
