//! The TOML of a policy, from a file or from standard input.

use std::{
    fs::File,
    io::{self, Read},
    path::PathBuf,
};

use clap::Args;

use crate::{
    cli::{failure::Failure, session::Session},
    wire::v1::{ValidatePolicyRequest, ValidatePolicyResponse, validate_policy_request},
};

/// No policy is longer.
const LONGEST: u64 = 256 * 1024;

/// Which document.
#[derive(Args, Debug)]
pub(super) struct DocumentArgs {
    /// The document as TOML; - reads standard input
    #[arg(value_name = "FILE")]
    file: PathBuf,
}

impl DocumentArgs {
    /// The text of the document, unread.
    pub(super) fn toml(&self, session: &mut Session<'_, '_>) -> Result<String, Failure> {
        if self.file.as_os_str() == "-" {
            return read(&mut session.console.input, "standard input");
        }
        let shown = self.file.display().to_string();
        let mut file = File::open(&self.file)
            .map_err(|error| Failure::input(format!("cannot open {shown}: {error}")))?;
        read(&mut file, &shown)
    }

    /// What the document would do, as the server sees it.
    pub(super) async fn judged(
        &self,
        session: &mut Session<'_, '_>,
    ) -> Result<ValidatePolicyResponse, Failure> {
        let toml = self.toml(session)?;
        judge(toml, session).await
    }
}

/// What a document would do, as the server sees it.
pub(super) async fn judge(
    toml: String,
    session: &mut Session<'_, '_>,
) -> Result<ValidatePolicyResponse, Failure> {
    let request = ValidatePolicyRequest { document: Some(validate_policy_request::Document::Toml(toml)) };
    let mut policies = session.policies().await?;
    Ok(policies.validate_policy(request).await.map_err(session.rpc())?.into_inner())
}

fn read(input: &mut dyn Read, source: &str) -> Result<String, Failure> {
    let unreadable = |error: io::Error| Failure::input(format!("cannot read {source}: {error}"));
    let mut bytes = Vec::new();
    input.take(LONGEST + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    if u64::try_from(bytes.len()).is_ok_and(|length| length > LONGEST) {
        return Err(Failure::input(format!("{source} is no policy: it holds more than 256 KiB")));
    }
    String::from_utf8(bytes)
        .map_err(|error| Failure::input(format!("{source} is no policy: {}", error.utf8_error())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_is_text_and_not_too_long() {
        let longest = "#".repeat(256 * 1024);
        for (bytes, fits) in [
            (b"".as_slice(), true),
            (b"admin_prefix = \"x\"\n", true),
            (longest.as_bytes(), true),
            (format!("{longest}#").as_bytes(), false),
            (b"\xff", false),
        ] {
            assert_eq!(read(&mut &*bytes, "test").is_ok(), fits, "{} bytes", bytes.len());
        }
    }
}
