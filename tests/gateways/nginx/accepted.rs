//! What the check has nothing to say about, what it cannot read, and how it says what it finds.

use std::{fs, path::Path};

use serde_json::Value;
use tempfile::TempDir;

use super::variations::check;
use crate::gateway::NGINX;

/// The shipped files, with something in the place of what stands there once.
fn files(changes: &[(&str, &str)]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in NGINX.files {
        let mut text = (*text).to_owned();
        for (old, new) in changes {
            text = text.replacen(old, new, 1);
        }
        fs::write(folder.path().join(name), text).unwrap();
    }
    folder
}

#[test]
fn the_shipped_files_and_what_is_rightly_added_are_accepted() {
    // H13
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/nginx/nginx.conf");
    let found = check(&shipped, &[]);
    assert_eq!((found.code, found.err.as_str()), (Some(0), ""), "{found:?}");
    assert!(found.out.ends_with("6 places that pass requests on: 0 found\n"), "{found:?}");
    let health = "        # Open to everyone.";
    for text in [
        "include keyward-cors.conf;\n location /a { proxy_pass http://service; }",
        "location /a { include keyward-proxy.conf; proxy_set_header a $http_a; proxy_pass http://service; }",
        "location /a { include keyward-ask.conf; error_page 404 /a.html; proxy_pass http://service; }",
        "location /a { include keyward-client.conf; add_header a b; proxy_pass http://service; }",
        "location /a { include keyward-grpc.conf; grpc_set_header a b; grpc_pass grpc://grpc_service; }",
        "location /a { location ~ \\.b$ { proxy_pass http://service; } }",
        "location /a { if ($request_method = PUT) { proxy_pass http://service; } }",
        "location /a { root /srv; }",
        "location /a { access_log off; proxy_pass http://service; }",
        "location /a { # proxy_set_header a b;\n proxy_pass http://service; }",
        "location /a { return 200 'proxy_set_header a b; proxy_pass http://x;'; }",
        "location /a { auth_request off; proxy_set_header a b;\n proxy_pass http://other; # keyward: unguarded, our own site\n }",
    ] {
        let folder = files(&[(health, &format!("{text}\n{health}"))]);
        let found = check(&folder.path().join("nginx.conf"), &[]);
        assert_eq!(found.code, Some(0), "{text}: {found:?}");
    }
}

#[test]
fn a_file_that_is_included_is_judged_by_its_own_name_and_line() {
    // H13
    let folder = files(&[(
        "    include keyward-http.conf;\n",
        "    include keyward-http.conf;\n    include sites/*.conf;\n",
    )]);
    fs::create_dir(folder.path().join("sites")).unwrap();
    let site = folder.path().join("sites/shop.conf");
    fs::write(&site, "# our shop\nserver {\n    location /shop {\n        proxy_pass\n            http://service;\n    }\n}\n").unwrap();
    fs::write(
        folder.path().join("sites/old.conf.bak"),
        "server { location / { proxy_pass http://service; } }",
    )
    .unwrap();
    let main = folder.path().join("nginx.conf");
    let found = check(&main, &["--json"]);
    let answer: Value = serde_json::from_str(&found.out).unwrap();
    assert_eq!((found.code, answer["files"].as_array().unwrap().len()), (Some(6), 9), "{found:?}");
    let findings = answer["findings"].as_array().unwrap();
    assert!(!findings.is_empty());
    for finding in findings {
        let place = (finding["file"].as_str().unwrap(), finding["line"].as_u64(), finding["at"].as_str());
        assert_eq!(place, (site.to_str().unwrap(), Some(4), Some("location /shop")), "{finding}");
    }
    let found = check(&main, &[]);
    let line = format!("{}:4: UNASKED location /shop\n", site.display());
    assert!(found.code == Some(6) && found.out.contains(&line), "{found:?}");
    assert!(found.out.contains("  next: include keyward-server.conf in the server"), "{found:?}");
}

#[test]
fn what_cannot_be_read_is_an_error_and_no_clean_bill() {
    // H13
    let folder = tempfile::tempdir().unwrap();
    let main = folder.path().join("nginx.conf");
    let found = check(&main, &[]);
    assert!(found.code == Some(1) && found.err.contains("nginx.conf") && found.out.is_empty(), "{found:?}");
    for (text, expected) in [
        ("http { server { location / { proxy_pass http://a; } }", "missing"),
        ("http { include none.conf; }", "none.conf"),
        ("http {\n return 200 \"a; }", "line 2"),
    ] {
        fs::write(&main, text).unwrap();
        let found = check(&main, &["--json"]);
        assert_eq!((found.code, found.out.as_str()), (Some(1), ""), "{found:?}");
        let error: Value = serde_json::from_str(&found.err).unwrap();
        assert!(error["error"]["message"].as_str().unwrap().contains(expected), "{error}");
    }
}
