//! `keyward bulk`: the same change of many keys at once, previewed and then confirmed by its count.

use clap::{Args, Subcommand, builder::NonEmptyStringValueParser};

use super::revoke::Reason;
use crate::{
    cli::{
        exit::Exit,
        failure::Failure,
        input::{
            parse::{self, Expiry, LookBack},
            within::WorkspaceArg,
        },
        output::{json, table::Table, text::printable},
        preflight::Younger,
        remote::Remote,
        session::Session,
    },
    wire::v1::{
        ChangeKeysRequest, ChangeKeysResponse, DisableKeys, EnableKeys, RetireKeys, RevokeKeys, RevokeReason,
        change_keys_request::Action,
    },
};

/// How many ids a person is shown.
const SHOWN: usize = 10;

pub(in crate::cli) const EXAMPLES: &str = "\
Without --confirm nothing is changed: the answer says how many keys would be, and that number confirms it.
  keyward bulk disable --owner ann
  keyward bulk disable --owner ann --confirm 42 --comment 'ticket 4711'
  keyward bulk disable --owner ann --workspace all
  keyward bulk retire --tag batch=7 --at 2027-06-30T00:00:00Z
  keyward bulk revoke --environment test --issued-before 2026-01-01T00:00:00Z --reason superseded";

/// Change many keys at once
#[derive(Subcommand, Debug)]
pub enum BulkCommand {
    /// Switch keys off until they are enabled
    #[command(after_help = EXAMPLES)]
    Disable(Remote<BulkArgs>),
    /// Switch disabled keys on
    #[command(after_help = EXAMPLES)]
    Enable(Remote<BulkArgs>),
    /// End keys for good
    #[command(after_help = EXAMPLES)]
    Revoke(Remote<BulkRevokeArgs>),
    /// Let keys end at a date; those that end sooner stay as they are
    #[command(after_help = EXAMPLES)]
    Retire(Remote<BulkRetireArgs>),
}

/// Which keys, and whether to change them. They match everything that is given.
#[derive(Args, Debug)]
pub struct BulkArgs {
    #[command(flatten)]
    which: Which,
    /// Changes the keys, if they are as many as this
    #[arg(long, value_name = "COUNT")]
    confirm: Option<u64>,
    /// Why, in your own words
    #[arg(long)]
    comment: Option<String>,
    /// Makes it safe to run the same command again: what was done once is not done twice
    #[arg(long, value_name = "ID", requires = "confirm")]
    request_id: Option<String>,
}

/// Which keys. Administration keys are never among them.
#[derive(Args, Debug)]
#[group(required = true, multiple = true)]
struct Which {
    /// Keys of this workspace, or `all` for every one. Left out: that of the administration key, or the default one
    // Nowhere an empty text, which a variable that was not set leaves: it would be all keys.
    #[arg(long, value_name = "ID|all", value_parser = NonEmptyStringValueParser::new())]
    workspace: Option<String>,
    /// Keys of this owner
    #[arg(long, value_parser = NonEmptyStringValueParser::new())]
    owner: Option<String>,
    /// Keys with this label; without a value, whatever it is
    #[arg(long, value_name = "NAME[=VALUE]", value_parser = NonEmptyStringValueParser::new())]
    tag: Option<String>,
    /// Keys of this environment
    #[arg(long, value_parser = NonEmptyStringValueParser::new())]
    environment: Option<String>,
    /// Keys issued at or after this time; 7d is seven days ago
    #[arg(long, value_name = "TIME|DURATION", value_parser = parse::moment)]
    issued_from: Option<LookBack>,
    /// Keys issued before this time
    #[arg(long, value_name = "TIME|DURATION", value_parser = parse::moment)]
    issued_before: Option<LookBack>,
}

/// Which keys to end, and why.
#[derive(Args, Debug)]
pub struct BulkRevokeArgs {
    #[command(flatten)]
    bulk: BulkArgs,
    /// Why
    #[arg(long, value_enum)]
    reason: Option<Reason>,
}

/// Which keys are to end, and when.
#[derive(Args, Debug)]
pub struct BulkRetireArgs {
    #[command(flatten)]
    bulk: BulkArgs,
    /// When they end: a time, or a duration such as 90d, 90 times 24 hours, which the server counts from the time of the change
    #[arg(long, value_name = "WHEN", value_parser = parse::expiry)]
    at: Expiry,
}

pub(in crate::cli) async fn disable(args: BulkArgs, session: &mut Session<'_, '_>) -> Result<Exit, Failure> {
    run(args, Action::Disable(DisableKeys {}), "disabled", session).await
}

pub(in crate::cli) async fn enable(args: BulkArgs, session: &mut Session<'_, '_>) -> Result<Exit, Failure> {
    run(args, Action::Enable(EnableKeys {}), "enabled", session).await
}

pub(in crate::cli) async fn revoke(
    args: BulkRevokeArgs,
    session: &mut Session<'_, '_>,
) -> Result<Exit, Failure> {
    let reason = args.reason.map(RevokeReason::from).unwrap_or_default().into();
    run(args.bulk, Action::Revoke(RevokeKeys { reason }), "revoked", session).await
}

pub(in crate::cli) async fn retire(
    args: BulkRetireArgs,
    session: &mut Session<'_, '_>,
) -> Result<Exit, Failure> {
    let (expire_time, lifetime) = (args.at.expire_time(), args.at.lifetime());
    session.require(lifetime.is_some(), Younger::lifetime("RetireKeys")).await?;
    run(args.bulk, Action::Retire(RetireKeys { expire_time, lifetime }), "retired", session).await
}

async fn run(
    args: BulkArgs,
    action: Action,
    done: &str,
    session: &mut Session<'_, '_>,
) -> Result<Exit, Failure> {
    let BulkArgs { which, confirm, comment, request_id } = args;
    let asked = WorkspaceArg::new(which.workspace);
    let (from, before) = (which.issued_from, which.issued_before);
    let moves = [from, before].into_iter().flatten().any(LookBack::moves);
    if request_id.is_some() && moves {
        return Err(Failure::input(
            "with --request-id, --issued-from and --issued-before take a time or a date: a duration counts from now, and the same \
             command sent again would be another request",
        ));
    }
    let now = session.now(moves).await?;
    session.require(request_id.is_some(), Younger::request_id("ChangeKeysRequest")).await?;
    session.require(asked.all(), Younger::all_workspaces("ChangeKeysRequest")).await?;
    let request = ChangeKeysRequest {
        workspace_id: asked.id(),
        all_workspaces: asked.all(),
        owner: which.owner.unwrap_or_default(),
        tag: which.tag.unwrap_or_default(),
        environment: which.environment.unwrap_or_default(),
        issue_start_time: from.map(|from| from.resolve(now)).transpose()?,
        issue_end_time: before.map(|before| before.resolve(now)).transpose()?,
        action: Some(action),
        comment: comment.unwrap_or_default(),
        validate_only: confirm.is_none(),
        expected_count: confirm.unwrap_or_default(),
        request_id: request_id.unwrap_or_default(),
    };
    let mut keys = session.keys().await?;
    let answer = keys.change_keys(request).await.map_err(session.rpc())?.into_inner();
    let preview = confirm.is_none();
    session.answer(|| json::bulk(&answer), || text(&answer, done, preview))?;
    Ok(Exit::Done)
}

fn text(answer: &ChangeKeysResponse, done: &str, preview: bool) -> String {
    let mut facts = Table::of_facts();
    facts.fact(if preview { "would be changed" } else { done }, answer.count.to_string());
    facts.fact("left alone", answer.unchanged_count.to_string());
    facts.fact("workspace", workspace(answer));
    facts.fact("group", &answer.group_id);
    facts.fact("revision", answer.revision.to_string());
    let mut lines = vec![facts.render()];
    if preview && answer.count > 0 {
        lines.extend(answer.key_ids.iter().take(SHOWN).map(|id| format!("{}\n", printable(id))));
        let count = answer.count;
        let more = count.saturating_sub(u64::try_from(SHOWN).unwrap_or(0));
        if more > 0 {
            lines.push(format!("and {more} more\n"));
        }
        lines.push(format!(
            "Nothing was changed. The same command with --confirm {count} has these keys {done}.\n"
        ));
    }
    lines.concat()
}

/// Which workspace was looked at, or in how many the keys are where all were.
fn workspace(answer: &ChangeKeysResponse) -> String {
    match (answer.workspace_id.as_str(), answer.workspace_count) {
        ("", 1) => "all; they are in 1".to_owned(),
        ("", count) => format!("all; they are in {count}"),
        (id, _) => id.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;

    #[derive(clap::Parser)]
    struct Line {
        #[command(flatten)]
        args: BulkRetireArgs,
    }

    #[test]
    fn which_keys_must_be_said() {
        for (line, fits) in [
            (&["--owner", "ann", "--at", "90d"][..], true),
            (&["--workspace", "ws_1", "--at", "2027-06-30T00:00:00Z"], true),
            (&["--tag", "batch=7", "--environment", "test", "--at", "90d", "--confirm", "3"], true),
            (&["--owner", "ann", "--at", "90d", "--confirm", "3", "--request-id", "r"], true),
            (&["--owner", "", "--at", "90d"], false),
            (&["--owner", "ann", "--workspace", "", "--at", "90d"], false),
            (&["--owner", "ann", "--tag", "", "--at", "90d"], false),
            (&["--owner", "ann", "--environment", "", "--at", "90d"], false),
            (&["--at", "90d"], false),
            (&["--at", "90d", "--comment", "all"], false),
            (&["--owner", "ann"], false),
            (&["--owner", "ann", "--at", "90d", "--request-id", "r"], false),
            (&["--owner", "ann", "--at", "90d", "--confirm", "-1"], false),
        ] {
            assert_eq!(Line::try_parse_from([&["retire"], line].concat()).is_ok(), fits, "{line:?}");
        }
    }

    #[test]
    fn a_preview_says_how_it_is_confirmed() {
        let mut answer = ChangeKeysResponse {
            count: 12,
            key_ids: (1..=12).map(|number| format!("key_{number}")).collect(),
            unchanged_count: 3,
            revision: 9,
            workspace_id: "ws_1".into(),
            workspace_count: 1,
            ..ChangeKeysResponse::default()
        };
        let preview = text(&answer, "disabled", true);
        assert!(preview.starts_with(
            "would be changed  12\nleft alone        3\nworkspace         ws_1\nrevision          9\nkey_1\n"
        ));
        let end = "key_10\nand 2 more\nNothing was changed. The same command with --confirm 12 has these keys disabled.\n";
        assert!(preview.ends_with(end), "{preview}");
        answer.group_id = "grp_1".to_owned();
        let done = "disabled    12\nleft alone  3\nworkspace   ws_1\ngroup       grp_1\nrevision    9\n";
        assert_eq!(text(&answer, "disabled", false), done);
        (answer.workspace_id, answer.workspace_count) = (String::new(), 3);
        assert!(text(&answer, "disabled", false).contains("workspace   all; they are in 3\n"));
    }
}
