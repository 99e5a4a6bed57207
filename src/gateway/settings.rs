//! What a gateway's own settings say that a request needs: names and texts, however the gateway sends them.

use std::{fmt::Display, net::IpAddr};

use crate::{
    domain::{
        decision::{MAX_COST, MAX_SCOPES, Requirement},
        id::WorkspaceId,
        parse::ParseError,
        resource::Resource,
        scope::Scope,
        secret::holds_secret,
        text::EnvironmentName,
    },
    error::OperationError,
};

/// What settings say that a request from `address` needs; `place` is where they stand, for errors.
///
/// # Errors
/// A setting that is not known, that stands twice, or that is not what it takes.
pub fn said<'a>(
    place: &str,
    settings: impl IntoIterator<Item = (&'a str, &'a str)>,
    address: Option<IpAddr>,
) -> Result<Requirement<'a>, OperationError> {
    let mut requirement = Requirement { address, ..Requirement::default() };
    let mut seen = Vec::new();
    for (name, text) in settings {
        let at = |name: &dyn Display| format!("{place}.{name}");
        let invalid = |why| OperationError::invalid(at(&name), why);
        if seen.contains(&name) {
            return Err(invalid(ParseError::new("given once")));
        }
        match name {
            "scopes" => requirement.scopes = scopes(text).map_err(invalid)?,
            "resource" => requirement.resource = given(text, Resource::parse).map_err(invalid)?,
            "environment" => {
                let environment = given(text, |text| EnvironmentName::parse(text).map(|_| text));
                requirement.environment = environment.map_err(invalid)?;
            }
            "workspace_id" => requirement.workspace = given(text, WorkspaceId::parse).map_err(invalid)?,
            "cost" => requirement.cost = Some(cost(text).map_err(invalid)?),
            _ => {
                let known = ParseError::new("`scopes`, `resource`, `cost`, `environment` or `workspace_id`");
                // One that holds a secret is not for a log.
                let name: String =
                    if holds_secret(name) { "…".into() } else { name.chars().take(64).collect() };
                return Err(OperationError::invalid(format!("{place}[{name:?}]"), known));
            }
        }
        seen.push(name);
    }
    Ok(requirement)
}

/// Empty is not given.
fn given<'a, T>(
    text: &'a str,
    parse: impl FnOnce(&'a str) -> Result<T, ParseError>,
) -> Result<Option<T>, ParseError> {
    if text.is_empty() { Ok(None) } else { parse(text).map(Some) }
}

fn scopes(text: &str) -> Result<Vec<Scope<'_>>, ParseError> {
    let each = text.split(' ').filter(|scope| !scope.is_empty()).map(Scope::parse);
    let scopes: Vec<_> = each.take(MAX_SCOPES.saturating_add(1)).collect::<Result<_, _>>()?;
    // Left out, the routes decide. An empty one is a variable that was not set.
    if !(1..=MAX_SCOPES).contains(&scopes.len()) {
        return Err(ParseError::new("1 to 64 scopes, or left out"));
    }
    Ok(scopes)
}

fn cost(text: &str) -> Result<u64, ParseError> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let number = text.parse().ok().filter(|_| digits).ok_or(ParseError::new("a number of digits only"))?;
    if number > MAX_COST { Err(ParseError::new("at most 1,000,000,000,000")) } else { Ok(number) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read<'a>(settings: &[(&'a str, &'a str)]) -> Result<Requirement<'a>, String> {
        said("query", settings.iter().copied(), None).map_err(|error| error.to_string())
    }

    #[test]
    fn settings_are_read_by_their_names() {
        // H7
        let all = read(&[
            ("scopes", " a:b  c:d "),
            ("resource", "space/x"),
            ("cost", "0"),
            ("environment", "live"),
            ("workspace_id", ""),
        ]);
        let all = all.unwrap();
        let scopes: Vec<_> = all.scopes.iter().map(Scope::as_str).collect();
        assert_eq!((scopes, all.cost, all.environment), (vec!["a:b", "c:d"], Some(0), Some("live")));
        assert!(all.resource.is_some() && all.workspace.is_none());
    }

    #[test]
    fn a_wrong_setting_is_named() {
        for (settings, named) in [
            (&[("scope", "a:b")][..], "query[\"scope\"]"),
            (&[("scopes", "a")], "query.scopes"),
            (&[("scopes", " ")], "query.scopes"),
            (&[("resource", "a b")], "query.resource"),
            (&[("cost", "")], "query.cost"),
            (&[("cost", "+1")], "query.cost"),
            (&[("cost", "1000000000001")], "query.cost"),
            (&[("environment", "\n")], "query.environment"),
            (&[("workspace_id", "ws_")], "query.workspace_id"),
            (&[("cost", "1"), ("cost", "1")], "query.cost"),
        ] {
            let error = read(settings).map(drop).unwrap_err();
            assert!(error.contains(named), "{settings:?}: {error}");
        }
    }
}
