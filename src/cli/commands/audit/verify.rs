//! `keyward audit verify`: does the chain of the log hold, as the server sees it or as the files have it?

use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::{Value, json};
use tonic::Code;

use crate::{
    cli::{
        exit::Exit,
        failure::Failure,
        output::{json::hex, table::Table},
        session::Session,
    },
    config::args::RootsArgs,
    wire::v1::{
        StreamVerifyLogRequest, VerifyLogRequest, VerifyLogResponse, stream_verify_log_response::News,
    },
};

pub(super) const EXAMPLES: &str = "\
Write down head_revision and head_chain somewhere else: a later log must contain both.
  keyward audit verify
  keyward audit verify --data-dir /var/lib/keyward

Exit status: 0 the chain holds, 4 it does not, 1 no answer.";

/// Check the chain of the whole log
#[derive(Args, Debug)]
pub struct VerifyArgs {
    /// Reads the files of this data directory, without any server
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// Where the anchor of that data directory is [default: where it was]
    #[arg(long, value_name = "FILE", env = "KEYWARD_ANCHOR")]
    anchor: Option<PathBuf>,
    /// Where its roots are kept.
    #[command(flatten)]
    roots: RootsArgs,
}

/// Verifies the log in a data directory, against an anchor at this place or where it was, without a server; an `Err` means
/// that it could not be read.
pub type VerifyOffline<'a> = &'a dyn Fn(&Path, Option<&Path>, &RootsArgs) -> Result<LogReport, String>;

/// Whether a log's chain holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogReport {
    /// How many records were read.
    pub records: u64,
    /// The newest record's revision.
    pub head_revision: u64,
    /// The newest record's chain value.
    pub head_chain: Vec<u8>,
    /// The first record that does not fit, if the chain does not hold.
    pub fault: Option<LogFault>,
}

/// The first record that does not fit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogFault {
    /// Its revision.
    pub revision: u64,
    /// What is wrong with it.
    pub message: String,
}

impl From<VerifyLogResponse> for LogReport {
    fn from(answer: VerifyLogResponse) -> Self {
        let fault = answer.fault.map(|fault| LogFault { revision: fault.revision, message: fault.message });
        Self {
            records: answer.records,
            head_revision: answer.head_revision,
            head_chain: answer.head_chain,
            fault,
        }
    }
}

pub(in crate::cli) async fn run(
    args: VerifyArgs,
    session: &mut Session<'_, '_>,
    offline: VerifyOffline<'_>,
) -> Result<Exit, Failure> {
    refuse_input(session)?;
    let (of, report) = if let Some(directory) = args.data_dir {
        let report = offline(&directory, args.anchor.as_deref(), &args.roots).map_err(Failure::Local)?;
        (format!("the files of {}", directory.display()), report)
    } else {
        let answer = ask(session).await?;
        (format!("the server at {}", session.connection.server()), answer.into())
    };
    // Once more: a pipe can be slower to begin than the answer.
    refuse_input(session)?;
    session.answer(|| as_json(&of, &report), || text(&of, &report))?;
    Ok(if report.fault.is_none() { Exit::Done } else { Exit::LogBroken })
}

/// Has the server read its log, for as long as that takes.
async fn ask(session: &mut Session<'_, '_>) -> Result<VerifyLogResponse, Failure> {
    let mut audit = session.audit().await?;
    let mut told = match audit.stream_verify_log(StreamVerifyLogRequest {}).await {
        // The server is older than this command: it reads what it can within its deadline.
        Err(status) if status.code() == Code::Unimplemented => {
            let answer = audit.verify_log(VerifyLogRequest {}).await;
            return Ok(answer.map_err(session.rpc())?.into_inner());
        }
        told => told.map_err(session.rpc())?.into_inner(),
    };
    while let Some(message) = told.message().await.map_err(session.rpc())? {
        if let Some(News::Result(found)) = message.news {
            return Ok(found);
        }
    }
    Err(Failure::Answer("what was found"))
}

/// Refuses a log on standard input: the answer would be about another log.
fn refuse_input(session: &Session<'_, '_>) -> Result<(), Failure> {
    if session.console.input_is_terminal || !(session.console.input_waits)() {
        return Ok(());
    }
    Err(Failure::input(
        "there is something on standard input, and `audit verify` reads nothing from there: it verifies the log of the server, or with \
         --data-dir that of a data directory. Inside a loop that reads a file, say </dev/null",
    ))
}

fn as_json(of: &str, report: &LogReport) -> Value {
    json!({
        "log": of,
        "records": report.records,
        "head_revision": report.head_revision,
        "head_chain": hex(&report.head_chain),
        "fault": report.fault.as_ref().map(|fault| json!({ "revision": fault.revision, "message": fault.message })),
    })
}

fn text(of: &str, report: &LogReport) -> String {
    let mut facts = Table::of_facts();
    facts.fact("log", of);
    facts.fact(
        "chain",
        match &report.fault {
            None => "holds".to_owned(),
            Some(fault) => format!("BROKEN at revision {}: {}", fault.revision, fault.message),
        },
    );
    facts.fact("records", report.records.to_string());
    facts.fact("head_revision", report.head_revision.to_string());
    facts.fact("head_chain", hex(&report.head_chain));
    facts.render()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(fault: Option<LogFault>) -> LogReport {
        LogReport { records: 3, head_revision: 3, head_chain: vec![0, 0xab], fault }
    }

    #[test]
    fn a_chain_that_holds_shows_its_head() {
        let expected = "log            here\nchain          holds\nrecords        3\nhead_revision  3\nhead_chain     00ab\n";
        assert_eq!(text("here", &report(None)), expected);
        assert_eq!(as_json("here", &report(None))["fault"], Value::Null);
    }

    #[test]
    fn a_broken_chain_names_the_record() {
        let broken = report(Some(LogFault { revision: 2, message: "altered".into() }));
        assert!(text("here", &broken).contains("\nchain          BROKEN at revision 2: altered\n"));
        assert_eq!(as_json("here", &broken)["fault"]["revision"], 2);
    }
}
