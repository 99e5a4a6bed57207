//! Each field with what does not fit: `INVALID_ARGUMENT`, exactly this field named, nothing changed.

use keyward::wire::v1::{self, check_request::Subject};
use tonic::Code;

use crate::support::{
    Keyward, admin_rights, check, holder_key,
    verbs::{
        assert_field, bound, by_id, by_possession, disabling, enabling, named, peek, renaming, rotation,
        strings, update,
    },
};

/// Neither shown to people nor stored: control characters, and those that reorder, join or hide others.
const DECEIVING: [&str; 14] = [
    "a\0",
    "a\n",
    "\r\na",
    "a\tb",
    "a\u{7f}",
    "a\u{85}",
    "a\u{202e}b",
    "a\u{2066}b",
    "a\u{200b}b",
    "\u{feff}a",
    "a\u{2028}b",
    "a\u{e0041}",
    "a\u{ad}b",
    "a\u{1b}[31m",
];

const NO_SCOPES: [&str; 24] = [
    "", ":", "a", "a:", ":a", "a:b:c", "A:b", "a:B", "a b:c", " a:b", "a:b ", "*:*", "*:a", "*", "a*:b",
    "a:b*", "a:**", "a:*b", "1a:b", "a:1b", "a:ü", "a:b\0", "a:b,c:d", "a/b:c",
];

const NO_RESOURCES: [&str; 19] = [
    "/", "a/", "/a", "a//b", ".", "..", "a/../b", "a/./b", "a b", "a%2fb", "a\\b", "a;b", "a?b", "a#b",
    "a\0", "ä", "*a", "a*", "a/*/b",
];

const NO_TIMES: [(i64, i32); 8] = [
    (0, -1),
    (0, 1_000_000_000),
    (0, i32::MIN),
    (0, i32::MAX),
    (253_402_300_800, 0),
    (-62_135_596_801, 0),
    (i64::MAX, 0),
    (i64::MIN, 0),
];

const NO_IDS: [&str; 8] = [
    "x",
    "key_",
    "key_0",
    "key_000000000000000000000000000",
    "key_8zzzzzzzzzzzzzzzzzzzzzzzzz",
    "KEY_00000000000000000000000000",
    "key_0000000000000000000000000i",
    "key_0000000000000000000000000\0",
];

/// Makes one field of a ceiling unfit.
type Spoil = fn(&mut v1::Ceiling);

/// A field's path, and requests in which it does not fit.
struct Table<T> {
    base: T,
    rows: Vec<(String, T)>,
}

impl<T: Clone> Table<T> {
    fn new(base: T) -> Self {
        Self { base, rows: Vec::new() }
    }

    fn add(&mut self, field: &str, spoil: impl FnOnce(&mut T)) {
        let mut request = self.base.clone();
        spoil(&mut request);
        self.rows.push((field.to_owned(), request));
    }

    fn texts<'a>(
        &mut self,
        field: &str,
        values: impl IntoIterator<Item = &'a str>,
        set: impl Fn(&mut T, String),
    ) {
        for value in values {
            self.add(field, |request| set(request, value.to_owned()));
        }
    }
}

fn time(seconds: i64, nanos: i32) -> prost_types::Timestamp {
    prost_types::Timestamp { seconds, nanos }
}

fn many(count: usize) -> Vec<String> {
    (0..count).map(|place| format!("a:s{place}")).collect()
}

fn many_resources(count: usize) -> Vec<String> {
    (0..count).map(|place| format!("space/{place}")).collect()
}

/// The fields of a new key. `at` is what stands before their paths, `key` finds the request within the whole one.
fn spoil_key<T: Clone>(table: &mut Table<T>, at: &str, key: fn(&mut T) -> &mut v1::IssueRequest) {
    let path = |name: &str| format!("{at}{name}");
    let (long, longer) = ("n".repeat(129), "d".repeat(1_025));
    table.texts(&path("name"), ["", " ", " a", "a ", &long].into_iter().chain(DECEIVING), |it, value| {
        key(it).name = value;
    });
    table.texts(&path("description"), [longer.as_str()].into_iter().chain(DECEIVING), |it, value| {
        key(it).description = value;
    });
    table.texts(&path("owner"), [" ", "a b", "zoë", "a\r\nb", "a\0", &long], |it, value| {
        key(it).owner = value;
    });
    table.texts(&path("environment"), ["Live", "live ", "stage", "admin", "\0", &long], |it, value| {
        key(it).environment = value;
    });
    table.texts(&path("request_id"), [" ", "a b", "ü", "a/b", "a\0", &"r".repeat(65)], |it, value| {
        key(it).request_id = value;
    });
    spoil_scopes(table, at, key);
    for (seconds, nanos) in NO_TIMES.into_iter().chain([(0, 0), (-1, 0)]) {
        table.add(&path("expire_time"), |it| key(it).expire_time = Some(time(seconds, nanos)));
    }
    let networks = [
        "",
        "10.0.0.0",
        "10.0.0.1/8",
        "10.0.0.0/33",
        "10.0.0.0/-1",
        "10.0.0.0/08",
        "010.0.0.0/8",
        "10.0.0.0/8 ",
        "::ffff:10.0.0.0/104",
        "fe80::1%eth0/64",
        "a/8",
        "10.0.0.0/8,11.0.0.0/8",
        "/8",
        "10.0.0.0/",
    ];
    for network in networks {
        table.add(&path("allowed_cidrs[1]"), |it| key(it).allowed_cidrs = strings(&["10.0.0.0/8", network]));
    }
    for count in [65, 10_000] {
        let networks = (0..count).map(|place| format!("10.{}.{}.0/24", place / 256, place % 256)).collect();
        table.add(&path("allowed_cidrs"), |it| key(it).allowed_cidrs = networks);
    }
    let mut labels: Vec<(String, String)> = ["", "a b", "ü", "a/b", "a\0", &"n".repeat(65)]
        .into_iter()
        .map(|name| (name.to_owned(), "value".to_owned()))
        .collect();
    labels.push(("name".to_owned(), "v".repeat(257)));
    labels.extend(DECEIVING.map(|value| ("name".to_owned(), value.to_owned())));
    for label in labels {
        table.add(&path("metadata"), |it| key(it).metadata = [label].into());
    }
    let labels = (0..33).map(|place| (format!("l{place}"), String::new())).collect();
    table.add(&path("metadata"), |it| key(it).metadata = labels);
}

fn spoil_scopes<T: Clone>(table: &mut Table<T>, at: &str, key: fn(&mut T) -> &mut v1::IssueRequest) {
    let path = |name: &str| format!("{at}{name}");
    let long = format!("{}:a", "r".repeat(65));
    for scope in NO_SCOPES.into_iter().chain([long.as_str()]) {
        table.add(&path("scopes[1]"), |it| key(it).scopes = strings(&["a:b", scope]));
        table.add(&path("grants[1].scope"), |it| {
            key(it).grants = vec![bound("a:b", &["c"]), bound(scope, &["c"])];
        });
    }
    let long = "r".repeat(257);
    for resource in NO_RESOURCES.into_iter().chain(["", "**", &long]) {
        table
            .add(&path("grants[0].resources[1]"), |it| key(it).grants = vec![bound("a:b", &["c", resource])]);
    }
    table.add(&path("grants[0].resources"), |it| key(it).grants = vec![bound("a:b", &[])]);
    table.add(&path("grants[0].resources"), |it| {
        key(it).grants = vec![v1::Grant { scope: "a:b".to_owned(), resources: many_resources(1_025) }];
    });
    table.add(&path("grants"), |it| {
        let grant =
            |scope: &str, count| v1::Grant { scope: scope.to_owned(), resources: many_resources(count) };
        key(it).grants = vec![grant("a:b", 1_024), grant("b:b", 1)];
    });
    table.add(&path("scopes"), |it| key(it).scopes.clear());
    for count in [257, 10_000] {
        table.add(&path("scopes"), |it| key(it).scopes = many(count));
        table.add(&path("grants"), |it| key(it).grants = vec![bound("a:b", &["c"]); count]);
    }
    table.add(&path("grants"), |it| {
        key(it).scopes = many(256);
        key(it).grants = vec![bound("b:b", &["c"])];
    });
}

macro_rules! hold {
    ($keyward:expr, $table:expr, $client:ident.$method:ident) => {{
        let before = $keyward.revision().await;
        for (field, request) in $table.rows {
            let answer = $keyward.$client().$method($keyward.as_root(request)).await;
            assert_field(answer, &field);
        }
        assert_eq!($keyward.revision().await, before, "nothing was changed");
        let base = $keyward.as_root($table.base);
        assert!($keyward.$client().$method(base).await.is_ok(), "the same request without a fault is taken");
    }};
}

#[tokio::test(flavor = "multi_thread")]
async fn issue_refuses_what_does_not_fit() {
    // K1, S4
    let keyward = Keyward::start().await;
    let mut table = Table::new(holder_key(&["a:b"]));
    spoil_key(&mut table, "", |request| request);
    table.texts(
        "workspace_id",
        ["default", "ws_", "ws_0", "key_00000000000000000000000000", "\0"],
        |it, value| {
            it.workspace_id = value;
        },
    );
    assert!(table.rows.len() > 150);
    hold!(keyward, table, keys.issue);
    keyward.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn register_refuses_what_does_not_fit() {
    // T2
    let keyward = Keyward::start().await;
    let mut table = Table::new(v1::RegisterWorkspaceRequest {
        name: "Acme".to_owned(),
        key: Some(holder_key(&["a:b"])),
        ..v1::RegisterWorkspaceRequest::default()
    });
    spoil_key(&mut table, "key.", |request| request.key.as_mut().unwrap());
    let long = "n".repeat(129);
    table.texts("name", ["", " ", " a", &long].into_iter().chain(DECEIVING), |it, value| it.name = value);
    table.texts("owner", [" ", "a b", "zoë", "a\0", &long], |it, value| it.owner = value);
    table.texts("plan", ["free", "Starter", "starter ", "\0", &long], |it, value| it.plan = value);
    hold!(keyward, table, workspaces.register_workspace);
    keyward.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn issue_refuses_admin_rights_that_do_not_fit() {
    // X9
    let keyward = Keyward::start().await;
    let admin = |request: &mut v1::IssueRequest, change: &dyn Fn(&mut v1::AdminRights)| {
        change(request.admin.as_mut().unwrap());
    };
    let mut table = Table::new(v1::IssueRequest {
        name: "operator".to_owned(),
        admin: Some(admin_rights(&["keys:read"], false)),
        ..v1::IssueRequest::default()
    });
    for scope in ["", "*", "keys:*", "keys", "Keys:read", "keys:read ", "messaging:send", "admin:*", "\0"] {
        table.add("admin.scopes[1]", |it| admin(it, &|admin| admin.scopes = strings(&["keys:read", scope])));
    }
    table.add("admin.scopes", |it| admin(it, &|admin| admin.scopes.clear()));
    table.add("admin.scopes", |it| admin(it, &|admin| admin.scopes = vec!["keys:read".to_owned(); 257]));
    table.texts("environment", ["live", "test", "Admin"], |it, value| it.environment = value);
    table.add("scopes", |it| it.scopes = strings(&["a:b"]));
    table.add("scopes", |it| it.grants = vec![bound("a:b", &["c"])]);
    let ceilings: [(&str, Spoil); 13] = [
        ("any_grant", |it| it.scopes = strings(&["a:b"])),
        ("any_grant", |it| it.grants = vec![bound("a:b", &["c"])]),
        ("any_environment", |it| it.environments = strings(&["live"])),
        ("any_lifetime", |it| it.max_lifetime = Some(prost_types::Duration::default())),
        ("scopes[0]", |it| it.scopes = strings(&["*:*"])),
        ("grants[0].scope", |it| it.grants = vec![bound("*", &["c"])]),
        ("grants[0].resources", |it| it.grants = vec![bound("a:b", &[])]),
        ("grants[0].resources[0]", |it| it.grants = vec![bound("a:b", &["*/c"])]),
        ("environments[0]", |it| it.environments = strings(&["Live"])),
        ("scopes", |it| it.scopes = many(257)),
        ("environments", |it| it.environments = vec!["live".to_owned(); 257]),
        ("max_lifetime", |it| {
            it.any_lifetime = false;
            it.max_lifetime = Some(prost_types::Duration { seconds: -1, nanos: 0 });
        }),
        ("max_lifetime", |it| {
            it.any_lifetime = false;
            it.max_lifetime = Some(prost_types::Duration { seconds: 3_660 * 86_400 + 1, nanos: 0 });
        }),
    ];
    for (field, spoil) in ceilings {
        table.add(&format!("admin.ceiling.{field}"), |it| {
            admin(it, &|admin| spoil(admin.ceiling.as_mut().unwrap()));
        });
    }
    hold!(keyward, table, keys.issue);
    keyward.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn check_refuses_questions_that_do_not_fit() {
    // S1, S3, S8
    let keyward = Keyward::start().await;
    let issued = keyward.issue_scopes(&["a:b"]).await;
    let mut table = Table::new(check(&issued.api_key, &["a:b"]));
    spoil_check(&mut table);
    table.add("key_id", |it| it.subject = Some(Subject::KeyId(issued.key.id.clone())));
    for id in NO_IDS.into_iter().chain([""]) {
        table.add("key_id", |it| {
            it.subject = Some(Subject::KeyId(id.to_owned()));
            it.mode = v1::CheckMode::Peek.into();
        });
    }
    hold!(keyward, table, keys.check);
    assert!(keyward.show(&issued.key.id).await.last_use_time.is_some(), "by the good one");
    keyward.stop().await;
}

fn spoil_check(table: &mut Table<v1::CheckRequest>) {
    for scope in NO_SCOPES.into_iter().chain(["a:*"]) {
        table.add("scopes[1]", |it| it.scopes = strings(&["a:b", scope]));
        table.add("any_scopes[1].scopes[0]", |it| {
            it.any_scopes =
                [["a:b"], [scope]].map(|group| v1::ScopeGroup { scopes: strings(&group) }).to_vec();
        });
    }
    table.add("scopes", |it| it.scopes = many(65));
    table.add("scopes", |it| it.scopes = many(10_000));
    table.add("any_scopes", |it| it.any_scopes = vec![v1::ScopeGroup { scopes: many(1) }; 17]);
    table.add("any_scopes", |it| it.any_scopes = vec![v1::ScopeGroup { scopes: many(43) }; 3]);
    table.add("any_scopes[0].scopes", |it| it.any_scopes = vec![v1::ScopeGroup::default()]);
    table.add("any_scopes[0].scopes", |it| it.any_scopes = vec![v1::ScopeGroup { scopes: many(65) }]);
    let long = "r".repeat(257);
    table.texts("resource", NO_RESOURCES.into_iter().chain(["*", "space/*", &long]), |it, value| {
        it.resource = value;
    });
    table.texts("workspace_id", ["default", "ws_", "ws_0", "\0"], |it, value| it.workspace_id = value);
    table.texts("environment", ["Live", "a_b", " ", "1", "-", &"e".repeat(33), "\0"], |it, value| {
        it.environment = value;
    });
    for mode in [-1, 4, i32::MAX, i32::MIN] {
        table.add("mode", |it| it.mode = mode);
    }
    table.add("cost", |it| it.cost = Some(u64::MAX));
    let context = v1::CheckContext::default;
    for address in
        ["x", "10.0.0.1:80", "10.0.0", "010.0.0.1", "[::1]", "fe80::1%eth0", "10.0.0.1, 10.0.0.2", "1"]
    {
        table.add("context.source_address", |it| {
            it.context = Some(v1::CheckContext { source_address: address.to_owned(), ..context() });
        });
    }
    let mut long = |field: &str, of: v1::CheckContext| {
        table.add(&format!("context.{field}"), |it| it.context = Some(of));
    };
    long("method", v1::CheckContext { method: "m".repeat(65), ..context() });
    long("path", v1::CheckContext { path: "p".repeat(8_193), ..context() });
    long("user_agent", v1::CheckContext { user_agent: "ü".repeat(8_193), ..context() });
    long("request_id", v1::CheckContext { request_id: "r".repeat(129), ..context() });
}

#[tokio::test(flavor = "multi_thread")]
async fn update_refuses_what_does_not_fit() {
    // K1
    let keyward = Keyward::start().await;
    let issued = keyward.issue_scopes(&["a:b"]).await;
    let mut table = Table::new(renaming(&issued.key.id, "after"));
    let mut key = |field: &str, mask: &str, spoil: &dyn Fn(&mut v1::Key)| {
        table.add(field, |it| {
            it.update_mask.as_mut().unwrap().paths = strings(&[mask]);
            spoil(it.key.as_mut().unwrap());
        });
    };
    for text in DECEIVING {
        key("key.name", "name", &|it| it.name = text.to_owned());
        key("key.description", "description", &|it| it.description = text.to_owned());
        key("key.metadata", "metadata", &|it| it.metadata = [("a".to_owned(), text.to_owned())].into());
    }
    key("key.name", "name", &|it| it.name = String::new());
    key("key.name", "name", &|it| it.name = "n".repeat(129));
    key("key.description", "description", &|it| it.description = "d".repeat(1_025));
    for scope in NO_SCOPES {
        key("key.scopes[0]", "scopes", &|it| it.scopes = strings(&[scope]));
        key("key.grants[0].scope", "grants", &|it| it.grants = vec![bound(scope, &["c"])]);
    }
    key("key.grants[0].resources[0]", "grants", &|it| it.grants = vec![bound("a:b", &["a/*/b"])]);
    key("key.scopes", "scopes", &|it| it.scopes = many(257));
    key("key.grants", "grants", &|it| it.grants = vec![bound("a:b", &["c"]); 10_000]);
    for (seconds, nanos) in NO_TIMES.into_iter().chain([(0, 0)]) {
        key("key.expire_time", "expire_time", &|it| it.expire_time = Some(time(seconds, nanos)));
    }
    key("key.allowed_cidrs[0]", "allowed_cidrs", &|it| it.allowed_cidrs = strings(&["10.0.0.1/8"]));
    key("key.allowed_cidrs", "allowed_cidrs", &|it| it.allowed_cidrs = vec!["10.0.0.0/8".to_owned(); 65]);
    for id in NO_IDS.into_iter().chain([""]) {
        key("key.id", "name", &|it| it.id = id.to_owned());
    }
    table.add("key.id", |it| it.key = None);
    table.add("update_mask", |it| *it = update(it.key.clone().unwrap(), &["secrets"]));
    hold!(keyward, table, keys.update_key);
    keyward.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_other_verbs_refuse_what_does_not_fit() {
    // R2, V2
    let keyward = Keyward::start().await;
    let id = keyward.issue_scopes(&["a:b"]).await.key.id;
    let ids = || NO_IDS.into_iter().chain([""]);
    let long = "c".repeat(1_025);
    let comments = || [long.as_str()].into_iter().chain(DECEIVING);

    let mut table = Table::new(rotation(&id, None));
    table.texts("key_id", ids(), |it, value| it.key_id = value);
    for (seconds, nanos) in [(-1, 0), (0, -1), (0, 1_000_000_000), (366 * 86_400, 1), (i64::MAX, 0)] {
        table.add("grace_period", |it| it.grace_period = Some(prost_types::Duration { seconds, nanos }));
    }
    table.texts("request_id", [" ", "a b", "ü", &"r".repeat(65)], |it, value| it.request_id = value);
    hold!(keyward, table, keys.rotate);

    let mut table = Table::new(disabling(&id));
    table.texts("key_id", ids(), |it, value| it.key_id = value);
    table.texts("comment", comments(), |it, value| it.comment = value);
    hold!(keyward, table, keys.disable_key);

    let mut table = Table::new(enabling(&id));
    table.texts("key_id", ids(), |it, value| it.key_id = value);
    table.texts("comment", comments(), |it, value| it.comment = value);
    hold!(keyward, table, keys.enable_key);

    let mut table = Table::new(named(&id));
    table.texts("key_id", ids(), |it, value| it.key_id = value);
    hold!(keyward, table, keys.get_key);

    let mut table = Table::new(by_id(&id));
    table.texts("key_id", ids(), |it, value| *it = by_id(&value));
    table.texts("comment", comments(), |it, value| it.comment = value);
    for reason in [-1, 7, i32::MAX] {
        table.add("reason", |it| it.reason = reason);
    }
    hold!(keyward, table, keys.revoke);

    let mut table = Table::new(by_possession("nobody"));
    table.texts("comment", comments(), |it, value| it.comment = value);
    table.add("reason", |it| it.reason = 7);
    hold!(keyward, table, keys.revoke);
    keyward.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_refuse_what_does_not_fit() {
    // A2
    let keyward = Keyward::start().await;
    let tokens = ["x", "AAAA", "%", "\0", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", "null"];
    let mut table = Table::new(v1::ListKeysRequest::default());
    table.texts("workspace_id", ["default", "ws_", "\0"], |it, value| it.workspace_id = value);
    table.texts("owner", [" ", "zoë", &"o".repeat(129)], |it, value| it.owner = value);
    table.texts("environment", ["Live", "a_b", " "], |it, value| it.environment = value);
    table.texts("page_token", tokens, |it, value| it.page_token = value);
    for size in [-1, 1_001, i32::MIN] {
        table.add("page_size", |it| it.page_size = size);
    }
    hold!(keyward, table, keys.list_keys);

    let mut table = Table::new(v1::QueryLogRequest::default());
    table.texts("workspace_id", ["default", "ws_", "\0"], |it, value| it.workspace_id = value);
    table.texts("key_id", NO_IDS, |it, value| it.key_id = value);
    table.texts("actor_key_id", NO_IDS, |it, value| it.actor_key_id = value);
    table.texts("page_token", tokens, |it, value| it.page_token = value);
    for action in [-1, 1_000, i32::MAX] {
        table.add("action", |it| it.action = action);
    }
    for (seconds, nanos) in NO_TIMES {
        table.add("start_time", |it| it.start_time = Some(time(seconds, nanos)));
        table.add("end_time", |it| it.end_time = Some(time(seconds, nanos)));
    }
    for size in [-1, 1_001, i32::MIN] {
        table.add("page_size", |it| it.page_size = size);
    }
    hold!(keyward, table, audit.query_log);
    keyward.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_names_the_question_and_the_field() {
    let keyward = Keyward::start().await;
    let issued = keyward.issue_scopes(&["a:b"]).await;
    let mut single = Table::new(check(&issued.api_key, &["a:b"]));
    spoil_check(&mut single);
    let base = single.base.clone();
    let batch = |requests| v1::BatchCheckRequest { requests, ..v1::BatchCheckRequest::default() };
    let rows = single.rows.into_iter();
    let rows = rows.map(|(field, bad)| (format!("requests[1].{field}"), batch(vec![base.clone(), bad])));
    let table = Table { base: batch(vec![base.clone()]), rows: rows.collect() };
    hold!(keyward, table, keys.batch_check);
    keyward.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn bytes_that_are_no_message_are_refused_by_every_method() {
    // X1
    let keyward = Keyward::start().await;
    let before = keyward.revision().await;
    let signed = format!("Bearer {}", keyward.root);
    let pool = prost_reflect::DescriptorPool::decode(keyward::wire::DESCRIPTOR_SET).unwrap();
    let services = pool.services().filter(|service| service.package_name() == "keyward.v1");
    for method in services.flat_map(|service| service.methods().collect::<Vec<_>>()) {
        let path = format!("{}/{}", method.parent_service().full_name(), method.name());
        for bytes in [vec![0xff; 16], vec![0x0a, 0xff], vec![0x0a, 0x02, 0xff, 0xfe], vec![0x07]] {
            let lenient = method.input().fields().len() == 0;
            let answer = keyward.call(&path, &[&signed], bytes).await;
            assert!(lenient || answer.is_err(), "{path}");
        }
    }
    assert_eq!(keyward.revision().await, before);
    let missing = keyward.keys().check(keyward.as_root(peek("", &[]))).await;
    assert_eq!(missing.err().unwrap().code(), Code::InvalidArgument);
    keyward.stop().await;
}
