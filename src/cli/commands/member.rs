//! `keyward member add`, `update`, `remove`, `show` and `list`: who belongs to a workspace, in which role.

use std::process::ExitCode;

use clap::{Args, Subcommand};
use serde_json::json;

use crate::{
    cli::{
        Console,
        exit::Exit,
        failure::Failure,
        input::{page::PageArgs, within::WorkspaceArg},
        output::{
            json,
            listing::{Cell, Column, Listing, Printed},
            onlooker::Onlooker,
            table::Table,
            text::printable,
            time,
        },
        preflight::Younger,
        remote::Remote,
        session::Session,
    },
    wire::v1::{
        AddMemberRequest, GetMemberRequest, ListMembersRequest, Member, RemoveMemberRequest,
        RemoveMemberResponse, UpdateMemberRequest,
    },
};

/// Work with the members of workspaces
#[derive(Subcommand, Debug)]
pub enum MemberCommand {
    /// Add a member
    Add(Remote<RoleArgs>),
    /// Give a member another role; keys that follow it have the new role's rights at once
    Update(Remote<RoleArgs>),
    /// Remove a member; keys that follow its role are denied at once
    Remove(Remote<RemoveArgs>),
    /// Show a member
    Show(Remote<ShowArgs>),
    /// List the members of a workspace
    List(Remote<ListArgs>),
}

impl MemberCommand {
    pub(in crate::cli) async fn run(self, console: &mut Console<'_>) -> ExitCode {
        match self {
            Self::Add(call) => call.run(console, add).await,
            Self::Update(call) => call.run(console, update).await,
            Self::Remove(call) => call.run(console, remove).await,
            Self::Show(call) => call.run(console, show).await,
            Self::List(call) => call.run(console, list).await,
        }
    }
}

/// Who is meant.
#[derive(Args, Debug)]
struct Who {
    /// The user or service, as `--owner` of its keys says
    subject: String,
    /// The workspace. Left out: that of the administration key, or the default one
    #[arg(long, value_name = "ID")]
    workspace: Option<String>,
}

/// A member and its role
#[derive(Args, Debug)]
pub struct RoleArgs {
    #[command(flatten)]
    who: Who,
    /// A role of the policy
    #[arg(long)]
    role: String,
    /// How many keys that follow the member gain rights by it. Left out: at most 100 may
    #[arg(long, value_name = "N")]
    expect_gains: Option<u64>,
}

/// Remove a member
#[derive(Args, Debug)]
pub struct RemoveArgs {
    /// The user or service, as `--owner` of its keys says
    subject: String,
    /// The workspace, or `all` for every one. Left out: that of the administration key, or the default one
    #[arg(long, value_name = "ID|all")]
    workspace: Option<String>,
    /// Why, in your own words
    #[arg(long)]
    comment: Option<String>,
}

/// Show a member
#[derive(Args, Debug)]
pub struct ShowArgs {
    #[command(flatten)]
    who: Who,
}

/// List the members of a workspace
#[derive(Args, Debug)]
pub struct ListArgs {
    /// The workspace. Left out: that of the administration key, or the default one
    #[arg(long, value_name = "ID")]
    workspace: Option<String>,
    /// Only those with this role
    #[arg(long)]
    role: Option<String>,
    #[command(flatten)]
    page: PageArgs,
}

async fn add(args: RoleArgs, session: &mut Session<'_, '_>) -> Result<Exit, Failure> {
    let Who { subject, workspace } = args.who;
    let request = AddMemberRequest {
        workspace_id: workspace.unwrap_or_default(),
        subject,
        role: args.role,
        expected_gains: args.expect_gains,
    };
    let mut workspaces = session.workspaces().await?;
    let answer = workspaces.add_member(request).await.map_err(session.rpc())?.into_inner();
    changed(answer.member, answer.revision, session)
}

async fn update(args: RoleArgs, session: &mut Session<'_, '_>) -> Result<Exit, Failure> {
    let Who { subject, workspace } = args.who;
    let request = UpdateMemberRequest {
        workspace_id: workspace.unwrap_or_default(),
        subject,
        role: args.role,
        expected_gains: args.expect_gains,
    };
    let mut workspaces = session.workspaces().await?;
    let answer = workspaces.update_member(request).await.map_err(session.rpc())?.into_inner();
    changed(answer.member, answer.revision, session)
}

fn changed(member: Option<Member>, revision: u64, session: &mut Session<'_, '_>) -> Result<Exit, Failure> {
    let member = member.ok_or(Failure::Answer("the member"))?;
    session.answer(|| json!({ "member": json::member(&member), "revision": revision }), || facts(&member))?;
    Ok(Exit::Done)
}

async fn remove(args: RemoveArgs, session: &mut Session<'_, '_>) -> Result<Exit, Failure> {
    let RemoveArgs { subject, workspace, comment } = args;
    let asked = WorkspaceArg::new(workspace);
    session.require(asked.all(), Younger::all_workspaces("RemoveMemberRequest")).await?;
    let request = RemoveMemberRequest {
        workspace_id: asked.id(),
        all_workspaces: asked.all(),
        subject: subject.clone(),
        comment: comment.unwrap_or_default(),
    };
    let mut workspaces = session.workspaces().await?;
    let answer = workspaces.remove_member(request).await.map_err(session.rpc())?.into_inner();
    let text = || {
        let mut facts = Table::of_facts();
        facts.fact("removed", &subject);
        facts.fact("workspace", removed_from(&answer));
        facts.fact(
            "denied now",
            keys(answer.following_keys, ["key that follows the role", "keys that follow the role"]),
        );
        facts.fact(
            "go on",
            keys(answer.other_keys, ["other key of the same owner", "other keys of the same owner"]),
        );
        facts.fact("revision", answer.revision.to_string());
        facts.render()
    };
    session.answer(|| json::removed(&answer), text)?;
    Ok(Exit::Done)
}

/// The workspaces from which a member was removed, as text.
fn removed_from(answer: &RemoveMemberResponse) -> String {
    let closed = match answer.closed_workspace_count {
        0 => String::new(),
        count => format!("; a member still in {count} closed"),
    };
    match answer.workspace_id.as_str() {
        "" => format!("all; it was in {}{closed}", answer.workspace_count),
        id => id.to_owned(),
    }
}

fn keys(count: u64, [one, many]: [&str; 2]) -> String {
    format!("{count} {}", if count == 1 { one } else { many })
}

async fn show(args: ShowArgs, session: &mut Session<'_, '_>) -> Result<Exit, Failure> {
    let Who { subject, workspace } = args.who;
    let request = GetMemberRequest { workspace_id: workspace.unwrap_or_default(), subject };
    let mut workspaces = session.workspaces().await?;
    let answer = workspaces.get_member(request).await.map_err(session.rpc())?.into_inner();
    let member = answer.member.ok_or(Failure::Answer("the member"))?;
    session.answer(|| json!({ "member": json::member(&member) }), || facts(&member))?;
    Ok(Exit::Done)
}

async fn list(args: ListArgs, session: &mut Session<'_, '_>) -> Result<Exit, Failure> {
    let mut looked = args.workspace.is_some();
    let mut request = ListMembersRequest {
        page_size: args.page.size(),
        page_token: args.page.first_token(),
        workspace_id: args.workspace.unwrap_or_default(),
        role: args.role.unwrap_or_default(),
    };
    let mut workspaces = session.workspaces().await?;
    let onlooker = session.onlooker(&args.page).await;
    loop {
        let answer = workspaces.list_members(request.clone()).await.map_err(session.rpc())?.into_inner();
        if !std::mem::replace(&mut looked, true) && !session.json {
            session.console.note(&format!("Looked at: workspace {}\n", printable(&answer.workspace_id)));
        }
        session.page(
            args.page.is_all(),
            (&answer.members, &answer.next_page_token),
            json::member,
            || json::members(&answer),
            || table(&answer.members, &onlooker),
        )?;
        if !args.page.is_all() || answer.next_page_token.is_empty() {
            return Ok(Exit::Done);
        }
        request.page_token = answer.next_page_token;
    }
}

const LISTED: [Column; 4] = [
    Column::whole("SUBJECT", 1),
    Column::whole("ROLE", 2),
    Column::whole("ADDED", 3),
    Column::whole("CHANGED", 4),
];

fn table(members: &[Member], onlooker: &Onlooker) -> Printed {
    let mut list = Listing::new(&LISTED);
    for member in members {
        list.row([
            member.subject.clone().into(),
            member.role.clone().into(),
            Cell::time(member.create_time),
            Cell::time(member.update_time),
        ]);
    }
    list.print(onlooker)
}

fn facts(member: &Member) -> String {
    let mut facts = Table::of_facts();
    facts.fact("member", &member.subject);
    facts.fact("workspace", &member.workspace_id);
    facts.fact("role", &member.role);
    facts.fact("added", time::shown(member.create_time.as_ref()));
    facts.fact("changed", time::shown(member.update_time.as_ref()));
    facts.fact("revision", member.revision.to_string());
    facts.render()
}
