//! `keyward policy diff`: the changes between the version in force and a document, and nothing else.

use clap::Args;

use super::{document::DocumentArgs, effect};
use crate::cli::{exit::Exit, failure::Failure, output::json::policy, session::Session};

/// Print the changes between the version in force and a document, one a line
#[derive(Args, Debug)]
pub struct DiffArgs {
    #[command(flatten)]
    document: DocumentArgs,
}

pub(in crate::cli) async fn run(args: DiffArgs, session: &mut Session<'_, '_>) -> Result<Exit, Failure> {
    let answer = args.document.judged(session).await?;
    let found = answer.effect.ok_or(Failure::Answer("what the document would change"))?;
    session.answer(|| policy::changes(&found), || effect::changes(&found))?;
    Ok(Exit::Done)
}
