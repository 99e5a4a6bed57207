//! `keyward gateway check`: every location of an nginx that passes requests on without what protects them.

use std::path::PathBuf;

use clap::Args;
use serde_json::{Value, json};

use super::nginx::{self, Inspection, NginxFinding};
use crate::cli::{console::Console, exit::Exit, failure::Failure, output::text::printable};

pub(super) const EXAMPLES: &str = "\
Reads the file and what it includes, and judges each location that passes requests on by the files keyward-*.conf of
examples/nginx/. A location may say in a comment on the line of its proxy_pass (grpc_pass, …) that it is none of Keyward's:
# keyward: unguarded

Examples:
  keyward gateway check /etc/nginx/nginx.conf
  keyward gateway check nginx.conf --json

Exit status: 0 nothing is found, 6 something is, 1 the configuration cannot be read";

/// Find where an nginx would pass requests on without what protects them
#[derive(Args, Debug)]
pub struct CheckArgs {
    /// The main file; what it includes is found from its folder, as nginx does
    #[arg(value_name = "NGINX.CONF")]
    file: PathBuf,
}

pub(super) fn run(args: &CheckArgs, as_json: bool, console: &mut Console<'_>) -> Result<Exit, Failure> {
    let found = nginx::check(&args.file).map_err(Failure::Input)?;
    if as_json {
        console.print_json(&in_json(&found))?;
    } else {
        console.print(&in_words(&found))?;
    }
    Ok(if found.findings.is_empty() { Exit::Done } else { Exit::Exposed })
}

fn in_json(found: &Inspection) -> Value {
    let findings: Vec<Value> = found
        .findings
        .iter()
        .map(|NginxFinding { problem, file, line, at, message, next }| {
            json!({
                "problem": problem, "file": file, "line": line, "at": at, "message": message, "next": next,
            })
        })
        .collect();
    json!({ "files": found.files, "passes": found.passes, "findings": findings })
}

fn in_words(found: &Inspection) -> String {
    let mut lines = Vec::new();
    for NginxFinding { problem, file, line, at, message, next } in &found.findings {
        lines.push(format!("{}:{line}: {problem} {}", printable(file), printable(at)));
        lines.push(format!("  {}", printable(message)));
        lines.push(format!("  next: {}", printable(next)));
    }
    let (files, passes) = (found.files.len(), found.passes);
    lines.push(format!(
        "{files} files, {passes} places that pass requests on: {} found",
        found.findings.len()
    ));
    lines.push(String::new());
    lines.join("\n")
}
