//! Metrics in parts: each thread counts in atomics of its own, and a scrape adds them up. So counting never makes
//! two cores fight over a cache line.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use prometheus_client::encoding::{EncodeMetric, MetricEncoder, NoLabelSet};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::{MetricType, TypedMetric};

const NANOSECONDS_PER_SECOND: f64 = 1e9;

/// A metric that is the sum of its parts.
#[derive(Debug)]
pub(super) struct Summed<P> {
    parts: Arc<Mutex<Vec<P>>>,
    new_part: fn() -> P,
}

impl<P: Part> Summed<P> {
    pub(super) fn new(new_part: fn() -> P) -> Self {
        Self { parts: Arc::default(), new_part }
    }

    /// A further part, starting at zero.
    pub(super) fn part(&self) -> P {
        let part = (self.new_part)();
        self.parts.lock().unwrap_or_else(PoisonError::into_inner).push(part.clone());
        part
    }
}

impl<P> Clone for Summed<P> {
    fn clone(&self) -> Self {
        Self { parts: Arc::clone(&self.parts), new_part: self.new_part }
    }
}

impl<P: Part> EncodeMetric for Summed<P> {
    fn encode(&self, mut encoder: MetricEncoder) -> fmt::Result {
        let parts = self.parts.lock().unwrap_or_else(PoisonError::into_inner);
        P::encode_sum(&parts.iter().collect::<Vec<_>>(), &mut encoder)
    }

    fn metric_type(&self) -> MetricType {
        P::TYPE
    }
}

/// What [`Summed`] can add up.
pub(super) trait Part: TypedMetric + Clone + fmt::Debug + Send + Sync + 'static {
    fn encode_sum(parts: &[&Self], encoder: &mut MetricEncoder) -> fmt::Result;

    fn is_zero(&self) -> bool;
}

impl Part for Counter {
    fn encode_sum(parts: &[&Self], encoder: &mut MetricEncoder) -> fmt::Result {
        let sum: u64 = parts.iter().map(|part| part.get()).sum();
        encoder.encode_counter::<NoLabelSet, _, u64>(&sum, None)
    }

    fn is_zero(&self) -> bool {
        self.get() == 0
    }
}

impl Part for Gauge {
    fn encode_sum(parts: &[&Self], encoder: &mut MetricEncoder) -> fmt::Result {
        let sum: i64 = parts.iter().map(|part| part.get()).sum();
        encoder.encode_gauge(&sum)
    }

    fn is_zero(&self) -> bool {
        self.get() == 0
    }
}

/// A closed set of label values: the only way to label a part, so that no peer can make new time series.
pub trait Labels: Copy + Send + Sync + fmt::Debug + 'static {
    /// How many there are.
    const COUNT: usize;
    /// Whether those that never happened are shown as 0.
    const SHOW_ZEROS: bool;

    /// This value's place, below `COUNT`.
    fn index(self) -> usize;

    /// The label names and values of the one at `index`.
    fn describe(index: usize) -> Vec<(&'static str, Cow<'static, str>)>;
}

/// One part for each of a closed set of labels.
#[derive(Debug)]
pub struct Row<L, P> {
    cells: Arc<[P]>,
    labels: PhantomData<L>,
}

impl<L: Labels, P: Default> Default for Row<L, P> {
    fn default() -> Self {
        Self { cells: (0..L::COUNT).map(|_| P::default()).collect(), labels: PhantomData }
    }
}

impl<L: Labels, P> Row<L, P> {
    /// The metric with these labels.
    pub fn at(&self, labels: L) -> &P {
        &self.cells[labels.index()]
    }
}

impl<L, P> Clone for Row<L, P> {
    fn clone(&self) -> Self {
        Self { cells: Arc::clone(&self.cells), labels: PhantomData }
    }
}

impl<L, P: TypedMetric> TypedMetric for Row<L, P> {
    const TYPE: MetricType = P::TYPE;
}

impl<L: Labels, P: Part> Part for Row<L, P> {
    fn encode_sum(parts: &[&Self], encoder: &mut MetricEncoder) -> fmt::Result {
        for index in 0..L::COUNT {
            let cells: Vec<&P> = parts.iter().map(|part| &part.cells[index]).collect();
            if L::SHOW_ZEROS || cells.iter().any(|cell| !cell.is_zero()) {
                P::encode_sum(&cells, &mut encoder.encode_family(&L::describe(index))?)?;
            }
        }
        Ok(())
    }

    fn is_zero(&self) -> bool {
        self.cells.iter().all(Part::is_zero)
    }
}

/// A histogram of durations in atomics. Cheap to clone; clones count together.
#[derive(Clone, Debug)]
pub struct Histogram(Arc<HistogramCells>);

#[derive(Debug)]
struct HistogramCells {
    /// One more than there are bounds: the last holds what is above them all.
    counts: [AtomicU64; BOUNDS_NS.len() + 1],
    sum_ns: AtomicU64,
}

/// Upper bounds, in nanoseconds: 10 µs to 5 s in steps of 1, 2.5, 5.
const BOUNDS_NS: [u64; 18] = [
    10_000,
    25_000,
    50_000,
    100_000,
    250_000,
    500_000,
    1_000_000,
    2_500_000,
    5_000_000,
    10_000_000,
    25_000_000,
    50_000_000,
    100_000_000,
    250_000_000,
    500_000_000,
    1_000_000_000,
    2_500_000_000,
    5_000_000_000,
];

impl Default for Histogram {
    fn default() -> Self {
        let counts = [const { AtomicU64::new(0) }; BOUNDS_NS.len() + 1];
        Self(Arc::new(HistogramCells { counts, sum_ns: AtomicU64::new(0) }))
    }
}

impl Histogram {
    /// Counts one duration, in the first bucket whose bound it does not exceed.
    pub fn observe(&self, duration: Duration) {
        let duration_ns = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
        let bucket = BOUNDS_NS.partition_point(|&bound| bound < duration_ns);
        self.0.counts[bucket].fetch_add(1, Ordering::Relaxed);
        self.0.sum_ns.fetch_add(duration_ns, Ordering::Relaxed);
    }

    /// How many durations were counted.
    pub fn count(&self) -> u64 {
        self.0.counts.iter().map(|count| count.load(Ordering::Relaxed)).sum()
    }
}

impl Part for Histogram {
    fn encode_sum(parts: &[&Self], encoder: &mut MetricEncoder) -> fmt::Result {
        let bounds = BOUNDS_NS.iter().map(|&bound| bound as f64 / NANOSECONDS_PER_SECOND);
        let mut buckets: Vec<(f64, u64)> = bounds.chain([f64::INFINITY]).map(|bound| (bound, 0)).collect();
        let mut sum_ns = 0_u64;
        for Self(cells) in parts {
            for (bucket, count) in buckets.iter_mut().zip(&cells.counts) {
                bucket.1 += count.load(Ordering::Relaxed);
            }
            sum_ns = sum_ns.saturating_add(cells.sum_ns.load(Ordering::Relaxed));
        }
        // From the buckets, because a count of its own could differ from them while others are counting.
        let count = buckets.iter().map(|bucket| bucket.1).sum();
        let sum_s = sum_ns as f64 / NANOSECONDS_PER_SECOND;
        encoder.encode_histogram::<NoLabelSet>(sum_s, count, &buckets, None)
    }

    fn is_zero(&self) -> bool {
        self.count() == 0
    }
}

impl EncodeMetric for Histogram {
    fn encode(&self, mut encoder: MetricEncoder) -> fmt::Result {
        Self::encode_sum(&[self], &mut encoder)
    }

    fn metric_type(&self) -> MetricType {
        Self::TYPE
    }
}

impl TypedMetric for Histogram {
    const TYPE: MetricType = MetricType::Histogram;
}

/// Seconds spent, counted in nanoseconds. Cheap to clone; clones count together.
#[derive(Clone, Debug, Default)]
pub struct SecondsCounter(Arc<AtomicU64>);

impl SecondsCounter {
    /// Adds a duration, to the nanosecond.
    pub fn add(&self, duration: Duration) {
        let duration_ns = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
        self.0.fetch_add(duration_ns, Ordering::Relaxed);
    }
}

impl EncodeMetric for SecondsCounter {
    fn encode(&self, mut encoder: MetricEncoder) -> fmt::Result {
        let seconds = self.0.load(Ordering::Relaxed) as f64 / NANOSECONDS_PER_SECOND;
        encoder.encode_counter::<NoLabelSet, _, u64>(&seconds, None)
    }

    fn metric_type(&self) -> MetricType {
        MetricType::Counter
    }
}

impl TypedMetric for SecondsCounter {
    const TYPE: MetricType = MetricType::Counter;
}
