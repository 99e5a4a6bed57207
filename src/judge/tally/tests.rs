//! What is counted, and how much of it there can be.

use super::*;

fn labels(reason: usize, environment: usize, tier: usize) -> Labels {
    Labels { reason, door: Door::Grpc, environment, tier }
}

#[test]
fn series_are_bounded_and_what_is_beyond_is_counted_all_the_same() {
    // M1
    let tally = DecisionTally::default();
    let mut added = 0;
    for door in Door::ALL {
        for reason in 0..series::REASONS {
            for environment in 0..=names::OTHER_ENVIRONMENT {
                for tier in 0..=names::SEVERAL_TIERS {
                    tally.add(Labels { door, ..labels(reason, environment, tier) });
                    added += 1;
                }
            }
        }
    }
    let counted = tally.decisions();
    assert!(counted.len() <= series::SERIES, "{}", counted.len());
    assert_eq!(counted.iter().map(|count| count.count).sum::<u64>(), added);
}

#[test]
fn every_reason_has_a_place_of_its_own() {
    // M1
    let tally = DecisionTally::default();
    for reason in reasons() {
        let number = usize::try_from(reason.number).unwrap();
        assert!((1..series::REASONS).contains(&number), "{reason:?}");
        tally.add(labels(number, 0, 0));
    }
    let counted: Vec<_> = tally.decisions().into_iter().map(|count| (count.reason, count.count)).collect();
    assert_eq!(counted, reasons().iter().map(|reason| (reason.name, 1)).collect::<Vec<_>>());
}

#[test]
fn limits_beyond_those_with_a_name_share_one() {
    // M1
    let names = LimitNames::default();
    for number in 0..2 * names::LIMITS {
        assert_eq!(names.place(&format!("tier/{number}")), number.min(names::LIMITS));
    }
    assert_eq!(names.place("tier/3"), 3);
    assert_eq!(names.each().len(), names::LIMITS + 1);
}

#[test]
fn a_duration_is_in_the_first_bucket_that_holds_it_and_threads_are_added_up() {
    // M1
    let tally = DecisionTally::default();
    let all = [0, 5_000, 5_001, 1_000_000, 5_000_000_001].map(Duration::from_nanos);
    std::thread::scope(|scope| {
        for time in all {
            scope.spawn({
                let tally = &tally;
                move || tally.took(Door::Envoy, time)
            });
        }
    });
    let (_, durations) = tally.durations().into_iter().find(|(door, _)| *door == Door::Envoy).unwrap();
    assert_eq!(durations.sum, all.iter().sum::<Duration>());
    let mut expected = [0; BOUNDS.len() + 1];
    for place in [0, 0, 1, 7, BOUNDS.len()] {
        expected[place] += 1;
    }
    assert_eq!(durations.buckets, expected);
}
