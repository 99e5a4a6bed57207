//! `keyward update`: changes what the flags name, and nothing else.

use clap::{ArgGroup, Args};

use super::switch;
use crate::{
    cli::{
        exit::Exit,
        failure::Failure,
        input::{
            limits::{self, OwnLimit},
            parse::{self, Expiry, KeyId},
        },
        preflight::Younger,
        session::Session,
    },
    wire::v1::{Grant, Key, UpdateKeyRequest},
};

pub(in crate::cli) const EXAMPLES: &str = "\
A list that is given replaces the whole list:
  keyward update key_… --scope storage:read,storage:upload --no-expiry
  keyward update key_… --name 'image upload' --clear-metadata
  keyward update key_… --limit default/hour=500/hour --limit default/burst=20+5/1s
`keyward issue --help` has every form of a limit.";

/// Change a key
#[derive(Args, Debug)]
#[command(group = ArgGroup::new("change").required(true).multiple(true))]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own on the command line")]
pub struct UpdateArgs {
    /// The key
    #[arg(value_name = "KEY_ID", value_parser = KeyId)]
    key_id: String,
    /// What people call the key
    #[arg(long, group = "change")]
    name: Option<String>,
    /// A description for people
    #[arg(long, group = "change", conflicts_with = "clear_description")]
    description: Option<String>,
    /// Leaves no description
    #[arg(long, group = "change")]
    clear_description: bool,
    /// A scope for every resource; replaces all of them
    #[arg(
        long = "scope",
        value_name = "SCOPE",
        value_delimiter = ',',
        group = "change",
        conflicts_with = "clear_scopes"
    )]
    scopes: Vec<String>,
    /// Leaves no scope for every resource
    #[arg(long, group = "change")]
    clear_scopes: bool,
    /// A scope for some resources; replaces all of them
    #[arg(long = "grant", value_name = "SCOPE@RESOURCE[,RESOURCE]", value_parser = parse::grant, group = "change", conflicts_with = "clear_grants")]
    grants: Vec<Grant>,
    /// Leaves no scope for some resources
    #[arg(long, group = "change")]
    clear_grants: bool,
    /// When the key ends: an RFC 3339 time, or a duration such as 90d, 90 times 24 hours, which the server counts from now
    #[arg(long, value_name = "TIME|DURATION", value_parser = parse::expiry, group = "change", conflicts_with = "no_expiry")]
    expires: Option<Expiry>,
    /// The key does not expire
    #[arg(long, group = "change")]
    no_expiry: bool,
    /// A source network that the key may be used from; replaces all of them
    #[arg(
        long = "cidr",
        value_name = "NETWORK",
        value_delimiter = ',',
        group = "change",
        conflicts_with = "clear_cidrs"
    )]
    cidrs: Vec<String>,
    /// The key may be used from everywhere
    #[arg(long, group = "change")]
    clear_cidrs: bool,
    /// A label of your own; replaces all of them
    #[arg(long, value_name = "NAME=VALUE", value_parser = parse::pair, group = "change", conflicts_with = "clear_metadata")]
    metadata: Vec<(String, String)>,
    /// Leaves no labels
    #[arg(long, group = "change")]
    clear_metadata: bool,
    /// A limit of the key's own, for example default/hour=500/hour; replaces all of them
    #[arg(long = "limit", value_name = "LIMIT", value_parser = limits::limit, group = "change", conflicts_with = "clear_limits")]
    limits: Vec<OwnLimit>,
    /// The key follows its workspace and its plan again
    #[arg(long, group = "change")]
    clear_limits: bool,
}

impl UpdateArgs {
    fn into_request(self) -> Result<UpdateKeyRequest, Failure> {
        let paths = self.paths();
        let key = Key {
            id: self.key_id,
            name: self.name.unwrap_or_default(),
            description: self.description.unwrap_or_default(),
            scopes: self.scopes,
            grants: self.grants,
            expire_time: self.expires.and_then(Expiry::expire_time),
            allowed_cidrs: self.cidrs,
            metadata: parse::metadata(self.metadata)?,
            limits: limits::together(self.limits),
            ..Key::default()
        };
        let lifetime = self.expires.and_then(Expiry::lifetime);
        Ok(UpdateKeyRequest { key: Some(key), update_mask: Some(prost_types::FieldMask { paths }), lifetime })
    }

    /// The fields to change: those that have a value, and those that are to be cleared.
    fn paths(&self) -> Vec<String> {
        let fields = [
            ("name", self.name.is_some()),
            ("description", self.description.is_some() || self.clear_description),
            ("scopes", !self.scopes.is_empty() || self.clear_scopes),
            ("grants", !self.grants.is_empty() || self.clear_grants),
            ("expire_time", self.expires.and_then(Expiry::expire_time).is_some() || self.no_expiry),
            ("lifetime", self.expires.and_then(Expiry::lifetime).is_some()),
            ("allowed_cidrs", !self.cidrs.is_empty() || self.clear_cidrs),
            ("metadata", !self.metadata.is_empty() || self.clear_metadata),
            ("limits", !self.limits.is_empty() || self.clear_limits),
        ];
        fields.into_iter().filter(|(_, changes)| *changes).map(|(field, _)| field.to_owned()).collect()
    }
}

pub(in crate::cli) async fn run(args: UpdateArgs, session: &mut Session<'_, '_>) -> Result<Exit, Failure> {
    let request = args.into_request()?;
    session.require(request.lifetime.is_some(), Younger::lifetime("UpdateKeyRequest")).await?;
    let mut keys = session.keys().await?;
    let answer = keys.update_key(request).await.map_err(session.rpc())?.into_inner();
    switch::show(answer.key, answer.revision, session)
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;

    #[derive(clap::Parser)]
    struct Line {
        #[command(flatten)]
        args: UpdateArgs,
    }

    fn request(line: &[&str]) -> Option<UpdateKeyRequest> {
        let line = Line::try_parse_from([&["update", "key_1"], line].concat()).ok()?;
        line.args.into_request().ok()
    }

    #[test]
    fn the_mask_names_what_the_flags_name() {
        for (line, paths) in [
            (&["--name", "n"][..], &["name"][..]),
            (&["--scope", "a:b", "--scope", "c:d"], &["scopes"]),
            (&["--clear-grants", "--no-expiry"], &["grants", "expire_time"]),
            (&["--expires", "1h", "--clear-metadata"], &["lifetime", "metadata"]),
            (&["--expires", "2027-01-31T00:00:00Z"], &["expire_time"]),
            (&["--limit", "default/hour=5/hour"], &["limits"]),
            (&["--clear-limits"], &["limits"]),
            (
                &["--clear-scopes", "--clear-cidrs", "--clear-description"],
                &["description", "scopes", "allowed_cidrs"],
            ),
        ] {
            assert_eq!(request(line).unwrap().update_mask.unwrap().paths, paths, "{line:?}");
        }
        let asked = request(&["--expires", "1h", "--metadata", "a=1"]).unwrap();
        let key = asked.key.unwrap();
        assert_eq!((asked.lifetime.unwrap().seconds, key.expire_time, key.metadata.len()), (3_600, None, 1));
    }

    #[test]
    fn an_update_changes_something_and_does_not_contradict_itself() {
        for line in [
            &[][..],
            &["--scope", "a:b", "--clear-scopes"],
            &["--expires", "1h", "--no-expiry"],
            &["--cidr", "10.0.0.0/8", "--clear-cidrs"],
            &["--limit", "default/hour=5/hour", "--clear-limits"],
        ] {
            assert_eq!(request(line), None, "{line:?}");
        }
    }
}
