//! `ImportKeys`: keys of another system, by the hashes of their secrets.

use crate::{
    changes::{Changes, import::ImportOptions, keys::issue::IssuePermit},
    domain::{
        admin::{Caller, Party},
        parse::ParseError,
    },
    error::OperationError,
    grpc::{
        convert,
        lanes::Work,
        rpc::{CallerProof, Rpc},
    },
    wire::v1,
};

const MAX_ROWS: usize = 1_000;

impl Rpc for v1::ImportKeysRequest {
    type Answer = v1::ImportKeysResponse;
    type Permit = IssuePermit;

    const CALL: &'static str = "ImportKeys";
    const WORK: Work = Work::Few;

    async fn handle(
        changes: &Changes,
        permit: Self::Permit,
        asked: Self,
    ) -> Result<Self::Answer, OperationError> {
        let v1::ImportKeysRequest { workspace_id, rows, dry_run, allow_weak } = asked;
        let named = convert::workspace_id("workspace_id", &workspace_id)?;
        let workspace = permit.workspace(changes, named)?;
        if rows.is_empty() || rows.len() > MAX_ROWS {
            return Err(OperationError::invalid("rows", ParseError::new("1 to 1,000 rows")));
        }
        let policy = changes.policy()?;
        let environments = policy.policy.environments();
        let lines: Vec<u64> = rows.iter().map(|row| row.line).collect();
        let rows = rows.into_iter().map(|row| convert::key_import::row(row, environments)).collect();
        let options = ImportOptions { dry_run, allow_weak };
        let imported = changes.import(permit, workspace, rows, options).await?;
        Ok(convert::key_import::response(&lines, imported))
    }
}

impl CallerProof<v1::ImportKeysRequest> for IssuePermit {
    fn of(caller: &Caller, _asked: &v1::ImportKeysRequest) -> Result<Self, OperationError> {
        Ok(Self::Import(caller.permit()?))
    }

    fn party(&self) -> Party {
        Self::party(self)
    }
}
