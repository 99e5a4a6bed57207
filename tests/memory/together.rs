//! All floods at once, again and again: minutes, so `scripts/torture` runs it.

use std::{net::SocketAddr, thread};

use crate::{
    floods,
    frames::Attacker,
    house::{GROUP_BYTES, House},
};

type Flood = fn(SocketAddr) -> Attacker;

const ROUNDS: usize = 5;
const CONNECTIONS: usize = 60;

// X5
#[test]
#[ignore = "long: scripts/torture runs it"]
fn all_floods_at_once_end_nothing() {
    House::start("together", GROUP_BYTES).outlives(|house| {
        let (grpc, http) = (house.address(), house.server.http_address);
        let kinds: [(SocketAddr, Flood); 9] = [
            (grpc, floods::large_heads),
            (grpc, floods::dense_heads),
            (grpc, floods::batches),
            (grpc, floods::untaken_answers),
            (grpc, floods::parts_of_messages),
            (grpc, floods::long_parts_of_messages),
            (grpc, floods::empty_elements),
            (grpc, floods::empty_questions),
            (http, floods::unfinished_heads),
        ];
        let round = || {
            thread::scope(|scope| {
                let kinds = kinds.map(|(server, flood)| {
                    scope.spawn(move || (0..CONNECTIONS).map(|_| flood(server)).collect::<Vec<_>>())
                });
                kinds.map(|kind| kind.join().unwrap())
            })
        };
        // Each round comes while the one before is held.
        (1..ROUNDS).fold(round(), |_before, _| round())
    });
}
