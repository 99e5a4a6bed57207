//! How long denials are kept: minutes become hours after 7 days, and the names of hours become those of days; all go after 30 days,
//! and the oldest before, where there are more than 64 MiB of them. In small steps, each in a transaction of its own.

use crate::{
    domain::{
        time::Timestamp,
        usage::{MINUTES_A_DAY, MINUTES_AN_HOUR, minute_of},
    },
    ports::{DenialFilter, DenialPlace, DenialSheet, DenialSums, KeyStore, Note, SheetKind, StoreError},
};

/// After how many minutes sheets are put together.
pub(super) const TOGETHER_AFTER: u32 = 7 * MINUTES_A_DAY;

/// After how many minutes they go.
pub(super) const GONE_AFTER: u32 = 30 * MINUTES_A_DAY;

/// The most bytes that all of them have.
pub const MOST_BYTES: u64 = 64 << 20;

/// How many are removed in one step where there are too many.
const REMOVED_AT_ONCE: usize = 8;

/// How many steps of each kind are made at once.
const STEPS: usize = 48;

/// Which sheets become which.
const TOGETHER: [(SheetKind, SheetKind); 2] =
    [(SheetKind::MinuteTotals, SheetKind::HourTotals), (SheetKind::HourNames, SheetKind::DayNames)];

/// Does what is due: it is to be called each minute. A store that was stopped for long catches up over some calls.
///
/// # Errors
/// The store.
pub async fn tend(store: &dyn KeyStore, now: Timestamp) -> Result<(), StoreError> {
    let now = minute_of(now);
    let old = SheetKind::ALL.map(|kind| Note::DenialsBefore(kind, first_kept(kind, now)));
    store.note(old.to_vec()).await?;
    for (of, into) in TOGETHER {
        put_together(store, (of, into), now).await?;
    }
    remove_surplus(store).await
}

/// The first minute from which on sheets of a kind are kept: what is before has ended before their time.
pub(super) const fn first_kept(kind: SheetKind, now: u32) -> u32 {
    now.saturating_sub(GONE_AFTER).saturating_sub(kind.minutes()).saturating_add(1)
}

async fn put_together(
    store: &dyn KeyStore,
    (of, into): (SheetKind, SheetKind),
    now: u32,
) -> Result<(), StoreError> {
    let whole = into.minutes();
    let end = now.saturating_sub(TOGETHER_AFTER);
    let end = end.saturating_sub(end.checked_rem(whole).unwrap_or_default());
    for _step in 0..STEPS {
        let old = DenialFilter { kind: of, from: 0, before: end, newest_first: false };
        let Some(first) = store.denials(old, 1).await?.pop() else { break };
        let start = first.place.start;
        let start = start.saturating_sub(start.checked_rem(whole).unwrap_or_default());
        let most = usize::try_from(MINUTES_AN_HOUR).unwrap_or(usize::MAX);
        let parts =
            DenialFilter { kind: of, from: start, before: start.saturating_add(whole), newest_first: false };
        let parts = store.denials(parts, most).await?;
        let place = DenialPlace { kind: into, start };
        let known =
            DenialFilter { kind: into, from: start, before: start.saturating_add(1), newest_first: false };
        let known = store.denials(known, 1).await?.pop().map(|sheet| sheet.sums);
        let mut sums = known.unwrap_or_else(|| DenialSums::of(into));
        let mut gone = Vec::with_capacity(parts.len());
        for part in parts {
            gone.push(part.place);
            sums.add(part.sums);
        }
        let sheet = DenialSheet { place, sums: sums.to_stored() };
        store.note(vec![Note::Denials(vec![sheet]), Note::DenialsGone(gone)]).await?;
    }
    Ok(())
}

/// Removes the oldest names, and the oldest totals where no names are left, until there is room for the rest.
async fn remove_surplus(store: &dyn KeyStore) -> Result<(), StoreError> {
    let order = [SheetKind::DayNames, SheetKind::HourNames, SheetKind::HourTotals, SheetKind::MinuteTotals];
    for kind in order {
        for _step in 0..STEPS {
            if store.denial_bytes().await? <= MOST_BYTES {
                return Ok(());
            }
            let all = DenialFilter { kind, from: 0, before: u32::MAX, newest_first: false };
            let oldest = store.denials(all, REMOVED_AT_ONCE).await?;
            if oldest.is_empty() {
                break;
            }
            let places: Vec<_> = oldest.into_iter().map(|sheet| sheet.place).collect();
            tracing::warn!(
                sheets = places.len(),
                "denials have over 64 MiB: the oldest are removed before their time"
            );
            store.note(vec![Note::DenialsGone(places)]).await?;
        }
    }
    Ok(())
}
