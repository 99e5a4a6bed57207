//! Tests of who finds a place when others have taken theirs.

use std::net::IpAddr;

use futures_util::FutureExt as _;

use super::*;
use crate::domain::id::{KeyId, WorkspaceId};

fn lanes() -> Arc<Lanes> {
    let one = Handle::current();
    Lanes::new(&Runtimes {
        revocations: one.clone(),
        administration: one.clone(),
        changes: one.clone(),
        looks: one.clone(),
        tenants: one.clone(),
        tenants_scans: one,
    })
}

fn tenant(number: u128) -> Party {
    Party::Workspace(WorkspaceId::parse(&format!("ws_{number:026}")).unwrap())
}

fn operator(number: u128) -> Party {
    Party::Global(KeyId::parse(&format!("key_{number:026}")).unwrap().into())
}

/// Takes places until none is given.
fn fill(lane: &Lane, party: Party) -> (Vec<LanePlace>, OperationError) {
    let mut places = Vec::new();
    loop {
        match lane.take(party) {
            Ok(place) => places.push(place),
            Err(refusal) => return (places, refusal),
        }
    }
}

#[tokio::test]
async fn nobody_has_more_than_a_share_and_whoever_is_alone_has_it_whole() {
    // X5, T1
    let lanes = lanes();
    for (lane, share) in [
        (&lanes.revocations, 32),
        (&lanes.mass_revocations, 1),
        (&lanes.administration, 64),
        (&lanes.changes, 2),
        (&lanes.looks, 2),
    ] {
        let (places, refusal) = fill(lane, tenant(1));
        assert_eq!(places.len(), share);
        assert_eq!(refusal, OperationError::Limited(Limited::ShareTaken { party: tenant(1), share }));
        assert!(lane.take(tenant(2)).is_ok(), "others have their own");
        drop(places);
        assert_eq!(fill(lane, tenant(1)).0.len(), share, "given back");
    }
}

#[tokio::test]
async fn however_many_tenants_there_are_an_operator_finds_a_place_to_end_keys() {
    // V2, X5
    let lanes = lanes();
    for lane in
        [&lanes.revocations, &lanes.mass_revocations, &lanes.administration, &lanes.changes, &lanes.looks]
    {
        let all: Vec<_> = (0..2_000).map(|number| fill(lane, tenant(number))).collect();
        let taken: usize = all.iter().map(|(places, _)| places.len()).sum();
        assert_eq!(taken, lane.sizes.not_kept);
        assert_eq!(
            all.last().map(|(_, refusal)| refusal.clone()),
            Some(OperationError::Limited(Limited::Overloaded))
        );
        assert!(lane.take(operator(1)).is_ok());
        let address = Party::Address(Some(IpAddr::from([192, 0, 2, 1])));
        assert_eq!(
            lane.take(address).err(),
            Some(OperationError::Limited(Limited::Overloaded)),
            "a stranger is no operator"
        );
    }
    let busy: Vec<_> = (0..4).map(|number| fill(&lanes.administration, operator(number))).collect();
    assert_eq!(
        lanes.administration.take(operator(9)).err(),
        Some(OperationError::Limited(Limited::Overloaded)),
        "{busy:?}"
    );
    assert!(lanes.revocations.take(operator(9)).is_ok(), "administration takes none of these places");
}

#[tokio::test]
async fn what_a_workspace_has_queued_waits_for_its_own_and_for_nobody_elses() {
    // T1
    let lanes = lanes();
    let lane = &lanes.administration;
    let turn = |party| Box::pin(lane.take(party).unwrap().turn());
    let at_once = |party| turn(party).now_or_never().map(Result::unwrap);
    let mut at_work: Vec<_> = (0..8).map(|_| at_once(tenant(1)).unwrap()).collect();
    // All its other places, so that it would have every turn if they were not its own that it waits for.
    let mut queued: Vec<_> = (8..64).map(|_| turn(tenant(1))).collect();
    assert!(queued.iter_mut().all(|call| call.now_or_never().is_none()));
    let others: Vec<_> = (8..32).map_while(|call| at_once(tenant(call / 8 + 1))).collect();
    assert_eq!(others.len(), 24, "other workspaces are worked on meanwhile");
    let mut fifth = turn(tenant(5));
    assert!((&mut fifth).now_or_never().is_none(), "of all workspaces so many are worked on at once");
    let operators: Vec<_> = (0..64).map_while(|_| at_once(operator(1))).collect();
    assert_eq!(operators.len(), 64, "an operator waits for none");
    at_work.pop();
    let queued = &mut queued[0];
    assert!((&mut *queued).now_or_never().is_none(), "it came after the fifth workspace");
    assert!(fifth.now_or_never().is_some());
    at_work.pop();
    assert!(queued.now_or_never().is_some());
}

#[tokio::test]
async fn places_leave_nothing_behind() {
    // X5
    let lanes = lanes();
    for number in 0..10_000 {
        drop(lanes.administration.take(tenant(number)));
    }
    let taken = lock(&lanes.administration.taken);
    assert_eq!((taken.all, taken.not_kept, taken.shares.len()), (0, 0, 0));
}
