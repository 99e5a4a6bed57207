//! `keyward list`: the keys of a workspace, newest first; for eyes, as JSON, or as CSV.

use clap::{Args, ValueEnum};
use jiff::{SignedDuration, Timestamp};

use crate::{
    cli::{
        exit::Exit,
        failure::Failure,
        input::{
            page::{self, PageArgs},
            parse::{self, LookBack},
            within::WorkspaceArg,
        },
        output::{
            csv::Csv,
            json,
            listing::{Cell, Column, Listing, Printed},
            names,
            onlooker::{Onlooker, Tone},
            time, view,
        },
        preflight::Younger,
        session::Session,
    },
    wire::v1::{Key, KeyState, ListKeysRequest},
};

pub(in crate::cli) const EXAMPLES: &str = "\
Examples:
  keyward list --unused-for 90d --state active            keys that nobody used for 90 days
  keyward list --without-expiry --wildcard                broad keys that never end
  keyward list --tag team=blue --expiring-within 14d
  keyward list --all --csv > keys.csv                     every key, for a spreadsheet
  keyward list --all --json > keys.jsonl                  every key, one a line
  keyward list --workspace all --owner ann                a person's keys, wherever they are";

/// List the keys of a workspace, newest first, or of every one
#[derive(Args, Debug)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a flag of its own on the command line and on the wire"
)]
pub struct ListArgs {
    /// The workspace, or `all` for every one. Left out: that of the administration key, or the default one
    #[arg(long, value_name = "ID|all")]
    workspace: Option<String>,
    /// Only keys of this owner
    #[arg(long)]
    owner: Option<String>,
    /// Only keys of this environment
    #[arg(long)]
    environment: Option<String>,
    /// Only keys with this label; without a value, whatever it is
    #[arg(long, value_name = "NAME[=VALUE]")]
    tag: Option<String>,
    /// Only keys that have this scope, for every resource or for some
    #[arg(long)]
    scope: Option<String>,
    /// Only keys that stand so; several are any of them
    #[arg(long = "state", value_enum, value_name = "STATE", value_delimiter = ',')]
    states: Vec<KeyStateArg>,
    /// Only keys issued at or after this time; 7d is seven days ago
    #[arg(long, value_name = "TIME|DURATION", value_parser = parse::moment)]
    issued_from: Option<LookBack>,
    /// Only keys issued before this time
    #[arg(long, value_name = "TIME|DURATION", value_parser = parse::moment)]
    issued_before: Option<LookBack>,
    /// Only keys issued so long ago, or longer
    #[arg(long, value_name = "DURATION", value_parser = parse::duration, conflicts_with = "issued_before")]
    older_than: Option<SignedDuration>,
    /// Only keys that expire in this time, or have expired
    #[arg(long, value_name = "DURATION", value_parser = parse::duration)]
    expiring_within: Option<SignedDuration>,
    /// Only keys that never expire
    #[arg(long, conflicts_with = "expiring_within")]
    without_expiry: bool,
    /// Only keys that are older than this and were not used for so long
    #[arg(long, value_name = "DURATION", value_parser = parse::duration)]
    unused_for: Option<SignedDuration>,
    /// Only keys that were never used
    #[arg(long)]
    never_used: bool,
    /// Only keys that have so many scopes, or more
    #[arg(long, value_name = "COUNT")]
    min_scopes: Option<u32>,
    /// Only keys with a wildcard among their scopes
    #[arg(long)]
    wildcard: bool,
    /// Prints CSV (RFC 4180), with a line of names first. A cell that a spreadsheet would take for a formula begins with `'`
    #[arg(long, conflicts_with = "json")]
    csv: bool,
    #[command(flatten)]
    page: PageArgs,
}

/// Where a key stands.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum KeyStateArg {
    /// Usable
    Active,
    /// Switched off
    Disabled,
    /// Revoked
    Revoked,
    /// Past its expiry
    Expired,
}

impl From<KeyStateArg> for KeyState {
    fn from(state: KeyStateArg) -> Self {
        match state {
            KeyStateArg::Active => Self::Active,
            KeyStateArg::Disabled => Self::Disabled,
            KeyStateArg::Revoked => Self::Revoked,
            KeyStateArg::Expired => Self::Expired,
        }
    }
}

impl ListArgs {
    /// Whether the same flags mean other keys later.
    fn moves(&self) -> bool {
        let moments = [self.issued_from, self.issued_before].into_iter().flatten();
        let durations = [self.older_than, self.expiring_within, self.unused_for];
        moments.into_iter().any(LookBack::moves) || durations.iter().any(Option::is_some)
    }

    fn request(&self, asked: &WorkspaceArg, now: Timestamp) -> Result<ListKeysRequest, Failure> {
        let ago = |length: Option<SignedDuration>| length.map(|length| moved(now, -length)).transpose();
        let issue_end_time = match self.issued_before {
            Some(before) => Some(before.resolve(now)?),
            None => ago(self.older_than)?,
        };
        Ok(ListKeysRequest {
            page_size: self.page.size(),
            page_token: self.page.first_token(),
            workspace_id: asked.id(),
            all_workspaces: asked.all(),
            owner: self.owner.clone().unwrap_or_default(),
            environment: self.environment.clone().unwrap_or_default(),
            tag: self.tag.clone().unwrap_or_default(),
            scope: self.scope.clone().unwrap_or_default(),
            states: self.states.iter().map(|state| KeyState::from(*state).into()).collect(),
            issue_start_time: self.issued_from.map(|from| from.resolve(now)).transpose()?,
            issue_end_time,
            expire_before_time: self.expiring_within.map(|length| moved(now, length)).transpose()?,
            without_expiry: self.without_expiry,
            unused_since_time: ago(self.unused_for)?,
            never_used: self.never_used,
            min_scopes: self.min_scopes.unwrap_or_default(),
            wildcard: self.wildcard,
        })
    }
}

fn moved(now: Timestamp, by: SignedDuration) -> Result<prost_types::Timestamp, Failure> {
    let moved = now.checked_add(by);
    moved.map(time::to_wire).map_err(|error| Failure::input(format!("beyond the calendar: {error}")))
}

pub(in crate::cli) async fn run(args: ListArgs, session: &mut Session<'_, '_>) -> Result<Exit, Failure> {
    let asked = WorkspaceArg::new(args.workspace.clone());
    let (all, moves, mut said) = (args.page.is_all(), args.moves(), false);
    let now = session.counted_from(&args.page, moves).await?;
    let mut request = args.request(&asked, now)?;
    session.require(asked.all(), Younger::all_workspaces("ListKeysRequest")).await?;
    let mut keys = session.keys().await?;
    let onlooker = session.onlooker(&args.page).await;
    let mut csv = if args.csv { Some(Csv::with_header(&COLUMNS)?) } else { None };
    loop {
        let mut answer = keys.list_keys(request.clone()).await.map_err(session.rpc())?.into_inner();
        if !std::mem::replace(&mut said, true) {
            asked.say(&answer.workspace_id, session);
        }
        request.page_token.clone_from(&answer.next_page_token);
        // A page can be empty and not be the last: no page without keys is printed.
        if answer.keys.is_empty() && !answer.next_page_token.is_empty() {
            continue;
        }
        if moves {
            answer.next_page_token = page::dated(&answer.next_page_token, now);
        }
        match &mut csv {
            Some(csv) => {
                answer.keys.iter().try_for_each(|key| csv.row(&cells(key)))?;
                session.console.print(&csv.take()?)?;
                session.more(all, &answer.next_page_token);
            }
            None => session.page(
                all,
                (&answer.keys, &answer.next_page_token),
                json::key,
                || json::keys(&answer),
                || text(&answer.keys, &onlooker),
            )?,
        }
        if !all || answer.next_page_token.is_empty() {
            return Ok(Exit::Done);
        }
    }
}

/// The columns of CSV, in the words of the wire.
const COLUMNS: [&str; 17] = [
    "id",
    "workspace_id",
    "name",
    "description",
    "state",
    "environment",
    "owner",
    "hint",
    "scopes",
    "grants",
    "effective_scopes",
    "allowed_cidrs",
    "metadata",
    "create_time",
    "expire_time",
    "last_use_time",
    "revision",
];

fn cells(key: &Key) -> [String; COLUMNS.len()] {
    let metadata: Vec<_> = key.metadata.iter().map(|(name, value)| format!("{name}={value}")).collect();
    [
        key.id.clone(),
        key.workspace_id.clone(),
        key.name.clone(),
        key.description.clone(),
        names::key_state(key.state),
        key.environment.clone(),
        key.owner.clone(),
        key.hint.clone(),
        key.scopes.join(" "),
        view::grants(&key.grants),
        key.effective_scopes.join(" "),
        key.allowed_cidrs.join(" "),
        metadata.join("; "),
        time::shown(key.create_time.as_ref()),
        time::shown(key.expire_time.as_ref()),
        time::shown(key.last_use_time.as_ref()),
        key.revision.to_string(),
    ]
}

const LISTED: [Column; 10] = [
    Column::whole("ID", 1),
    Column::text("NAME", 2),
    Column::whole("STATE", 3),
    Column::whole("ENVIRONMENT", 8),
    Column::text("OWNER", 7),
    Column::whole("HINT", 9),
    Column::whole("CREATED", 10),
    Column::whole("EXPIRES", 5),
    Column::whole("LAST USED", 4),
    Column::text("SCOPES", 6),
];

fn text(keys: &[Key], onlooker: &Onlooker) -> Printed {
    let mut list = Listing::new(&LISTED);
    for key in keys {
        list.row([
            key.id.clone().into(),
            key.name.clone().into(),
            Cell::from(names::for_eyes(&names::key_state(key.state))).toned(tone(key.state())),
            key.environment.clone().into(),
            key.owner.clone().into(),
            key.hint.clone().into(),
            Cell::time(key.create_time),
            Cell::time(key.expire_time),
            Cell::time(key.last_use_time),
            breadth(key).into(),
        ]);
    }
    list.print(onlooker)
}

fn tone(state: KeyState) -> Tone {
    match state {
        KeyState::Active => Tone::Good,
        KeyState::Disabled => Tone::Caution,
        KeyState::Revoked | KeyState::Expired => Tone::Bad,
        KeyState::Unspecified => Tone::Plain,
    }
}

/// What a key may do, in as many words as fit into a column.
fn breadth(key: &Key) -> String {
    if let Some(admin) = &key.admin {
        return format!("admin: {}", admin.scopes.join(" "));
    }
    if key.follows_owner_role && key.scopes.is_empty() && key.grants.is_empty() {
        return format!("role: {}", if key.owner_role.is_empty() { "none" } else { &key.owner_role });
    }
    let bound = key.grants.iter().map(|grant| format!("{}@…", grant.scope));
    key.scopes.iter().cloned().chain(bound).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::v1::{AdminRights, Grant};

    #[test]
    fn keys_are_listed_one_a_line() {
        let upload = Key {
            id: "key_1".into(),
            name: "upload".into(),
            state: 1,
            environment: "live".into(),
            hint: "kw_live_…AbCd".into(),
            scopes: vec!["a:b".into()],
            grants: vec![Grant { scope: "c:d".into(), resources: vec!["x/1".into()] }],
            ..Default::default()
        };
        let ops = Key {
            id: "key_22".into(),
            state: 2,
            owner: "ann".into(),
            admin: Some(AdminRights { scopes: vec!["keys:read".into()], ..Default::default() }),
            ..Default::default()
        };
        let expected = "\
ID      NAME    STATE     ENVIRONMENT  OWNER  HINT           CREATED  EXPIRES  LAST USED  SCOPES
key_1   upload  active    live         -      kw_live_…AbCd  -        -        -          a:b c:d@…
key_22  -       disabled  -            ann    -              -        -        -          admin: keys:read
";
        assert_eq!(text(&[upload, ops], &Onlooker::WHOLE).text, expected);
    }
}
