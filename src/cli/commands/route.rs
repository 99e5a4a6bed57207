//! `keyward route`: which route of the policy a request through a gateway is on, and why.

use clap::{Args, Subcommand};
use serde_json::json;

use crate::{
    cli::{
        exit::Exit,
        failure::Failure,
        output::{json, table::Table},
        remote::Remote,
        session::Session,
    },
    wire::v1::{ExplainRouteRequest, ExplainRouteResponse, PolicyRoute, PolicyRouteAccess, RouteExplanation},
};

pub(in crate::cli) const EXAMPLES: &str = "\
Which scopes does this request need, and which route says so?
  keyward route explain GET https://api.example.com/v1/spaces/cdn-eu/assets?page=2

Exit status: 0 a route decides, 3 none does, 1 no answer.";

/// Explain the routes of the policy
#[derive(Subcommand, Debug)]
pub enum RouteCommand {
    /// Say which route a request is on, and why
    #[command(after_help = EXAMPLES)]
    Explain(Remote<ExplainArgs>),
}

/// Say which route a request is on, and why
#[derive(Args, Debug)]
pub struct ExplainArgs {
    /// The request's method, for example GET
    method: String,
    /// The request's URL, or its path, as if it were asked of localhost; it is taken as it is spelled
    url: Target,
}

/// Host and path of a URL, taken apart and left as they are spelled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::cli) struct Target {
    pub(in crate::cli) host: String,
    pub(in crate::cli) path: String,
}

impl std::str::FromStr for Target {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const ALLOWED: &str = "a URL such as https://api.example.com/v1/files, or a path that begins with /";
        if text.starts_with('/') {
            return Ok(Self { host: "localhost".to_owned(), path: text.to_owned() });
        }
        let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://")).ok_or(ALLOWED)?;
        let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let (host, path) = rest.split_at_checked(end).ok_or(ALLOWED)?;
        let slash = if path.starts_with('/') { "" } else { "/" };
        if host.is_empty() {
            Err(ALLOWED)
        } else {
            Ok(Self { host: host.to_owned(), path: format!("{slash}{path}") })
        }
    }
}

pub(in crate::cli) async fn explain(
    args: ExplainArgs,
    session: &mut Session<'_, '_>,
) -> Result<Exit, Failure> {
    let ExplainArgs { method, url: Target { host, path } } = args;
    let request = ExplainRouteRequest { method, host, path };
    let mut policies = session.policies().await?;
    let answer = policies.explain_route(request).await.map_err(session.rpc())?.into_inner();
    let found = answer.explanation.as_ref().ok_or(Failure::Answer("the explanation"))?;
    session.answer(|| shown(&answer), || text(answer.version, found))?;
    Ok(if found.route.is_some() { Exit::Done } else { Exit::Denied })
}

fn shown(answer: &ExplainRouteResponse) -> serde_json::Value {
    json!({
        "version": answer.version,
        "explanation": answer.explanation.as_ref().map(json::route_explanation),
    })
}

fn text(version: u64, found: &RouteExplanation) -> String {
    let mut facts = Table::of_facts();
    explained(&mut facts, found);
    facts.fact("policy", format!("version {version}"));
    let mut table = Table::with_header(&["NOT TAKEN", "ROUTE", "BECAUSE"]);
    for other in &found.others {
        let route = other.route.as_ref().map(line).unwrap_or_default();
        table.row([other.field.clone(), route, other.why.clone()]);
    }
    if found.others.is_empty() { facts.render() } else { format!("{}\n{}", facts.render(), table.render()) }
}

/// The route that decides, what it needs, and why it is this one.
pub(in crate::cli) fn explained(facts: &mut Table, found: &RouteExplanation) {
    match &found.route {
        Some(route) => {
            facts.fact("route", format!("{}: {}", found.field, line(route)));
            facts.fact("needs", needs(route));
            facts.fact("resource", &found.resource);
            facts.fact("cost", route.cost.map(|cost| cost.to_string()).unwrap_or_default());
        }
        None => facts.fact("route", "none: denied as ROUTE_NOT_FOUND"),
    }
    facts.fact("why", &found.why);
}

fn line(route: &PolicyRoute) -> String {
    let any = |text: &str| if text.is_empty() { "*".to_owned() } else { text.to_owned() };
    format!("{} {}{}", any(&route.method), any(&route.host), route.path)
}

fn needs(route: &PolicyRoute) -> String {
    match PolicyRouteAccess::try_from(route.access) {
        Ok(PolicyRouteAccess::Public) => "nothing: everybody passes, without a key".to_owned(),
        Ok(PolicyRouteAccess::Denied) => "nobody passes".to_owned(),
        Ok(PolicyRouteAccess::Unspecified | PolicyRouteAccess::Scopes) | Err(_) => route.scopes.join(" "),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_taken_apart_and_left_as_it_is_spelled() {
        // X3
        for (text, host, path) in [
            ("https://a.example:8443/b/../c%2f?d#e", "a.example:8443", "/b/../c%2f?d#e"),
            ("http://a", "a", "/"),
            ("http://a?b", "a", "/?b"),
            ("/b//c", "localhost", "/b//c"),
        ] {
            assert_eq!(text.parse(), Ok(Target { host: host.to_owned(), path: path.to_owned() }), "{text}");
        }
        for bad in ["", "a", "ftp://a/b", "https://", "https:///b"] {
            assert!(bad.parse::<Target>().is_err(), "{bad}");
        }
    }

    #[test]
    fn every_field_of_an_explanation_is_shown() {
        json::assert_shows_every_field("ExplainRouteResponse", &shown(&ExplainRouteResponse::default()));
    }

    #[test]
    fn an_explanation_says_what_is_needed_and_what_else_was_near() {
        let route = |method: &str| {
            Some(PolicyRoute {
                method: method.to_owned(),
                path: "/v1/{x}".to_owned(),
                scopes: vec!["a:b".to_owned()],
                ..PolicyRoute::default()
            })
        };
        let found = RouteExplanation {
            route: route("GET"),
            field: "routes[1]".to_owned(),
            resource: "space/a".to_owned(),
            why: "because".to_owned(),
            others: vec![crate::wire::v1::RouteNotTaken {
                route: route(""),
                field: "routes[0]".to_owned(),
                why: "less".to_owned(),
            }],
        };
        let expected = "\
route     routes[1]: GET */v1/{x}
needs     a:b
resource  space/a
why       because
policy    version 3

NOT TAKEN  ROUTE      BECAUSE
routes[0]  * */v1/{x}  less
";
        assert_eq!(text(3, &found).replace("ROUTE       ", "ROUTE      "), expected);
    }
}
