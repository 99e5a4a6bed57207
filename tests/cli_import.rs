//! `keyward import` and `keyward import-scheme` at the hands of an operator who moves in from another system.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

#[path = "support/desk.rs"]
mod desk;
#[path = "support/process.rs"]
mod process;

use std::{collections::BTreeMap, fmt::Write as _};

use desk::Desk;
use process::Ended;
use ring::{digest, hmac};
use serde_json::{Value, json};

impl Desk {
    fn import(&self, file: &str, flags: &[&str]) -> Ended {
        let path = self.folder.path().join(file);
        self.run(&[&["import", path.to_str().unwrap(), "--scope", "messaging:send"], flags].concat(), "")
    }

    fn revision(&self) -> u64 {
        self.json(&["audit", "query", "--page-size", "1"])["records"][0]["revision"].as_u64().unwrap()
    }

    fn checks(&self, token: &str) -> Option<i32> {
        self.run(&["check", "--scope", "messaging:send"], token).code
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").unwrap();
        text
    })
}

fn sha256(token: &str) -> String {
    hex(digest::digest(&digest::SHA256, token.as_bytes()).as_ref())
}

fn token(line: usize) -> String {
    format!("sk_live_token-of-line-{line}")
}

/// A file of 2,500 rows below its header, and what is wrong with some: their lines, and words of what is said.
fn old_keys() -> (Vec<u8>, BTreeMap<usize, &'static str>) {
    let bad = BTreeMap::from([
        (3, "secret_bits: 4 fields, and the header has 5"),
        (700, "not UTF-8"),
        (1_001, "longer than 65536 bytes"),
        (1_002, "name: must be 1 to 128 characters"),
        (1_003, "sha256: must be 32 bytes"),
        (1_004, "name: a quote stands in a field"),
        (1_005, "secret_bits: a secret of 40 bits"),
        (1_006, "sha256: this hash is a key's already"),
        (1_007, "scopes: must be scopes that the policy declares"),
        (2_501, "secret_bits: must be a whole number"),
    ]);
    let mut file = b"name,owner,scopes,sha256,secret_bits\n".to_vec();
    for line in 2..=2_501 {
        let (owner, hash) = (format!("user-{line}"), sha256(&token(line)));
        let row = match line {
            3 => format!("key {line},{owner},,{hash}").into_bytes(),
            700 => [b"key \xff,", format!("{owner},,{hash},160").as_bytes()].concat(),
            1_001 => format!("{},{owner},,{hash},160", "x".repeat(70_000)).into_bytes(),
            1_002 => format!(",{owner},,{hash},160").into_bytes(),
            1_003 => format!("key {line},{owner},,{},160", &hash[1..]).into_bytes(),
            1_004 => format!("key \"{line},{owner},,{hash},160").into_bytes(),
            1_005 => format!("key {line},{owner},,{hash},40").into_bytes(),
            1_006 => format!("key {line},{owner},,{},160", sha256(&token(2))).into_bytes(),
            1_007 => format!("key {line},{owner},never:declared,{hash},160").into_bytes(),
            2_501 => format!("key {line},{owner},,{hash},many").into_bytes(),
            _ => format!("\"key, {line}\",{owner},,{hash},160").into_bytes(),
        };
        file.extend(row);
        file.push(b'\n');
    }
    (file, bad)
}

#[test]
fn a_file_of_keys_comes_in_but_for_its_bad_lines() {
    // M4
    let desk = Desk::new();
    let (file, bad) = old_keys();
    desk.file("old.csv", file);
    let before = desk.revision();

    let dry = desk.import("old.csv", &["--dry-run"]);
    assert_eq!((dry.code, desk.revision()), (Some(5), before), "{dry:?}");
    assert_eq!(desk.checks(&token(2)), Some(3));

    let wet = desk.import("old.csv", &[]);
    assert_eq!(wet.code, Some(5), "{}", wet.err);
    let told: Vec<&str> = wet.out.lines().collect();
    assert_eq!(told.len(), bad.len() + 1, "{}", wet.out);
    for ((line, words), told) in bad.iter().zip(&told) {
        assert!(told.starts_with(&format!("line {line}: ")) && told.contains(words), "{told}");
    }
    assert_eq!(told[bad.len()], "2490 imported, 10 bad");
    assert_eq!(wet.err, "", "no bar where nobody looks on");
    assert_eq!(desk.revision(), before + 2_490);
    for line in [2, 4, 999, 1_000, 1_008, 2_500] {
        assert_eq!(desk.checks(&token(line)), Some(0), "{line}");
    }
    for line in bad.keys() {
        assert_eq!(desk.checks(&token(*line)), Some(3), "{line}");
    }

    // Run again, every row that is in is told so, with its key.
    let again = desk.import("old.csv", &["--json"]);
    assert_eq!((again.code, again.err.as_str()), (Some(5), "0 imported, 2500 bad\n"));
    let results: Vec<Value> = again.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!((results.len(), results[0]["line"].as_u64()), (2_500, Some(2)));
    assert_eq!(results[0]["error"]["reason"], "HASH_EXISTS");
    let id = results[0]["error"]["existing_key_id"].as_str().unwrap();
    let shown = desk.json(&["show", id]);
    assert_eq!(shown["key"]["name"], "key, 2");
    assert_eq!(shown["key"]["secrets"][0]["scheme"], "sha256");

    let rotated = desk.json(&["rotate", id]);
    let new = rotated["api_key"].as_str().unwrap();
    assert_eq!((desk.checks(new), desk.checks(&token(2))), (Some(0), Some(0)));
}

#[test]
fn another_systems_secret_is_taken_in_once_and_its_keys_work() {
    // K2
    let desk = Desk::new();
    let secret = desk.file("secret", "their-hmac-secret\n");
    let secret = secret.to_str().unwrap();
    let added = desk.json(&["import-scheme", "add", "acme", "--secret-file", secret]);
    assert_eq!(added["scheme"]["scheme"], "hmac-sha256:acme");
    let refused = desk.run(&["import-scheme", "add", "acme", "--secret-file", secret, "--exact"], "");
    assert_eq!(refused.code, Some(1));
    assert!(refused.err.contains("SCHEME_EXISTS") && refused.err.contains("next: "), "{}", refused.err);

    let key = hmac::Key::new(hmac::HMAC_SHA256, b"their-hmac-secret");
    let hash = |token: &str| hex(hmac::sign(&key, token.as_bytes()).as_ref());
    let lines = [
        json!({ "name": "one", "hmac_sha256": hash("token-one"), "metadata": { "team": "blue" } }),
        json!({ "name": "two", "hmac_sha256": hash("token-two"), "scheme": "nobody" }),
        json!({ "nme": "three" }),
        json!({ "name": "four", "sha256": sha256("token-four"), "secret_bits": 64 }),
    ];
    let lines = lines.map(|line| line.to_string()).join("\n");
    let lines = [
        lines,
        json!({ "name": "five", "sha512": sha256("token-five") }).to_string(),
        json!({ "name": "six", "hmac_sha256": "00" }).to_string(),
        format!(r#"{{ "name": "seven", "sha256": "{}", "name": "six" }}"#, sha256("token-seven")),
        json!({ "name": "eight", "hmac_sha256": hash("token-one") }).to_string(),
    ]
    .join("\n");
    let flags = ["import", "-", "--format", "jsonl", "--scheme", "acme", "--scope", "messaging:send"];
    let flags = [&flags[..], &["--secret-bits", "192", "--prefix", "tok_", "--allow-weak"]].concat();
    let ended = desk.run(&flags, &lines);
    assert_eq!(ended.code, Some(5), "{ended:?}");
    assert!(ended.out.contains("line 2: scheme: there is no import scheme `nobody`"), "{}", ended.out);
    assert!(ended.out.contains("line 3: nme: there is no such field"), "{}", ended.out);
    for told in [
        "line 5: sha512: must be 64 bytes",
        "line 6: hmac_sha256: must be 32 bytes",
        "line 7: name: stands twice",
        "line 8: hmac_sha256: the row of line 1 has this hash already",
    ] {
        assert!(ended.out.contains(told), "{told}: {}", ended.out);
    }
    assert!(ended.out.ends_with("2 imported, 6 bad\n"), "{}", ended.out);
    assert_eq!((desk.checks("token-one"), desk.checks("token-four")), (Some(0), Some(0)));

    let listed = desk.run(&["import-scheme", "list"], "");
    assert_eq!(listed.code, Some(0));
    assert!(listed.out.contains("hmac-sha256:acme  1 "), "{}", listed.out);
    assert!(!listed.out.contains("their-hmac-secret"));
    let schemes = desk.json(&["import-scheme", "list"]);
    assert_eq!(schemes["schemes"][1], json!({ "scheme": "sha256", "live_secrets": 1, "create_time": null }));
}

#[test]
fn a_file_that_cannot_be_read_as_one_is_refused_before_anything_is_sent() {
    let desk = Desk::new();
    let before = desk.revision();
    for (name, content, flags, words) in [
        ("a.txt", "name\n", &[][..], "--format csv or --format jsonl"),
        ("a.csv", "name,nickname\n", &[], "there is no column `nickname`"),
        ("b.csv", "name,name\n", &[], "stands twice"),
        ("c.csv", "name;sha256;prefix\n", &[], "divided by semicolons: divide them by commas"),
        ("d.csv", "name\tsha256\n", &[], "divided by tabs: divide them by commas"),
        ("e.csv", "name,sha256,\n", &[], "a comma too many"),
        ("f.csv", "name,\"sha256\n", &[], "no line of column names"),
        ("g.csv", "name,sha256\rone,x\rtwo,y", &[], "carriage return"),
        ("empty-file.csv", "", &[], "no line of column names"),
        ("h.csv", "name\n", &["--expires", "ninety days"], "it has no number in digits"),
        ("i.csv", "name\n", &["--expires", "3 months"], "months and years differ in length"),
        ("missing.csv", "", &["--format", "csv"], "cannot read"),
    ] {
        if name != "missing.csv" {
            desk.file(name, content);
        }
        let ended = desk.import(name, flags);
        assert!(matches!(ended.code, Some(1 | 2)), "{name}: {ended:?}");
        assert!(ended.err.contains(words), "{name}: {}", ended.err);
    }
    desk.file("empty.csv", "name,sha256\n\n");
    let empty = desk.import("empty.csv", &[]);
    assert_eq!((empty.code, empty.out.as_str()), (Some(0), "0 imported, 0 bad\n"));
    assert_eq!(desk.revision(), before);
}

#[test]
fn whoever_gives_import_to_a_key_of_one_workspace_is_warned() {
    // X9, M4
    let desk = Desk::new();
    let issued = |flags: &[&str]| {
        let ended = desk.run(&[&["issue", "ops", "--admin-scope", "keys:import"], flags].concat(), "");
        assert_eq!(ended.code, Some(0), "{ended:?}");
        ended.err
    };
    let told = issued(&[]);
    assert!(told.contains("Warning: this key is bound to one workspace and may import."), "{told}");
    let told = issued(&["--global"]);
    assert!(!told.contains("Warning"), "{told}");
}

#[test]
fn a_line_break_within_quotes_makes_no_key_that_nobody_has_written_as_a_row() {
    // K1, S5
    let desk = Desk::new();
    let row = |name: &str, owner: &str, line: usize| format!("{name},{owner},{},160", sha256(&token(line)));
    // A text of somebody's own with the line of another key in it.
    let text = format!("\"innocent\n{}\nthe end\"", row("mine", "the-owner-of-all", 900));
    let rows = [
        "name,owner,sha256,secret_bits".to_owned(),
        row("one", "ann", 2),
        row(&text, "mallory", 3),
        row("two", "bob", 6),
        row("three", "\"carl\r\nor another\"", 7),
        row("\"four\"", "dora", 9),
    ];
    desk.file("old.csv", rows.join("\r\n"));
    let ended = desk.import("old.csv", &[]);
    assert_eq!(ended.code, Some(5), "{ended:?}");
    let told: Vec<_> = ended.out.lines().collect();
    assert_eq!(told.len(), 3, "{}", ended.out);
    assert!(
        told[0].starts_with("line 3: name: a line break stands in quotes: lines 3 to 5 are one row"),
        "{}",
        told[0]
    );
    assert!(told[1].starts_with("line 7: owner: a line break stands in quotes: lines 7 to 8"), "{}", told[1]);
    assert_eq!(told[2], "3 imported, 2 bad");
    for (line, code) in [(2, 0), (900, 3), (3, 3), (6, 0), (7, 3), (9, 0)] {
        assert_eq!(desk.checks(&token(line)), Some(code), "{line}");
    }
}

#[test]
fn a_quote_that_is_not_closed_is_told_where_it_opens_and_nothing_behind_it_is_taken() {
    // K1, S5
    let row = |name: &str, line: usize| format!("{name},{},160", sha256(&token(line)));
    let header = "name,sha256,secret_bits".to_owned();
    for (opens, words) in [
        (row("\"two", 3), "is not closed up to the end of the file"),
        (row("\"two\" and more", 3), "has something behind its end"),
    ] {
        let desk = Desk::new();
        let rows = [header.clone(), row("one", 2), opens, row("three", 4), row("four", 5)];
        desk.file("old.csv", rows.join("\n"));
        let ended = desk.import("old.csv", &[]);
        assert_eq!((ended.code, ended.out.as_str()), (Some(1), ""), "{ended:?}");
        for words in [
            "line 3: name: the quote that opens here",
            words,
            "nothing from line 3 on was taken",
            "1 rows are in",
        ] {
            assert!(ended.err.contains(words), "{words}: {}", ended.err);
        }
        for (line, code) in [(2, 0), (3, 3), (4, 3), (5, 3)] {
            assert_eq!(desk.checks(&token(line)), Some(code), "{line}");
        }
        // Mended, the same command goes on.
        desk.file("old.csv", [header.clone(), row("one", 2), row("two", 3), row("three", 4)].join("\n"));
        let again = desk.import("old.csv", &[]);
        assert_eq!(again.code, Some(5), "the first is in already: {again:?}");
        assert!(
            again.out.contains("line 2: sha256: ") && again.out.ends_with("2 imported, 1 bad\n"),
            "{}",
            again.out
        );
    }
}

#[test]
fn the_last_second_of_the_calendar_is_a_time_and_null_is_absent() {
    // K1, M4
    const LAST: &str = "9999-12-31T23:59:59Z";
    let desk = Desk::new();
    let line = |name: &str, line: usize, more: Value| {
        let mut row = json!({ "name": name, "sha256": sha256(&token(line)), "secret_bits": 160 });
        row.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        row.to_string()
    };
    let nothing = sha256("");
    let lines = [
        line("last", 1, json!({ "expire_time": LAST, "owner": null, "metadata": { "team": null } })),
        line("null", 2, json!({ "expire_time": null, "scopes": null, "metadata": null })),
        line("words", 3, json!({ "expire_time": "90 days" })),
        line("number", 4, json!({ "owner": 7 })),
        line("padding", 5, json!({ "last_four": "a=bc" })),
        json!({ "name": "nothing", "sha256": nothing, "secret_bits": 160 }).to_string(),
    ];
    desk.file("old.jsonl", lines.join("\n"));
    let ended = desk.import("old.jsonl", &["--json"]);
    let results: Vec<Value> = ended.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let fields: Vec<_> = results.iter().map(|result| result["error"]["field"].as_str()).collect();
    let expected = [None, None, Some("expire_time"), Some("owner"), Some("last_four"), Some("sha256")];
    assert_eq!(fields, expected, "{}", ended.out);
    assert!(results[2]["error"]["message"].as_str().unwrap().contains("a lifetime is no time"));
    let shown = desk.json(&["show", results[0]["key_id"].as_str().unwrap()]);
    assert_eq!((&shown["key"]["expire_time"], &shown["key"]["owner"]), (&json!(LAST), &json!("")));
    let id = desk.json(&["issue", "late", "--scope", "messaging:send", "--expires", LAST]);
    assert_eq!(id["key"]["expire_time"], json!(LAST));
    let id = id["key"]["id"].as_str().unwrap();
    let updated = desk.json(&["update", id, "--expires", "9999-12-31T23:59:59.999Z"]);
    assert_eq!(updated["key"]["expire_time"], json!("9999-12-31T23:59:59.999Z"));
    let list = desk.json(&["list", "--issued-before", LAST]);
    assert_eq!(list["keys"].as_array().unwrap().len(), 4);
}
