//! What an administration key may do, and the most that it may hand out.

use std::collections::BTreeSet;

use crate::domain::{ceiling::Ceiling, parse::ParseError};

/// One thing that an administration key may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum AdminScope {
    /// Check on behalf of others, where a caller is required.
    KeysCheck,
    /// Explain, and check by id.
    KeysExplain,
    /// Show and list keys.
    KeysRead,
    /// Issue holders' keys.
    KeysIssue,
    /// Take over keys of other systems by the hashes of their secrets: of any secret, no matter who holds it.
    KeysImport,
    /// Change, disable and enable keys.
    KeysUpdate,
    /// Give keys new secrets.
    KeysRotate,
    /// Revoke keys by id.
    KeysRevoke,
    /// Show workspaces.
    WorkspacesRead,
    /// Register and change workspaces.
    WorkspacesManage,
    /// Show the policy.
    PolicyRead,
    /// Change the policy.
    PolicyApply,
    /// Read and verify the log.
    AuditRead,
    /// Make and change administration keys.
    AdminGrant,
}

impl AdminScope {
    /// Every admin scope.
    pub const ALL: [Self; 14] = [
        Self::KeysCheck,
        Self::KeysExplain,
        Self::KeysRead,
        Self::KeysIssue,
        Self::KeysImport,
        Self::KeysUpdate,
        Self::KeysRotate,
        Self::KeysRevoke,
        Self::WorkspacesRead,
        Self::WorkspacesManage,
        Self::PolicyRead,
        Self::PolicyApply,
        Self::AuditRead,
        Self::AdminGrant,
    ];

    /// The scope as it is written.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::KeysCheck => "keys:check",
            Self::KeysExplain => "keys:explain",
            Self::KeysRead => "keys:read",
            Self::KeysIssue => "keys:issue",
            Self::KeysImport => "keys:import",
            Self::KeysUpdate => "keys:update",
            Self::KeysRotate => "keys:rotate",
            Self::KeysRevoke => "keys:revoke",
            Self::WorkspacesRead => "workspaces:read",
            Self::WorkspacesManage => "workspaces:manage",
            Self::PolicyRead => "policy:read",
            Self::PolicyApply => "policy:apply",
            Self::AuditRead => "audit:read",
            Self::AdminGrant => "admin:grant",
        }
    }

    /// Reads a scope as it is written.
    ///
    /// # Errors
    /// There is no such admin scope.
    pub fn parse(text: &str) -> Result<Self, ParseError> {
        Self::ALL.into_iter().find(|scope| scope.as_str() == text).ok_or(ParseError::new(
            "one of keys:check, keys:explain, keys:read, keys:issue, keys:import, keys:update, keys:rotate, \
             keys:revoke, workspaces:read, workspaces:manage, policy:read, policy:apply, audit:read, admin:grant",
        ))
    }
}

/// What an administration key may do and hand out.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct AdminRights {
    /// What it may do.
    pub scopes: BTreeSet<AdminScope>,
    /// Whether it reaches every workspace, or its own alone.
    pub global: bool,
    /// The most that it may hand out.
    pub ceiling: Ceiling,
}

impl AdminRights {
    /// The rights of the first administration key.
    #[must_use]
    pub fn everything() -> Self {
        Self { scopes: AdminScope::ALL.into(), global: true, ceiling: Ceiling::EVERYTHING }
    }

    /// Whether the key can make administration keys for every workspace: there must always be one that can.
    #[must_use]
    pub fn is_root(&self) -> bool {
        self.global && self.scopes.contains(&AdminScope::AdminGrant)
    }
}
