//! `keyward issue`: makes a key.

use clap::Args;

use crate::{
    cli::{
        credential::Credential,
        exit::Exit,
        failure::Failure,
        input::key_args::{AdminArgs, KeyArgs},
        output::{json, view},
        preflight::Younger,
        session::{Fresh, Session},
    },
    wire::v1::{IssueRequest, Key},
};

pub(in crate::cli) const EXAMPLES: &str = "\
The secret alone goes to standard output, everything else to standard error:
  keyward issue 'image upload' --grant storage:upload@space/cdn-eu --expires 90d > upload.key
  keyward issue 'support desk' --admin-scope keys:read,keys:revoke > support.key

A limit is TIER/NAME=UNITS/WINDOW; the tier `all` stands for all tiers together:
  default/hour=500/hour          500 in each hour of the clock; so minute, day and month
  all/day=10000/day@Asia/Tokyo   days of a time zone; without one, of UTC
  default/recent=100/30m         rolling: 100 in any 30 minutes
  default/burst=20+5/1s          a bucket of 20, into which 5 come back each second
The limits of a tier replace all of that tier, so name each that is to hold.";

/// Make a key
#[derive(Args, Debug)]
pub struct IssueArgs {
    /// What people call the key
    name: String,
    /// The workspace. Left out: that of the administration key, or the default one
    #[arg(long, value_name = "ID")]
    workspace: Option<String>,
    /// The user or service that the key belongs to
    #[arg(long)]
    owner: Option<String>,
    /// The member on whose behalf the key is issued: it stays under that member's role
    #[arg(long, value_name = "MEMBER")]
    on_behalf_of: Option<String>,
    /// The key has the rights of its owner's role, as they are at each Check, narrowed by the scopes that are named, if any
    #[arg(long)]
    follow_owner_role: bool,
    #[command(flatten)]
    key: KeyArgs,
    #[command(flatten)]
    admin: AdminArgs,
}

impl IssueArgs {
    fn into_request(self) -> Result<IssueRequest, Failure> {
        let mut request = self.key.into_request(self.name)?;
        request.workspace_id = self.workspace.unwrap_or_default();
        request.owner = self.owner.unwrap_or_default();
        request.on_behalf_of = self.on_behalf_of.unwrap_or_default();
        request.follows_owner_role = self.follow_owner_role;
        request.admin = self.admin.into_rights();
        Ok(request)
    }
}

pub(in crate::cli) async fn run(args: IssueArgs, session: &mut Session<'_, '_>) -> Result<Exit, Failure> {
    let request = args.into_request()?;
    let lifetime = request.lifetime;
    session.require(lifetime.is_some(), Younger::lifetime("IssueRequest")).await?;
    let mut keys = session.keys().await?;
    let mut answer = keys.issue(request).await.map_err(session.rpc())?.into_inner();
    let secret = Credential::taken_from(&mut answer.api_key);
    let key = answer.key.take().unwrap_or_default();
    let ends = require_end(lifetime, &key);
    let fresh =
        Fresh { json: json::changed(Some(&key), answer.revision), text: view::key(&key), key_id: key.id };
    session.hand_over(&secret, fresh)?;
    ends?;
    for warning in &answer.warnings {
        session.console.note(&format!("\nWarning: {warning}\n"));
    }
    Ok(Exit::Done)
}

/// Passes a new key that ends, where it was to live so long: a server that is older than lifetimes does not see that one was asked
/// for.
pub(in crate::cli) fn require_end(lifetime: Option<prost_types::Duration>, key: &Key) -> Result<(), Failure> {
    if lifetime.is_some() && key.expire_time.is_none() {
        return Err(Failure::Endless { key_id: key.id.clone() });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;
    use crate::wire::v1::{AdminRights, Ceiling, Grant};

    #[derive(clap::Parser)]
    struct Line {
        #[command(flatten)]
        args: IssueArgs,
    }

    fn request(line: &[&str]) -> Option<IssueRequest> {
        let line = Line::try_parse_from([&["issue"], line].concat()).ok()?;
        line.args.into_request().ok()
    }

    #[test]
    fn flags_become_the_request() {
        let found = request(&[
            "upload",
            "--scope",
            "a:b,c:d",
            "--scope",
            "e:f",
            "--grant",
            "g:h@x/1,x/2",
            "--expires",
            "90d",
            "--owner",
            "ann",
            "--environment",
            "test",
            "--cidr",
            "10.0.0.0/8",
            "--metadata",
            "team=blue",
            "--description",
            "d",
            "--workspace",
            "ws_1",
            "--on-behalf-of",
            "bob",
            "--follow-owner-role",
            "--request-id",
            "r1",
        ]);
        let expected = IssueRequest {
            workspace_id: "ws_1".into(),
            name: "upload".into(),
            description: "d".into(),
            owner: "ann".into(),
            on_behalf_of: "bob".into(),
            follows_owner_role: true,
            environment: "test".into(),
            scopes: vec!["a:b".into(), "c:d".into(), "e:f".into()],
            grants: vec![Grant { scope: "g:h".into(), resources: vec!["x/1".into(), "x/2".into()] }],
            lifetime: Some(prost_types::Duration { seconds: 90 * 86_400, nanos: 0 }),
            allowed_cidrs: vec!["10.0.0.0/8".into()],
            metadata: [("team".to_owned(), "blue".to_owned())].into(),
            request_id: "r1".into(),
            ..IssueRequest::default()
        };
        assert_eq!(found, Some(expected));
    }

    #[test]
    fn a_key_that_was_to_end_and_does_not_is_told() {
        // K11
        let day = Some(prost_types::Duration { seconds: 86_400, nanos: 0 });
        let endless = Key { id: "key_1".into(), ..Key::default() };
        let ends = Key { expire_time: Some(prost_types::Timestamp::default()), ..endless.clone() };
        for (lifetime, key, fits) in [(None, &endless, true), (day, &ends, true), (day, &endless, false)] {
            assert_eq!(require_end(lifetime, key).is_ok(), fits, "{lifetime:?}");
        }
        let told = require_end(day, &endless).err().unwrap().explain().text();
        assert!(told.contains("key_1 was made without an end"), "{told}");
    }

    #[test]
    fn an_administration_key_hands_out_only_what_is_named() {
        let rights = |line: &[&str]| request(line).unwrap().admin.unwrap();
        let plain = rights(&["ops", "--admin-scope", "keys:read,keys:revoke"]);
        assert_eq!(
            plain,
            AdminRights {
                scopes: vec!["keys:read".into(), "keys:revoke".into()],
                global: false,
                ceiling: None,
            }
        );
        let any =
            rights(&["ops", "--admin-scope", "admin:grant", "--global", "--ceiling-any"]).ceiling.unwrap();
        assert!(any.any_grant && any.any_environment && any.any_lifetime && any.raise_limits);
        let some = rights(&[
            "ops",
            "--admin-scope",
            "keys:issue",
            "--ceiling-scope",
            "a:b",
            "--ceiling-lifetime",
            "1d",
        ]);
        assert_eq!(
            some.ceiling,
            Some(Ceiling {
                scopes: vec!["a:b".into()],
                max_lifetime: Some(prost_types::Duration { seconds: 86_400, nanos: 0 }),
                ..Ceiling::default()
            })
        );
    }

    #[test]
    fn flags_that_contradict_each_other_are_refused() {
        for line in [
            &["ops", "--admin-scope", "keys:read", "--scope", "a:b"][..],
            &["ops", "--global"],
            &["ops", "--scope", "a:b", "--global"],
            &["ops", "--grant", "a:b@x/1", "--ceiling-any"],
            &["upload", "--limit", "default/hour=5/hour", "--stamp-limits"],
            &["ops", "--admin-scope", "keys:read", "--limit", "default/hour=5/hour"],
            &["ops", "--admin-scope", "keys:read", "--stamp-limits"],
            &["ops", "--ceiling-any"],
            &["ops", "--admin-scope", "keys:issue", "--ceiling-any", "--ceiling-scope", "a:b"],
            &["ops", "--admin-scope", "keys:issue", "--ceiling-any-lifetime", "--ceiling-lifetime", "1d"],
            &["upload", "--expires", "0"],
            &["upload", "--metadata", "a=1", "--metadata", "a=2"],
            &[],
        ] {
            assert_eq!(request(line), None, "{line:?}");
        }
    }
}
