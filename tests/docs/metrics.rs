//! The table of metrics is that of the source.

use keyward::metrics::families::FAMILIES;

const MONITORING: &str = include_str!("../../docs/monitoring.md");

#[test]
fn every_metric_has_its_row_and_every_row_its_metric() {
    // M1
    let rows: Vec<&str> = MONITORING.lines().filter(|line| line.starts_with("| `")).collect();
    let expected: Vec<String> = FAMILIES
        .iter()
        .map(|family| {
            let labels: Vec<_> = family.labels.iter().map(|label| format!("`{label}`")).collect();
            let (first, rest) = family.help.split_at(1);
            let (name, kind, labels) = (family.name, family.kind, labels.join(", "));
            let help = format!("{}{rest}", first.to_lowercase());
            format!("| `{name}{}` | {} | {labels} | {help} |", kind.suffix(), kind.name())
        })
        .collect();
    assert_eq!(rows, expected);
}
