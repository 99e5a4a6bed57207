//! What a Check asks.

use crate::domain::{
    caller_id::CallerId,
    decision::Requirement,
    id::{KeyId, WorkspaceId},
};

/// Whose right is in question.
pub enum InQuestion<'a> {
    /// The holder of what was presented.
    Presented(&'a str),
    /// No credential was presented.
    Nothing,
    /// The key of this id; an operator asks.
    Key(KeyId),
}

/// By which door questions come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Door {
    /// gRPC: Check and BatchCheck.
    Grpc,
    /// Envoy's ext_authz.
    Envoy,
    /// `/verify`, which other gateways ask.
    Verify,
    /// Check as JSON.
    Json,
}

/// How many there are.
pub(super) const DOORS: usize = Door::ALL.len();

impl Door {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Grpc, Self::Envoy, Self::Verify, Self::Json];

    /// Its name, for metrics.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Grpc => "grpc",
            Self::Envoy => "envoy",
            Self::Verify => "verify",
            Self::Json => "json",
        }
    }

    /// Its place among all.
    pub(super) const fn place(self) -> usize {
        match self {
            Self::Grpc => 0,
            Self::Envoy => 1,
            Self::Verify => 2,
            Self::Json => 3,
        }
    }
}

/// How to judge.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Decide, charge and note the use.
    Enforce,
    /// Decide only.
    Peek,
    /// Decide only, and name every condition that fails.
    Explain,
}

/// A question.
pub struct Query<'a> {
    /// Whose right is in question.
    pub subject: InQuestion<'a>,
    /// What the request needs.
    pub requirement: Requirement<'a>,
    /// How to judge.
    pub mode: Mode,
    /// The workspace that the caller is bound to: keys of others are unknown to it.
    pub bound_to: Option<WorkspaceId>,
    /// The administration key that asks; `None` for a caller without one.
    pub caller: Option<CallerId>,
    /// By which door it came.
    pub door: Door,
}
