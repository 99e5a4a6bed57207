//! One name, one meaning: no two types of the source have the same name.
//!
//! Left out are the arguments of commands (`…Args`), which are named after their commands, and what is compiled for tests.

use std::collections::BTreeMap;

use super::{source, tokens::tokens};

#[test]
fn one_name_stands_for_one_type() {
    let found = shared_names(&source());
    assert!(found.is_empty(), "\n{}\n", found.join("\n"));
}

/// Each name that stands for several types, with the files that define one.
fn shared_names(files: &[(String, String)]) -> Vec<String> {
    let mut places: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (file, text) in files.iter().filter(|(file, _)| !file.ends_with("tests.rs")) {
        for name in types(text) {
            places.entry(name).or_default().push(file);
        }
    }
    places.retain(|name, files| files.len() > 1 && !name.ends_with("Args"));
    places.iter().map(|(name, files)| format!("`{name}` stands for types in {}", files.join(", "))).collect()
}

/// The types that stand at the top of a file.
fn types(text: &str) -> Vec<&str> {
    let (mut found, mut depth) = (Vec::new(), 0_usize);
    let all = tokens(text);
    for pair in all.windows(2) {
        match pair[0].text {
            "{" => depth += 1,
            "}" => depth -= 1,
            "struct" | "enum" | "trait" | "type" if depth == 0 => found.push(pair[1].text),
            _ => {}
        }
    }
    found
}

#[test]
fn a_name_that_stands_for_two_types_is_reported() {
    let file = |file: &str, text: &str| (file.to_owned(), text.to_owned());
    let one =
        file("a.rs", "pub struct Place;\nimpl Iterator for Place { type Item = u8; }\nstruct ListArgs;");
    for (text, is_shared) in [
        ("enum Place {}", true),
        ("pub(super) type Place<'a> = &'a str;", true),
        ("trait Place {}", true),
        ("mod tests { struct Place; }", false),
        ("impl Iterator for X { type Item = u8; } struct X;", false),
        ("// struct Place\nfn place() { let s = \"struct Place\"; }", false),
        ("struct ListArgs;", false),
    ] {
        let found = shared_names(&[one.clone(), file("b/c.rs", text)]);
        let expected = if is_shared { vec!["`Place` stands for types in a.rs, b/c.rs"] } else { vec![] };
        assert_eq!(found, expected, "{text}");
        assert!(shared_names(&[one.clone(), file("b/tests.rs", text)]).is_empty());
    }
}
