//! `keyward usage`: what keys did, by hour, day or month.

use clap::{Args, ValueEnum};
use serde_json::{Value, json};

use crate::{
    cli::{
        exit::Exit,
        failure::Failure,
        input::{
            page::{self, PageArgs},
            parse::{self, KeyId, LookBack},
            within::WorkspaceArg,
        },
        output::{
            json,
            listing::{Cell, Column, Listing, Printed},
            names,
            onlooker::{Onlooker, Tone},
            time,
        },
        preflight::Younger,
        session::Session,
    },
    wire::v1::{DeniedUsage, GetUsageRequest, GetUsageResponse, Usage, UsagePeriod},
};

pub(in crate::cli) const EXAMPLES: &str = "\
Examples:
  keyward usage                                           the last 24 hours of the workspace
  keyward usage --owner ann --by day --from 7d
  keyward usage --by month --from 2027-01-01 --all --json";

/// Show what keys did: Checks allowed, denied, and their cost
#[derive(Args, Debug)]
pub struct UsageArgs {
    /// Only of this key
    #[arg(long, value_name = "KEY_ID", alias = "key-id", value_parser = KeyId, conflicts_with = "owner")]
    key: Option<String>,
    /// Only of keys of this owner
    #[arg(long)]
    owner: Option<String>,
    /// The workspace, or `all` for every one. Left out: that of the key, or of the administration key, or the default one
    #[arg(long, value_name = "ID|all")]
    workspace: Option<String>,
    /// Only of keys of this environment
    #[arg(long)]
    environment: Option<String>,
    /// From the hour on that this time is in; 7d is seven days ago. Left out: 24 hours before the end
    #[arg(long, value_name = "TIME|DURATION", alias = "since", value_parser = parse::moment)]
    from: Option<LookBack>,
    /// Before this time, or the end of its hour. Left out: until now
    #[arg(long, value_name = "TIME|DURATION", alias = "until", value_parser = parse::moment)]
    to: Option<LookBack>,
    /// What to sum up by, in UTC
    #[arg(long, value_enum, value_name = "PERIOD", default_value_t = By::Total)]
    by: By,
    #[command(flatten)]
    page: PageArgs,
}

/// What to sum up by.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum By {
    /// Each hour
    Hour,
    /// Each day
    Day,
    /// Each month of the calendar
    Month,
    /// All in one
    Total,
}

impl From<By> for UsagePeriod {
    fn from(by: By) -> Self {
        match by {
            By::Hour => Self::Hour,
            By::Day => Self::Day,
            By::Month => Self::Month,
            By::Total => Self::Total,
        }
    }
}

pub(in crate::cli) async fn run(args: UsageArgs, session: &mut Session<'_, '_>) -> Result<Exit, Failure> {
    let moves = [args.from, args.to].into_iter().flatten().any(LookBack::moves);
    let (all, now) = (args.page.is_all(), session.counted_from(&args.page, moves).await?);
    let (asked, mut said) = (WorkspaceArg::new(args.workspace), args.key.is_some());
    let mut request = GetUsageRequest {
        page_size: args.page.size(),
        page_token: args.page.first_token(),
        workspace_id: asked.id(),
        all_workspaces: asked.all(),
        key_id: args.key.unwrap_or_default(),
        owner: args.owner.unwrap_or_default(),
        environment: args.environment.unwrap_or_default(),
        start_time: args.from.map(|from| from.resolve(now)).transpose()?,
        end_time: args.to.map(|to| to.resolve(now)).transpose()?,
        period: UsagePeriod::from(args.by).into(),
    };
    session.require(asked.all(), Younger::all_workspaces("GetUsageRequest")).await?;
    let mut total = Total::default();
    let onlooker = session.onlooker(&args.page).await;
    let mut keys = session.keys().await?;
    loop {
        let mut answer = keys.get_usage(request.clone()).await.map_err(session.rpc())?.into_inner();
        if !std::mem::replace(&mut said, true) {
            asked.say(&answer.workspace_id, session);
        }
        request.page_token.clone_from(&answer.next_page_token);
        // A page can be empty and not be the last: no page without usage is printed.
        if answer.usage.is_empty() && !answer.next_page_token.is_empty() {
            continue;
        }
        if moves {
            answer.next_page_token = page::dated(&answer.next_page_token, now);
        }
        answer.usage.iter().for_each(|usage| total.add(usage));
        let is_last = answer.next_page_token.is_empty();
        match (session.json, all) {
            (true, true) => {
                answer.usage.iter().try_for_each(|usage| session.console.print_json_line(&one(usage)))?;
            }
            (true, false) => session.console.print_json(&many(&answer))?,
            (false, _) => {
                let total = (is_last || !all).then_some(&total);
                session.list(&text(&answer.usage, total, &onlooker))?;
                if !all && !is_last {
                    session.console.note("\nThe total is that of the sums shown.");
                }
                session.more(all, &answer.next_page_token);
            }
        }
        if !all || is_last {
            return Ok(Exit::Done);
        }
    }
}

/// The sum of what was shown. What counts in several tiers does so here too.
#[derive(Default)]
struct Total {
    allowed: u64,
    denied: u64,
    cost: u64,
}

impl Total {
    fn add(&mut self, usage: &Usage) {
        self.allowed = self.allowed.saturating_add(usage.allowed);
        self.denied = self.denied.saturating_add(denied(usage));
        self.cost = self.cost.saturating_add(usage.cost);
    }
}

fn denied(usage: &Usage) -> u64 {
    usage.denied.iter().fold(0, |sum, denied| sum.saturating_add(denied.count))
}

const LISTED: [Column; 9] = [
    Column::new("KEY", 1),
    Column::new("FROM", 5),
    Column::whole("ENVIRONMENT", 8),
    Column::text("TIER", 6),
    Column::whole("BILLABLE", 9),
    Column::whole("ALLOWED", 2),
    Column::whole("COST", 4),
    Column::whole("DENIED", 3),
    Column::text("REASONS", 7),
];

fn text(usage: &[Usage], total: Option<&Total>, onlooker: &Onlooker) -> Printed {
    let mut list = Listing::new(&LISTED);
    let reason = |denied: &DeniedUsage| format!("{} {}", names::denial_reason(denied.reason), denied.count);
    let count = |count: u64| Cell::from(count.to_string());
    let refused = |denied: u64| count(denied).toned(if denied == 0 { Tone::Plain } else { Tone::Caution });
    for usage in usage {
        list.row([
            Cell::id(&usage.key_id),
            hour(usage.start_time.as_ref()),
            usage.environment.clone().into(),
            usage.tier.clone().into(),
            if usage.billable { "yes" } else { "no" }.to_owned().into(),
            count(usage.allowed),
            count(usage.cost),
            refused(denied(usage)),
            usage.denied.iter().map(reason).collect::<Vec<_>>().join(", ").into(),
        ]);
    }
    if let Some(Total { allowed, denied, cost }) = total {
        let nothing = || Cell::from(String::new());
        list.row([
            "TOTAL".to_owned().into(),
            nothing(),
            nothing(),
            nothing(),
            nothing(),
            count(*allowed),
            count(*cost),
            refused(*denied),
            nothing(),
        ]);
    }
    list.print(onlooker)
}

/// The hour that a sum begins with; short of it goes what every hour has.
fn hour(start: Option<&prost_types::Timestamp>) -> Cell {
    let whole = time::shown(start);
    let short = whole.strip_suffix(":00:00Z").map_or_else(|| whole.clone(), |hour| format!("{hour}Z"));
    Cell::forms(whole, short)
}

fn many(page: &GetUsageResponse) -> Value {
    json!({
        "usage": json::list(&page.usage, one),
        "next_page_token": page.next_page_token,
        "workspace_id": page.workspace_id,
    })
}

fn one(usage: &Usage) -> Value {
    json!({
        "key_id": usage.key_id,
        "workspace_id": usage.workspace_id,
        "environment": usage.environment,
        "tier": usage.tier,
        "start_time": usage.start_time.as_ref().map(time::rfc3339),
        "allowed": usage.allowed,
        "cost": usage.cost,
        "denied": json::list(&usage.denied, refused),
        "billable": usage.billable,
    })
}

fn refused(denied: &DeniedUsage) -> Value {
    json!({ "reason": names::denial_reason(denied.reason), "count": denied.count })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_field_of_usage_is_shown() {
        json::assert_shows_every_field("GetUsageResponse", &many(&GetUsageResponse::default()));
        json::assert_shows_every_field("Usage", &one(&Usage::default()));
        json::assert_shows_every_field("DeniedUsage", &refused(&DeniedUsage::default()));
    }

    #[test]
    fn usage_is_shown_with_its_total() {
        let mut total = Total::default();
        let sums = [
            Usage {
                key_id: "key_1".into(),
                environment: "live".into(),
                tier: "other".into(),
                start_time: Some(prost_types::Timestamp::default()),
                allowed: 12,
                cost: 30,
                billable: true,
                ..Usage::default()
            },
            Usage {
                key_id: "key_1".into(),
                environment: "live".into(),
                start_time: Some(prost_types::Timestamp::default()),
                denied: vec![
                    DeniedUsage { reason: 5, count: 2 },
                    DeniedUsage { reason: 12, count: u64::MAX },
                ],
                ..Usage::default()
            },
        ];
        for sum in &sums {
            total.add(sum);
        }
        let expected = "\
KEY    FROM                  ENVIRONMENT  TIER   BILLABLE  ALLOWED  COST  DENIED                REASONS
key_1  1970-01-01T00:00:00Z  live         other  yes       12       30    0                     -
key_1  1970-01-01T00:00:00Z  live         -      no        0        0     18446744073709551615  KEY_REVOKED 2, \
SCOPE_INSUFFICIENT 18446744073709551615
TOTAL  -                     -            -      -         12       30    18446744073709551615  -
";
        assert_eq!(text(&sums, Some(&total), &Onlooker::WHOLE).text, expected);
        assert_eq!(text(&[], None, &Onlooker::WHOLE).text.lines().count(), 1);
    }
}
