//! `keyward revoke`: ends a key for good, by its id or by presenting it.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

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
    wire::v1::{RevokeReason, RevokeRequest, revoke_request::Target},
};

pub(in crate::cli) const EXAMPLES: &str = "\
By id, with an administration key, or by possession, with none:
  keyward revoke key_… --reason owner-left --comment 'ticket 4711'
  keyward revoke --presented < leaked.key";

/// End a key for good
#[derive(Args, Debug)]
pub struct RevokeArgs {
    /// The key
    #[arg(value_name = "KEY_ID", value_parser = KeyId, required_unless_present = "presented", conflicts_with = "presented")]
    key_id: Option<String>,
    /// Revokes the API key that is read from standard input or --key-file; needs no administration key
    #[arg(long)]
    presented: bool,
    /// Reads the presented API key from a file; - is standard input
    #[arg(long, value_name = "FILE", requires = "presented", conflicts_with = "key_id")]
    key_file: Option<PathBuf>,
    /// Why
    #[arg(long, value_enum)]
    reason: Option<Reason>,
    /// Why, in your own words
    #[arg(long)]
    comment: Option<String>,
}

/// Why a key is revoked.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(in crate::cli) enum Reason {
    /// The secret is, or may be, known to others
    Compromised,
    /// The owner has left
    OwnerLeft,
    /// Another key took its place
    Superseded,
    /// Nobody used it
    Unused,
    /// What it was for has ended
    CessationOfOperation,
    /// The owner may no longer do what it allows
    PrivilegeWithdrawn,
}

impl From<Reason> for RevokeReason {
    fn from(reason: Reason) -> Self {
        match reason {
            Reason::Compromised => Self::Compromised,
            Reason::OwnerLeft => Self::OwnerLeft,
            Reason::Superseded => Self::Superseded,
            Reason::Unused => Self::Unused,
            Reason::CessationOfOperation => Self::CessationOfOperation,
            Reason::PrivilegeWithdrawn => Self::PrivilegeWithdrawn,
        }
    }
}

impl RevokeArgs {
    fn target(&self, console: &mut Console<'_>) -> Result<Target, Failure> {
        match &self.key_id {
            Some(id) => Ok(Target::KeyId(id.clone())),
            None => Ok(Target::ApiKey(check::presented(self.key_file.as_deref(), console)?.to_request())),
        }
    }
}

pub(in crate::cli) async fn run(args: RevokeArgs, session: &mut Session<'_, '_>) -> Result<Exit, Failure> {
    let target = args.target(session.console)?;
    let request = RevokeRequest {
        target: Some(target),
        reason: args.reason.map(RevokeReason::from).unwrap_or_default().into(),
        comment: args.comment.unwrap_or_default(),
    };
    let mut keys = if args.presented { session.keys_as_nobody().await? } else { session.keys().await? };
    let answer = keys.revoke(request).await.map_err(session.rpc())?.into_inner();
    session.answer(
        || json::changed(answer.key.as_ref(), answer.revision),
        || match &answer.key {
            Some(key) => view::key(key),
            None => "If that was a living secret, it is dead now. The answer never says which.\n".to_owned(),
        },
    )?;
    Ok(Exit::Done)
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;

    #[derive(clap::Parser)]
    struct Line {
        #[command(flatten)]
        args: RevokeArgs,
    }

    #[test]
    fn a_key_is_named_in_exactly_one_way() {
        for (line, fits) in [
            (&["key_1"][..], true),
            (&["key_1", "--reason", "owner-left"], true),
            (&["--presented"], true),
            (&["--presented", "--key-file", "f"], true),
            (&[], false),
            (&["key_1", "--presented"], false),
            (&["key_1", "--key-file", "f"], false),
            (&["kw_live_1"], false),
            (&["key_1", "--reason", "bored"], false),
        ] {
            assert_eq!(Line::try_parse_from([&["revoke"], line].concat()).is_ok(), fits, "{line:?}");
        }
    }

    #[test]
    fn every_reason_of_the_wire_can_be_given() {
        let given: Vec<i32> =
            Reason::value_variants().iter().map(|reason| RevokeReason::from(*reason).into()).collect();
        let on_the_wire: Vec<i32> = (1..100).filter(|value| RevokeReason::try_from(*value).is_ok()).collect();
        assert_eq!(given, on_the_wire);
    }
}
