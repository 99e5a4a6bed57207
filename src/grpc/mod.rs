//! The way in: sockets, connections and calls, each of them bounded, and the services behind them.
//!
//! [`listener`] accepts and hands each socket to a [`worker`], one single-threaded runtime per core. There hyper
//! speaks HTTP/2 on a [`connection`], under the eye of its worker's sweep. Each call passes the [`gate`] and is sent by
//! [`routes`] to the generated service it names; [`ext_authz`] and a Check that needs no wait ([`check_call`]) are served by
//! hand. What a caller may do is not decided here: each method guards itself.
//!
//! Invariant: nothing that a client can send is held without a bound in number, in bytes and in time ([`limits`]).

mod acceptor;
mod admission;
pub mod api;
mod audit_service;
mod call;
pub mod check_call;
pub mod connection;
mod convert;
pub mod counts;
pub mod ext_authz;
pub mod gate;
pub mod health;
mod key_service;
pub mod limits;
pub mod listener;
mod policy_service;
mod refusal;
pub mod request_body;
pub mod routes;
mod socket;
mod status;
mod timeout;
mod vigil;
mod worker;
mod workspace_service;
