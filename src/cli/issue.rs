//! `keyward issue`: makes a key.

use clap::Args;
use jiff::Timestamp;

use super::{
    Outcome,
    credential::Credential,
    failure::Failure,
    json,
    key_args::{AdminArgs, KeyArgs},
    session::{Fresh, Session},
    view,
};
use crate::wire::v1::IssueRequest;

pub(super) const EXAMPLES: &str = "\
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
    fn into_request(self, now: Timestamp) -> Result<IssueRequest, Failure> {
        let mut request = self.key.into_request(self.name, now)?;
        request.workspace_id = self.workspace.unwrap_or_default();
        request.owner = self.owner.unwrap_or_default();
        request.on_behalf_of = self.on_behalf_of.unwrap_or_default();
        request.follows_owner_role = self.follow_owner_role;
        request.admin = self.admin.into_rights();
        Ok(request)
    }
}

pub(super) async fn run(args: IssueArgs, session: &mut Session<'_, '_>) -> Result<Outcome, Failure> {
    let request = args.into_request(session.console.now)?;
    let mut keys = session.keys().await?;
    let mut answer = keys.issue(request).await.map_err(session.rpc())?.into_inner();
    let secret = Credential::taken_from(&mut answer.api_key);
    let key = answer.key.take().unwrap_or_default();
    let fresh =
        Fresh { json: json::changed(Some(&key), answer.revision), text: view::key(&key), key_id: key.id };
    session.hand_over(&secret, fresh)?;
    for warning in &answer.warnings {
        session.console.note(&format!("\nWarning: {warning}\n"));
    }
    Ok(Outcome::Done)
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
        line.args.into_request(Timestamp::UNIX_EPOCH).ok()
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
            expire_time: Some(prost_types::Timestamp { seconds: 90 * 86_400, nanos: 0 }),
            allowed_cidrs: vec!["10.0.0.0/8".into()],
            metadata: [("team".to_owned(), "blue".to_owned())].into(),
            request_id: "r1".into(),
            ..IssueRequest::default()
        };
        assert_eq!(found, Some(expected));
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
