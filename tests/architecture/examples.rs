//! Files that break a rule, and files that keep them all.

use super::rules::{LONGEST_FILE, violations};

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
        (
            "app.rs",
            "fn f() { tracing::warn!(code = f(1, 2), message = 1, \"words\") }",
            "`message` of its own",
        ),
        ("app.rs", "fn f(level: u8) { info!(?level, \"words\") }", "`level` of its own"),
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
        (
            "app.rs",
            "fn f(level: u8) { warn!(target: \"x\", is = %level, why = message(level, 1), \"w\"); g!(level = 1) }",
        ),
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
