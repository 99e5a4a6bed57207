//! `keyward policy check`: what a document would do, without doing it.

use std::path::PathBuf;

use clap::Args;
use serde_json::json as object;

use super::{document::DocumentArgs, effect};
use crate::{
    cli::{
        exit::Exit,
        failure::Failure,
        output::{json::policy, table::Table},
        session::Session,
    },
    config::zoneinfo,
    domain::{policy::Policy, zones},
};

/// Say what a document would change, and which keys would lose and gain what
#[derive(Args, Debug)]
pub struct CheckArgs {
    #[command(flatten)]
    document: DocumentArgs,
    /// Asks no server: says whether the document is sound, and not what it would change
    #[arg(long)]
    offline: bool,
    /// With --offline, the zoneinfo directory that the server is given, if it is
    #[arg(long, value_name = "DIR", env = "KEYWARD_ZONEINFO")]
    zoneinfo: Option<PathBuf>,
}

pub(in crate::cli) async fn run(args: CheckArgs, session: &mut Session<'_, '_>) -> Result<Exit, Failure> {
    if args.offline {
        return offline(&args, session);
    }
    let answer = args.document.judged(session).await?;
    let found = answer.effect.as_ref().ok_or(Failure::Answer("what the document would change"))?;
    let text = || {
        let mut facts = Table::of_facts();
        facts.fact("in force", format!("version {}", answer.current_version));
        effect::whole(found, &mut facts)
    };
    session.answer(|| policy::judged(&answer), text)?;
    Ok(Exit::Done)
}

/// Reads the document as a server of this version does.
fn offline(args: &CheckArgs, session: &mut Session<'_, '_>) -> Result<Exit, Failure> {
    zoneinfo::use_directory(args.zoneinfo.as_deref()).map_err(|error| Failure::input(error.to_string()))?;
    let toml = args.document.toml(session)?;
    if let Err(faults) = Policy::from_toml(&toml) {
        return Err(Failure::Document(faults));
    }
    let text = || {
        let mut facts = Table::of_facts();
        facts.fact("document", "sound; what it would change, a server says");
        facts.fact("time zones", zones::in_force());
        facts.render()
    };
    session.answer(|| object!({ "sound": true, "time_zones": zones::in_force() }), text)?;
    Ok(Exit::Done)
}
