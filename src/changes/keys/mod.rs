//! What can be asked of keys.

pub mod bulk;
pub mod issue;
pub mod least_privilege;
pub mod review;
pub mod revoke;
pub mod rights;
pub mod rotate;
pub mod rotation;
pub mod select;
pub mod show;
pub mod switch;
pub mod update;
