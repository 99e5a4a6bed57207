//! The commands that ask a server, one verb a file.

pub(super) mod audit;
pub(super) mod bulk;
pub(super) mod check;
pub(super) mod gateway;
pub(super) mod health;
pub(super) mod import;
pub(super) mod import_scheme;
pub(super) mod issue;
pub(super) mod least_privilege;
pub(super) mod list;
pub(super) mod member;
pub(super) mod policy;
pub(super) mod review;
pub(super) mod revoke;
pub(super) mod rights;
pub(super) mod rotate;
pub(super) mod rotation;
pub(super) mod route;
pub(super) mod show;
pub(super) mod status;
pub(super) mod switch;
pub(super) mod update;
pub(super) mod usage;
pub(super) mod workspace;
