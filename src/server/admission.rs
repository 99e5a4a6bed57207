//! How many connections there are, in all and from each address; none is held without a [`ConnectionPlace`].
//!
//! Where the places are taken, a newcomer has that of a connection that does nothing: the one that has rested longest, of
//! his own address where that has its fill, else of the address that holds most. So a client cannot keep others out
//! with connections that it does not use (X5).

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Arc, Mutex, PoisonError, Weak},
};

use super::connection::Pulse;
use crate::domain::network::source_of;

/// The connections that are open now.
#[derive(Debug)]
pub(super) struct Admission {
    max_connections: usize,
    max_connections_per_address: usize,
    /// Written by the acceptor when it admits, and by the worker that drops a permit. Held for one map operation, and for a
    /// look over the connections of one address where the places are taken.
    open: Mutex<OpenConnections>,
}

#[derive(Debug, Default)]
struct OpenConnections {
    all: usize,
    next: u64,
    by_source: HashMap<IpAddr, HashMap<u64, Weak<Pulse>>>,
}

/// Why a connection was not admitted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NotAdmitted {
    /// There are too many connections, and each of the address that holds most is at work.
    Full,
    /// There are too many connections from this address, and each is at work.
    SourceFull,
}

/// The right to hold one connection; given back on drop.
#[derive(Debug)]
pub(super) struct ConnectionPlace {
    admission: Arc<Admission>,
    source: IpAddr,
    number: u64,
    /// Whether another had to give its place up for this one.
    pub(super) displaced: bool,
}

impl Admission {
    pub(super) fn new(max_connections: usize, max_connections_per_address: usize) -> Arc<Self> {
        Arc::new(Self { max_connections, max_connections_per_address, open: Mutex::default() })
    }

    /// A place for the connection of this pulse.
    pub(super) fn admit(
        self: &Arc<Self>,
        address: IpAddr,
        pulse: &Arc<Pulse>,
    ) -> Result<ConnectionPlace, NotAdmitted> {
        let source = source_of(address);
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let displaced = self.make_room(&mut open, source)?;
        let number = open.next;
        open.next = number.wrapping_add(1);
        open.all += 1;
        open.by_source.entry(source).or_default().insert(number, Arc::downgrade(pulse));
        Ok(ConnectionPlace { admission: Arc::clone(self), source, number, displaced })
    }

    /// Whether another connection had to give its place up.
    fn make_room(&self, open: &mut OpenConnections, source: IpAddr) -> Result<bool, NotAdmitted> {
        if open.held_by(source) >= self.max_connections_per_address {
            return if open.displace(source) { Ok(true) } else { Err(NotAdmitted::SourceFull) };
        }
        if open.all < self.max_connections {
            return Ok(false);
        }
        let most = open.by_source.values().map(HashMap::len).max().unwrap_or_default();
        let hold_most = open.by_source.iter().filter(|(_, held)| held.len() == most);
        // Several may hold as many.
        let hold_most: Vec<_> = hold_most.map(|(source, _)| *source).collect();
        if hold_most.into_iter().any(|source| open.displace(source)) {
            Ok(true)
        } else {
            Err(NotAdmitted::Full)
        }
    }

    pub(super) fn open(&self) -> usize {
        self.open.lock().unwrap_or_else(PoisonError::into_inner).all
    }
}

impl OpenConnections {
    fn held_by(&self, source: IpAddr) -> usize {
        self.by_source.get(&source).map_or(0, HashMap::len)
    }

    /// Ends the connection of this address that has rested longest, if there is one; its place is free at once.
    fn displace(&mut self, source: IpAddr) -> bool {
        let held = self.by_source.get(&source).into_iter().flatten();
        let resting = held.filter_map(|(number, pulse)| {
            let pulse = pulse.upgrade()?;
            Some((pulse.rests_since()?, *number, pulse))
        });
        let Some((_, number, pulse)) = resting.min_by_key(|(since, number, _)| (*since, *number)) else {
            return false;
        };
        pulse.order_closed();
        self.remove(source, number);
        true
    }

    fn remove(&mut self, source: IpAddr, number: u64) {
        let Some(held) = self.by_source.get_mut(&source) else { return };
        if held.remove(&number).is_some() {
            self.all = self.all.saturating_sub(1);
        }
        if held.is_empty() {
            self.by_source.remove(&source);
        }
    }
}

impl Drop for ConnectionPlace {
    fn drop(&mut self) {
        let mut open = self.admission.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.remove(self.source, self.number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::server::{
        budget::Budget,
        connection::{ConnectionsShared, OpenCall},
        limits::ListenerLimits,
        protocol::Protocol,
    };

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn pulse() -> Arc<Pulse> {
        let shared = ConnectionsShared::new(Protocol::Grpc, ListenerLimits::default(), Budget::new(u64::MAX));
        Pulse::new(Arc::new(shared), ip("127.0.0.1"))
    }

    /// A connection that is at work as long as its call is kept.
    fn at_work() -> (Arc<Pulse>, OpenCall) {
        let pulse = pulse();
        let call = OpenCall::begin(&pulse, None);
        (pulse, call)
    }

    #[test]
    fn one_source_cannot_take_every_place() {
        // X5
        let admission = Admission::new(3, 2);
        let busy = [(); 4].map(|()| at_work());
        let [first, second, third, fourth] = busy.each_ref().map(|(pulse, _)| pulse);
        let kept: Vec<_> =
            [first, second].map(|pulse| admission.admit(ip("192.0.2.1"), pulse).unwrap()).into();

        assert_eq!(admission.admit(ip("::ffff:192.0.2.1"), third).unwrap_err(), NotAdmitted::SourceFull);
        let other = admission.admit(ip("192.0.2.2"), third).unwrap();
        assert_eq!(admission.admit(ip("192.0.2.3"), fourth).unwrap_err(), NotAdmitted::Full);

        drop(other);
        drop(kept);
        assert_eq!(admission.open(), 0);
        assert!(admission.open.lock().unwrap().by_source.is_empty());
    }

    #[test]
    fn an_ipv6_network_of_64_bits_is_one_source() {
        let admission = Admission::new(9, 1);
        let busy = [(); 3].map(|()| at_work());
        let [first, second, third] = busy.each_ref().map(|(pulse, _)| pulse);
        let _first = admission.admit(ip("2001:db8:0:1::1"), first).unwrap();
        assert_eq!(admission.admit(ip("2001:db8:0:1:ffff::2"), second).unwrap_err(), NotAdmitted::SourceFull);
        assert!(admission.admit(ip("2001:db8:0:2::1"), third).is_ok());
    }

    #[test]
    fn a_newcomer_has_the_place_of_what_has_rested_longest_at_his_own_address() {
        // X5
        let admission = Admission::new(9, 3);
        let (resting, (busy, _call)) = ([pulse(), pulse()], at_work());
        let permits =
            [&busy, &resting[0], &resting[1]].map(|pulse| admission.admit(ip("192.0.2.1"), pulse).unwrap());
        let other = pulse();
        let _other = admission.admit(ip("192.0.2.2"), &other).unwrap();
        resting[0].rests_from(70);
        resting[1].rests_from(50);

        let newcomer = pulse();
        newcomer.rests_from(90);
        let permit = admission.admit(ip("192.0.2.1"), &newcomer).unwrap();
        assert!(permit.displaced && resting[1].is_ordered_closed());
        assert!(![&busy, &resting[0], &other].iter().any(|pulse| pulse.is_ordered_closed()));
        assert_eq!(admission.open(), 4);
        drop(permits);
        assert_eq!(admission.open(), 2, "what was displaced gives its place back once only");
    }

    #[test]
    fn where_all_places_are_taken_who_holds_most_gives_one_up() {
        // X5
        let admission = Admission::new(4, 3);
        let many = [pulse(), pulse(), pulse()];
        let _many = many.each_ref().map(|pulse| admission.admit(ip("192.0.2.1"), pulse).unwrap());
        let alone = pulse();
        let _alone = admission.admit(ip("192.0.2.2"), &alone).unwrap();
        let newcomer = pulse();
        assert!(admission.admit(ip("192.0.2.3"), &newcomer).unwrap().displaced);
        assert!(!alone.is_ordered_closed());
        assert_eq!(many.iter().filter(|pulse| pulse.is_ordered_closed()).count(), 1);
    }
}
