//! What may be used of limits, taken ahead of its use and durable before it is used: so that a crash admits nothing twice, and
//! processes that share limits never admit more than there is.
//!
//! The order in which a process speaks: [`Permits::taken`] once, then [`Permits::begin`], then as many [`Permits::take`] and
//! [`Permits::give_back`] as it needs, and [`Permits::end`] if it stops in order.

use tokio::sync::watch;

use super::{Pending, Taking};
use crate::domain::{limit::Replicas, time::Now};

/// One of the processes that count by the same permits: what it has taken and not given back is its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ReplicaId(u32);

impl ReplicaId {
    /// The process that counts where one alone can.
    pub const ONLY: Self = Self(0);

    /// The replica of this number.
    #[must_use]
    pub const fn numbered(number: u32) -> Self {
        Self(number)
    }
}

/// Which count: who pays, and under which limit; both as they are stored. Lists go by this order.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CountName {
    /// Who pays: [`Payer::text`](super::Payer::text).
    pub payer: String,
    /// The limit: [`Bound::text`](crate::domain::limit::Bound::text).
    pub limit: String,
}

/// A count as it was kept for the process that comes after.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptCount {
    /// Which.
    pub count: CountName,
    /// What was used of it, and how much more may have been: bytes that only the counting back end reads.
    pub state: Vec<u8>,
}

/// Units of one count that a replica wants to use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Take {
    /// Which count.
    pub count: CountName,
    /// The count as it is to be kept, these units included.
    pub state: Vec<u8>,
    /// How many units may be used from here on once they are granted, those included that are left of earlier ones.
    pub units: u64,
}

/// What a replica gives back of one count.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GiveBack {
    /// Which count.
    pub count: CountName,
    /// The count as it is to be kept, without the units that are given back; `None` where its window is over.
    pub state: Option<Vec<u8>>,
}

/// What a replica finds when it begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PermitsFound {
    /// Every count that is kept.
    pub counts: Vec<KeptCount>,
    /// Whether everything unspent was given back: no process counted before, or the last one stopped in order.
    pub in_order: bool,
    /// When the last process began that followed one which did not stop in order, if such a time was kept.
    pub crash: Option<Now>,
}

/// Where permits are taken. Every error means that nothing of the call is there, but for
/// [`StoreError::OutcomeUnknown`](super::StoreError::OutcomeUnknown).
pub trait Permits: Send + Sync {
    /// What a replica of this id has taken before, and not given back.
    fn taken(&self, replica: ReplicaId) -> Pending<'_, PermitsFound>;

    /// From now on what is not given back counts as used if the replica stops without [`Permits::end`]. It can be said again, to
    /// see whether anything can be taken.
    fn begin(&self, replica: ReplicaId) -> Pending<'_, ()>;

    /// Takes units of counts, in one durable step. Answers how many units of each are granted, in the order
    /// of the list: at most as many as were asked for.
    ///
    /// The list is sorted by [`CountName`] and names no count twice, so that replicas that take the same never wait for each
    /// other in a circle.
    fn take(&self, replica: ReplicaId, sorted: Vec<Take>) -> Pending<'_, Vec<u64>>;

    /// Gives units back that are unspent, in one durable step; the list is sorted as for [`Permits::take`].
    fn give_back(&self, replica: ReplicaId, sorted: Vec<GiveBack>) -> Pending<'_, ()>;

    /// Gives back everything that is unspent: the replica stops in order. `crash` is kept for [`PermitsFound::crash`].
    fn end(&self, replica: ReplicaId, crash: Option<Now>) -> Pending<'_, ()>;

    /// How many replicas take of these permits now: a block is the smaller, the more there are.
    fn replicas(&self) -> Replicas;

    /// What is taken in now; changes when that does.
    fn accepting(&self) -> watch::Receiver<Taking>;
}
