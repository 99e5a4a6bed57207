//! Import of keys from other systems: the calls of `keyward.v1.KeyService` for it.

use tonic::{Request, Response, Status};

use crate::grpc::{api::Api, convert};
use crate::{
    changes::{import::ImportOptions, keys::issue::IssuePermit},
    domain::{admin::Party, parse::ParseError, seal::ForeignSecret, text::Label},
    error::OperationError,
    wire::v1,
};

const MAX_ROWS: usize = 1_000;
const MAX_SECRET: usize = 1_024;

impl Api {
    pub(super) async fn import(
        &self,
        request: Request<v1::ImportKeysRequest>,
    ) -> Result<Response<v1::ImportKeysResponse>, Status> {
        let permit = IssuePermit::Import(self.permit(&request)?);
        self.administer(permit.party(), async move |changes| {
            let v1::ImportKeysRequest { workspace_id, rows, dry_run, allow_weak } = request.into_inner();
            let named = convert::workspace_id("workspace_id", &workspace_id)?;
            let workspace = permit.workspace(&changes, named)?;
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
        })
        .await
    }

    pub(super) async fn add_scheme(
        &self,
        request: Request<v1::AddImportSchemeRequest>,
    ) -> Result<Response<v1::AddImportSchemeResponse>, Status> {
        let permit = self.permit(&request)?;
        self.administer(Party::of(&permit), async move |changes| {
            permit.require_global()?;
            let mut asked = request.into_inner();
            let secret = ForeignSecret::new(std::mem::take(&mut asked.hmac_sha256_secret));
            let name = convert::within("name", Label::parse(&asked.name))?;
            if !(1..=MAX_SECRET).contains(&secret.expose().len()) {
                let why = ParseError::new("1 to 1,024 bytes");
                return Err(OperationError::invalid("hmac_sha256_secret", why));
            }
            let (scheme, revision) = changes.add_import_scheme(permit, name, secret).await?;
            let scheme = Some(convert::key_import::added(scheme));
            Ok(v1::AddImportSchemeResponse { scheme, revision: revision.0 })
        })
        .await
    }

    pub(super) async fn list_schemes(
        &self,
        request: Request<v1::ListImportSchemesRequest>,
    ) -> Result<Response<v1::ListImportSchemesResponse>, Status> {
        let permit = self.permit(&request)?;
        self.administer(Party::of(&permit), async move |changes| {
            let schemes = changes.import_schemes(&permit)?;
            let schemes = schemes.iter().map(convert::key_import::scheme_to_wire).collect();
            Ok(v1::ListImportSchemesResponse { schemes })
        })
        .await
    }
}
