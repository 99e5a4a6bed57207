//! What keys did, by the hour: rows that are added to, read side by side with their keys, and forgotten in the end.

use rusqlite::{Connection, OptionalExtension as _, params, params_from_iter, types::Value};

use crate::{
    domain::{id::KeyId, workspace::Within},
    ports::{Usage, UsageFilter, UsagePosition},
};

/// Rows that one note forgets at most.
const FORGOTTEN_AT_ONCE: usize = 1_024;

/// Adds to what is known. A sum that SQLite cannot hold stays at the most that it can.
pub(super) fn add(connection: &Connection, rows: &[Usage]) -> rusqlite::Result<()> {
    let add = "INSERT INTO usage (key_id, hour, tier, outcome, checks, cost) VALUES (?1, ?2, ?3, ?4, ?5, ?6)
         ON CONFLICT (key_id, hour, tier, outcome) DO UPDATE SET
             checks = iif(checks > ?7 - excluded.checks, ?7, checks + excluded.checks),
             cost = iif(cost > ?7 - excluded.cost, ?7, cost + excluded.cost)";
    let number = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
    let mut add = connection.prepare_cached(add)?;
    for row in rows {
        add.execute(params![
            row.key.text().as_str(),
            row.hour,
            row.tier,
            row.outcome,
            number(row.checks),
            number(row.cost),
            i64::MAX,
        ])?;
    }
    Ok(())
}

/// Removes the oldest rows of hours before `hour`, and no more than are soon removed.
pub(super) fn forget(connection: &Connection, hour: u32) -> rusqlite::Result<()> {
    let forget = "DELETE FROM usage WHERE (key_id, hour, tier, outcome) IN
         (SELECT key_id, hour, tier, outcome FROM usage WHERE hour < ?1 ORDER BY hour LIMIT ?2)";
    let most = i64::try_from(FORGOTTEN_AT_ONCE).unwrap_or(i64::MAX);
    connection.prepare_cached(forget)?.execute(params![hour, most])?;
    Ok(())
}

/// Rows in the order of their keys: by workspace, in each the newest key first.
pub(super) fn read(
    connection: &Connection,
    filter: &UsageFilter,
    after: Option<&UsagePosition>,
    limit: usize,
) -> rusqlite::Result<Vec<Usage>> {
    // Each of the two is one range of the index that has keys in this order; both in one condition would not be.
    let mut found = Vec::new();
    let begun = match (filter.within.one(), after) {
        (Some(workspace), _) => Some(workspace.to_string()),
        (None, Some(after)) => workspace_of(connection, after.key)?,
        (None, None) => None,
    };
    if let Some(workspace) = &begun {
        read_where(connection, ("keys.workspace_id = ?", workspace), (filter, after), &mut found, limit)?;
    }
    if filter.within == Within::All {
        let begun = begun.unwrap_or_default();
        read_where(connection, ("keys.workspace_id > ?", &begun), (filter, None), &mut found, limit)?;
    }
    Ok(found)
}

fn workspace_of(connection: &Connection, key: KeyId) -> rusqlite::Result<Option<String>> {
    let mut select = connection.prepare_cached("SELECT workspace_id FROM keys WHERE id = ?1")?;
    select.query_row([key.to_string()], |row| row.get(0)).optional()
}

/// Adds rows of keys of the workspaces that `which` picks, until there are `limit`. The join is told to begin with the keys: a
/// workspace has few of those that there are, and an index has them in this order.
fn read_where(
    connection: &Connection,
    which: (&str, &str),
    (filter, after): (&UsageFilter, Option<&UsagePosition>),
    found: &mut Vec<Usage>,
    limit: usize,
) -> rusqlite::Result<()> {
    let mut sql = format!(
        "SELECT usage.key_id, usage.hour, usage.tier, usage.outcome, usage.checks, usage.cost
         FROM keys CROSS JOIN usage ON usage.key_id = keys.id
         WHERE {} AND usage.hour >= ? AND usage.hour < ?",
        which.0
    );
    let mut values = vec![Value::Text(which.1.to_owned()), filter.from.into(), filter.before.into()];
    for (condition, value) in [
        (" AND keys.id = ?", filter.key.as_ref().map(ToString::to_string)),
        (" AND keys.owner = ?", filter.owner.as_ref().map(ToString::to_string)),
        (" AND keys.environment = ?", filter.environment.as_ref().map(ToString::to_string)),
    ] {
        if let Some(value) = value {
            sql.push_str(condition);
            values.push(Value::Text(value));
        }
    }
    if let Some(after) = after {
        sql.push_str(
            " AND (keys.created_ms, keys.id) <= (SELECT created_ms, id FROM keys WHERE id = ?)
             AND (keys.id <> ? OR (usage.hour, usage.tier, usage.outcome) > (?, ?, ?))",
        );
        let key = Value::Text(after.key.to_string());
        let place = [Value::Text(after.tier.clone()), Value::Text(after.outcome.clone())];
        values.extend([key.clone(), key, after.hour.into()].into_iter().chain(place));
    }
    sql.push_str(
        " ORDER BY keys.workspace_id, keys.created_ms DESC, keys.id DESC, usage.hour, usage.tier, usage.outcome LIMIT ?",
    );
    values.push(Value::Integer(limit.saturating_sub(found.len()).try_into().unwrap_or(i64::MAX)));
    let mut statement = connection.prepare_cached(&sql)?;
    let mut rows = statement.query(params_from_iter(values))?;
    while let Some(row) = rows.next()? {
        let number = |column| row.get(column).map(|number: i64| u64::try_from(number).unwrap_or(0));
        let key: String = row.get(0)?;
        // The join has found the key, so that its id is one.
        let Ok(key) = KeyId::parse(&key) else { continue };
        let outcome: String = row.get(3)?;
        found.push(Usage {
            key,
            hour: row.get(1)?,
            tier: row.get(2)?,
            outcome: outcome.into(),
            checks: number(4)?,
            cost: number(5)?,
        });
    }
    Ok(())
}
