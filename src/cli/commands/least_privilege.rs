//! `keyward least-privilege` and `keyward narrow`: what a key uses of what it has, and no more than that.

use clap::Args;
use serde_json::{Value, json};

use crate::{
    cli::{
        exit::Exit,
        failure::Failure,
        input::parse::{self, KeyId, LookBack},
        output::{json, table::Table, time, view},
        session::Session,
    },
    wire::{
        json::grant,
        v1::{
            GetLeastPrivilegeRequest, GetLeastPrivilegeResponse, NarrowKeyRequest, NarrowKeyResponse,
            SeenScope,
        },
    },
};

pub(in crate::cli) const EXAMPLES: &str = "\
Examples:
  keyward narrow key_… --since 90d --dry-run      what it would lose
  keyward narrow key_… --since 90d                leave it what it used in the last 90 days";

/// Show what a key uses of what it has
#[derive(Args, Debug)]
pub struct LeastPrivilegeArgs {
    /// The key
    #[arg(value_name = "KEY_ID", value_parser = KeyId)]
    key_id: String,
    /// How far to look back: a duration such as 90d, or a time. Left out: as far as it is known
    #[arg(long, value_name = "TIME|DURATION", value_parser = parse::moment)]
    since: Option<LookBack>,
}

/// Leave a key no more than it used
#[derive(Args, Debug)]
pub struct NarrowArgs {
    /// The key
    #[arg(value_name = "KEY_ID", value_parser = KeyId)]
    key_id: String,
    /// How far to look back: a duration such as 90d, or a time. Left out: as far as it is known
    #[arg(long, value_name = "TIME|DURATION", value_parser = parse::moment)]
    since: Option<LookBack>,
    /// Only shows what would become of the key
    #[arg(long)]
    dry_run: bool,
    /// Only if the key has this revision, as `keyward show` tells it
    #[arg(long, value_name = "REVISION")]
    expect: Option<u64>,
}

pub(in crate::cli) async fn show(
    args: LeastPrivilegeArgs,
    session: &mut Session<'_, '_>,
) -> Result<Exit, Failure> {
    let now = session.now(args.since.is_some_and(LookBack::moves)).await?;
    let request = GetLeastPrivilegeRequest {
        key_id: args.key_id,
        since: args.since.map(|since| since.resolve(now)).transpose()?,
    };
    let mut keys = session.keys().await?;
    let answer = keys.get_least_privilege(request).await.map_err(session.rpc())?.into_inner();
    session.answer(|| to_json(&answer), || text(&answer))?;
    Ok(Exit::Done)
}

pub(in crate::cli) async fn narrow(args: NarrowArgs, session: &mut Session<'_, '_>) -> Result<Exit, Failure> {
    let now = session.now(args.since.is_some_and(LookBack::moves)).await?;
    let request = NarrowKeyRequest {
        key_id: args.key_id,
        since: args.since.map(|since| since.resolve(now)).transpose()?,
        validate_only: args.dry_run,
        expected_revision: args.expect.unwrap_or_default(),
    };
    let mut keys = session.keys().await?;
    let answer = keys.narrow_key(request).await.map_err(session.rpc())?.into_inner();
    let key = answer.key.as_ref().ok_or(Failure::Answer("the key"))?;
    session.answer(|| narrowed(&answer), || view::key(key))?;
    if !session.json {
        let since = time::shown(answer.watched_since.as_ref());
        let what =
            if args.dry_run { "Nothing was changed. This is what it used" } else { "This is what it used" };
        session.console.note(&format!("\n{what} since {since}.\n"));
    }
    Ok(Exit::Done)
}

fn text(answer: &GetLeastPrivilegeResponse) -> String {
    let mut facts = Table::of_facts();
    facts.fact("watched since", time::shown(answer.watched_since.as_ref()));
    for seen in &answer.used {
        facts.fact("used", shown(seen));
    }
    facts.fact("never used", answer.never_used.join(" "));
    for seen in &answer.denied {
        facts.fact("denied", shown(seen));
    }
    let left = [answer.scopes.join(" "), view::grants(&answer.grants)].join(" ");
    facts.fact("it needs", if left.trim().is_empty() { "nothing" } else { left.trim() });
    facts.render()
}

fn shown(seen: &SeenScope) -> String {
    format!("{} (last in the hour from {})", seen.scope, time::shown(seen.last_time.as_ref()))
}

fn to_json(answer: &GetLeastPrivilegeResponse) -> Value {
    json!({
        "watched_since": answer.watched_since.as_ref().map(time::rfc3339),
        "used": json::list(&answer.used, seen),
        "never_used": answer.never_used,
        "denied": json::list(&answer.denied, seen),
        "scopes": answer.scopes,
        "grants": json::list(&answer.grants, grant),
    })
}

fn seen(seen: &SeenScope) -> Value {
    json!({ "scope": seen.scope, "last_time": seen.last_time.as_ref().map(time::rfc3339) })
}

fn narrowed(answer: &NarrowKeyResponse) -> Value {
    json!({
        "key": answer.key.as_ref().map(json::key),
        "revision": answer.revision,
        "watched_since": answer.watched_since.as_ref().map(time::rfc3339),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_field_of_the_least_privilege_is_shown() {
        let report = to_json(&GetLeastPrivilegeResponse::default());
        json::assert_shows_every_field("GetLeastPrivilegeResponse", &report);
        json::assert_shows_every_field("SeenScope", &seen(&SeenScope::default()));
        json::assert_shows_every_field("NarrowKeyResponse", &narrowed(&NarrowKeyResponse::default()));
    }

    #[test]
    fn a_report_says_what_is_needed() {
        let at = Some(prost_types::Timestamp { seconds: 3_600, nanos: 0 });
        let report = GetLeastPrivilegeResponse {
            watched_since: at,
            used: vec![SeenScope { scope: "a:b".into(), last_time: at }],
            never_used: vec!["c:d".into(), "e:f".into()],
            scopes: vec!["a:b".into()],
            ..GetLeastPrivilegeResponse::default()
        };
        let expected = "\
watched since  1970-01-01T01:00:00Z
used           a:b (last in the hour from 1970-01-01T01:00:00Z)
never used     c:d e:f
it needs       a:b
";
        assert_eq!(text(&report), expected);
        assert!(text(&GetLeastPrivilegeResponse::default()).contains("it needs  nothing"));
    }
}
