//! `keyward policy show`: the document of a version, and nothing else.

use clap::Args;

use crate::{
    cli::{
        exit::Exit,
        failure::Failure,
        output::{json::policy, text::printable_toml},
        session::Session,
    },
    wire::v1::GetPolicyRequest,
};

pub(super) const EXAMPLE: &str = "\
Change the policy in force:
  keyward policy show > policy.toml
  $EDITOR policy.toml
  keyward policy check policy.toml
  keyward policy apply policy.toml --comment 'ticket 4711'";

/// Print a version as TOML, the one in force unless told
#[derive(Args, Debug)]
pub struct ShowArgs {
    /// The version. Left out: the one in force
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    version: Option<u64>,
}

pub(in crate::cli) async fn run(args: ShowArgs, session: &mut Session<'_, '_>) -> Result<Exit, Failure> {
    let request = GetPolicyRequest { version: args.version.unwrap_or_default() };
    let mut policies = session.policies().await?;
    let answer = policies.get_policy(request).await.map_err(session.rpc())?.into_inner();
    if answer.toml.is_empty() {
        return Err(Failure::Answer("the document"));
    }
    session.answer(|| policy::shown(&answer), || printable_toml(&answer.toml))?;
    Ok(Exit::Done)
}
