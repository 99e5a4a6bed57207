#!/usr/bin/env bash
# PyPI apsw 3.53.4.0 and 3.54.0.0 (SQLite 3.53.4 and 3.54.0) on Python 3.
#
# Expected: whether an UPDATE that matches a row and sets what is there already is a write, which other connections see by `PRAGMA
#   data_version`, is the same from version to version, or for all tables.
# Seen: it is none where no index has the column; it is one where an index has it; and where an index has a generated column made from
#   it, it was one up to 3.53.4 and is none from 3.54.0 on. `changes()` says 1 each time. It loses nothing: no byte was to be changed.
#   But a test of who notices a write, or work that is to take as long as a write, must set another value than there is.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
cat >try.py <<'PY'
import sys
sys.path.insert(0, sys.argv[1])
import apsw

is_new = sys.argv[2] == 'new'
writer, watcher = apsw.Connection('it.db'), apsw.Connection('it.db')
run = lambda connection, sql: list(connection.execute(sql))
assert run(writer, 'PRAGMA journal_mode = WAL') == [('wal',)]

def writes(table, value):
    before = run(watcher, 'PRAGMA data_version')
    run(writer, f"UPDATE {table} SET body = '{value}' WHERE id = 'a'")
    assert writer.changes() == 1
    return run(watcher, 'PRAGMA data_version') != before

for table, index, expected in ('bare', None, False), ('plain', 'body', True), ('made', 'part', not is_new):
    run(writer, f"CREATE TABLE {table} (id TEXT PRIMARY KEY, body TEXT, part TEXT AS (substr(body, 1, 2)))")
    if index:
        run(writer, f'CREATE INDEX {table}_by ON {table} ({index})')
    run(writer, f"INSERT INTO {table} (id, body) VALUES ('a', 'the same'), ('b', 'other')")
    found = writes(table, 'the same')
    print(apsw.sqlite_lib_version(), f'index on {index}: the same value is a write:', found)
    assert found == expected, 'this has changed'
    assert writes(table, 'another'), 'another value always is'
PY
for version in 3.53.4.0:old 3.54.0.0:new; do
    pip install --quiet --disable-pip-version-check --root-user-action ignore --target "${version%:*}" "apsw==${version%:*}"
    rm -f it.db*
    python3 try.py "${version%:*}" "${version#*:}"
done
echo 'as described'
