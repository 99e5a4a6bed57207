//! `keyward policy versions`: which versions there were, who applied them, when and why.

use clap::Args;

use crate::{
    cli::{
        exit::Exit,
        failure::Failure,
        input::page::PageArgs,
        output::{
            json::policy,
            listing::{Cell, Column, Listing, Printed},
            onlooker::Onlooker,
        },
        session::Session,
    },
    wire::v1::{ListPolicyVersionsRequest, PolicyVersion},
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
    let onlooker = session.onlooker(&args.page).await;
    let mut policies = session.policies().await?;
    loop {
        let answer =
            policies.list_policy_versions(request.clone()).await.map_err(session.rpc())?.into_inner();
        session.page(
            all,
            (&answer.versions, &answer.next_page_token),
            policy::version,
            || policy::versions(&answer),
            || text(&answer.versions, &onlooker),
        )?;
        if !all || answer.next_page_token.is_empty() {
            return Ok(Exit::Done);
        }
        request.page_token = answer.next_page_token;
    }
}

const LISTED: [Column; 5] = [
    Column::whole("VERSION", 1),
    Column::whole("APPLIED", 2),
    Column::new("BY", 3),
    Column::whole("REVISION", 5),
    Column::text("COMMENT", 4),
];

fn text(versions: &[PolicyVersion], onlooker: &Onlooker) -> Printed {
    let mut list = Listing::new(&LISTED);
    for version in versions {
        list.row([
            version.version.to_string().into(),
            Cell::time(version.apply_time),
            who(version),
            version.revision.to_string().into(),
            version.comment.clone().into(),
        ]);
    }
    list.print(onlooker)
}

fn who(version: &PolicyVersion) -> Cell {
    match (version.applied_by.as_str(), version.applied_by_owner.as_str()) {
        (id, "") => Cell::id(id),
        (id, owner) => Cell::forms(format!("{id} ({owner})"), owner.to_owned()),
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
        assert_eq!(text(&[second, first], &Onlooker::WHOLE).text, expected);
    }
}
