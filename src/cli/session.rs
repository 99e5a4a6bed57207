//! One run of a client command: its streams, its server, and the form of its answer.

use serde_json::{Value, json};
use tonic::Status;

use super::{
    connection::{CallerChannel, ConnectionArgs},
    console::Console,
    credential::Credential,
    failure::Failure,
    input::page::{self, PageArgs},
    output::{listing::Printed, onlooker::Onlooker, text},
};
use crate::wire::v1::{
    audit_service_client::AuditServiceClient, key_service_client::KeyServiceClient,
    policy_service_client::PolicyServiceClient, workspace_service_client::WorkspaceServiceClient,
};

/// What every verb works with.
pub(super) struct Session<'c, 'a> {
    pub(super) console: &'c mut Console<'a>,
    pub(super) connection: ConnectionArgs,
    /// Whether the answer goes to a script.
    pub(super) json: bool,
    /// The connection, once there is one: what a command asks first and what it then sends reach the same server.
    caller: Option<CallerChannel>,
    /// Whether it was said which columns are not shown.
    told_left_out: bool,
}

impl<'c, 'a> Session<'c, 'a> {
    pub(super) const fn new(console: &'c mut Console<'a>, connection: ConnectionArgs, json: bool) -> Self {
        Self { console, connection, json, caller: None, told_left_out: false }
    }
}

impl Session<'_, '_> {
    pub(super) async fn keys(&mut self) -> Result<KeyServiceClient<CallerChannel>, Failure> {
        Ok(KeyServiceClient::new(self.caller().await?))
    }

    pub(super) async fn workspaces(&mut self) -> Result<WorkspaceServiceClient<CallerChannel>, Failure> {
        Ok(WorkspaceServiceClient::new(self.caller().await?))
    }

    pub(super) async fn audit(&mut self) -> Result<AuditServiceClient<CallerChannel>, Failure> {
        Ok(AuditServiceClient::new(self.caller().await?))
    }

    pub(super) async fn policies(&mut self) -> Result<PolicyServiceClient<CallerChannel>, Failure> {
        Ok(PolicyServiceClient::new(self.caller().await?))
    }

    /// For what needs no administration key, and must not fail for want of one.
    pub(super) async fn keys_as_nobody(&mut self) -> Result<KeyServiceClient<CallerChannel>, Failure> {
        self.warn_of_exposure();
        Ok(KeyServiceClient::new(self.connection.connect_as_nobody().await?))
    }

    /// How its lists are shown. A person is told how long ago things were by the server's clock, where it tells its time.
    pub(super) async fn onlooker(&mut self, page: &PageArgs) -> Onlooker {
        match self.console.out_terminal {
            None => Onlooker::WHOLE,
            Some(terminal) => {
                let fitted = !page.is_wide() && !self.json;
                let now = self.now(fitted).await.unwrap_or(self.console.now);
                Onlooker::at(terminal, page.is_wide(), now)
            }
        }
    }

    /// Prints a list, and says once which columns are not there.
    pub(super) fn list(&mut self, printed: &Printed) -> Result<(), Failure> {
        self.console.print(&printed.text)?;
        if !printed.left_out.is_empty() && !std::mem::replace(&mut self.told_left_out, true) {
            let names = printed.left_out.join(", ");
            self.console.note(&format!("Not shown: {names}; --wide shows everything.\n"));
        }
        Ok(())
    }

    /// Shows a page of a list in the form that was asked for: to a person, or as JSON; where `all` pages are, a line for each row.
    pub(super) fn page<R>(
        &mut self,
        all: bool,
        (rows, next_page_token): (&[R], &str),
        one: impl Fn(&R) -> Value,
        whole: impl FnOnce() -> Value,
        printed: impl FnOnce() -> Printed,
    ) -> Result<(), Failure> {
        match (self.json, all) {
            (true, true) => rows.iter().try_for_each(|row| self.console.print_json_line(&one(row))),
            (true, false) => self.console.print_json(&whole()),
            (false, _) => {
                self.list(&printed())?;
                self.more(all, next_page_token);
                Ok(())
            }
        }
    }

    /// Says how the list goes on, if it does and nobody asked for all of it.
    pub(super) fn more(&mut self, all: bool, next_page_token: &str) {
        if !all && !next_page_token.is_empty() {
            self.console.note(&page::more(next_page_token));
        }
    }

    /// Turns a status into a failure that names the server.
    pub(super) fn rpc(&self) -> impl FnOnce(Status) -> Failure {
        let server = self.connection.server().to_owned();
        |status| Failure::Rpc { server, status: Box::new(status) }
    }

    /// Writes the answer in the form that was asked for.
    pub(super) fn answer(
        &mut self,
        json: impl FnOnce() -> Value,
        text: impl FnOnce() -> String,
    ) -> Result<(), Failure> {
        if self.json { self.console.print_json(&json()) } else { self.console.print(&text()) }
    }

    /// Hands over a fresh secret: alone on standard output, and what it belongs to on standard error. For a script
    /// it is the field `api_key` of the whole answer. An answer that lacks the rest is no reason to lose the secret.
    pub(super) fn hand_over(&mut self, secret: &Credential, fresh: Fresh) -> Result<(), Failure> {
        if secret.reveal().is_empty() {
            return Err(Failure::Answer("the secret"));
        }
        let Fresh { key_id, mut json, text: facts } = fresh;
        let written = if self.json {
            if let Value::Object(fields) = &mut json {
                fields.insert("api_key".to_owned(), Value::from(secret.reveal()));
            }
            self.console.print_json(&json)
        } else {
            secret.write_line(self.console.out).map_err(Failure::Output)
        };
        match written {
            Err(Failure::Output(error)) => return Err(Failure::SecretLost { key_id, error }),
            other => other?,
        }
        if !self.json {
            self.console.note("This secret is shown once; Keyward keeps no copy.\n\n");
            self.console.note(&facts);
        }
        Ok(())
    }

    /// Says why the command failed. A reader who has gone away is told nothing.
    pub(super) fn report(&mut self, failure: &Failure) {
        if failure.is_broken_pipe() {
            return;
        }
        let explanation = failure.explain();
        if self.json {
            self.console.note(&text::printable_json(&format!("{:#}\n", explanation.json())));
        } else {
            self.console.note(&explanation.text());
        }
    }

    /// The connection, with the administration key.
    pub(super) async fn caller(&mut self) -> Result<CallerChannel, Failure> {
        if let Some(caller) = &self.caller {
            return Ok(caller.clone());
        }
        self.warn_of_exposure();
        let caller = self.connection.connect(self.console.admin_key.as_ref()).await?;
        self.caller = Some(caller.clone());
        Ok(caller)
    }

    fn warn_of_exposure(&mut self) {
        if self.connection.is_exposed() {
            let server = self.connection.server();
            let warning = format!("keys go to {server} without encryption");
            if self.json {
                self.console.note(&text::printable_json(&format!("{}\n", json!({ "warning": warning }))));
            } else {
                self.console.note(&format!("warning: {}\n", text::printable(&warning)));
            }
        }
    }
}

/// What a fresh secret belongs to.
pub(super) struct Fresh {
    pub(super) key_id: String,
    /// The answer without the secret.
    pub(super) json: Value,
    /// The same for eyes.
    pub(super) text: String,
}

#[cfg(test)]
mod tests {
    use std::io::{self, Write};

    use clap::Parser as _;
    use jiff::Timestamp;

    use super::*;

    struct Full;

    impl Write for Full {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::BrokenPipe.into())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[derive(clap::Parser)]
    struct Flags {
        #[command(flatten)]
        connection: ConnectionArgs,
    }

    fn hand_over(out: &mut dyn Write, json: bool) -> (Result<(), Failure>, String) {
        let mut err = Vec::new();
        let mut console = Console {
            out,
            out_terminal: None,
            err: &mut err,
            input: &mut io::empty(),
            input_is_terminal: false,
            input_waits: &|| false,
            err_is_terminal: false,
            admin_key: None,
            now: Timestamp::UNIX_EPOCH,
        };
        let connection = Flags::parse_from(["test"]).connection;
        let mut session = Session::new(&mut console, connection, json);
        let secret = Credential::taken_from(&mut "kw_live_1".to_owned());
        let fresh =
            Fresh { key_id: "key_1".into(), json: json!({ "revision": 7 }), text: "id  key_1\n".into() };
        let result = session.hand_over(&secret, fresh);
        (result, String::from_utf8(err).unwrap())
    }

    #[test]
    fn the_secret_stands_alone_on_standard_output() {
        let mut out = Vec::new();
        let (result, err) = hand_over(&mut out, false);
        assert!(result.is_ok());
        assert_eq!(out, b"kw_live_1\n");
        assert_eq!(err, "This secret is shown once; Keyward keeps no copy.\n\nid  key_1\n");
    }

    #[test]
    fn a_script_gets_one_document() {
        let mut out = Vec::new();
        let (result, err) = hand_over(&mut out, true);
        assert!(result.is_ok());
        assert_eq!(
            String::from_utf8(out).unwrap(),
            "{\n  \"api_key\": \"kw_live_1\",\n  \"revision\": 7\n}\n"
        );
        assert_eq!(err, "");
    }

    #[test]
    fn a_secret_that_could_not_be_written_is_reported_as_lost() {
        for json in [false, true] {
            let (result, _) = hand_over(&mut Full, json);
            assert!(matches!(result, Err(Failure::SecretLost { key_id, .. }) if key_id == "key_1"));
        }
    }
}
