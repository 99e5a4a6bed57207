//! gRPC: what a call is, and the services that answer it.
//!
//! Each call that came [in](crate::server) passes the [`gate`] and is sent by [`routes`] to the generated service it names;
//! [`ext_authz`] and a Check that needs no wait ([`check_call`]) are served by hand. Every other RPC is a file in the folder
//! of its service, which says what its caller must prove ([`rpc`]).

pub mod api;
mod audit;
pub mod check_call;
mod convert;
mod cost;
pub mod ext_authz;
mod frame;
mod gate;
pub mod health;
mod keys;
pub mod lanes;
mod policy;
mod refusal;
mod request_mark;
pub mod routes;
mod rpc;
mod status;
mod streaming;
mod timeout;
pub mod transcode;
mod workspaces;
