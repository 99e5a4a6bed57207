//! `keyward disable` and `keyward enable`: the reversible pair.

use clap::Args;

use super::{exit::Exit, failure::Failure, json, parse::KeyId, session::Session, view};
use crate::wire::v1::{DisableKeyRequest, EnableKeyRequest, Key};

/// Which key to switch.
#[derive(Args, Debug)]
pub struct SwitchArgs {
    /// The key
    #[arg(value_name = "KEY_ID", value_parser = KeyId)]
    key_id: String,
    /// Why, in your own words
    #[arg(long)]
    comment: Option<String>,
}

pub(super) async fn disable(args: SwitchArgs, session: &mut Session<'_, '_>) -> Result<Exit, Failure> {
    let request = DisableKeyRequest { key_id: args.key_id, comment: args.comment.unwrap_or_default() };
    let mut keys = session.keys().await?;
    let answer = keys.disable_key(request).await.map_err(session.rpc())?.into_inner();
    show(answer.key, answer.revision, session)
}

pub(super) async fn enable(args: SwitchArgs, session: &mut Session<'_, '_>) -> Result<Exit, Failure> {
    let request = EnableKeyRequest { key_id: args.key_id, comment: args.comment.unwrap_or_default() };
    let mut keys = session.keys().await?;
    let answer = keys.enable_key(request).await.map_err(session.rpc())?.into_inner();
    show(answer.key, answer.revision, session)
}

/// Prints a changed key. Also for `update`.
pub(super) fn show(key: Option<Key>, revision: u64, session: &mut Session<'_, '_>) -> Result<Exit, Failure> {
    let key = key.ok_or(Failure::Answer("the key"))?;
    session.answer(|| json::changed(Some(&key), revision), || view::key(&key))?;
    Ok(Exit::Done)
}
