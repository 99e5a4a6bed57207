//! `keyward health`: whether a server answers Checks, for probes of containers that have no other program.

use clap::Args;
use serde_json::json;
use tonic_health::pb::{
    HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient,
};

use crate::cli::{exit::Exit, failure::Failure, session::Session};

/// The name in gRPC health that says whether changes are taken.
const CHANGES: &str = "keyward.changes";

pub(in crate::cli) const EXAMPLES: &str = "\
Examples:
  keyward health                    exit code 0 while Checks are answered, 1 otherwise
  keyward health --timeout 2s       for a probe that has no longer than that
  keyward health --changes          the same for changes: 1 also while the store takes none";

/// Say by the exit code whether the server answers Checks
#[derive(Args, Debug)]
pub struct HealthArgs {
    /// Asks whether changes are taken too
    #[arg(long)]
    changes: bool,
}

pub(in crate::cli) async fn run(args: HealthArgs, session: &mut Session<'_, '_>) -> Result<Exit, Failure> {
    let service = if args.changes { CHANGES } else { "" }.to_owned();
    let mut health = HealthClient::new(session.connection.connect_as_nobody().await?);
    let answer = health.check(HealthCheckRequest { service }).await.map_err(session.rpc())?;
    let is_good = answer.get_ref().status() == ServingStatus::Serving;
    let words = match (args.changes, is_good) {
        (false, true) => "Checks are answered\n",
        (false, false) => "Checks are not answered\n",
        (true, true) => "Checks are answered, and changes are taken\n",
        (true, false) => "changes are not taken\n",
    };
    session.answer(|| json!({ "serving": is_good }), || words.to_owned())?;
    Ok(if is_good { Exit::Done } else { Exit::NotServing })
}
