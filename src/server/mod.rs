//! The server: sockets, connections and calls, each of them bounded, of every protocol.
//!
//! [`listener`] accepts and hands each socket to a [`worker`], one single-threaded runtime per core. There it shakes hands where it serves [`tls`], and hyper
//! speaks HTTP on a [`connection`], under the eye of its worker's sweep. Each request passes the [`gate`] and becomes a
//! [`call`] of the services behind it ([`calls`]); what calls hold is paid from one [`budget`].
//!
//! Invariant: nothing that a client can send is held without a bound in number, in bytes and in time ([`limits`]).

mod acceptor;
mod admission;
mod allowance;
pub mod budget;
mod call;
pub mod calls;
pub mod connection;
mod cost;
pub mod counts;
pub mod failure;
pub mod figures;
mod frames;
mod gate;
pub mod gather;
pub mod limits;
pub mod listener;
mod once_a_minute;
pub mod part;
mod paths;
pub mod protocol;
pub mod request_body;
mod socket;
mod speech;
pub mod tls;
mod unread;
mod vigil;
mod worker;
