//! `keyward show`: one key, without any secret.

use std::path::PathBuf;

use clap::Args;
use serde_json::json;

use super::check;
use crate::{
    cli::{
        console::Console,
        exit::Exit,
        failure::Failure,
        input::parse::KeyId,
        output::{json, view},
        session::Session,
    },
    wire::v1::{GetKeyRequest, get_key_request::Presented},
};

pub(in crate::cli) const EXAMPLES: &str = "\
By its id; or by a secret that was found somewhere, an administration key's too, whatever has become of it (for a global
administration key):
  keyward show key_…
  keyward show --presented < found.key";

/// Show a key, without any secret
#[derive(Args, Debug)]
pub struct ShowArgs {
    /// The key
    #[arg(value_name = "KEY_ID", value_parser = KeyId, required_unless_present = "presented", conflicts_with = "presented")]
    key_id: Option<String>,
    /// Shows whose the API key is that is read from standard input or --key-file, and what it may do
    #[arg(long)]
    presented: bool,
    /// Reads the presented API key from a file; - is standard input
    #[arg(long, value_name = "FILE", requires = "presented", conflicts_with = "key_id")]
    key_file: Option<PathBuf>,
}

impl ShowArgs {
    fn into_request(self, console: &mut Console<'_>) -> Result<GetKeyRequest, Failure> {
        let presented = if self.key_id.is_none() {
            let text = check::presented(self.key_file.as_deref(), console)?.to_request();
            Some(Presented::ApiKey(text))
        } else {
            None
        };
        Ok(GetKeyRequest { key_id: self.key_id.unwrap_or_default(), presented })
    }
}

pub(in crate::cli) async fn run(args: ShowArgs, session: &mut Session<'_, '_>) -> Result<Exit, Failure> {
    let request = args.into_request(session.console)?;
    let mut keys = session.keys().await?;
    let answer = keys.get_key(request).await.map_err(session.rpc())?.into_inner();
    let (key, generation) = (answer.key.ok_or(Failure::Answer("the key"))?, answer.presented_generation);
    session.answer(
        || json!({ "key": json::key(&key), "presented_generation": generation }),
        || match generation {
            0 => view::key(&key),
            of_it => format!("presented  its secret of generation {of_it}\n{}", view::key(&key)),
        },
    )?;
    Ok(Exit::Done)
}
