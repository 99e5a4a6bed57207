//! How many connections there are, in all and from each address; none is held without a [`Permit`].

use std::{
    collections::HashMap,
    net::{IpAddr, Ipv6Addr},
    sync::{Arc, Mutex, PoisonError},
};

/// The connections that are open now.
#[derive(Debug)]
pub(super) struct Admission {
    max_connections: usize,
    max_connections_per_address: usize,
    /// Written by the acceptor when it admits, and by whichever worker drops a permit. Held for one map operation.
    open: Mutex<Open>,
}

#[derive(Debug, Default)]
struct Open {
    all: usize,
    by_source: HashMap<IpAddr, usize>,
}

/// Why a connection was not admitted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refused {
    /// There are too many connections.
    Full,
    /// There are too many connections from this address.
    SourceFull,
}

/// The right to hold one connection; given back on drop.
#[derive(Debug)]
pub(super) struct Permit {
    admission: Arc<Admission>,
    source: IpAddr,
}

impl Admission {
    pub(super) fn new(max_connections: usize, max_connections_per_address: usize) -> Arc<Self> {
        Arc::new(Self { max_connections, max_connections_per_address, open: Mutex::default() })
    }

    pub(super) fn admit(self: &Arc<Self>, address: IpAddr) -> Result<Permit, Refused> {
        let source = source_of(address);
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if open.all >= self.max_connections {
            return Err(Refused::Full);
        }
        let from_source = open.by_source.entry(source).or_default();
        if *from_source >= self.max_connections_per_address {
            return Err(Refused::SourceFull);
        }
        *from_source += 1;
        open.all += 1;
        Ok(Permit { admission: Arc::clone(self), source })
    }

    pub(super) fn open(&self) -> usize {
        self.open.lock().unwrap_or_else(PoisonError::into_inner).all
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let mut open = self.admission.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.all = open.all.saturating_sub(1);
        if let Some(from_source) = open.by_source.get_mut(&self.source) {
            *from_source = from_source.saturating_sub(1);
            if *from_source == 0 {
                open.by_source.remove(&self.source);
            }
        }
    }
}

/// Who counts as one: an IPv4 address, however it is written, or an IPv6 network of 64 bits.
fn source_of(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => {
            let [a, b, c, d, ..] = v6.segments();
            IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
        }
        v4 @ IpAddr::V4(_) => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn one_source_cannot_take_every_place() {
        let admission = Admission::new(3, 2);
        let kept: Vec<_> = (0..2).map(|_| admission.admit(ip("192.0.2.1")).unwrap()).collect();

        assert_eq!(admission.admit(ip("::ffff:192.0.2.1")).unwrap_err(), Refused::SourceFull);
        let other = admission.admit(ip("192.0.2.2")).unwrap();
        assert_eq!(admission.admit(ip("192.0.2.3")).unwrap_err(), Refused::Full);

        drop(other);
        drop(kept);
        assert_eq!(admission.open(), 0);
        assert!(admission.open.lock().unwrap().by_source.is_empty());
    }

    #[test]
    fn an_ipv6_network_of_64_bits_is_one_source() {
        let admission = Admission::new(9, 1);
        let _first = admission.admit(ip("2001:db8:0:1::1")).unwrap();
        assert_eq!(admission.admit(ip("2001:db8:0:1:ffff::2")).unwrap_err(), Refused::SourceFull);
        assert!(admission.admit(ip("2001:db8:0:2::1")).is_ok());
    }
}
