//! The accounts that some bills name, locked together: in one order everywhere, so that no threads wait in a circle.

use std::sync::MutexGuard;

use smallvec::SmallVec;

use super::slot::MemorySlot;
use crate::{
    domain::{
        limit::{Bound, Measure, Reading, Sheet},
        policy::Subject,
        time::Timestamp,
    },
    ports::{Account, Bill, LimitState, Payer},
};

/// Locked accounts.
pub(super) struct LockedSheets<'a> {
    held: Accounts<'a>,
    /// As they were, where several bills may have to be taken back together.
    before: Option<Vec<Sheet>>,
}

/// Which accounts.
enum Accounts<'a> {
    /// The key's alone, which is what most bills name.
    Key(LockedSheet<'a>),
    /// In the order in which they were locked.
    Several(SmallVec<[LockedSheet<'a>; 3]>),
}

/// An account that is to be locked.
#[derive(Clone, Copy)]
struct SheetPlace<'a> {
    place: LockOrder,
    slot: &'a MemorySlot,
    since: Timestamp,
}

struct LockedSheet<'a> {
    place: LockOrder,
    sheet: MutexGuard<'a, Sheet>,
    reading: Reading,
}

/// Where an account stands in the order of locking: keys first, then owners, then workspaces; each by the address of its slot,
/// which in one process is as much its own as its name, and is compared faster.
type LockOrder = (u8, usize);

/// One account, for one limit.
pub(super) struct OpenAccount<'a> {
    sheet: &'a mut Sheet,
    reading: &'a Reading,
}

/// What a charge makes necessary.
pub(super) struct OnCharge {
    /// Whether a write is to be asked for, so that more may be used.
    pub(super) low: bool,
    /// Whether the account has counts now that are not written as they are, and had none before.
    pub(super) is_news: bool,
}

impl<'a> LockedSheets<'a> {
    /// Locks the accounts of these bills; `None` where the index keeps no slots for this back end.
    pub(super) fn lock(reading: &Reading, bills: &[Bill<'a>]) -> Option<Self> {
        if let [bill] = bills
            && !bill.limits.has(Subject::Owner)
            && !bill.limits.has(Subject::Workspace)
        {
            let key = LockedSheet::lock(reading, SheetPlace::of(bill.key)?);
            return Some(Self { held: Accounts::Key(key), before: None });
        }
        let mut accounts: SmallVec<[SheetPlace<'a>; 3]> = SmallVec::new();
        for bill in bills {
            for per in [Subject::Key, Subject::Owner, Subject::Workspace] {
                if bill.limits.has(per) {
                    accounts.push(SheetPlace::of(bill.account(per))?);
                }
            }
        }
        accounts.sort_unstable_by_key(|account| account.place);
        accounts.dedup_by_key(|account| account.place);
        let held = accounts.into_iter().map(|account| LockedSheet::lock(reading, account));
        let held: SmallVec<[_; 3]> = held.collect();
        let before = (bills.len() > 1).then(|| held.iter().map(|held| Sheet::clone(&held.sheet)).collect());
        Some(Self { held: Accounts::Several(held), before })
    }

    /// The account that a limit of a bill is charged to; the bill is one of those that were locked.
    pub(super) fn of(&mut self, bill: &Bill<'a>, bound: &Bound) -> Option<OpenAccount<'_>> {
        let held = match &mut self.held {
            Accounts::Key(held) => held,
            Accounts::Several(held) => {
                let place = place_of(bill.account(bound.per));
                let found = held.binary_search_by_key(&place, |held| held.place).ok()?;
                held.get_mut(found)?
            }
        };
        Some(OpenAccount { sheet: &mut held.sheet, reading: &held.reading })
    }

    /// Puts everything back as it was when it was locked.
    pub(super) fn roll_back(&mut self) {
        // One bill alone is charged when nothing can be refused any more.
        let Accounts::Several(held) = &mut self.held else { return };
        for (held, before) in held.iter_mut().zip(self.before.iter_mut().flatten()) {
            *held.sheet = std::mem::take(before);
        }
    }
}

impl<'a> SheetPlace<'a> {
    fn of(account: Account<'a>) -> Option<Self> {
        let slot = MemorySlot::within(account.slot)?;
        Some(Self { place: place_of(account), slot, since: account.since })
    }
}

impl<'a> LockedSheet<'a> {
    fn lock(reading: &Reading, account: SheetPlace<'a>) -> Self {
        let SheetPlace { place, slot, since } = account;
        // Of a payer that came later the process before the crash has counted nothing.
        let unclean = reading.unclean.filter(|started| since <= started.time);
        Self { place, sheet: slot.lock(), reading: Reading { unclean, ..*reading } }
    }
}

/// Where the slot of a payer stands in the order of locking.
fn place_of(account: Account<'_>) -> LockOrder {
    let kind = match account.payer {
        Payer::Key(_) => 0,
        Payer::Owner(_) => 1,
        Payer::Workspace(_) => 2,
    };
    (kind, std::ptr::from_ref(account.slot).cast::<()>().addr())
}

impl OpenAccount<'_> {
    pub(super) fn measure(&self, bound: &Bound, cost: u64) -> Measure {
        self.sheet.measure(bound, cost, self.reading)
    }

    /// Counts units as used.
    pub(super) fn charge(&mut self, bound: &Bound, cost: u64) -> OnCharge {
        let had_news = self.sheet.has_news();
        let low = self.sheet.charge(bound, cost, self.reading);
        OnCharge { low, is_news: !had_news && self.sheet.has_news() }
    }

    pub(super) fn ask_for(&mut self, bound: &Bound) -> bool {
        self.sheet.ask_for(bound, self.reading)
    }

    /// How the limit stands for a request of so many units.
    pub(super) fn state(&self, bound: &Bound, cost: u64) -> LimitState {
        LimitState::of(self.sheet, bound, cost, self.reading)
    }
}
