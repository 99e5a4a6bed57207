//! The documents do not drift from the program: what they list is what there is.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

#[path = "docs/figures.rs"]
mod figures;
#[path = "support/skip.rs"]
#[allow(dead_code, unreachable_pub, reason = "a part of it is used")]
mod skip;

#[path = "docs/documents.rs"]
mod documents;
#[path = "docs/flags.rs"]
mod flags;
#[path = "docs/house.rs"]
mod house;
#[path = "../benches/size/measures.rs"]
#[allow(dead_code, unreachable_pub, reason = "a part of it is used")]
mod measures;
#[path = "docs/metrics.rs"]
mod metrics;
#[path = "docs/surface.rs"]
mod surface;

use std::{fs, path::Path, process::Command};

use clap::CommandFactory as _;
use keyward::{
    config::{Config, LogFormat},
    domain::{
        environment::Environments,
        gateway::Gateway,
        secret::{Prefix, PresentedKey, SecretKey},
    },
    server::limits::ListenerLimits,
    wire::v1::{DenialReason, ErrorReason},
};

const HTTP: &str = include_str!("../docs/http.md");
const WIRE: &str = include_str!("../docs/wire.md");
const SECURITY: &str = include_str!("../docs/security.md");
const OPERATING: &str = include_str!("../docs/operating.md");

/// How many promises there are under each letter.
const PROMISES: [(char, u32); 15] = [
    ('A', 6),
    ('C', 6),
    ('D', 12),
    ('E', 3),
    ('H', 14),
    ('K', 12),
    ('L', 19),
    ('M', 7),
    ('O', 3),
    ('P', 4),
    ('R', 5),
    ('S', 10),
    ('T', 4),
    ('V', 4),
    ('X', 9),
];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The rows of all tables of a document, each as its cells.
fn rows(markdown: &str) -> impl Iterator<Item = Vec<&str>> {
    markdown.lines().filter_map(|line| {
        let cells = line.strip_prefix("| ")?.strip_suffix('|')?;
        Some(cells.split(" |").map(str::trim).collect())
    })
}

fn is_promise(id: &str) -> bool {
    let mut letters = id.chars();
    let Some(letter) = letters.next() else { return false };
    let number: Option<u32> = letters.as_str().parse().ok();
    PROMISES.iter().any(|(known, last)| {
        *known == letter
            && number.is_some_and(|number| (1..=*last).contains(&number) && id == format!("{letter}{number}"))
    })
}

/// What is wrong with `file::test`, if anything is.
fn fault_of(named: &str) -> Option<String> {
    let Some((file, test)) = named.split_once("::") else { return Some(format!("{named}: names no test")) };
    let Ok(code) = fs::read_to_string(root().join(file)) else {
        return Some(format!("{named}: there is no such file"));
    };
    let is_there = code.contains(&format!("fn {test}(")) || code.contains(&format!("fn {test}<"));
    (!is_there).then(|| format!("{named}: there is no such test"))
}

#[test]
fn each_promise_is_one_and_each_test_is_there() {
    let (_, table) = SECURITY.split_once("## What is promised").expect("the section");
    let promises: Vec<_> = rows(table).filter(|cells| !["id", "---"].contains(&cells[0])).collect();
    assert!(promises.len() > 30, "{}", promises.len());
    let mut faults = Vec::new();
    let mut seen = Vec::new();
    for cells in promises {
        let [id, _, shown_by] = cells.as_slice() else { panic!("three cells: {cells:?}") };
        if !is_promise(id) || seen.contains(id) {
            faults.push(format!("{id}: no promise, or twice"));
        }
        seen.push(id);
        let tests: Vec<_> = shown_by.split(", ").map(|test| test.trim_matches('`')).collect();
        faults.extend(tests.into_iter().filter_map(fault_of));
    }
    assert!(faults.is_empty(), "\n{}\n", faults.join("\n"));
}

#[test]
fn every_measure_of_the_bench_is_explained_and_no_other() {
    let text = fs::read_to_string(root().join("docs/performance.md")).unwrap();
    let (_, table) = text.split_once("| measure |").expect("the table");
    let explained: Vec<&str> = rows(table.split("\n\n").next().unwrap())
        .map(|cells| cells[0])
        .filter(|name| *name != "---")
        .collect();
    let measured: Vec<&str> = measures::MEASURES.iter().map(|(_, name, _)| *name).collect();
    assert_eq!(explained, measured);
    let flags = fs::read_to_string(root().join("scripts/bench")).unwrap();
    for cells in rows(&text).filter(|cells| cells[0].starts_with("`size --")) {
        let flag = cells[0].trim_matches('`').split(' ').nth(1).unwrap();
        assert!(flags.contains(flag), "{flag}");
    }
}

#[test]
fn a_promise_that_is_none_and_a_test_that_is_missing_are_noticed() {
    for (id, expected) in [
        ("K1", true),
        ("K12", true),
        ("K13", false),
        ("K0", false),
        ("K01", false),
        ("Z1", false),
        ("K", false),
        ("", false),
    ] {
        assert_eq!(is_promise(id), expected, "{id}");
    }
    assert_eq!(fault_of("tests/docs.rs::each_promise_is_one_and_each_test_is_there"), None);
    assert!(fault_of("tests/docs.rs::no_such_test").is_some());
    assert!(fault_of("tests/no_such_file.rs::no_such_test").is_some());
    assert!(fault_of("tests/docs.rs").is_some(), "no test");
}

#[test]
fn every_reason_is_explained_and_no_other() {
    let named = |column: &str, prefix: &str, name: fn(i32) -> Option<&'static str>| {
        let (_, table) = WIRE.split_once(&format!("| {column} |")).expect("the table");
        let table = table.split("\n\n").next().unwrap();
        let found: Vec<&str> =
            rows(table).map(|cells| cells[0].trim_matches('`')).filter(|name| *name != "---").collect();
        let mut expected: Vec<&str> =
            (1..1_000).filter_map(name).map(|name| name.strip_prefix(prefix).unwrap()).collect();
        let mut sorted = found.clone();
        sorted.sort_unstable();
        expected.sort_unstable();
        assert_eq!(sorted, expected, "{column}");
    };
    named("ErrorReason", "ERROR_REASON_", |value| {
        ErrorReason::try_from(value).ok().map(|reason| reason.as_str_name())
    });
    named("DenialReason", "DENIAL_REASON_", |value| {
        DenialReason::try_from(value).ok().map(|reason| reason.as_str_name())
    });
}

#[test]
fn every_reason_has_the_code_of_its_comment() {
    let proto = include_str!("../proto/keyward/v1/error_reason.proto");
    let (_, table) = WIRE.split_once("| ErrorReason |").expect("the table");
    let table = table.split("\n\n").next().unwrap();
    let (mut code, mut count) = ("", 0);
    for line in proto.lines().map(str::trim) {
        if let Some(text) = line.strip_prefix("// ") {
            let is_code =
                |word: &&str| word.len() > 4 && word.bytes().all(|b| b.is_ascii_uppercase() || b == b'_');
            let words = text.rsplit(' ').map(|word| word.trim_end_matches(['.', ',', ';', ':']));
            code = words.into_iter().find(is_code).unwrap_or(code);
        } else if let Some(name) = line.strip_prefix("ERROR_REASON_").and_then(|rest| rest.split(' ').next())
            && name != "UNSPECIFIED"
        {
            let row = rows(table).find(|cells| cells[0] == format!("`{name}`")).unwrap();
            assert_eq!(row[1], code, "{name}");
            count += 1;
        }
    }
    assert!(count > 40, "{count}");
}

#[test]
fn every_rpc_is_listed_with_the_admin_scope_of_its_comment() {
    let mut known = Vec::new();
    for file in ["key_service", "workspace_service", "policy_service", "audit_service"] {
        let proto = fs::read_to_string(root().join(format!("proto/keyward/v1/{file}.proto"))).unwrap();
        let service =
            proto.lines().find_map(|line| line.strip_prefix("service ")?.strip_suffix(" {")).unwrap();
        let mut comment = String::new();
        for line in proto.lines().map(str::trim) {
            if let Some(text) = line.strip_prefix("// ") {
                comment.push_str(text);
            } else if let Some(rpc) = line.strip_prefix("rpc ").and_then(|rpc| rpc.split('(').next()) {
                let name = format!("`{service}.{rpc}`");
                let row = rows(WIRE).find(|cells| cells[0] == name);
                let row = row.unwrap_or_else(|| panic!("docs/wire.md lacks {name}"));
                for scope in comment.split('`').filter(|text| is_admin_scope(text)) {
                    assert!(row[1].contains(scope), "{name}: {scope} is missing");
                }
                known.push(name);
                comment.clear();
            } else {
                comment.clear();
            }
        }
    }
    let is_rpc = |cell: &str| cell.starts_with('`') && cell.contains("Service.") && !cell.contains(' ');
    let told = rows(WIRE).map(|cells| cells[0].to_owned()).filter(|cell| is_rpc(cell));
    let wrong: Vec<_> = told.filter(|name| !known.contains(name)).collect();
    assert!(wrong.is_empty() && known.len() > 40, "docs/wire.md lists what is no RPC: {wrong:?}");
}

fn is_admin_scope(text: &str) -> bool {
    keyward::domain::admin::AdminScope::parse(text).is_ok()
}

#[test]
fn every_limit_of_the_way_in_stands_there_with_its_value() {
    let limits = format!("{:?}", ListenerLimits::default());
    let fields = limits.strip_prefix("ListenerLimits { ").and_then(|text| text.strip_suffix(" }")).unwrap();
    for field in fields.split(", ") {
        let (name, value) = field.split_once(": ").unwrap();
        let row = rows(OPERATING).find(|cells| cells[0] == format!("`{name}`"));
        let row = row.unwrap_or_else(|| panic!("docs/operating.md lacks {name}, {value}"));
        let shown: String = row[1].chars().filter(|letter| !matches!(letter, ' ' | ',')).collect();
        assert_eq!(shown, value, "{name}");
    }
}

#[test]
fn every_flag_of_the_server_stands_there_with_its_variable_and_default() {
    // M5
    let table =
        OPERATING.split_once("| flag | environment variable |").unwrap().1.split("\n\n").next().unwrap();
    let program = keyward::cli::Cli::command();
    let mut faults = Vec::new();
    for command in ["serve", "init", "recover", "doctor"] {
        let command = program.find_subcommand(command).unwrap();
        for flag in command.get_arguments().filter(|flag| flag.get_id() != "help") {
            let name = format!("--{}", flag.get_long().unwrap());
            let row = rows(table).find(|cells| cells[0].trim_matches('`').split(' ').next() == Some(&name));
            let Some(row) = row else {
                faults.push(format!("{name} is missing"));
                continue;
            };
            let variable = flag.get_env().and_then(|name| name.to_str()).unwrap_or_default();
            let default =
                flag.get_default_values().first().and_then(|value| value.to_str()).unwrap_or_default();
            let takes_value = flag.get_action().takes_values();
            if row[1].trim_matches('`') != variable || (takes_value && !row[2].contains(default)) {
                faults.push(format!("{name}: {row:?}, and not {variable:?}, {default:?}"));
            }
            if !row[3].contains(command.get_name()) {
                faults.push(format!("{name} is one of {} too", command.get_name()));
            }
        }
    }
    assert!(faults.is_empty(), "\n{}\n", faults.join("\n"));
}

#[test]
fn the_conditions_of_a_check_stand_there_in_the_order_of_the_code() {
    // S7
    let code = include_str!("../src/domain/decision/mod.rs");
    let (_, list) = code.split_once("const CONDITIONS: ").unwrap();
    let (_, list) = list.split_once("= [").unwrap();
    let lines = list.split(']').next().unwrap().lines().filter_map(|line| line.split_once(','));
    let words =
        lines.map(|(name, words)| words.trim().strip_prefix("// ").unwrap_or_else(|| panic!("{name}")));
    let expected = std::iter::once("the credential").chain(words).chain(["limits"]);
    let (_, told) = WIRE.split_once("the first that fails is the denial's `reason`: ").unwrap();
    let told = told.split(". Mode EXPLAIN").next().unwrap().replace('\n', " ");
    assert_eq!(told.split(", ").collect::<Vec<_>>(), expected.collect::<Vec<_>>());
}

#[test]
fn every_exit_code_stands_there_and_in_the_help() {
    use keyward::cli::{
        EXIT_DENIED, EXIT_EXPOSED, EXIT_FAILURE, EXIT_LOG_BROKEN, EXIT_NOT_DURABLE, EXIT_ROWS_BAD, EXIT_USAGE,
    };
    let known = [
        0,
        EXIT_FAILURE,
        EXIT_USAGE,
        EXIT_DENIED,
        EXIT_LOG_BROKEN,
        EXIT_ROWS_BAD,
        EXIT_EXPOSED,
        EXIT_NOT_DURABLE,
    ];
    let table = OPERATING.split_once("| code | meaning |").unwrap().1.split("\n\n").next().unwrap();
    let told: Vec<u8> = rows(table).filter_map(|cells| cells[0].parse().ok()).collect();
    assert_eq!(told, known);
    let code = include_str!("../src/cli/exit.rs");
    assert_eq!(code.matches("pub const EXIT_").count() + 1, known.len(), "one is not in this list");
    let help = keyward::cli::Cli::command().get_after_help().unwrap().to_string();
    assert!(known.iter().all(|code| help.contains(&format!("\n  {code}  "))), "{help}");
}

/// All of the source, without backticks, and with strings that go on in the next line put together.
fn source() -> String {
    let mut found = String::new();
    let mut folders = vec![root().join("src")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                found.push_str(&fs::read_to_string(path).unwrap());
            }
        }
    }
    let joined = regex::Regex::new(r"\\\n\s*").unwrap().replace_all(&found, "").into_owned();
    joined.replace('`', "")
}

#[test]
fn what_it_says_when_it_does_not_start_is_what_it_says() {
    // M4
    let source = source();
    for heading in ["## It does not start", "## The anchor"] {
        let (_, section) = OPERATING.split_once(heading).unwrap();
        let section = section.split("\n## ").next().unwrap();
        let said: Vec<&str> =
            rows(section).flat_map(|cells| cells[0].split('`').skip(1).step_by(2)).collect();
        assert!(said.len() > 4, "{heading}: {said:?}");
        for said in said {
            let parts: Vec<_> = said.split('…').flat_map(|part| part.split(" N")).map(str::trim).collect();
            // Within one text of the source: two halves of two messages are no message.
            let is_said = source.split('"').any(|text| {
                let mut rest = Some(text);
                for part in parts.iter().filter(|part| part.len() > 3) {
                    rest = rest.and_then(|rest| rest.split_once(part)).map(|(_, rest)| rest);
                }
                rest.is_some()
            });
            assert!(is_said, "docs/operating.md: {said:?} is no message");
        }
    }
}

#[test]
fn the_example_of_a_configuration_shows_the_defaults_and_every_setting() {
    let path = root().join("examples/keyward.toml");
    let config = Config::load(Some(&path)).unwrap();
    assert_eq!(config.gateway, Gateway::default());
    assert_eq!(config.log_format, LogFormat::default());

    let folder = tempfile::tempdir().unwrap();
    let unknown = folder.path().join("unknown.toml");
    let example = fs::read_to_string(path).unwrap();
    for table in ["", "[gateway]\n", "[[actors]]\n", "[[actors]]\n[actors.ceiling]\n"] {
        fs::write(&unknown, format!("{table}no_such_setting = 1")).unwrap();
        let refused = Config::load(Some(&unknown)).unwrap_err().to_string();
        let (_, known) = refused.split_once("expected ").unwrap();
        for setting in known.split('`').skip(1).step_by(2) {
            // One without a default stands in a comment.
            let is_shown = |line: &str| {
                let line = line.strip_prefix("# ").unwrap_or(line);
                let headings =
                    [format!("[{setting}]"), format!("[[{setting}]]"), format!("[actors.{setting}]")];
                line.starts_with(&format!("{setting} =")) || headings.iter().any(|heading| line == heading)
            };
            assert!(example.lines().any(is_shown), "examples/keyward.toml lacks {setting}");
        }
    }
    // The actor that it shows is one.
    let (_, shown) = example.split_once("# [[actors]]").unwrap();
    let lines: Vec<_> = shown.lines().map(|line| line.strip_prefix("# ").unwrap_or_default()).collect();
    fs::write(&unknown, format!("[[actors]]\n{}", lines.join("\n"))).unwrap();
    assert_eq!(Config::load(Some(&unknown)).unwrap().actors.count(), 1);
}

#[test]
fn every_key_that_is_derived_from_the_roots_is_named() {
    let code = concat!(
        include_str!("../src/domain/root/mod.rs"),
        include_str!("../src/domain/root/keys.rs"),
        include_str!("../src/domain/root/lookup.rs"),
        include_str!("../src/domain/root/facts.rs"),
        include_str!("../src/domain/root/rows.rs"),
    );
    let derived = regex::Regex::new(r#"(?:mac_key|derive|codes)\(b"([a-z ]+)"\)"#).unwrap();
    let security = unwrapped(SECURITY);
    let (_, told) = security.split_once("derives from it one key each for ").unwrap();
    let told = told.split(", which the").next().unwrap();
    let mut expected = Vec::new();
    for name in derived.captures_iter(code).map(|found| found.extract::<1>().1[0]) {
        let words = match name {
            "lookup" => "look-up",
            "rows" => "row codes",
            "anchor" => "the anchor",
            "cursors" => "page tokens",
            "schemes" => "the seal of other systems' secrets",
            "heads" => "the signature of the log's head",
            "layers" => "the layer over earlier roots' hashes",
            "row terms" => "the terms of the sum of all rows",
            "sum seals" => "its seal",
            "check" => "a check value",
            other => panic!("docs/security.md does not know {other}"),
        };
        expected.push(words);
    }
    let told = told.replace(", and ", ", ");
    let mut told: Vec<_> = told.split(", ").collect();
    told.sort_unstable();
    expected.sort_unstable();
    expected.dedup();
    assert_eq!(told, expected);
}

#[test]
fn the_example_of_a_key_is_one() {
    // K4
    let (_, rest) = SECURITY.split_once("assert is_key(\"").unwrap();
    let (key, _) = rest.split_once('"').unwrap();
    assert!(
        matches!(PresentedKey::parse(key, &Environments::default()), Ok(PresentedKey::Native(_))),
        "{key}"
    );
    assert!(SECURITY.contains(&format!("{} {} {}", &key[..8], &key[8..51], &key[51..])), "the drawing");
}

/// The expression for scanners, as docs/security.md has it.
fn expression() -> &'static str {
    let (_, rest) =
        SECURITY.split_once("For a secret scanner, with the default prefixes:\n\n```text\n").unwrap();
    rest.split_once("\n```").unwrap().0
}

/// New keys of each of the default prefixes.
fn new_keys() -> Vec<String> {
    let entropy = keyward::system::SystemEntropy::default();
    let prefixes = ["kw_live_", "kw_test_", "kw_admin_"].map(|text| Prefix::parse(text).unwrap());
    let each = |prefix: &Prefix| {
        let made = |_| SecretKey::generate(prefix, &entropy).unwrap().reveal().as_str().to_owned();
        (0..50).map(made).collect::<Vec<_>>()
    };
    prefixes.iter().flat_map(each).collect()
}

/// The same with a wrong checksum.
fn spoiled(key: &str) -> String {
    let (rest, last) = key.split_at(key.len() - 1);
    format!("{rest}{}", if last == "a" { "b" } else { "a" })
}

#[test]
fn the_expression_for_scanners_finds_every_key_and_stands_in_the_rules() {
    // K4
    let expression = regex::Regex::new(expression()).unwrap();
    for key in new_keys() {
        for text in [
            key.clone(),
            format!("export KEY='{key}'"),
            format!("{{\"key\":\"{key}\"}}"),
            format!("({key})."),
        ] {
            assert!(expression.is_match(&text), "{text}");
        }
        for text in [format!("x{key}"), format!("{key}x"), format!("{key}_"), key.replace("kw_", "kx_")] {
            assert!(!expression.is_match(&text), "{text}");
        }
    }
    let example = SECURITY.split_once("assert is_key(\"").unwrap().1.split_once('"').unwrap().0;
    assert!(!example.contains("abcdefghijklmnopqrstuvwxyz") && expression.is_match(&format!("{example}\"")));
    let [gitleaks, kingfisher] = [
        include_str!("../examples/scanners/gitleaks.toml"),
        include_str!("../examples/scanners/kingfisher.yml"),
    ];
    for part in ["(?:kw_live_|kw_test_|kw_admin_)", "(?:[^0-9A-Za-z_]|$)"] {
        assert!(expression.as_str().contains(part));
        assert!(gitleaks.contains(part) && kingfisher.contains(part), "{part}");
    }
}

/// A folder with 150 keys in one file, the same spoiled in another, and the example of the documents in a third.
fn folder_of_keys() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let keys = new_keys();
    let spoiled: Vec<_> = keys.iter().map(|key| spoiled(key)).collect();
    fs::write(folder.path().join("keys.txt"), keys.join("\n")).unwrap();
    fs::write(folder.path().join("spoiled.txt"), spoiled.join("\n")).unwrap();
    fs::write(folder.path().join("security.md"), SECURITY).unwrap();
    folder
}

#[test]
fn gitleaks_finds_keys_by_the_rule_that_is_shipped() {
    // K4
    let Some(gitleaks) = skip::tool("gitleaks") else { return };
    let (folder, reports) = (folder_of_keys(), tempfile::tempdir().unwrap());
    let report = reports.path().join("report.json");
    let mut command = Command::new(gitleaks);
    command.args([
        "dir",
        "--no-banner",
        "--redact",
        "--exit-code",
        "0",
        "--report-format",
        "json",
        "--report-path",
    ]);
    command
        .arg(&report)
        .arg("--config")
        .arg(root().join("examples/scanners/gitleaks.toml"))
        .arg(folder.path());
    let ended = command.output().unwrap();
    assert!(ended.status.success(), "{ended:?}");
    let report: serde_json::Value = serde_json::from_str(&fs::read_to_string(report).unwrap()).unwrap();
    let of_ours = |finding: &&serde_json::Value| finding["RuleID"] == "keyward-api-key";
    let found: Vec<_> = report.as_array().unwrap().iter().filter(of_ours).collect();
    let in_file =
        |name: &str| found.iter().filter(|finding| finding["File"].as_str().unwrap().ends_with(name)).count();
    assert_eq!(in_file("keys.txt"), 150);
    assert!(in_file("security.md") >= 1, "the example of the documents");
}

#[test]
fn kingfisher_finds_keys_by_the_rule_that_is_shipped_and_no_others() {
    // K4
    let Some(kingfisher) = skip::tool("kingfisher") else { return };
    let (folder, cache) = (folder_of_keys(), tempfile::tempdir().unwrap());
    let mut command = Command::new(kingfisher);
    command.args([
        "scan",
        "--no-validate",
        "--no-update-check",
        "--no-dedup",
        "--load-builtins",
        "false",
        "--format",
        "json",
    ]);
    command.arg("--rule-cache-dir").arg(cache.path());
    command
        .arg("--rules-path")
        .arg(root().join("examples/scanners/kingfisher.yml"))
        .args(["--rule", "keyward.api_key.1"]);
    let ended = command.arg(folder.path()).output().unwrap();
    let report = String::from_utf8(ended.stdout).unwrap();
    let found = |report: &str, name: &str| report.matches(&format!("{name}\"")).count();
    assert_eq!((found(&report, "keys.txt"), found(&report, "spoiled.txt")), (150, 0), "{report}");
    assert!(found(&report, "security.md") >= 1, "the example of the documents");
}

/// A text as it reads, wherever its lines are broken.
fn unwrapped(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn the_figures_in_running_text_are_those_of_the_source() {
    // M4
    let mut faults = Vec::new();
    for (document, said, file, made) in figures::FIGURES {
        let text = fs::read_to_string(root().join("docs").join(document)).unwrap();
        if !unwrapped(&text).contains(&unwrapped(said)) {
            faults.push(format!("docs/{document} does not say {said:?} any more"));
        }
        let source = fs::read_to_string(root().join("src").join(file));
        if !source.is_ok_and(|source| source.contains(made)) {
            faults.push(format!("src/{file} has no {made:?}, and docs/{document} says {said:?}"));
        }
    }
    assert!(faults.is_empty(), "\n{}\n", faults.join("\n"));
}

#[test]
fn every_answer_that_has_pages_is_named() {
    let mut paged = Vec::new();
    for entry in fs::read_dir(root().join("proto/keyward/v1")).unwrap() {
        let proto = fs::read_to_string(entry.unwrap().path()).unwrap();
        for message in proto.split("\nmessage ").skip(1) {
            let (name, fields) = message.split_once(" {").unwrap();
            if fields.split("\n}").next().unwrap().contains("string next_page_token = ") {
                paged.push(name.strip_suffix("Response").unwrap().to_owned());
            }
        }
    }
    let paragraphs = WIRE.split("\n\n").map(unwrapped);
    let tellers = paragraphs.filter_map(|paragraph| {
        paragraph.split_once(" answer with `next_page_token`").map(|(told, _)| told.to_owned())
    });
    let told = tellers.last().unwrap();
    let told = told.split('`').skip(1).step_by(2);
    let mut told: Vec<_> = told.map(str::to_owned).collect();
    told.sort_unstable();
    paged.sort_unstable();
    assert_eq!(told, paged);
}

#[test]
fn every_status_of_plain_http_is_described_and_explained() {
    let described: serde_json::Value = serde_json::from_str(include_str!("../openapi/keyward.json")).unwrap();
    let answers = described["paths"]["/v1/check"]["post"]["responses"].as_object().unwrap();
    // Of another method than the one that is described there.
    let mut described: Vec<_> = answers.keys().cloned().chain(["405".to_owned()]).collect();
    let (_, table) = HTTP.split_once("## Statuses").unwrap();
    let is_status = |cell: &str| cell.parse::<u16>().is_ok();
    let mut told: Vec<_> =
        rows(table).map(|cells| cells[0].to_owned()).filter(|cell| is_status(cell)).collect();
    told.sort_unstable();
    told.dedup();
    described.sort_unstable();
    assert_eq!(told, described);
}
