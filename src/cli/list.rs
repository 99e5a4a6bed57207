//! `keyward list`: the keys of a workspace, newest first.

use clap::Args;

use super::{
    Outcome,
    failure::Failure,
    json, names,
    page::{self, PageArgs},
    session::Session,
    table::Table,
    time,
};
use crate::wire::v1::{Key, ListKeysRequest, ListKeysResponse};

/// List the keys of a workspace, newest first
#[derive(Args, Debug)]
pub struct ListArgs {
    /// The workspace. Left out: that of the administration key, or the default one
    #[arg(long, value_name = "ID")]
    workspace: Option<String>,
    /// Only keys of this owner
    #[arg(long)]
    owner: Option<String>,
    /// Only keys of this environment
    #[arg(long)]
    environment: Option<String>,
    #[command(flatten)]
    page: PageArgs,
}

pub(super) async fn run(args: ListArgs, session: &mut Session<'_, '_>) -> Result<Outcome, Failure> {
    let mut request = ListKeysRequest {
        page_size: args.page.size(),
        page_token: args.page.first_token(),
        workspace_id: args.workspace.unwrap_or_default(),
        owner: args.owner.unwrap_or_default(),
        environment: args.environment.unwrap_or_default(),
    };
    let mut keys = session.keys().await?;
    loop {
        let answer = keys.list_keys(request.clone()).await.map_err(session.rpc())?.into_inner();
        show(&answer, args.page.is_all(), session)?;
        if !args.page.is_all() || answer.next_page_token.is_empty() {
            return Ok(Outcome::Done);
        }
        request.page_token = answer.next_page_token;
    }
}

fn show(answer: &ListKeysResponse, all: bool, session: &mut Session<'_, '_>) -> Result<(), Failure> {
    match (session.json, all) {
        (true, true) => {
            answer.keys.iter().try_for_each(|key| session.console.print_json_line(&json::key(key)))
        }
        (true, false) => session.console.print_json(&json::keys(answer)),
        (false, _) => {
            session.console.print(&text(&answer.keys))?;
            if !all && !answer.next_page_token.is_empty() {
                session.console.note(&page::more(&answer.next_page_token));
            }
            Ok(())
        }
    }
}

fn text(keys: &[Key]) -> String {
    let mut table = Table::with_header(&[
        "ID",
        "NAME",
        "STATE",
        "ENVIRONMENT",
        "OWNER",
        "HINT",
        "CREATED",
        "EXPIRES",
        "LAST USED",
        "SCOPES",
    ]);
    for key in keys {
        table.row([
            key.id.clone(),
            key.name.clone(),
            names::for_eyes(&names::key_state(key.state)),
            key.environment.clone(),
            key.owner.clone(),
            key.hint.clone(),
            time::shown(key.create_time.as_ref()),
            time::shown(key.expire_time.as_ref()),
            time::shown(key.last_use_time.as_ref()),
            breadth(key),
        ]);
    }
    table.render()
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
        assert_eq!(text(&[upload, ops]), expected);
    }
}
