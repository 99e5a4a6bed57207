//! `ExplainRoute`: on which route of the policy a request is, and why.

use crate::{
    changes::Changes,
    domain::{admin::ReadPolicy, parse::ParseError},
    error::OperationError,
    grpc::{
        convert,
        lanes::Work,
        rpc::{Global, Rpc},
    },
    wire::v1,
};

impl Rpc for v1::ExplainRouteRequest {
    type Answer = v1::ExplainRouteResponse;
    type Permit = Global<ReadPolicy>;

    const CALL: &'static str = "ExplainRoute";
    const WORK: Work = Work::Few;

    async fn handle(
        changes: &Changes,
        _permit: Self::Permit,
        asked: Self,
    ) -> Result<Self::Answer, OperationError> {
        let v1::ExplainRouteRequest { method, host, path } = &asked;
        for (name, text, most) in [("method", method, 64), ("host", host, 512), ("path", path, 8_192)] {
            if text.is_empty() || text.len() > most {
                let why = ParseError::owned(format!("1 to {most} characters"));
                return Err(OperationError::invalid(name, why));
            }
        }
        let in_force = changes.policy()?;
        let explanation = convert::route::explained(&in_force.policy, (host, method, path));
        Ok(v1::ExplainRouteResponse { version: in_force.version, explanation: Some(explanation) })
    }
}
