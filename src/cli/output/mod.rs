//! How an answer is told: as JSON or CSV for scripts, as tables and facts for eyes.

pub(super) mod csv;
pub(super) mod explain;
pub(super) mod explanation;
pub(super) mod json;
pub(super) mod listing;
pub(super) mod names;
pub(super) mod onlooker;
pub(super) mod table;
pub(super) mod text;
pub(super) mod time;
pub(super) mod view;
