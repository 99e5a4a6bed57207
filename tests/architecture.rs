//! The rules of the source that a machine can hold: which module may know which, and what may be named where.
//!
//! The checks read tokens, not types: every path a file names, and its place in `src/`, are enough to see each arrow
//! between modules. They take the place and the text of one file, so that the tests at the end can feed them bad
//! examples; whoever changes a rule changes such an example with it.
#![allow(clippy::panic, clippy::unwrap_used, reason = "tests")]

use std::{fs, path::Path};

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
    &["server"],
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

/// Where plaintexts live: secrets, roots and the file that keeps them, and the messages that carry them.
const WIPED: &[&str] =
    &["domain/root.rs", "domain/seal.rs", "domain/secret/mod.rs", "store/roots.rs", "wire/wipe.rs"];

/// Where the store is in reach. A decision is made without it: no Check waits for a disk.
const STORED: &[&str] = &["ports", "follower", "changes", "store", "app"];

/// Where permits are taken: who counts has no other part of a store in reach.
const PERMITTED: &[&str] = &["ports", "counters", "store", "app"];

/// Where truth can be changed: whoever answers gateways only decides.
const ADMINISTERED: &[&str] = &["changes", "grpc", "app"];

/// A path, and the modules or files that may name it; a `*` stands for any ending of its last segment.
///
/// One segment is a crate; several are looked for anywhere in a path.
const CONFINED: [(&[&str], &[&str]); 12] = [
    (&["crate", "wire"], &["wire", "grpc", "guard", "cli"]),
    (&["rusqlite*"], &["store"]),
    (&["r2d2*"], &["store"]),
    (&["tonic*"], &["grpc", "guard", "wire", "cli"]),
    (&["prost*"], &["grpc", "wire", "cli"]),
    (&["hyper*"], &["server", "grpc", "http", "cli"]),
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

const LONGEST_FILE: usize = 400;

#[test]
fn the_source_keeps_every_rule() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let files = source_files(&src);
    assert!(files.iter().any(|(file, _)| file == "lib.rs"), "no source found in {}", src.display());
    let broken: Vec<String> = files.iter().flat_map(|(file, text)| violations(file, text)).collect();
    assert!(broken.is_empty(), "\n{}\n", broken.join("\n"));
}

/// Every Rust file below `folder`, with its place there and its text.
fn source_files(folder: &Path) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let file = path.strip_prefix(folder).unwrap().to_str().unwrap().to_owned();
                found.push((file, fs::read_to_string(path).unwrap()));
            }
        }
    }
    found.sort();
    found
}

/// Every rule that the file at this place under `src/` breaks, each as a line to read.
fn violations(file: &str, text: &str) -> Vec<String> {
    let tokens = tokens(text);
    let mut broken = Vec::new();
    if !text.trim_start().starts_with("//!") {
        broken.push(format!("{file}: opens without a `//!` that says what lives here"));
    }
    if text.lines().count() > LONGEST_FILE && file != "wire.rs" {
        broken.push(format!("{file}: longer than {LONGEST_FILE} lines"));
    }
    if !["lib", "wire"].contains(&top(file)) && row(top(file)).is_none() && !SUPPORT.contains(&top(file)) {
        broken.push(format!("{file}: `{}` is not on the map of tests/architecture.rs", top(file)));
    }
    for token in &tokens {
        broken.extend(misplaced_word(file, token).map(|what| format!("{file}:{}: {what}", token.line)));
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

/// A path that the source names, beginning with `crate` where it leads into this crate.
struct NamedPath<'a> {
    line: usize,
    segments: Vec<&'a str>,
}

/// Every path of the file: the leaves of its `use` trees, those written out in code, and the names of attributes.
fn paths<'a>(file: &'a str, tokens: &[Token<'a>]) -> Vec<NamedPath<'a>> {
    let mut found = Vec::new();
    let mut home: Vec<&str> = file
        .trim_end_matches(".rs")
        .split('/')
        .filter(|part| !["lib", "main", "mod"].contains(part))
        .collect();
    // The inline modules that are open, with the depth of braces around each.
    let mut open: Vec<usize> = Vec::new();
    let mut depth = 0_usize;
    let mut rest = tokens;
    while let [token, after @ ..] = rest {
        rest = after;
        let mut segments = Vec::new();
        match (token.text, after) {
            ("mod", [name, Token { text: "{", .. }, ..]) => {
                open.push(depth);
                home.push(name.text);
            }
            ("{", _) => depth += 1,
            ("}", _) => {
                depth = depth.saturating_sub(1);
                if open.pop_if(|around| *around == depth).is_some() {
                    home.pop();
                }
            }
            ("use", [next, ..]) if next.text != "<" => {
                rest = use_tree(after, Vec::new(), &mut segments);
            }
            ("extern", [Token { text: "crate", .. }, name, ..])
            | ("#", [Token { text: "[", .. }, name, Token { text: "(", .. }, ..]) => {
                segments.push(vec![name.text]);
            }
            (first, [Token { text: "::", .. }, ..]) if is_word(first) => {
                let (chain, end) = chain(first, after);
                segments.push(chain);
                rest = end;
            }
            _ => {}
        }
        let named = segments.into_iter().map(|path| absolute(path, &home));
        found.extend(named.map(|segments| NamedPath { line: token.line, segments }));
    }
    found
}

/// Reads one branch of a `use` as far as what ends it, collects its leaves, and gives the rest.
fn use_tree<'t, 'a>(
    mut rest: &'t [Token<'a>],
    mut path: Vec<&'a str>,
    leaves: &mut Vec<Vec<&'a str>>,
) -> &'t [Token<'a>] {
    loop {
        match rest {
            [] | [Token { text: "," | "}" | ";", .. }, ..] => break,
            [Token { text: "{", .. }, inner @ ..] => return branches(inner, &path, leaves),
            [Token { text: "as", .. }, _, after @ ..] => rest = after,
            [token, after @ ..] => {
                if is_word(token.text) || token.text == "*" {
                    path.push(token.text);
                }
                rest = after;
            }
        }
    }
    leaves.push(path);
    rest
}

fn branches<'t, 'a>(
    mut rest: &'t [Token<'a>],
    stem: &[&'a str],
    leaves: &mut Vec<Vec<&'a str>>,
) -> &'t [Token<'a>] {
    loop {
        match rest {
            [] | [Token { text: ";", .. }, ..] => return rest,
            [Token { text: "}", .. }, after @ ..] => return after,
            [Token { text: ",", .. }, after @ ..] => rest = after,
            _ => rest = use_tree(rest, stem.to_vec(), leaves),
        }
    }
}

/// A path written out in code, `a::b::c`, and the rest.
fn chain<'t, 'a>(first: &'a str, mut rest: &'t [Token<'a>]) -> (Vec<&'a str>, &'t [Token<'a>]) {
    let mut path = vec![first];
    while let [Token { text: "::", .. }, next, after @ ..] = rest
        && is_word(next.text)
    {
        path.push(next.text);
        rest = after;
    }
    (path, rest)
}

/// The path from the root of the crate, for one that begins with `crate`, `self`, `super` or the crate's name.
fn absolute<'a>(path: Vec<&'a str>, home: &[&'a str]) -> Vec<&'a str> {
    let mut from = home.to_vec();
    let mut rest = path.as_slice();
    match rest {
        ["crate" | "keyward", after @ ..] => {
            from.clear();
            rest = after;
        }
        ["self" | "super", ..] => {}
        _ => return path,
    }
    while let [step @ ("self" | "super"), after @ ..] = rest {
        if *step == "super" {
            from.pop();
        }
        rest = after;
    }
    ["crate"].into_iter().chain(from).chain(rest.iter().copied()).collect()
}

/// A word, a `::` or one other character of code.
struct Token<'a> {
    line: usize,
    text: &'a str,
}

/// The code of `text`, without comments, strings, characters, lifetimes and space.
fn tokens(text: &str) -> Vec<Token<'_>> {
    let mut found = Vec::new();
    let mut line = 1;
    let mut rest = text;
    while !rest.is_empty() {
        let skipped = not_code(rest);
        let length = if skipped == 0 { token_length(rest) } else { skipped };
        let (token, after) = rest.split_at(length);
        if skipped == 0 {
            found.push(Token { line, text: token });
        }
        line += token.matches('\n').count();
        rest = after;
    }
    found
}

fn token_length(rest: &str) -> usize {
    let word = rest.find(|letter| !is_word_part(letter)).unwrap_or(rest.len());
    if word > 0 {
        word
    } else if rest.starts_with("::") {
        2
    } else {
        rest.chars().next().map_or(0, char::len_utf8)
    }
}

/// How many bytes at the front of `rest` are no code; 0 where a token begins.
fn not_code(rest: &str) -> usize {
    let up_to = |end: &str| rest.find(end).map_or(rest.len(), |at| at + end.len());
    if rest.starts_with(char::is_whitespace) {
        return rest.len() - rest.trim_start().len();
    }
    if rest.starts_with("//") {
        return up_to("\n");
    }
    if rest.starts_with("/*") {
        return block_comment(rest);
    }
    if let Some(quoted) = rest.strip_prefix('\'') {
        return 1 + character_or_lifetime(quoted);
    }
    let prefix = ["br", "cr", "r", "b", "c", ""].into_iter().find(|prefix| is_string(rest, prefix));
    let Some(prefix) = prefix else { return 0 };
    let (_, quoted) = rest.split_at(prefix.len());
    let hashes = quoted.len() - quoted.trim_start_matches('#').len();
    let (_, body) = quoted.split_at(hashes + 1);
    let length = if prefix.ends_with('r') {
        let end = format!("\"{}", "#".repeat(hashes));
        body.find(&end).map_or(body.len(), |at| at + end.len())
    } else {
        up_to_unescaped(body, '"')
    };
    prefix.len() + hashes + 1 + length
}

/// Whether a string with this prefix begins here; only a raw one (`r`) may have `#` before its quote.
fn is_string(rest: &str, prefix: &str) -> bool {
    rest.strip_prefix(prefix).is_some_and(|after| {
        let quote = if prefix.ends_with('r') { after.trim_start_matches('#') } else { after };
        quote.starts_with('"')
    })
}

/// The length of a block comment, with those nested in it.
fn block_comment(rest: &str) -> usize {
    let mut depth = 0_usize;
    let mut after = rest;
    while let Some(end) = after.find("*/") {
        let begin = after.find("/*").filter(|begin| *begin < end);
        depth = if begin.is_some() { depth + 1 } else { depth - 1 };
        after = after.split_at(begin.unwrap_or(end) + 2).1;
        if depth == 0 {
            return rest.len() - after.len();
        }
    }
    rest.len()
}

/// The length of `a'`, `\n'` or, for a lifetime, of its name.
fn character_or_lifetime(quoted: &str) -> usize {
    let mut letters = quoted.char_indices();
    let first = letters.next().map(|(_, letter)| letter);
    let second = letters.next();
    match (first, second) {
        (Some('\\'), _) => up_to_unescaped(quoted, '\''),
        (_, Some((at, '\''))) => at + 1,
        _ => quoted.find(|letter| !is_word_part(letter)).unwrap_or(quoted.len()),
    }
}

fn up_to_unescaped(text: &str, end: char) -> usize {
    let mut escaped = false;
    for (at, letter) in text.char_indices() {
        if letter == end && !escaped {
            return at + letter.len_utf8();
        }
        escaped = letter == '\\' && !escaped;
    }
    text.len()
}

fn is_word(text: &str) -> bool {
    text.starts_with(is_word_part)
}

fn is_word_part(letter: char) -> bool {
    letter.is_alphanumeric() || letter == '_'
}

/// Each of these breaks exactly one rule.
#[test]
fn a_file_that_breaks_a_rule_is_reported() {
    let rows = [
        ("domain/key.rs", "use crate::ports::Counters;", "`domain` must not know `ports`"),
        ("ports.rs", "use crate::{domain::Key, store::Sqlite};", "`ports` must not know `store`"),
        ("ports.rs", "use crate::{\n    domain::{Key, limit::{Limit, self}},\n    changes,\n};", "`changes`"),
        ("index.rs", "use super::follower as next;", "`index` must not know `follower`"),
        ("domain.rs", "mod tests { use super::super::store::X; }", "`domain` must not know `store`"),
        ("domain/key.rs", "use super::super::app::App;", "`domain` must not know `app`"),
        ("domain.rs", "use super::*;", "`domain` must not know `*`"),
        ("changes/check.rs", "fn f() { let s = crate::grpc::status(); }", "`changes` must not know `grpc`"),
        ("changes/check.rs", "fn f(s: Vec<crate::http_answer::A>) {}", "must not know `http_answer`"),
        ("changes.rs", "macro_rules! m { () => { $crate::app::run() } }", "`changes` must not know `app`"),
        ("grpc/mod.rs", "use crate::store::sqlite::Store;", "`grpc` must not know `store`"),
        ("counters/memory.rs", "use crate::http::metrics;", "`counters` must not know `http`"),
        ("grpc/mod.rs", "use crate::http::Site;", "`grpc` must not know `http`"),
        ("http/mod.rs", "use crate::config::Config;", "`http` must not know `config`"),
        ("system.rs", "use crate::ports::Counters;", "`system` must not know `ports`"),
        ("app.rs", "use crate::cli::Args;", "`app` must not know `cli`"),
        ("store/mod.rs", "use crate::nowhere::X;", "`store` must not know `nowhere`"),
        ("wire.rs", "use crate::domain::Key;", "`wire` must not know `domain`"),
        ("judge/check.rs", "use crate::changes::issue;", "`judge` must not know `changes`"),
        ("judge/check.rs", "fn f(store: &dyn KeyStore) {}", "`KeyStore` belongs in"),
        ("counters/memory/mod.rs", "fn f(store: &dyn KeyStore) {}", "`KeyStore` belongs in"),
        ("judge/check.rs", "fn f(permits: &dyn Permits) {}", "`Permits` belongs in"),
        ("gateway/mod.rs", "struct Desk { all: Arc<Changes> }", "`Changes` belongs in"),
        ("helpers.rs", "", "`helpers` is not on the map"),
        ("http/mod.rs", "use crate::wire::v1::Key;", "`crate::wire` belongs in"),
        ("app.rs", "use rusqlite::Connection;", "`rusqlite*` belongs in"),
        ("app.rs", "fn f() -> Result<(), ::rusqlite::Error> {}", "`rusqlite*` belongs in"),
        ("lib.rs", "pub use rusqlite;", "`rusqlite*` belongs in"),
        ("app.rs", "extern crate rusqlite;", "`rusqlite*` belongs in"),
        ("app.rs", "use rusqlite_migration as m;", "`rusqlite*` belongs in"),
        ("grpc/mod.rs", "use r2d2_sqlite;", "`r2d2*` belongs in"),
        ("changes.rs", "fn f() -> tonic::Status {}", "`tonic*` belongs in"),
        ("http/mod.rs", "use {std::fs, tonic_types::pb};", "`tonic*` belongs in"),
        ("domain.rs", "struct K { #[prost(string)] id: String }", "`prost*` belongs in"),
        ("store/mod.rs", "use hyper_util::rt;", "`hyper*` belongs in"),
        ("app.rs", "#[derive(clap::Parser)] struct A;", "`clap*` belongs in"),
        ("grpc/mod.rs", "use ring::hmac;", "`ring` belongs in"),
        ("grpc/convert.rs", "use zeroize::zeroize_flat_type;", "`zeroize*` belongs in"),
        ("domain/key.rs", "struct K(Zeroizing<String>);", "`Zeroizing` belongs in"),
        ("domain/key.rs", "let now = std::time::SystemTime::now();", "`SystemTime::now` belongs in"),
        (
            "judge/check.rs",
            "let charged = Charged::by_counters(passing);",
            "`Charged::by_counters` belongs in",
        ),
        ("app.rs", "let v = env::var_os(\"X\");", "`env::var*` belongs in"),
        ("cli/mod.rs", "use std::env::{temp_dir, vars};", "`env::var*` belongs in"),
        ("store/mod.rs", "fn f() { unsafe { g() } }", "`unsafe` belongs in"),
        ("domain/key.rs", "async fn f() {}", "no `async`"),
        ("domain/key.rs", "use std::{fmt, fs};", "no `std::fs`"),
        ("domain/key.rs", "use tokio::sync::Mutex;", "no `tokio`"),
    ];
    for (file, code, expected) in rows {
        let found = violations(file, &format!("//! Doc.\n{code}\n"));
        let [one] = found.as_slice() else { panic!("{file}: {code}: not one violation: {found:?}") };
        assert!(one.contains(expected), "{file}: {code}: {one}");
    }
}

#[test]
fn a_file_that_keeps_the_rules_passes() {
    let rows = [
        ("lib.rs", "pub mod wire;\npub use crate::domain::Key;"),
        ("main.rs", "use keyward::{app, cli};\nfn main() {}"),
        ("domain/key.rs", "use super::scope::Scope;\nuse crate::domain::time;\nmod tests { use super::*; }"),
        ("domain/secret/mod.rs", "use zeroize::{Zeroize, Zeroizing};"),
        ("domain/hash.rs", "use ring::hmac;"),
        ("follower.rs", "use crate::{domain::Key, index::Index, ports};\nasync fn f() {}"),
        ("grpc/convert.rs", "use crate::{wire::v1 as wire, changes::check};\nuse tonic::Status;"),
        ("grpc/caller.rs", "use super::convert;\nfn f(http: http::Request<()>) { http::store::x() }"),
        ("store/sqlite/mod.rs", "use rusqlite::Connection;\nfn ring(ring: u8) { Self::ring(ring) }"),
        ("app.rs", "use crate::{store, counters, grpc, http, config, system::SystemClock};"),
        ("system.rs", "fn now() { std::time::SystemTime::now() }"),
        ("config.rs", "fn f() { std::env::var(\"X\") }"),
        (
            "domain/a.rs",
            "// use crate::app;\n/*/ crate::app //* unsafe */ tokio::x */ /// tonic::X\nfn f() {}",
        ),
        ("domain/b.rs", r##"const A: &str = "\" crate::app::X"; const B: &str = r#"" tonic::Y"#;"##),
        ("domain/c.rs", "fn f<'a>(x: &'a str) -> char { let _ = b\"tokio::x\"; '\"' }"),
        ("domain/d.rs", "fn f(c: char) -> bool { c == '\\'' || c == '\\\\' } // tokio::x"),
        ("domain/e.rs", "fn f<'a>() -> impl Sized + use<'a> { size_of::<u8>() }"),
    ];
    for (file, code) in rows {
        let found = violations(file, &format!("//! Doc.\n{code}\n"));
        assert!(found.is_empty(), "{file}: {code}: {found:?}");
    }
}

#[test]
fn a_file_without_an_opening_doc_or_too_long_is_reported() {
    assert!(violations("ports.rs", "use std::fmt;\n//! Late.\n").concat().contains("opens without"));
    let long = format!("//! Doc.\n{}", "\n".repeat(LONGEST_FILE));
    assert!(violations("ports.rs", &long).concat().contains("longer than"));
    assert!(violations("wire.rs", &long).is_empty());
}

#[test]
fn a_report_names_the_file_and_the_line() {
    let text = "//! Doc.\n\"two\nlines\"; /* and\nmore */\nuse crate::app;\n";
    assert_eq!(violations("ports.rs", text), ["ports.rs:5: `ports` must not know `app`"]);
}
