//! `keyward rotate`: gives a key a new secret.

use clap::Args;
use jiff::SignedDuration;

use crate::{
    cli::{
        credential::Credential,
        exit::Exit,
        failure::Failure,
        input::parse::{self, KeyId},
        output::{json, time, view},
        session::{Fresh, Session},
    },
    wire::v1::RotateRequest,
};

pub(in crate::cli) const EXAMPLES: &str = "\
The new secret alone goes to standard output, everything else to standard error:
  keyward rotate key_… --grace 1h > upload.key";

/// Give a key a new secret; the old one stays valid for the grace
#[derive(Args, Debug)]
pub struct RotateArgs {
    /// The key
    #[arg(value_name = "KEY_ID", value_parser = KeyId)]
    key_id: String,
    /// How long the replaced secret stays valid; 0 ends all earlier ones now. Left out: 24h
    #[arg(long, value_name = "DURATION", value_parser = parse::duration)]
    grace: Option<SignedDuration>,
    /// Makes a retry safe: the same id never makes two secrets
    #[arg(long, value_name = "ID")]
    request_id: Option<String>,
}

pub(in crate::cli) async fn run(args: RotateArgs, session: &mut Session<'_, '_>) -> Result<Exit, Failure> {
    let request = RotateRequest {
        key_id: args.key_id,
        grace_period: args.grace.map(time::duration_to_wire),
        request_id: args.request_id.unwrap_or_default(),
    };
    let mut keys = session.keys().await?;
    let mut answer = keys.rotate(request).await.map_err(session.rpc())?.into_inner();
    let secret = Credential::taken_from(&mut answer.api_key);
    let key = answer.key.take().unwrap_or_default();
    let fresh =
        Fresh { json: json::changed(Some(&key), answer.revision), text: view::key(&key), key_id: key.id };
    session.hand_over(&secret, fresh)?;
    Ok(Exit::Done)
}
