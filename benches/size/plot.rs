//! The plot: memory, disk, start and stop by the number of keys, both axes logarithmic, a line for each binary.

use std::fmt::Write as _;

use crate::{
    measures::Measure,
    report::{Column, thousands},
};

/// The panels: what, its title, and its digits behind the point.
const PANELS: [(Measure, &str, usize); 4] = [
    (Measure::PeakStart, "Peak of a start, MiB", 0),
    (Measure::Files, "All files, MiB", 0),
    (Measure::Start, "Start to the first right answer, s", 2),
    (Measure::Stop, "Stop when each key was used, s", 2),
];
const COLOURS: [&str; 4] = ["#b45309", "#1d4ed8", "#047857", "#7c3aed"];
const WIDTH: f64 = 430.0;
const HEIGHT: f64 = 250.0;

/// The whole picture.
pub(crate) fn svg(columns: &[Column]) -> String {
    let mut names: Vec<&str> = columns.iter().map(|column| column.name.as_str()).collect();
    names.dedup();
    names.sort_unstable();
    names.dedup();
    let mut text = String::from(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 900 570\" role=\"img\" aria-labelledby=\"title what\" \
         font-family=\"system-ui, 'Liberation Sans', Arial, sans-serif\" font-size=\"13\" fill=\"#1f2937\">\n  \
         <title id=\"title\">Memory, disk, start and stop by the number of keys</title>\n  \
         <desc id=\"what\">Four panels with logarithmic axes; the table has the same figures.</desc>\n  \
         <rect width=\"900\" height=\"570\" fill=\"#ffffff\"/>\n",
    );
    for (place, (name, colour)) in names.iter().zip(COLOURS).enumerate() {
        let x = 30 + 200 * place;
        writeln!(text, "  <rect x=\"{x}\" y=\"14\" width=\"14\" height=\"14\" fill=\"{colour}\"/>").unwrap();
        writeln!(text, "  <text x=\"{}\" y=\"26\">{name}</text>", x + 20).unwrap();
    }
    for (place, panel) in PANELS.iter().enumerate() {
        let (left, top) = ((place % 2) as f64 * 450.0 + 10.0, (place / 2) as f64 * 265.0 + 40.0);
        draw(&mut text, panel, (left, top), &names, columns);
    }
    text + "</svg>\n"
}

fn draw(
    text: &mut String,
    (measure, title, digits): &(Measure, &str, usize),
    (left, top): (f64, f64),
    names: &[&str],
    columns: &[Column],
) {
    let values = || columns.iter().filter_map(|column| Some((column, column.value(*measure)?.max(0.001))));
    let range = |numbers: &mut dyn Iterator<Item = f64>| {
        numbers.fold((f64::INFINITY, f64::NEG_INFINITY), |(least, most), one| (least.min(one), most.max(one)))
    };
    let (few, many) = range(&mut values().map(|(column, _)| (column.keys as f64).log10()));
    let (least, most) = range(&mut values().map(|(_, value)| value.log10()));
    let part =
        |value: f64, least: f64, most: f64| if most > least { (value - least) / (most - least) } else { 0.5 };
    let x = |keys: usize| left + 50.0 + part((keys as f64).log10(), few, many) * (WIDTH - 110.0);
    let y = |value: f64| top + HEIGHT - 40.0 - part(value.log10(), least, most) * (HEIGHT - 100.0);
    let (bottom, right) = (top + HEIGHT - 25.0, left + WIDTH);
    writeln!(text, "  <text x=\"{}\" y=\"{}\" font-weight=\"600\">{title}</text>", left + 20.0, top + 20.0)
        .unwrap();
    writeln!(text, "  <path d=\"M{} {bottom}H{right}\" stroke=\"#94a3b8\" fill=\"none\"/>", left + 20.0)
        .unwrap();
    let mut counts: Vec<usize> = columns.iter().map(|column| column.keys).collect();
    counts.sort_unstable();
    counts.dedup();
    for keys in counts {
        let label = thousands(keys as f64, 0);
        writeln!(
            text,
            "  <text x=\"{:.0}\" y=\"{}\" text-anchor=\"middle\" fill=\"#475569\">{label} keys</text>",
            x(keys),
            bottom + 16.0
        )
        .unwrap();
    }
    for (name, colour) in names.iter().zip(COLOURS) {
        let mut points: Vec<(usize, f64)> = values()
            .filter(|(column, _)| column.name == **name)
            .map(|(column, value)| (column.keys, value))
            .collect();
        points.sort_unstable_by_key(|(keys, _)| *keys);
        let line: Vec<String> =
            points.iter().map(|(keys, value)| format!("{:.1},{:.1}", x(*keys), y(*value))).collect();
        writeln!(
            text,
            "  <polyline points=\"{}\" stroke=\"{colour}\" stroke-width=\"2\" fill=\"none\"/>",
            line.join(" ")
        )
        .unwrap();
        for (keys, value) in points {
            let (x, y) = (x(keys), y(value));
            writeln!(text, "  <circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"3.5\" fill=\"{colour}\"/>").unwrap();
            let label = thousands(value, *digits);
            writeln!(
                text,
                "  <text x=\"{x:.1}\" y=\"{:.1}\" text-anchor=\"middle\" fill=\"{colour}\">{label}</text>",
                y - 9.0
            )
            .unwrap();
        }
    }
}
