//! What may be used of limits, taken ahead of its use and durable before it is used: so that a crash admits nothing twice, and
//! processes that share limits never admit more than there is.
//!
//! The order in which a process speaks: [`Permits::taken`] once, then [`Permits::begin`]; then [`Permits::kept`], and
//! [`KeptCounts::show`] once for each part; of a part that was shown as many [`Permits::take`], [`Permits::keep`] and [`Permits::give_back`] as it needs; and if
//! it stops in order, [`Permits::keep`] for every count that is not kept as it is, and [`Permits::end`].

use std::sync::Arc;

use tokio::sync::watch;

use super::{Payer, PayerPart, Pending, Taking};
use crate::domain::{id::KeyId, limit::Replicas, time::Now};

/// One of the processes that count by the same permits: what it has taken and not given back is its own.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ReplicaId(u32);

impl ReplicaId {
    /// The process that counts where one alone can.
    pub const ONLY: Self = Self(0);

    /// The replica of this number.
    #[must_use]
    pub const fn numbered(number: u32) -> Self {
        Self(number)
    }

    /// Its number; zero for the only one.
    #[must_use]
    pub const fn number(self) -> u32 {
        self.0
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

/// Takes in counts as they were kept for the process that comes after. It must not wait.
pub trait CountSink: Send + Sync {
    /// A count: what was used of it, and how much more may have been, in bytes that only the counting back end reads.
    fn take(&self, payer: &Payer<'_>, limit: &str, state: &[u8]);
}

/// Counts, close together, because there are many.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PackedCounts {
    limits: Vec<Arc<str>>,
    /// Of each count: the place of its limit, how long the payer's text and the state are, two bytes each; and both of them.
    bytes: Vec<u8>,
}

impl PackedCounts {
    /// How many bytes they take.
    #[must_use]
    pub const fn size(&self) -> usize {
        self.bytes.len()
    }

    /// Adds a count, of which no text or state is longer than 65,535 bytes. Those of one payer stand one behind the other.
    pub fn push(&mut self, payer: &Payer<'_>, limit: &Arc<str>, state: &[u8]) {
        let known = self.limits.iter().position(|known| known == limit);
        let place = known.unwrap_or_else(|| {
            self.limits.push(Arc::clone(limit));
            self.limits.len().saturating_sub(1)
        });
        let key;
        let payer = match payer {
            // A text has a character at the least.
            Payer::Key(id) => {
                key = id.to_bytes();
                (0, key.as_slice())
            }
            Payer::Owner(text) | Payer::Workspace(text) => (text.len(), text.as_bytes()),
        };
        let short = |number: usize| u16::try_from(number).unwrap_or(u16::MAX).to_be_bytes();
        for part in [&short(place)[..], &short(payer.0), &short(state.len()), payer.1, state] {
            self.bytes.extend_from_slice(part);
        }
    }

    /// Each count: who pays, the limit and the state.
    pub fn iter(&self) -> impl Iterator<Item = (Payer<'_>, &Arc<str>, &[u8])> {
        let mut rest = self.bytes.as_slice();
        std::iter::from_fn(move || self.next(&mut rest))
    }

    fn next<'b>(&'b self, rest: &mut &'b [u8]) -> Option<(Payer<'b>, &'b Arc<str>, &'b [u8])> {
        let mut short = || {
            let number;
            (number, *rest) = rest.split_first_chunk()?;
            Some(usize::from(u16::from_be_bytes(*number)))
        };
        let (place, length, state) = (short()?, short()?, short()?);
        let payer = if length == 0 {
            let key;
            (key, *rest) = rest.split_first_chunk()?;
            Payer::Key(KeyId::from_bytes(*key))
        } else {
            let text;
            (text, *rest) = rest.split_at_checked(length)?;
            Payer::stored_under(str::from_utf8(text).ok()?)
        };
        let bytes;
        (bytes, *rest) = rest.split_at_checked(state)?;
        Some((payer, self.limits.get(place)?, bytes))
    }
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
    /// Whether everything unspent was given back: no process counted before, or the last one stopped in order.
    pub in_order: bool,
    /// When the last process began that followed one which did not stop in order, if such a time was kept.
    pub crash: Option<Now>,
}

/// What was kept for a process, as it was when this was asked for: nothing of a part is taken, kept or given back before that part
/// was shown.
pub trait KeptCounts: Send + Sync {
    /// Shows what these parts have: every count to `sink`, or none where this fails.
    fn show(&self, parts: Vec<PayerPart>, sink: Arc<dyn CountSink>) -> Pending<'_, ()>;
}

/// Where permits are taken. Every error means that nothing of the call is there, but for
/// [`StoreError::OutcomeUnknown`](super::StoreError::OutcomeUnknown).
pub trait Permits: Send + Sync {
    /// How the one before this replica of the same id ended.
    fn taken(&self, replica: ReplicaId) -> Pending<'_, PermitsFound>;

    /// What a replica of this id has taken before and not given back, to be shown part by part.
    fn kept(&self, replica: ReplicaId) -> Pending<'_, Box<dyn KeptCounts + '_>>;

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

    /// Keeps counts as they are, each in the place of what is kept of the same count, in one durable step. It takes no units and
    /// gives none back: until [`Permits::end`] what may have been used of each counts as used.
    fn keep(&self, replica: ReplicaId, counts: PackedCounts) -> Pending<'_, ()>;

    /// Gives back everything that is unspent: the replica stops in order, and each count was used as far as it was kept last.
    /// `crash` is kept for [`PermitsFound::crash`].
    fn end(&self, replica: ReplicaId, crash: Option<Now>) -> Pending<'_, ()>;

    /// How many replicas take of these permits now: a block is the smaller, the more there are.
    fn replicas(&self) -> Replicas;

    /// What is taken in now; changes when that does.
    fn accepting(&self) -> watch::Receiver<Taking>;
}
