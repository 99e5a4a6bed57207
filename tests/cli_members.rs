//! The real binary: members, their roles, workspaces in and out of use, and what a key may do in the end.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

#[path = "support/desk.rs"]
mod desk;
#[path = "support/process.rs"]
mod process;

use desk::{Desk, text};
use serde_json::Value;

impl Desk {
    /// The reason of a Check's denial; nothing where it is allowed.
    fn denied(&self, secret: &str, scope: &str) -> String {
        let ended = self.run(&["check", "--scope", scope, "--json"], secret);
        let answer: Value = serde_json::from_str(&ended.out).unwrap();
        assert_eq!(ended.code, Some(if answer["allowed"] == true { 0 } else { 3 }), "{ended:?}");
        answer["denial"]["reason"].as_str().unwrap_or_default().to_owned()
    }
}

#[test]
fn a_key_follows_its_owners_role_from_command_to_command() {
    // S5, S6, M4
    let desk = Desk::new();
    let added = desk.done(&["member", "add", "ann", "--role", "editor"]);
    assert!(added.contains("member     ann\n") && added.contains("role       editor\n"), "{added}");
    let made = desk.json(&["issue", "upload", "--owner", "ann", "--follow-owner-role"]);
    assert_eq!(
        (&made["key"]["follows_owner_role"], &made["key"]["owner_role"]),
        (&Value::Bool(true), &Value::from("editor"))
    );
    let (id, secret) = (text(&made["key"]["id"]), text(&made["api_key"]));
    assert_eq!(desk.denied(&secret, "storage:upload"), "");
    desk.done(&["member", "update", "ann", "--role", "viewer"]);
    assert_eq!(desk.denied(&secret, "storage:upload"), "ROLE_INSUFFICIENT");
    let rights = desk.done(&["rights", &id]);
    assert!(rights.contains("owner      ann (viewer)\n"), "{rights}");
    assert!(rights.contains("role viewer\n") && rights.contains("storage:read"), "{rights}");
    let rights = desk.json(&["rights", &id]);
    assert_eq!((&rights["usable"], &rights["owner_state"]), (&Value::Bool(true), &Value::from("MEMBER")));

    let behalf = desk.json(&["issue", "ci", "--on-behalf-of", "ann", "--scope", "storage:read"]);
    assert_eq!(behalf["key"]["creator"]["on_behalf_of"], "ann");
    let beyond = desk.run(&["issue", "ci", "--on-behalf-of", "ann", "--scope", "storage:upload"], "");
    assert_eq!(beyond.code, Some(1));
    assert!(beyond.err.contains("ROLE_EXCEEDED") && beyond.err.contains("next: "), "{}", beyond.err);

    let removed = desk.done(&["member", "remove", "ann", "--comment", "has left"]);
    assert!(removed.contains("denied now  1 key that follows the role\n"), "{removed}");
    assert!(removed.contains("go on       1 other key of the same owner\n"), "{removed}");
    assert_eq!(desk.denied(&secret, "storage:read"), "OWNER_REMOVED");
    let log = desk.json(&["audit", "query", "--action", "member-remove"]);
    assert_eq!(log["records"][0]["member"], "ann");
}

#[test]
fn a_workspace_comes_without_a_key_and_a_plan_change_says_what_becomes_of_keys() {
    // T2, L5, M4
    let desk = Desk::new();
    let made = desk.done(&["workspace", "register", "Example Ltd", "--no-key", "--owner", "ann"]);
    assert!(made.contains("name       Example Ltd\n") && !made.contains("key_"), "{made}");
    let made = desk.json(&["workspace", "register", "Example Ltd", "--no-key"]);
    assert_eq!((&made["key"], made.get("api_key")), (&Value::Null, None), "{made}");
    let id = text(&made["workspace"]["id"]);
    for both in [&["--scope", "a:b"][..], &["--key-name", "x"], &["--follow-owner-role"]] {
        let refused = desk.run(&[&["workspace", "register", "Example Ltd", "--no-key"], both].concat(), "");
        assert!(
            refused.code == Some(2) && refused.err.contains("cannot be used with"),
            "{both:?}: {refused:?}"
        );
    }
    desk.done(&["issue", "first", "--workspace", &id, "--scope", "messaging:send", "--stamp-limits"]);
    let shown = desk.done(&["workspace", "show", &id]);
    let told = desk.done(&["workspace", "update", &id, "--plan", "pro", "--dry-run"]);
    for line in [
        "keys             1\n",
        "with own limits  1\n",
        "new keys         can be issued\n",
        "limit comes      ",
    ] {
        assert!(told.contains(line), "{line}: {told}");
    }
    assert_eq!(desk.done(&["workspace", "show", &id]), shown, "nothing was changed");
    let done = desk.json(&["workspace", "update", &id, "--plan", "pro"]);
    assert_eq!((&done["effect"]["key_count"], &done["workspace"]["plan"]), (&1.into(), &"pro".into()));
}

#[test]
fn members_are_shown_and_listed() {
    // M4
    let desk = Desk::new();
    for (subject, role) in [("cid", "viewer"), ("ann", "owner"), ("bob", "viewer")] {
        desk.done(&["member", "add", subject, "--role", role]);
    }
    assert_eq!(desk.json(&["member", "show", "ann"])["member"]["role"], "owner");
    let listed = desk.done(&["member", "list", "--role", "viewer"]);
    let subjects: Vec<_> = listed.lines().skip(1).filter_map(|line| line.split(' ').next()).collect();
    assert_eq!(subjects, ["bob", "cid"]);
    let page = desk.json(&["member", "list", "--page-size", "2"]);
    let token = text(&page["next_page_token"]);
    let rest = desk.json(&["member", "list", "--page-size", "2", "--page-token", &token]);
    assert_eq!(rest["members"][0]["subject"], "cid");
    let all = desk.done(&["member", "list", "--all", "--json"]);
    assert_eq!(all.lines().count(), 3);
    let unknown = desk.run(&["member", "show", "eve"], "");
    assert!(unknown.code == Some(1) && unknown.err.contains("MEMBER_NOT_FOUND"), "{unknown:?}");
}

#[test]
fn a_workspace_is_suspended_resumed_closed_and_listed() {
    // M4
    let desk = Desk::new();
    let register = ["workspace", "register", "Example Ltd", "--owner", "ann", "--follow-owner-role"];
    let made = desk.json(&register);
    assert_eq!(
        (&made["member"]["subject"], &made["member"]["role"]),
        (&Value::from("ann"), &Value::from("owner"))
    );
    let (id, secret) = (text(&made["workspace"]["id"]), text(&made["api_key"]));
    assert_eq!(desk.denied(&secret, "storage:read"), "");
    let suspended = desk.done(&["workspace", "suspend", &id, "--comment", "unpaid"]);
    assert!(suspended.contains("state      suspended\n"), "{suspended}");
    assert_eq!(desk.denied(&secret, "storage:read"), "WORKSPACE_SUSPENDED");
    let listed = desk.done(&["workspace", "list", "--state", "suspended"]);
    assert!(listed.contains(&id) && listed.lines().count() == 2, "{listed}");
    desk.done(&["workspace", "resume", &id]);
    assert_eq!(desk.denied(&secret, "storage:read"), "");
    let rules = ["workspace", "update", &id, "--require-expiry", "--max-lifetime", "90d"];
    let updated = desk.json(&rules);
    assert_eq!(updated["workspace"]["key_rules"]["require_expiry"], true);
    assert_eq!(updated["workspace"]["key_rules"]["max_lifetime"], "7776000s");
    let refused = desk.run(&["issue", "ci", "--workspace", &id, "--scope", "storage:read"], "");
    assert!(refused.err.contains("the workspace wants every key to expire"), "{}", refused.err);
    let cleared = desk.json(&["workspace", "update", &id, "--clear-key-rules"]);
    assert_eq!(cleared["workspace"]["key_rules"], Value::Null);
    let preview = desk.done(&["workspace", "close", &id]);
    assert!(preview.contains("would be denied  1 keys, for good\n"), "{preview}");
    assert!(
        preview.contains("Nothing was changed. The same command with --confirm 1 closes it"),
        "{preview}"
    );
    let other = desk.run(&["workspace", "close", &id, "--confirm", "2"], "");
    assert!(other.code == Some(1) && other.err.contains("COUNT_CHANGED"), "{other:?}");
    let closed = desk.json(&["workspace", "close", &id, "--confirm", "1"]);
    assert_eq!((&closed["key_count"], &closed["workspace"]["state"]), (&1.into(), &"CLOSED".into()));
    let closed = desk.run(&["workspace", "resume", &id], "");
    assert!(closed.code == Some(1) && closed.err.contains("WORKSPACE_CLOSED"), "{closed:?}");
    assert_eq!(desk.json(&["workspace", "list"])["workspaces"].as_array().unwrap().len(), 2);
}

#[test]
fn a_command_says_which_workspace_it_looked_at_and_reaches_all_when_asked() {
    // M4, T4
    let desk = Desk::new();
    let other = desk.json(&["workspace", "register", "Example Ltd", "--no-key"]);
    let other = text(&other["workspace"]["id"]);
    for place in [&[][..], &["--workspace", &other]] {
        desk.done(&[&["issue", "hers", "--owner", "ann", "--scope", "messaging:send"], place].concat());
        desk.done(&[&["member", "add", "ann", "--role", "viewer"], place].concat());
    }
    let own = text(&desk.json(&["list"])["workspace_id"]);
    assert!(own.starts_with("ws_") && own != other);
    for command in
        [&["list", "--owner", "ann"][..], &["usage", "--owner", "ann"], &["review"], &["member", "list"]]
    {
        let said = desk.run(command, "");
        let heading = format!("Looked at: workspace {own}");
        assert!(said.code == Some(0) && said.err.starts_with(&heading), "{command:?}: {said:?}");
        assert!(!said.out.contains("Looked at"), "the answer stands alone: {said:?}");
        assert_eq!(text(&desk.json(command)["workspace_id"]), own);
        let named = desk.run(&[command, &["--workspace", &own]].concat(), "");
        assert!(!named.err.contains("Looked at"), "{command:?}: {named:?}");
    }
    for command in [&["list", "--owner", "ann"][..], &["usage"], &["review"]] {
        let said = desk.run(&[command, &["--workspace", "all"]].concat(), "");
        assert!(said.code == Some(0) && said.err.starts_with("Looked at: all workspaces\n"), "{said:?}");
    }
    let hers = desk.json(&["list", "--owner", "ann", "--workspace", "all"]);
    assert_eq!((hers["keys"].as_array().unwrap().len(), &hers["workspace_id"]), (2, &Value::from("")));

    let preview = desk.done(&["bulk", "disable", "--owner", "ann"]);
    assert!(preview.contains(&format!("workspace         {own}\n")), "{preview}");
    let all = ["bulk", "disable", "--owner", "ann", "--workspace", "all"];
    let preview = desk.done(&all);
    assert!(
        preview.contains("would be changed  2\n") && preview.contains("all; they are in 2\n"),
        "{preview}"
    );
    let done = desk.json(&[&all[..], &["--confirm", "2"]].concat());
    assert_eq!((&done["count"], &done["workspace_count"]), (&2.into(), &2.into()));
    let removed = desk.done(&["member", "remove", "ann", "--workspace", "all"]);
    assert!(removed.contains("workspace   all; it was in 2\n"), "{removed}");
    let refused = desk.run(&["issue", "x", "--workspace", "all", "--scope", "messaging:send"], "");
    assert!(refused.code == Some(1) && refused.err.contains("workspace_id"), "{refused:?}");
}

#[test]
fn a_found_administration_key_is_told_by_its_string() {
    // M4, K3
    let desk = Desk::new();
    let made = desk.json(&["issue", "support desk", "--admin-scope", "keys:read,keys:revoke"]);
    let (id, secret) = (text(&made["key"]["id"]), text(&made["api_key"]));
    let told = desk.run(&["show", "--presented"], &secret);
    assert_eq!(told.code, Some(0), "{told:?}");
    for words in ["presented  its secret of generation 1", &id, "administers    keys:read keys:revoke"] {
        assert!(told.out.contains(words), "{words}: {told:?}");
    }
    assert!(!told.out.contains(&secret) && !told.err.contains(&secret), "it is not repeated");
    let nobodys = desk.run(&["show", "--presented"], &secret.replace("kw_admin_", "kw_live_"));
    assert!(nobodys.code == Some(1) && nobodys.err.contains("SECRET_UNKNOWN"), "{nobodys:?}");
    let both = desk.run(&["show", &id, "--presented"], &secret);
    assert_eq!(both.code, Some(2), "{both:?}");
}
