//! `keyward review`: what a careful owner would act on, the riskiest first, with the command that deals with it.

use clap::Args;
use jiff::SignedDuration;
use serde_json::{Value, json};
use tonic::Code;

use crate::{
    cli::{
        exit::Exit,
        failure::Failure,
        input::{page::PageArgs, parse, within},
        output::{
            json, names,
            onlooker::{Onlooker, Tone},
            table::Table,
            text::printable,
            time,
        },
        preflight::Younger,
        session::Session,
    },
    wire::v1::{
        Finding, FindingKind, FindingSeverity, FindingTotal, KeyBreadth, ReviewKeysRequest,
        ReviewKeysResponse, ReviewedKey, StreamReviewKeysRequest, stream_review_keys_response::News,
    },
};

const DAY: SignedDuration = SignedDuration::from_hours(24);

/// How many keys are shown where nobody says it.
const DEFAULT_SIZE: u32 = 50;

/// How long a key that expires goes on, at least.
const EXTENSION: SignedDuration = SignedDuration::from_hours(24 * 90);

/// Show which keys need attention, the riskiest first
#[derive(Args, Debug)]
pub struct ReviewArgs {
    /// The workspace, or `all` for every one. Left out: that of the administration key, or the default one
    #[arg(long, value_name = "ID|all")]
    workspace: Option<String>,
    /// A key, or a scope, that nobody used for so long is unused. Left out: 90d
    #[arg(long, value_name = "DURATION", value_parser = parse::duration)]
    unused_for: Option<SignedDuration>,
    /// A secret that is older should be rotated. Left out: 365d
    #[arg(long, value_name = "DURATION", value_parser = parse::duration)]
    older_than: Option<SignedDuration>,
    /// A key that expires within this time expires soon. Left out: 14d
    #[arg(long, value_name = "DURATION", value_parser = parse::duration)]
    expiring_within: Option<SignedDuration>,
    #[command(flatten)]
    page: PageArgs,
}

/// What was asked, as far as a command against a finding repeats it; what was left out is the server's own.
#[derive(Clone, Copy)]
struct Asked {
    unused_for: SignedDuration,
    expiring_within: SignedDuration,
    /// Who looks at the answer.
    onlooker: Onlooker,
}

impl Asked {
    fn new(args: &ReviewArgs, onlooker: Onlooker) -> Self {
        Self {
            onlooker,
            unused_for: args.unused_for.unwrap_or(DAY * 90),
            expiring_within: args.expiring_within.unwrap_or(DAY * 14),
        }
    }
}

pub(in crate::cli) async fn run(args: ReviewArgs, session: &mut Session<'_, '_>) -> Result<Exit, Failure> {
    let all = args.page.is_all();
    let asked = Asked::new(&args, session.onlooker(&args.page).await);
    let within = within::WorkspaceArg::new(args.workspace.clone());
    let request = ReviewKeysRequest {
        page_size: args.page.size(),
        page_token: args.page.first_token(),
        workspace_id: within.id(),
        all_workspaces: within.all(),
        unused_for: args.unused_for.map(time::duration_to_wire),
        older_than: args.older_than.map(time::duration_to_wire),
        expiring_within: args.expiring_within.map(time::duration_to_wire),
    };
    session.require(within.all(), Younger::all_workspaces("ReviewKeysRequest")).await?;
    let mut keys = session.keys().await?;
    let mut told = match keys.stream_review_keys(streamed(&request, all)).await {
        Err(status) if status.code() == Code::Unimplemented => {
            return by_pages(request, asked, all, &within, session).await;
        }
        told => told.map_err(session.rpc())?.into_inner(),
    };
    // What was told last is shown when something follows, since the totals stand below the last keys.
    let mut held = ReviewKeysResponse::default();
    while let Some(message) = told.message().await.map_err(session.rpc())? {
        match message.news {
            Some(News::Keys(some)) => {
                if all && !held.keys.is_empty() {
                    show(&std::mem::take(&mut held), asked, (all, false), session)?;
                }
                held.keys.extend(some.keys);
            }
            Some(News::Result(result)) => {
                within.say(&result.workspace_id, session);
                let answer = ReviewKeysResponse { keys: held.keys, ..result };
                show(&answer, asked, (all, true), session)?;
                return Ok(Exit::Done);
            }
            Some(News::Reviewed(_)) | None => {}
        }
    }
    Err(Failure::Answer("the end of the review"))
}

/// The same request for a stream.
fn streamed(request: &ReviewKeysRequest, all: bool) -> StreamReviewKeysRequest {
    let size = if request.page_size == 0 { DEFAULT_SIZE } else { request.page_size.unsigned_abs() };
    StreamReviewKeysRequest {
        workspace_id: request.workspace_id.clone(),
        unused_for: request.unused_for,
        older_than: request.older_than,
        expiring_within: request.expiring_within,
        max_keys: if all { 0 } else { size },
        page_token: request.page_token.clone(),
        all_workspaces: request.all_workspaces,
    }
}

/// Asks a server that is older than this command, which looks at every key for each page.
async fn by_pages(
    mut request: ReviewKeysRequest,
    asked: Asked,
    all: bool,
    within: &within::WorkspaceArg,
    session: &mut Session<'_, '_>,
) -> Result<Exit, Failure> {
    let (mut keys, mut said) = (session.keys().await?, false);
    loop {
        let answer = keys.review_keys(request.clone()).await.map_err(session.rpc())?.into_inner();
        if !std::mem::replace(&mut said, true) {
            within.say(&answer.workspace_id, session);
        }
        let is_last = answer.next_page_token.is_empty();
        show(&answer, asked, (all, is_last), session)?;
        if !all || is_last {
            return Ok(Exit::Done);
        }
        request.page_token = answer.next_page_token;
    }
}

fn show(
    answer: &ReviewKeysResponse,
    asked: Asked,
    (all, is_last): (bool, bool),
    session: &mut Session<'_, '_>,
) -> Result<(), Failure> {
    match (session.json, all) {
        (true, true) => {
            answer.keys.iter().try_for_each(|key| session.console.print_json_line(&reviewed(key)))
        }
        (true, false) => session.console.print_json(&to_json(answer)),
        (false, _) => {
            session.console.print(&text(answer, asked, is_last || !all))?;
            session.more(all, &answer.next_page_token);
            Ok(())
        }
    }
}

fn text(answer: &ReviewKeysResponse, asked: Asked, with_totals: bool) -> String {
    let mut text = String::new();
    if asked.onlooker.is_fitted() {
        text = answer.keys.iter().map(|key| by_key(key, asked)).collect();
    } else if !answer.keys.is_empty() {
        let mut table =
            Table::with_header(&["SCORE", "KEY", "NAME", "OWNER", "ENVIRONMENT", "FINDING", "DO"]);
        for key in &answer.keys {
            for finding in &key.findings {
                table.row([
                    key.score.to_string(),
                    key.key_id.clone(),
                    key.name.clone(),
                    key.owner.clone(),
                    key.environment.clone(),
                    finding.words.clone(),
                    remedy(finding.kind(), &key.key_id, asked),
                ]);
            }
        }
        text = table.render();
    }
    if with_totals {
        text.push_str(&totals(answer));
    }
    text
}

/// A key with its findings below it, and below each what to do: the commands are too long for the line of a table.
fn by_key(key: &ReviewedKey, asked: Asked) -> String {
    let onlooker = asked.onlooker;
    let mut beside = vec![key.key_id.as_str(), key.owner.as_str(), key.environment.as_str()];
    beside.retain(|word| !word.is_empty());
    let mut text =
        format!("{}  {}\n", key.score, onlooker.line(&format!("{}  {}", key.name, beside.join("  ")), 4));
    for finding in &key.findings {
        let words = onlooker.toned(&onlooker.line(&finding.words, 4), tone(finding.severity()));
        text.extend(["    ", &words, "\n"]);
        let remedy = remedy(finding.kind(), &key.key_id, asked);
        if !remedy.is_empty() {
            // Never cut off: it is to be copied.
            text.extend(["      ", &printable(&remedy), "\n"]);
        }
    }
    text
}

fn tone(severity: FindingSeverity) -> Tone {
    match severity {
        FindingSeverity::High => Tone::Bad,
        FindingSeverity::Medium => Tone::Caution,
        FindingSeverity::Low | FindingSeverity::Unspecified => Tone::Plain,
    }
}

fn totals(answer: &ReviewKeysResponse) -> String {
    let space = if answer.keys.is_empty() { "" } else { "\n" };
    if answer.totals.is_empty() {
        return format!("{space}{} keys reviewed: nothing to do.\n", answer.reviewed);
    }
    let mut table = Table::with_header(&["KEYS", "WITH"]);
    for total in &answer.totals {
        table.row([total.keys.to_string(), names::for_eyes(&names::finding_kind(total.kind))]);
    }
    format!("{space}{}of {} keys reviewed\n", table.render(), answer.reviewed)
}

/// The command that deals with a finding.
fn remedy(kind: FindingKind, id: &str, asked: Asked) -> String {
    match kind {
        FindingKind::Unspecified => String::new(),
        FindingKind::RetiringStillUsed => format!("keyward rotation extend {id} --grace 48h"),
        FindingKind::ExpiringInUse => {
            let expires = EXTENSION.max(asked.expiring_within.saturating_add(asked.expiring_within));
            format!("keyward update {id} --expires {}", time::duration_typed(expires))
        }
        FindingKind::BroadUnused | FindingKind::NeverUsed | FindingKind::Unused => {
            format!("keyward disable {id}")
        }
        FindingKind::BroadAnywhere => format!("keyward least-privilege {id}"),
        FindingKind::ScopesUnused => {
            let since = time::duration_typed(asked.unused_for);
            format!("keyward narrow {id} --since {since} --dry-run")
        }
        FindingKind::ImportedTwice | FindingKind::Old => format!("keyward rotate {id}"),
        FindingKind::NoExpiry => format!("keyward update {id} --expires 365d"),
        FindingKind::DisabledLong => format!("keyward revoke {id} --reason unused"),
    }
}

fn to_json(answer: &ReviewKeysResponse) -> Value {
    json!({
        "keys": json::list(&answer.keys, reviewed),
        "totals": json::list(&answer.totals, total),
        "reviewed": answer.reviewed,
        "next_page_token": answer.next_page_token,
        "workspace_id": answer.workspace_id,
    })
}

fn reviewed(key: &ReviewedKey) -> Value {
    json!({
        "key_id": key.key_id,
        "workspace_id": key.workspace_id,
        "name": key.name,
        "owner": key.owner,
        "environment": key.environment,
        "breadth": key.breadth.as_ref().map(breadth),
        "score": key.score,
        "findings": json::list(&key.findings, finding),
        "last_use_time": key.last_use_time.as_ref().map(time::rfc3339),
    })
}

fn breadth(breadth: &KeyBreadth) -> Value {
    json!({
        "scopes": breadth.scopes,
        "unbound_scopes": breadth.unbound_scopes,
        "wildcards": breadth.wildcards,
        "networks": breadth.networks,
    })
}

fn finding(finding: &Finding) -> Value {
    json!({
        "kind": names::finding_kind(finding.kind),
        "words": finding.words,
        "severity": names::finding_severity(finding.severity),
    })
}

fn total(total: &FindingTotal) -> Value {
    json!({ "kind": names::finding_kind(total.kind), "keys": total.keys })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_field_of_a_review_is_shown() {
        for (message, value) in [
            ("ReviewKeysResponse", to_json(&ReviewKeysResponse::default())),
            ("ReviewedKey", reviewed(&ReviewedKey::default())),
            ("KeyBreadth", breadth(&KeyBreadth::default())),
            ("Finding", finding(&Finding::default())),
            ("FindingTotal", total(&FindingTotal::default())),
        ] {
            json::assert_shows_every_field(message, &value);
        }
    }

    #[test]
    fn a_review_says_what_to_do_about_each_finding() {
        let found = |kind, words: &str| Finding { kind, words: words.into(), severity: 2 };
        let key = ReviewedKey {
            key_id: "key_1".into(),
            name: "old".into(),
            environment: "live".into(),
            score: 45,
            findings: vec![found(5, "never used"), found(9, "does not expire")],
            ..ReviewedKey::default()
        };
        let totals = vec![FindingTotal { kind: 5, keys: 1 }, FindingTotal { kind: 9, keys: 3 }];
        let answer =
            ReviewKeysResponse { keys: vec![key], totals, reviewed: 7, ..ReviewKeysResponse::default() };
        let expected = "\
SCORE  KEY    NAME  OWNER  ENVIRONMENT  FINDING          DO
45     key_1  old   -      live         never used       keyward disable key_1
45     key_1  old   -      live         does not expire  keyward update key_1 --expires 365d

KEYS  WITH
1     never-used
3     no-expiry
of 7 keys reviewed
";
        let asked = Asked { unused_for: DAY * 90, expiring_within: DAY * 14, onlooker: Onlooker::WHOLE };
        assert_eq!(text(&answer, asked, true), expected);
        let nothing = ReviewKeysResponse { reviewed: 7, ..ReviewKeysResponse::default() };
        assert_eq!(text(&nothing, asked, true), "7 keys reviewed: nothing to do.\n");
    }
    #[test]
    fn a_command_repeats_what_was_asked() {
        let onlooker = Onlooker::WHOLE;
        let say = |kind, unused_for, expiring_within| {
            remedy(kind, "k", Asked { unused_for, expiring_within, onlooker })
        };
        for (unused_for, since) in
            [(DAY * 90, "90d"), (DAY * 30, "30d"), (DAY, "24h"), (SignedDuration::from_secs(5_400), "1h30m")]
        {
            let narrow = say(FindingKind::ScopesUnused, unused_for, DAY);
            assert_eq!(narrow, format!("keyward narrow k --since {since} --dry-run"));
        }
        for (within, expires) in [(14, "90d"), (45, "90d"), (200, "400d")] {
            let update = say(FindingKind::ExpiringInUse, DAY, DAY * within);
            assert_eq!(update, format!("keyward update k --expires {expires}"), "later than what was asked");
        }
    }
}
