//! Tables of routes: which one a request is on, told by rows and by an oracle.

use proptest::{prelude::*, sample::select};

use super::*;
use crate::domain::route::{Because, HostName, Method, PathTemplate, ResourceTemplate};

/// A route from `host method template`, with `*` for any host or method.
fn route(line: &str) -> Route {
    let words: Vec<&str> = line.split(' ').collect();
    let given = |place: usize| Some(words[place]).filter(|word| *word != "*");
    Route {
        name: None,
        host: given(0).map(|text| HostName::parse(text).unwrap()),
        method: given(1).map(|text| Method::parse(text).unwrap()),
        template: PathTemplate::parse(words[2]).unwrap(),
        decision: RouteDecision::Public,
    }
}

fn table(lines: &[&str]) -> Result<RouteTable, TableError> {
    RouteTable::new(lines.iter().map(|line| route(line)).collect())
}

/// The route of this request as it was written.
fn found<'a>(lines: &[&'a str], host: &str, method: &str, path: &str) -> Result<&'a str, Unrouted> {
    table(lines).unwrap().find(host, method, path).map(|found| lines[found.index])
}

#[test]
fn a_request_is_on_the_route_that_says_most_about_it() {
    let rows: &[(&[&str], &str, &str)] = &[
        (&["* * /a", "* * /{x}"], "/a", "* * /a"),
        (&["* * /a", "* * /{x}"], "/b", "* * /{x}"),
        (&["* * /a/{x}", "* * /{y}/b"], "/a/b", "* * /a/{x}"),
        (&["* * /a/{x}", "* * /{y}/b"], "/c/b", "* * /{y}/b"),
        (&["* * /a/{x}/c", "* * /{y}/b/{z}"], "/a/b/d", "* * /{y}/b/{z}"),
        (&["* * /a/b/c", "* * /a/{x}/d", "* * /{y=**}"], "/a/b/d", "* * /a/{x}/d"),
        (&["* * /a/b/c", "* * /a/{x}/d", "* * /{y=**}"], "/a/b/e", "* * /{y=**}"),
        (&["* * /{x}", "* * /{x=**}"], "/a", "* * /{x}"),
        (&["* * /a", "* * /a/{x=**}"], "/a", "* * /a"),
        (&["* * /a/", "* * /a/{x=**}"], "/a/", "* * /a/"),
        (&["* * /{x=**}", "* * /a/{x=**}"], "/a", "* * /a/{x=**}"),
        (&["* * /{x=**}", "* * /a/{x=**}"], "/a/", "* * /a/{x=**}"),
        (&["* * /{x=**}", "* * /a/{x=**}"], "/a/b/c/", "* * /a/{x=**}"),
        (&["* * /{x=**}", "* * /a/{x=**}"], "/ab", "* * /{x=**}"),
        (&["* * /{x=**}"], "/", "* * /{x=**}"),
        (&["h * /{x=**}", "* GET /a"], "/a", "h * /{x=**}"),
        (&["h * /b", "* GET /a"], "/a", "* GET /a"),
        (&["* GET /{x}", "* * /a"], "/a", "* * /a"),
        (&["* GET /a", "* * /a"], "/a", "* GET /a"),
        (&["* HEAD /a", "* * /a"], "/a", "* * /a"),
        (&["* PUT /a", "* * /{x=**}"], "/a", "* * /{x=**}"),
        (&["* * /caf%C3%A9", "* * /{x}"], "/caf%C3%A9", "* * /caf%C3%A9"),
        (&["* * /caf%C3%A9", "* * /{x}"], "/cafe%CC%81", "* * /{x}"),
    ];
    for (lines, path, best) in rows {
        assert_eq!(found(lines, "H:8080", "GET", path), Ok(*best), "{lines:?} {path}");
        let backwards: Vec<&str> = lines.iter().rev().copied().collect();
        assert_eq!(found(&backwards, "h", "GET", path), Ok(*best), "{backwards:?} {path}");
    }
}

#[test]
fn one_route_answers_the_preflights_of_all_paths_but_of_those_that_are_denied() {
    // H10
    let mut routes: Vec<Route> = [
        "* OPTIONS /{x=**}",
        "* * /v1/templates",
        "* * /admin/{x=**}",
        "* * /admin/open",
        "h * /v1/{x=**}",
        "* OPTIONS /v1/own",
        "* * /v1/own",
        "* OPTIONS /admin/asked",
    ]
    .map(route)
    .into();
    routes[2].decision = RouteDecision::Denied;
    let table = RouteTable::new(routes).unwrap();
    let found = |host, method, path| table.find(host, method, path).map(|found| found.index);
    let preflight = |path| found("a", "OPTIONS", path);
    assert_eq!(preflight("/v1/templates"), Ok(0), "before a route of any method on a longer path");
    assert_eq!(preflight("/v1/own"), Ok(5), "of two for OPTIONS the longer path");
    assert_eq!(preflight("/admin/a"), Ok(2), "what is denied to all is denied to preflights");
    assert_eq!(preflight("/admin/open"), Ok(0));
    assert_eq!(preflight("/admin/asked"), Ok(7), "unless a longer path says otherwise, as for any method");
    assert_eq!(found("h", "OPTIONS", "/v1/templates"), Ok(4), "a host has its own routes");
    for method in ["GET", "HEAD", "POST"] {
        assert_eq!(found("a", method, "/v1/templates"), Ok(1), "{method}");
    }
}

#[test]
fn a_route_for_get_covers_head_unless_head_has_one_of_its_own() {
    // H11
    let rows: &[(&[&str], &str, &str)] = &[
        (&["* GET /a"], "/a", "* GET /a"),
        (&["* GET /a", "* * /a"], "/a", "* GET /a"),
        (&["* GET /a", "* * /{x=**}"], "/a", "* GET /a"),
        (&["* GET /{x}", "* * /a"], "/a", "* * /a"),
        (&["h GET /{x}", "* * /a"], "/a", "h GET /{x}"),
        (&["* GET /a", "* HEAD /a"], "/a", "* HEAD /a"),
        (&["* GET /a", "* HEAD /{x=**}"], "/a", "* HEAD /{x=**}"),
        (&["h GET /a", "* HEAD /a"], "/a", "* HEAD /a"),
        (&["* GET /a", "i HEAD /a"], "/a", "* GET /a"),
        (&["* GET /a", "* HEAD /b"], "/a", "* GET /a"),
        (&["* HEAD /{x=**}", "* * /a", "* GET /a"], "/a", "* * /a"),
    ];
    for (lines, path, best) in rows {
        assert_eq!(found(lines, "h", "HEAD", path), Ok(*best), "{lines:?} {path}");
    }
    for method in ["PUT", "OPTIONS", "GETS", "X-HEAD"] {
        assert_eq!(found(&["* GET /a"], "h", method, "/a"), Err(Unrouted::NotFound), "{method}");
    }
    assert_eq!(found(&["* HEAD /a"], "h", "GET", "/a"), Err(Unrouted::NotFound));
}

#[test]
fn a_request_that_no_route_matches_is_on_none() {
    let rows: &[(&str, &str)] = &[
        ("* * /a", "/A"),
        ("* * /a", "/a/"),
        ("* * /a/", "/a"),
        ("* * /a", "/"),
        ("* * /", "/a"),
        ("* * /{x}", "/"),
        ("* * /{x}", "/a/"),
        ("* * /{x}", "/a/b"),
        ("* * /a/{x=**}", "/ab"),
        ("* * /a/{x}/{y=**}", "/a"),
        ("* * /a/{x}/{y=**}", "/a/"),
        ("* HEAD /a", "/a"),
        ("i * /a", "/a"),
        ("h.h * /a", "/a"),
    ];
    for (line, path) in rows {
        assert_eq!(found(&[line], "h", "GET", path), Err(Unrouted::NotFound), "{line} {path}");
    }
    assert_eq!(found(&[], "h", "GET", "/"), Err(Unrouted::NotFound));
}

#[test]
fn what_is_not_canonical_is_denied_whatever_the_routes_are() {
    let refused = Err(Unrouted::NotCanonical(NotCanonical));
    for (host, method, path) in [
        ("h", "GET", "/a/../b"),
        ("h", "GET", "/%61"),
        ("h", "GET", "/a;x"),
        ("h", "GET", "//"),
        ("h", "GET", "*"),
        ("h", "get", "/a"),
        ("h", "", "/a"),
        ("h.", "GET", "/a"),
        ("", "GET", "/a"),
    ] {
        assert_eq!(found(&["* * /{x=**}"], host, method, path), refused, "{host} {method} {path}");
    }
}

#[test]
fn routes_for_the_same_requests_are_refused_by_their_places() {
    for (one, other) in [
        ("* * /a", "* * /a"),
        ("* * /{x}", "* * /{y}"),
        ("* * /a/{x=**}", "* * /a/{y=**}"),
        ("h GET /{x}/b/", "h GET /{y}/b/"),
    ] {
        let refused = TableError::Ambiguous { first: 1, second: 3 };
        assert_eq!(table(&["* * /z", one, "* * /y", other]), Err(refused), "{one} {other}");
    }
    for (one, other) in [
        ("* * /a", "* * /a/"),
        ("* * /a", "* GET /a"),
        ("* PUT /a", "* GET /a"),
        ("* * /a", "h * /a"),
        ("i * /a", "h * /a"),
        ("* * /{x}", "* * /{x=**}"),
        ("* * /a/{x}", "* * /{x}/a"),
    ] {
        assert!(table(&[one, other]).is_ok(), "{one} {other}");
    }
    let first = TableError::Ambiguous { first: 0, second: 1 };
    assert_eq!(table(&["* * /b", "* * /b", "* * /a", "* * /a", "* * /b"]), Err(first));
}

#[test]
fn a_table_has_an_end() {
    let routes = |count| (0..count).map(|n| route(&format!("* * /a/{n}"))).collect();
    let table = RouteTable::new(routes(1024)).unwrap();
    assert_eq!(table.find("h", "GET", "/a/1023").unwrap().index, 1023);
    assert_eq!(RouteTable::new(routes(1025)), Err(TableError::TooMany));
}

#[test]
fn a_match_tells_the_resource_or_there_is_none() {
    let requires = |line: &str, text: &str| {
        let mut route = route(line);
        let resource = Some(ResourceTemplate::parse(text, &route.template).unwrap());
        route.decision = RouteDecision::Require { scopes: Vec::new(), resource, cost: None };
        route
    };
    let routes = vec![requires("* * /s/{x}", "space/{x}"), requires("* * /all", "all"), route("* * /{x=**}")];
    let table = RouteTable::new(routes).unwrap();
    let resource = |path| table.find("h", "GET", path).map(|found| found.resource);
    assert_eq!(resource("/s/eu?x=/s/us"), Ok(Some("space/eu".into())));
    assert!(matches!(resource("/all"), Ok(Some(Cow::Borrowed("all")))));
    assert_eq!(resource("/other"), Ok(None));
    for hostile in ["/s/*", "/s/a*", "/s/a,b", "/s/a=b", "/s/$"] {
        assert_eq!(
            resource(hostile),
            Err(Unrouted::NoResource),
            "the lesser route does not decide {hostile}"
        );
    }
}

/// Whether a template takes a path, both as the segments of their texts.
fn takes(template: &[&str], path: &[&str]) -> bool {
    match (template, path) {
        (["{r=**}"], _) | ([], []) => true,
        (["{x}", template @ ..], [one, path @ ..]) => !one.is_empty() && takes(template, path),
        ([same, template @ ..], [one, path @ ..]) => same == one && takes(template, path),
        _ => false,
    }
}

/// The best line by comparing all of them: for those that match, a smaller text says more.
fn oracle<'a>(lines: &[&'a str], host: &str, method: &str, path: &str) -> Option<&'a str> {
    let of_head = |line: &&&str| line.split(' ').nth(1) == Some("HEAD");
    let own: Vec<&str> = lines.iter().filter(of_head).copied().collect();
    if method == "HEAD" && best(&own, host, method, path).is_none() {
        return best(lines, host, "GET", path);
    }
    best(lines, host, method, path)
}

/// The same for what is asked by this very method.
fn best<'a>(lines: &[&'a str], host: &str, method: &str, path: &str) -> Option<&'a str> {
    let segments = |text: &'a str| text.split('/').skip(1).collect::<Vec<_>>();
    let matching = lines.iter().filter(|line| {
        let words: Vec<&str> = line.split(' ').collect();
        let path: Vec<&str> = path.split('/').skip(1).collect();
        ["*", host].contains(&words[0])
            && ["*", method].contains(&words[1])
            && takes(&segments(words[2]), &path)
    });
    let key = |line: &str| {
        let words: Vec<&str> = line.split(' ').collect();
        let rank = |word| {
            ["{x}", "{r=**}"].iter().position(|variable| *variable == word).map_or(0, |place| place + 1)
        };
        let ranks: Vec<usize> = words[2].split('/').map(rank).collect();
        let is_any = words[1] == "*";
        (words[0] == "*", method == "OPTIONS" && is_any, ranks, is_any)
    };
    matching.min_by_key(|line| key(line)).copied()
}

/// Lines whose variables are all called `x`, so that two for the same requests are equal.
fn lines() -> impl Strategy<Value = Vec<String>> {
    let above = prop::collection::vec(select(vec!["a", "b", "{x}"]), 0..4);
    let last = select(vec!["a", "b", "{x}", "{x}", "", "{r=**}"]);
    let line = (
        select(vec!["*", "*", "h", "i"]),
        select(vec!["*", "*", "GET", "PUT", "OPTIONS", "HEAD"]),
        above,
        last,
    );
    let line = line.prop_map(|(host, method, above, last)| {
        format!("{host} {method} /{}", [above, vec![last]].concat().join("/"))
    });
    prop::collection::vec(line, 0..32)
}

/// The table of such lines, each variable with a name of its own.
fn numbered(lines: &[&str]) -> Result<RouteTable, TableError> {
    let number =
        |line: &str| (0..5).fold(line.to_owned(), |line, n| line.replacen("{x}", &format!("{{x{n}}}"), 1));
    RouteTable::new(lines.iter().map(|line| route(&number(line))).collect())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_table_agrees_with_looking_at_every_route(lines in lines(), paths in prop::collection::vec("(/[abc]){0,4}/?", 24)) {
        let mut kept: Vec<&str> = Vec::new();
        for line in &lines {
            let repeated = kept.contains(&line.as_str());
            kept.push(line);
            prop_assert_eq!(numbered(&kept).is_err(), repeated);
            if repeated {
                kept.pop();
            }
        }
        let table = numbered(&kept).unwrap();
        for path in paths.iter().filter(|path| !path.is_empty()) {
            for (host, method) in [("h", "GET"), ("i", "PUT"), ("j", "GET"), ("h", "HEAD"), ("h", "OPTIONS"), ("j", "OPTIONS")] {
                let found = table.find(host, method, path).ok().map(|found| kept[found.index]);
                prop_assert_eq!(found, oracle(&kept, host, method, path), "{} {} {}", host, method, path);
            }
        }
    }
}

#[test]
fn an_explanation_names_the_route_that_decides_and_why_the_others_do_not() {
    // H7
    let lines = [
        "* * /v1/{rest=**}",
        "* GET /v1/spaces/{space}",
        "* POST /v1/spaces/{space}",
        "api.example.com * /v1/spaces/{space}",
        "* * /v2",
        "* OPTIONS /v1/{rest=**}",
        "* * /v1/pre/{rest=**}",
    ];
    let table = table(&lines).unwrap();
    let explained = |host, method, path| {
        let found = table.explain(host, method, path);
        let others: Vec<_> = found.others.iter().map(|other| (lines[other.index], other.because)).collect();
        (found.decides.as_ref().ok().map(|found| lines[found.index]), others, found.why().into_owned())
    };
    let (decides, others, why) = explained("www.example.com:443", "GET", "/v1/spaces/a?b");
    assert_eq!(decides, Some(lines[1]));
    assert_eq!(
        others,
        [
            (lines[3], Because::OtherHost),
            (lines[2], Because::OtherMethod),
            (lines[5], Because::OtherMethod),
            (lines[0], Because::SaysLess),
        ]
    );
    assert_eq!(why, "it says more about the request than the other route that matches");
    assert_eq!(explained("api.example.com", "GET", "/v1/spaces/a").0, Some(lines[3]));
    // H11
    let (decides, others, why) = explained("www.example.com", "HEAD", "/v1/spaces/a");
    assert_eq!((decides, others[1]), (Some(lines[1]), (lines[2], Because::OtherMethod)));
    assert!(why.ends_with("; no route for HEAD matches, so that it is decided as GET"), "{why}");
    assert_eq!(explained("a", "GET", "/v1/x").2, "no other route matches");
    assert_eq!(
        explained("a", "GET", "/v3"),
        (None, vec![], "no route is for this request: none is for its path".to_owned())
    );
    let preflight = explained("a", "OPTIONS", "/v1/pre/a");
    assert_eq!(preflight.0, Some(lines[5]));
    assert_eq!(preflight.1[0], (lines[6], Because::AnyMethod));
    assert_eq!(preflight.2, "it is for OPTIONS, and such a route comes before those of any method");
    for (host, method, path, what) in
        [("a", "GET", "/v1/..", "path"), ("a:", "GET", "/v1", "host"), ("a", "G T", "/v1", "method")]
    {
        assert!(explained(host, method, path).2.contains(what), "{what}");
    }
}
