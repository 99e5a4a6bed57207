//! What a document may say, and what is refused.

use super::*;

#[test]
fn the_default_document_is_the_one_that_is_promised() {
    // S2, L2, T2
    let policy = Policy::default_document().unwrap();
    assert_eq!(policy.scopes.len(), 15);
    assert_eq!(policy.first_plan().as_str(), "starter");
    assert_eq!(
        policy.roles().iter().map(|role| role.name.as_str()).collect::<Vec<_>>(),
        ["owner", "editor", "viewer"]
    );
    let per_hour: Vec<_> =
        policy.tiers().iter().map(|tier| (tier.name.as_str(), tier.limits[0].limit)).collect();
    let promised = [
        ("default", 1_000),
        ("permissions-check", 5_000),
        ("permissions-manage", 500),
        ("permissions-audit", 100),
    ];
    assert_eq!(per_hour, promised);
    let live = policy.environments().first();
    assert_eq!((live.name.as_str(), policy.is_billable(live)), ("live", true));
    assert!(!policy.is_billable(policy.environments().holder("test").unwrap()), "L13");
}

#[test]
fn a_document_survives_its_own_text() {
    let policy = Policy::default_document().unwrap();
    let again = Policy::from_toml(&policy.to_toml()).unwrap();
    assert_eq!(policy.document(), again.document());
    assert_eq!(changes(policy.document(), again.document()), []);
}

const SMALL: &str = include_str!("small.toml");
const FAULTS: &str = include_str!("faults.txt");

/// The faults of a document.
fn faults(toml: &str) -> Vec<Fault> {
    Policy::from_toml(toml).err().unwrap_or_default()
}

#[test]
fn every_fault_is_named_with_its_field_and_line() {
    // S2, K4, K7, L5
    assert_eq!(faults(SMALL), []);
    for row in FAULTS.lines().filter(|row| !row.is_empty() && !row.starts_with('#')) {
        let cells: Vec<_> = row.split(" ¦ ").map(|cell| cell.replace('⏎', "\n")).collect();
        let (good, bad, field, why) = (&cells[0], &cells[1], &cells[2], &cells[3]);
        assert!(SMALL.contains(good), "{row}");
        let toml = SMALL.replacen(good, bad, 1);
        let place = cells.get(4).map_or(SMALL.find(good), |at| toml.find(at)).unwrap();
        let line = toml[..place].matches('\n').count() + 1;
        let found = faults(&toml);
        let fault = found.iter().find(|fault| fault.field == *field);
        let fault = fault.unwrap_or_else(|| panic!("{row}: {found:?}"));
        assert!(fault.why.starts_with("must be ") && fault.why.contains(why), "{row}: {fault}");
        assert_eq!(fault.line, Some(line), "{row}: {fault}");

        // The same as a message, which has no lines.
        let bare = Policy::new(toml::from_str(&toml).unwrap()).unwrap_err();
        assert_eq!(bare, found.into_iter().map(|fault| Fault { line: None, ..fault }).collect::<Vec<_>>());
    }
}

#[test]
fn no_check_is_under_more_than_eight_limits() {
    // L5
    let limits = |names: &str, count: usize| {
        let limit = |place| format!("{{ name = \"{names}-{place}\", limit = 1, rolling = \"1m\" }}");
        format!("limits = [{}]", (0..count).map(limit).collect::<Vec<_>>().join(", "))
    };
    let of_a_tier = "limits = [{ name = \"hour\", limit = 10, calendar = \"hour\" }]";
    let over_all = "limits = [{ name = \"all\", limit = 99, calendar = \"month\", per = \"workspace\" }]";
    for (tier, plan, expected) in [
        (8, 0, None),
        (7, 1, None),
        (4, 4, None),
        (9, 0, Some("tiers[0].limits")),
        (1, 5, Some("plans[1].limits")),
        (8, 1, Some("plans[1].limits")),
        (5, 4, Some("plans[1].limits")),
    ] {
        let toml = SMALL.replacen(of_a_tier, &limits("tier", tier), 1);
        let toml = toml.replacen(over_all, &limits("plan", plan), 1);
        let found: Vec<_> = faults(&toml).into_iter().map(|fault| fault.field).collect();
        assert_eq!(found, Vec::from_iter(expected), "{tier} of the tier, {plan} of the plan");
    }
}
