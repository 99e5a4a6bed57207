//! Metrics as text, in the two formats that there are for it.
//!
//! The text is written here. The library of the Prometheus project for Rust (prometheus-client 0.26) writes `OpenMetrics` alone:
//! as Prometheus' own text (0.0.4) its counters have one name in their head and another in their samples, so that they lose
//! type and help; and its counters are shared by all threads. Each part counts in cells of its own.

pub mod families;
mod format;
mod text;

pub use self::{
    families::{Family, MetricKind},
    format::MetricsFormat,
    text::{Exposition, Histogram, as_f64},
};

/// Has metrics to show.
pub trait Metrics: Send + Sync {
    /// All of them, as text.
    fn expose(&self, format: MetricsFormat) -> String;
}
