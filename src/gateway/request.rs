//! A request that a gateway asks about.

use crate::judge::question::Door;

/// A request that is asked about, as the gateway tells of it.
pub trait GatewayRequest {
    /// By which door such requests come.
    const DOOR: Door;

    /// Its host, with or without a port.
    fn host(&self) -> &str;

    /// Its method.
    fn method(&self) -> &str;

    /// Its path and query, as the client spelled them.
    fn path(&self) -> &str;

    /// Every value of a header, whose name is given in lower case.
    fn values<'r>(&'r self, name: &'r str) -> impl Iterator<Item = &'r [u8]>;
}
