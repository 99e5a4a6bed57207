//! What a command asks of its server before it sends what it is about: what time it is there, and whether it knows a field.
//!
//! A server that is older than the command skips fields that it does not know, and answers as if they had not been sent. It says
//! which it knows by gRPC reflection; no administration key is needed for that. Only commands that need one of these ask.

use futures_util::stream;
use jiff::{SignedDuration, Timestamp, fmt::rfc2822::DateTimeParser};
use prost::Message as _;
use prost_types::FileDescriptorProto;
use tonic::{Code, metadata::MetadataMap};
use tonic_health::pb::{HealthCheckRequest, health_client::HealthClient};
use tonic_reflection::pb::v1::{
    ServerReflectionRequest, server_reflection_client::ServerReflectionClient,
    server_reflection_request::MessageRequest, server_reflection_response::MessageResponse,
};

use super::{failure::Failure, input::page::PageArgs, session::Session};

/// The package of every message that is asked for.
const PACKAGE: &str = "keyward.v1";

/// A field that earlier servers do not know, and what they would do without it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Younger {
    message: &'static str,
    field: &'static str,
    otherwise: &'static str,
    instead: &'static str,
}

impl Younger {
    /// A duration that the server counts, in this message.
    pub(super) const fn lifetime(message: &'static str) -> Self {
        let otherwise = "the end would be lost on the way";
        Self {
            message,
            field: "lifetime",
            otherwise,
            instead: "write a time, such as 2027-01-31, in place of the duration",
        }
    }

    /// All workspaces at once, in this message.
    pub(super) const fn all_workspaces(message: &'static str) -> Self {
        let otherwise = "it would look at one workspace, and not at all";
        Self {
            message,
            field: "all_workspaces",
            otherwise,
            instead: "run the command once for each workspace",
        }
    }

    /// That nothing is to be changed, in this message.
    pub(super) const fn preview(message: &'static str) -> Self {
        let otherwise =
            "it would do at once what is only to be looked at, or has to be confirmed by its number";
        Self { message, field: "validate_only", otherwise, instead: "use the command of its own version" }
    }

    /// What makes a change of many keys safe to repeat.
    pub(super) const fn request_id(message: &'static str) -> Self {
        let otherwise = "the same command, run again, would be another change";
        Self { message, field: "request_id", otherwise, instead: "run the command without --request-id" }
    }

    /// Why nothing was sent.
    fn refused(self, server: &str, why: &str) -> Failure {
        let Self { message, field, otherwise, instead } = self;
        Failure::Older {
            message: format!("{server} {why} `{field}` of {message}: {otherwise}, so it was not sent"),
            next: format!("update the server, or {instead}"),
        }
    }
}

impl Session<'_, '_> {
    /// What durations go back from: the server's time, where one is given; for a page that goes on, that of the first one.
    pub(super) async fn counted_from(&mut self, page: &PageArgs, moves: bool) -> Result<Timestamp, Failure> {
        match page.first_time() {
            Some(first) => Ok(first),
            None => self.now(moves).await,
        }
    }

    /// The time at the server, if the command needs it: what a duration means does not depend on this machine's clock.
    pub(super) async fn now(&mut self, needed: bool) -> Result<Timestamp, Failure> {
        if !needed {
            return Ok(self.console.now);
        }
        let mut health = HealthClient::new(self.caller().await?);
        let answer = health.check(HealthCheckRequest::default()).await.map_err(self.rpc())?;
        let second = date(answer.metadata()).ok_or_else(|| {
            let server = self.connection.server();
            let why = format!(
                "{server} does not say what time it is there, from which a duration would be counted"
            );
            Failure::Older {
                message: why,
                next: "write a time or a date in place of the duration".to_owned(),
            }
        })?;
        Ok(self
            .console
            .now
            .clamp(second, second.saturating_add(SignedDuration::from_secs(1)).unwrap_or(second)))
    }

    /// Passes where the server knows a field, if the command needs it.
    pub(super) async fn require(&mut self, needed: bool, younger: Younger) -> Result<(), Failure> {
        if !needed {
            return Ok(());
        }
        let server = self.connection.server().to_owned();
        match self.file_of(younger.message).await? {
            Some(file) if knows(&file, younger) => Ok(()),
            Some(_) => Err(younger.refused(&server, "is older than this command and knows no")),
            None => Err(younger.refused(&server, "does not say by gRPC reflection whether it knows")),
        }
    }

    /// The file in which the server has a message; `None` where it does not tell.
    async fn file_of(&mut self, message: &str) -> Result<Option<FileDescriptorProto>, Failure> {
        let symbol = MessageRequest::FileContainingSymbol(format!("{PACKAGE}.{message}"));
        let request = ServerReflectionRequest { host: String::new(), message_request: Some(symbol) };
        let mut reflection = ServerReflectionClient::new(self.caller().await?);
        let asked = stream::iter([request]);
        let answer = match reflection.server_reflection_info(asked).await {
            Ok(answers) => answers.into_inner().message().await,
            Err(status) => Err(status),
        };
        match answer {
            Ok(answer) => Ok(answer.and_then(|answer| file(answer.message_response?))),
            Err(status) if status.code() == Code::Unimplemented => Ok(None),
            Err(status) => Err(self.rpc()(status)),
        }
    }
}

/// The second in which an answer was made, as its `date` says (RFC 9110 §6.6.1).
fn date(metadata: &MetadataMap) -> Option<Timestamp> {
    DateTimeParser::new().parse_timestamp(metadata.get("date")?.to_str().ok()?).ok()
}

fn file(answer: MessageResponse) -> Option<FileDescriptorProto> {
    let MessageResponse::FileDescriptorResponse(found) = answer else { return None };
    FileDescriptorProto::decode(&**found.file_descriptor_proto.first()?).ok()
}

fn knows(file: &FileDescriptorProto, Younger { message, field, .. }: Younger) -> bool {
    let mut named = file.message_type.iter().filter(|known| known.name() == message);
    named.any(|known| known.field.iter().any(|known| known.name() == field))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire;

    #[test]
    fn every_field_that_is_asked_for_is_one_of_this_version() {
        let set = prost_types::FileDescriptorSet::decode(wire::DESCRIPTOR_SET).unwrap();
        let known = |younger| set.file.iter().any(|file| knows(file, younger));
        for message in ["IssueRequest", "UpdateKeyRequest", "RetireKeys", "ImportRow"] {
            assert!(known(Younger::lifetime(message)), "{message}");
        }
        for message in ["UpdateWorkspaceRequest", "CloseWorkspaceRequest"] {
            assert!(known(Younger::preview(message)), "{message}");
        }
        assert!(known(Younger::request_id("ChangeKeysRequest")));
        for message in [
            "ListKeysRequest",
            "ChangeKeysRequest",
            "GetUsageRequest",
            "ReviewKeysRequest",
            "RemoveMemberRequest",
        ] {
            assert!(known(Younger::all_workspaces(message)), "{message}");
        }
        assert!(!known(Younger::lifetime("CheckRequest")));
    }

    #[test]
    fn a_date_is_read_as_http_writes_it() {
        let mut metadata = MetadataMap::new();
        assert_eq!(date(&metadata), None);
        metadata.insert("date", "Tue, 15 Nov 1994 08:12:31 GMT".parse().unwrap());
        assert_eq!(date(&metadata).map(|date| date.to_string()).as_deref(), Some("1994-11-15T08:12:31Z"));
        metadata.insert("date", "soon".parse().unwrap());
        assert_eq!(date(&metadata), None);
    }
}
