//! The front of the house: what the README leads to, how documents are set, and that what they name is there.

use std::{collections::BTreeSet, fs};

use super::{SECURITY, documents, documents::Document, fault_of, is_promise, root, rows};

/// Set at 110 columns, tables and code aside: a line that is longer is wrapped, wherever a space lets it be.
const WIDTH: usize = 110;

#[test]
fn links_between_documents_lead_somewhere() {
    let documents = documents::all();
    let mut faults = Vec::new();
    for document in &documents {
        for (line, link) in document.links().filter(|(_, link)| !link.starts_with("http")) {
            faults.extend(
                broken(&documents, document, link)
                    .map(|what| format!("{}:{line}: {link}: {what}", document.path)),
            );
        }
    }
    assert!(faults.is_empty(), "\n{}\n", faults.join("\n"));
}

/// What is wrong with a link of this document, if anything is.
fn broken(documents: &[Document], from: &Document, link: &str) -> Option<&'static str> {
    let (path, anchor) = link.split_once('#').unwrap_or((link, ""));
    let target = if path.is_empty() { from.path.clone() } else { resolved(&from.path, path) };
    if !root().join(&target).exists() {
        return Some("there is no such file");
    }
    let document = documents.iter().find(|document| document.path == target);
    let is_there = document.is_some_and(|document| document.anchors().iter().any(|known| known == anchor));
    (!anchor.is_empty() && !is_there).then_some("there is no such heading")
}

/// A relative link of the document at `from`, as a place in the repository.
fn resolved(from: &str, link: &str) -> String {
    let mut parts: Vec<&str> = from.split('/').collect();
    parts.pop();
    for part in link.trim_end_matches('/').split('/') {
        if part == ".." {
            parts.pop();
        } else {
            parts.push(part);
        }
    }
    parts.join("/")
}

#[test]
fn a_link_that_leads_nowhere_is_noticed() {
    let document = |path: &str, text: &str| Document { path: path.to_owned(), text: text.to_owned() };
    let documents =
        [document("README.md", "# A\n"), document("docs/wire.md", "## It is, `so`\n```\n## no\n```\n")];
    for (link, is_good) in [
        ("../README.md", true),
        ("../README.md#a", true),
        ("#it-is-so", true),
        ("wire.md#it-is-so", true),
        ("../proto", true),
        ("#no", false),
        ("../README.md#b", false),
        ("README.md", false),
    ] {
        assert_eq!(broken(&documents, &documents[1], link).is_none(), is_good, "{link}");
    }
}

#[test]
fn the_readme_is_short_and_leads_to_every_document() {
    let readme = documents::named("README.md");
    assert!(readme.text.lines().count() <= 150, "{}", readme.text.lines().count());
    let linked: BTreeSet<String> =
        readme.links().map(|(_, link)| resolved("README.md", link.split('#').next().unwrap())).collect();
    let documents = documents::all();
    let missing: Vec<_> = documents
        .iter()
        .map(|one| &one.path)
        .filter(|path| *path != "README.md" && !linked.contains(*path))
        .collect();
    assert!(missing.is_empty(), "{missing:?}");
    for folder in
        ["examples/policies", "examples/scanners", "examples/keyward.toml", "docs/keyward.svg", "LICENSE"]
    {
        assert!(linked.contains(folder), "{folder}");
    }
}

#[test]
fn every_promise_that_the_readme_names_is_in_the_table() {
    let readme = documents::named("README.md");
    let known: Vec<&str> = rows(SECURITY).map(|cells| cells[0]).filter(|id| is_promise(id)).collect();
    let named = regex::Regex::new(r"\b[A-Z][0-9]{1,2}\b").unwrap();
    let (_, text) = readme.text.split_once("## What it is good at").unwrap();
    let text = text.split("\n## ").next().unwrap();
    let named: Vec<&str> = named.find_iter(text).map(|found| found.as_str()).collect();
    assert!(named.len() >= 10, "{named:?}");
    for id in named {
        assert!(known.contains(&id), "{id} is not promised");
    }
}

#[test]
fn lines_of_documents_are_wrapped() {
    let mut faults = Vec::new();
    for document in documents::all() {
        for (line, text, is_code) in document.lines() {
            if !is_code
                && !text.trim_start().starts_with('|')
                && text.chars().count() > WIDTH
                && text.contains(' ')
            {
                faults.push(format!("{}:{line}: {} columns", document.path, text.chars().count()));
            }
        }
    }
    assert!(faults.is_empty(), "\n{}\n", faults.join("\n"));
}

#[test]
fn the_changelog_compares_with_nothing_that_was_never_released() {
    let changes = documents::named("CHANGELOG.md").text;
    assert!(changes.contains("\n## [Unreleased]\n"));
    let first = changes.split("\n## [").last().unwrap().to_lowercase();
    for word in ["until now", "no longer", "any more", "as before", "from now on", "before this version"] {
        assert!(!first.contains(word), "{word}");
    }
}

#[test]
fn the_wire_of_every_version_is_kept() {
    let changes = documents::named("CHANGELOG.md").text;
    let sections = changes.split("\n## [").skip(1).map(|section| section.split(']').next().unwrap());
    let versions: Vec<_> = sections.filter(|name| *name != "Unreleased").collect();
    let files = fs::read_dir(root().join("proto/released")).unwrap();
    let mut kept: Vec<_> = files.map(|file| file.unwrap().file_name().into_string().unwrap()).collect();
    kept.sort();
    let mut named: Vec<_> = versions.iter().map(|version| format!("{version}.binpb")).collect();
    named.sort();
    assert_eq!(kept, named);
    assert_eq!(versions.first(), Some(&env!("CARGO_PKG_VERSION")), "the newest is what is built");
}

#[test]
fn the_rust_that_is_asked_for_is_enough_for_every_dependency() {
    let manifest = fs::read_to_string(root().join("Cargo.toml")).unwrap();
    let (_, asked) = manifest.split_once("rust-version = \"").unwrap();
    let asked = asked.split('"').next().unwrap();
    assert!(documents::named("README.md").text.contains(&format!("Rust {asked} or newer")), "{asked}");
    let mut cargo = std::process::Command::new(env!("CARGO"));
    cargo.current_dir(root()).args(["metadata", "--format-version", "1", "--locked", "--offline"]);
    let told = cargo.output().unwrap();
    assert!(told.status.success(), "{told:?}");
    let told: serde_json::Value = serde_json::from_slice(&told.stdout).unwrap();
    let version = |text: &str| text.split('.').map(|part| part.parse::<u32>().unwrap()).collect::<Vec<_>>();
    let packages = told["packages"].as_array().unwrap();
    assert!(packages.len() > 50, "{}", packages.len());
    for package in packages {
        let needed = package["rust_version"].as_str().unwrap_or("1");
        assert!(version(needed)[..] <= version(&format!("{asked}.99"))[..], "{}: {needed}", package["name"]);
    }
}

#[test]
fn the_picture_needs_nothing_from_elsewhere_and_has_a_ground_of_its_own() {
    let picture = fs::read_to_string(root().join("docs/keyward.svg")).unwrap();
    let (_, body) = picture.split_once("http://www.w3.org/2000/svg").unwrap();
    for word in ["http", "href", "@import", "@font-face", "<script", "<image", "<foreignObject"] {
        assert!(!body.contains(word), "{word}");
    }
    let first = body.split_once("</defs>").unwrap().1.split('<').find(|tag| tag.starts_with("rect")).unwrap();
    assert!(first.contains("width=\"918\" height=\"428\"") && first.contains("fill=\"#ffffff\""), "{first}");
}

/// Documents whose paths, tests and commands are held.
const LEADING: [&str; 2] = ["CONTRIBUTING.md", "docs/architecture.md"];

/// What a path in them begins with.
const FOLDERS: [&str; 8] =
    ["src/", "tests/", "docs/", "proto/", "scripts/", "examples/", "openapi/", "benches/"];

#[test]
fn every_path_and_test_that_leads_into_the_source_is_there() {
    let mut faults = Vec::new();
    let mut count = 0;
    for document in LEADING.map(documents::named) {
        for (line, code) in document.code() {
            let found: Vec<_> = code.split([' ', ',', '(', ')']).filter_map(missing).collect();
            count += code.split(' ').filter(|word| is_path(word)).count();
            let missing = found.into_iter().chain(missing_targets(&code));
            faults.extend(missing.map(|what| format!("{}:{line}: {what}", document.path)));
        }
    }
    assert!(count > 20, "{count}");
    assert!(faults.is_empty(), "\n{}\n", faults.join("\n"));
}

fn is_path(word: &str) -> bool {
    FOLDERS.iter().any(|folder| word.starts_with(folder))
}

/// What is missing of a path, or of `file::test`.
fn missing(word: &str) -> Option<String> {
    if !is_path(word) {
        return None;
    }
    if word.contains("::") {
        return fault_of(word);
    }
    (!root().join(word).exists()).then(|| format!("{word}: there is no such path"))
}

/// The test binaries that a command of cargo names and that are not there.
fn missing_targets(code: &str) -> Vec<String> {
    let mut words = code.split_whitespace();
    let mut faults = Vec::new();
    while let Some(word) = words.next() {
        let Some(name) = words.clone().next().filter(|_| word == "--test") else { continue };
        let places = [format!("tests/{name}.rs"), format!("tests/{name}/main.rs")];
        if !code.contains("NAME") && !places.iter().any(|place| root().join(place).exists()) {
            faults.push(format!("--test {name}: there is no such test"));
        }
    }
    faults
}

#[test]
fn a_path_that_is_not_there_is_noticed() {
    for (word, is_there) in [
        ("src/lib.rs", true),
        ("src/domain/", true),
        ("tests/docs.rs::every_exit_code_stands_there_and_in_the_help", true),
        ("src/no_such.rs", false),
        ("tests/docs.rs::no_such_test", false),
        ("target/release", true),
    ] {
        assert_eq!(missing(word).is_none(), is_there, "{word}");
    }
    assert!(missing_targets("cargo test --test docs --test rpc revoke::").is_empty());
    assert_eq!(missing_targets("cargo test --test no_such").len(), 1);
}
