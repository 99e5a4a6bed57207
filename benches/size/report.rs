//! The table: on the terminal, and in `docs/performance.md`.

use std::{fmt::Write as _, fs, io, path::Path};

use crate::{
    disk::{Kind, Part},
    measures::{MEASURES, Measure},
    plan::Plan,
    plot,
};

/// Between these lines stands what a run writes.
const BEGIN: &str = "<!-- written by scripts/bench size -->\n";
const END: &str = "<!-- end of what it writes -->\n";

/// One binary with so many keys.
#[derive(Debug, Clone)]
pub(crate) struct Column {
    pub(crate) name: String,
    pub(crate) keys: usize,
    values: Vec<(Measure, f64)>,
    pub(crate) parts: Vec<Part>,
}

impl Column {
    pub(crate) fn new(name: &str, keys: usize) -> Self {
        Self { name: name.to_owned(), keys, values: Vec::new(), parts: Vec::new() }
    }

    /// The last that is set counts.
    pub(crate) fn set(&mut self, measure: Measure, value: f64) {
        self.values.retain(|(set, _)| *set != measure);
        self.values.push((measure, value));
    }

    pub(crate) fn value(&self, measure: Measure) -> Option<f64> {
        self.values.iter().find(|(set, _)| *set == measure).map(|(_, value)| *value)
    }
}

/// Every measure, a column for each binary with each number of keys.
pub(crate) fn terminal(columns: &[Column]) -> String {
    let mut text = format!("{:<38}", "keys");
    for column in columns {
        write!(text, "{:>16}", thousands(column.keys as f64, 0)).unwrap();
    }
    write!(text, "\n{:<38}", "").unwrap();
    for column in columns {
        write!(text, "{:>16}", column.name).unwrap();
    }
    text.push('\n');
    for (measure, name, digits) in MEASURES {
        write!(text, "{name:<38}").unwrap();
        for column in columns {
            write!(text, "{:>16}", shown(column, measure, digits)).unwrap();
        }
        text.push('\n');
    }
    text + &parts(columns)
}

/// Writes table and plot into the folder of the documents.
pub(crate) fn write(docs: &Path, columns: &[Column], plan: &Plan) -> io::Result<()> {
    let file = docs.join("performance.md");
    let text = fs::read_to_string(&file)?;
    let (before, rest) = text.split_once(BEGIN).expect("the line where the table begins");
    let (_, after) = rest.split_once(END).expect("the line where the table ends");
    fs::write(&file, format!("{before}{BEGIN}\n{}\n{END}{after}", markdown(columns, plan)))?;
    fs::write(docs.join("size.svg"), plot::svg(columns))
}

fn markdown(columns: &[Column], plan: &Plan) -> String {
    let mut text = format!("{}\n\n| ", plan.about);
    let head = |column: &Column| format!("| {} keys, {} ", thousands(column.keys as f64, 0), column.name);
    text += &columns.iter().map(head).collect::<String>();
    text += "|\n| --- ";
    text += &"| ---: ".repeat(columns.len());
    text += "|\n";
    for (measure, name, digits) in MEASURES {
        write!(text, "| {name} ").unwrap();
        for column in columns {
            write!(text, "| {} ", shown(column, measure, digits)).unwrap();
        }
        text += "|\n";
    }
    let Some(most) = columns.iter().map(|column| column.keys).max() else { return text };
    for column in columns.iter().filter(|column| column.keys == most) {
        write!(text, "\n{}, {} keys, what lies on disk:\n\n", column.name, thousands(most as f64, 0))
            .unwrap();
        text += "| table or index | bytes a key |\n| --- | ---: |\n";
        for part in column.parts.iter().filter(|part| part.bytes as f64 / most as f64 >= 0.5) {
            let bytes = thousands(part.bytes as f64 / most as f64, 0);
            writeln!(text, "| {} `{}` | {bytes} |", kind(part), part.name).unwrap();
        }
    }
    text
}

fn parts(columns: &[Column]) -> String {
    let mut text = String::new();
    let Some(most) = columns.iter().map(|column| column.keys).max() else { return text };
    for column in columns.iter().filter(|column| column.keys == most) {
        writeln!(text, "\n{}, {} keys, bytes a key on disk", column.name, thousands(most as f64, 0)).unwrap();
        for part in &column.parts {
            let bytes = part.bytes as f64 / most as f64;
            writeln!(text, "  {:<6} {:<36} {bytes:>8.1}", kind(part), part.name).unwrap();
        }
    }
    text
}

const fn kind(part: &Part) -> &'static str {
    match part.kind {
        Kind::Rows => "rows",
        Kind::Log => "log",
        Kind::Index => "index",
    }
}

fn shown(column: &Column, measure: Measure, digits: usize) -> String {
    // A few keys weigh nothing beside the program.
    let is_absent = measure == Measure::PeakStartAKey && column.keys < 100_000;
    match column.value(measure) {
        Some(value) if !is_absent => thousands(value, digits),
        _ => "–".to_owned(),
    }
}

/// With commas between thousands.
pub(crate) fn thousands(value: f64, digits: usize) -> String {
    let text = format!("{value:.digits$}");
    let (whole, fraction) = text
        .split_once('.')
        .map_or((text.as_str(), String::new()), |(whole, rest)| (whole, format!(".{rest}")));
    let mut grouped = String::new();
    for (place, digit) in whole.chars().enumerate() {
        if place > 0 && (whole.len() - place).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped + &fraction
}
