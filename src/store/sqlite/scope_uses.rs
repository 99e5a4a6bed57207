//! Which scopes keys used, or asked for and were denied: at most two rows for each key and declared scope, and what blocks have
//! of the same.

use std::sync::Arc;

use rusqlite::{Connection, Row, params};

use super::{
    blocks::{self, BlockNames, BlockReader, Content, Kind, NoBlock, Payload},
    meta,
    schema::SCOPES_WATCHED,
};
use crate::{
    domain::{id::KeyId, time::Timestamp},
    ports::ScopeUse,
};

const USED: &str = "USED";
const DENIED: &str = "DENIED";

/// The scopes of one key, each that was used and each that was denied once.
#[derive(Debug, Default)]
pub(super) struct ScopesOf(Vec<ScopeOf>);

#[derive(Debug)]
struct ScopeOf {
    scope: Arc<str>,
    used: bool,
    first: u32,
    last: u32,
}

impl ScopesOf {
    /// Adds a use to what is known.
    pub(super) fn add(&mut self, of: &ScopeUse) {
        let (scope, used) = (Arc::clone(&of.scope), of.used);
        self.add_one(ScopeOf { scope, used, first: of.first_hour, last: of.last_hour });
    }

    fn add_one(&mut self, new: ScopeOf) {
        match self.0.iter_mut().find(|known| known.used == new.used && known.scope == new.scope) {
            Some(known) => {
                (known.first, known.last) = (known.first.min(new.first), known.last.max(new.last));
            }
            None => self.0.push(new),
        }
    }
}

impl Content for ScopesOf {
    const KIND: Kind = Kind::ScopeUses;

    fn take(&mut self, mut payload: BlockReader<'_>, names: &BlockNames) -> Result<(), NoBlock> {
        while !payload.is_empty() {
            let scope = names.read(&mut payload)?;
            let (used, first, last) = (payload.byte()? != 0, payload.small()?, payload.small()?);
            self.add_one(ScopeOf { scope, used, first, last });
        }
        Ok(())
    }

    fn put(&self, payload: &mut Payload<'_>) {
        for of in &self.0 {
            payload.name(&of.scope);
            payload.out.push(of.used.into());
            payload.number(of.first.into());
            payload.number(of.last.into());
        }
    }

    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn put_rows(&self, connection: &Connection, key: KeyId) -> rusqlite::Result<()> {
        let add =
            "INSERT INTO scope_uses (key_id, scope, outcome, first_hour, last_hour) VALUES (?1, ?2, ?3, ?4, ?5)
             ON CONFLICT (key_id, scope, outcome) DO UPDATE SET
                 first_hour = min(first_hour, excluded.first_hour), last_hour = max(last_hour, excluded.last_hour)
             WHERE excluded.last_hour > last_hour OR excluded.first_hour < first_hour";
        let mut add = connection.prepare_cached(add)?;
        for of in &self.0 {
            let outcome = if of.used { USED } else { DENIED };
            add.execute(params![key.text().as_str(), of.scope, outcome, of.first, of.last])?;
        }
        Ok(())
    }
}

/// What is known of these keys, in rows and in blocks, and since when it is noted. A row that cannot be read is left out.
pub(super) fn read(
    snapshot: &Connection,
    keys: &[KeyId],
) -> rusqlite::Result<(Vec<ScopeUse>, Option<Timestamp>)> {
    let since: Option<i64> = meta::value(snapshot, SCOPES_WATCHED)?;
    let mut pending = blocks::all_of::<ScopesOf>(snapshot, keys)?;
    let select = "SELECT scope, outcome, first_hour, last_hour FROM scope_uses WHERE key_id = ?1";
    let mut statement = snapshot.prepare_cached(select)?;
    let mut uses = Vec::new();
    for key in keys {
        let mut all = pending.remove(&blocks::BlockSubject::Key(*key)).unwrap_or_default();
        let mut rows = statement.query([key.text().as_str()])?;
        while let Some(row) = rows.next()? {
            if let Some(of) = scope_use(*key, row)? {
                all.add(&of);
            }
        }
        uses.extend(all.0.into_iter().map(|of| {
            let ScopeOf { scope, used, first, last } = of;
            ScopeUse { key: *key, scope, used, first_hour: first, last_hour: last }
        }));
    }
    Ok((uses, since.and_then(|ms| Timestamp::from_ms(ms).ok())))
}

fn scope_use(key: KeyId, row: &Row<'_>) -> rusqlite::Result<Option<ScopeUse>> {
    let (scope, outcome): (String, String) = (row.get(0)?, row.get(1)?);
    let (first, last): (i64, i64) = (row.get(2)?, row.get(3)?);
    let read = || {
        let (first_hour, last_hour) = (u32::try_from(first).ok()?, u32::try_from(last).ok()?);
        Some(ScopeUse { key, scope: scope.into(), used: outcome == USED, first_hour, last_hour })
    };
    Ok(read())
}
