//! `keyward disable` and `keyward enable`: the reversible pair.

use clap::Args;

use crate::{
    cli::{
        exit::Exit,
        failure::Failure,
        input::parse::KeyId,
        output::{json, view},
        session::Session,
    },
    wire::v1::{DisableKeyRequest, EnableKeyRequest, Key},
};

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

pub(in crate::cli) async fn disable(
    args: SwitchArgs,
    session: &mut Session<'_, '_>,
) -> Result<Exit, Failure> {
    let request = DisableKeyRequest { key_id: args.key_id, comment: args.comment.unwrap_or_default() };
    let mut keys = session.keys().await?;
    let answer = keys.disable_key(request).await.map_err(session.rpc())?.into_inner();
    show(answer.key, answer.revision, session)
}

pub(in crate::cli) async fn enable(args: SwitchArgs, session: &mut Session<'_, '_>) -> Result<Exit, Failure> {
    let request = EnableKeyRequest { key_id: args.key_id, comment: args.comment.unwrap_or_default() };
    let mut keys = session.keys().await?;
    let answer = keys.enable_key(request).await.map_err(session.rpc())?.into_inner();
    show(answer.key, answer.revision, session)
}

/// Prints a changed key. Also for `update`.
pub(in crate::cli) fn show(
    key: Option<Key>,
    revision: u64,
    session: &mut Session<'_, '_>,
) -> Result<Exit, Failure> {
    let key = key.ok_or(Failure::Answer("the key"))?;
    session.answer(|| json::changed(Some(&key), revision), || view::key(&key))?;
    Ok(Exit::Done)
}
