//! What Keyward is about: keys, secrets, scopes, decisions, administration, audit.
//!
//! Everything here is pure: no I/O, no async, no clock and no randomness of its own. Values are parsed at birth, so
//! that a value that exists is a value that is allowed.

pub mod admin;
pub mod audit;
pub mod caller_id;
pub mod carried;
pub mod ceiling;
pub mod client_address;
pub mod correlation;
pub mod credentials;
pub mod decision;
pub mod denial_sums;
pub mod ending;
pub mod environment;
mod escape;
pub mod footprint;
pub mod gains;
pub mod gateway;
pub mod grant;
pub mod group;
pub mod id;
pub mod key;
pub mod least_privilege;
pub mod limit;
pub mod member;
pub mod narrow;
pub mod network;
pub mod parse;
pub mod policy;
pub mod resource;
pub mod review;
pub mod revision;
pub mod rights;
pub mod root;
pub mod rotation;
pub mod route;
pub mod scheme;
pub mod scope;
pub mod seal;
pub mod secret;
pub mod surfaces;
pub mod tag;
pub mod text;
pub mod time;
pub mod usage;
pub mod workspace;
pub mod zones;
