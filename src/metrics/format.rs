//! Which format is asked for.

/// A format of metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MetricsFormat {
    /// Prometheus' own, 0.0.4: what everybody gets who does not ask for another.
    Prometheus,
    /// `OpenMetrics` 1.0.
    OpenMetrics,
}

const OPEN_METRICS: &str = "application/openmetrics-text";
const PLAIN: &str = "text/plain";

impl MetricsFormat {
    /// The one that the values of `Accept` ask for: `OpenMetrics` only where it is named, and plain text is not liked better.
    pub fn wanted<'a>(accept: impl Iterator<Item = &'a [u8]>) -> Self {
        let (mut open, mut plain) = (None, None);
        for value in accept.filter_map(|value| std::str::from_utf8(value).ok()) {
            for range in value.split(',') {
                let mut parts = range.split(';').map(str::trim);
                let name = parts.next().unwrap_or_default();
                let best = if name.eq_ignore_ascii_case(OPEN_METRICS) {
                    &mut open
                } else if name.eq_ignore_ascii_case(PLAIN) {
                    &mut plain
                } else {
                    continue;
                };
                *best = (*best).max(Some(weight(parts)));
            }
        }
        match open {
            Some(weight) if weight > 0 && Some(weight) >= plain => Self::OpenMetrics,
            _ => Self::Prometheus,
        }
    }

    /// What it is sent as.
    #[must_use]
    pub const fn content_type(self) -> &'static str {
        match self {
            Self::Prometheus => "text/plain; version=0.0.4; charset=utf-8",
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }
}

/// How well a range is liked, in thousandths (RFC 9110 §12.4.2); what cannot be read is not liked at all.
fn weight<'a>(parameters: impl Iterator<Item = &'a str>) -> u16 {
    let mut named = parameters.filter_map(|parameter| parameter.split_once('='));
    let Some((_, text)) = named.find(|(name, _)| name.trim().eq_ignore_ascii_case("q")) else { return 1_000 };
    let (whole, part) = text.trim().split_once('.').unwrap_or((text.trim(), ""));
    let digits = part.bytes().all(|byte| byte.is_ascii_digit()) && part.len() <= 3;
    match (whole, digits) {
        ("1", true) => 1_000,
        ("0", true) => format!("{part:0<3}").parse().unwrap_or(0),
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn open_metrics_is_sent_only_where_it_is_asked_for() {
        // M1
        for (accept, expected) in [
            ("", MetricsFormat::Prometheus),
            ("*/*", MetricsFormat::Prometheus),
            ("text/plain", MetricsFormat::Prometheus),
            ("text/html, */*;q=0.8", MetricsFormat::Prometheus),
            ("application/openmetrics-text", MetricsFormat::OpenMetrics),
            ("application/openmetrics-text; version=1.0.0", MetricsFormat::OpenMetrics),
            // What Prometheus 2 and 3 send.
            (
                "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,\
                 text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
                MetricsFormat::OpenMetrics,
            ),
            (
                "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5,\
                 text/plain;version=1.0.0;escaping=allow-utf-8;q=0.3,*/*;q=0.2",
                MetricsFormat::OpenMetrics,
            ),
            ("application/openmetrics-text;q=0.2, text/plain", MetricsFormat::Prometheus),
            ("application/openmetrics-text;q=0", MetricsFormat::Prometheus),
            ("application/openmetrics-text;q=x", MetricsFormat::Prometheus),
            ("Application/OpenMetrics-Text;Q=1.0", MetricsFormat::OpenMetrics),
        ] {
            assert_eq!(MetricsFormat::wanted([accept.as_bytes()].into_iter()), expected, "{accept}");
        }
        assert_eq!(MetricsFormat::wanted([&b"\xff"[..]].into_iter()), MetricsFormat::Prometheus);
    }
}
