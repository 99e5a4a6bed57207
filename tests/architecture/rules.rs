//! Which module may know which, and what may be named where.

use super::{
    paths::{NamedPath, paths},
    source,
    tokens::{Token, tokens},
};

/// The modules from the inside out: each may know those in the rows above its own.
///
/// Modules of one row never know each other, but for [`CLOTHES`].
const LAYERS: [&[&str]; 14] = [
    &["domain"],
    &["yielding"],
    &["ports"],
    &["error"],
    &["index"],
    &["follower"],
    &["judge"],
    &["http_answer", "changes"],
    &["gateway"],
    &["health", "metrics", "server"],
    &["store", "counters", "grpc", "guard", "http"],
    &["app"],
    &["cli"],
    &["main"],
];

/// An adapter that offers what another does, in other clothes.
const CLOTHES: (&str, &str) = ("http", "grpc");

/// Beside the layers: they know `domain` only, and only what wires the program knows them.
const SUPPORT: [&str; 4] = ["config", "shutdown", "system", "telemetry"];
const WIRING: [&str; 3] = ["app", "cli", "main"];

/// Where plaintexts live: secrets, roots and the file that keeps them, the messages that carry them, and the keys of certificates.
const WIPED: &[&str] = &[
    "cli/connection.rs",
    "domain/root/mod.rs",
    "domain/root/facts.rs",
    "domain/root/rows.rs",
    "domain/seal.rs",
    "domain/secret/mod.rs",
    "server/tls/files.rs",
    "store/roots/bounded.rs",
    "store/roots/history.rs",
    "store/roots/mod.rs",
    "store/roots/source.rs",
    "store/roots/command.rs",
    "wire/wipe.rs",
];

/// Where the store is in reach. A decision is made without it: no Check waits for a disk.
const STORED: &[&str] = &["ports", "follower", "changes", "store", "app"];

/// Where permits are taken: who counts has no other part of a store in reach.
const PERMITTED: &[&str] = &["ports", "counters", "store", "app"];

/// Where truth can be changed: whoever answers gateways only decides.
const ADMINISTERED: &[&str] = &["changes", "grpc", "app"];

/// A path, and the modules or files that may name it; a `*` stands for any ending of its last segment.
///
/// One segment is a crate; several are looked for anywhere in a path.
const CONFINED: [(&[&str], &[&str]); 14] = [
    (&["crate", "wire"], &["wire", "grpc", "guard", "cli"]),
    (&["rusqlite*"], &["store"]),
    (&["r2d2*"], &["store"]),
    (&["tonic*"], &["grpc", "guard", "wire", "cli"]),
    (&["prost*"], &["grpc", "wire", "cli"]),
    (&["hyper*"], &["server", "grpc", "http", "cli"]),
    (&["rustls*"], &["server"]),
    (&["tokio_rustls*"], &["server"]),
    (&["clap*"], &["cli", "config", "main"]),
    (&["ring"], &["domain", "system"]),
    (&["zeroize*"], WIPED),
    (&["SystemTime", "now"], &["system.rs"]),
    (&["Charged", "by_counters"], &["counters"]),
    (&["env", "var*"], &["config"]),
];

/// Words that stand for a rule by themselves, and where they may be used.
const WORDS: [(&str, &[&str]); 7] = [
    ("unsafe", &[]),
    ("KeyStore", STORED),
    ("Permits", PERMITTED),
    ("Changes", ADMINISTERED),
    ("Zeroize", WIPED),
    ("ZeroizeOnDrop", WIPED),
    ("Zeroizing", WIPED),
];

/// What `domain` does without: time and bytes are handed to it, and it never waits.
const NOT_IN_DOMAIN: [&[&str]; 4] = [&["tokio"], &["std", "fs"], &["std", "process"], &["std", "thread"]];

/// What writes a line of the log, and the keys that every such line has in JSON: a field of the same name would stand there a
/// second time (`findings/json-log-key-twice-tracing.sh`).
const EVENTS: [&str; 7] = ["error", "warn", "info", "debug", "trace", "event", "span"];
const KEYS_OF_EACH_LINE: [&str; 6] = ["timestamp", "level", "target", "message", "span", "spans"];

pub(crate) const LONGEST_FILE: usize = 400;

#[test]
fn the_source_keeps_every_rule() {
    let broken: Vec<String> = source().iter().flat_map(|(file, text)| violations(file, text)).collect();
    assert!(broken.is_empty(), "\n{}\n", broken.join("\n"));
}

/// Every rule that the file at this place under `src/` breaks, each as a line to read.
pub(crate) fn violations(file: &str, text: &str) -> Vec<String> {
    let tokens = tokens(text);
    let mut broken = Vec::new();
    if !text.trim_start().starts_with("//!") {
        broken.push(format!("{file}: opens without a `//!` that says what lives here"));
    }
    if text.lines().count() > LONGEST_FILE && file != "wire.rs" {
        broken.push(format!("{file}: longer than {LONGEST_FILE} lines"));
    }
    if !["lib", "wire"].contains(&top(file)) && row(top(file)).is_none() && !SUPPORT.contains(&top(file)) {
        broken.push(format!("{file}: `{}` is not on the map of tests/architecture/", top(file)));
    }
    for token in &tokens {
        broken.extend(misplaced_word(file, token).map(|what| format!("{file}:{}: {what}", token.line)));
    }
    for token in fields_that_stand_twice(&tokens) {
        let what = format!("every line of the log has a `{}` of its own", token.text);
        broken.push(format!("{file}:{}: {what}", token.line));
    }
    for path in paths(file, &tokens) {
        let found = [outward_arrow(file, &path), misplaced_name(file, &path), effect_in_domain(file, &path)];
        broken.extend(found.into_iter().flatten().map(|what| format!("{file}:{}: {what}", path.line)));
    }
    broken
}

fn misplaced_word(file: &str, token: &Token) -> Option<String> {
    let rule = WORDS.iter().find(|(word, _)| *word == token.text);
    if let Some((word, places)) = rule
        && !stands_in(file, places)
    {
        return Some(format!("`{word}` belongs in {places:?}"));
    }
    (token.text == "async" && top(file) == "domain").then(|| "`domain` never waits: no `async`".to_owned())
}

/// Fields of events in the log that have the name of a key of the line.
fn fields_that_stand_twice<'t, 's>(tokens: &'t [Token<'s>]) -> impl Iterator<Item = &'t Token<'s>> {
    let text = |at: usize| tokens.get(at).map_or("", |token| token.text);
    let mut depth: Option<u32> = None;
    tokens.iter().enumerate().filter_map(move |(at, token)| {
        depth = match (depth, token.text) {
            (None, "(") if at >= 2 && text(at - 1) == "!" && EVENTS.contains(&text(at - 2)) => Some(0),
            (Some(depth), "(" | "[" | "{") => Some(depth + 1),
            (Some(depth), ")" | "]" | "}") => depth.checked_sub(1),
            (depth, _) => depth,
        };
        let sigils = usize::from(at > 0 && ["?", "%"].contains(&text(at - 1)));
        let begins = ["(", ","].contains(&text(at.saturating_sub(1 + sigils)));
        let is_field = depth == Some(0) && begins && ["=", ","].contains(&text(at + 1));
        (is_field && KEYS_OF_EACH_LINE.contains(&token.text)).then_some(token)
    })
}

fn outward_arrow(file: &str, path: &NamedPath) -> Option<String> {
    let ["crate", target, ..] = path.segments.as_slice() else { return None };
    let own = top(file);
    (own != "lib" && !may_know(own, target)).then(|| format!("`{own}` must not know `{target}`"))
}

/// Whether an arrow between these modules points inward. `wire` is for [`CONFINED`] to judge, as driver crates are.
fn may_know(own: &str, target: &str) -> bool {
    if own == target || target == "wire" || (own, target) == CLOTHES {
        return true;
    }
    if SUPPORT.contains(&target) {
        return WIRING.contains(&own);
    }
    if SUPPORT.contains(&own) {
        return target == "domain";
    }
    row(own).zip(row(target)).is_some_and(|(own, target)| target < own)
}

fn misplaced_name(file: &str, path: &NamedPath) -> Option<String> {
    let broken = |(name, places): &&(&[&str], &[&str])| names(path, name) && !stands_in(file, places);
    let (name, places) = CONFINED.iter().find(broken)?;
    Some(format!("`{}` belongs in {places:?}", name.join("::")))
}

fn effect_in_domain(file: &str, path: &NamedPath) -> Option<String> {
    let name = NOT_IN_DOMAIN.iter().find(|name| names(path, name)).filter(|_| top(file) == "domain")?;
    Some(format!("`domain` does no I/O: no `{}`", name.join("::")))
}

fn names(path: &NamedPath, name: &[&str]) -> bool {
    let same = |(part, wanted): (&&str, &&str)| {
        wanted.strip_suffix('*').map_or(part == wanted, |start| part.starts_with(start))
    };
    let places = if name.len() == 1 { 1 } else { usize::MAX };
    path.segments.windows(name.len()).take(places).any(|part| part.iter().zip(name).all(same))
}

fn stands_in(file: &str, places: &[&str]) -> bool {
    places.iter().any(|place| *place == file || *place == top(file))
}

fn row(module: &str) -> Option<usize> {
    LAYERS.iter().position(|row| row.contains(&module))
}

/// The module directly under the root that the file belongs to.
fn top(file: &str) -> &str {
    file.split(['/', '.']).next().unwrap_or(file)
}
