//! The sum over all rows that count, as it stands sealed beside the head of the log, and as it runs along with changes.

use rusqlite::{Connection, OptionalExtension, params};

use super::columns::bytes;
use crate::{
    domain::{root::DerivedKeys, seal::Sealed},
    store::{
        chain::LogHead,
        sum::{RowSum, Summand},
    },
};

/// What stands there of the sum.
pub(super) enum KeptSum {
    /// Nothing: no start has worked it out yet, or somebody deleted it.
    Missing,
    /// It is not of this head, or was edited.
    Unreadable,
    /// The sum of the rows at this head.
    Kept(Box<RowSum>),
}

/// The sum that was sealed for `head`.
pub(super) fn read(connection: &Connection, keys: &DerivedKeys, head: LogHead) -> rusqlite::Result<KeptSum> {
    let mut select = connection.prepare_cached("SELECT nonce, sealed FROM sum WHERE only = 1")?;
    let found = select.query_row([], |row| Ok((bytes(row, 0)?, bytes(row, 1)?))).optional()?;
    let Some((nonce, bytes)) = found else { return Ok(KeptSum::Missing) };
    let sealed = nonce.try_into().ok().map(|nonce| Sealed { nonce, bytes });
    let opened = sealed.and_then(|sealed| RowSum::open(&sealed, keys, &head.message()));
    Ok(opened.map_or(KeptSum::Unreadable, |sum| KeptSum::Kept(Box::new(sum))))
}

/// The sum while changes are written. Where nobody knows it, because no start could work it out, it stays unknown, and the next
/// start reads the log.
#[derive(Clone)]
pub(super) struct RunningSum(Option<RowSum>);

impl RunningSum {
    /// Goes on from the sum that is kept for `head`; a store without an entry has no row.
    pub(super) fn at(connection: &Connection, keys: &DerivedKeys, head: LogHead) -> rusqlite::Result<Self> {
        Ok(Self(match read(connection, keys, head)? {
            KeptSum::Kept(sum) => Some(*sum),
            KeptSum::Missing if head == LogHead::START => Some(RowSum::EMPTY),
            KeptSum::Missing | KeptSum::Unreadable => None,
        }))
    }

    /// Nobody knows it.
    pub(super) const fn unknown() -> Self {
        Self(None)
    }

    /// Goes on from this.
    pub(super) const fn known(sum: RowSum) -> Self {
        Self(Some(sum))
    }

    /// The sum, where it is known.
    pub(super) fn sum(self) -> Option<RowSum> {
        self.0
    }

    /// Whether it is known: then what is replaced must be verified before its term is taken away.
    pub(super) const fn is_known(&self) -> bool {
        self.0.is_some()
    }

    /// Counts a row.
    pub(super) fn add(&mut self, row: Summand<'_>, keys: &DerivedKeys) {
        if let Some(sum) = &mut self.0 {
            sum.add(row, keys);
        }
    }

    /// Counts a row no more, which was verified.
    pub(super) fn subtract(&mut self, row: Summand<'_>, keys: &DerivedKeys) {
        if let Some(sum) = &mut self.0 {
            sum.subtract(row, keys);
        }
    }

    /// Writes the sum for the head that the open transaction makes. One that is unknown is not there.
    pub(super) fn put(
        &self,
        connection: &Connection,
        keys: &DerivedKeys,
        head: LogHead,
    ) -> rusqlite::Result<()> {
        let Some(sealed) = self.0.as_ref().and_then(|sum| sum.seal(keys, &head.message())) else {
            return connection.prepare_cached("DELETE FROM sum")?.execute([]).map(drop);
        };
        let put = "INSERT INTO sum (only, nonce, sealed) VALUES (1, ?1, ?2)
             ON CONFLICT (only) DO UPDATE SET nonce = excluded.nonce, sealed = excluded.sealed";
        connection.prepare_cached(put)?.execute(params![sealed.nonce, sealed.bytes]).map(drop)
    }
}
