//! Files that name each other in a circle, and files that do not.

use super::circles::circles;

/// Files of these places and texts.
fn files(texts: &[(&str, &str)]) -> Vec<(String, String)> {
    let mut files: Vec<_> =
        texts.iter().map(|(file, text)| ((*file).to_owned(), (*text).to_owned())).collect();
    files.sort();
    files
}

#[test]
fn a_circle_is_told_arrow_by_arrow() {
    let two = files(&[
        ("domain/a.rs", "//! Doc.\nuse super::b::B;\npub struct A;"),
        ("domain/b.rs", "pub struct B;\nfn f(a: crate::domain::a::A) {}"),
        ("domain/mod.rs", "pub mod a;\npub mod b;"),
    ]);
    let told = "a circle of 2:\n  domain/a.rs:2 names `domain::b::B` of domain/b.rs\n  \
                domain/b.rs:2 names `domain::a::A` of domain/a.rs";
    assert_eq!(circles(&two), [told]);
}

/// Each of these has one circle, of so many files.
#[test]
fn a_circle_is_found_whatever_way_it_takes() {
    let rows: [(usize, &[(&str, &str)]); 8] = [
        // Of three, by a tree, a path in code, and a name of its own.
        (
            3,
            &[
                ("m/mod.rs", "mod a; mod b; mod c; mod d;"),
                ("m/a.rs", "use super::{b::{self, B}, d};"),
                ("m/b.rs", "fn f() { crate::m::c::g() }"),
                ("m/c.rs", "use super::a as first;\nfn f() { first::g() }"),
                ("m/d.rs", "use super::e;"),
            ],
        ),
        // Through what hands names on.
        (
            2,
            &[
                ("m/mod.rs", "mod a; mod b;\npub use self::{a::A, b::B as Second};"),
                ("m/a.rs", "use super::Second;\npub struct A;"),
                ("m/b.rs", "use crate::m::A;\npub struct B;"),
            ],
        ),
        // Through two that hand names on.
        (
            2,
            &[
                ("m/mod.rs", "mod a;\npub use a::deep::A;"),
                ("m/a/mod.rs", "pub mod deep { pub use super::inner::A; }\npub mod inner;"),
                ("m/a/inner.rs", "use crate::n::N;\npub struct A;"),
                ("n.rs", "use crate::m::a::inner;\npub struct N;"),
            ],
        ),
        // A parent uses what it hands on.
        (
            2,
            &[
                ("m/mod.rs", "mod a;\npub use self::a::A;\npub struct M;\nfn f(a: A) {}"),
                ("m/a.rs", "use super::M;\npub struct A;"),
            ],
        ),
        (
            2,
            &[
                ("m/mod.rs", "mod a;\npub use self::a::run;\npub struct M;\nfn f() { run() }"),
                ("m/a.rs", "use super::M;\npub fn run() {}"),
            ],
        ),
        // A parent names its child without `self`.
        (2, &[("m/mod.rs", "mod a;\nuse a::A;\npub struct M;"), ("m/a.rs", "use super::M;")]),
        // From an inline module that is no test.
        (
            2,
            &[
                ("m/mod.rs", "mod a; mod b;"),
                ("m/a.rs", "mod inner { use super::super::b::B; }\npub struct A;"),
                ("m/b.rs", "use super::a::A;"),
            ],
        ),
        // Behind a visibility, which is no path.
        (
            2,
            &[
                ("m/mod.rs", "mod a; mod b;"),
                ("m/a.rs", "pub(in crate::m) fn f(b: crate::m::b::B) {}"),
                ("m/b.rs", "pub(super) const A: u8 = super::a::A;"),
            ],
        ),
    ];
    for (count, texts) in rows {
        let found = circles(&files(texts));
        let [one] = found.as_slice() else { panic!("{texts:?}: not one circle: {found:?}") };
        assert!(one.starts_with(&format!("a circle of {count}:")), "{texts:?}: {one}");
    }
}

#[test]
fn what_leads_one_way_is_no_circle() {
    let rows: [&[(&str, &str)]; 7] = [
        // Who declares and hands on is between no two files.
        &[
            ("m/mod.rs", "mod a; mod b;\npub use self::{a::A, b::B};"),
            ("m/a.rs", "use super::B;\npub struct A;"),
            ("m/b.rs", "pub struct B;"),
        ],
        // A child uses its parent, which only hands it on.
        &[
            ("m/mod.rs", "mod a;\npub use self::a::A;\npub struct M;\nfn f(m: M) { m.a() }"),
            ("m/a.rs", "use super::M;\npub struct A;"),
        ],
        // Tests, inline and in a file of their own.
        &[
            ("m/mod.rs", "mod a; mod b;"),
            ("m/a.rs", "use super::b::B;\npub struct A;"),
            (
                "m/b.rs",
                "pub struct B;\n#[cfg(test)]\n#[path = \"x\"]\npub(crate) mod tests { use crate::m::a::A; }",
            ),
        ],
        &[
            ("m/mod.rs", "mod a; mod b;"),
            ("m/a.rs", "use super::b::B;\npub struct A;"),
            ("m/b.rs", "pub struct B;\n#[cfg(test)]\nmod tests;\n#[cfg(all(test, unix))]\nuse super::a::A;"),
            ("m/b/tests.rs", "use crate::m::a::A;"),
        ],
        // A visibility names a module, and nothing of it.
        &[
            ("m/mod.rs", "mod a;\nuse self::a::A;"),
            ("m/a.rs", "pub(in crate::m) struct A { pub(in crate::m) a: u8 }"),
        ],
        // What stands in comments and strings, and what other crates have.
        &[
            ("m/mod.rs", "mod a; mod b;"),
            ("m/a.rs", "use super::b::B;"),
            (
                "m/b.rs",
                "//! [`super::a`]\nuse serde::a;\nconst A: &str = \"crate::m::a\";\nfn f() { other::a::b() }",
            ),
        ],
        // A word that is handed on, and is the name of something else here.
        &[
            (
                "m/mod.rs",
                "mod a;\npub use self::a::run;\npub struct M;\nfn f(m: M) { m.run(); let run = 1; }",
            ),
            ("m/a.rs", "use super::M;\npub fn run() {}"),
        ],
    ];
    for texts in rows {
        let found = circles(&files(texts));
        assert!(found.is_empty(), "{texts:?}: {found:?}");
    }
}
