//! `AddImportScheme`: the secret with which another system hashed the secrets of its keys.

use crate::{
    changes::Changes,
    domain::{
        admin::{AdminPermit, ImportKeys},
        parse::ParseError,
        seal::ForeignSecret,
        text::Label,
    },
    error::OperationError,
    grpc::{convert, lanes::Work, rpc::Rpc},
    wire::v1,
};

const MAX_SECRET: usize = 1_024;

impl Rpc for v1::AddImportSchemeRequest {
    type Answer = v1::AddImportSchemeResponse;
    type Permit = AdminPermit<ImportKeys>;

    const CALL: &'static str = "AddImportScheme";
    const WORK: Work = Work::Few;

    async fn handle(
        changes: &Changes,
        permit: Self::Permit,
        mut asked: Self,
    ) -> Result<Self::Answer, OperationError> {
        permit.require_global()?;
        let secret = ForeignSecret::new(std::mem::take(&mut asked.hmac_sha256_secret));
        let name = convert::within("name", Label::parse(&asked.name))?;
        if !(1..=MAX_SECRET).contains(&secret.expose().len()) {
            let why = ParseError::new("1 to 1,024 bytes");
            return Err(OperationError::invalid("hmac_sha256_secret", why));
        }
        let (scheme, revision) = changes.add_import_scheme(permit, name, secret).await?;
        let scheme = Some(convert::key_import::added(scheme));
        Ok(v1::AddImportSchemeResponse { scheme, revision: revision.0 })
    }
}
