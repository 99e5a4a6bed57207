//! Families and their samples, written one after the other.

use std::{collections::BTreeSet, fmt::Write as _};

use super::{
    families::{Family, MetricKind},
    format::MetricsFormat,
};

/// Text that is being written.
pub struct Exposition {
    format: MetricsFormat,
    text: String,
    begun: BTreeSet<&'static str>,
}

/// What a histogram has counted.
#[derive(Debug, Clone, Copy)]
pub struct Histogram<'a> {
    /// The upper bounds of its buckets, ascending.
    pub bounds: &'a [f64],
    /// How many there are in each bucket and in none before; those over every bound at the end.
    pub counts: &'a [u64],
    /// All values together.
    pub sum: f64,
}

/// Names and values of labels.
type LabelList<'a> = &'a [(&'a str, &'a str)];

impl Exposition {
    /// Nothing yet.
    #[must_use]
    pub const fn new(format: MetricsFormat) -> Self {
        Self { format, text: String::new(), begun: BTreeSet::new() }
    }

    /// Writes a sample of a family. Those of one family must follow each other.
    pub fn sample(&mut self, family: &'static Family, labels: LabelList<'_>, value: f64) {
        self.begin(family);
        self.line(family.name, family.kind.suffix(), labels, None, value);
    }

    /// The same of a number that only whole ones are counted in.
    pub fn count(&mut self, family: &'static Family, labels: LabelList<'_>, value: u64) {
        self.sample(family, labels, as_f64(value));
    }

    /// Writes a histogram.
    pub fn histogram(&mut self, family: &'static Family, labels: LabelList<'_>, of: Histogram<'_>) {
        self.begin(family);
        let mut upto = 0_u64;
        let bounds = of.bounds.iter().copied().chain([f64::INFINITY]);
        for (bound, count) in bounds.zip(of.counts) {
            upto = upto.saturating_add(*count);
            self.line(family.name, "_bucket", labels, Some(bound), as_f64(upto));
        }
        self.line(family.name, "_sum", labels, None, of.sum);
        self.line(family.name, "_count", labels, None, as_f64(upto));
    }

    /// The text.
    #[must_use]
    pub fn finish(mut self) -> String {
        if self.format == MetricsFormat::OpenMetrics {
            self.text.push_str("# EOF\n");
        }
        self.text
    }

    fn begin(&mut self, family: &'static Family) {
        if !self.begun.insert(family.name) {
            return;
        }
        let Family { name, kind, help, .. } = family;
        // In Prometheus' own format a family is called what its samples are called.
        let (suffix, kind) = match (self.format, kind) {
            (MetricsFormat::OpenMetrics, _) => ("", kind.name()),
            (MetricsFormat::Prometheus, MetricKind::Info) => (kind.suffix(), "gauge"),
            (MetricsFormat::Prometheus, _) => (kind.suffix(), kind.name()),
        };
        self.write(format_args!("# HELP {name}{suffix} {help}\n# TYPE {name}{suffix} {kind}\n"));
        if let (MetricsFormat::OpenMetrics, Some(unit)) = (self.format, family.unit()) {
            self.write(format_args!("# UNIT {name} {unit}\n"));
        }
    }

    fn line(&mut self, name: &str, suffix: &str, labels: LabelList<'_>, bound: Option<f64>, value: f64) {
        self.write(format_args!("{name}{suffix}"));
        let bound = bound.map(|bound| self.bound(bound));
        let bound = bound.as_deref().map(|bound| ("le", bound));
        for (place, (label, value)) in labels.iter().copied().chain(bound).enumerate() {
            let before = if place == 0 { '{' } else { ',' };
            self.write(format_args!("{before}{label}=\"{}\"", escaped(value)));
        }
        if !labels.is_empty() || bound.is_some() {
            self.text.push('}');
        }
        self.write(format_args!(" {value}\n"));
    }

    /// A bound as its format writes it: numbers of `OpenMetrics` have a point.
    fn bound(&self, bound: f64) -> String {
        if bound.is_infinite() {
            "+Inf".to_owned()
        } else if self.format == MetricsFormat::OpenMetrics {
            format!("{bound:?}")
        } else {
            bound.to_string()
        }
    }

    fn write(&mut self, text: std::fmt::Arguments<'_>) {
        // Writing to a string cannot fail.
        let _written = self.text.write_fmt(text);
    }
}

fn escaped(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

/// Exact up to 2^53, which no counter reaches.
#[must_use]
pub fn as_f64(count: u64) -> f64 {
    let (high, low) = (u32::try_from(count >> 32).unwrap_or(u32::MAX), count & u64::from(u32::MAX));
    f64::from(high) * 4_294_967_296.0 + f64::from(u32::try_from(low).unwrap_or(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    static CALLS: Family =
        Family { name: "x_calls", kind: MetricKind::Counter, help: "Calls", labels: &["a"] };
    static TIME: Family =
        Family { name: "x_time_seconds", kind: MetricKind::Histogram, help: "Time", labels: &[] };
    static BUILD: Family = Family { name: "x_build", kind: MetricKind::Info, help: "Build", labels: &["v"] };

    fn text(format: MetricsFormat) -> String {
        let mut text = Exposition::new(format);
        text.count(&CALLS, &[("a", "\"\\\n")], 3);
        text.count(&CALLS, &[("a", "")], u64::from(u32::MAX) + 2);
        let of = Histogram { bounds: &[0.000_005, 1.0], counts: &[1, 0, 2], sum: 7.5 };
        text.histogram(&TIME, &[], of);
        text.sample(&BUILD, &[("v", "1")], 1.0);
        text.finish()
    }

    #[test]
    fn each_format_is_written_as_it_is_read() {
        // M1
        let samples = "x_calls_total{a=\"\\\"\\\\\\n\"} 3\nx_calls_total{a=\"\"} 4294967297\n";
        let counts = "x_time_seconds_bucket{le=\"+Inf\"} 3\nx_time_seconds_sum 7.5\nx_time_seconds_count 3\n";
        assert_eq!(
            text(MetricsFormat::Prometheus),
            format!(
                "# HELP x_calls_total Calls\n# TYPE x_calls_total counter\n{samples}\
                 # HELP x_time_seconds Time\n# TYPE x_time_seconds histogram\n\
                 x_time_seconds_bucket{{le=\"0.000005\"}} 1\nx_time_seconds_bucket{{le=\"1\"}} 1\n{counts}\
                 # HELP x_build_info Build\n# TYPE x_build_info gauge\nx_build_info{{v=\"1\"}} 1\n"
            )
        );
        assert_eq!(
            text(MetricsFormat::OpenMetrics),
            format!(
                "# HELP x_calls Calls\n# TYPE x_calls counter\n{samples}\
                 # HELP x_time_seconds Time\n# TYPE x_time_seconds histogram\n# UNIT x_time_seconds seconds\n\
                 x_time_seconds_bucket{{le=\"5e-6\"}} 1\nx_time_seconds_bucket{{le=\"1.0\"}} 1\n{counts}\
                 # HELP x_build Build\n# TYPE x_build info\nx_build_info{{v=\"1\"}} 1\n# EOF\n"
            )
        );
    }
}
