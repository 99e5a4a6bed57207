//! What can be asked of workspaces and their members.

pub mod list;
pub mod members;
pub mod plan_change;
pub mod register;
pub(in crate::changes) mod roles;
pub mod state;
pub mod update;
