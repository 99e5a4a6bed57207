//! The commands that look at keys in use: `rotation`, `least-privilege`, `narrow` and `review`, as a person types them.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

#[path = "support/desk.rs"]
mod desk;
#[path = "support/process.rs"]
mod process;

use desk::{Desk, text};

impl Desk {
    /// A new key with two scopes: its id and its secret.
    fn issue(&self) -> (String, String) {
        let made = self.json(&["issue", "CI", "--scope", "messaging:send", "--scope", "storage:*"]);
        (text(&made["key"]["id"]), text(&made["api_key"]))
    }

    fn check(&self, secret: &str, address: &str) -> Option<i32> {
        self.run(&["check", "--scope", "messaging:send", "--address", address], secret).code
    }
}

#[test]
fn a_rotation_is_watched_extended_and_ended() {
    // R5, M4
    let desk = Desk::new();
    let (id, old) = desk.issue();
    let new = desk.done(&["rotate", &id]);
    assert_eq!(desk.check(&old, "10.0.0.7"), Some(0));
    assert_eq!(desk.check(new.trim_end(), "10.0.0.8"), Some(0));
    let shown = desk.done(&["rotation", "show", &id]);
    assert!(shown.contains("no: still used by 1 caller"), "{shown}");
    assert!(shown.contains("10.0.0.7") && shown.contains("10.0.0.8"), "{shown}");
    let found = desk.json(&["rotation", "show", &id, "--quiet", "1h"]);
    assert_eq!(found["secrets"][1]["users"][0]["source_address"], "10.0.0.7");
    assert_eq!(found["secrets"][1]["safe_to_end"], false);

    let before = desk.json(&["show", &id])["key"]["secrets"][1]["end_time"].clone();
    let extended = desk.json(&["rotation", "extend", &id, "--grace", "48h"]);
    assert!(text(&extended["key"]["secrets"][1]["end_time"]) > text(&before));
    assert_eq!(desk.check(&old, "10.0.0.7"), Some(0));
    desk.done(&["rotation", "end", &id, "--generation", "1"]);
    assert_eq!(desk.check(&old, "10.0.0.7"), Some(3));
    let again = desk.run(&["rotation", "extend", &id, "--grace", "1h"], "");
    assert_eq!(again.code, Some(1));
    assert!(again.err.contains("no secret of the key is retiring"), "{again:?}");
    let log = desk.done(&["audit", "query", "--action", "secret-grace"]);
    assert_eq!(log.lines().count(), 3, "{log}");
}

#[test]
fn a_key_is_narrowed_to_what_it_used() {
    // K7, M4
    let desk = Desk::new();
    let (id, secret) = desk.issue();
    let nothing = desk.run(&["narrow", &id], "");
    assert_eq!(nothing.code, Some(1));
    assert!(nothing.err.contains("NOTHING_USED") && nothing.err.contains("keyward disable"), "{nothing:?}");
    assert_eq!(desk.check(&secret, "10.0.0.7"), Some(0));
    let report = desk.done(&["least-privilege", &id, "--since", "1d"]);
    assert!(report.contains("used           messaging:send (last in the hour"), "{report}");
    assert!(report.contains("it needs       messaging:send\n"), "{report}");
    let dry = desk.run(&["narrow", &id, "--since", "90d", "--dry-run"], "");
    assert!(dry.err.contains("Nothing was changed"), "{dry:?}");
    assert_eq!(desk.json(&["show", &id])["key"]["scopes"].as_array().unwrap().len(), 2);
    let stale = desk.run(&["narrow", &id, "--expect", "1"], "");
    assert!(stale.code == Some(1) && stale.err.contains("CONFLICT"), "{stale:?}");
    let narrowed = desk.json(&["narrow", &id]);
    assert_eq!(narrowed["key"]["scopes"], serde_json::json!(["messaging:send"]));
}

#[test]
fn a_review_says_what_to_do() {
    // K7, M4
    let desk = Desk::new();
    let (id, _secret) = desk.issue();
    let shown = desk.done(&["review"]);
    assert!(shown.contains(&format!("keyward update {id} --expires 365d")), "{shown}");
    assert_eq!(shown.matches("--expires").count(), 1, "the root key must last: {shown}");
    assert!(shown.contains(&format!("keyward least-privilege {id}")), "{shown}");
    assert!(shown.ends_with("of 2 keys reviewed\n"), "{shown}");
    let found =
        desk.json(&["review", "--unused-for", "30d", "--older-than", "30d", "--expiring-within", "1d"]);
    assert_eq!(found["reviewed"], 2);
    assert_eq!(found["keys"][0]["findings"][0]["kind"], "BROAD_ANYWHERE");
    let lines = desk.done(&["review", "--all", "--page-size", "1", "--json"]);
    assert_eq!(lines.lines().count(), 2, "{lines}");
    let soon = desk.json(&["issue", "soon", "--scope", "messaging:send", "--expires", "30d"]);
    assert_eq!(desk.check(&text(&soon["api_key"]), "10.0.0.7"), Some(0));
    let shown = desk.done(&["review", "--expiring-within", "60d"]);
    let later = format!("keyward update {} --expires 120d", text(&soon["key"]["id"]));
    assert!(shown.contains(&later), "{shown}");
    let wrong = desk.run(&["review", "--unused-for", "0"], "");
    assert!(wrong.code == Some(1) && wrong.err.contains("unused_for"), "{wrong:?}");
}
