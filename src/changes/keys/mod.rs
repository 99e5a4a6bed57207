//! What can be asked of keys.

pub mod bulk;
pub mod grace;
pub mod issue;
pub mod least_privilege;
pub mod review;
pub mod review_all;
pub mod revoke;
pub mod rights;
pub mod rotate;
pub mod select;
pub mod show;
pub mod switch;
pub mod update;
