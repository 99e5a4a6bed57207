//! What a database has on disk, by table and index.

use std::{fs, io, path::Path};

use rusqlite::{Connection, OpenFlags};

/// A table or an index, and the bytes of its pages.
#[derive(Debug, Clone)]
pub(crate) struct Part {
    pub(crate) name: String,
    pub(crate) kind: Kind,
    pub(crate) bytes: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Rows,
    Log,
    Index,
}

/// All parts, largest first, and the sizes of all files together. The server must have stopped.
pub(crate) fn parts(data: &Path) -> io::Result<(Vec<Part>, u64)> {
    let mut files = 0;
    let mut database = None;
    for file in fs::read_dir(data)? {
        let file = file?;
        files += file.metadata()?.len();
        if file.path().extension().is_some_and(|extension| extension == "db") {
            database = Some(file.path());
        }
    }
    let database = database.ok_or_else(|| io::Error::other("no database"))?;
    let parts = read(&database).map_err(io::Error::other)?;
    Ok((parts, files))
}

fn read(database: &Path) -> Result<Vec<Part>, rusqlite::Error> {
    let connection = Connection::open_with_flags(database, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    let mut asked = connection.prepare(
        "SELECT pages.name, coalesce(parts.type, 'table'), pages.pgsize
         FROM dbstat AS pages LEFT JOIN sqlite_schema AS parts ON parts.name = pages.name
         WHERE pages.aggregate = TRUE ORDER BY pages.pgsize DESC",
    )?;
    let rows = asked.query_map([], |row| {
        let (name, kind): (String, String) = (row.get(0)?, row.get(1)?);
        let kind = match kind.as_str() {
            "index" => Kind::Index,
            _ if name == "log" => Kind::Log,
            _ => Kind::Rows,
        };
        Ok(Part { name, kind, bytes: row.get::<_, i64>(2)?.unsigned_abs() })
    })?;
    rows.collect()
}
