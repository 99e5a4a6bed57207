//! `keyward import-scheme`: how other systems hash their keys.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use crate::{
    cli::{
        credential,
        exit::Exit,
        failure::Failure,
        output::{json, table::Table, time},
        remote::Remote,
        session::Session,
    },
    wire::v1::{AddImportSchemeRequest, ImportScheme, ListImportSchemesRequest},
};

/// Work with other systems' ways to hash
#[derive(Subcommand, Debug)]
pub enum ImportSchemeCommand {
    /// Take in the secret by which another system makes HMAC-SHA-256 of its keys; for good
    Add(Remote<AddArgs>),
    /// List how imported keys were hashed, and how many depend on it
    List(Remote<ListArgs>),
}

/// Take in another system's secret
#[derive(Args, Debug)]
pub struct AddArgs {
    /// What rows call it: a-z 0-9 -, beginning with a letter
    name: String,
    /// The file that holds the secret; a line break at its end is left out
    #[arg(long, value_name = "FILE")]
    secret_file: PathBuf,
    /// The secret is the whole file, byte for byte
    #[arg(long)]
    exact: bool,
}

/// List the schemes
#[derive(Args, Debug)]
pub struct ListArgs {}

pub(in crate::cli) async fn add(args: AddArgs, session: &mut Session<'_, '_>) -> Result<Exit, Failure> {
    let secret = credential::other_systems_secret(&args.secret_file, args.exact)?;
    let request = AddImportSchemeRequest { name: args.name, hmac_sha256_secret: secret.reveal() };
    let mut keys = session.keys().await?;
    let answer = keys.add_import_scheme(request).await.map_err(session.rpc())?.into_inner();
    let added = answer.scheme.ok_or(Failure::Answer("the scheme"))?;
    let json = || json!({ "scheme": scheme(&added), "revision": answer.revision });
    session.answer(json, || table(std::slice::from_ref(&added)))?;
    Ok(Exit::Done)
}

pub(in crate::cli) async fn list(_: ListArgs, session: &mut Session<'_, '_>) -> Result<Exit, Failure> {
    let mut keys = session.keys().await?;
    let answer = keys.list_import_schemes(ListImportSchemesRequest {}).await;
    let schemes = answer.map_err(session.rpc())?.into_inner().schemes;
    session.answer(|| json!({ "schemes": json::list(&schemes, scheme) }), || table(&schemes))?;
    Ok(Exit::Done)
}

fn table(schemes: &[ImportScheme]) -> String {
    let mut table = Table::with_header(&["SCHEME", "LIVE SECRETS", "ADDED"]);
    for scheme in schemes {
        let added = time::shown(scheme.create_time.as_ref());
        table.row([scheme.scheme.clone(), scheme.live_secrets.to_string(), added]);
    }
    table.render()
}

fn scheme(scheme: &ImportScheme) -> Value {
    json!({
        "scheme": scheme.scheme,
        "live_secrets": scheme.live_secrets,
        "create_time": scheme.create_time.as_ref().map(time::rfc3339),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::output::json::assert_shows_every_field;

    #[test]
    fn every_field_of_a_scheme_is_shown() {
        assert_shows_every_field("ImportScheme", &scheme(&ImportScheme::default()));
    }
}
