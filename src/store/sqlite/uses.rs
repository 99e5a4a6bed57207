//! Who used which secret last: a few rows for each secret, of no secret that is gone, and what blocks have of the same.

use std::net::IpAddr;

use rusqlite::{Connection, OptionalExtension as _, Row, params};

use super::{
    blocks::{self, BlockNames, BlockReader, Content, Kind, NoBlock, Payload},
    columns::bytes,
};
use crate::{
    domain::{
        caller_id::{ActorId, CallerId},
        id::KeyId,
        time::Timestamp,
    },
    ports::{LastUse, MAX_USERS},
    store::records::key::secrets_of as secrets_of_body,
};

/// The last uses of one key's secrets, each user once.
#[derive(Debug, Default)]
pub(super) struct UsesOf(Vec<UseOf>);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct UseOf {
    generation: u32,
    caller: Option<CallerId>,
    address: Option<IpAddr>,
    time: Timestamp,
}

/// What an entry has, in the bits of one byte.
const KEY: u8 = 1;
const V4: u8 = 2;
const V6: u8 = 4;
const ACTOR: u8 = 8;

impl UsesOf {
    /// Adds a use, unless a newer one of the same user is known.
    pub(super) fn add(&mut self, last: &LastUse) {
        let LastUse { generation, caller, address, time, .. } = *last;
        self.add_one(UseOf { generation, caller, address, time });
    }

    fn add_one(&mut self, new: UseOf) {
        match self.0.iter_mut().find(|known| UseOf { time: new.time, ..**known } == new) {
            Some(known) => known.time = known.time.max(new.time),
            None => self.0.push(new),
        }
    }

    /// Drops those of secrets that are gone, but for the newest of the key, and of each secret those that are too many.
    fn keep(&mut self, secrets: &[u32]) {
        let newest = self.0.iter().map(|of| of.time).max();
        self.0.retain(|of| secrets.contains(&of.generation) || Some(of.time) == newest);
        let text = |of: &UseOf| (shown(of.caller), shown(of.address));
        self.0.sort_by(|one, other| other.time.cmp(&one.time).then_with(|| text(one).cmp(&text(other))));
        let mut kept: Vec<UseOf> = Vec::new();
        for of in self.0.drain(..) {
            if kept.iter().filter(|known| known.generation == of.generation).count() < MAX_USERS {
                kept.push(of);
            }
        }
        self.0 = kept;
    }

    fn each(&self, key: KeyId) -> impl Iterator<Item = LastUse> {
        self.0.iter().map(move |of| {
            let UseOf { generation, caller, address, time } = *of;
            LastUse { key, generation, caller, address, time }
        })
    }
}

fn shown(value: Option<impl ToString>) -> String {
    value.map(|value| value.to_string()).unwrap_or_default()
}

impl Content for UsesOf {
    const KIND: Kind = Kind::LastUses;

    fn take(&mut self, mut payload: BlockReader<'_>, _: &BlockNames) -> Result<(), NoBlock> {
        while !payload.is_empty() {
            let (generation, has) = (payload.small()?, payload.byte()?);
            let caller = match has & (KEY | ACTOR) {
                0 => None,
                KEY => Some(CallerId::Key(KeyId::from_bytes(payload.array()?))),
                ACTOR => Some(CallerId::Actor(ActorId::from_bytes(payload.array()?).ok_or(NoBlock)?)),
                _ => return Err(NoBlock),
            };
            let address = match has & (V4 | V6) {
                0 => None,
                V4 => Some(IpAddr::from(payload.array::<4>()?)),
                V6 => Some(IpAddr::from(payload.array::<16>()?)),
                _ => return Err(NoBlock),
            };
            let ms = i64::try_from(payload.number()?).ok().ok_or(NoBlock)?;
            let time = Timestamp::from_ms(ms).ok().ok_or(NoBlock)?;
            self.add_one(UseOf { generation, caller, address, time });
        }
        Ok(())
    }

    fn put(&self, payload: &mut Payload<'_>) {
        for of in &self.0 {
            payload.number(of.generation.into());
            let has_address = match of.address {
                None => 0,
                Some(IpAddr::V4(_)) => V4,
                Some(IpAddr::V6(_)) => V6,
            };
            let (has_caller, caller) = match of.caller {
                None => (0, None),
                Some(CallerId::Key(key)) => (KEY, Some(key.to_bytes())),
                Some(CallerId::Actor(actor)) => (ACTOR, Some(actor.to_bytes())),
            };
            payload.out.push(has_address | has_caller);
            payload.out.extend(caller.into_iter().flatten());
            match of.address {
                Some(IpAddr::V4(address)) => payload.out.extend_from_slice(&address.octets()),
                Some(IpAddr::V6(address)) => payload.out.extend_from_slice(&address.octets()),
                None => {}
            }
            payload.number(u64::try_from(of.time.as_ms()).unwrap_or_default());
        }
    }

    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Puts what is kept of rows and blocks together in the place of the rows, where that differs.
    fn put_rows(&self, connection: &Connection, key: KeyId) -> rusqlite::Result<()> {
        let (mut all, id) = (Self::default(), key.text());
        for last in &rows(connection, key)? {
            all.add(last);
        }
        let before = all.0.clone();
        for of in &self.0 {
            all.add_one(*of);
        }
        all.keep(&secrets_of(connection, key)?);
        let gone =
            "DELETE FROM secret_uses WHERE key_id = ?1 AND generation = ?2 AND caller = ?3 AND address = ?4";
        for of in
            before.iter().filter(|of| !all.0.iter().any(|kept| UseOf { time: of.time, ..*kept } == **of))
        {
            let (caller, address) = (shown(of.caller), shown(of.address));
            connection.prepare_cached(gone)?.execute(params![id.as_str(), of.generation, caller, address])?;
        }
        let put = "INSERT INTO secret_uses (key_id, generation, caller, address, time_ms) VALUES (?1, ?2, ?3, ?4, ?5)
             ON CONFLICT (key_id, generation, caller, address) DO UPDATE SET time_ms = excluded.time_ms";
        for of in all.0.iter().filter(|of| !before.contains(of)) {
            let (caller, address) = (shown(of.caller), shown(of.address));
            let values = params![id.as_str(), of.generation, caller, address, of.time.as_ms()];
            connection.prepare_cached(put)?.execute(values)?;
        }
        Ok(())
    }
}

/// The secrets that a key has.
fn secrets_of(connection: &Connection, key: KeyId) -> rusqlite::Result<Vec<u32>> {
    let mut select = connection.prepare_cached("SELECT body FROM keys WHERE id = ?1")?;
    let body = select.query_row([key.to_bytes()], |row| bytes(row, 0)).optional()?;
    Ok(body
        .map(|body| secrets_of_body(&body))
        .unwrap_or_default()
        .into_iter()
        .map(|secret| secret.generation)
        .collect())
}

/// The last uses that are known of these keys, in rows and in blocks. A use is a hint to people: one that cannot be read is
/// left out.
pub(super) fn read(snapshot: &Connection, keys: &[KeyId]) -> rusqlite::Result<Vec<LastUse>> {
    let mut pending = blocks::all_of::<UsesOf>(snapshot, keys)?;
    let mut uses = Vec::new();
    for key in keys {
        let rows = rows(snapshot, *key)?;
        match pending.remove(&blocks::BlockSubject::Key(*key)) {
            None => uses.extend(rows),
            Some(mut all) => {
                for last in &rows {
                    all.add(last);
                }
                all.keep(&secrets_of(snapshot, *key)?);
                uses.extend(all.each(*key));
            }
        }
    }
    Ok(uses)
}

fn rows(connection: &Connection, key: KeyId) -> rusqlite::Result<Vec<LastUse>> {
    let select = "SELECT generation, caller, address, time_ms FROM secret_uses WHERE key_id = ?1";
    let mut statement = connection.prepare_cached(select)?;
    let mut rows = statement.query([key.text().as_str()])?;
    let mut uses = Vec::new();
    while let Some(row) = rows.next()? {
        uses.extend(last_use(key, row)?);
    }
    Ok(uses)
}

fn last_use(key: KeyId, row: &Row<'_>) -> rusqlite::Result<Option<LastUse>> {
    let (generation, caller, address, time): (i64, String, String, i64) =
        (row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?);
    let read = || {
        let generation = u32::try_from(generation).ok()?;
        let time = Timestamp::from_ms(time).ok()?;
        Some(LastUse {
            key,
            generation,
            caller: CallerId::parse(&caller).ok(),
            address: address.parse().ok(),
            time,
        })
    };
    Ok(read())
}
