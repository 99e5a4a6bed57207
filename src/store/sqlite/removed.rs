//! Who was a member, so that a start that reads no log knows it: the last of each workspace, as many as memory keeps.

use rusqlite::{Connection, OptionalExtension};

use super::{counted::CountedRows, refusal::WriteRefusal};
use crate::{
    domain::{
        id::WorkspaceId,
        member::{KNOWN_REMOVED, MemberId},
        revision::Revision,
    },
    store::rows::Row,
};

pub(super) const TABLE: &str = "removed_members";

/// Notes that a member was removed; the one of its workspace that was removed first is forgotten where there are too many.
pub(super) fn put(
    counted: &mut CountedRows<'_>,
    member: &MemberId,
    revision: Revision,
) -> Result<(), WriteRefusal> {
    counted.replace(TABLE, &Row::new(TABLE, member.to_string(), [], revision, counted.keys))?;
    if count(counted.connection, member.workspace)? > KNOWN_REMOVED
        && let Some(first) = first(counted.connection, member.workspace)?
    {
        counted.delete(TABLE, &first)?;
    }
    Ok(())
}

/// Forgets that a member was removed, because it is one again.
pub(super) fn forget(counted: &mut CountedRows<'_>, member: &MemberId) -> Result<(), WriteRefusal> {
    counted.delete(TABLE, &member.to_string())
}

fn count(connection: &Connection, workspace: WorkspaceId) -> rusqlite::Result<usize> {
    let mut count =
        connection.prepare_cached("SELECT count(*) FROM removed_members WHERE id > ?1 AND id < ?2")?;
    let found: i64 = count.query_row(range(workspace), |row| row.get(0))?;
    Ok(usize::try_from(found).unwrap_or_default())
}

fn first(connection: &Connection, workspace: WorkspaceId) -> rusqlite::Result<Option<String>> {
    let mut first = connection.prepare_cached(
        "SELECT id FROM removed_members WHERE id > ?1 AND id < ?2 ORDER BY revision LIMIT 1",
    )?;
    first.query_row(range(workspace), |row| row.get(0)).optional()
}

/// Between which texts the ids of a workspace's members are: behind the slash comes a zero.
fn range(workspace: WorkspaceId) -> [String; 2] {
    [format!("{workspace}/"), format!("{workspace}0")]
}
