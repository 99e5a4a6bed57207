#!/usr/bin/env bash
# crates.io tracing-subscriber 0.3.23 with tracing 0.1.44; read by Python's json and Node's JSON.parse.
#
# Expected: with `.json().flatten_event(true)` a field of an event that has the name of one of the formatter's own keys is renamed,
#   nested or refused, so that a line says its level and time once.
# Seen: it is written beside the formatter's own key, in the same object. `warn!(level = "low", "stock is low")` makes a line with
#   `level` twice, `"WARN"` first; parsers that keep the last take it for "low", and an alert on level WARN never sees the line. The same
#   holds for `timestamp`, and for `span` and `spans` the other way round: there the field loses. A field `target` comes ahead of
#   the formatter's own and is lost. Without `flatten_event` fields have an object of their own, and all is there.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
mkdir src
cat >Cargo.toml <<'TOML'
[package]
name = "shop"
edition = "2024"

[dependencies]
tracing = "=0.1.44"
tracing-subscriber = { version = "=0.3.23", features = ["json"] }
TOML
cat >src/main.rs <<'RS'
use tracing::{info_span, warn};

fn main() {
    let lines = tracing_subscriber::fmt().json();
    if std::env::args().any(|argument| argument == "flat") {
        lines.flatten_event(true).init();
    } else {
        lines.init();
    }
    let span = info_span!("call");
    let _entered = span.enter();
    warn!(level = "low", timestamp = 5, target = "shelf 3", span = "1 m", "stock is low");
}
RS
cargo run --quiet -- flat >flat.jsonl
cargo run --quiet >nested.jsonl
cat flat.jsonl
cat >try.py <<'PY'
import collections, json

line = open('flat.jsonl').read()
keys = collections.Counter(key for key, _value in json.loads(line, object_pairs_hook=list))
assert {key for key, times in keys.items() if times > 1} == {'level', 'timestamp', 'target', 'span'}, keys
flat = json.loads(line)
assert (flat['level'], flat['timestamp']) == ('low', 5), 'the field wins'
assert (flat['target'], flat['span']) == ('shop', {'name': 'call'}), 'the field is lost'
nested = json.loads(open('nested.jsonl').read())
assert (nested['level'], nested['fields']['level'], nested['fields']['target']) == ('WARN', 'low', 'shelf 3')
PY
python3 try.py
node --eval '
const flat = JSON.parse(require("fs").readFileSync("flat.jsonl", "utf8"));
require("assert").deepEqual([flat.level, flat.timestamp, flat.target], ["low", 5, "shop"]);'
echo 'as described'
