//! `keyward audit denials`: what was denied, and who was denied most.

use clap::{Args, ValueEnum};

use crate::{
    cli::{
        exit::Exit,
        failure::Failure,
        input::{
            page::{self, PageArgs},
            parse::{self, LookBack},
        },
        output::{
            json,
            listing::{Cell, Column, Listing, Printed},
            onlooker::Onlooker,
            time,
        },
        session::Session,
    },
    wire::v1::{DenialGrouping, DenialSum, QueryDenialsRequest},
};

pub(super) const EXAMPLES: &str = "\
Examples:
  keyward audit denials                                   the last 24 hours, each minute by reason
  keyward audit denials --by source --from 1h             who was denied most
  keyward audit denials --door admin --by credential      who was refused administration";

/// Show what was denied
#[derive(Args, Debug)]
pub struct DenialsArgs {
    /// Only of keys and callers of this workspace. Left out: that of the administration key, or all
    #[arg(long, value_name = "ID")]
    workspace: Option<String>,
    /// From the minute on that this time is in; 7d is seven days ago. Left out: 24 hours before the end
    #[arg(long, value_name = "TIME|DURATION", alias = "since", value_parser = parse::moment)]
    from: Option<LookBack>,
    /// Before this time. Left out: until now
    #[arg(long, value_name = "TIME|DURATION", alias = "until", value_parser = parse::moment)]
    to: Option<LookBack>,
    /// Only for this reason, for example `KEY_UNKNOWN`
    #[arg(long)]
    reason: Option<String>,
    /// Only by this door
    #[arg(long, value_enum)]
    door: Option<DoorArg>,
    /// What to tell them by
    #[arg(long, value_enum, value_name = "WHAT", default_value_t = ToldBy::Time)]
    by: ToldBy,
    #[command(flatten)]
    page: PageArgs,
}

/// By which door it was asked for.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum DoorArg {
    /// Check and BatchCheck
    Grpc,
    /// Envoy
    Envoy,
    /// Gateways that ask `/verify`
    Verify,
    /// Check as JSON
    Json,
    /// Administration
    Admin,
}

impl DoorArg {
    const fn name(self) -> &'static str {
        match self {
            Self::Grpc => "grpc",
            Self::Envoy => "envoy",
            Self::Verify => "verify",
            Self::Json => "json",
            Self::Admin => "admin",
        }
    }
}

/// What denials are told by.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum ToldBy {
    /// Time and reason, the newest first
    Time,
    /// Where they came from, the most first
    Source,
    /// What was sent, the most first
    Credential,
    /// The workspace, the most first
    Workspace,
}

impl From<ToldBy> for DenialGrouping {
    fn from(by: ToldBy) -> Self {
        match by {
            ToldBy::Time => Self::Time,
            ToldBy::Source => Self::Source,
            ToldBy::Credential => Self::Credential,
            ToldBy::Workspace => Self::Workspace,
        }
    }
}

pub(in crate::cli) async fn run(args: DenialsArgs, session: &mut Session<'_, '_>) -> Result<Exit, Failure> {
    let moves = [args.from, args.to].into_iter().flatten().any(LookBack::moves);
    let (all, now) = (args.page.is_all(), session.counted_from(&args.page, moves).await?);
    let mut request = QueryDenialsRequest {
        page_size: args.page.size(),
        page_token: args.page.first_token(),
        workspace_id: args.workspace.unwrap_or_default(),
        start_time: args.from.map(|from| from.resolve(now)).transpose()?,
        end_time: args.to.map(|to| to.resolve(now)).transpose()?,
        reason: args.reason.unwrap_or_default(),
        door: args.door.map(|door| door.name().to_owned()).unwrap_or_default(),
        group_by: DenialGrouping::from(args.by).into(),
    };
    let onlooker = session.onlooker(&args.page).await;
    let mut audit = session.audit().await?;
    loop {
        let mut answer = audit.query_denials(request.clone()).await.map_err(session.rpc())?.into_inner();
        request.page_token.clone_from(&answer.next_page_token);
        if moves {
            answer.next_page_token = page::dated(&answer.next_page_token, now);
        }
        session.page(
            all,
            (&answer.denials, &answer.next_page_token),
            json::denials::sum,
            || json::denials::page(&answer),
            || text(&answer.denials, args.by, &onlooker),
        )?;
        if !all || answer.next_page_token.is_empty() {
            return Ok(Exit::Done);
        }
    }
}

/// The columns, but for who was denied.
const DOOR: Column = Column::whole("DOOR", 5);
const CALL: Column = Column::whole("CALL", 4);
const REASON: Column = Column::whole("REASON", 3);
const COUNT: Column = Column::whole("COUNT", 1);

fn text(denials: &[DenialSum], by: ToldBy, onlooker: &Onlooker) -> Printed {
    match by {
        ToldBy::Time => by_time(denials, onlooker),
        ToldBy::Source => by_who("SOURCE", denials, onlooker, |sum| sum.source.clone().into()),
        ToldBy::Credential => by_who("CREDENTIAL", denials, onlooker, |sum| match sum.hint.as_str() {
            "" => Cell::id(&sum.key_id),
            hint => hint.to_owned().into(),
        }),
        ToldBy::Workspace => by_workspace(denials, onlooker),
    }
}

fn by_time(denials: &[DenialSum], onlooker: &Onlooker) -> Printed {
    let columns = [Column::whole("TIME", 2), Column::whole("FOR", 6), COUNT, REASON, DOOR, CALL];
    let mut list = Listing::new(&columns);
    for sum in denials {
        let length = time::duration_shown(sum.duration.as_ref()).into();
        let [count, reason, door, call] = what(sum);
        list.row([Cell::time(sum.start_time), length, count, reason, door, call]);
    }
    list.print(onlooker)
}

fn by_workspace(denials: &[DenialSum], onlooker: &Onlooker) -> Printed {
    let columns = [Column::new("WORKSPACE", 2), COUNT, REASON, DOOR, CALL];
    let mut list = Listing::new(&columns);
    for sum in denials {
        let [count, reason, door, call] = what(sum);
        list.row([named(sum, Cell::id(&sum.workspace_id)), count, reason, door, call]);
    }
    list.print(onlooker)
}

fn by_who(
    name: &'static str,
    denials: &[DenialSum],
    onlooker: &Onlooker,
    who: impl Fn(&DenialSum) -> Cell,
) -> Printed {
    let columns = [Column::new(name, 2), COUNT, REASON, DOOR, CALL, Column::new("WORKSPACE", 6)];
    let mut list = Listing::new(&columns);
    for sum in denials {
        let who = named(sum, who(sum));
        let [count, reason, door, call] = what(sum);
        list.row([who, count, reason, door, call, Cell::id(&sum.workspace_id)]);
    }
    list.print(onlooker)
}

/// Who was denied, or that it is all those who are not named.
fn named(sum: &DenialSum, who: Cell) -> Cell {
    if sum.others { "all others".to_owned().into() } else { who }
}

/// How many there were, why, and by which door and call.
fn what(sum: &DenialSum) -> [Cell; 4] {
    let DenialSum { reason, door, call, .. } = sum;
    [count(sum), reason.clone(), door.clone(), call.clone()].map(Cell::from)
}

/// How many there were, or between how many and how many.
fn count(sum: &DenialSum) -> String {
    let DenialSum { count, max_count, .. } = sum;
    if max_count > count { format!("{count} to {max_count}") } else { count.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sum(source: &str, count: u64) -> DenialSum {
        DenialSum {
            source: source.to_owned(),
            reason: "KEY_UNKNOWN".to_owned(),
            door: "grpc".to_owned(),
            count,
            max_count: count,
            ..DenialSum::default()
        }
    }

    #[test]
    fn who_was_denied_is_shown_one_a_line_and_all_others_in_the_end() {
        let others = DenialSum { others: true, count: 9, max_count: 9, ..DenialSum::default() };
        let uncertain = DenialSum { max_count: 5, ..sum("", 3) };
        let shown = text(&[sum("192.0.2.1", 70), uncertain, others], ToldBy::Source, &Onlooker::WHOLE).text;
        let lines = [
            "SOURCE      COUNT   REASON       DOOR  CALL  WORKSPACE",
            "192.0.2.1   70      KEY_UNKNOWN  grpc  -     -",
            "-           3 to 5  KEY_UNKNOWN  grpc  -     -",
            "all others  9       -            -     -     -",
        ];
        assert_eq!(shown, lines.map(|line| format!("{line}\n")).concat());
    }
}
