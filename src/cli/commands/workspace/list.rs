//! `keyward workspace list`: the workspaces, newest first.

use clap::{Args, ValueEnum};

use crate::{
    cli::{
        exit::Exit,
        failure::Failure,
        input::page::PageArgs,
        output::{
            json,
            listing::{Cell, Column, Listing, Printed},
            names,
            onlooker::{Onlooker, Tone},
        },
        session::Session,
    },
    wire::v1::{ListWorkspacesRequest, Workspace, WorkspaceState},
};

/// List workspaces, newest first
#[derive(Args, Debug)]
pub struct ListArgs {
    /// Only those that stand so
    #[arg(long)]
    state: Option<WorkspaceStateArg>,
    /// Only those of this plan
    #[arg(long)]
    plan: Option<String>,
    #[command(flatten)]
    page: PageArgs,
}

/// Where a workspace stands.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum WorkspaceStateArg {
    /// In use
    Active,
    /// Its keys are denied until it is resumed
    Suspended,
    /// Its keys are denied for good
    Closed,
}

impl From<WorkspaceStateArg> for WorkspaceState {
    fn from(state: WorkspaceStateArg) -> Self {
        match state {
            WorkspaceStateArg::Active => Self::Active,
            WorkspaceStateArg::Suspended => Self::Suspended,
            WorkspaceStateArg::Closed => Self::Closed,
        }
    }
}

pub(in crate::cli) async fn run(args: ListArgs, session: &mut Session<'_, '_>) -> Result<Exit, Failure> {
    let mut request = ListWorkspacesRequest {
        state: args.state.map_or(WorkspaceState::Unspecified, Into::into).into(),
        plan: args.plan.unwrap_or_default(),
        page_size: args.page.size(),
        page_token: args.page.first_token(),
    };
    let onlooker = session.onlooker(&args.page).await;
    let mut workspaces = session.workspaces().await?;
    loop {
        let answer = workspaces.list_workspaces(request.clone()).await.map_err(session.rpc())?.into_inner();
        session.page(
            args.page.is_all(),
            (&answer.workspaces, &answer.next_page_token),
            json::workspace,
            || json::workspaces(&answer),
            || table(&answer.workspaces, &onlooker),
        )?;
        if !args.page.is_all() || answer.next_page_token.is_empty() {
            return Ok(Exit::Done);
        }
        request.page_token = answer.next_page_token;
    }
}

const LISTED: [Column; 6] = [
    Column::whole("ID", 1),
    Column::text("NAME", 2),
    Column::whole("STATE", 3),
    Column::text("PLAN", 4),
    Column::text("OWNER", 5),
    Column::whole("CREATED", 6),
];

fn table(workspaces: &[Workspace], onlooker: &Onlooker) -> Printed {
    let mut list = Listing::new(&LISTED);
    for workspace in workspaces {
        let tone = match workspace.state() {
            WorkspaceState::Active => Tone::Good,
            WorkspaceState::Suspended => Tone::Caution,
            WorkspaceState::Closed => Tone::Bad,
            WorkspaceState::Unspecified => Tone::Plain,
        };
        list.row([
            workspace.id.clone().into(),
            workspace.name.clone().into(),
            Cell::from(names::for_eyes(&names::workspace_state(workspace.state))).toned(tone),
            workspace.plan.clone().into(),
            workspace.owner.clone().into(),
            Cell::time(workspace.create_time),
        ]);
    }
    list.print(onlooker)
}
