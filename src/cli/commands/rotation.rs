//! `keyward rotation`: how far a rotation has come, and the end of its grace.

use clap::{Args, Subcommand};
use jiff::SignedDuration;
use serde_json::{Value, json};

use super::switch;
use crate::{
    cli::{
        exit::Exit,
        failure::Failure,
        input::parse::{self, KeyId},
        output::{json, names, table::Table, time},
        remote::Remote,
        session::Session,
    },
    wire::v1::{GetRotationRequest, GetRotationResponse, RotationSecret, SecretUser, UpdateGraceRequest},
};

pub(in crate::cli) const EXAMPLES: &str = "\
Examples:
  keyward rotation show key_…                     who still uses the old secret
  keyward rotation end key_…                      end it now, before its grace is over
  keyward rotation extend key_… --grace 48h       give it two days from now";

/// What to do with a rotation.
#[derive(Subcommand, Debug)]
pub enum RotationCommand {
    /// Show who uses which secret of a key, and whether a retiring one can be ended
    #[command(after_help = EXAMPLES)]
    Show(Remote<RotationShowArgs>),
    /// End retiring secrets now
    End(Remote<RotationEndArgs>),
    /// Let retiring secrets end so long from now
    Extend(Remote<RotationExtendArgs>),
}

/// Show who uses which secret of a key
#[derive(Args, Debug)]
pub struct RotationShowArgs {
    /// The key
    #[arg(value_name = "KEY_ID", value_parser = KeyId)]
    key_id: String,
    /// A secret that nobody has used for so long can be ended. Left out: 24h
    #[arg(long, value_name = "DURATION", value_parser = parse::duration)]
    quiet: Option<SignedDuration>,
}

/// End retiring secrets now
#[derive(Args, Debug)]
pub struct RotationEndArgs {
    /// The key
    #[arg(value_name = "KEY_ID", value_parser = KeyId)]
    key_id: String,
    /// Only the secret of this generation. Left out: all that are retiring
    #[arg(long, value_name = "N")]
    generation: Option<u32>,
}

/// Let retiring secrets end later
#[derive(Args, Debug)]
pub struct RotationExtendArgs {
    /// The key
    #[arg(value_name = "KEY_ID", value_parser = KeyId)]
    key_id: String,
    /// Only the secret of this generation. Left out: all that are retiring
    #[arg(long, value_name = "N")]
    generation: Option<u32>,
    /// How long from now on they are good, never past the key's expiry
    #[arg(long, value_name = "DURATION", value_parser = parse::duration)]
    grace: SignedDuration,
}

pub(in crate::cli) async fn show(
    args: RotationShowArgs,
    session: &mut Session<'_, '_>,
) -> Result<Exit, Failure> {
    let quiet_period = args.quiet.map(time::duration_to_wire);
    let request = GetRotationRequest { key_id: args.key_id, quiet_period };
    let mut keys = session.keys().await?;
    let answer = keys.get_rotation(request).await.map_err(session.rpc())?.into_inner();
    session.answer(|| to_json(&answer), || text(&answer))?;
    Ok(Exit::Done)
}

pub(in crate::cli) async fn end(
    args: RotationEndArgs,
    session: &mut Session<'_, '_>,
) -> Result<Exit, Failure> {
    regrace(args.key_id, args.generation, SignedDuration::ZERO, session).await
}

pub(in crate::cli) async fn extend(
    args: RotationExtendArgs,
    session: &mut Session<'_, '_>,
) -> Result<Exit, Failure> {
    regrace(args.key_id, args.generation, args.grace, session).await
}

async fn regrace(
    key_id: String,
    generation: Option<u32>,
    grace: SignedDuration,
    session: &mut Session<'_, '_>,
) -> Result<Exit, Failure> {
    let grace = Some(time::duration_to_wire(grace));
    let request = UpdateGraceRequest { key_id, generation, grace };
    let mut keys = session.keys().await?;
    let answer = keys.update_grace(request).await.map_err(session.rpc())?.into_inner();
    switch::show(answer.key, answer.revision, session)
}

fn text(answer: &GetRotationResponse) -> String {
    let mut table =
        Table::with_header(&["GENERATION", "SECRET", "STATE", "ENDS", "LAST USED", "SAFE TO END"]);
    for secret in &answer.secrets {
        let safe = match (secret.why.is_empty(), secret.safe_to_end) {
            (true, _) => String::new(),
            (false, true) => format!("yes: {}", secret.why),
            (false, false) => format!("no: {}", secret.why),
        };
        table.row([
            secret.generation.to_string(),
            secret.hint.clone(),
            names::for_eyes(&names::secret_state(secret.state)),
            time::shown(secret.end_time.as_ref()),
            secret.last_use_time.as_ref().map_or_else(|| "never".to_owned(), time::rfc3339),
            safe,
        ]);
    }
    format!("{}{}", table.render(), users(&answer.secrets))
}

fn users(secrets: &[RotationSecret]) -> String {
    if secrets.iter().all(|secret| secret.users.is_empty()) {
        return String::new();
    }
    let mut table = Table::with_header(&["GENERATION", "CALLER", "OWNER", "FROM", "LAST USED"]);
    for secret in secrets {
        for user in &secret.users {
            table.row([
                secret.generation.to_string(),
                if user.by_operator { "an operator".to_owned() } else { user.caller_key_id.clone() },
                user.caller_owner.clone(),
                user.source_address.clone(),
                time::shown(user.last_use_time.as_ref()),
            ]);
        }
    }
    format!("\n{}", table.render())
}

fn to_json(answer: &GetRotationResponse) -> Value {
    json!({ "secrets": json::list(&answer.secrets, secret) })
}

fn secret(secret: &RotationSecret) -> Value {
    json!({
        "generation": secret.generation,
        "hint": secret.hint,
        "state": names::secret_state(secret.state),
        "create_time": secret.create_time.as_ref().map(time::rfc3339),
        "end_time": secret.end_time.as_ref().map(time::rfc3339),
        "users": json::list(&secret.users, user),
        "last_use_time": secret.last_use_time.as_ref().map(time::rfc3339),
        "safe_to_end": secret.safe_to_end,
        "why": secret.why,
    })
}

fn user(user: &SecretUser) -> Value {
    json!({
        "caller_key_id": user.caller_key_id,
        "caller_owner": user.caller_owner,
        "source_address": user.source_address,
        "last_use_time": user.last_use_time.as_ref().map(time::rfc3339),
        "by_operator": user.by_operator,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_field_of_a_rotation_is_shown() {
        json::assert_shows_every_field("GetRotationResponse", &to_json(&GetRotationResponse::default()));
        json::assert_shows_every_field("RotationSecret", &secret(&RotationSecret::default()));
        json::assert_shows_every_field("SecretUser", &user(&SecretUser::default()));
        json::assert_shows_every_field("UpdateGraceResponse", &json::changed(None, 0));
    }

    #[test]
    fn a_rotation_is_shown_secret_by_secret_and_user_by_user() {
        let at = |seconds| Some(prost_types::Timestamp { seconds, nanos: 0 });
        let old = RotationSecret {
            generation: 1,
            hint: "kw_live_…AbCd".into(),
            state: 2,
            end_time: at(3_600),
            users: vec![SecretUser {
                source_address: "10.0.0.1".into(),
                last_use_time: at(60),
                ..SecretUser::default()
            }],
            last_use_time: at(60),
            why: "still used".into(),
            ..RotationSecret::default()
        };
        let new = RotationSecret {
            generation: 2,
            hint: "kw_live_…EfGh".into(),
            state: 1,
            ..RotationSecret::default()
        };
        let shown = text(&GetRotationResponse { secrets: vec![new, old] });
        let expected = "\
GENERATION  SECRET         STATE     ENDS                  LAST USED             SAFE TO END
2           kw_live_…EfGh  current   -                     never                 -
1           kw_live_…AbCd  retiring  1970-01-01T01:00:00Z  1970-01-01T00:01:00Z  no: still used

GENERATION  CALLER  OWNER  FROM      LAST USED
1           -       -      10.0.0.1  1970-01-01T00:01:00Z
";
        assert_eq!(shown, expected);
    }
}
