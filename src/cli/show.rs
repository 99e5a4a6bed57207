//! `keyward show`: one key, without any secret.

use clap::Args;
use serde_json::json;

use super::{Outcome, failure::Failure, json, parse::KeyId, session::Session, view};
use crate::wire::v1::GetKeyRequest;

/// Show a key, without any secret
#[derive(Args, Debug)]
pub struct ShowArgs {
    /// The key
    #[arg(value_name = "KEY_ID", value_parser = KeyId)]
    key_id: String,
}

pub(super) async fn run(args: ShowArgs, session: &mut Session<'_, '_>) -> Result<Outcome, Failure> {
    let mut keys = session.keys().await?;
    let answer =
        keys.get_key(GetKeyRequest { key_id: args.key_id }).await.map_err(session.rpc())?.into_inner();
    let key = answer.key.ok_or(Failure::Answer("the key"))?;
    session.answer(|| json!({ "key": json::key(&key) }), || view::key(&key))?;
    Ok(Outcome::Done)
}
