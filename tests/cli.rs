//! The real binary at the hands of a person and of a script: a server in the background, one command after another.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

#[path = "support/desk.rs"]
mod desk;
#[path = "support/process.rs"]
mod process;

use std::{
    fs,
    path::PathBuf,
    process::{Command, Stdio},
};

use desk::{Desk, text};
use process::{Server, keyward, run};
use rusqlite::Connection;
use serde_json::Value;

impl Desk {
    /// A new key: its id and its secret.
    fn issue(&self, name: &str) -> (String, String) {
        let made = self.json(&["issue", name, "--scope", "messaging:send"]);
        (text(&made["key"]["id"]), text(&made["api_key"]))
    }

    /// Whether a presented secret passes: the exit code of `check`, and what it prints.
    fn check(&self, secret: &str) -> (Option<i32>, String) {
        let ended = self.run(&["check", "--scope", "messaging:send"], secret);
        assert!(!ended.out.contains(secret) && !ended.err.contains(secret), "a check repeats no secret");
        (ended.code, ended.out)
    }
}

/// A secret is one word and one line.
fn is_secret_alone(out: &str) -> bool {
    out.strip_suffix('\n').is_some_and(|secret| {
        secret.starts_with("kw_live_")
            && secret.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
    })
}

#[test]
fn issue_prints_the_secret_alone_and_check_reads_it_from_standard_input() {
    // K2, M4
    let desk = Desk::new();
    let made = desk.run(&["issue", "first key", "--scope", "messaging:send", "--expires", "90d"], "");
    assert_eq!(made.code, Some(0), "{made:?}");
    assert!(is_secret_alone(&made.out), "{made:?}");
    let secret = made.out.trim_end();
    assert!(!made.err.contains(secret), "the secret is shown twice");
    assert!(made.err.contains("shown once") && made.err.contains("key_"), "{}", made.err);

    let (code, shown) = desk.check(&made.out);
    assert_eq!(code, Some(0));
    assert!(shown.starts_with("allowed") && shown.contains("scopes       messaging:send"), "{shown}");
    let file = desk.folder.path().join("first.key");
    fs::write(&file, &made.out).unwrap();
    let as_nobody = desk.stranger(&["check", "--key-file", file.to_str().unwrap()], "");
    assert_eq!(as_nobody.code, Some(0), "on loopback anybody may check: {as_nobody:?}");

    let denied = desk.run(&["check", "--scope", "storage:upload"], secret);
    assert_eq!(denied.code, Some(3), "{denied:?}");
    assert!(denied.out.contains("SCOPE_INSUFFICIENT") && denied.out.contains("storage:upload"), "{denied:?}");
    let denied = desk.run(&["check", "--scope", "storage:upload", "--json"], secret);
    assert_eq!(denied.code, Some(3), "{denied:?}");
    let answer: Value = serde_json::from_str(&denied.out).unwrap();
    assert_eq!(answer["denial"]["reason"], "SCOPE_INSUFFICIENT");
    assert_eq!(answer["denial"]["missing_scopes"][0], "storage:upload");
    assert_eq!(desk.check("kw_live_typing-error").0, Some(3));
}

#[test]
fn a_lifetime_repeated_under_the_same_request_id_is_told_which_key_it_made() {
    // K10, K11
    let desk = Desk::new();
    let issue = ["issue", "ci", "--scope", "messaging:send", "--expires", "90d", "--request-id", "X"];
    let made = desk.json(&issue);
    let id = text(&made["key"]["id"]);
    assert_ne!(made["key"]["expire_time"], Value::Null, "{made}");
    let again = desk.run(&issue, "");
    assert_eq!(again.code, Some(1), "{again:?}");
    assert!(again.err.contains("SECRET_ALREADY_SHOWN") && again.err.contains(&id), "{}", again.err);
    let other = desk.run(&[&issue[..5], &["91d"], &issue[6..]].concat(), "");
    assert!(other.err.contains("REQUEST_ID_REUSED"), "{}", other.err);

    let updated = desk.json(&["update", &id, "--expires", "2w"]);
    assert_ne!(updated["key"]["expire_time"], made["key"]["expire_time"]);
    let absurd = desk.run(&["update", &id, "--expires", "1ns"], "");
    assert!(absurd.err.contains("lifetime") && absurd.err.contains("whole milliseconds"), "{}", absurd.err);
}

#[test]
fn a_workspace_is_registered_with_its_first_key() {
    // T2, T1
    let desk = Desk::new();
    let register = ["workspace", "register", "Example Ltd", "--owner", "ann", "--scope", "messaging:send"];
    let made = desk.run(&register, "");
    assert_eq!(made.code, Some(0), "{made:?}");
    assert!(is_secret_alone(&made.out), "{made:?}");
    assert!(made.err.contains("starter") && made.err.contains("ws_"), "{}", made.err);
    assert_eq!(desk.check(&made.out).0, Some(0));

    let made = desk.json(&[&register[..], &["--plan", "pro"]].concat());
    let workspace = text(&made["workspace"]["id"]);
    assert_eq!((&made["workspace"]["plan"], &made["key"]["owner"]), (&"pro".into(), &"ann".into()));
    let secret = text(&made["api_key"]);
    let within = desk.run(&["check", "--workspace", &workspace], &secret);
    assert_eq!(within.code, Some(0), "{within:?}");
    let (_, other) = desk.issue("of the default workspace");
    let elsewhere = desk.run(&["check", "--workspace", &workspace], &other);
    assert_eq!(elsewhere.code, Some(3));
    assert!(elsewhere.out.contains("WORKSPACE_MISMATCH"), "{elsewhere:?}");
}

#[test]
fn limits_are_set_by_flags_and_shown_with_where_they_come_from() {
    // L5, M4
    let desk = Desk::new();
    let made = desk.json(&["issue", "own", "--scope", "messaging:send", "--limit", "default/hour=7/hour"]);
    let id = text(&made["key"]["id"]);
    let shown = desk.done(&["show", &id]);
    assert!(shown.contains("default/hour=7/hour (the key's own)"), "{shown}");
    assert!(shown.contains("permissions-audit/hour=100/hour (of the tier)"), "{shown}");
    let updated = ["update", &id, "--limit", "default/burst=20+5/1s", "--limit", "all/day=9/day@Asia/Tokyo"];
    let shown = desk.done(&updated);
    assert!(shown.contains("all/day=9/day@Asia/Tokyo (the key's own)"), "{shown}");
    assert!(shown.contains("default/burst=20+5/1s (the key's own)"), "{shown}");
    let cleared = desk.json(&["update", &id, "--clear-limits"]);
    assert_eq!(cleared["key"]["limits"], Value::Null);
    assert_eq!(cleared["key"]["effective_limits"][0]["origin"], "TIER");
    let stamped = desk.json(&["issue", "stamped", "--scope", "messaging:send", "--stamp-limits"]);
    assert_eq!(stamped["key"]["effective_limits"][0]["origin"], "KEY");

    let register = ["workspace", "register", "Example Ltd", "--scope", "messaging:send"];
    let made = desk.json(&[&register[..], &["--workspace-limit", "all/month=90/month:workspace"]].concat());
    let (workspace, secret) = (text(&made["workspace"]["id"]), text(&made["api_key"]));
    let shown = desk.done(&["workspace", "show", &workspace]);
    assert!(shown.contains("all/month=90/month:workspace") && shown.contains("starter"), "{shown}");
    let update = ["workspace", "update", &workspace, "--plan", "pro", "--limit", "default/hour=1/hour"];
    let shown = desk.done(&update);
    assert!(shown.contains("pro") && shown.contains("default/hour=1/hour"), "{shown}");
    let key = desk.done(&["show", &text(&made["key"]["id"])]);
    assert!(key.contains("default/hour=1/hour (the workspace's own)"), "{key}");
    assert_eq!(desk.check(&secret).0, Some(0));
    assert!(desk.check(&secret).1.contains("RATE_LIMITED"));
    let cleared = desk.json(&["workspace", "update", &workspace, "--clear-limits"]);
    assert_eq!(cleared["workspace"]["limits"], Value::Null);
    assert_eq!(desk.check(&secret).0, Some(0), "at once");

    let wrong = desk.run(&["issue", "x", "--scope", "a:b", "--limit", "default/hour=7/fortnight"], "");
    assert_eq!(wrong.code, Some(2), "{wrong:?}");
    let wrong = desk.run(&["update", &id, "--limit", "none-such/hour=7/hour"], "");
    assert_eq!(wrong.code, Some(1), "{wrong:?}");
    assert!(wrong.err.contains("key.limits.tiers[0].tier"), "{wrong:?}");
}

#[test]
fn a_rotation_announces_the_old_secret_as_retiring_and_a_grace_of_0_ends_it() {
    // R1, R2, R4
    let desk = Desk::new();
    let (id, first) = desk.issue("rotated");
    let rotated = desk.run(&["rotate", &id], "");
    assert_eq!(rotated.code, Some(0), "{rotated:?}");
    assert!(is_secret_alone(&rotated.out) && rotated.err.contains("retiring"), "{rotated:?}");
    let second = rotated.out.trim_end();
    assert_ne!(first, second);
    let (code, shown) = desk.check(&first);
    assert_eq!(code, Some(0));
    assert!(shown.contains("generation 1, replaced: valid until"), "{shown}");
    let (code, shown) = desk.check(second);
    assert_eq!(code, Some(0));
    assert!(shown.contains("generation 2\n"), "{shown}");

    let third = desk.done(&["rotate", &id, "--grace", "0"]);
    assert_eq!(desk.check(&third).0, Some(0));
    for ended in [&first, second] {
        let (code, shown) = desk.check(ended);
        assert_eq!(code, Some(3));
        assert!(shown.contains("KEY_EXPIRED"), "{shown}");
    }
}

#[test]
fn a_key_is_revoked_by_its_id_or_by_presenting_it() {
    // V1, V2, V3, K9
    let desk = Desk::new();
    let (id, secret) = desk.issue("by id");
    let revoke = ["revoke", &id, "--reason", "owner-left", "--comment", "ticket 4711"];
    let shown = desk.done(&revoke);
    assert!(shown.contains("owner-left") && shown.contains("ticket 4711"), "{shown}");
    assert!(desk.check(&secret).1.contains("KEY_REVOKED"));
    assert_eq!(desk.done(&revoke), shown, "idempotent");
    let refused = desk.run(&["rotate", &id], "");
    assert_eq!((refused.code, refused.out.as_str()), (Some(1), ""), "{refused:?}");
    assert!(refused.err.contains("KEY_REVOKED") && refused.err.contains("keyward issue"), "{refused:?}");

    let (id, secret) = desk.issue("by possession");
    let second = desk.done(&["rotate", &id]);
    let presented = desk.stranger(&["revoke", "--presented"], &secret);
    assert_eq!(presented.code, Some(0), "{presented:?}");
    assert_eq!(desk.check(&secret).0, Some(3));
    assert_eq!(desk.check(&second).0, Some(0), "a retiring secret ends only itself");
    let nothing = desk.stranger(&["revoke", "--presented"], "kw_live_never-issued");
    assert_eq!((nothing.code, &nothing.out), (presented.code, &presented.out), "the answer never says which");
    assert_eq!(desk.stranger(&["revoke", "--presented"], &second).code, Some(0));
    assert!(desk.check(&second).1.contains("KEY_REVOKED"));
}

#[test]
fn disable_and_enable_are_a_pair_and_update_changes_what_is_named() {
    // K9, S3, M4
    let desk = Desk::new();
    let (id, secret) = desk.issue("switched");
    assert!(desk.done(&["disable", &id, "--comment", "for now"]).contains("disabled"));
    assert!(desk.check(&secret).1.contains("KEY_DISABLED"));
    assert!(desk.done(&["enable", &id]).contains("active"));
    assert_eq!(desk.check(&secret).0, Some(0));

    let updated = desk.json(&["update", &id, "--name", "bound", "--grant", "storage:upload@space/cdn-eu"]);
    assert_eq!(updated["key"]["name"], "bound");
    assert_eq!(updated["key"]["scopes"][0], "messaging:send", "what is not named stays");
    let upload =
        |resource: &str| desk.run(&["check", "--scope", "storage:upload", "--resource", resource], &secret);
    assert_eq!(upload("space/cdn-eu").code, Some(0));
    let elsewhere = upload("space/cdn-us");
    assert_eq!(elsewhere.code, Some(3));
    assert!(elsewhere.out.contains("RESOURCE_NOT_GRANTED"), "{elsewhere:?}");
    let shown = desk.run(&["show", &id], "");
    assert!(shown.out.contains("bound") && shown.out.contains("storage:upload@space/cdn-eu"), "{shown:?}");
    assert!(!shown.out.contains(&secret), "showing a key shows no secret");
    let shown = desk.json(&["show", &id]);
    assert_eq!(shown["key"]["state"], "ACTIVE");
    assert!(!shown.to_string().contains(&secret));
    let explained = desk.run(&["check", "--key-id", &id, "--explain", "--scope", "a:b"], "");
    assert_eq!(explained.code, Some(3));
    assert!(explained.out.contains("SCOPE_INSUFFICIENT"), "{explained:?}");
    let url = "https://api.example.com/v1/files";
    let line = ["check", "--key-id", &id, "--explain", "--request", "GET", url];
    let explained = desk.run(&line, "");
    assert!(explained.out.contains("none: denied as ROUTE_NOT_FOUND"), "{explained:?}");
    let explained = desk.run(&["route", "explain", "GET", url], "");
    assert_eq!(explained.code, Some(3));
    assert!(explained.out.contains("no route is for this request"), "{explained:?}");
}

#[test]
fn many_keys_are_changed_once_their_number_is_confirmed() {
    // V4, M4
    let desk = Desk::new();
    let issue = |name: &str, owner: &str| {
        let made = desk.json(&["issue", name, "--scope", "messaging:send", "--owner", owner]);
        (text(&made["key"]["id"]), text(&made["api_key"]))
    };
    let (first, secret) = issue("one", "ann");
    issue("two", "ann");
    let (_, theirs) = issue("three", "bob");
    let preview = desk.done(&["bulk", "disable", "--owner", "ann"]);
    assert!(preview.starts_with("would be changed  2\n") && preview.contains(&first), "{preview}");
    assert!(preview.contains("--confirm 2"), "{preview}");
    assert_eq!(desk.check(&secret).0, Some(0), "a preview changes nothing");
    let wrong = desk.run(&["bulk", "disable", "--owner", "ann", "--confirm", "3"], "");
    assert_eq!(wrong.code, Some(1));
    assert!(wrong.err.contains("COUNT_CHANGED") && wrong.err.contains("next: "), "{wrong:?}");
    let done = desk.done(&["bulk", "disable", "--owner", "ann", "--confirm", "2", "--comment", "leave"]);
    assert!(done.starts_with("disabled    2\n"), "{done}");
    assert!(desk.check(&secret).1.contains("KEY_DISABLED"));
    assert_eq!(desk.check(&theirs).0, Some(0));
    let about = desk.done(&["audit", "query", "--key-id", &first]);
    assert!(about.contains("grp_") && about.contains("(2 keys)") && about.contains("leave"), "{about}");
    let group = desk.json(&["audit", "query", "--key-id", &first])["records"][0].clone();
    assert_eq!((group["key_count"].as_u64(), group["key_id"].as_str()), (Some(2), Some("")));
    assert_eq!(desk.run(&["audit", "verify"], "").code, Some(0));
    let data_dir = desk.data_dir();
    assert_eq!(desk.run(&["audit", "verify", "--data-dir", data_dir.to_str().unwrap()], "").code, Some(0));

    let enabled = desk.json(&["bulk", "enable", "--owner", "ann", "--confirm", "2", "--request-id", "r"]);
    assert_eq!((enabled["count"].as_u64(), enabled["unchanged_count"].as_u64()), (Some(2), Some(0)));
    let again = ["bulk", "enable", "--owner", "ann", "--confirm", "2", "--request-id", "r"];
    assert!(desk.run(&again, "").err.contains("GROUP_DONE"));
    desk.done(&["bulk", "retire", "--environment", "live", "--at", "90d", "--confirm", "3"]);
    desk.done(&["bulk", "revoke", "--owner", "bob", "--reason", "owner-left", "--confirm", "1"]);
    assert!(desk.check(&theirs).1.contains("KEY_REVOKED"));
    assert_eq!(desk.run(&["bulk", "revoke"], "").code, Some(2), "which keys must be said");
}

#[test]
fn keys_are_exported_as_csv_and_json_lines() {
    // K7
    let desk = Desk::new();
    for name in ["=cmd()", "plain, \"quoted\""] {
        desk.done(&["issue", name, "--scope", "messaging:send", "--metadata", "team=blue"]);
    }
    let csv = desk.done(&["list", "--tag", "team=blue", "--all", "--page-size", "1", "--csv"]);
    let lines: Vec<_> = csv.split_terminator("\r\n").collect();
    assert_eq!(lines.len(), 3, "one header, whatever the pages: {csv}");
    assert!(lines[0].starts_with("id,workspace_id,name,") && csv.ends_with("\r\n"), "{csv}");
    assert!(csv.contains(",'=cmd(),") && csv.contains(",\"plain, \"\"quoted\"\"\","), "{csv}");
    let lines = desk.done(&["list", "--tag", "team", "--never-used", "--older-than", "0", "--all", "--json"]);
    let names = lines.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()["name"].clone());
    assert_eq!(names.collect::<Vec<_>>(), ["plain, \"quoted\"", "=cmd()"]);
    for none in [["--state", "revoked"], ["--min-scopes", "2"], ["--unused-for", "1d"], ["--scope", "a:b"]] {
        let listed = desk.done(&[["list", "--tag", "team"].as_slice(), none.as_slice()].concat());
        assert_eq!(listed.lines().count(), 1, "the header alone: {listed}");
    }
    let both = desk.run(&["list", "--csv", "--json"], "");
    assert_eq!(both.code, Some(2), "{both:?}");
}

#[test]
fn keys_are_listed_as_a_table_as_json_and_page_by_page() {
    // K3, M4
    let desk = Desk::new();
    let issued: Vec<_> = (0..5).map(|number| desk.issue(&format!("number {number}"))).collect();
    let table = desk.done(&["list"]);
    assert!(table.starts_with("ID") && table.lines().count() == 7, "the root key, five, a header: {table}");
    for (id, secret) in &issued {
        assert!(table.contains(id.as_str()) && !table.contains(secret.as_str()), "{table}");
    }
    let all = desk.done(&["list", "--all", "--json", "--page-size", "2"]);
    let ids: Vec<_> =
        all.lines().map(|line| text(&serde_json::from_str::<Value>(line).unwrap()["id"])).collect();
    assert_eq!(ids.len(), 6);

    let (mut paged, mut token) = (Vec::new(), String::new());
    for _page in 0..4 {
        let mut arguments = vec!["list", "--page-size", "2"];
        if !token.is_empty() {
            arguments.extend(["--page-token", &token]);
        }
        let page = desk.json(&arguments);
        paged.extend(page["keys"].as_array().unwrap().iter().map(|key| text(&key["id"])));
        token = text(&page["next_page_token"]);
        if token.is_empty() {
            break;
        }
    }
    assert_eq!((paged, token.as_str()), (ids, ""));
    let first_page = desk.run(&["list", "--page-size", "2"], "");
    assert!(first_page.err.contains("--page-token"), "{first_page:?}");
}

#[test]
fn a_failure_says_what_to_do_next() {
    // M4
    let desk = Desk::new();
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let closed = format!("http://{}", nobody.local_addr().unwrap());
    drop(nobody);
    let unreachable = desk.run(&["check", "--server", &closed], "kw_live_x");
    assert_eq!((unreachable.code, unreachable.out.as_str()), (Some(1), ""), "{unreachable:?}");
    assert!(
        unreachable.err.contains(&closed) && unreachable.err.contains("keyward serve"),
        "{unreachable:?}"
    );

    for wrong in [&["issue"][..], &["check", "--mode", "x"], &["rotate", "not-an-id"], &["bogus"]] {
        let ended = desk.run(wrong, "");
        assert_eq!((ended.code, ended.out.as_str()), (Some(2), ""), "{wrong:?}: {ended:?}");
        assert!(!ended.err.is_empty());
    }
    let past = desk.run(&["issue", "too late", "--scope", "a:b", "--expires", "2001-01-01T00:00:00Z"], "");
    assert_eq!(past.code, Some(1), "{past:?}");
    assert!(past.err.contains("expire_time") && past.err.contains("in the future"), "{past:?}");
    let as_json = desk.run(&["show", "key_00000000000000000000000000", "--json"], "");
    assert_eq!((as_json.code, as_json.out.as_str()), (Some(1), ""), "{as_json:?}");
    let error: Value = serde_json::from_str(&as_json.err).unwrap();
    assert_eq!(
        (&error["error"]["code"], &error["error"]["reason"]),
        (&"NOT_FOUND".into(), &"KEY_NOT_FOUND".into())
    );
}

#[test]
fn the_administration_key_comes_from_a_file_or_the_environment_and_never_from_an_argument() {
    // O2, K2
    let desk = Desk::new();
    let root = fs::read_to_string(desk.root_key()).unwrap().trim_end().to_owned();
    let with = |key: Option<&str>, file: Option<&PathBuf>| {
        let mut command = keyward();
        command.args(["list", "--server", &desk.server.url()]);
        if let Some(key) = key {
            command.env("KEYWARD_ADMIN_KEY", key);
        }
        if let Some(file) = file {
            command.arg("--admin-key-file").arg(file);
        }
        run(command, "")
    };
    assert_eq!(with(Some(&root), None).code, Some(0));
    assert_eq!(with(None, Some(&desk.root_key())).code, Some(0));
    assert_eq!(with(Some("kw_admin_wrong"), Some(&desk.root_key())).code, Some(0), "a named file goes first");
    let missing = with(None, None);
    assert_eq!(missing.code, Some(1));
    assert!(
        missing.err.contains("CALLER_MISSING") && missing.err.contains("KEYWARD_ADMIN_KEY_FILE"),
        "{missing:?}"
    );
    let wrong = with(Some("kw_admin_wrong"), None);
    assert_eq!(wrong.code, Some(1));
    assert!(wrong.err.contains("CALLER_INVALID") && !wrong.err.contains("kw_admin_wrong"), "{wrong:?}");

    let flag = format!("--admin-key={root}");
    for arguments in
        [&["list", "--admin-key", &root][..], &["list", &flag], &["check", &root], &["revoke", &root]]
    {
        let refused = desk.stranger(arguments, "");
        assert_eq!(refused.code, Some(2), "{refused:?}");
        assert!(!refused.err.contains(&root) && refused.out.is_empty(), "it repeats the key: {refused:?}");
    }
}

#[test]
fn every_change_stands_in_the_log_and_an_altered_record_is_named() {
    // A1, A2, A3
    let desk = Desk::new();
    let (id, _) = desk.issue("logged");
    desk.done(&["disable", &id, "--comment", "0123456789"]);
    desk.done(&["enable", &id]);
    let table = desk.done(&["audit", "query", "--key-id", &id]);
    for action in ["key-issue", "key-disable", "key-enable"] {
        assert!(table.contains(action), "{table}");
    }
    let records = desk.json(&["audit", "query", "--action", "key-disable"]);
    assert_eq!(records["records"][0]["comment"], "0123456789");
    let revision = records["records"][0]["revision"].as_i64().unwrap();
    assert_eq!(revision, 3);

    let data_dir = desk.data_dir();
    let offline = ["audit", "verify", "--data-dir", data_dir.to_str().unwrap()];
    let online = desk.json(&["audit", "verify"]);
    assert_eq!((&online["records"], &online["fault"]), (&4.into(), &Value::Null));
    let (mut of_files, mut of_server) = (desk.json(&offline), online);
    assert_eq!(of_files["log"], format!("the files of {}", data_dir.display()));
    assert_eq!(of_server["log"], format!("the server at {}", desk.server.url()));
    (of_files["log"], of_server["log"]) = (Value::Null, Value::Null);
    assert_eq!(of_files, of_server, "while the server runs");

    let altered =
        "UPDATE log SET bytes = CAST(replace(CAST(bytes AS TEXT), '0123456789', '0123456780') AS BLOB)
                   WHERE revision = ?1";
    let other = Connection::open(data_dir.join("keyward.db")).unwrap();
    assert_eq!(other.execute(altered, [revision]).unwrap(), 1);
    drop(other);
    let assert_named = |arguments: &[&str]| {
        let found = desk.run(arguments, "");
        assert_eq!(found.code, Some(4), "{found:?}");
        assert!(found.out.contains("BROKEN at revision 3: it was altered"), "{found:?}");
    };
    assert_named(&["audit", "verify"]);
    assert_named(&offline);
    let found = desk.run(&[&offline[..], &["--json"]].concat(), "");
    assert_eq!(found.code, Some(4), "{found:?}");
    assert_eq!(serde_json::from_str::<Value>(&found.out).unwrap()["fault"]["revision"], 3);
}

#[test]
fn a_log_on_standard_input_is_refused_and_nothing_is_said_of_another() {
    // A3, M4
    let desk = Desk::new();
    let data_dir = desk.data_dir();
    let export = desk.file("export.jsonl", "{\"revision\": 1}\n");
    let verify = |arguments: &[&str], input: Stdio| {
        let mut command = keyward();
        command.args(["audit", "verify"]).args(arguments).env("KEYWARD_SERVER", desk.server.url());
        command.env("KEYWARD_ADMIN_KEY_FILE", desk.root_key()).stdin(input);
        let ended = command.output().unwrap();
        let [out, err] = [ended.stdout, ended.stderr].map(|bytes| String::from_utf8(bytes).unwrap());
        (ended.status.code(), out, err)
    };
    for arguments in [&[][..], &["--data-dir", data_dir.to_str().unwrap()], &["--json"]] {
        let (code, out, err) = verify(arguments, fs::File::open(&export).unwrap().into());
        assert_eq!((code, out.as_str()), (Some(1), ""), "{arguments:?}: {err}");
        assert!(err.contains("standard input") && err.contains("--data-dir"), "{err}");
        assert!(!err.contains("holds"), "{err}");
        // Through a pipe no less.
        let mut words = Command::new("cat").arg(&export).stdout(Stdio::piped()).spawn().unwrap();
        let pipe = words.stdout.take().unwrap();
        assert!(words.wait().unwrap().success());
        let (code, out, _) = verify(arguments, pipe.into());
        assert_eq!((code, out.as_str()), (Some(1), ""), "{arguments:?}");
    }
    let empty = desk.file("empty", "");
    for nothing in [Stdio::null(), fs::File::open(empty).unwrap().into()] {
        let (code, out, err) = verify(&[], nothing);
        assert_eq!(code, Some(0), "{err}");
        let first = format!("log            the server at {}\nchain          holds\n", desk.server.url());
        assert!(out.starts_with(&first), "{out}");
    }
}

#[test]
fn wrong_administration_keys_stand_in_the_log_ten_times_a_minute_and_in_the_status() {
    // X6
    let desk = Desk::new();
    let wrong = desk.file("wrong.key", "kw_admin_what-is-no-key\n");
    let sends = ["list", "--admin-key-file", wrong.to_str().unwrap()];
    let answers: Vec<_> = (0..40).map(|_| desk.run(&sends, "").err).collect();
    assert!(answers[..10].iter().all(|told| told.contains("CALLER_INVALID")), "{answers:?}");
    assert!(answers.iter().any(|told| told.contains("CALLER_LIMITED")), "{answers:?}");
    let status = desk.done(&["status"]);
    assert!(status.contains("wrong keys  40 sent as administration keys since the start, "), "{status}");
    assert!(status.contains("; most, 40, from 127.0.0.1\n"), "{status}");
    let seen = desk.json(&["status"]);
    assert_eq!(seen["wrong_callers"]["sources"][0]["count"], 40);

    let log = desk.server.stop();
    let lines: Vec<_> =
        log.lines().filter(|line| line.contains("sent as an administration key is not")).collect();
    assert!(
        lines[0].contains("WARN") && lines[0].contains("source=\"127.0.0.1\" count=1 waits=false untold=0")
    );
    // The forty can have come in two minutes of the clock; what one does not tell, the first line of the next one does.
    assert!((10..=20).contains(&lines.len()), "{log}");
    assert!(!log.contains("what-is-no-key"), "what was sent is not repeated");
}

#[test]
fn every_flag_reads_a_time_a_date_and_a_duration() {
    // M4
    let desk = Desk::new();
    let (id, _) = desk.issue("new");
    for flags in [
        &["audit", "query", "--action", "key-issue", "--since"][..],
        &["usage", "--from"],
        &["list", "--issued-from"],
        &["bulk", "disable", "--owner", "nobody", "--issued-from"],
        &["least-privilege", &id, "--since"],
        &["narrow", &id, "--dry-run", "--since"],
    ] {
        for moment in ["7d", "1h30m", "2026-01-01", "2026-01-01T00:00:00Z"] {
            let ended = desk.run(&[flags, &[moment]].concat(), "");
            let refused = ended.err.contains("invalid value");
            assert!(ended.code != Some(2) && !refused, "{flags:?} {moment}: {ended:?}");
        }
        let wrong = desk.run(&[flags, &["last week"]].concat(), "");
        assert_eq!(wrong.code, Some(2), "{wrong:?}");
        assert!(wrong.err.contains("nor a date such as 2027-01-31, nor a duration"), "{wrong:?}");
    }
    let listed = |flags: &[&str]| desk.done(&[&["list"], flags].concat()).contains(&id);
    assert!(listed(&["--issued-from", "1h"]) && !listed(&["--issued-before", "1h"]));
    assert!(listed(&["--issued-from", "2026-01-01"]) && !listed(&["--issued-before", "2026-01-01"]));
    let lived = desk.json(&["issue", "until a date", "--scope", "messaging:send", "--expires", "2099-12-31"]);
    assert_eq!(lived["key"]["expire_time"], "2099-12-31T00:00:00Z");

    let bulk =
        ["bulk", "disable", "--owner", "nobody", "--confirm", "0", "--request-id", "r", "--issued-from"];
    let moving = desk.run(&[&bulk[..], &["7d"]].concat(), "");
    assert_eq!(moving.code, Some(1), "{moving:?}");
    assert!(moving.err.contains("--request-id") && moving.err.contains("a time or a date"), "{moving:?}");
}

#[test]
fn a_page_goes_on_where_a_duration_picked_the_list() {
    // M4
    let desk = Desk::new();
    for name in ["one", "two", "three"] {
        desk.issue(name);
    }
    for (flags, list) in [
        (&["list", "--older-than", "0"][..], "keys"),
        (&["list", "--issued-from", "1h"], "keys"),
        (&["audit", "query", "--since", "1h"], "records"),
    ] {
        let mut token = String::new();
        for page in 0..3 {
            let going_on: &[&str] = if page == 0 { &[] } else { &["--page-token", &token] };
            let found = desk.json(&[flags, &["--page-size", "1"], going_on].concat());
            assert_eq!(found[list].as_array().unwrap().len(), 1, "{flags:?}: {found}");
            token = text(&found["next_page_token"]);
        }
    }
}

#[test]
fn an_undeclared_scope_is_told_apart_from_a_missing_one() {
    // S2, S7, M4
    let desk = Desk::new();
    let (id, secret) = desk.issue("checked");
    let missing = desk.run(&["check", "--scope", "storage:upload"], &secret);
    assert!(!missing.out.contains("declares no"), "{missing:?}");
    let told = "the policy declares no storage:uplaod, so that no key can have it; the nearest that it declares is storage:upload";
    for mode in [&[][..], &["--peek"], &["--explain"]] {
        let denied = desk.run(&[&["check", "--scope", "storage:uplaod"], mode].concat(), &secret);
        assert_eq!(denied.code, Some(3), "an undeclared scope stays a denial: {denied:?}");
        assert!(denied.out.contains("SCOPE_INSUFFICIENT") && denied.out.contains(told), "{denied:?}");
    }
    let of_many = desk.run(
        &["check", "--key-id", &id, "--explain", "--scope", "messaging:send,storage:read,storage:uplaod"],
        "",
    );
    assert!(of_many.out.contains(told), "{of_many:?}");
    for (wrong, near) in [("storage:uplaod", "`storage:upload`"), ("storages:*", "`storage:*`")] {
        let refused = desk.run(&["issue", "typo", "--scope", wrong], "");
        assert_eq!(refused.code, Some(1), "{refused:?}");
        assert!(refused.err.contains(&format!("; the nearest is {near}")), "{refused:?}");
    }
}

#[test]
fn no_error_says_the_same_thing_twice() {
    // M4
    let desk = Desk::new();
    let (id, _) = desk.issue("once");
    desk.done(&["issue", "a", "--scope", "messaging:send", "--request-id", "r"]);
    let data_dir = desk.data_dir();
    let policy = desk.file("wrong.toml", "colour = 1\n");
    let taken = desk.server.address.to_string();
    let wrong = [
        &["issue", "a", "--scope", "messaging:send", "--environment", "Nowhere"][..],
        &["issue", "a", "--scope", "storage:uplaod"],
        &["show", "key_00000000000000000000000000"],
        &["revoke", "key_00000000000000000000000000"],
        &["list", "--workspace", "ws_00000000000000000000000000"],
        &["list", "--page-token", "x"],
        &["workspace", "update", "ws_00000000000000000000000000", "--plan", "gold"],
        &["member", "show", "nobody"],
        &["rotation", "end", &id],
        &["bulk", "disable", "--owner", "ann", "--confirm", "7"],
        &["policy", "check", policy.to_str().unwrap()],
        &["policy", "check", "--offline", policy.to_str().unwrap()],
        &["policy", "show", "--version", "9"],
        &["import", "/nowhere/keys.csv"],
        &["check", "--key-file", "/nowhere/key"],
        &["audit", "verify", "--data-dir", "/nowhere"],
        &["serve", "--data-dir", "/nowhere/data", "--policy", policy.to_str().unwrap()],
        &["serve", "--data-dir", "/nowhere/data", "--config", policy.to_str().unwrap()],
        &["issue", "a", "--scope", "messaging:send", "--request-id", "r"],
        &["serve", "--data-dir", "/nowhere/data", "--zoneinfo", "/nowhere/zones"],
        &["serve", "--data-dir", data_dir.to_str().unwrap(), "--listen", "127.0.0.1:0"],
        &["serve", "--data-dir", "/proc/nowhere", "--listen", &taken],
        &["init", "--data-dir", data_dir.to_str().unwrap()],
        &["recover", "--data-dir", "/nowhere"],
        &["doctor", "--data-dir", "/nowhere"],
    ];
    for arguments in wrong {
        let ended = desk.run(arguments, "");
        assert_eq!((ended.code, ended.out.as_str()), (Some(1), ""), "{arguments:?}: {ended:?}");
        assert!(!ended.err.contains("\\n"), "{arguments:?}: {}", ended.err);
        let twice = said_twice(&ended.err);
        assert_eq!(twice, None, "{arguments:?}: {}", ended.err);
        let again = told_again(&ended.err);
        assert_eq!(again, None, "{arguments:?}: {}", ended.err);
    }
    let of_servers = [
        (&["show", "key_00000000000000000000000000"][..], "key_id"),
        (&["member", "show", "nobody"], "member"),
        (&["bulk", "disable", "--owner", "ann", "--confirm", "7"], "expected_count"),
        (&["policy", "show", "--version", "9"], "version"),
        (&["issue", "a", "--scope", "messaging:send", "--environment", "Nowhere"], "field"),
    ];
    for (arguments, name) in of_servers {
        let text = desk.run(arguments, "").err;
        let json: Value =
            serde_json::from_str(&desk.run(&[arguments, &["--json"]].concat(), "").err).unwrap();
        let metadata = json["error"]["metadata"].as_object().unwrap();
        assert!(metadata.contains_key(name), "{arguments:?}: {json}");
        for (name, value) in metadata {
            let value = value.as_str().unwrap();
            assert!(has_word(&text, value), "{arguments:?}: {name} {value} is told to scripts alone: {text}");
        }
    }
    let again = "keyward: there is no key key_1 (NOT_FOUND)\n  key_id: key_1\n";
    assert_eq!(told_again(again).as_deref(), Some("key_id"));
    assert_eq!(told_again(&again.replacen("key_1", "key_12", 1)), None);
    assert_eq!(
        said_twice("keyward: a: no such file on disk\n  b: no such file on disk\n").as_deref(),
        Some("no such file on disk")
    );
}

/// The name of a detail whose value the lines before it have told already.
fn told_again(text: &str) -> Option<String> {
    let lines: Vec<_> = text.lines().take_while(|line| !line.starts_with("next: ")).collect();
    let details = lines.iter().enumerate().filter_map(|(at, line)| {
        let (name, value) = line.strip_prefix("  ")?.split_once(": ")?;
        lines[..at].iter().any(|before| has_word(before, value)).then(|| name.to_owned())
    });
    details.into_iter().next()
}

/// Whether a text has this in it, and not as a part of a longer word.
fn has_word(text: &str, value: &str) -> bool {
    let is_part = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || c == '_');
    text.match_indices(value).any(|(at, _)| {
        !is_part(text[..at].chars().next_back()) && !is_part(text[at + value.len()..].chars().next())
    })
}

/// A part of a message, of at least four words, that stands in it more than once.
fn said_twice(text: &str) -> Option<String> {
    let words: Vec<_> =
        text.split_whitespace().map(|word| word.trim_matches(|c: char| ",;:.()`".contains(c))).collect();
    let mut longest: Option<String> = None;
    for at in 0..words.len() {
        for other in at + 1..words.len() {
            let same = words[at..]
                .iter()
                .zip(&words[other..])
                .take(other - at)
                .take_while(|(one, two)| one == two)
                .count();
            let said = words[at..at + same].join(" ");
            if same >= 4 && longest.as_ref().is_none_or(|known| said.len() > known.len()) {
                longest = Some(said);
            }
        }
    }
    longest
}

/// A file of a zone that is always so many hours ahead, as `zic` writes it.
fn tzif(hours: u8) -> Vec<u8> {
    let header = [b"TZif2".as_slice(), &[0; 15]].concat();
    let counts = [0_u32, 0, 0, 0, 1, 4].map(u32::to_be_bytes).concat();
    let local = [(u32::from(hours) * 3_600).to_be_bytes().as_slice(), &[0, 0], b"ABC\0"].concat();
    let block = [header, counts, local].concat();
    [block.clone(), block, format!("\nABC-{hours}\n").into_bytes()].concat()
}

#[test]
fn an_operators_zoneinfo_directory_is_in_force_everywhere_and_the_doctor_says_so() {
    // L3, M5
    let folder = tempfile::tempdir().unwrap();
    let zones = folder.path().join("zones");
    fs::create_dir_all(zones.join("Made")).unwrap();
    for (name, hours) in [("UTC", 0), ("Made/Up", 5), ("Factory", 0)] {
        fs::write(zones.join(name), tzif(hours)).unwrap();
    }
    fs::write(zones.join("tzdata.zi"), "# version 2031a\n").unwrap();
    let zones = zones.to_str().unwrap();
    let plain = run(with_arguments(&["policy", "check", "--offline", "/dev/null"]), "");
    assert_eq!(plain.code, Some(1), "an empty document is none: {plain:?}");

    let document = |zone: &str| {
        let default = include_str!("../src/domain/policy/default.toml");
        let limit = format!(
            "limits = [{{ name = \"day\", limit = 5, calendar = \"day\", time_zone = \"{zone}\" }}]\n"
        );
        let (before, rest) = default.split_once("limits = [").unwrap();
        let path = folder.path().join("policy.toml");
        fs::write(&path, format!("{before}{limit}{}", rest.split_once("]\n").unwrap().1)).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let checked = |flags: &[&str], zone: &str| {
        let path = document(zone);
        run(with_arguments(&[&["policy", "check", "--offline", &path], flags].concat()), "")
    };
    let sound = checked(&["--zoneinfo", zones], "Made/Up");
    assert_eq!(sound.code, Some(0), "{sound:?}");
    assert!(sound.out.contains("2031a, 2 zones of "), "{sound:?}");
    assert!(checked(&[], "Europe/Berlin").out.contains(", built in"), "without it");
    for (flags, zone) in [
        (&[][..], "Made/Up"),
        (&["--zoneinfo", zones], "Europe/Berlin"),
        (&["--zoneinfo", zones], "Factory"),
        (&[], "Etc/Unknown"),
    ] {
        let refused = checked(flags, zone);
        assert_eq!(refused.code, Some(1), "{zone}: {refused:?}");
        assert!(refused.err.contains("time_zone") && refused.err.contains("line "), "{zone}: {refused:?}");
    }

    let data_dir = folder.path().join("data");
    let path = document("Made/Up");
    let flags = ["--listen", "127.0.0.1:0", "--zoneinfo", zones];
    let log = Server::start_with(&data_dir, &[&flags[..], &["--policy", &path]].concat()).stop();
    assert!(log.contains("2031a, 2 zones of "), "{log}");
    let server = Server::start_with(&data_dir, &flags);
    fs::write(folder.path().join("zones/Made/Later"), tzif(3)).unwrap();
    server.hang_up();
    server.until_logged("SIGHUP");
    let mut online = with_arguments(&["policy", "check", &document("Made/Later")]);
    online.env("KEYWARD_SERVER", server.url()).env("KEYWARD_ADMIN_KEY_FILE", data_dir.join("root-key"));
    let refused = run(online, "");
    assert!(
        refused.code == Some(1) && refused.err.contains("time_zone"),
        "it is read at the start: {refused:?}"
    );
    fs::remove_file(folder.path().join("zones/Made/Later")).unwrap();
    server.stop();
    let data = data_dir.to_str().unwrap();
    let doctor = run(with_arguments(&["doctor", "--data-dir", data, "--zoneinfo", zones]), "");
    assert!(doctor.out.contains("\ntime zones  2031a, 2 zones of "), "{doctor:?}");
    let version = run(with_arguments(&["--version"]), "").out;
    let built_in = version.split_once("(time zones ").and_then(|(_, rest)| rest.strip_suffix(")\n")).unwrap();
    let doctor = run(with_arguments(&["doctor", "--data-dir", data]), "");
    assert!(doctor.out.contains(&format!("\ntime zones  {built_in}, built in\n")), "{doctor:?}");

    for (wrong, why) in [("/nowhere", "cannot read /nowhere"), ("/proc/self/fd", "is no zoneinfo directory")]
    {
        let other = folder.path().join("other");
        let refused =
            run(with_arguments(&["serve", "--data-dir", other.to_str().unwrap(), "--zoneinfo", wrong]), "");
        assert_eq!(refused.code, Some(1), "{refused:?}");
        assert!(refused.err.contains(why) && !other.exists(), "{refused:?}");
    }
}

#[test]
fn a_store_whose_time_zone_was_taken_away_is_not_started_and_says_which() {
    // L3, M5
    let folder = tempfile::tempdir().unwrap();
    let zones = |name: &str, all: &[(&str, u8)]| {
        let at = folder.path().join(name);
        fs::create_dir_all(at.join("Made")).unwrap();
        for (zone, hours) in [&[("UTC", 0)], all].concat() {
            fs::write(at.join(zone), tzif(hours)).unwrap();
        }
        at.to_str().unwrap().to_owned()
    };
    let (with, without) = (zones("with", &[("Made/Up", 5)]), zones("without", &[]));
    let by_day = "limits = [{ name = \"day\", limit = 5, calendar = \"day\", time_zone = \"Made/Up\" }]\n";
    let default = include_str!("../src/domain/policy/default.toml");
    let (before, rest) = default.split_once("limits = [").unwrap();
    let policy = folder.path().join("policy.toml");
    fs::write(&policy, format!("{before}{by_day}{}", rest.split_once("]\n").unwrap().1)).unwrap();
    let policy = policy.to_str().unwrap();

    let own = ["--limit", "all/day=9/day@Made/Up"];
    let of_key = [&["issue", "own", "--scope", "messaging:send"], &own[..]].concat();
    let of_workspace =
        [&["workspace", "register", "own", "--no-key", "--workspace-limit"][..], &own[1..]].concat();
    for (at, first, made, whose) in [
        ("policy", &["--policy", policy][..], &["status"][..], "version 1 of the policy has"),
        ("key", &[], &of_key, "key_"),
        ("workspace", &[], &of_workspace, "ws_"),
    ] {
        let data_dir = folder.path().join(at);
        let data = data_dir.to_str().unwrap();
        let flags = ["--listen", "127.0.0.1:0", "--zoneinfo", &with];
        let server = Server::start_with(&data_dir, &[&flags, first].concat());
        let mut command = with_arguments(made);
        command.env("KEYWARD_SERVER", server.url()).env("KEYWARD_ADMIN_KEY_FILE", data_dir.join("root-key"));
        let done = run(command, "");
        assert_eq!(done.code, Some(0), "{made:?}: {done:?}");
        server.stop();

        let serve = ["serve", "--data-dir", data, "--listen", "127.0.0.1:0"];
        let recover = ["recover", "--data-dir", data, "--root-key-file", "/nowhere/key"];
        for command in [&recover[..], &serve] {
            for (given, in_force) in [(&[][..], ", built in)"), (&["--zoneinfo", &without], without.as_str())]
            {
                let refused = run(with_arguments(&[command, given].concat()), "");
                assert_eq!(refused.code, Some(1), "{at}: {refused:?}");
                let said = refused.err.lines().find(|line| line.starts_with("keyward: ")).unwrap();
                assert!(said.starts_with(&format!("keyward: {whose}")), "{said}");
                assert!(
                    said.contains("days of the time zone Made/Up, and the time zones in force"),
                    "{said}"
                );
                assert!(said.contains(in_force) && said.contains("--zoneinfo DIR"), "{said}");
            }
        }
        Server::start_with(&data_dir, &flags).stop();
    }
}

fn with_arguments(arguments: &[&str]) -> Command {
    let mut command = keyward();
    command.args(arguments);
    command
}

/// A scope that the default document does not have.
const REPORTS: &str = "\n[[scopes]]\nname = \"reports:read\"\n";

#[test]
fn a_policy_is_taken_out_looked_at_and_put_in_force() {
    // S2, A1, M4
    let desk = Desk::new();
    let first = desk.done(&["policy", "show"]);
    assert!(first.contains("name = \"messaging:send\""), "{first}");
    let refused = desk.run(&["issue", "early", "--scope", "reports:read"], "");
    assert_eq!((refused.code, refused.out.as_str()), (Some(1), ""), "not declared: {refused:?}");

    let file = desk.folder.path().join("policy.toml");
    fs::write(&file, format!("{first}{REPORTS}")).unwrap();
    let file = file.to_str().unwrap();
    let seen = desk.done(&["policy", "check", file]);
    assert!(seen.contains("version 1\n") && seen.contains("\n+ scopes[reports:read]: {"), "{seen}");
    let diff = desk.done(&["policy", "diff", file]);
    assert!(diff.starts_with("+ scopes[reports:read]: {") && diff.lines().count() == 1, "{diff}");
    assert_eq!(desk.done(&["policy", "show"]), first, "neither changes anything");

    let applied = desk.json(&["policy", "apply", file, "--expect", "1", "--comment", "ticket 4711"]);
    assert_eq!((&applied["version"]["version"], &applied["effect"]["change_count"]), (&2.into(), &1.into()));
    assert_eq!(desk.done(&["policy", "diff", file]), "");
    let again = desk.done(&["policy", "apply", file]);
    assert!(again.contains("version 2\n") && again.contains("changes        0\n"), "{again}");
    let (id, _) = {
        let made = desk.json(&["issue", "reporter", "--scope", "reports:*,messaging:send"]);
        (text(&made["key"]["id"]), text(&made["api_key"]))
    };
    let shown = desk.done(&["show", &id]);
    assert!(shown.contains("effective    messaging:send reports:read\n"), "{shown}");

    assert_eq!(desk.done(&["policy", "show", "--version", "1"]), first);
    let back = desk.run(&["policy", "apply", "-", "--comment", "back"], &first);
    assert_eq!(back.code, Some(0), "{back:?}");
    assert!(back.out.contains("version 3\n") && back.out.contains(&id), "the key is named: {back:?}");
    let shown = desk.done(&["show", &id]);
    assert!(shown.contains("effective    messaging:send\ninert        reports:*\n"), "{shown}");
    let records = desk.json(&["audit", "query", "--action", "policy-apply"]);
    let comments: Vec<_> =
        records["records"].as_array().unwrap().iter().map(|record| text(&record["comment"])).collect();
    assert_eq!(comments, ["back", "ticket 4711"]);

    // S10: the key still holds reports:*, and would have it again.
    let seen = desk.done(&["policy", "check", file]);
    assert!(seen.contains("gaining keys   1\n") && seen.contains(&id), "{seen}");
    let unseen = desk.run(&["policy", "apply", file], "");
    assert_eq!((unseen.code, unseen.out.as_str()), (Some(1), ""), "{unseen:?}");
    for told in ["GAINS_UNEXPECTED", id.as_str(), "reports:read", "policy check", "--expect-gains"] {
        assert!(unseen.err.contains(told), "{told}: {unseen:?}");
    }
    let applied = desk.json(&["policy", "apply", file, "--expect", "3", "--expect-gains", "1"]);
    assert_eq!(applied["effect"]["gaining_keys"][0]["gained_scopes"], serde_json::json!(["reports:read"]));
    let log = desk.done(&["audit", "query", "--key-id", &id]);
    assert!(log.contains("policy-apply") && log.contains("gained reports:read, one of 1 keys"), "{log}");
}

#[test]
fn a_wrong_policy_is_refused_with_every_fault_and_its_line() {
    // M4
    let desk = Desk::new();
    let first = desk.done(&["policy", "show"]);
    let wrong =
        first.replace("messaging:send\"", "Messaging:send\"").replace("limit = 5000\n", "limit = 0\n");
    assert_ne!(wrong, first);
    let line = |needle: &str| 1 + wrong.lines().position(|line| line.contains(needle)).unwrap();
    for verb in ["check", "diff", "apply"] {
        let refused = desk.run(&["policy", verb, "-"], &wrong);
        assert_eq!((refused.code, refused.out.as_str()), (Some(1), ""), "{refused:?}");
        for (field, line) in [
            ("policy.scopes[0].name", line("Messaging")),
            ("policy.tiers[1].limits[0].limit", line("limit = 0")),
        ] {
            let named =
                refused.err.lines().find(|shown| shown.trim_start().starts_with(&format!("{field}: ")));
            let named = named.unwrap_or_else(|| panic!("{field}: {}", refused.err));
            assert!(named.contains(&format!("line {line}")), "{named}");
        }
    }
    let as_json = desk.run(&["policy", "check", "-", "--json"], "colour = 1\n");
    let error: Value = serde_json::from_str(&as_json.err).unwrap();
    let told = error["error"]["violations"][0]["description"].as_str().unwrap();
    assert!(told.contains("line 1") && told.contains("colour"), "{error}");
    let missing = desk.run(&["policy", "check", "/nowhere/policy.toml"], "");
    assert_eq!(missing.code, Some(1));
    assert!(missing.err.contains("cannot open /nowhere/policy.toml"), "{missing:?}");
    assert_eq!(desk.done(&["policy", "show"]), first);
}

#[test]
fn nobody_undoes_a_policy_unseen_and_every_version_can_be_read() {
    // M4
    let desk = Desk::new();
    let first = desk.done(&["policy", "show"]);
    let second = format!("{first}{REPORTS}");
    assert_eq!(desk.run(&["policy", "apply", "-", "--expect", "1"], &second).code, Some(0));
    let late = desk.run(&["policy", "apply", "-", "--expect", "1"], &second);
    assert_eq!((late.code, late.out.as_str()), (Some(1), ""), "{late:?}");
    assert!(late.err.contains("POLICY_VERSION_CHANGED") && late.err.contains("policy diff"), "{late:?}");
    let none = desk.run(&["policy", "show", "--version", "9"], "");
    assert_eq!((none.code, none.out.as_str()), (Some(1), ""), "{none:?}");
    assert!(
        none.err.contains("POLICY_VERSION_NOT_FOUND") && none.err.contains("policy versions"),
        "{none:?}"
    );
    assert_eq!(desk.run(&["policy", "apply", "-"], &first).code, Some(0));

    let table = desk.done(&["policy", "versions"]);
    let numbers: Vec<_> = table.lines().filter_map(|line| line.split_whitespace().next()).collect();
    assert_eq!(numbers, ["VERSION", "3", "2", "1"]);
    let page = desk.json(&["policy", "versions", "--page-size", "2"]);
    let token = text(&page["next_page_token"]);
    let last = desk.json(&["policy", "versions", "--page-size", "2", "--page-token", &token]);
    assert_eq!((&last["versions"][0]["version"], &last["next_page_token"]), (&1.into(), &"".into()));
    assert_eq!(desk.done(&["policy", "versions", "--all", "--json"]).lines().count(), 3);
    let whole = desk.json(&["policy", "show", "--version", "2"]);
    assert_eq!(whole["version"]["version"], 2);
    let scopes = whole["policy"]["scopes"].as_array().unwrap();
    assert!(scopes.iter().any(|scope| scope["name"] == "reports:read"), "{whole}");
    let denied = desk.stranger(&["policy", "show"], "");
    assert_eq!(denied.code, Some(1), "{denied:?}");
}

#[test]
fn the_log_is_verified_offline_after_the_server_has_stopped() {
    // A3
    let desk = Desk::new();
    desk.issue("logged");
    let data_dir = desk.data_dir();
    let Desk { server, folder } = desk;
    server.stop();
    let verify = || {
        let mut command = keyward();
        command.args(["audit", "verify", "--json", "--data-dir"]).arg(&data_dir);
        let ended = run(command, "");
        (ended.code, serde_json::from_str::<Value>(&ended.out).unwrap())
    };
    let before: Vec<_> = names(&data_dir);
    let (code, report) = verify();
    assert_eq!((code, &report["records"], &report["fault"]), (Some(0), &2.into(), &Value::Null));
    assert_eq!(names(&data_dir), before, "verifying makes no file");

    let other = Connection::open(data_dir.join("keyward.db")).unwrap();
    let altered = "UPDATE log SET bytes = CAST(replace(CAST(bytes AS TEXT), 'logged', 'lagged') AS BLOB)
                   WHERE revision = 2";
    assert_eq!(other.execute(altered, []).unwrap(), 1);
    other.close().unwrap();
    let (code, report) = verify();
    assert_eq!((code, &report["fault"]["revision"]), (Some(4), &2.into()), "{report}");
    drop(folder);
}

fn names(folder: &std::path::Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name());
    let mut names: Vec<_> = entries.map(|name| name.into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn usage_is_shown_with_its_total_and_as_json() {
    // A4, L13
    let desk = Desk::new();
    let issue = |name: &str, environment: &str| {
        let words =
            ["issue", name, "--scope", "messaging:send", "--environment", environment, "--owner", "ann"];
        desk.done(&words)
    };
    for (secret, checks) in [(issue("for people", "live"), 3), (issue("for trying", "test"), 2)] {
        for _check in 0..checks {
            let allowed = desk.run(&["check", "--scope", "messaging:send", "--cost", "4"], &secret);
            assert_eq!(allowed.code, Some(0), "{allowed:?}");
        }
        let denied = desk.run(&["check", "--scope", "permissions:check"], &secret);
        assert_eq!(denied.code, Some(3), "{denied:?}");
    }
    let cells = |line: &str| line.split_whitespace().skip(1).map(str::to_owned).collect::<Vec<_>>().join(" ");
    let shown = desk.done(&["usage", "--owner", "ann"]);
    let lines: Vec<_> = shown.lines().map(cells).collect();
    assert_eq!(lines.len(), 6, "{shown}");
    for (line, end) in [
        (1, "test default no 2 8 0 -"),
        (2, "test permissions-check no 0 0 1 SCOPE_INSUFFICIENT 1"),
        (3, "live default yes 3 12 0 -"),
        (4, "live permissions-check yes 0 0 1 SCOPE_INSUFFICIENT 1"),
        (5, "- - - - 5 20 2 -"),
    ] {
        assert!(lines[line].ends_with(end), "{line}: {shown}");
    }
    let first = desk.run(&["usage", "--page-size", "1"], "");
    assert!(first.err.contains("The total is that of the sums shown") && first.err.contains("--page-token"));

    let live = desk.json(&["usage", "--environment", "live", "--by", "day"]);
    let sums = live["usage"].as_array().unwrap();
    assert_eq!((sums.len(), &live["next_page_token"]), (2, &Value::from("")));
    assert_eq!(sums[1]["denied"], serde_json::json!([{ "reason": "SCOPE_INSUFFICIENT", "count": 1 }]));
    assert_eq!((&sums[0]["allowed"], &sums[0]["cost"]), (&Value::from(3), &Value::from(12)));
    assert_eq!(sums[0]["billable"], Value::from(true));
    let lines = desk.done(&["usage", "--all", "--page-size", "1", "--json"]);
    assert_eq!(lines.lines().count(), 4, "{lines}");
    let id = text(&sums[0]["key_id"]);
    assert_eq!(desk.json(&["usage", "--key", &id])["usage"].as_array().unwrap().len(), 2);

    let both = desk.run(&["usage", "--key", &id, "--owner", "ann"], "");
    assert_eq!((both.code, both.out.as_str()), (Some(2), ""), "{both:?}");
    let backwards =
        desk.run(&["usage", "--from", "2027-01-02T00:00:00Z", "--to", "2027-01-01T00:00:00Z"], "");
    assert_eq!(backwards.code, Some(1));
    assert!(
        backwards.err.contains("end_time") && backwards.err.contains("after start_time"),
        "{backwards:?}"
    );
    let nobody = desk.run(&["usage", "--key", "key_00000000000000000000000000"], "");
    assert_eq!(nobody.code, Some(1));
    assert!(nobody.err.contains("KEY_NOT_FOUND"), "{nobody:?}");
}
