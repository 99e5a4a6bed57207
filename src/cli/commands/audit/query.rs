//! `keyward audit query`: who changed what, when, from where and why.

use clap::{Args, ValueEnum};

use crate::{
    cli::{
        exit::Exit,
        failure::Failure,
        input::{
            page::{self, PageArgs},
            parse::{self, KeyId, KeyOrActor, LookBack},
        },
        output::{
            json,
            listing::{Cell, Column, Listing, Printed, short_id},
            names,
            onlooker::Onlooker,
            text::shortened,
        },
        session::Session,
    },
    wire::v1::{Actor, AuditAction, AuditRecord, FieldChange, QueryLogRequest},
};

/// Show changes that match, newest first
#[derive(Args, Debug)]
pub struct QueryArgs {
    /// Only changes in this workspace. Left out: that of the administration key, or all
    #[arg(long, value_name = "ID")]
    workspace: Option<String>,
    /// Only changes of this key
    #[arg(long, value_name = "KEY_ID", value_parser = KeyId)]
    key_id: Option<String>,
    /// Only changes asked for with this administration key, or by this actor: `actor:` and its id
    #[arg(long, value_name = "KEY_ID", value_parser = KeyOrActor)]
    actor: Option<String>,
    /// Only changes of this kind
    #[arg(long, value_enum)]
    action: Option<ActionArg>,
    /// Only changes at or after this time; 7d is seven days ago
    #[arg(long, value_name = "TIME|DURATION", value_parser = parse::moment)]
    since: Option<LookBack>,
    /// Only changes before this time
    #[arg(long, value_name = "TIME|DURATION", value_parser = parse::moment)]
    until: Option<LookBack>,
    /// Shows old and new values, not the names of the changed fields alone
    #[arg(long)]
    values: bool,
    #[command(flatten)]
    page: PageArgs,
}

/// What was done.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum ActionArg {
    /// The store was made
    StoreInitialize,
    /// An administration key was made with `keyward recover`
    AdminRecover,
    /// A workspace was registered
    WorkspaceRegister,
    /// A key was issued
    KeyIssue,
    /// A key was given a new secret
    KeyRotate,
    /// A key was revoked
    KeyRevoke,
    /// A retiring secret was ended by presenting it
    SecretEnd,
    /// A key's fields were changed
    KeyUpdate,
    /// A key was switched off
    KeyDisable,
    /// A key was switched on
    KeyEnable,
    /// A policy document was put in force
    PolicyApply,
    /// The clock's mark was set with `keyward doctor --reset-clock`
    ClockReset,
    /// An older database was taken in with `--accept-rollback`
    RollbackAccept,
    /// Rows that cannot be trusted were found at a start
    DamageFind,
    /// A new root was laid over the store
    RootAdd,
    /// A root that nothing needed any more was taken away
    RootDestroy,
    /// A workspace was changed
    WorkspaceUpdate,
    /// A workspace was suspended
    WorkspaceSuspend,
    /// A suspended workspace was resumed
    WorkspaceResume,
    /// A workspace was closed, for good
    WorkspaceClose,
    /// A member was added
    MemberAdd,
    /// A member was given another role
    MemberUpdate,
    /// A member was removed
    MemberRemove,
    /// A grace was ended early, or extended
    SecretGrace,
    /// A key of another system was taken over
    KeyImport,
    /// A system's secret for its hashes was taken in
    SchemeAdd,
}

impl From<ActionArg> for AuditAction {
    fn from(action: ActionArg) -> Self {
        match action {
            ActionArg::StoreInitialize => Self::StoreInitialize,
            ActionArg::AdminRecover => Self::AdminRecover,
            ActionArg::WorkspaceRegister => Self::WorkspaceRegister,
            ActionArg::WorkspaceUpdate => Self::WorkspaceUpdate,
            ActionArg::SecretGrace => Self::SecretGrace,
            ActionArg::KeyIssue => Self::KeyIssue,
            ActionArg::KeyRotate => Self::KeyRotate,
            ActionArg::KeyRevoke => Self::KeyRevoke,
            ActionArg::SecretEnd => Self::SecretEnd,
            ActionArg::KeyUpdate => Self::KeyUpdate,
            ActionArg::KeyDisable => Self::KeyDisable,
            ActionArg::KeyEnable => Self::KeyEnable,
            ActionArg::PolicyApply => Self::PolicyApply,
            ActionArg::ClockReset => Self::ClockReset,
            ActionArg::RollbackAccept => Self::RollbackAccept,
            ActionArg::DamageFind => Self::DamageFind,
            ActionArg::RootAdd => Self::RootAdd,
            ActionArg::RootDestroy => Self::RootDestroy,
            ActionArg::KeyImport => Self::KeyImport,
            ActionArg::SchemeAdd => Self::SchemeAdd,
            ActionArg::WorkspaceSuspend => Self::WorkspaceSuspend,
            ActionArg::WorkspaceResume => Self::WorkspaceResume,
            ActionArg::WorkspaceClose => Self::WorkspaceClose,
            ActionArg::MemberAdd => Self::MemberAdd,
            ActionArg::MemberUpdate => Self::MemberUpdate,
            ActionArg::MemberRemove => Self::MemberRemove,
        }
    }
}

pub(in crate::cli) async fn run(args: QueryArgs, session: &mut Session<'_, '_>) -> Result<Exit, Failure> {
    let moves = [args.since, args.until].into_iter().flatten().any(LookBack::moves);
    let (all, now) = (args.page.is_all(), session.counted_from(&args.page, moves).await?);
    let mut request = QueryLogRequest {
        page_size: args.page.size(),
        page_token: args.page.first_token(),
        workspace_id: args.workspace.unwrap_or_default(),
        key_id: args.key_id.unwrap_or_default(),
        actor_key_id: args.actor.unwrap_or_default(),
        action: args.action.map(AuditAction::from).unwrap_or_default().into(),
        start_time: args.since.map(|since| since.resolve(now)).transpose()?,
        end_time: args.until.map(|until| until.resolve(now)).transpose()?,
    };
    let onlooker = session.onlooker(&args.page).await;
    let mut audit = session.audit().await?;
    loop {
        let mut answer = audit.query_log(request.clone()).await.map_err(session.rpc())?.into_inner();
        request.page_token.clone_from(&answer.next_page_token);
        // A page can be empty and not be the last: no page without records is printed.
        if answer.records.is_empty() && !answer.next_page_token.is_empty() {
            continue;
        }
        if moves {
            answer.next_page_token = page::dated(&answer.next_page_token, now);
        }
        session.page(
            all,
            (&answer.records, &answer.next_page_token),
            json::record,
            || json::log(&answer),
            || text(&answer.records, args.values, &onlooker),
        )?;
        if !all || answer.next_page_token.is_empty() {
            return Ok(Exit::Done);
        }
    }
}

const LISTED: [Column; 9] = [
    Column::whole("REVISION", 1),
    Column::whole("TIME", 3),
    Column::whole("ACTION", 2),
    Column::new("KEY", 4),
    Column::new("ACTOR", 5),
    Column::whole("ADDRESS", 9),
    Column::text("REASON", 7),
    Column::text("COMMENT", 8),
    Column::text("CHANGES", 6),
];

fn text(records: &[AuditRecord], values: bool, onlooker: &Onlooker) -> Printed {
    let mut list = Listing::new(&LISTED);
    let field = |change: &FieldChange| {
        if values {
            format!("{}: {} → {}", change.field, or_none(&change.from), or_none(&change.to))
        } else {
            change.field.clone()
        }
    };
    for record in records {
        let actor = record.actor.as_ref();
        list.row([
            record.revision.to_string().into(),
            Cell::time(record.time),
            names::for_eyes(&names::audit_action(record.action)).into(),
            whom(record),
            actor.map_or_else(|| Cell::from(String::new()), who),
            actor.map(|actor| actor.address.clone()).unwrap_or_default().into(),
            record.reason.clone().into(),
            record.comment.clone().into(),
            record.changes.iter().map(field).chain(gains(record)).collect::<Vec<_>>().join(", ").into(),
        ]);
    }
    list.print(onlooker)
}

/// How many keys gained, and what the one gained that was asked for.
fn gains(record: &AuditRecord) -> Option<String> {
    let count = record.gaining_key_count;
    match record.gained_by_key.as_slice() {
        _ if count == 0 => None,
        [] => Some(format!("{count} keys gained")),
        own => Some(format!("gained {}, one of {count} keys", own.join(" "))),
    }
}

/// The key, or the change of many and how many they were.
fn whom(record: &AuditRecord) -> Cell {
    match (record.key_id.as_str(), record.group_id.as_str()) {
        (key, "") => Cell::id(key),
        (_, group) => {
            let count = record.key_count;
            Cell::forms(format!("{group} ({count} keys)"), format!("{count} keys"))
        }
    }
}

/// Who asked for it; in few words the owner of the key that did, or the key.
fn who(actor: &Actor) -> Cell {
    let kind = names::for_eyes(&names::actor_kind(actor.kind));
    match (actor.key_id.as_str(), actor.owner.as_str()) {
        ("", _) => kind.into(),
        (id, "") => Cell::forms(format!("{kind} {id}"), short_id(id)),
        (id, owner) => Cell::forms(format!("{kind} {id} ({owner})"), shortened(owner, 20)),
    }
}

fn or_none(value: &str) -> &str {
    if value.is_empty() { "none" } else { value }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_are_shown_one_a_line() {
        let record = AuditRecord {
            revision: 12,
            action: AuditAction::KeyUpdate.into(),
            key_id: "key_1".into(),
            actor: Some(Actor {
                kind: 1,
                key_id: "key_0".into(),
                owner: "ann".into(),
                address: "127.0.0.1".into(),
            }),
            changes: vec![
                FieldChange { field: "name".into(), from: "\"a\"".into(), to: "\"b\"".into() },
                FieldChange { field: "expire_time".into(), from: String::new(), to: "\"x\"".into() },
            ],
            ..Default::default()
        };
        let header =
            "REVISION  TIME  ACTION      KEY    ACTOR              ADDRESS    REASON  COMMENT  CHANGES\n";
        let start = "12        -     key-update  key_1  admin key_0 (ann)  127.0.0.1  -       -        ";
        let records = [record];
        assert_eq!(
            text(&records, false, &Onlooker::WHOLE).text,
            format!("{header}{start}name, expire_time\n")
        );
        assert_eq!(
            text(&records, true, &Onlooker::WHOLE).text,
            format!("{header}{start}name: \"a\" → \"b\", expire_time: none → \"x\"\n")
        );
    }

    #[test]
    fn a_record_by_which_keys_gained_says_how_many_and_what() {
        // S10
        let of = |gaining_key_count, own: &[&str]| AuditRecord {
            gaining_key_count,
            gained_by_key: own.iter().map(ToString::to_string).collect(),
            ..Default::default()
        };
        assert_eq!(gains(&of(0, &[])), None);
        assert_eq!(gains(&of(3, &[])).as_deref(), Some("3 keys gained"));
        assert_eq!(gains(&of(3, &["a:b", "c:d"])).as_deref(), Some("gained a:b c:d, one of 3 keys"));
    }

    #[test]
    fn a_change_of_many_keys_says_how_many() {
        let one = AuditRecord { key_id: "key_1".into(), ..Default::default() };
        let many = AuditRecord { group_id: "grp_1".into(), key_count: 42, ..Default::default() };
        let actions = text(&[one, many], false, &Onlooker::WHOLE).text;
        let keys: Vec<&str> = actions.lines().skip(1).map(|line| line[29..44].trim_end()).collect();
        assert_eq!(keys, ["key_1", "grp_1 (42 keys)"], "{actions}");
    }

    #[test]
    fn every_action_of_the_wire_can_be_asked_for() {
        let mut given: Vec<i32> =
            ActionArg::value_variants().iter().map(|action| AuditAction::from(*action).into()).collect();
        given.sort_unstable();
        let on_the_wire: Vec<i32> = (1..100).filter(|value| AuditAction::try_from(*value).is_ok()).collect();
        assert_eq!(given, on_the_wire);
    }
}
