//! `keyward policy apply`: puts a document in force.

use clap::Args;

use super::{
    document::{self, DocumentArgs},
    effect,
};
use crate::{
    cli::{
        exit::Exit,
        failure::Failure,
        output::{json::policy, table::Table, time},
        session::Session,
    },
    wire::v1::{ApplyPolicyRequest, ApplyPolicyResponse, PolicyEffect, PolicyVersion, apply_policy_request},
};

pub(super) const EXAMPLES: &str = "\
A document made from version 3, refused if another version came into force meanwhile:
  keyward policy apply policy.toml --expect 3 --comment 'ticket 4711'
One by which 12 keys gain rights, as `keyward policy check policy.toml` has shown:
  keyward policy apply policy.toml --expect 3 --expect-gains 12
Back to version 2:
  keyward policy show --version 2 | keyward policy apply -";

/// Put a document in force, whole or not at all
#[derive(Args, Debug)]
pub struct ApplyArgs {
    #[command(flatten)]
    document: DocumentArgs,
    /// The version that the document was made from. Left out: whichever is in force just before
    #[arg(long, value_name = "N")]
    expect: Option<u64>,
    /// How many living keys gain rights by it, as `keyward policy check` says. Left out: none may
    #[arg(long, value_name = "N")]
    expect_gains: Option<u64>,
    /// Why, for the log
    #[arg(long, value_name = "TEXT")]
    comment: Option<String>,
}

pub(in crate::cli) async fn run(args: ApplyArgs, session: &mut Session<'_, '_>) -> Result<Exit, Failure> {
    let toml = args.document.toml(session)?;
    let expected_version = match args.expect {
        Some(version) => version,
        None => document::judge(toml.clone(), session).await?.current_version,
    };
    let request = ApplyPolicyRequest {
        document: Some(apply_policy_request::Document::Toml(toml)),
        expected_version,
        comment: args.comment.unwrap_or_default(),
        expected_gains: args.expect_gains,
    };
    let mut policies = session.policies().await?;
    let answer = policies.apply_policy(request).await.map_err(session.rpc())?.into_inner();
    session.answer(|| policy::applied(&answer), || text(&answer))?;
    Ok(Exit::Done)
}

fn text(answer: &ApplyPolicyResponse) -> String {
    let nothing = PolicyEffect::default();
    let mut facts = Table::of_facts();
    if let Some(version) = &answer.version {
        in_force(&mut facts, version);
    }
    effect::whole(answer.effect.as_ref().unwrap_or(&nothing), &mut facts)
}

fn in_force(facts: &mut Table, version: &PolicyVersion) {
    facts.fact("in force", format!("version {}", version.version));
    facts.fact("since", time::shown(version.apply_time.as_ref()));
    facts.fact("comment", &version.comment);
    facts.fact("revision", version.revision.to_string());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_new_version_stands_above_what_it_changed() {
        let version = PolicyVersion { version: 4, comment: "why".into(), revision: 9, ..Default::default() };
        let expected = "\
in force       version 4
comment        why
revision       9
changes        0
affected keys  0
gaining keys   0
";
        assert_eq!(text(&ApplyPolicyResponse { version: Some(version), effect: None }), expected);
    }
}
