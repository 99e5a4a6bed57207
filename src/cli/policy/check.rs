//! `keyward policy check`: what a document would do, without doing it.

use clap::Args;

use super::{document::DocumentArgs, effect, json};
use crate::cli::{Outcome, failure::Failure, session::Session, table::Table};

/// Say what a document would change, and which keys would lose and gain what
#[derive(Args, Debug)]
pub struct CheckArgs {
    #[command(flatten)]
    document: DocumentArgs,
}

pub(in crate::cli) async fn run(args: CheckArgs, session: &mut Session<'_, '_>) -> Result<Outcome, Failure> {
    let answer = args.document.judged(session).await?;
    let found = answer.effect.as_ref().ok_or(Failure::Answer("what the document would change"))?;
    let text = || {
        let mut facts = Table::of_facts();
        facts.fact("in force", format!("version {}", answer.current_version));
        effect::whole(found, &mut facts)
    };
    session.answer(|| json::judged(&answer), text)?;
    Ok(Outcome::Done)
}
