//! Every RPC through the wire: one file each.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

#[path = "../support/request_id.rs"]
mod request_id;
#[path = "../support/mod.rs"]
mod support;

#[path = "../store_support/mod.rs"]
mod store_support;

mod bad_input;
mod batch_check;
mod bulk;
mod check;
mod check_by_hand;
mod denied_here;
mod effective_rights;
mod everywhere;
mod ext_authz;
mod ext_authz_limits;
mod ext_authz_members;
mod ext_authz_routes;
mod first_schema;
mod gains;
mod get_key;
mod import;
mod import_twice;
mod issue;
mod key_rules;
mod later_roots;
mod least_privilege;
mod lifetime;
mod limits;
mod list_keys;
mod live_roots;
mod long_looks;
mod members;
mod older_schemas;
mod overrides;
mod policy;
mod query_denials;
mod query_log;
mod quotas;
mod register_workspace;
mod review;
mod revoke;
mod rotate;
mod rotation;
mod shares;
mod sight;
mod streams;
mod switch;
mod truth;
mod update_key;
mod usage;
mod verify_log;
mod workspace_state;
mod workspaces;
