//! A histogram of durations that can travel between processes.

use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};

/// Durations in microseconds, to three significant digits.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(from = "Vec<(u64, u64)>", into = "Vec<(u64, u64)>")]
pub(crate) struct Durations(Histogram<u64>);

impl Durations {
    pub(crate) fn record_ns(&mut self, duration_ns: u64) {
        self.0 += duration_ns / 1_000;
    }

    /// Adds what another one counted.
    pub(super) fn merge(&mut self, other: &Self) {
        if other.0.is_empty() {
            return;
        }
        self.0.add(&other.0).expect("both resize themselves and have the same precision");
    }

    /// How many were counted.
    pub(crate) fn count(&self) -> u64 {
        self.0.len()
    }

    /// The duration that this share (0 to 1) of all do not exceed, in milliseconds; none while it is empty.
    pub(crate) fn quantile_ms(&self, share: f64) -> Option<f64> {
        (!self.0.is_empty()).then(|| self.0.value_at_quantile(share) as f64 / 1_000.0)
    }

    pub(crate) fn summary(&self) -> Option<Percentiles> {
        let at = |share| self.quantile_ms(share);
        Some(Percentiles {
            count: self.count(),
            mean_ms: self.0.mean() / 1_000.0,
            p50_ms: at(0.5)?,
            p90_ms: at(0.9)?,
            p99_ms: at(0.99)?,
            p999_ms: at(0.999)?,
            max_ms: at(1.0)?,
        })
    }
}

impl Default for Durations {
    fn default() -> Self {
        Self(Histogram::new(3).expect("three digits are a valid precision"))
    }
}

impl From<Vec<(u64, u64)>> for Durations {
    fn from(counts: Vec<(u64, u64)>) -> Self {
        let mut durations = Self::default();
        for (value_us, count) in counts {
            durations.0.record_n(value_us, count).expect("it resizes itself");
        }
        durations
    }
}

impl From<Durations> for Vec<(u64, u64)> {
    fn from(durations: Durations) -> Self {
        let recorded = durations.0.iter_recorded();
        recorded.map(|step| (step.value_iterated_to(), step.count_at_value())).collect()
    }
}

/// What a report says about durations.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Percentiles {
    /// How many there were.
    pub count: u64,
    pub mean_ms: f64,
    /// Half of them do not exceed this.
    pub p50_ms: f64,
    pub p90_ms: f64,
    pub p99_ms: f64,
    pub p999_ms: f64,
    pub max_ms: f64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_survive_merging_and_travel() {
        let (mut low, mut high) = (Durations::default(), Durations::default());
        (1..=500).for_each(|ms| low.record_ns(ms * 1_000_000));
        (501..=1_000).for_each(|ms| high.record_ns(ms * 1_000_000));
        let text = serde_json::to_string(&high).unwrap();
        low.merge(&serde_json::from_str(&text).unwrap());
        let summary = low.summary().unwrap();
        assert_eq!(summary.count, 1_000);
        assert!((summary.p50_ms - 500.0).abs() < 1.0, "{summary:?}");
        assert!((summary.p99_ms - 990.0).abs() < 2.0, "{summary:?}");
        assert!((summary.max_ms - 1_000.0).abs() < 1.5, "{summary:?}");
    }

    #[test]
    fn nothing_counted_has_no_percentiles() {
        assert_eq!(Durations::default().summary(), None);
    }
}
