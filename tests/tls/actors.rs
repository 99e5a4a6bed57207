//! Callers by client certificate: actors of the configuration, who send no key.

use std::{fs, process::Command};

use keyward::wire::v1::{CheckRequest, ListKeysRequest, key_service_client::KeyServiceClient};
use rcgen::{CertificateParams, SanType};
use serde_json::Value;
use tempfile::TempDir;
use tonic::{
    Code,
    transport::{Certificate, Channel, ClientTlsConfig, Identity},
};

use super::{Secured, refused};
use crate::{
    certificates::{Authority, Files},
    process::{Ended, Server, keyward, run},
    skip,
};

const BILLING: &str = "spiffe://example.org/billing";

/// An actor that issues and reads keys everywhere.
const ISSUER: &str = r#"
[[actors]]
id = "billing"
uris = ["spiffe://example.org/billing"]
reach = "global"
scopes = ["keys:issue", "keys:read", "keys:check", "keys:revoke", "audit:read", "workspaces:manage", "workspaces:read"]
ceiling = { any_grant = true, any_environment = true, any_lifetime = true, raise_limits = true }
"#;

/// A server with actors, and whom their certificates come from.
struct Named {
    secured: Secured,
    clients: Authority,
    folder: TempDir,
}

impl Named {
    fn start(config: &str) -> Self {
        let (clients, folder) = (Authority::new(), tempfile::tempdir().unwrap());
        let file = folder.path().join("keyward.toml");
        fs::write(&file, config).unwrap();
        let authority = clients.file();
        let flags = ["--client-ca", authority.to_str().unwrap(), "--config", file.to_str().unwrap()];
        Self { secured: Secured::start_with(&flags), clients, folder }
    }

    /// The same after an end in order and another start.
    fn restarted(self) -> Self {
        let Secured { authority, files, server, data } = self.secured;
        server.stop();
        let (ca, config) = (self.clients.file(), self.folder.path().join("keyward.toml"));
        let mut flags = vec!["--listen", "127.0.0.1:0"];
        flags.extend(files.flags());
        flags.extend(["--client-ca", ca.to_str().unwrap(), "--config", config.to_str().unwrap()]);
        let server = Server::start_with(&data.path().join("data"), &flags);
        Self { secured: Secured { authority, files, server, data }, ..self }
    }

    fn configure(&self, config: &str) {
        fs::write(self.folder.path().join("keyward.toml"), config).unwrap();
        self.secured.server.hang_up();
    }

    /// A certificate with these URIs and no other name.
    fn certificate(&self, uris: &[&str]) -> Files {
        let names: Vec<_> = uris.iter().map(|uri| SanType::URI((*uri).try_into().unwrap())).collect();
        self.certificate_with(|params| params.subject_alt_names = names)
    }

    fn certificate_with(&self, with: impl FnOnce(&mut CertificateParams)) -> Files {
        let count = fs::read_dir(self.folder.path()).unwrap().count();
        let at = self.folder.path().join(count.to_string());
        fs::create_dir(&at).unwrap();
        self.clients.issue_as(&at, with)
    }

    fn run(&self, shown: Option<&Files>, words: &[&str]) -> Ended {
        self.run_as(shown, false, words)
    }

    /// Runs a command under this certificate or none, with the administration key or without.
    fn run_as(&self, shown: Option<&Files>, with_key: bool, words: &[&str]) -> Ended {
        let mut command = keyward();
        command.args(words).arg("--ca-file").arg(self.secured.authority.file());
        command.arg("--server").arg(format!("https://127.0.0.1:{}", self.secured.server.address.port()));
        if with_key {
            command.arg("--admin-key-file").arg(self.secured.data.path().join("data/root-key"));
        }
        if let Some(files) = shown {
            command.arg("--client-cert").arg(&files.certificate).arg("--client-key").arg(&files.key);
        }
        run(command, "")
    }

    /// What a command that succeeds says in JSON.
    fn json(&self, shown: Option<&Files>, words: &[&str]) -> Value {
        let mut words = words.to_vec();
        words.push("--json");
        let ended = self.run(shown, &words);
        assert_eq!(ended.code, Some(0), "{ended:?}");
        serde_json::from_str(&ended.out).unwrap()
    }

    /// One connection that lasts.
    async fn channel(&self, shown: &Files) -> Channel {
        let ca = fs::read(self.secured.authority.file()).unwrap();
        let identity =
            Identity::from_pem(fs::read(&shown.certificate).unwrap(), fs::read(&shown.key).unwrap());
        let tls = ClientTlsConfig::new().ca_certificate(Certificate::from_pem(ca)).identity(identity);
        let url = format!("https://127.0.0.1:{}", self.secured.server.address.port());
        Channel::from_shared(url).unwrap().tls_config(tls).unwrap().connect().await.unwrap()
    }
}

#[test]
fn an_actor_calls_by_its_certificate_alone_and_what_it_did_names_it() {
    // O2, A1, T3
    let named = Named::start(ISSUER);
    let billing = named.certificate(&[BILLING]);
    let made = named.json(Some(&billing), &["issue", "a key", "--scope", "messaging:send"]);
    let key = made["key"]["id"].as_str().unwrap();
    assert_eq!(made["key"]["creator"]["key_id"], "actor:billing", "{made}");
    assert_eq!(made["key"]["creator"]["workspace_id"], "");
    let log = named.json(Some(&billing), &["audit", "query", "--actor", "actor:billing"]);
    let records = log["records"].as_array().unwrap();
    assert_eq!(records.len(), 1, "{log}");
    assert_eq!((&records[0]["action"], &records[0]["key_id"]), (&"KEY_ISSUE".into(), &key.into()), "{log}");
    assert_eq!(records[0]["actor"]["kind"], "ADMIN");
    assert_eq!(records[0]["actor"]["key_id"], "actor:billing");
    assert_eq!(records[0]["actor"]["address"], "127.0.0.1");
    fs::write(named.folder.path().join("secret"), made["api_key"].as_str().unwrap()).unwrap();
    let secret = named.folder.path().join("secret");
    let check = ["check", "--scope", "messaging:send", "--key-file", secret.to_str().unwrap()];
    assert_eq!(named.run(Some(&billing), &check).code, Some(0));
    let revoked = named.json(Some(&billing), &["revoke", key, "--reason", "unused"]);
    assert_eq!(revoked["key"]["revocation"]["revoked_by"], "actor:billing", "{revoked}");

    let beyond = named.run(Some(&billing), &["policy", "show"]);
    assert!(beyond.code == Some(1) && beyond.err.contains("policy:read"), "{beyond:?}");
    // It holds over a restart, and offline.
    let (data, named) = (named.secured.data.path().join("data"), named.restarted());
    let rotation = named.json(Some(&billing), &["rotation", "show", key]).to_string();
    assert!(rotation.contains(r#""caller_key_id":"actor:billing""#), "{rotation}");
    let shown = named.json(Some(&billing), &["show", key]);
    assert_eq!(shown["key"]["creator"]["key_id"], "actor:billing", "{shown}");
    assert_eq!(shown["key"]["revocation"]["revoked_by"], "actor:billing", "{shown}");
    named.secured.server.stop();
    let mut command = keyward();
    command.args(["audit", "verify", "--data-dir"]).arg(&data);
    let verified = run(command, "");
    assert_eq!(verified.code, Some(0), "{verified:?}");
}

#[test]
fn a_certificate_that_names_no_actor_or_several_is_told_so_and_a_key_goes_before_it() {
    // O2
    let other = ISSUER.replace("billing", "other");
    let named = Named::start(&format!("{ISSUER}{other}"));
    let stranger = named.certificate(&["spiffe://example.org/stranger"]);
    let nameless = named.certificate(&[]);
    let both = named.certificate(&[BILLING, "spiffe://example.org/other"]);
    let words = ["list"];
    for (shown, said) in [
        (Some(&stranger), "names no actor of the configuration"),
        (Some(&nameless), "names no actor of the configuration"),
        (Some(&both), "names several actors"),
        (None, "needs an administration key"),
    ] {
        let asked = named.run(shown, &words);
        assert!(asked.code == Some(1) && asked.err.contains(said), "{asked:?}");
        // A good key is enough.
        assert_eq!(named.run_as(shown, true, &words).code, Some(0));
    }
    // A key that is presented counts alone, a bad one too.
    let billing = named.certificate(&[BILLING]);
    let made =
        named.run_as(Some(&billing), true, &["issue", "by key", "--scope", "messaging:send", "--json"]);
    let made: Value = serde_json::from_str(&made.out).unwrap();
    let creator = made["key"]["creator"]["key_id"].as_str().unwrap();
    assert!(creator.starts_with("key_"), "{made}");
    let mut command = keyward();
    command.arg("list").arg("--ca-file").arg(named.secured.authority.file());
    command.arg("--server").arg(format!("https://127.0.0.1:{}", named.secured.server.address.port()));
    command.arg("--client-cert").arg(&billing.certificate).arg("--client-key").arg(&billing.key);
    command.env("KEYWARD_ADMIN_KEY", "kw_admin_wrong");
    let wrong = run(command, "");
    assert!(wrong.code == Some(1) && wrong.err.contains("not a usable administration key"), "{wrong:?}");
}

#[tokio::test]
async fn a_mapping_that_is_taken_away_ends_the_actor_at_the_next_call_of_the_same_connection() {
    // O2, M5
    let named = Named::start(ISSUER);
    let billing = named.certificate(&[BILLING]);
    let mut keys = KeyServiceClient::new(named.channel(&billing).await);
    keys.list_keys(ListKeysRequest::default()).await.unwrap();

    let wrong = ISSUER.replace("keys:read", "keys:everything");
    named.configure(&wrong);
    named.secured.server.until_logged("`actors[0].scopes[1]` must be one of keys:check");
    keys.list_keys(ListKeysRequest::default()).await.unwrap();

    // Another name, so that actors are left.
    named.configure(&ISSUER.replace("billing", "other"));
    named.secured.server.until_logged("the configuration file was read anew");
    let refused = keys.list_keys(ListKeysRequest::default()).await.unwrap_err();
    assert_eq!(refused.code(), Code::Unauthenticated);
    assert!(refused.message().contains("names no actor"), "{refused:?}");
    // Where Checks are open, too: who shows a certificate is somebody.
    let refused = keys.check(CheckRequest::default()).await.unwrap_err();
    assert_eq!(refused.code(), Code::Unauthenticated);

    named.configure("");
    named.secured.server.until_logged_times("the configuration file was read anew", 2);
    let refused = keys.list_keys(ListKeysRequest::default()).await.unwrap_err();
    assert_eq!(refused.code(), Code::Unauthenticated);

    // Where there is no actor, a certificate says nothing.
    let asked = keys.check(CheckRequest::default()).await;
    assert_ne!(asked.err().map(|why| why.code()), Some(Code::Unauthenticated));

    named.configure(&ISSUER.replace("\"keys:read\", ", ""));
    named.secured.server.until_logged_times("the configuration file was read anew", 3);
    let refused = keys.list_keys(ListKeysRequest::default()).await.unwrap_err();
    assert_eq!(refused.code(), Code::PermissionDenied);
}

#[test]
fn an_actor_hands_out_no_more_and_reaches_no_further_than_the_configuration_says() {
    // O2, S6, T1, X9
    let named = Named::start(ISSUER);
    let billing = named.certificate(&[BILLING]);
    let own = named.json(Some(&billing), &["workspace", "register", "own", "--no-key"]);
    let other = named.json(Some(&billing), &["workspace", "register", "other", "--no-key"]);
    let id = |made: &Value| made["workspace"]["id"].as_str().unwrap().to_owned();
    let (own, other) = (id(&own), id(&other));
    let bound = format!(
        "[[actors]]\nid = \"tenant\"\ndns_names = [\"tenant.example\"]\nreach = \"{own}\"\n\
         scopes = [\"keys:issue\", \"keys:read\", \"audit:read\"]\n[actors.ceiling]\n\
         grants = [{{ scope = \"messaging:send\" }}]\nenvironments = [\"test\"]\nmax_lifetime = \"30d\"\n"
    );
    named.configure(&format!("{ISSUER}{bound}"));
    named.secured.server.until_logged("the configuration file was read anew");
    let tenant = named.certificate_with(|params| {
        params.subject_alt_names = vec![SanType::DnsName("Tenant.example".try_into().unwrap())];
    });
    let good = ["issue", "a", "--scope", "messaging:send", "--environment", "test", "--expires", "1d"];
    let made = named.json(Some(&tenant), &good);
    assert_eq!(made["key"]["workspace_id"], own.as_str());
    assert_eq!(made["key"]["creator"]["workspace_id"], own.as_str());
    // It knows of itself, and of no operator.
    assert_eq!(made["key"]["creator"]["key_id"], "actor:tenant");
    let seen = named.json(Some(&tenant), &["audit", "query"]).to_string();
    assert!(seen.contains("actor:tenant") && !seen.contains("actor:billing"), "{seen}");
    for (place, word, said) in
        [(3, "storage:read", "grants"), (5, "live", "environment"), (7, "31d", "expiry")]
    {
        let mut words = good;
        words[place] = word;
        let refused = named.run(Some(&tenant), &words);
        assert!(refused.code == Some(1) && refused.err.contains(said), "{words:?} {refused:?}");
    }
    let refused = named.run(Some(&tenant), &[&good[..], &["--workspace", &other]].concat());
    assert!(refused.code == Some(1) && refused.err.contains("no such workspace"), "{refused:?}");
}

#[test]
fn a_request_id_is_one_actors_own_and_holds_over_a_call() {
    // O2, K10
    let Some(grpcurl) = skip::tool("grpcurl") else { return };
    let named = Named::start(&format!("{ISSUER}{}", ISSUER.replace("billing", "other")));
    let (billing, other) =
        (named.certificate(&[BILLING]), named.certificate(&["spiffe://example.org/other"]));
    let issue = |shown: &Files| {
        let mut command = Command::new(&grpcurl);
        command.arg("-cacert").arg(named.secured.authority.file());
        command.arg("-cert").arg(&shown.certificate).arg("-key").arg(&shown.key);
        let asked =
            r#"{"name": "a", "scopes": ["messaging:send"], "environment": "test", "request_id": "one"}"#;
        command.args(["-d", asked, &named.secured.server.address.to_string()]);
        let answer = command.arg("keyward.v1.KeyService/Issue").output().unwrap();
        String::from_utf8([answer.stdout, answer.stderr].concat()).unwrap()
    };
    let made = issue(&billing);
    assert!(made.contains("actor:billing"), "{made}");
    let again = issue(&billing);
    assert!(again.contains("AlreadyExists"), "{again}");
    let others = issue(&other);
    assert!(others.contains("actor:other"), "{others}");
}

#[test]
fn actors_that_cannot_be_stop_the_start_with_the_file_and_the_field() {
    // O2
    let authority = Authority::new();
    let files = authority.issue(authority.folder.path());
    let (ca, config) = (authority.file(), authority.folder.path().join("keyward.toml"));
    let start = |text: &str, with_ca: bool| {
        fs::write(&config, text).unwrap();
        let mut flags = files.flags().to_vec();
        flags.extend(["--config", config.to_str().unwrap()]);
        if with_ca {
            flags.extend(["--client-ca", ca.to_str().unwrap()]);
        }
        refused(&flags)
    };
    for (text, said) in [
        (ISSUER.replace("\"billing\"", "\"\""), "keyward.toml is wrong: `actors[0].id` must be 1 to 24"),
        (ISSUER.replace("global", "ws_1"), "`actors[0].reach` must be `global`, or the id of one workspace"),
        (ISSUER.replace("keys:issue", "keys:all"), "`actors[0].scopes[0]` must be one of"),
        (format!("{ISSUER}{}", ISSUER.replace("\"billing\"", "\"b\"")), "`actors[1].uris[0]` must be a name"),
        (ISSUER.replace("uris", "uri"), "unknown field `uri`"),
    ] {
        let why = start(&text, true);
        assert!(why.contains(said), "{why}");
    }
    assert!(start(ISSUER, false).contains("--client-ca"));
}
