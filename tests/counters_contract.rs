//! What every back end that counts must do, whatever it is made of. One takes part by a `Backend` and a line here.
//!
//! `KEYWARD_EDGE_ROUNDS=10000` makes the cases with threads as long as they are meant to be now and then.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, reason = "tests")]

mod counters_support;
mod store_support;

/// The cases that every back end passes, and those that one passes beside them.
macro_rules! contract {
    ($backend:ident, $module:ident: $($more:ident,)*) => {
        cases! {
            $backend, $module:
            a_window_of_the_calendar_ends_with_the_calendar,
            a_window_of_a_zone_is_as_long_as_the_zone_makes_it,
            waiting_exactly_as_long_as_said_passes_and_a_millisecond_less_does_not,
            a_bucket_fills_to_the_millisecond,
            a_clock_that_stands_or_is_set_back_frees_nothing,
            a_rate_goes_by_the_steady_clock_whatever_the_wall_clock_says,
            a_cost_of_nothing_always_passes_and_one_above_the_limit_never,
            several_limits_are_charged_together_or_not_at_all,
            a_denial_leaves_every_count_as_it_was,
            a_look_changes_nothing,
            an_owner_and_a_workspace_share_by_environment,
            a_limit_changed_in_mid_window_keeps_what_was_used,
            several_bills_are_charged_all_or_none,
            all_secrets_of_a_key_share_its_counts,
            sixty_four_threads_at_the_edge_admit_the_limit_exactly,
            a_denied_neighbour_takes_nothing_even_for_a_moment,
            bills_in_opposite_orders_never_wait_for_each_other,
            a_stop_in_order_wastes_nothing,
            a_stop_in_order_wastes_nothing_of_any_kind,
            a_crash_admits_nothing_twice,
            a_window_that_ends_while_nobody_counts_begins_anew,
            whatever_happens_no_window_ever_holds_more_than_its_limit,
            $($more,)*
        }
    };
}

macro_rules! cases {
    ($backend:ident, $module:ident: $($name:ident,)*) => {
        mod $module {
            use crate::counters_support::$backend;

            $(
                #[test]
                fn $name() {
                    crate::counters_support::cases::$name::<$backend>();
                }
            )*
        }
    };
}

// Those of a back end that writes ahead of what it admits.
contract! {
    Memory, memory:
    a_crash_of_any_kind_of_window_wastes_at_most_two_blocks,
    what_a_crash_leaves_unknown_stays_so_after_a_stop_in_order,
    a_limit_that_changes_before_a_crash_admits_nothing_twice,
    what_a_wrong_clock_has_counted_ends_with_its_repair,
    what_is_settled_under_load_is_not_admitted_twice_after_a_crash,
    while_nothing_can_be_written_counting_goes_on_and_says_so,
}

// What a bill says is enough to count by: this one looks at no slot and knows no index.
contract! {
    ByValue, by_value:
}

/// Limiters that are wrong in one way each, and the case that each fails. All of these cases pass a plain limiter without a
/// flaw: so it is the flaw that fails them.
mod wrong {
    use std::panic::catch_unwind;

    use crate::counters_support::{
        cases,
        wrong::{Flaw, Flawed, Plain},
    };

    macro_rules! caught {
        ($($flaw:ident, $name:ident: $case:ident,)*) => {
            struct Flawless;

            impl Flawed for Flawless {
                const FLAW: Flaw = Flaw::None;
            }

            $(
                struct $flaw;

                impl Flawed for $flaw {
                    const FLAW: Flaw = Flaw::$flaw;
                }

                #[test]
                fn $name() {
                    cases::$case::<Plain<Flawless>>();
                    assert!(catch_unwind(cases::$case::<Plain<$flaw>>).is_err(), "it passes");
                }
            )*
        };
    }

    caught! {
        ReadsThenAdds, one_that_reads_and_then_adds_is_caught:
            sixty_four_threads_at_the_edge_admit_the_limit_exactly,
        ResetsOnRestart, one_that_resets_on_a_restart_is_caught: a_stop_in_order_wastes_nothing,
        ForgetsOnCrash, one_that_forgets_on_a_crash_is_caught: a_crash_admits_nothing_twice,
        ChargesDenials, one_that_charges_denials_is_caught: a_denial_leaves_every_count_as_it_was,
        WindowFromFirstUse, one_whose_windows_begin_with_the_first_use_is_caught:
            a_window_of_the_calendar_ends_with_the_calendar,
        RollsOverADayAfterTheFirstUse, one_whose_days_end_after_24_hours_is_caught:
            a_window_of_the_calendar_ends_with_the_calendar,
        ResetsOnlyAfterIdleness, one_that_resets_only_after_idleness_is_caught:
            a_window_of_the_calendar_ends_with_the_calendar,
        WallClockForRates, one_whose_rates_go_by_the_wall_clock_is_caught:
            a_rate_goes_by_the_steady_clock_whatever_the_wall_clock_says,
        CounterPerSecret, one_that_counts_by_secret_is_caught: all_secrets_of_a_key_share_its_counts,
        ChargesThenRefunds, one_that_charges_and_refunds_is_caught:
            a_denied_neighbour_takes_nothing_even_for_a_moment,
        ChargesTheFirstLimitOnly, one_that_charges_the_first_limit_only_is_caught:
            several_limits_are_charged_together_or_not_at_all,
        MixesEnvironments, one_that_mixes_environments_is_caught: an_owner_and_a_workspace_share_by_environment,
        OneTooMany, one_that_admits_one_too_many_is_caught: a_window_of_the_calendar_ends_with_the_calendar,
        BatchesByHalves, one_that_charges_half_a_batch_is_caught: several_bills_are_charged_all_or_none,
        SaysTooEarly, one_that_says_too_early_is_caught:
            waiting_exactly_as_long_as_said_passes_and_a_millisecond_less_does_not,
        ForgetsWhenTheLimitChanges, one_that_forgets_when_its_limit_changes_is_caught:
            a_limit_changed_in_mid_window_keeps_what_was_used,
        LooksAreCharged, one_that_charges_looks_is_caught: a_look_changes_nothing,
    }
}

#[test]
fn a_later_row_covers_what_an_earlier_one_did() {
    // L10: what may be used without a write counts as used after a crash, whichever row was the last
    use keyward::domain::limit::{Reading, Replicas, Sheet};

    for window in ["calendar = 'day'", "rolling = '1h'", "bucket = { refill = 1, every = '366d' }"] {
        let limit = format!("{{ name = 'one', limit = 2000, {window} }}");
        let world = counters_support::World::<counters_support::Memory>::new(&limit);
        let (found, now) = (world.found(0), world.process().clock.read());
        let bound = found.limits().iter().next().unwrap();
        let reading = Reading { now, unclean: None, replicas: Replicas::ALONE };
        let mut sheet = Sheet::default();
        sheet.charge(bound, 1, &reading);
        for more in [1_000, 10] {
            let row = sheet.snapshot(bound.id, more).unwrap();
            sheet.wrote(&row, true);
            assert!(sheet.measure(bound, 1_000, &reading).covered);
            let mut after_a_crash = Sheet::default();
            after_a_crash.restore((bound.id, "default/one/key/day"), &row.state, false, &now).unwrap();
            assert_eq!(after_a_crash.left(bound, &reading).units, 999, "{window}");
        }
    }
}

/// How many keys there are, so that each part has some.
const MANY: usize = 20_000;

#[test]
fn a_stop_with_many_used_keys_keeps_every_count_and_a_crash_wastes_what_it_may() {
    // L10
    let limits =
        "{ name = 'day', limit = 5000, calendar = 'day' }, { name = 'hour', limit = 300, rolling = '1h' }";
    let mut world = counters_support::World::<counters_support::Memory>::new(limits);
    let keys: Vec<_> = (0..MANY).map(|key| world.key(&format!("owner-{}", key % 7), "live")).collect();
    let cost = |key: usize| u64::try_from(key % 16).unwrap();
    for key in &keys {
        world.allow(*key, cost(*key));
    }
    world.restart();
    for key in &keys {
        assert_eq!(world.left(*key), [5_000 - cost(*key), 300 - cost(*key)], "{key}");
    }
    for key in keys.iter().filter(|key| *key % 3 == 0) {
        world.allow(*key, 1);
    }
    world.restart();
    for key in &keys {
        let used = cost(*key) + u64::from(key % 3 == 0);
        assert_eq!(world.left(*key), [5_000 - used, 300 - used], "{key}");
    }
    world.crash_and_start();
    for key in &keys {
        let used = cost(*key) + u64::from(key % 3 == 0);
        for (left, limit) in world.left(*key).into_iter().zip([5_000_u64, 300]) {
            let block = limit.div_ceil(100).max(16);
            assert!((limit - used - 2 * block..=limit - used).contains(&left), "{key}: {left} of {limit}");
        }
    }
}

#[test]
fn a_charge_that_comes_late_is_charged_to_the_window_that_is_open() {
    // L6: it read its time in the window before, and was held up for longer than two of them
    use keyward::domain::{
        limit::{Reading, Replicas, Sheet},
        time::{Now, Steady, Timestamp},
    };

    let limit = "{ name = 'one', limit = 10, calendar = 'minute' }";
    let world = counters_support::World::<counters_support::Memory>::new(limit);
    let (found, early) = (world.found(0), world.process().clock.read());
    let bound = found.limits().iter().next().unwrap();
    let after = |minutes: i64| Reading {
        now: Now {
            time: Timestamp::from_ms(early.time.as_ms() + minutes * 60_000).unwrap(),
            steady: Steady::from_ms(early.steady.as_ms() + minutes * 60_000),
        },
        unclean: None,
        replicas: Replicas::ALONE,
    };
    let mut sheet = Sheet::default();
    sheet.charge(bound, 7, &after(5));
    assert!(!sheet.measure(bound, 4, &after(0)).passes);
    sheet.charge(bound, 3, &after(0));
    assert_eq!(sheet.left(bound, &after(5)).units, 0);
    assert_eq!(sheet.left(bound, &after(6)).units, 10);
}

#[test]
fn states_of_some_limits_only_are_no_answer_and_no_refusal_is_without_a_limit() {
    // L1, L7: whatever a back end leaves out, it is not taken for an allow
    use std::time::Duration;

    use keyward::{
        domain::{decision::Denial, policy::TierSet},
        ports::{LimitState, Weighed},
    };

    let limits =
        "{ name = 'one', limit = 10, calendar = 'minute' }, { name = 'two', limit = 20, calendar = 'day' }";
    let world = counters_support::World::<counters_support::Memory>::new(limits);
    let (found, index) = (world.found(0), world.index());
    let bill = index.bill(&found, TierSet::only(0), 1);
    let states = world.peek(0);
    assert_eq!(states.len(), 2);
    for short in [&[][..], &states[..1], &[states[0], states[1], states[1]]] {
        assert_eq!(Weighed::new(&bill, short.to_vec()), None, "{} states", short.len());
    }
    let nothing = index.bill(&found, TierSet::default(), 1);
    assert_eq!(Weighed::new(&nothing, Vec::new()), None, "under no limit nobody is let through");
    assert!(matches!(Weighed::new(&bill, states.clone()), Some(Weighed::Passes(_))));
    let spent = |secs: u64| LimitState { passes: false, wait: Some(Duration::from_secs(secs)), ..states[0] };
    for (failing, name) in [
        (vec![spent(1), states[1]], "default/one"),
        (vec![states[0], spent(1)], "default/two"),
        (vec![spent(1), spent(2)], "default/two"),
        (vec![spent(2), spent(1)], "default/one"),
    ] {
        let Some(Weighed::Refused(refusal)) = Weighed::new(&bill, failing.clone()) else { panic!("{name}") };
        let (denial, all) = refusal.into_parts();
        let (Denial::RateLimited(spent) | Denial::QuotaExceeded(spent)) = denial else {
            panic!("{denial:?}")
        };
        assert_eq!((&*spent.limit, all), (name, failing));
    }
}
