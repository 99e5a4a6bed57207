//! `keyward check`: may the holder of this key do this, now?

use std::path::PathBuf;

use clap::Args;

use super::route::{self, Target};
use crate::{
    cli::{
        console::Console,
        credential::Credential,
        exit::Exit,
        failure::Failure,
        input::parse::{self, Dash, KeyId},
        output::{json, names, table::Table, time, view},
        session::Session,
    },
    wire::v1::{
        CheckContext, CheckMode, CheckRequest, CheckResponse, CheckedKey, Denial, LimitState, ScopeGroup,
        check_request::Subject,
    },
};

pub(in crate::cli) const EXAMPLES: &str = "\
The API key comes from standard input or a file, never from an argument:
  keyward check --scope storage:upload --resource space/cdn-eu < upload.key
  keyward check --key-file upload.key --peek
  keyward check --key-id key_… --explain --scope storage:upload

Exit status: 0 allowed, 3 denied, 1 no answer.";

/// Ask whether the holder of a key may do something now
#[derive(Args, Debug)]
#[command(group = clap::ArgGroup::new("mode"))]
pub struct CheckArgs {
    /// Reads the API key from standard input, as when nothing is named
    #[arg(value_name = "-", value_parser = Dash, conflicts_with_all = ["key_file", "key_id"])]
    dash: Option<()>,
    /// Reads the API key from a file; - is standard input
    #[arg(long, value_name = "FILE", conflicts_with = "key_id")]
    key_file: Option<PathBuf>,
    /// Asks about the key with this id, without its secret; with --peek or --explain only
    #[arg(long, value_name = "KEY_ID", value_parser = KeyId, requires = "mode")]
    key_id: Option<String>,
    /// A scope that is needed; each one of them
    #[arg(long = "scope", value_name = "SCOPE", value_delimiter = ',')]
    scopes: Vec<String>,
    /// Scopes of which one is needed
    #[arg(long = "any-scope", value_name = "SCOPE,SCOPE", value_parser = parse::scope_group)]
    any_scopes: Vec<ScopeGroup>,
    /// The resource that is touched, for example space/cdn-eu
    #[arg(long)]
    resource: Option<String>,
    /// The workspace that the key must belong to
    #[arg(long, value_name = "ID")]
    workspace: Option<String>,
    /// The environment that the key must belong to
    #[arg(long)]
    environment: Option<String>,
    /// The holder's IP address
    #[arg(long, value_name = "IP")]
    address: Option<String>,
    /// The holder's request; with --explain, its route is explained, which decides where a gateway asks
    #[arg(long, num_args = 2, value_names = ["METHOD", "URL"])]
    request: Vec<String>,
    /// Units to charge to the key's limits. Left out: 1
    #[arg(long, value_name = "UNITS")]
    cost: Option<u64>,
    /// The answer must take this revision into account
    #[arg(long, value_name = "REVISION", default_value_t = 0, hide_default_value = true)]
    min_revision: u64,
    /// Charges nothing and leaves no trace of use
    #[arg(long, group = "mode")]
    peek: bool,
    /// As --peek, and names every condition that fails, not the first
    #[arg(long, group = "mode")]
    explain: bool,
}

impl CheckArgs {
    fn subject(&self, console: &mut Console<'_>) -> Result<Subject, Failure> {
        match &self.key_id {
            Some(id) => Ok(Subject::KeyId(id.clone())),
            None => Ok(Subject::ApiKey(presented(self.key_file.as_deref(), console)?.to_request())),
        }
    }

    fn mode(&self) -> CheckMode {
        match (self.peek, self.explain) {
            (_, true) => CheckMode::Explain,
            (true, false) => CheckMode::Peek,
            (false, false) => CheckMode::Enforce,
        }
    }

    fn into_request(self, subject: Subject) -> Result<CheckRequest, Failure> {
        let context = self.context()?;
        Ok(CheckRequest {
            mode: self.mode().into(),
            subject: Some(subject),
            scopes: self.scopes,
            any_scopes: self.any_scopes,
            resource: self.resource.unwrap_or_default(),
            cost: self.cost,
            workspace_id: self.workspace.unwrap_or_default(),
            environment: self.environment.unwrap_or_default(),
            min_revision: self.min_revision,
            context,
        })
    }

    /// Where the holder's request came from and what it was, as far as that is told.
    fn context(&self) -> Result<Option<CheckContext>, Failure> {
        let mut context =
            CheckContext { source_address: self.address.clone().unwrap_or_default(), ..Default::default() };
        if let [method, url] = self.request.as_slice() {
            let Target { host, path } =
                url.parse().map_err(|why| Failure::Local(format!("--request: {why}")))?;
            context = CheckContext { method: method.clone(), host, path, ..context };
        }
        Ok((context != CheckContext::default()).then_some(context))
    }
}

/// Reads a presented key from a file, or from standard input when none or `-` is named.
pub(in crate::cli) fn presented(
    file: Option<&std::path::Path>,
    console: &mut Console<'_>,
) -> Result<Credential, Failure> {
    match file {
        Some(path) if path.as_os_str() != "-" => Credential::from_file(path),
        _ => {
            if console.input_is_terminal {
                console.note("API key: ");
            }
            Credential::from_input(console.input, console.input_is_terminal)
        }
    }
}

pub(in crate::cli) async fn run(args: CheckArgs, session: &mut Session<'_, '_>) -> Result<Exit, Failure> {
    let subject = args.subject(session.console)?;
    let request = args.into_request(subject)?;
    let mut keys = session.keys().await?;
    let answer = keys.check(request).await.map_err(session.rpc())?.into_inner();
    session.answer(|| json::check(&answer), || text(&answer))?;
    Ok(if answer.allowed { Exit::Done } else { Exit::Denied })
}

fn text(answer: &CheckResponse) -> String {
    let mut facts = Table::of_facts();
    facts.fact(if answer.allowed { "allowed" } else { "denied" }, verdict(answer));
    if let Some(denial) = &answer.denial {
        facts.fact("missing", denial.missing_scopes.join(" "));
        facts.fact("retry after", time::duration_shown(denial.retry_after.as_ref()));
    }
    for failure in answer.denial.iter().flat_map(|denial| &denial.failures) {
        facts.fact("fails", format!("{}: {}", names::denial_reason(failure.reason), failure.message));
    }
    if let Some(key) = &answer.key {
        checked_key(&mut facts, key);
    }
    if let Some(found) = &answer.route {
        route::explained(&mut facts, found);
    }
    facts.fact("counting", if answer.degraded { "in memory only: the store takes no changes" } else { "" });
    facts.fact("revision", answer.revision.to_string());
    format!("{}{}", facts.render(), limits(&answer.limits))
}

fn verdict(answer: &CheckResponse) -> String {
    let because = |denial: &Denial| format!("{}: {}", names::denial_reason(denial.reason), denial.message);
    match &answer.denial {
        Some(denial) => because(denial),
        None if answer.allowed => "yes".to_owned(),
        None => "no reason was given".to_owned(),
    }
}

fn checked_key(facts: &mut Table, key: &CheckedKey) {
    facts.fact("key", &key.id);
    facts.fact("workspace", &key.workspace_id);
    facts.fact("owner", &key.owner);
    facts.fact("environment", &key.environment);
    facts.fact("plan", &key.plan);
    facts.fact("scopes", key.scopes.join(" "));
    facts.fact("grants", view::grants(&key.grants));
    for (name, value) in &key.metadata {
        facts.fact("metadata", format!("{name}={value}"));
    }
    if let Some(secret) = &key.secret {
        let generation = format!("generation {}", secret.generation);
        facts.fact(
            "secret",
            match &secret.retiring_at {
                Some(end) => format!("{generation}, replaced: valid until {}", time::rfc3339(end)),
                None => generation,
            },
        );
    }
}

fn limits(limits: &[LimitState]) -> String {
    if limits.is_empty() {
        return String::new();
    }
    let mut table = Table::with_header(&["LIMIT", "ADMITS", "PER", "REMAINING", "RESETS"]);
    for limit in limits {
        table.row([
            limit.name.clone(),
            limit.limit.to_string(),
            time::duration_shown(limit.window.as_ref()),
            limit.remaining.to_string(),
            time::shown(limit.reset_time.as_ref()),
        ]);
    }
    format!("\n{}", table.render())
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;
    use crate::wire::v1::{CheckedSecret, DenialFailure};

    #[derive(clap::Parser)]
    struct Line {
        #[command(flatten)]
        args: CheckArgs,
    }

    fn parse(line: &[&str]) -> Option<CheckArgs> {
        Line::try_parse_from([&["check"], line].concat()).ok().map(|line| line.args)
    }

    #[test]
    fn flags_become_the_request() {
        let args = parse(&[
            "-",
            "--scope",
            "a:b,c:d",
            "--any-scope",
            "e:f,g:h",
            "--any-scope",
            "i:j",
            "--cost",
            "0",
            "--address",
            "10.0.0.1",
            "--peek",
        ])
        .unwrap();
        let request = args.into_request(Subject::KeyId("key_1".into())).unwrap_or_default();
        assert_eq!(request.scopes, ["a:b", "c:d"]);
        assert_eq!(request.any_scopes.iter().map(|group| group.scopes.len()).collect::<Vec<_>>(), [2, 1]);
        assert_eq!((request.cost, request.mode), (Some(0), CheckMode::Peek.into()));
        assert_eq!(request.context.unwrap().source_address, "10.0.0.1");
    }

    #[test]
    fn a_key_is_never_an_argument_and_an_id_never_enforced() {
        for (line, fits) in [
            (&[][..], true),
            (&["-"], true),
            (&["--key-file", "-"], true),
            (&["--key-id", "key_1", "--explain"], true),
            (&["kw_live_1"], false),
            (&["--key-id", "key_1"], false),
            (&["--key-id", "kw_live_1", "--peek"], false),
            (&["--peek", "--explain"], false),
            (&["-", "--key-file", "f"], false),
        ] {
            assert_eq!(parse(line).is_some(), fits, "{line:?}");
        }
    }

    #[test]
    fn an_allowed_check_warns_of_a_replaced_secret() {
        let shown = text(&CheckResponse {
            allowed: true,
            key: Some(CheckedKey {
                id: "key_1".into(),
                scopes: vec!["a:b".into()],
                secret: Some(CheckedSecret {
                    generation: 1,
                    retiring_at: Some(prost_types::Timestamp::default()),
                }),
                ..Default::default()
            }),
            revision: 9,
            ..Default::default()
        });
        let expected = "allowed   yes\nkey       key_1\nscopes    a:b\n\
                        secret    generation 1, replaced: valid until 1970-01-01T00:00:00Z\nrevision  9\n";
        assert_eq!(shown, expected);
    }

    #[test]
    fn a_denial_says_why_what_is_missing_and_when_to_come_back() {
        let shown = text(&CheckResponse {
            denial: Some(Denial {
                reason: 12,
                message: "the key lacks a scope".into(),
                missing_scopes: vec!["a:b".into(), "c:d".into()],
                retry_after: Some(prost_types::Duration { seconds: 42, nanos: 0 }),
                failures: vec![DenialFailure { reason: 7, message: "the key is switched off".into() }],
            }),
            limits: vec![LimitState {
                name: "starter".into(),
                limit: 500,
                remaining: 0,
                ..Default::default()
            }],
            revision: 9,
            ..Default::default()
        });
        let expected = "\
denied       SCOPE_INSUFFICIENT: the key lacks a scope
missing      a:b c:d
retry after  42s
fails        KEY_DISABLED: the key is switched off
revision     9

LIMIT    ADMITS  PER  REMAINING  RESETS
starter  500     -    0          -
";
        assert_eq!(shown, expected);
    }
}
