//! `keyward policy versions`: which versions there were, who applied them, when and why.

use clap::Args;

use crate::{
    cli::{
        exit::Exit,
        failure::Failure,
        input::page::{self, PageArgs},
        output::{json::policy, table::Table, time},
        session::Session,
    },
    wire::v1::{ListPolicyVersionsRequest, ListPolicyVersionsResponse, PolicyVersion},
};

/// List the versions, newest first
#[derive(Args, Debug)]
pub struct VersionsArgs {
    #[command(flatten)]
    page: PageArgs,
}

pub(in crate::cli) async fn run(args: VersionsArgs, session: &mut Session<'_, '_>) -> Result<Exit, Failure> {
    let all = args.page.is_all();
    let mut request =
        ListPolicyVersionsRequest { page_size: args.page.size(), page_token: args.page.first_token() };
    let mut policies = session.policies().await?;
    loop {
        let answer =
            policies.list_policy_versions(request.clone()).await.map_err(session.rpc())?.into_inner();
        show(&answer, all, session)?;
        if !all || answer.next_page_token.is_empty() {
            return Ok(Exit::Done);
        }
        request.page_token = answer.next_page_token;
    }
}

fn show(
    answer: &ListPolicyVersionsResponse,
    all: bool,
    session: &mut Session<'_, '_>,
) -> Result<(), Failure> {
    match (session.json, all) {
        (true, true) => answer
            .versions
            .iter()
            .try_for_each(|version| session.console.print_json_line(&policy::version(version))),
        (true, false) => session.console.print_json(&policy::versions(answer)),
        (false, _) => {
            session.console.print(&text(&answer.versions))?;
            if !all && !answer.next_page_token.is_empty() {
                session.console.note(&page::more(&answer.next_page_token));
            }
            Ok(())
        }
    }
}

fn text(versions: &[PolicyVersion]) -> String {
    let mut table = Table::with_header(&["VERSION", "APPLIED", "BY", "REVISION", "COMMENT"]);
    for version in versions {
        table.row([
            version.version.to_string(),
            time::shown(version.apply_time.as_ref()),
            who(version),
            version.revision.to_string(),
            version.comment.clone(),
        ]);
    }
    table.render()
}

fn who(version: &PolicyVersion) -> String {
    match (version.applied_by.as_str(), version.applied_by_owner.as_str()) {
        (id, "") => id.to_owned(),
        (id, owner) => format!("{id} ({owner})"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_shown_one_a_line() {
        let second = PolicyVersion {
            version: 2,
            apply_time: Some(prost_types::Timestamp { seconds: 60, nanos: 0 }),
            applied_by: "key_1".into(),
            applied_by_owner: "ann".into(),
            comment: "ticket 4711".into(),
            revision: 7,
        };
        let first = PolicyVersion { version: 1, revision: 1, ..PolicyVersion::default() };
        let expected = "\
VERSION  APPLIED               BY           REVISION  COMMENT
2        1970-01-01T00:01:00Z  key_1 (ann)  7         ticket 4711
1        -                     -            1         -
";
        assert_eq!(text(&[second, first]), expected);
    }
}
